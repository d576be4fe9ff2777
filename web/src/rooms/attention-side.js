// @ts-check
// The inspector of the Attention room: the pattern, the weights, the saturated check, one row's edges.
import { button, check, facts, group, h, slider, table } from "../ui/dom.js";
import { clock, integer, significant } from "../ui/format.js";

/** @typedef {import("../lab.js").RowEdge} RowEdge */
const WINDOWS = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
const BLOCKS = [2, 4, 8, 16, 32, 64, 128];
const ROWS = [64, 128, 256, 512, 1024];
/** 0: as the weights make them. */
const MAGNITUDES = [0, 0.5, 1, 2, 4];
const KINDS = /** @type {const} */ (["window", "global", "log-stride", "landmark"]);

/**
 * @param {HTMLElement} side @param {import("../main.js").Ctx} ctx
 * @param {() => import("../lab.js").AttentionResult | null} current
 */
export function mountAttentionSide(side, ctx, current) {
  const { store, signal } = ctx;
  /** @param {Partial<import("../store.js").AttentionSettings>} patch */
  const set = (patch) => store.update({ attention: { ...store.state.attention, ...patch } });
  const now = store.state.attention;

  const rows = slider("Rows n", ROWS, now.n, (n) => set({ n }));
  const windowSize = slider("Window", WINDOWS, now.window, (value) => set({ window: value }));
  const block = slider("Block", BLOCKS, now.block, (value) => set({ block: value }));
  windowSize.input.id = "slider-window";
  block.input.id = "slider-block";
  rows.input.id = "slider-rows";
  const stride = check("Log stride: also 1, 2, 4, 8 … rows back", now.logStride, (on) => set({ logStride: on }));
  const landmarks = check("Landmarks: means of finished blocks", now.landmarks, (on) => set({ landmarks: on }));
  const global = check("Global token: always the first row", now.globalToken, (on) => set({ globalToken: on }));
  const ln = check("+ ln(count): a mean counts as many", now.lnCount, (on) => set({ lnCount: on }));
  const head = h("select", { "aria-label": "Head", on: { change: () => set({ head: Number(head.value) }) } });
  const layer = h("select", { "aria-label": "Layer", on: { change: () => set({ layer: Number(layer.value) }) } });

  const magnitude = h("select", { id: "magnitude", class: "wide", "aria-label": "Size of queries and keys", on: { change: () => set({ magnitude: Number(magnitude.value) }) } },
    ...MAGNITUDES.map((m) => h("option", { value: m }, m === 0 ? "as the weights make them" : `brought to ±${m}`)));
  const sharpness = h("p", { class: "quiet-text" }, "Random weights look at everything alike. Trained heads choose: bring queries and keys to their usual size, 1 to 4, to see what each pattern would miss. Maps, errors and the sweep change; logits stay those of the weights.");

  const pattern = group("Pattern", rows.root, windowSize.root, block.root, stride.root, landmarks.root, global.root, ln.root);
  const weights = h("p", { id: "trained-with" });
  const looking = group("Shown", h("label", { class: "field" }, h("span", null, "Head"), head), h("label", { class: "field" }, h("span", null, "Layer"), layer), weights);
  const size = group("Queries and keys", magnitude, sharpness);
  const saturatedText = h("div", { id: "saturated" });
  const saturated = group("Saturated pattern", saturatedText);
  const edgesText = h("p", { class: "quiet-text" });
  const edgesTable = h("div", { class: "edges-table", tabindex: 0, role: "region", "aria-label": "Edges of the row" });
  const rowEdges = group("Edges of a row", edgesText, edgesTable);
  const numbers = h("div");
  side.append(pattern.root, size.root, saturated.root, looking.root, rowEdges.root, group("Outputs", numbers).root);

  store.watch(["blob"], ({ blob, attention }) => {
    const { qHeads = 1, layers = 1 } = blob?.shape ?? {};
    head.replaceChildren(h("option", { value: -1 }, `mean of ${qHeads}`), ...Array.from({ length: qHeads }, (_, i) => h("option", { value: i }, `head ${i + 1}`)));
    layer.replaceChildren(...Array.from({ length: layers }, (_, i) => h("option", { value: i }, `layer ${i + 1} of ${layers}`)));
    if (attention.head >= qHeads || attention.layer >= layers) set({ head: -1, layer: 0 });
    head.value = String(store.state.attention.head);
    layer.value = String(store.state.attention.layer);
    weights.textContent = blob ? `Weights: ${blob.trainedWith}.` : "No weights are open.";
  }, signal);
  store.watch(["attention"], ({ attention }) => {
    windowSize.set(attention.window);
    block.set(attention.block);
    rows.set(attention.n);
    magnitude.value = String(attention.magnitude);
    ln.root.hidden = !attention.landmarks;
  }, signal);

  /** @type {RowEdge[]} */
  let edges = [];
  let edgesRow = -1;

  /** @param {import("../lab.js").AttentionResult} r */
  function result(r) {
    const { window, block: size } = store.state.attention;
    const largest = BLOCKS[BLOCKS.length - 1];
    const rowsThen = Math.min(r.n, largest);
    showSaturated(saturatedText, r, window, size, button(`Set rows, window and block to ${rowsThen <= 64 ? 64 : 128}`, () => {
      const reach = rowsThen <= 64 ? 64 : 128;
      set({ n: reach, window: reach, block: reach });
    }, { class: "button small" }));
    numbers.replaceChildren(facts([
      ["Rows", `${integer(r.n)}: ${clock(r.firstSeconds)} to ${clock(r.lastSeconds)}`],
      ["Dense output, rms", significant(r.denseRms)],
      ["Spread of the dense scores", significant(r.scoreSpread)],
      ["Logits sparse", h("span", { class: "sparse-text mono" }, [...r.logitsSparse].map(significant).join("  "))],
      ["Logits dense", h("span", { class: "dense-text mono" }, [...r.logitsDense].map(significant).join("  "))],
    ]));
  }

  const tableNumbers = () => ({
    columns: ["kind", "first_row", "last_row", "time_s", "weight_sparse", "weight_dense"],
    rows: edges.map((e) => /** @type {(string | number)[]} */ ([e.kind, e.first, e.last, e.seconds, e.weightSparse, e.weightDense])),
  });

  return {
    result,
    /** Takes back what belonged to a result that is no more. */
    clear() {
      saturatedText.replaceChildren(h("p", { class: "quiet-text" }, "There is nothing to compare."));
      numbers.replaceChildren();
    },
    table: tableNumbers,
    /** @param {RowEdge[]} list @param {number} row */
    edges(list, row) {
      edges = list;
      edgesRow = row;
      if (edgesRow < 0) {
        edgesText.textContent = "Point at a row of a map, or focus a map and press the arrows.";
        edgesTable.replaceChildren();
        return;
      }
      const counts = KINDS.map((kind) => [kind, list.filter((e) => e.kind === kind).length]).filter(([, n]) => n);
      const r = current();
      edgesText.textContent = `Row ${row}${r ? ` of ${r.n}, ${clock(r.x[row] ?? 0)}` : ""}: ${list.length} edges (${counts.map(([kind, n]) => `${n} ${kind}`).join(", ")}).`;
      edgesTable.replaceChildren(table(`Edges of row ${row}`, ["kind", "rows", "sparse", "dense"], [...list].reverse().map((e) => [
        e.kind, e.first === e.last ? String(e.first) : `${e.first}–${e.last}`,
        h("span", { class: "number sparse-text" }, significant(e.weightSparse)), h("span", { class: "number dense-text" }, significant(e.weightDense)),
      ])));
    },
  };
}

/** @param {HTMLElement} root @param {import("../lab.js").AttentionResult} r @param {number} window @param {number} block @param {HTMLElement} mend */
function showSaturated(root, r, window, block, mend) {
  const s = r.saturated;
  if (!s) {
    root.replaceChildren(h("p", { class: "quiet-text" }, `When window and block reach the ${r.n} rows (now ${window} and ${block}), sparse must give what dense gives.`), mend);
    return;
  }
  root.replaceChildren(
    h("p", { class: s.passes ? "ok-text" : "warning-text" }, s.passes ? "Passes: every difference is under 1e−4." : "A difference is over 1e−4."),
    facts([["All rows but the last", significant(s.maxAbsButLast)], ["The last row", significant(s.maxAbsLast)], ["Size of the activations", significant(s.magnitude)]]),
    h("p", { class: "quiet-text" }, "Window and block cover all rows. “Must be under 1e−4” is a statement about small activations: with landmarks on, the last row completes the block and is counted twice, once by itself and once in the block's mean. The rows before it see no finished block, so they agree to rounding."));
}
