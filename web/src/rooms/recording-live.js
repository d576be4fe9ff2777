// @ts-check
// The live recording in the inspector: what comes, what is left out and why, stop and save.
import { button, facts, group, h, table } from "../ui/dom.js";
import { bytes, duration, hertz, integer } from "../ui/format.js";

/** @param {import("../main.js").Ctx} ctx @returns {HTMLElement} */
export function mountLivePanel({ store, live, signal }) {
  const { root, inside } = group("Live");
  const stop = button("Stop", () => void live.end(), { class: "button small", id: "live-stop" });
  const save = button("Save recording", () => void live.save(), { class: "button primary small", id: "live-save" });
  const figures = h("div");
  const note = h("p", { class: "quiet-text" });
  inside.append(figures, note, h("div", { class: "button-row" }, stop, save));

  store.watch(["live", "unsaved"], ({ live: now, unsaved }) => {
    root.hidden = !now && !unsaved;
    stop.hidden = !now;
    save.hidden = !unsaved;
    note.textContent = !now ? "Not saved yet. The file holds the bytes as they came, with the labels beside it."
      : now.revision === 0 ? "Waiting for the first line with CSI. What was open stays until then."
      : now.full ? "The memory for frames is full: it grows no more." : "";
    note.hidden = note.textContent === "";
    const skipped = Object.entries(now?.skipped ?? {});
    figures.replaceChildren(...(now ? [
      facts([
        ["Device", now.device],
        ["Bytes", bytes(now.bytes)],
        ["Frames", integer(now.allFrames)],
        ["Span", duration(now.spanS)],
        ["Rate, on average", hertz(now.rateHz)],
        ["Left out", skipped.length === 0 ? "none" : integer(skipped.reduce((sum, [, n]) => sum + n, 0))],
      ]),
      ...(skipped.length > 0 ? [table("Left out, by reason", ["reason", "count"], skipped)] : []),
    ] : []));
  }, signal);
  return root;
}
