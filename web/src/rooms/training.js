// @ts-check
// The Train view of the Model room: recordings, split, settings, the run. Its result is training-result.js.
import { adviceFor } from "../ui/advice.js";
import { button, check, group, h, table } from "../ui/dom.js";
import { count, duration, hertz, integer, significant } from "../ui/format.js";
import { initialPattern, patternArgs, PATTERNS } from "../patterns.js";
import { createPlot } from "../ui/plot.js";
import { mountResult } from "./training-result.js";

const PARTS = /** @type {const} */ ([["train", "train"], ["test", "test"], ["none", "not used"]]);
const SIZES = /** @type {const} */ ([["small", "Small: 24 wide"], ["node", "Node: 40 wide, fits the board"], ["large", "Large: 48 wide"]]);

const LABELS_FROM = { "label file": "marked", file: "in the file", "file name": "its name", none: "none" };

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {import("../opening.js").Opening} opening */
export function mountTraining(root, side, ctx, opening) {
  const { training, wasm, signal } = ctx;
  const card = (/** @type {string} */ title, /** @type {HTMLElement} */ body, /** @type {(HTMLElement | null)[]} */ ...tools) =>
    h("section", { class: "card" }, h("header", null, h("h2", null, title), ...tools), body);
  const scroll = (/** @type {string} */ label) => h("div", { class: "body scroll-table", tabindex: 0, role: "region", "aria-label": label });

  const recordings = scroll("Recordings to train on");
  const classes = scroll("Classes");
  const findings = h("div", { class: "body findings", role: "status" });
  const addFiles = button("Add files", chooseFiles, { class: "button small", id: "train-add" });
  const addOpen = button("Add the open one", () => void training.addOpen(opening.source()), { class: "button small", id: "train-add-open" });
  const anew = button("Propose a split", () => void training.propose(), { class: "button small", id: "train-propose" });
  const example = button("Train on the built-in example", () => void training.example(), { class: "button small", id: "train-example" });

  // Settings: the few that matter in sight, the others folded.
  const number = (/** @type {"window" | "hop" | "seed"} */ key, /** @type {string} */ label, least = 1) => {
    const input = h("input", { type: "number", class: "short", id: `train-${key}`, min: least, max: key === "seed" ? 2 ** 32 : 4096, step: 1, "aria-label": label, on: { change: () => {
      const value = Number(input.value);
      if (Number.isInteger(value) && value >= least) void training.set({ [key]: value });
      else input.value = String(training.settings[key]);
    } } });
    return { input, key, root: h("label", { class: "field" }, h("span", null, label), input) };
  };
  const optional = (/** @type {"rateHz" | "epochs"} */ key, /** @type {string} */ label) => {
    const input = h("input", { type: "number", class: "short", id: `train-${key}`, min: key === "epochs" ? 1 : 0, step: key === "epochs" ? 1 : "any", placeholder: "automatic", "aria-label": label, on: { change: () => {
      const value = Number(input.value);
      void training.set({ [key]: input.value.trim() === "" || !(value >= 0) || (key === "epochs" && !(Number.isInteger(value) && value >= 1)) ? null : value });
    } } });
    return { input, key, root: h("label", { class: "field" }, h("span", null, label), input) };
  };
  const numbers = [number("window", "Window, rows"), number("hop", "Hop, rows"), number("seed", "Seed", 0)];
  const optionals = [optional("epochs", "Epochs"), optional("rateHz", "Rows a second")];
  const size = h("select", { class: "wide", id: "train-size", "aria-label": "Size", on: { change: () => void training.set({ size: /** @type {any} */ (size.value) }) } }, ...SIZES.map(([value, name]) => h("option", { value }, name)));
  const pattern = h("select", { class: "wide", id: "train-pattern", "aria-label": "Attention looks back over", on: { change: () => {
    const kind = /** @type {import("../lab.js").PatternKind | "dense"} */ (pattern.value);
    void training.set({ pattern: kind === "dense" ? null : patternArgs({ ...initialPattern(), kind }) });
  } } }, h("option", { value: "dense" }, "Every row (dense)"), ...PATTERNS.filter(({ kind }) => kind !== "salient").map(({ kind, name }) => h("option", { value: kind }, name)));
  const random = check("Also split windows at random, to compare", false, (on) => void training.set({ randomSplit: on }));
  random.input.id = "train-random";
  const randomWarning = h("p", { class: "warning-text", id: "train-random-warning", hidden: true },
    "A random split tests on neighbours of what was trained on: half of their rows are the same. Its figure is shown beside the honest one and is not to be believed.");
  const settings = h("fieldset", { class: "plain", "aria-label": "Training" },
    h("label", { class: "field" }, h("span", null, "Size"), size), h("label", { class: "field" }, h("span", null, "Attention looks back over"), pattern),
    numbers[0].root, h("details", { class: "more" }, h("summary", null, "More settings"), h("div", { class: "inside" }, numbers[1].root, optionals[0].root, optionals[1].root, numbers[2].root, random.root, randomWarning)));

  const go = button("Train", () => void training.start(), { class: "button primary", id: "train-go" });
  const pause = button("Pause", () => (training.phase === "paused" ? training.goOn() : training.pause()), { class: "button", id: "train-pause" });
  const stop = button("Stop and keep", () => training.stop(), { class: "button", id: "train-stop" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Training" });
  const said = h("p", { class: "quiet-text", id: "train-said", role: "status" });
  const run = h("div", { class: "body train-run" }, h("div", { class: "tools" }, go, pause, stop), bar, said);

  const source = () => `RECORDED ${count(training.view?.recordings.length ?? 0, "recording")}`;
  const x = () => Float64Array.from(training.curve, ({ epoch }) => epoch);
  const spec = (/** @type {string} */ yLabel) => ({ xLabel: "epoch", yLabel, xMin: 0, xMax: Math.max(1, training.run?.progress.epochs ?? 1) });
  const waiting = () => (training.curve.length > 0 ? null : "Nothing is trained yet.");
  const pointTable = () => ({ columns: ["epoch", "loss", "accuracy on training windows"], rows: training.curve.map((p) => [p.epoch, p.loss, p.accuracy]) });
  const lossPlot = createPlot({
    title: "Loss", source, empty: waiting, table: pointTable,
    draw: (canvas, ratio, dark) => wasm.drawLines(canvas, ratio, dark, { ...spec("loss"), series: [{ name: "training", color: "accent", x: x(), y: Float32Array.from(training.curve, ({ loss }) => loss) }] }),
    describe: () => `Loss over ${count(training.curve.length, "epoch")}, now ${significant(training.curve.at(-1)?.loss ?? NaN)}`,
  }, ctx);
  const accuracyPlot = createPlot({
    title: "Accuracy", hint: "Share of windows classified right: of training windows as they are disturbed, and of the test recordings at the end", source, empty: waiting, table: pointTable,
    draw: (canvas, ratio, dark) => {
      const { outcome, classical } = training;
      const end = Math.max(1, training.run?.progress.epochs ?? 1);
      const level = (/** @type {string} */ name, /** @type {import("../lab.js").LineSpec["series"][0]["color"]} */ color, /** @type {number | null | undefined} */ at) =>
        (at === null || at === undefined ? [] : [{ name, color, x: Float64Array.of(0, end), y: Float32Array.of(at, at) }]);
      return wasm.drawLines(canvas, ratio, dark, { ...spec(" "), yMin: 0, yMax: 1.05, series: [
        { name: "training", color: "accent", x: x(), y: Float32Array.from(training.curve, ({ accuracy }) => accuracy) },
        ...level("test", "ok", outcome?.scores?.accuracy), ...level("majority", "secondary", outcome?.majority), ...level("classical", "dense", classical)] });
    },
    describe: () => `Accuracy on disturbed training windows over ${count(training.curve.length, "epoch")}, now ${significant(training.curve.at(-1)?.accuracy ?? NaN)}`,
  }, ctx);

  const result = h("div", { class: "contents" });
  mountResult(result, ctx);
  root.append(
    h("div", { class: "column" },
      card("Recordings", recordings, anew, addOpen, addFiles),
      card("Classes", classes)),
    h("div", { class: "column" },
      h("section", { class: "card" }, h("header", null, h("h2", null, "Training"), example), findings, run),
      h("div", { class: "matrix-plots" }, lossPlot.root, accuracyPlot.root),
      result));

  side.append(group("Training", settings).root);

  function chooseFiles() {
    const input = h("input", { type: "file", multiple: true });
    input.addEventListener("change", () => void training.add(input.files ?? []));
    input.click();
  }

  /** @param {import("../lab.js").StudyView["recordings"][0]} entry */
  function labelWords({ labels, labelsFrom }) {
    if (labels.length === 0) return ["none"];
    const names = labels.length > 2 ? `${labels.length} labels` : labels.join(", ");
    return [names, h("span", { class: "quiet-text" }, ` (${LABELS_FROM[labelsFrom]})`)];
  }

  /** @type {import("../lab.js").StudyView | null | undefined} */
  let shown;
  let lockedBefore = false;
  function render() {
    const { view, locked, phase, busy, settings: chosen } = training;
    for (const each of [addFiles, addOpen, example]) each.disabled = locked || busy !== "";
    anew.disabled = locked || busy !== "" || (view?.recordings.length ?? 0) < 2;
    settings.disabled = locked;
    if (view !== shown || locked !== lockedBefore) { shown = view; lockedBefore = locked; renderView(view, locked); }
    for (const { input, key } of numbers) if (document.activeElement !== input) input.value = String(chosen[key]);
    for (const { input, key } of optionals) if (document.activeElement !== input) input.value = chosen[key] === null ? "" : String(chosen[key]);
    optionals[0].input.placeholder = view ? String(view.epochs) : "automatic";
    optionals[1].input.placeholder = view ? (view.rateHz === 0 ? "one a frame" : String(view.rateHz)) : "automatic";
    size.value = chosen.size;
    pattern.value = chosen.pattern?.kind ?? "dense";
    random.input.checked = chosen.randomSplit;
    randomWarning.hidden = !chosen.randomSplit;
    go.disabled = locked || busy !== "" || !view?.ready;
    go.hidden = locked;
    pause.hidden = stop.hidden = phase !== "running" && phase !== "paused";
    pause.textContent = phase === "paused" ? "Continue" : "Pause";
    bar.hidden = !locked;
    const { run: at } = training;
    const did = (at?.progress.groups ?? 0) + (at?.random?.groups ?? 0);
    const all = (at?.progress.groupsTotal ?? 1) + (at?.random?.groupsTotal ?? 0);
    bar.value = did / Math.max(1, all);
    const words = { idle: "", running: `${at?.progress.done ? "random split, " : ""}epoch ${at?.progress.epoch ?? 0} of ${at?.progress.epochs ?? 0}, ${duration(training.secondsLeft || 0)} left`, paused: `paused after epoch ${at?.progress.epoch ?? 0}`, scoring: "Scoring the test recordings…", ended: `Trained in ${duration(training.seconds)}.` };
    said.textContent = locked || busy === "" ? words[phase] : `${busy}…`;
    lossPlot.redraw();
    accuracyPlot.redraw();
  }

  /** @param {import("../lab.js").StudyView | null} view @param {boolean} locked */
  function renderView(view, locked) {
    if (!view || view.recordings.length === 0) {
      recordings.replaceChildren(h("p", { class: "quiet-text" }, "None yet. Add labelled recordings: several files at once, with their .labels.json beside them, or drop them here. Labels are those that you marked, those in the file, or the letters its name starts with."));
      classes.replaceChildren(h("p", { class: "quiet-text" }, "Known when recordings are there."));
      findings.replaceChildren();
      return;
    }
    const names = view.classes.map(({ name }) => name);
    const held = document.activeElement?.id;
    recordings.replaceChildren(table("Recordings", ["recording", "for", "labels", "frames", "seconds", "rate", ""], view.recordings.map((each, i) => {
      const part = h("select", { id: `train-part-${i}`, disabled: locked, "aria-label": `What ${each.name} is for`, on: { change: () => void training.assign(i, /** @type {import("../lab.js").StudyPart} */ (part.value)) } }, ...PARTS.map(([value, name]) => h("option", { value, selected: value === each.part }, name)));
      return [each.name, part, h("span", { title: each.labels.join(", ") }, ...labelWords(each)), integer(each.frames), each.spanS.toFixed(1), hertz(each.rateHz),
        button("✕", () => void training.remove(i), { class: "button small quiet", disabled: locked, "aria-label": `Take ${each.name} away` })];
    })));
    if (held?.startsWith("train-part-")) document.getElementById(held)?.focus();
    const used = view.recordings.filter(({ part }) => part !== "none");
    classes.replaceChildren(table("Windows of each class", ["class", "train", "test"], [...view.classes.map((each) => [each.name, each.train, each.test]), ["all", view.trainWindows, view.testWindows]], integer),
      h("details", { class: "more" }, h("summary", null, "By recording"), table("Windows of each class and recording", ["recording", "for", ...names], used.map((each) => [each.name, each.part, ...names.map((_, i) => each.windows[i] ?? 0)]), integer)));
    findings.replaceChildren(h("ul", { class: "lines" }, ...view.findings.map(({ code, severity, text }) => {
      const { todo } = adviceFor(code);
      return h("li", { class: severity === "refused" ? "error-text" : "warning-text", data: { code } }, `${severity === "refused" ? "Cannot train" : "Note"}: ${text}. ${todo}`);
    })), view.testWindows === 0 ? h("p", { class: "warning-text" }, "No test recording: no accuracy will be known. Give at least one recording to test.") : "");
  }

  training.addEventListener("change", render, { signal });
  render();
}
