// @ts-check
// The Attention room: what a head reads with every frame (dense, orange) and with a few (sparse,
// blue), how far the outputs differ, and what other windows and blocks would give.
import { button, h, segmented } from "../ui/dom.js";
import { clock, integer, milliseconds, percent, significant } from "../ui/format.js";
import { latest, ofRecording } from "../ui/latest.js";
import { addCursor, beforeFrame, createPlot, place } from "../ui/plot.js";
import { createRasterPlot } from "../ui/raster.js";
import { lastFrame } from "../rows.js";
import { mountAttentionSide } from "./attention-side.js";
import { createSweep } from "./sweep.js";

/** @typedef {import("../lab.js").AttentionResult} Result */

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {import("../opening.js").Opening} opening */
export function mountAttention(root, side, ctx, opening) {
  const { lab, wasm, store, player, signal } = ctx;
  /** @type {Result | null} */
  let result = null;
  /** What the result was asked with: questions about its rows use the same.
   *  @type {ReturnType<typeof settings> | null} */
  let askedWith = null;
  /** Why there is no result. */
  let reason = "";
  let row = -1;
  let column = -1;
  /** The numbers of the chosen row. @type {import("../lab.js").AttentionRow | null} */
  let numbers = null;

  const missing = () => {
    const { recording, pipeline, blob } = store.state;
    if (!blob) return "No weights are open.";
    if (!recording) return "No recording is open.";
    if (pipeline && !pipeline.matches) return `Each row has ${pipeline.featureDim} features, but the model takes ${pipeline.modelInputDim}.`;
    if (result && result.n < 2) return "The recording gives one row only, and attention compares rows.";
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
  const maps = [map("sparse", "Sparse", "weight"), map("dense", "Dense", "weight"), map("difference", "Dense − sparse", "left out by sparse (blue: added)")];
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

  const lack = h("div", { class: "room-lack", role: "status", hidden: true });
  let lacking = "";
  /** When nothing can be shown at all, says so once, with the button that mends it. */
  function showLack() {
    const { recording, pipeline, blob } = store.state;
    const why = result ? (result.n < 2 ? missing() : null) : missing();
    const shown = why && why !== "Computing…" ? why : "";
    rest.hidden = shown !== "";
    lack.hidden = shown === "";
    if (shown !== "") sideView.clear();
    if (shown === lacking) return;
    lacking = shown;
    const go = (/** @type {string} */ label, /** @type {import("../store.js").Room} */ to) => button(label, () => store.update({ room: to }));
    const mend = !blob ? [go("Make weights", "model")]
      : !recording || (result && result.n < 2) ? [button("Open a file", opening.choose)]
      : pipeline && !pipeline.matches ? [button(`Make weights for ${pipeline.featureDim} features`, () => void fitWeights(pipeline.featureDim)), go("Change the features", "recording")]
      : [go("Change the features", "recording")];
    lack.replaceChildren(h("p", null, shown), h("div", { class: "tools" }, ...mend));
  }

  /** Makes random weights of the open shape for another number of features. @param {number} inputDim */
  async function fitWeights(inputDim) {
    try {
      const { shape, dtype } = store.state.blob ?? {};
      if (!shape) return;
      const blob = await lab.blobNew({ ...shape, inputDim, seedHex: "C5110007DEADBEEF", f16: dtype === "f16" });
      store.update({ blob, pipeline: await lab.pipeline() });
      ctx.journal.add("info", `made weights for ${inputDim} features: ${integer(blob.bytes)} bytes, seed ${blob.seedHex}, CRC-32 ${blob.crc32Hex}`);
    } catch (error) { ctx.fail(error, "new weights"); }
  }

  const out = {
    mean: h("output", { id: "error-mean" }), max: h("output", { id: "error-max" }), relative: h("output"),
    edges: h("output", { id: "edges-sparse", class: "sparse-text" }), edgesDense: h("output", { id: "edges-dense", class: "dense-text" }), ratio: h("output"),
    sparseMs: h("output", { class: "sparse-text" }), denseMs: h("output", { class: "dense-text" }),
  };
  const fact = (/** @type {string} */ label, /** @type {(Node | string)[]} */ ...values) => h("div", null, h("span", { class: "label" }, label), ...values);
  const rest = h("div", { class: "attention-room" },
    h("div", { class: "map-choice narrow-only" }, which.root),
    h("div", { class: "facts-row" },
      fact("mean error", out.mean, out.relative), fact("max", out.max),
      fact("edges", out.edges, "of", out.edgesDense, out.ratio),
      fact("measured in this page, just now:", out.sparseMs, "sparse,", out.denseMs, "dense")),
    h("div", { class: "maps" }, ...maps.map((plot) => plot.root)),
    h("div", { class: "pair-row" }, perFrame.root, sweep.root));
  out.relative.title = "The mean difference, compared with the usual size (root mean square) of the dense outputs";
  root.append(lack, rest);

  const settings = () => ({ frame: lastFrame(store.state), ...store.state.attention, dark: store.state.dark });
  const sideView = mountAttentionSide(side, ctx, () => result);

  const ask = latest((/** @type {ReturnType<typeof settings>} */ args) => lab.attention(args), (answer, args) => {
    result = answer;
    askedWith = args;
    reason = "";
    if (row >= answer.n) row = answer.n - 1;
    show(answer);
    askRow();
    if (!store.state.playing && !store.state.changing) sweep.start(settings());
  }, (error) => {
    // The panel says what is missing; the old picture would belong to other settings.
    result = null;
    reason = error instanceof Error ? error.message : String(error);
    redraw();
    ctx.journal.add("warning", `attention: ${reason}`);
  }, ofRecording(store));
  const askNumbers = latest((/** @type {ReturnType<typeof settings> & {row: number}} */ args) => lab.attentionRow(args), (answer, args) => {
    // The picture may have moved on; its own question follows.
    if (args.row !== row) return;
    numbers = answer;
    sideView.edges(answer.edges, args.row);
    showCell();
  }, ctx.fail, ofRecording(store));
  function askRow() {
    if (row >= 0 && result && askedWith) askNumbers({ ...askedWith, row });
    else {
      numbers = null;
      sideView.edges([], -1);
      showCell();
    }
  }

  /** Says beside each title which weight lies under the pointer. */
  function showCell() {
    const at = numbers && column >= 0 && column < numbers.sparse.length ? numbers : null;
    const [sparse, dense] = at ? [at.sparse[column], at.dense[column]] : [NaN, NaN];
    [sparse, dense, dense - sparse].forEach((weight, i) => {
      const value = column > row ? "in the future" : i < 2 && weight === 0 ? "no weight" : significant(weight);
      const { note } = maps[i];
      note.textContent = at ? (i < 2 ? `${row}→${column}: ${value}` : value) : "";
      note.title = at ? `Row ${row} looks at row ${column}: ${value}` : "";
    });
  }

  /** @param {Result} r */
  function show(r) {
    out.mean.value = significant(r.meanAbs);
    out.max.value = significant(r.maxAbs);
    out.relative.value = r.denseRms > 0 ? `(${percent(r.meanAbs, r.denseRms)} of dense)` : "";
    out.edges.value = integer(r.edgesSparse);
    out.edgesDense.value = integer(r.edgesDense);
    out.ratio.value = `(${percent(r.edgesSparse, r.edgesDense)})`;
    // Browsers give times in steps of 0.1 ms at best.
    out.sparseMs.value = r.sparseMs < 0.1 ? "< 0.1 ms" : milliseconds(r.sparseMs);
    out.denseMs.value = r.denseMs < 0.1 ? "< 0.1 ms" : milliseconds(r.denseMs);
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
    showLack();
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
  /** @param {number} wantedRow @param {number} wantedColumn */
  function setCell(wantedRow, wantedColumn) {
    if (!result) return;
    const end = result.n - 1;
    const next = Math.max(0, Math.min(end, wantedRow));
    column = Math.max(0, Math.min(end, wantedColumn));
    if (next === row) return showCell();
    row = next;
    numbers = null;
    moveRow();
    askRow();
  }
  for (const plot of maps) {
    const hit = h("div", { class: "plot-hit", role: "application", tabindex: 0, "aria-label": "Row of the map: up and down choose it, its edges are listed in the inspector" });
    plot.body.append(hit);
    const fit = new ResizeObserver(() => { if (plot.area) place(hit, plot.area); });
    fit.observe(plot.overlay);
    signal.addEventListener("abort", () => fit.disconnect(), { once: true });
    const point = (/** @type {PointerEvent | MouseEvent} */ event) => {
      if (!plot.area || !result) return;
      setCell(Math.floor((event.offsetY / plot.area.height) * result.n), Math.floor((event.offsetX / plot.area.width) * result.n));
    };
    hit.addEventListener("pointermove", point, { signal });
    hit.addEventListener("click", point, { signal });
    hit.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -16, PageDown: 16 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      setCell(row < 0 ? (result?.n ?? 1) - 1 : row + step, column);
    }, { signal });
  }

  function edgesTable() {
    const { columns, rows } = sideView.table();
    return rows.length > 0 ? { columns, rows } : { columns: ["hint"], rows: [["Choose a row of the map first: its edges are the numbers."]] };
  }

  const update = () => {
    const { room, recording, pipeline } = store.state;
    if (room !== "attention" || store.state.changing) return;
    if (!recording) redraw();
    else if (pipeline && !pipeline.matches) {
      result = null;
      redraw();
    } else ask(settings());
  };
  store.watch(["attention", "frame", "revision", "times", "blob", "pipeline", "dark", "room", "changing"], () => beforeFrame(update), signal);
  store.watch(["attention", "frame", "revision", "times", "blob", "pipeline", "room"], () => sweep.stopIfOther(settings()), signal);
  store.watch(["playing"], ({ playing, room }) => {
    if (playing) sweep.stop();
    else if (room === "attention" && result && player.frames() > 0) sweep.start(settings());
  }, signal);
}
