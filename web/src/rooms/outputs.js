// @ts-check
// What the head answers at the cursor, run sparse and run dense.
import { h } from "../ui/dom.js";
import { percent } from "../ui/format.js";
import { latest, ofRecording } from "../ui/latest.js";
import { lastFrame } from "../rows.js";
import { beforeFrame } from "../ui/plot.js";

/** @param {HTMLElement} root @param {import("../main.js").Ctx} ctx */
export function mountOutputs(root, { lab, store, signal, fail }) {
  const bars = h("div", { class: "bars" });
  const note = h("p", { class: "quiet-text" });
  root.append(bars, note);
  /** @type {{name: HTMLElement, sparse: HTMLElement, dense: HTMLElement, outputs: HTMLOutputElement[]}[]} */
  let lines = [];

  const ask = latest((/** @type {{frame: number, n: number}} */ at) => lab.classify(at), (answer) => {
    const { blob, pipeline } = store.state;
    if (!answer) {
      bars.replaceChildren();
      lines = [];
      note.textContent = pipeline && !pipeline.matches ? "No output: the features do not fit the model's input." : "No output yet.";
      return;
    }
    if (lines.length !== answer.sparse.length) lines = make(answer.sparse.length);
    lines.forEach((line, i) => {
      line.name.textContent = blob?.classNames[i] ?? `class ${i}`;
      line.sparse.style.transform = `scaleX(${answer.sparse[i]})`;
      line.dense.style.transform = `scaleX(${answer.dense[i]})`;
      line.outputs[0].value = percent(answer.sparse[i], 1);
      line.outputs[1].value = percent(answer.dense[i], 1);
    });
    note.textContent = `Blue: sparse, orange: dense. Weights: ${blob?.trainedWith ?? "none"}.`;
  }, fail, ofRecording(store));

  /** @param {number} count */
  function make(count) {
    const made = Array.from({ length: count }, () => ({
      name: h("span", { class: "bar-name" }), sparse: h("i", { class: "sparse" }), dense: h("i", { class: "dense" }),
      outputs: [h("output", { class: "sparse-text" }), h("output", { class: "dense-text" })],
    }));
    bars.replaceChildren(...made.map(({ name, sparse, dense, outputs }) => h("div", { class: "bar-line" }, name,
      h("span", { class: "track" }, sparse), outputs[0], h("span", { class: "track" }, dense), outputs[1])));
    return made;
  }

  const update = () => {
    const { recording, blob, attention, room, sideOpen } = store.state;
    // What a node classifies, not what the Attention room looks at.
    const n = Math.min(attention.n, blob?.attention.windowLen || attention.n);
    if (recording && blob && sideOpen && room === "recording") ask({ frame: lastFrame(store.state), n });
  };
  store.watch(["frame", "pipeline", "blob", "revision", "attention", "room", "sideOpen"], () => beforeFrame(update), signal);
}
