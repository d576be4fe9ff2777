// @ts-check
// Frames check: a chain from the port to a classification, and the first link that is broken.
import { button, h, table } from "../ui/dom.js";

const SIGNS = /** @type {const} */ ({ holds: ["✓", "holds"], differs: ["≠", "differs"], broken: ["✕", "broken"], notReached: ["–", "not reached"] });

/** @param {HTMLElement} panel @param {import("../main.js").Ctx} ctx */
export function mountCheck(panel, { board, store, signal }) {
  const start = button("Check", board.check, { class: "button primary", id: "check-start" });
  const verdict = h("p", { role: "status", id: "check-result" });
  const chain = h("div");
  panel.append(h("p", null, "A board is connected and no frames come: this goes from the cable to a classification and stops at the first link that is broken. It changes nothing on the board."), h("div", { class: "tools" }, start), verdict, chain);
  store.watch(["board"], ({ board: { check, device: { task } } }) => {
    start.disabled = task !== null;
    const broken = check && check.firstBroken !== null ? check.links[check.firstBroken] : null;
    verdict.className = broken ? "error-text" : "ok-text";
    verdict.textContent = task === "check" ? "Looking…" : broken ? `First broken link: ${broken.name}. ${broken.detail.charAt(0).toUpperCase()}${broken.detail.slice(1)}. ${broken.advice}` : check ? "Every link holds." : "";
    chain.replaceChildren(check ? table("Chain", ["link", "", "found"], check.links.map(({ name, state, detail, advice }) => [name,
      h("span", { class: "link-state", data: { state } }, SIGNS[state].join(" ")), state === "differs" ? `${detail}. ${advice}` : detail])) : "");
  }, signal);
}
