// @ts-check
// Live: what the board classifies, as it comes, on a time line of its own.
import { classColour, sentence } from "../boardlane.js";
import { lackOf } from "../follow.js";
import { button, check, h, table } from "../ui/dom.js";
import { clock, count, integer, percent, significant } from "../ui/format.js";
import { beforeFrame, createPlot } from "../ui/plot.js";

const KEPT = 600;
const SHOWN_S = 60;

/** @param {HTMLElement} panel @param {import("../main.js").Ctx} ctx */
export function mountLive(panel, ctx) {
  const { board, follow, wasm, store, signal } = ctx;
  /** @type {import("../board.js").LiveClass[]} */
  let answers = [];
  const nameOf = (/** @type {number} */ index) => {
    const { blob, board: { device: { node } } } = store.state;
    // The names are those of the open weights; a board with others has classes of its own.
    const own = blob && node?.blobCrc === Number.parseInt(blob.crc32Hex, 16);
    return (own && blob.classNames[index]) || `class ${index}`;
  };
  const empty = h("p", { class: "quiet-text" }, "No classification has come yet. The node has no radio: it classifies the rows or frames that are sent to it, by the switch above, by Parity, or by a program on the line.");
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
        series: Array.from({ length: classes }, (_, i) => ({ name: nameOf(i), color: classColour(i), x, y: Float32Array.from(seen, ({ logits }) => logits?.[i] ?? NaN) })),
      }));
    },
    describe: () => `Logits of the last ${count(answers.length, "classification")} of the board`,
    table: () => ({ columns: ["board s", "class", "margin", "logits"], rows: answers.map((a) => [a.seconds, nameOf(a.class), a.margin, (a.logits ?? []).map(significant).join(" ")]) }),
  }, ctx);
  const record = h("div", { class: "tools", hidden: true }, h("p", null, "This board prints channel state as text, as Espressif's and Hernandez' tools do."), button("Record it live", () => void board.record(), { class: "button primary", id: "live-record" }));
  const send = check("Send the recording to the board while it plays", false, (on) => follow.set(on));
  send.input.id = "live-send";
  const lack = h("p", { class: "quiet-text" });
  const both = h("div", { class: "both-say", hidden: true, id: "live-both" });
  const counts = h("p", { class: "quiet-text", id: "live-counts", role: "status" });
  panel.append(send.root, lack, both, counts, record, empty, now, bars, h("div", { class: "live-plot" }, plot.root), last);

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

  store.watch(["played", "board", "recording", "blob", "pipeline", "playing"], (state) => {
    const { wanted, newest, counts: so, source: said } = state.played;
    const { task } = state.board.device;
    const why = lackOf(state) || (task !== null && task !== "follow" ? "The board does something else first." : "");
    send.input.checked = wanted;
    send.input.disabled = !wanted && why !== "";
    lack.textContent = wanted ? (state.playing || so ? "" : "Press Play: rows are sent as the cursor moves on.") : why;
    lack.hidden = lack.textContent === "";
    both.hidden = !newest;
    counts.hidden = !so;
    if (newest) both.replaceChildren(
      say("Board says", newest.class, newest.logits, said), say("This page says", newest.ourClass, newest.ours, "the same window"),
      h("p", { class: newest.isIdentical ? "ok-text" : "error-text", title: sentence(newest, nameOf) }, newest.isIdentical ? `✓ identical bit for bit, at ${clock(newest.timeMicros / 1e6)}` : `✕ their logits differ, at ${clock(newest.timeMicros / 1e6)}`));
    if (so) counts.textContent = [
      `${count(so.classified, "classification")}, ${integer(so.identical)} identical`, `${count(so.rows, "row")} sent`,
      so.behind > 0 ? `fell behind ${count(so.behind, "time")}: ${count(so.leftOut, "row")} left out` : "keeps up",
      so.missing > 0 ? `${integer(so.missing)} never came` : "", so.restarts > 0 ? `begun again ${count(so.restarts, "time")} after damage` : "",
    ].filter(Boolean).join(" · ");
  }, signal);

  /** @param {string} who @param {number} index @param {number[]} logits @param {string} from */
  function say(who, index, logits, from) {
    const colour = h("i");
    colour.style.background = `var(--${classColour(index)})`;
    return h("div", null, h("span", { class: "quiet-text" }, `${who} (${from})`), h("strong", null, colour, nameOf(index)), h("code", { class: "quiet-text" }, logits.map(significant).join(" ")));
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
