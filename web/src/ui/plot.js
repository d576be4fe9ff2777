// @ts-check
// A plot: title, source badge, canvas with a sentence for those who cannot see it, its numbers as
// a table, and an overlay that moves without drawing the plot again.
import { sourceOf } from "../store.js";
import { badge } from "./badge.js";
import { h } from "./dom.js";
import { showTable } from "./table.js";

/** @typedef {import("../lab.js").PlotArea} PlotArea */
/** @typedef {{columns: string[], rows: (string | number)[][], about?: string}} Numbers  `about`: what the numbers are and in which unit, where the columns do not say it */
/**
 * @typedef {object} PlotOptions
 * @property {string} title
 * @property {(canvas: HTMLCanvasElement, ratio: number, dark: boolean) => PlotArea | null} draw
 * @property {() => string} describe  one sentence with the main numbers
 * @property {() => Numbers} table
 * @property {() => string | null} [empty]  why there is nothing to draw, or null
 * @property {(Node | string)[]} [controls]
 * @property {(plot: Plot) => void} [drawn]  after each drawing, with the area known
 * @property {string} [hint]  what can be done with it, shown over the title
 * @property {() => string} [source]  where the numbers come from, when not from the recording
 */
/** @typedef {ReturnType<typeof createPlot>} Plot */

/** Sharp on fine screens, but never more than four pixels for one. */
export const pixelRatio = () => Math.min(2, window.devicePixelRatio || 1);

/** @type {Set<() => void>} */
const due = new Set();
/** Runs each function once before the next frame, however often it is asked for. @param {() => void} run */
export function beforeFrame(run) {
  if (due.size === 0) {
    requestAnimationFrame(() => {
      const now = [...due];
      due.clear();
      for (const each of now) each();
    });
  }
  due.add(run);
}

/** @param {PlotOptions} options @param {import("../main.js").Ctx} ctx */
export function createPlot(options, { store, signal, fail }) {
  const canvas = h("canvas", { class: "under", role: "img", "aria-label": options.title });
  const overlay = h("div", { class: "plot-overlay" });
  const empty = h("div", { class: "plot-empty", hidden: true });
  const body = h("div", { class: "plot-body" }, canvas, overlay, empty);
  const heading = h("h3", { title: options.hint ?? options.title }, options.title);
  const note = h("span", { class: "note" });
  const source = options.source ? h("span", { class: "badge" }) : badge(store, signal);
  const root = h("figure", { class: "plot" },
    h("figcaption", null, heading, note, h("span", { class: "spring" }), ...(options.controls ?? []),
      h("button", { type: "button", class: "button small quiet", "aria-label": `Table of ${options.title}`, title: "The numbers of this plot", on: { click: openTable } },
        h("span", { class: "table-word" }, "Table"), h("span", { class: "table-sign" }, "▤")), source),
    body);

  function openTable() {
    const { word, name } = sourceOf(store.state);
    showTable(options.title, options.source?.() ?? `${word} ${name}`, options.table());
  }

  const plot = {
    root, body, canvas, overlay, note, heading,
    /** @type {PlotArea | null} */
    area: null,
    redraw: () => beforeFrame(drawNow),
    visible: () => canvas.clientWidth > 0 && canvas.clientHeight > 0,
  };

  function drawNow() {
    const ratio = pixelRatio();
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (width < 40 || height < 40) return;
    const reason = options.empty?.() ?? null;
    empty.hidden = reason === null;
    empty.textContent = reason ?? "";
    if (options.source) {
      source.title = options.source();
      source.textContent = source.dataset.source = source.title.split(" ", 1)[0];
    }
    if (reason !== null) {
      canvas.setAttribute("aria-label", `${options.title}: ${reason}`);
      return;
    }
    // Setting the size clears the canvas and is slow: only when it changed.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    try {
      plot.area = options.draw(canvas, ratio, store.state.dark);
    } catch (error) {
      fail(error);
      return;
    }
    if (plot.area) place(overlay, plot.area);
    canvas.setAttribute("aria-label", options.describe());
    options.drawn?.(plot);
  }

  const sizes = new ResizeObserver(plot.redraw);
  sizes.observe(body);
  signal.addEventListener("abort", () => sizes.disconnect(), { once: true });
  store.addEventListener("change", (event) => {
    if (/** @type {CustomEvent<Set<string>>} */ (event).detail.has("dark")) plot.redraw();
  }, { signal });
  return plot;
}

/** Puts an element over the drawn part of a plot. @param {HTMLElement} element @param {PlotArea} area */
export function place(element, area) {
  element.style.left = `${area.left}px`;
  element.style.top = `${area.top}px`;
  element.style.width = `${area.width}px`;
  element.style.height = `${area.height}px`;
}

/** Adds the line that marks the time of the cursor. @param {Plot} plot */
export function addCursor(plot) {
  const line = h("div", { class: "cursor", hidden: true });
  plot.overlay.append(line);
  /** @param {number} at @param {number} start @param {number} end */
  return (at, start, end) => {
    line.hidden = !plot.area || !(at >= start && at <= end) || end <= start;
    if (plot.area && !line.hidden) line.style.transform = `translateX(${((at - start) / (end - start)) * (plot.area.width - 1)}px)`;
  };
}
