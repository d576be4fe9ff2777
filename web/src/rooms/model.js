// @ts-check
// The Model room: the open weight blob, byte by byte and matrix by matrix; new, open, convert, download.
import { download } from "../ui/download.js";
import { button, facts, h, segmented, table } from "../ui/dom.js";
import { count, fileName, integer, significant } from "../ui/format.js";
import { latest } from "../ui/latest.js";
import { createPlot } from "../ui/plot.js";
import { createRasterPlot } from "../ui/raster.js";
import { mountModelSide } from "./model-side.js";
import { mountTraining } from "./training.js";

/** @typedef {import("../lab.js").BlobInfo} BlobInfo */
const BINS = 48;

/** Returns the name a blob is saved under. @param {BlobInfo} blob @param {string} [ending] */
export function blobFileName({ name, shape, dtype, seedHex }, ending = ".rvne") {
  if (name) return fileName(name.replace(/\.(rvne|safetensors)$/i, "") + ending);
  const { inputDim, qHeads, kvHeads, headDim, layers, classes } = shape;
  return fileName(`head-${[inputDim, qHeads, kvHeads, headDim, layers, classes].join("x")}-${dtype}${seedHex ? `-seed-${seedHex}` : ""}${ending}`);
}

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {import("../opening.js").Opening} opening */
export function mountModel(root, side, ctx, opening) {
  const { lab, wasm, store, signal, fail, journal } = ctx;
  let matrix = 0;
  /** @type {{edges: Float64Array, counts: Float32Array} | null} */
  let bins = null;
  /** @type {import("../lab.js").Raster | null} */
  let heat = null;

  const blobSource = () => {
    const { blob } = store.state;
    return blob?.seedHex ? `SYNTHETIC seed ${blob.seedHex}` : `WEIGHTS ${blob?.name || "unnamed"} CRC-32 ${blob?.crc32Hex ?? ""}`;
  };
  const chosen = () => store.state.blob?.matrices[matrix];
  const noBlob = () => (store.state.blob ? null : "No model. Make one or open one in the inspector.");

  const histogram = createPlot({
    title: "Values", source: blobSource,
    empty: () => noBlob() ?? (bins ? null : "Computing…"),
    draw: (canvas, ratio, dark) => bins && wasm.drawBars(canvas, ratio, dark, { xLabel: "weight", yLabel: "count", edges: bins.edges, values: bins.counts, color: "accent" }),
    describe: () => `Histogram of ${chosen()?.name}: ${integer(bins?.counts.reduce((a, b) => a + b, 0) ?? 0)} weights in ${BINS} bins from ${significant(bins?.edges[0] ?? 0)} to ${significant(bins?.edges.at(-1) ?? 0)}`,
    table: () => ({ columns: ["from", "to", "count"], rows: bins ? [...bins.counts].map((count, i) => [bins?.edges[i] ?? NaN, bins?.edges[i + 1] ?? NaN, count]) : [] }),
  }, ctx);
  const heatMap = createRasterPlot({
    title: "Heat map", source: blobSource, wasm,
    empty: noBlob,
    raster: () => heat,
    axes: () => ({ xLabel: "column", yLabel: "row", xMin: 0, xMax: chosen()?.cols ?? 1, yMin: 0, yMax: chosen()?.rows ?? 1, yReversed: true }),
    bar: () => heat && { map: heat.map, min: heat.min, max: heat.max, label: "|weight|", log: true },
    describe: () => `Heat map of ${chosen()?.name}: absolute weights of ${chosen()?.rows} rows and ${chosen()?.cols} columns on a logarithmic scale`,
    table: () => ({ columns: ["matrix", "rows", "columns", "min", "max", "mean", "std", "zeros"], rows: (store.state.blob?.matrices ?? []).map((m) => [m.name, m.rows, m.cols, m.min, m.max, m.mean, m.std, m.zeros]) }),
  }, ctx);

  const card = h("div", { class: "body" });
  const header = h("div", { class: "body scroll-table", tabindex: 0, role: "region", "aria-label": "Header bytes" });
  const records = h("div", { class: "body" });
  const matrices = h("div", { class: "body scroll-table", tabindex: 0, role: "region", "aria-label": "Matrices" });
  const save = button("Download .rvne", () => void saveBlob(), { class: "button primary", id: "blob-download" });
  const tensors = button("As .safetensors", () => void saveTensors(), { class: "button", id: "blob-safetensors" });
  const section = (/** @type {string} */ title, /** @type {HTMLElement} */ body, /** @type {HTMLElement[]} */ ...tools) =>
    h("section", { class: "card" }, h("header", null, h("h2", null, title), ...tools), body);
  const views = segmented("What the room shows", /** @type {["weights" | "train", string][]} */ ([["weights", "Weights"], ["train", "Train"]]), "weights", (modelView) => store.update({ modelView }));
  const train = h("div", { class: "model-room train-room", hidden: true });
  const sides = { weights: h("div"), train: h("div", { hidden: true }) };
  mountTraining(train, sides.train, ctx, opening);
  const weights = h("div", { class: "model-room" },
    h("div", { class: "column" }, section("Weights", card, tensors, save), section("Header", header), section("Trailer records", records)),
    h("div", { class: "column" }, section("Matrices", matrices), h("div", { class: "matrix-plots" }, histogram.root, heatMap.root)));
  root.append(h("div", { class: "model-views" }, views.root), weights, train);
  store.watch(["modelView"], ({ modelView }) => {
    views.set(modelView);
    weights.hidden = sides.weights.hidden = modelView !== "weights";
    train.hidden = sides.train.hidden = modelView !== "train";
  }, signal);
  side.append(sides.weights, sides.train);
  mountModelSide(sides.weights, ctx, opening);

  async function saveBlob() {
    const { blob } = store.state;
    if (!blob) return;
    try {
      const name = blobFileName(blob);
      const content = await lab.blobBytes();
      download(name, /** @type {Uint8Array<ArrayBuffer>} */ (content), "application/octet-stream");
      journal.add("info", `saved ${name}: ${integer(content.length)} bytes, CRC-32 ${blob.crc32Hex}`);
    } catch (error) { fail(error); }
  }

  async function saveTensors() {
    const { blob } = store.state;
    if (!blob) return;
    try {
      const name = blobFileName(blob, ".safetensors");
      const content = await lab.blobSafetensors();
      download(name, /** @type {Uint8Array<ArrayBuffer>} */ (content), "application/octet-stream");
      journal.add("info", `saved ${name}: ${integer(content.length)} bytes`);
    } catch (error) { fail(error); }
  }

  const askMatrix = latest(async (/** @type {{index: number, dark: boolean}} */ { index, dark }) => ({ bins: await lab.histogram(index, BINS), heat: await lab.heatmap(index, dark) }), (answer) => {
    ({ bins, heat } = answer);
    histogram.note.textContent = heatMap.note.textContent = chosen()?.name ?? "";
    histogram.redraw();
    heatMap.redraw();
  }, fail);
  /** @param {number} index */
  function choose(index) {
    matrix = index;
    [...matrices.querySelectorAll("tbody tr")].forEach((row, i) => row.setAttribute("aria-selected", String(i === index)));
    askMatrix({ index, dark: store.state.dark });
  }

  store.watch(["blob"], ({ blob }) => {
    save.disabled = tensors.disabled = blob === null;
    if (!blob) {
      card.replaceChildren(h("p", { class: "quiet-text" }, "No model. Make one or open one in the inspector."));
      return;
    }
    const { inputDim, qHeads, kvHeads, headDim, layers, classes } = blob.shape;
    card.replaceChildren(
      h("p", { class: "blob-title" }, h("span", { class: "big", id: "blob-bytes" }, `${integer(blob.bytes)} bytes`), h("span", null, blob.name || "made in this page")),
      facts([
        ["Shape", `${count(inputDim, "input")}, ${count(qHeads, "query head")} and ${count(kvHeads, "key/value head")} of ${headDim}, ${count(layers, "layer")}, ${count(classes, "class", "classes")}`],
        ["Numbers", `${integer(blob.parameters)} × ${blob.dtype}`],
        ["CRC-32", h("code", { id: "blob-crc" }, `${blob.crc32Hex} ok`)],
        ["Seed", blob.seedHex ? h("code", null, blob.seedHex) : null],
        ["Attention", h("span", { id: "blob-pattern" }, blob.attention.stored ? blob.attention.says : `${blob.attention.says}: what a file without the record means`)],
        ["On the node", h("span", { id: "blob-node" }, blob.attention.node)],
        ["Trained with", blob.trainedWith],
        ["Classes", blob.classNames.join(", ") || "no names"],
      ]));
    header.replaceChildren(table("Header", ["offset", "field", "bytes", "meaning"], blob.header.map((f) => [h("code", null, String(f.offset)), f.field, h("code", null, f.hex), f.meaning])));
    records.replaceChildren(blob.records.length === 0 ? h("p", { class: "quiet-text" }, "None: the file ends with the weights and their CRC.")
      : table("Trailer records", ["tag", "record", "bytes", "content"], blob.records.map((r) => [h("code", null, String(r.tag)), r.name, r.bytes, r.summary])));
    matrices.replaceChildren(table("Matrices", ["matrix", "shape", "min", "max", "mean", "std", "zeros"],
      blob.matrices.map((m) => [m.name, `${m.rows} × ${m.cols}`, m.min, m.max, m.mean, m.std, m.zeros]), (value, column) => (column === 6 ? integer(value) : significant(value))));
    matrices.querySelectorAll("tbody tr").forEach((row, i) => {
      row.setAttribute("tabindex", "0");
      row.addEventListener("click", () => choose(i));
      row.addEventListener("keydown", (event) => { if (/** @type {KeyboardEvent} */ (event).key === "Enter") choose(i); });
    });
    choose(Math.min(matrix, blob.matrices.length - 1));
  }, signal);
  store.watch(["dark"], ({ blob }) => { if (blob) choose(matrix); }, signal);
}
