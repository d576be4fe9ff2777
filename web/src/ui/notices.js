// @ts-check
// Notices: what happened, what it means, what to do, code and Copy. They never block the page.
import { adviceFor } from "./advice.js";
import { LabError } from "../lab.js";
import { button, byId, h } from "./dom.js";

export class Notices {
  /** @param {import("../journal.js").Journal} journal */
  constructor(journal) {
    this.journal = journal;
    this.root = byId("notices");
  }

  /** Shows a failure and writes it down. @param {unknown} thrown @param {string} [about]  the file or step it is about */
  fail = (thrown, about) => {
    const error = LabError.from(thrown);
    const { means, todo } = adviceFor(error.code);
    const what = `${about ? `${about}: ` : ""}${error.message}`;
    this.journal.add("error", `${what} [${error.code}]`);
    // The same failure again says nothing new.
    this.root.querySelector(`[data-code="${CSS.escape(error.code)}"]`)?.remove();
    const lines = [`What happened: ${what}`, `What it means: ${means}`, `What to do: ${todo}`, `Code: ${error.code}`];
    const copy = button("Copy", () => void navigator.clipboard?.writeText(lines.join("\n")), { class: "button small" });
    const notice = this.show("error", about ? what : sentence(what), [means, todo], error.code, [copy], error.code);
    if (about) notice.dataset.about = about;
  };

  /** Takes the failures of a step away that has succeeded since. @param {string} about */
  settle(about) {
    for (const notice of this.root.querySelectorAll(`[data-about="${CSS.escape(about)}"]`)) notice.remove();
  }

  /** @param {string} title @param {string} text @param {HTMLElement[]} [tools] @param {string} [key] */
  tell(title, text, tools = [], key = title) {
    const notice = this.show("info", title, [text], "", tools, key);
    // What only informs makes room again; the Log room keeps it.
    if (tools.length === 0) setTimeout(() => notice.remove(), 12_000);
    return notice;
  }

  /** @param {string} level @param {string} title @param {string[]} lines @param {string} code @param {HTMLElement[]} tools @param {string} key */
  show(level, title, lines, code, tools, key) {
    const close = button("✕", () => notice.remove(), { class: "button small quiet", "aria-label": "Dismiss" });
    const notice = h("section", { class: "notice", data: { level, code: key }, role: level === "error" ? "alert" : "status" },
      h("header", null, h("h2", null, title), close),
      ...lines.map((line) => h("p", null, line)),
      (code || tools.length > 0) && h("div", { class: "foot" }, h("code", null, code), ...tools));
    this.root.append(notice);
    while (this.root.children.length > 4) this.root.firstElementChild?.remove();
    return notice;
  }

  /** Takes the newest notice away. @returns {boolean} whether there was one */
  dismiss() {
    const dismissable = [...this.root.children].filter((child) => !(child instanceof HTMLElement && child.dataset.stay !== undefined));
    dismissable.at(-1)?.remove();
    return dismissable.length > 0;
  }
}

/** @param {string} text */
function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
