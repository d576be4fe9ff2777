// @ts-check
// Live: what the board classifies, as it comes, on a time line of its own.
import { button, h, table } from "../ui/dom.js";
import { clock, count, percent, significant } from "../ui/format.js";
import { beforeFrame, createPlot } from "../ui/plot.js";

const KEPT = 600;
const SHOWN_S = 60;
const COLORS = /** @type {const} */ (["accent", "dense", "ok", "warning", "error", "secondary"]);

/** @param {HTMLElement} panel @param {import("../main.js").Ctx} ctx */
export function mountLive(panel, ctx) {
  const { board, wasm, store, signal } = ctx;
  /** @type {import("../board.js").LiveClass[]} */
  let answers = [];
  const nameOf = (/** @type {number} */ index) => store.state.blob?.classNames[index] ?? `class ${index}`;
  const empty = h("p", { class: "quiet-text" }, "No classification has come yet. A node classifies what its radio hears, or the rows that Parity sends.");
  const now = h("p", { class: "live-now", "aria-live": "polite" });
  const bars = h("div", { class: "bars" });
  const last = h("div", { class: "scroll-table", tabindex: 0, role: "region", "aria-label": "Last classifications" });
  const plot = createPlot({
    title: "Logits over time", source: () => store.state.board.source || "NONE",
    empty: () => (answers.some(({ logits }) => logits) ? null : "The board sends no logits: it says which class, and by how much."),
    draw: (canvas, ratio, dark) => {
      const end = answers[answers.length - 1]?.seconds ?? 0;
      const start = Math.max(answers[0]?.seconds ?? 0, end - SHOWN_S);
      const seen = answers.filter(({ seconds, logits }) => seconds >= start && logits !== null);
      const classes = seen[0]?.logits?.length ?? 0;
      const x = Float64Array.from(seen, ({ seconds }) => seconds);
      return wasm.drawLines(canvas, ratio, dark, /** @type {any} */ ({
        xLabel: "seconds of the board", yLabel: "logit", xMin: start, xMax: Math.max(end, start + 1),
        series: Array.from({ length: classes }, (_, i) => ({ name: nameOf(i), color: COLORS[i % COLORS.length], x, y: Float32Array.from(seen, ({ logits }) => logits?.[i] ?? NaN) })),
      }));
    },
    describe: () => `Logits of the last ${count(answers.length, "classification")} of the board`,
    table: () => ({ columns: ["board s", "class", "margin", "logits"], rows: answers.map((a) => [a.seconds, nameOf(a.class), a.margin, (a.logits ?? []).map(significant).join(" ")]) }),
  }, ctx);
  const record = h("div", { class: "tools", hidden: true }, h("p", null, "This board prints channel state as text, as Espressif's and Hernandez' tools do."), button("Record it live", () => void board.record(), { class: "button primary", id: "live-record" }));
  panel.append(record, empty, now, bars, h("div", { class: "live-plot" }, plot.root), last);

  function render() {
    if (panel.hidden || store.state.room !== "device") return;
    const newest = answers.at(-1);
    empty.hidden = newest !== undefined;
    for (const each of [now, bars, last, plot.root]) each.hidden = newest === undefined;
    if (!newest) return;
    now.textContent = `${nameOf(newest.class)}, at ${clock(newest.seconds)} of the board`;
    const shares = newest.logits ? softmax(newest.logits) : [];
    bars.hidden = shares.length === 0;
    bars.replaceChildren(...shares.map((share, i) => {
      const fill = h("i", { class: "sparse" });
      fill.style.transform = `scaleX(${share})`;
      return h("div", { class: "bar-line" }, h("span", { class: "bar-name" }, nameOf(i)), h("span", { class: "track" }, fill), h("output", null, percent(share, 1)));
    }));
    last.replaceChildren(table("Last classifications", ["board s", "class", "margin", "logits"], answers.slice(-8).reverse().map((a) =>
      [clock(a.seconds), nameOf(a.class), significant(a.margin), a.logits ? h("code", null, a.logits.map(significant).join(" ")) : "not sent"])));
    plot.redraw();
  }

  board.addEventListener("live", (event) => {
    answers.push(.../** @type {CustomEvent<import("../board.js").LiveClass[]>} */ (event).detail);
    answers = answers.slice(-KEPT);
    beforeFrame(render);
  }, { signal });
  store.watch(["room", "blob"], () => beforeFrame(render), signal);
  // Another board, or the same one restarted: its clock starts anew.
  let source = "";
  store.watch(["board"], ({ board: view }) => {
    record.hidden = view.device.found !== "csiLines";
    if (view.source !== source) answers = [];
    source = view.source;
    beforeFrame(render);
  }, signal);
  new MutationObserver(() => render()).observe(panel, { attributeFilter: ["hidden"] });
}

/** For bars only: what is compared are the logits. @param {number[]} logits */
function softmax(logits) {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}
