// @ts-check
// What a board says: Console, Live, Parity, Frames check.
import { boardBadge } from "../ui/badge.js";
import { h } from "../ui/dom.js";
import { mountCheck } from "./device-check.js";
import { mountConsole } from "./device-console.js";
import { mountLive } from "./device-live.js";
import { mountParity } from "./device-parity.js";

/** @param {import("../main.js").Ctx} ctx */
export function mountTabs(ctx) {
  const { store, signal } = ctx;
  const tabs = /** @type {const} */ ([["console", "Console", mountConsole], ["live", "Live", mountLive], ["parity", "Parity", mountParity], ["check", "Frames check", mountCheck]]).map(([id, name, mount]) => {
    const panel = h("div", { class: "tab-panel", role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, tabindex: 0 });
    const tab = h("button", { type: "button", class: "tab", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, on: { click: () => choose(id) } }, name);
    mount(panel, ctx);
    return { id, panel, tab };
  });
  /** @param {string} id */
  function choose(id) {
    for (const { id: each, panel, tab } of tabs) {
      panel.hidden = each !== id;
      tab.setAttribute("aria-selected", String(each === id));
      tab.tabIndex = each === id ? 0 : -1;
    }
  }
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": "What the board says", on: { keydown: (/** @type {KeyboardEvent} */ event) => {
    const at = tabs.findIndex(({ tab }) => tab === document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    // The page's own keys would step through the recording.
    event.stopPropagation();
    const { id, tab } = tabs[(to + tabs.length) % tabs.length];
    choose(id);
    tab.focus();
  } } }, ...tabs.map(({ tab }) => tab));
  choose("console");
  return h("section", { class: "card", id: "board-tabs" }, h("header", null, list, h("span", { class: "spring" }), boardBadge(store, signal)), ...tabs.map(({ panel }) => panel));
}
