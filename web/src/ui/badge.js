// @ts-check
// The source badge: every plot, number and export says where its data come from.
import { sourceOf } from "../store.js";
import { h } from "./dom.js";

/** Shows the source of the store's recording in an element, for as long as the signal lives.
 *  @param {HTMLElement} element @param {import("../store.js").Store} store @param {AbortSignal} signal @param {boolean} [named] */
export function keepBadge(element, store, signal, named = false) {
  store.watch(["recording"], (state) => {
    const { word, name } = sourceOf(state);
    element.hidden = word === "";
    element.dataset.source = word;
    element.textContent = named ? `${word} ${name}` : word;
    element.title = `${word} ${name}`;
  }, signal);
}

/** @param {import("../store.js").Store} store @param {AbortSignal} signal */
export function badge(store, signal) {
  const element = h("span", { class: "badge" });
  keepBadge(element, store, signal);
  return element;
}

/** Says what a board's numbers come from: LIVE, or SIMULATED BOARD. @param {import("../store.js").Store} store @param {AbortSignal} signal */
export function boardBadge(store, signal) {
  const element = h("span", { class: "badge" });
  store.watch(["board"], ({ board: { source } }) => {
    element.hidden = source === "";
    element.dataset.source = source.split(" ", 1)[0];
    element.textContent = source;
  }, signal);
  return element;
}
