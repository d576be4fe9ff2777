// @ts-check
// The inspector of the Attention room: the pattern, the weights, the saturated check, one row's edges.
import { button, check, facts, group, h, slider, table } from "../ui/dom.js";
import { clock, integer, significant } from "../ui/format.js";
import { fromBlob, numbersOf, patternOf, PATTERNS, placeOf, withNumbers } from "../patterns.js";

/** @typedef {import("../lab.js").RowEdge} RowEdge */
const ROWS = [64, 128, 256, 512, 1024, 2048, 4096];
/** The largest window and block that the sliders reach, both. */
const REACH = 128;
/** 0: as the weights make them. */
const MAGNITUDES = [0, 0.5, 1, 2, 4];
const KINDS = /** @type {const} */ (["window", "global", "log-stride", "landmark", "block", "group"]);

/**
 * @param {HTMLElement} side @param {import("../main.js").Ctx} ctx
 * @param {() => import("../lab.js").AttentionSparse | null} current  what the pattern gives now
 */
export function mountAttentionSide(side, ctx, current) {
  const { store, signal } = ctx;
  /** @param {Partial<import("../store.js").AttentionSettings>} patch */
  const set = (patch) => store.update({ attention: { ...store.state.attention, ...patch } });
  const now = store.state.attention;

  const rows = slider("Rows n", ROWS, now.n, (n) => set({ n }));
  rows.input.id = "slider-rows";
  const kind = h("select", { id: "pattern-kind", class: "wide", "aria-label": "Pattern", on: { change: () => set({ kind: /** @type {import("../lab.js").PatternKind} */ (kind.value) }) } },
    ...PATTERNS.map((each) => h("option", { value: each.kind }, each.name)));
  const about = h("p", { class: "quiet-text" });
  // Every number that some pattern has, once; those of the chosen one are shown.
  const numbers = [...new Map(PATTERNS.flatMap((each) => each.numbers).map((number) => [number.key, number])).values()].map(({ key, label, steps }) => {
    const made = slider(label, steps, steps[0], (value) => setNumbers({ [key]: value }));
    made.input.id = `slider-${key}`;
    return { key, ...made };
  });
  /** @param {Record<string, number | boolean>} patch */
  const setNumbers = (patch) => store.update({ attention: { ...store.state.attention, ...withNumbers(store.state.attention, patch) } });
  const switches = /** @type {const} */ ([["logStride", "Log stride: also 1, 2, 4, 8 … rows back"], ["landmarks", "Landmarks: means of finished blocks"], ["globalToken", "Global token: always the first row"]])
    .map(([key, label]) => ({ key, ...check(label, now.edges[key], (on) => setNumbers({ [key]: on })) }));
  const head = h("select", { "aria-label": "Head", on: { change: () => set({ head: Number(head.value) }) } });
  const layer = h("select", { "aria-label": "Layer", on: { change: () => set({ layer: Number(layer.value) }) } });

  const magnitude = h("select", { id: "magnitude", class: "wide", "aria-label": "Size of queries and keys", on: { change: () => set({ magnitude: Number(magnitude.value) }) } },
    ...MAGNITUDES.map((m) => h("option", { value: m }, m === 0 ? "as the weights make them" : `brought to ±${m}`)));
  const sharpness = h("p", { class: "quiet-text" }, "Random weights look at everything alike. Trained heads choose: bring queries and keys to their usual size, 1 to 4, to see what each pattern would miss. Maps, errors and the sweep change; logits stay those of the weights.");

  const pattern = group("Pattern", rows.root, kind, about, ...numbers.map((each) => each.root), ...switches.map((each) => each.root));
  const weights = h("p", { id: "trained-with" });
  const looking = group("Shown", h("label", { class: "field" }, h("span", null, "Head"), head), h("label", { class: "field" }, h("span", null, "Layer"), layer), weights);
  const size = group("Queries and keys", magnitude, sharpness);
  const saturatedText = h("div", { id: "saturated" });
  const saturated = group("Saturated pattern", saturatedText);
  const edgesText = h("p", { class: "quiet-text" });
  const edgesTable = h("div", { class: "edges-table", tabindex: 0, role: "region", "aria-label": "Edges of the row" });
  const rowEdges = group("Edges of a row", edgesText, edgesTable);
  const outputs = h("div");
  const logits = h("div", { id: "logits" });
  side.append(pattern.root, size.root, saturated.root, looking.root, rowEdges.root, group("Outputs", outputs, logits).root);

  store.watch(["blob"], ({ blob, attention }) => {
    const { qHeads = 1, layers = 1 } = blob?.shape ?? {};
    head.replaceChildren(h("option", { value: -1 }, `mean of ${qHeads}`), ...Array.from({ length: qHeads }, (_, i) => h("option", { value: i }, `head ${i + 1}`)));
    layer.replaceChildren(...Array.from({ length: layers }, (_, i) => h("option", { value: i }, `layer ${i + 1} of ${layers}`)));
    if (attention.head >= qHeads || attention.layer >= layers) set({ head: -1, layer: 0 });
    head.value = String(store.state.attention.head);
    layer.value = String(store.state.attention.layer);
    // The room starts from what the weights are made for.
    if (blob) set(fromBlob(store.state.attention, blob.attention));
    weights.textContent = blob ? `Weights: ${blob.trainedWith}.` : "No weights are open.";
  }, signal);
  store.watch(["attention"], ({ attention }) => {
    rows.set(attention.n);
    kind.value = attention.kind;
    about.textContent = patternOf(attention.kind).about;
    const values = numbersOf(attention);
    for (const { key, root, set: show } of numbers) {
      root.hidden = !(key in values);
      if (!root.hidden) show(values[key]);
    }
    const isEdges = placeOf(attention.kind) === "edges";
    for (const { key, root, input } of switches) {
      root.hidden = !isEdges;
      input.checked = attention.edges[key];
    }
    saturated.root.hidden = !isEdges;
    magnitude.value = String(attention.magnitude);
  }, signal);

  /** @type {RowEdge[]} */
  let edges = [];
  let edgesRow = -1;

  /** @param {import("../lab.js").AttentionResult} r */
  function result(r) {
    const { window, block } = store.state.attention.edges;
    const reach = r.n <= 64 ? 64 : REACH;
    showSaturated(saturatedText, r, window, block, button(`Set rows, window and block to ${reach}`, () => {
      set({ ...withNumbers(store.state.attention, { window: reach, block: reach }), n: reach });
    }, { class: "button small" }));
    outputs.replaceChildren(facts([
      ["Rows", `${integer(r.n)}: ${clock(r.firstSeconds)} to ${clock(r.lastSeconds)}`],
      ["Dense output, rms", significant(r.denseRms)],
      ["Spread of the dense scores", significant(r.scoreSpread)],
    ]));
  }

  const tableNumbers = () => ({
    columns: ["kind", "first_row", "last_row", "rows", "time_s", "weight_sparse", "weight_dense"],
    rows: edges.map((e) => /** @type {(string | number)[]} */ ([e.kind, e.first, e.last, e.count, e.seconds, e.weightSparse, e.weightDense])),
  });

  return {
    result,
    /** Shows what the whole head says; nothing while that is not known. @param {import("../lab.js").Logits | null} l */
    logits(l) {
      const rounded = l?.f16RowsMaxAbs;
      logits.replaceChildren(facts([
        ["Rows as f16 move a logit by at most", rounded === undefined ? null : h("span", { id: "f16-rows-error", class: "mono" }, significant(rounded))],
        ["Logits sparse", l ? h("span", { class: "sparse-text mono" }, [...l.sparse].map(significant).join("  ")) : "when nothing moves"],
        ["Logits dense", l ? h("span", { class: "dense-text mono" }, [...l.dense].map(significant).join("  ")) : "when nothing moves"],
      ]));
    },
    /** Takes back what belonged to a result that is no more. */
    clear() {
      saturatedText.replaceChildren(h("p", { class: "quiet-text" }, "There is nothing to compare."));
      outputs.replaceChildren();
      logits.replaceChildren();
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
        e.kind, rowsOf(e),
        h("span", { class: "number sparse-text" }, significant(e.weightSparse)), h("span", { class: "number dense-text" }, significant(e.weightDense)),
      ])));
    },
  };
}

/** Says which rows an edge stands for: 7, 8–15, or 3 of 8–40 where a group skips some. @param {RowEdge} edge */
function rowsOf({ first, last, count }) {
  if (first === last) return String(first);
  return count === last - first + 1 ? `${first}–${last}` : `${count} of ${first}–${last}`;
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
