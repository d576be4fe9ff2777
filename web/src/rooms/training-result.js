// @ts-check
// What came of training: figures with their counts and baselines, the confusion matrix, the file.
import { download } from "../ui/download.js";
import { button, facts, h, table } from "../ui/dom.js";
import { count, integer, percent, significant } from "../ui/format.js";

/** @param {HTMLElement} root @param {import("../main.js").Ctx} ctx */
export function mountResult(root, { training, store, player, journal, fail, signal }) {
  const body = h("div", { class: "body" });
  const use = button("Use these weights", () => void replay(), { class: "button primary", id: "train-use" });
  const save = button("Download .rvne", () => void keep("f16"), { class: "button", id: "train-download" });
  const saveFull = button("In f32", () => void keep("f32"), { class: "button", id: "train-download-f32" });
  const card = h("section", { class: "card", id: "train-result", hidden: true }, h("header", null, h("h2", null, "Result"), saveFull, save, use), body);
  root.append(card);

  async function replay() {
    if (!(await training.use())) return;
    // The outputs at the cursor stand in the inspector of this room.
    store.update({ room: "recording", sideOpen: true });
    document.querySelector("#side-recording .bars")?.closest("details")?.scrollIntoView({ block: "end" });
    if (!store.state.playing) player.toggle();
  }

  /** @param {"f32" | "f16"} dtype */
  async function keep(dtype) {
    try {
      const { name, content } = await training.file(dtype);
      download(name, /** @type {Uint8Array<ArrayBuffer>} */ (content), "application/octet-stream");
      journal.add("info", `saved ${name}: ${integer(content.length)} bytes`);
    } catch (error) { fail(error, "trained weights"); }
  }

  /** @type {unknown} */
  let shown = null;
  function render() {
    const { outcome, classical } = training;
    card.hidden = outcome === null;
    if (!outcome || shown === `${outcome.parameters} ${classical}` + JSON.stringify(outcome)) return;
    shown = `${outcome.parameters} ${classical}` + JSON.stringify(outcome);
    const { scores, accuracyF32, majority, randomSplit } = outcome;
    const change = scores && accuracyF32 !== null ? `, accuracy ${scores.accuracy === accuracyF32 ? "unchanged" : `${significant(100 * (scores.accuracy - accuracyF32))} points`}` : "";
    body.replaceChildren(
      h("p", { class: "blob-title" }, h("span", { class: "big", id: "train-accuracy" }, scores ? percent(scores.right, scores.windows) : "not tested"),
        h("span", null, scores ? `${integer(scores.right)} of ${count(scores.windows, "test window")} right` : "no recording was kept to test on")),
      facts([
        ["Majority class would score", majority === null ? null : percent(majority, 1)],
        ["Random convolutions + ridge", scores ? h("span", { id: "train-classical" }, classical === null ? "computing…" : percent(classical, 1)) : null],
        ["Macro F1", scores ? scores.macroF1.toFixed(3) : null],
        ["If split at random", randomSplit ? h("span", { class: "warning-text", id: "train-random-accuracy" }, `${percent(randomSplit.accuracy, 1)} of ${count(randomSplit.windows, "window")}: not to be believed`) : null],
        ["Trained on", `${count(outcome.trainWindows, "window")}, ${count(outcome.epochs, "epoch")}${outcome.complete ? "" : ", stopped early"}`],
        ["File", `${integer(outcome.bytesF16)} bytes in f16${change}; ${integer(outcome.bytesF32)} in f32`],
        ["Numbers", integer(outcome.parameters)],
      ]),
      ...(scores ? [
        h("h3", null, "Classes"),
        h("div", { class: "scroll-table", tabindex: 0, role: "region", "aria-label": "Scores of each class" }, table("Scores of each class", ["class", "windows", "precision", "recall", "F1"],
          scores.classes.map((each) => [each.name, each.windows, each.precision, each.recall, each.f1]), (value, column) => (column === 1 ? integer(value) : value.toFixed(3)))),
        h("h3", null, "Confusion: rows are the truth, columns what the head said"),
        confusion(scores),
      ] : []));
  }

  training.addEventListener("change", render, { signal });
  render();
}

/** The counts as a table whose cells are the picture. @param {NonNullable<import("../lab.js").StudyOutcome["scores"]>} scores */
function confusion({ classes, confusion: counts }) {
  const names = classes.map(({ name }) => name);
  return h("div", { class: "scroll-table", tabindex: 0, role: "region", "aria-label": "Confusion matrix" },
    h("table", { class: "confusion", id: "train-confusion", "aria-label": "Confusion matrix" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "truth"), ...names.map((name) => h("th", { scope: "col", class: "number" }, name)))),
      h("tbody", null, ...counts.map((row, truth) => {
        const all = row.reduce((a, b) => a + b, 0);
        return h("tr", null, h("th", { scope: "row" }, names[truth]), ...row.map((cell, said) => {
          const element = h("td", { class: "number", title: `${names[truth]} called ${names[said]}: ${cell} of ${all}` }, integer(cell));
          // Right in one colour, wrong in another; the number says it too.
          element.style.setProperty("--share", `${Math.round((70 * cell) / Math.max(1, all))}%`);
          if (said === truth) element.dataset.right = "";
          return element;
        }));
      }))));
}
