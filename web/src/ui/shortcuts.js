// @ts-check
// Listens for keys and runs the actions of the table.
import { actionFor } from "../actions.js";

/** Controls that need all keys for themselves. The time line does not: its keys are ours. */
const FIELDS = "input, select, textarea, [role='option'], [contenteditable]";
/** Controls that are pressed with these two keys and need no other. */
const PRESSED = "button, a[href], summary";
const PRESS_KEYS = [" ", "Enter"];

/** @param {import("../actions.js").Action[]} actions @param {import("../store.js").Store} store @param {AbortSignal} signal */
export function listen(actions, store, signal) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const modal = document.querySelector("dialog[open]") !== null;
    const editing = modal || target.closest(FIELDS) !== null || (PRESS_KEYS.includes(event.key) && target.closest(PRESSED) !== null);
    const action = actionFor(actions, event, { editing, letters: store.state.letters });
    // An open dialog closes itself on Esc.
    if (!action || (modal && action.id === "escape")) return;
    event.preventDefault();
    action.run();
  }, { signal });
}
