// @ts-check
// The Attention room: what a head reads with every frame (dense, orange) and with a few (sparse,
// blue), how far the outputs differ, and what other windows and blocks would give.
import { h, segmented } from "../ui/dom.js";
import { clock, integer, milliseconds, percent, significant } from "../ui/format.js";
import { latest } from "../ui/latest.js";
import { addCursor, beforeFrame, createPlot } from "../ui/plot.js";
import { createRasterPlot } from "../ui/raster.js";
import { lastFrame } from "../rows.js";
import { mountAttentionSide } from "./attention-side.js";
import { createSweep } from "./sweep.js";

/** @typedef {import("../lab.js").AttentionResult} Result */

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx */
export function mountAttention(root, side, ctx) {
  const { lab, wasm, store, player, signal } = ctx;
  /** @type {Result | null} */
  let result = null;
  /** Why there is no result. */
  let reason = "";
  let row = -1;

  const missing = () => {
    const { recording, pipeline, blob } = store.state;
    if (!blob) return "No weights are open. Make some in the Model room.";
    if (!recording) return "No recording. Open one, or the built-in one from Ctrl+K.";
    if (pipeline && !pipeline.matches) return `The features have ${pipeline.featureDim} numbers a row, the model takes ${pipeline.modelInputDim}. Change Features in the Recording room, or make weights in Model.`;
    if (result && result.n < 2) return "Fewer than two rows lie before the end of this recording.";
    return reason || (result ? null : "Computing…");
  };

  /** @param {"sparse" | "dense" | "difference"} which @param {string} title @param {string} label */
  const map = (which, title, label) => {
    const plot = createRasterPlot({
      title, wasm, square: true,
      empty: missing,
      raster: () => result?.[which] ?? null,
      axes: () => ({ xLabel: "looked at (row)", yLabel: "row", xMin: 0, xMax: result?.n ?? 1, yMin: 0, yMax: result?.n ?? 1, yReversed: true }),
      bar: () => result && { map: result[which].map, min: result[which].min, max: result[which].max, label, log: which !== "difference" },
      describe: () => result ? `${title}: ${result.n} by ${result.n} attention weights of the rows from ${clock(result.firstSeconds)} to ${clock(result.lastSeconds)}, ${bounds(result[which], which !== "difference")}` : title,
      table: () => edgesTable(),
      drawn: () => moveRow(),
    }, ctx);
    plot.root.dataset.tone = which;
    plot.body.style.aspectRatio = "1";
    return plot;
  };
  /** @param {import("../lab.js").Raster} raster @param {boolean} log */
  const bounds = ({ min, max }, log) => (log ? `${significant(10 ** min)} to ${significant(10 ** max)}` : `${significant(min)} to ${significant(max)}`);
  const maps = [map("sparse", "Sparse", "weight"), map("dense", "Dense", "weight"), map("difference", "Dense − sparse", "weight that sparse leaves out (blue: adds)")];
  maps[0].root.dataset.shown = "";
  const which = segmented("Map", [["0", "Sparse"], ["1", "Dense"], ["2", "Difference"]], "0", (chosen) => {
    maps.forEach((plot, i) => { if (String(i) === chosen) plot.root.dataset.shown = ""; else delete plot.root.dataset.shown; });
  });

  const perFrame = createPlot({
    title: "Output difference per row",
    empty: missing,
    draw: (canvas, ratio, dark) => {
      if (!result) return null;
      return wasm.drawLines(canvas, ratio, dark, {
        xLabel: "time (s)", yLabel: "|sparse − dense|", xMin: result.firstSeconds, xMax: result.lastSeconds, yMin: 0,
        series: [{ name: "max", color: "text", x: result.x, y: result.perFrameMax }, { name: "mean", color: "accent", x: result.x, y: result.perFrameMean }],
      });
    },
    describe: () => result ? `Difference of the attention outputs per row: max ${significant(result.maxAbs)}, mean ${significant(result.meanAbs)}` : "Output difference per row",
    drawn: () => moveRow(),
    table: () => ({ columns: ["time_s", "max_abs", "mean_abs"], rows: result ? [...result.x].map((x, i) => [x, result?.perFrameMax[i] ?? NaN, result?.perFrameMean[i] ?? NaN]) : [] }),
  }, ctx);
  const moveCursor = addCursor(perFrame);
  const sweep = createSweep(ctx, missing, () => result);

  const out = {
    mean: h("output", { id: "error-mean" }), max: h("output", { id: "error-max" }), relative: h("output"),
    edges: h("output", { id: "edges-sparse", class: "sparse-text" }), edgesDense: h("output", { id: "edges-dense", class: "dense-text" }), ratio: h("output"),
    sparseMs: h("output", { class: "sparse-text" }), denseMs: h("output", { class: "dense-text" }),
  };
  const fact = (/** @type {string} */ label, /** @type {(Node | string)[]} */ ...values) => h("div", null, h("span", { class: "label" }, label), ...values);
  root.append(h("div", { class: "attention-room" },
    h("div", { class: "facts-row" },
      fact("mean error", out.mean), fact("max", out.max), fact("of dense rms", out.relative),
      fact("edges", out.edges, "of", out.edgesDense, out.ratio),
      fact("measured in this page, just now:", out.sparseMs, "sparse,", out.denseMs, "dense"),
      h("div", { class: "narrow-only" }, which.root)),
    h("div", { class: "maps" }, ...maps.map((plot) => plot.root)),
    h("div", { class: "pair-row" }, perFrame.root, sweep.root)));

  const settings = () => ({ frame: lastFrame(store.state), ...store.state.attention, dark: store.state.dark });
  const sideView = mountAttentionSide(side, ctx, (chosen) => { row = chosen; moveRow(); askRow(); }, () => result);

  const ask = latest((/** @type {ReturnType<typeof settings>} */ args) => lab.attention(args), (answer) => {
    result = answer;
    reason = "";
    if (row >= answer.n) row = answer.n - 1;
    show(answer);
    askRow();
    if (!store.state.playing) sweep.start(settings());
  }, (error) => {
    // The panel says what is missing; the old picture would belong to other settings.
    result = null;
    reason = error instanceof Error ? error.message : String(error);
    redraw();
    ctx.journal.add("warning", `attention: ${reason}`);
  });
  const askEdges = latest((/** @type {ReturnType<typeof settings> & {row: number}} */ args) => lab.rowEdges(args), (edges, args) => sideView.edges(edges, args.row), ctx.fail);
  function askRow() {
    if (row >= 0 && result) askEdges({ ...settings(), row });
    else sideView.edges([], -1);
  }

  /** @param {Result} r */
  function show(r) {
    out.mean.value = significant(r.meanAbs);
    out.max.value = significant(r.maxAbs);
    out.relative.value = percent(r.meanAbs, r.denseRms);
    out.edges.value = integer(r.edgesSparse);
    out.edgesDense.value = integer(r.edgesDense);
    out.ratio.value = `(${percent(r.edgesSparse, r.edgesDense)})`;
    out.sparseMs.value = milliseconds(r.sparseMs);
    out.denseMs.value = milliseconds(r.denseMs);
    sideView.result(r);
    redraw();
    note(r);
  }
  let noted = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let noting;
  /** Writes a setting down once it has stood still. @param {Result} r */
  function note(r) {
    const { n, window, block, logStride, landmarks, globalToken, lnCount, magnitude } = store.state.attention;
    const on = Object.entries({ "log stride": logStride, landmarks, "global token": globalToken, "ln(count)": lnCount }).filter(([, is]) => is).map(([name]) => name);
    const setting = `attention: ${n} rows, window ${window}, block ${block}, ${on.join(", ") || "window only"}${magnitude ? `, queries and keys brought to ±${magnitude}` : ""}`;
    clearTimeout(noting);
    if (setting !== noted) {
      noting = setTimeout(() => {
        noted = setting;
        ctx.journal.add("info", `${setting}: ${integer(r.edgesSparse)} of ${integer(r.edgesDense)} edges, mean error ${significant(r.meanAbs)}, max ${significant(r.maxAbs)}`);
      }, 800);
    }
  }
  function redraw() {
    for (const plot of [...maps, perFrame]) plot.redraw();
    sweep.redraw();
  }

  const lines = maps.map((plot) => {
    const line = h("div", { class: "row", hidden: true });
    plot.overlay.append(line);
    return line;
  });
  function moveRow() {
    maps.forEach(({ area }, i) => {
      lines[i].hidden = row < 0 || !result || !area;
      if (area && result) lines[i].style.transform = `translateY(${((row + 0.5) / result.n) * area.height}px)`;
    });
    if (result) moveCursor(row < 0 ? NaN : result.x[row], result.firstSeconds, result.lastSeconds);
  }
  /** @param {number} wanted */
  function setRow(wanted) {
    if (!result) return;
    const next = Math.max(0, Math.min(result.n - 1, wanted));
    if (next === row) return;
    row = next;
    moveRow();
    askRow();
  }
  for (const plot of maps) {
    const hit = h("div", { class: "plot-hit", role: "application", tabindex: 0, "aria-label": "Row of the map: up and down choose it, its edges are listed in the inspector" });
    plot.body.append(hit);
    const fit = new ResizeObserver(() => { if (plot.area) hit.style.inset = `${plot.area.top}px auto auto ${plot.area.left}px`; });
    fit.observe(plot.overlay);
    signal.addEventListener("abort", () => fit.disconnect(), { once: true });
    hit.style.width = hit.style.height = "100%";
    hit.addEventListener("pointermove", (event) => { if (plot.area && result) setRow(Math.floor((event.offsetY / plot.area.height) * result.n)); }, { signal });
    hit.addEventListener("click", (event) => {
      if (!plot.area || !result) return;
      setRow(Math.floor((event.offsetY / plot.area.height) * result.n));
    }, { signal });
    hit.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -16, PageDown: 16 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      setRow(row < 0 ? (result?.n ?? 1) - 1 : row + step);
    }, { signal });
  }

  function edgesTable() {
    const { columns, rows } = sideView.table();
    return rows.length > 0 ? { columns, rows } : { columns: ["hint"], rows: [["Choose a row of the map first: its edges are the numbers."]] };
  }

  const update = () => {
    const { room, recording, pipeline } = store.state;
    if (room !== "attention" || !recording) return;
    if (pipeline && !pipeline.matches) {
      result = null;
      redraw();
    } else ask(settings());
  };
  store.watch(["attention", "frame", "revision", "times", "blob", "pipeline", "dark", "room"], () => beforeFrame(update), signal);
  store.watch(["attention", "frame", "revision", "times", "blob", "pipeline", "room"], () => sweep.stopIfOther(settings()), signal);
  store.watch(["playing"], ({ playing, room }) => {
    if (playing) sweep.stop();
    else if (room === "attention" && result && player.frames() > 0) sweep.start(settings());
  }, signal);
}
