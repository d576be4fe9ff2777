// @ts-check
// The Attention room: what a head reads with every frame (dense, orange) and with a few (sparse,
// blue), how far the outputs differ, and what other windows and blocks would give.
import { button, h, segmented } from "../ui/dom.js";
import { clock, integer, milliseconds, percent, significant } from "../ui/format.js";
import { besideUpstream, fromBlob, inWords, patternArgs } from "../patterns.js";
import { latest, ofRecording } from "../ui/latest.js";
import { addCursor, beforeFrame, createPlot, place } from "../ui/plot.js";
import { createRasterPlot } from "../ui/raster.js";
import { lastFrame } from "../rows.js";
import { mountAttentionSide } from "./attention-side.js";
import { createSweep } from "./sweep.js";

/** @typedef {import("../lab.js").AttentionSparse} Picture */
/** @typedef {import("../lab.js").AttentionResult} Result */
const SLICE_MS = 12;
/** While settings keep changing, dense attention is finished this often at least. */
const DENSE_EVERY_MS = 400;
/** How long settings stand still before the whole head is run. */
const QUIET_MS = 350;

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {import("../opening.js").Opening} opening */
export function mountAttention(root, side, ctx, opening) {
  const { lab, wasm, store, player, signal } = ctx;
  /** What the pattern gives; it is there first. @type {Picture | null} */
  let picture = null;
  /** The last whole answer, which may belong to an older picture. @type {Result | null} */
  let result = null;
  /** What the picture was asked with: questions about its rows use the same.
   *  @type {ReturnType<typeof settings> | null} */
  let askedWith = null;
  let finishedAt = -Infinity;
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
    if (picture && picture.n < 2) return "The recording gives one row only, and attention compares rows.";
    return reason || (picture ? null : "Computing…");
  };
  const missingDense = () => missing() ?? (result ? null : "Computing…");

  /** @param {"sparse" | "dense" | "difference"} which @param {string} title @param {string} label */
  const map = (which, title, label) => {
    const shown = () => (which === "sparse" ? picture : result);
    const rasterOf = () => (which === "sparse" ? picture?.sparse : result?.[which]) ?? null;
    const plot = createRasterPlot({
      title, wasm, square: true,
      empty: which === "sparse" ? missing : missingDense,
      raster: rasterOf,
      axes: () => ({ xLabel: "looked at (row)", yLabel: "row", xMin: 0, xMax: shown()?.n ?? 1, yMin: 0, yMax: shown()?.n ?? 1, yReversed: true }),
      bar: () => { const raster = rasterOf(); return raster && { map: raster.map, min: raster.min, max: raster.max, label, log: which !== "difference" }; },
      describe: () => {
        const [view, raster] = [shown(), rasterOf()];
        return view && raster ? `${title}: ${view.n} by ${view.n} attention weights of the rows from ${clock(view.firstSeconds)} to ${clock(view.lastSeconds)}, ${bounds(raster, which !== "difference")}. ${thinned(view)}` : title;
      },
      table: () => edgesTable(),
      drawn: () => moveRow(),
    }, ctx);
    plot.root.dataset.tone = which;
    plot.body.style.aspectRatio = "1";
    return plot;
  };
  /** @param {import("../lab.js").Raster} raster @param {boolean} log */
  const bounds = ({ min, max }, log) => (log ? `${significant(10 ** min)} to ${significant(10 ** max)}` : `${significant(min)} to ${significant(max)}`);
  /** Says how a map of a long window was made smaller. @param {Picture} view */
  const thinned = ({ perCell: k }) => (k > 1 ? `One pixel stands for ${k} × ${k} weights: it shows the last of its ${k} rows, and of that row's ${k} columns the largest weight.` : "");
  const maps = [map("sparse", "Sparse", "weight"), map("dense", "Dense", "weight"), map("difference", "Dense − sparse", "left out by sparse (blue: added)")];
  maps[0].root.dataset.shown = "";
  const which = segmented("Map", [["0", "Sparse"], ["1", "Dense"], ["2", "Difference"]], "0", (chosen) => {
    maps.forEach((plot, i) => { if (String(i) === chosen) plot.root.dataset.shown = ""; else delete plot.root.dataset.shown; });
  });

  const perFrame = createPlot({
    title: "Output difference per row",
    empty: missingDense,
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
  const sweep = createSweep(ctx, missingDense, () => result);
  /** What belongs to dense attention, and waits for it. */
  const ofDense = [maps[1].root, maps[2].root, perFrame.root];

  const lack = h("div", { class: "room-lack", role: "status", hidden: true });
  let lacking = "";
  /** When nothing can be shown at all, says so once, with the button that mends it. */
  function showLack() {
    const { recording, pipeline, blob } = store.state;
    const why = picture ? (picture.n < 2 ? missing() : null) : missing();
    const shown = why && why !== "Computing…" ? why : "";
    rest.hidden = shown !== "";
    lack.hidden = shown === "";
    if (shown !== "") sideView.clear();
    if (shown === lacking) return;
    lacking = shown;
    const go = (/** @type {string} */ label, /** @type {import("../store.js").Room} */ to) => button(label, () => store.update({ room: to }));
    const mend = !blob ? [go("Make weights", "model")]
      : !recording || (picture && picture.n < 2) ? [button("Open a file", opening.choose)]
      : pipeline && !pipeline.matches ? [button(`Make weights for ${pipeline.featureDim} features`, () => void fitWeights(pipeline.featureDim)), go("Change the features", "recording")]
      : [go("Change the features", "recording")];
    lack.replaceChildren(h("p", null, shown), h("div", { class: "tools" }, ...mend));
  }

  /** Makes random weights of the open shape for another number of features. @param {number} inputDim */
  async function fitWeights(inputDim) {
    try {
      const { shape, dtype, attention } = store.state.blob ?? {};
      if (!shape || !attention) return;
      const pattern = patternArgs(fromBlob(store.state.attention, attention));
      const blob = await lab.blobNew({ ...shape, inputDim, seedHex: "C5110007DEADBEEF", f16: dtype === "f16", pattern,
        windowLen: attention.windowLen || undefined, f16Rows: attention.rows === "f16", streaming: attention.streaming, lastFrame: attention.pooling === "last" });
      store.update({ blob, pipeline: await lab.pipeline() });
      ctx.journal.add("info", `made weights for ${inputDim} features: ${integer(blob.bytes)} bytes, seed ${blob.seedHex}, CRC-32 ${blob.crc32Hex}`);
    } catch (error) { ctx.fail(error, "new weights"); }
  }

  const out = {
    mean: h("output", { id: "error-mean" }), max: h("output", { id: "error-max" }), relative: h("output"),
    edges: h("output", { id: "edges-sparse", class: "sparse-text" }), edgesDense: h("output", { id: "edges-dense", class: "dense-text" }), ratio: h("output"),
    upstream: h("output", { id: "error-upstream" }), upstreamEdges: h("output", { id: "edges-upstream" }), times: h("output", { id: "times-closer" }),
    sparseMs: h("output", { class: "sparse-text" }), denseMs: h("output", { class: "dense-text" }),
  };
  const fact = (/** @type {string} */ label, /** @type {(Node | string)[]} */ ...values) => h("div", null, h("span", { class: "label" }, label), ...values);
  const beside = fact("upstream edges:", out.upstream, "at", out.upstreamEdges, "edges;", out.times);
  beside.id = "beside-upstream";
  beside.title = "The mean error of upstream's edges on the same rows, with the window and block last set for them";
  const caption = h("div", { class: "map-caption label", hidden: true });
  const rest = h("div", { class: "attention-room" },
    h("div", { class: "map-choice narrow-only" }, which.root),
    h("div", { class: "facts-row" },
      fact("mean error", out.mean, out.relative), fact("max", out.max),
      fact("edges", out.edges, "of", out.edgesDense, out.ratio), beside,
      fact("measured just now:", out.sparseMs, "sparse,", out.denseMs, "dense"), caption),
    h("div", { class: "maps" }, ...maps.map((plot) => plot.root)),
    h("div", { class: "pair-row" }, perFrame.root, sweep.root));
  out.relative.title = "The mean difference, compared with the usual size (root mean square) of the dense outputs";
  root.append(lack, rest);

  const settings = () => {
    const { attention, dark } = store.state;
    const { n, layer, head, magnitude, edges } = attention;
    return { frame: lastFrame(store.state), n, layer, head, magnitude, pattern: patternArgs(attention), upstream: edges, dark };
  };
  const sideView = mountAttentionSide(side, ctx, () => picture);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let quiet;
  const ask = latest(async (/** @type {ReturnType<typeof settings>} */ args, { stale, valid }) => {
    clearTimeout(quiet);
    const sparse = await lab.attention(args);
    if (!valid()) return null;
    showPicture(sparse, args);
    try {
      for (;;) {
        // Dense attention over a long window takes its time, and newer settings do not wait for it.
        if (stale() && performance.now() - finishedAt < DENSE_EVERY_MS) return null;
        const dense = await lab.attentionStep(SLICE_MS);
        if (dense) return { ...sparse, ...dense };
      }
    } catch (error) {
      // Features or weights became others meanwhile; whoever changed them asks anew.
      if (/** @type {{code?: string}} */ (error).code === "lab/no-comparison") return null;
      throw error;
    }
  }, (answer, args) => {
    if (!answer) return;
    finishedAt = performance.now();
    result = answer;
    for (const root of ofDense) delete root.dataset.old;
    show(answer);
    askRow();
    if (store.state.playing || store.state.changing) return;
    settle(args);
  }, (error) => {
    // The panel says what is missing; the old picture would belong to other settings.
    picture = result = null;
    reason = error instanceof Error ? error.message : String(error);
    redraw();
    ctx.journal.add("warning", `attention: ${reason}`);
  }, ofRecording(store));
  const askLogits = latest((/** @type {ReturnType<typeof settings>} */ args) => lab.logits(args), (logits, args) => {
    if (JSON.stringify(args) === JSON.stringify(askedWith)) sideView.logits(logits);
  }, ctx.fail, ofRecording(store));
  /** Asks for what takes long, once nothing moves. @param {ReturnType<typeof settings>} args */
  function settle(args) {
    sweep.start(args);
    clearTimeout(quiet);
    quiet = setTimeout(() => askLogits(args), QUIET_MS);
  }
  /** Shows what the pattern gives, before dense attention is there. @param {Picture} answer @param {ReturnType<typeof settings>} args */
  function showPicture(answer, args) {
    picture = answer;
    askedWith = args;
    reason = "";
    if (result && result.n !== answer.n) result = null;
    for (const root of ofDense) root.dataset.old = "";
    if (row >= answer.n) row = answer.n - 1;
    out.edges.value = integer(answer.edgesSparse);
    out.edgesDense.value = integer(answer.edgesDense);
    out.ratio.value = `(${percent(answer.edgesSparse, answer.edgesDense)})`;
    // Browsers give times in steps of 0.1 ms at best.
    out.sparseMs.value = answer.sparseMs < 0.1 ? "< 0.1 ms" : milliseconds(answer.sparseMs);
    caption.hidden = answer.perCell === 1;
    caption.textContent = thinned(answer);
    sideView.logits(null);
    redraw();
  }
  const askNumbers = latest((/** @type {ReturnType<typeof settings> & {row: number}} */ args) => lab.attentionRow(args), (answer, args) => {
    // The picture may have moved on; its own question follows.
    if (args.row !== row) return;
    numbers = answer;
    sideView.edges(answer.edges, args.row);
    showCell();
  }, ctx.fail, ofRecording(store));
  function askRow() {
    if (row >= 0 && picture && askedWith) askNumbers({ ...askedWith, row });
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
    const times = besideUpstream(r);
    beside.hidden = !times;
    if (r.upstream && times) {
      out.upstream.value = significant(r.upstream.meanAbs);
      out.upstreamEdges.value = integer(r.upstream.edges);
      out.times.value = `this ${significant(times.times)} × ${times.closer ? "closer" : "further"}`;
      out.times.className = times.closer ? "ok-text" : "warning-text";
    }
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
    const { n, magnitude } = store.state.attention;
    const setting = `attention: ${n} rows, ${inWords(store.state.attention)}${magnitude ? `, queries and keys brought to ±${magnitude}` : ""}`;
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
      lines[i].hidden = row < 0 || !picture || !area;
      if (area && picture) lines[i].style.transform = `translateY(${((row + 0.5) / picture.n) * area.height}px)`;
    });
    if (picture) moveCursor(row < 0 ? NaN : picture.x[row], picture.firstSeconds, picture.lastSeconds);
  }
  /** @param {number} wantedRow @param {number} wantedColumn */
  function setCell(wantedRow, wantedColumn) {
    if (!picture) return;
    const end = picture.n - 1;
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
      if (!plot.area || !picture) return;
      setCell(Math.floor((event.offsetY / plot.area.height) * picture.n), Math.floor((event.offsetX / plot.area.width) * picture.n));
    };
    hit.addEventListener("pointermove", point, { signal });
    hit.addEventListener("click", point, { signal });
    hit.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -16, PageDown: 16 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      setCell(row < 0 ? (picture?.n ?? 1) - 1 : row + step, column);
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
      picture = result = null;
      redraw();
    } else ask(settings());
  };
  store.watch(["attention", "frame", "revision", "times", "blob", "pipeline", "dark", "room", "changing"], () => beforeFrame(update), signal);
  store.watch(["attention", "frame", "revision", "times", "blob", "pipeline", "room"], () => sweep.stopIfOther(settings()), signal);
  store.watch(["playing"], ({ playing, room }) => {
    if (playing) sweep.stop();
    else if (room === "attention" && result && askedWith && player.frames() > 0) settle(askedWith);
  }, signal);
}
