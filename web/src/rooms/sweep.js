// @ts-check
// Error against edges for many numbers of the chosen pattern, computed in the worker in short slices while
// nothing else is asked; the current setting is marked.
import { button, h } from "../ui/dom.js";
import { integer, significant } from "../ui/format.js";
import { createPlot } from "../ui/plot.js";
import { patternOf, withNumbers } from "../patterns.js";

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
  /** The pattern that the points are of. @type {import("../lab.js").PatternKind} */
  let kind = "upstream";
  const second = () => patternOf(kind).numbers[1].label.toLowerCase();
  let key = "";
  let run = 0;
  let scale = { xMax: 1, yMin: 0.1, yMax: 1 };
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
    hint: "Each dot is one setting of the pattern: its window, and its other number. Point at one to read it, click it to take it; the table lists all.",
    controls: [swap],
    empty: () => missing() ?? (points.length === 0 ? (store.state.playing ? "Computed when the replay pauses." : "Computing…") : equal() ? "Every setting gives exactly what dense gives: the rows are too few to leave any out." : null),
    draw(canvas, ratio, dark) {
      const at = current();
      const shown = points.filter((p) => p[error] > 0);
      const upstream = at?.upstream && at.upstream[error] > 0 ? at.upstream : null;
      const errors = [...shown.map((p) => p[error]), ...(at && at[error] > 0 ? [at[error]] : []), ...(upstream ? [upstream[error]] : [])];
      const [low, high] = errors.length > 0 ? [Math.min(...errors), Math.max(...errors)] : [0.1, 1];
      // No dot lies on the frame, however many decades there are.
      const margin = Math.max(1.25, (high / low) ** 0.08);
      scale = { xMax: Math.max(at?.edgesSparse ?? 1, upstream?.edges ?? 1, ...shown.map((p) => p.edges)) * 1.06, yMin: low / margin, yMax: high * margin };
      return wasm.drawLines(canvas, ratio, dark, {
        xLabel: "edges", yLabel: error === "meanAbs" ? "mean |error|" : "max |error|", xMin: 0, ...scale, yLog: true,
        series: [{ name: `window × ${second()}`, color: "sparse", dots: true, x: Float64Array.from(shown, (p) => p.edges), y: Float32Array.from(shown, (p) => p[error]) }],
        markers: [
          ...(upstream ? [{ x: upstream.edges, y: upstream[error], color: /** @type {const} */ ("text"), label: "upstream" }] : []),
          ...(at && at[error] > 0 ? [{ x: at.edgesSparse, y: at[error], color: /** @type {const} */ ("accent"), label: "now" }] : []),
        ],
      });
    },
    drawn: () => point(null),
    describe: () => `Error against edges for ${points.length} of ${total} settings of window and ${second()}; now ${integer(current()?.edgesSparse ?? 0)} edges, ${significant(current()?.[error] ?? 0)}`,
    table: () => ({ columns: ["window", patternOf(kind).size, "edges", "max_abs", "mean_abs", "ms"], rows: points.map((p) => [p.window, p.size, p.edges, p.maxAbs, p.meanAbs, p.ms]) }),
  }, ctx);

  const equal = () => points.length > 0 && points.length === total && points.every((p) => p[error] === 0);

  // The point nearest to the pointer says its window and block; a click takes them.
  const ring = h("div", { class: "ring", hidden: true });
  plot.overlay.append(ring);
  /** @type {import("../lab.js").SweepPoint | null} */
  let pointed = null;
  /** @param {import("../lab.js").SweepPoint} p @param {import("../lab.js").PlotArea} area */
  const placeOf = (p, area) => ({
    x: (p.edges / scale.xMax) * area.width,
    y: (Math.log(scale.yMax / p[error]) / Math.log(scale.yMax / scale.yMin)) * area.height,
  });
  /** @param {import("../lab.js").SweepPoint | null} p */
  function point(p) {
    pointed = p;
    ring.hidden = !p || !plot.area;
    plot.canvas.style.cursor = p ? "pointer" : "";
    if (p && plot.area) {
      const { x, y } = placeOf(p, plot.area);
      ring.style.transform = `translate(${x - 5}px, ${y - 5}px)`;
    }
    plot.note.textContent = p ? `${p.window} × ${p.size}: ${significant(p[error])}` : points.length < total ? `${points.length} of ${total}` : "";
    plot.note.title = p ? `Window ${p.window}, ${second()} ${p.size}: ${integer(p.edges)} edges, mean error ${significant(p.meanAbs)}, max ${significant(p.maxAbs)}` : "";
  }
  /** @param {PointerEvent | MouseEvent} event */
  function nearest(event) {
    const { area } = plot;
    if (!area) return null;
    const far = (/** @type {import("../lab.js").SweepPoint} */ p) => {
      const { x, y } = placeOf(p, area);
      return Math.hypot(area.left + x - event.offsetX, area.top + y - event.offsetY);
    };
    const shown = points.filter((p) => p[error] > 0);
    const best = shown.reduce((a, b) => (a && far(a) <= far(b) ? a : b), /** @type {import("../lab.js").SweepPoint | null} */ (null));
    return best && far(best) <= 24 ? best : null;
  }
  plot.canvas.addEventListener("pointermove", (event) => point(nearest(event)), { signal });
  plot.canvas.addEventListener("pointerleave", () => point(null), { signal });
  plot.canvas.addEventListener("click", (event) => {
    const p = nearest(event);
    const [, number] = patternOf(kind).numbers;
    if (p && kind === store.state.attention.kind) {
      store.update({ attention: { ...store.state.attention, ...withNumbers(store.state.attention, { window: p.window, [number.key]: p.size }) } });
    }
  }, { signal });

  /** The numbers of the pattern are what the sweep varies: they do not make it another sweep. @param {Args} args */
  const keyOf = ({ frame, n, layer, magnitude, pattern }) => JSON.stringify([frame, n, layer, magnitude, { ...pattern, window: 0, block: 0, perLevel: 0, groups: 0 }, store.state.revision, store.state.blob?.crc32Hex, store.state.pipeline]);

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
      const count = await lab.sweepBegin();
      if (mine !== run) return;
      kind = args.pattern.kind;
      total = count;
      points = [];
      plot.root.dataset.busy = "";
      while (mine === run) {
        const more = await lab.sweepStep(SLICE_MS);
        if (mine !== run) return;
        if (more.length === 0) break;
        points.push(...more);
        point(pointed);
        plot.redraw();
      }
    } catch (thrown) {
      // A sweep that was given up has nothing to say, whatever became of its last step.
      if (mine !== run || store.state.changing) return;
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
