// @ts-check
// The inspector of the Model room: make weights from shape and seed, open, convert.
import { button, check, group, h } from "../ui/dom.js";
import { integer, significant } from "../ui/format.js";
import { fromBlob, initialPattern, numbersOf, patternArgs, patternOf, PATTERNS, withNumbers } from "../patterns.js";
import { LabError } from "../lab.js";

const DEFAULT_SEED = "C5110007DEADBEEF";
const SHAPE = /** @type {const} */ ([
  ["inputDim", "Input features", 16], ["qHeads", "Query heads", 4], ["kvHeads", "Key/value heads", 1],
  ["headDim", "Head dim", 32], ["layers", "Layers", 2], ["classes", "Classes", 4],
]);

/** @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {{choose: () => void}} opening */
export function mountModelSide(side, { lab, store, signal, fail, journal, notices }, opening) {
  const inputs = SHAPE.map(([key, label, value]) => ({ key, input: h("input", { type: "number", class: "short", min: 1, max: 65535, step: 1, value, "aria-label": label }), label }));
  const seed = h("input", { type: "text", class: "mono", value: DEFAULT_SEED, maxlength: 18, spellcheck: "false", "aria-label": "Seed, hexadecimal" });
  /** What the new weights are to look at. */
  let pattern = initialPattern();
  const kind = h("select", { id: "new-pattern", class: "wide", "aria-label": "Pattern of the new weights", on: { change: () => { pattern = { ...pattern, kind: /** @type {import("../lab.js").PatternKind} */ (kind.value) }; showPattern(); } } },
    ...PATTERNS.map((each) => h("option", { value: each.kind }, each.name)));
  const about = h("p", { class: "quiet-text" });
  const numbers = h("div", { class: "contents" });
  function showPattern() {
    kind.value = pattern.kind;
    const { about: sentence, numbers: own } = patternOf(pattern.kind);
    about.textContent = sentence;
    const values = numbersOf(pattern);
    numbers.replaceChildren(...own.map(({ key, label, most }) => h("label", { class: "field" }, h("span", null, label),
      h("input", { type: "number", class: "short", id: `new-${key}`, min: 0, max: most, step: 1, value: values[key], "data-label": label, "data-key": key, "aria-label": `${label} of the new weights` }))));
  }
  showPattern();
  const half = check("Half precision (f16)", false, () => {});
  const windowLen = h("input", { type: "number", class: "short", id: "new-window-len", min: 1, max: 65535, step: 1, value: 50, "aria-label": "Frames a classification" });
  const f16Rows = check("Rows as f16", false, () => {});
  const streaming = check("Classify by a step each frame", false, () => {});
  const lastFrame = check("Read the last frame only", false, () => {});
  const make = group("Make weights",
    ...inputs.map(({ label, input }) => h("label", { class: "field" }, h("span", null, label), input)),
    h("label", { class: "field" }, h("span", null, "Seed (hex)"), seed), half.root,
    h("span", { class: "label" }, "Attention looks back over"), kind, about, numbers,
    h("span", { class: "label" }, "On the node"),
    h("label", { class: "field" }, h("span", null, "Frames a classification"), windowLen),
    f16Rows.root, h("p", { class: "quiet-text" }, "Kept queries, keys and values take half the memory and are rounded."),
    streaming.root, h("p", { class: "quiet-text" }, "One row's work each frame, instead of a pass over all rows when classifying."),
    lastFrame.root, h("p", { class: "quiet-text" }, "Instead of the mean over the frames."),
    button("Make weights", () => void makeBlob(), { class: "button", id: "blob-new" }),
    h("p", { class: "quiet-text" }, "Random weights: the shape runs and its cost is real, but it has learned nothing."));

  const asF32 = button("To f32", () => void convert("f32"), { class: "button" });
  const asF16 = button("To f16", () => void convert("f16"), { class: "button", id: "to-f16" });
  const lost = h("p", { id: "convert-error", "aria-live": "polite" });
  side.append(make.root,
    group("Open", button("Open .rvne or .safetensors", opening.choose, { class: "button" }), h("p", { class: "quiet-text" }, "Or drop it anywhere. A file that is not sound is refused with the exact reason, and these weights stay.")).root,
    group("Convert", h("div", { class: "segmented" }, asF32, asF16), lost).root);

  async function makeBlob() {
    try {
      const shape = Object.fromEntries(inputs.map(({ key, input, label }) => [key, whole(input, label)]));
      const own = [...numbers.querySelectorAll("input")].map((input) => [input.dataset.key ?? "", whole(input, input.dataset.label ?? "")]);
      pattern = withNumbers(pattern, Object.fromEntries(own));
      const blob = await lab.blobNew(/** @type {any} */ ({ ...shape, seedHex: seed.value.trim().replace(/^0x/i, ""), f16: half.input.checked, pattern: patternArgs(pattern),
        windowLen: whole(windowLen, "Frames a classification", 1), f16Rows: f16Rows.input.checked, streaming: streaming.input.checked, lastFrame: lastFrame.input.checked }));
      store.update({ blob, pipeline: await lab.pipeline() });
      notices.settle("new weights");
      journal.add("info", `made weights: ${integer(blob.bytes)} bytes, seed ${blob.seedHex ?? seed.value}, CRC-32 ${blob.crc32Hex}`);
    } catch (error) { fail(error, "new weights"); }
  }

  /** Reads a whole number that a blob can hold. @param {HTMLInputElement} input @param {string} label */
  function whole({ value: text, max }, label, least = 0) {
    const value = Number(text);
    if (text.trim() === "") throw new LabError("page/number", `${label} is empty or not a number`);
    if (!Number.isInteger(value) || value < least || value > Number(max)) throw new LabError("page/number", `${label} is "${text}", not a whole number from ${least} to ${max}`);
    return value;
  }

  /** @param {"f32" | "f16"} dtype */
  async function convert(dtype) {
    try {
      const from = store.state.blob?.dtype;
      const { info, maxAbs, meanAbs, overflowed } = await lab.blobConvert(dtype);
      store.update({ blob: info, pipeline: await lab.pipeline() });
      // The store's new blob has just emptied the line.
      const over = overflowed > 0 ? `; ${integer(overflowed)} weights were too large and became infinite` : "";
      lost.textContent = `${from} to ${dtype}: error max ${significant(maxAbs)}, mean ${significant(meanAbs)}${over}.`;
      journal.add(overflowed > 0 ? "warning" : "info", `converted weights, ${lost.textContent}`);
    } catch (error) { fail(error, "convert"); }
  }

  store.watch(["blob"], ({ blob }) => {
    lost.textContent = "";
    if (blob) {
      pattern = fromBlob(pattern, blob.attention);
      showPattern();
      const { rows, pooling } = blob.attention;
      windowLen.value = String(blob.attention.windowLen || 50);
      f16Rows.input.checked = rows === "f16";
      streaming.input.checked = blob.attention.streaming;
      lastFrame.input.checked = pooling === "last";
    }
    asF32.disabled = !blob || blob.dtype === "f32";
    asF16.disabled = !blob || blob.dtype === "f16";
  }, signal);
}
