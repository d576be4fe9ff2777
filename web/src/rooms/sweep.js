// @ts-check
// Error against edges for many windows and blocks, computed in the worker in short slices while
// nothing else is asked; the current setting is marked.
import { button } from "../ui/dom.js";
import { integer, significant } from "../ui/format.js";
import { createPlot } from "../ui/plot.js";

/** @typedef {import("../lab.js").AttentionArgs} Args */
const SLICE_MS = 12;
const QUIET_MS = 350;

/**
 * @param {import("../main.js").Ctx} ctx @param {() => string | null} missing
 * @param {() => import("../lab.js").AttentionResult | null} current
 */
export function createSweep({ lab, wasm, store, fail, signal, ...rest }, missing, current) {
  const ctx = { lab, wasm, store, fail, signal, ...rest };
  /** @type {import("../lab.js").SweepPoint[]} */
  let points = [];
  let total = 0;
  let key = "";
  let run = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let error = /** @type {"meanAbs" | "maxAbs"} */ ("meanAbs");

  const swap = button("mean", () => {
    error = error === "meanAbs" ? "maxAbs" : "meanAbs";
    swap.textContent = error === "meanAbs" ? "mean" : "max";
    plot.redraw();
  }, { class: "button small", title: "Mean or max error" });

  const plot = createPlot({
    title: "Error against edges",
    controls: [swap],
    empty: () => missing() ?? (points.length === 0 ? (store.state.playing ? "Computed when the replay pauses." : "Computing…") : null),
    draw(canvas, ratio, dark) {
      const at = current();
      const shown = points.filter((p) => p[error] > 0);
      const xMax = Math.max(at?.edgesSparse ?? 1, ...shown.map((p) => p.edges)) * 1.06;
      return wasm.drawLines(canvas, ratio, dark, {
        xLabel: "edges", yLabel: error === "meanAbs" ? "mean |error|" : "max |error|", xMin: 0, xMax, yLog: true,
        series: [{ name: "window × block", color: "sparse", dots: true, x: Float64Array.from(shown, (p) => p.edges), y: Float32Array.from(shown, (p) => p[error]) }],
        markers: at && at[error] > 0 ? [{ x: at.edgesSparse, y: at[error], color: "accent", label: "now" }] : [],
      });
    },
    describe: () => `Error against edges for ${points.length} of ${total} settings of window and block; now ${integer(current()?.edgesSparse ?? 0)} edges, ${significant(current()?.[error] ?? 0)}`,
    table: () => ({ columns: ["window", "block", "edges", "max_abs", "mean_abs", "ms"], rows: points.map((p) => [p.window, p.block, p.edges, p.maxAbs, p.meanAbs, p.ms]) }),
  }, ctx);

  /** Window and block are what the sweep varies: they do not make it another sweep. @param {Args} args */
  const keyOf = ({ window: _w, block: _b, head: _h, dark: _d, ...others }) => JSON.stringify([others, store.state.revision, store.state.blob?.crc32Hex, store.state.pipeline]);

  function stop() {
    run += 1;
    clearTimeout(timer);
    if (points.length < total) key = "";
  }

  /** @param {Args} args */
  function start(args) {
    if (keyOf(args) === key) return;
    stop();
    key = keyOf(args);
    const mine = run;
    timer = setTimeout(() => void work(args, mine), QUIET_MS);
  }

  /** @param {Args} args @param {number} mine */
  async function work(args, mine) {
    try {
      const count = await lab.sweepBegin(args);
      if (mine !== run) return;
      total = count;
      points = [];
      plot.root.dataset.busy = "";
      while (mine === run) {
        const more = await lab.sweepStep(SLICE_MS);
        if (mine !== run) return;
        if (more.length === 0) break;
        points.push(...more);
        plot.note.textContent = points.length < total ? `${points.length} of ${total}` : "";
        plot.redraw();
      }
    } catch (thrown) {
      key = "";
      fail(thrown, "sweep");
    } finally {
      delete plot.root.dataset.busy;
    }
  }

  return {
    root: plot.root,
    redraw: plot.redraw,
    start,
    stop,
    /** Ends a sweep whose settings are no longer the page's. @param {Args} args */
    stopIfOther(args) {
      if (key !== "" && keyOf(args) !== key) {
        stop();
        key = "";
        points = [];
        total = 0;
        plot.redraw();
      }
    },
  };
}
