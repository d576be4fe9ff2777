// @ts-check
// Listens for keys and runs the actions of the table.
import { actionFor } from "../actions.js";

/** Controls that need keys for themselves. The time line does not: its keys are ours. */
const OWN_KEYS = "input, select, textarea, button, a[href], summary, [role='option'], [contenteditable]";

/** @param {import("../actions.js").Action[]} actions @param {import("../store.js").Store} store @param {AbortSignal} signal */
export function listen(actions, store, signal) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const modal = document.querySelector("dialog[open]") !== null;
    const action = actionFor(actions, event, { editing: modal || target.closest(OWN_KEYS) !== null, letters: store.state.letters });
    // An open dialog closes itself on Esc.
    if (!action || (modal && action.id === "escape")) return;
    event.preventDefault();
    action.run();
  }, { signal });
}
