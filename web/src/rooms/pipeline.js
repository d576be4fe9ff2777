// @ts-check
// Features: every step from a frame to the head's input can be switched and is shown.
import { check, h, slider } from "../ui/dom.js";
import { integer } from "../ui/format.js";
import { latest } from "../ui/latest.js";

/** @param {HTMLElement} root @param {import("../main.js").Ctx} ctx */
export function mountPipeline(root, { lab, store, signal, fail, journal }) {
  /** What was asked for last and is not confirmed yet: the next change builds on it.
   *  @type {import("../lab.js").PipelineDto | null} */
  let wanted = null;
  /** @param {Partial<import("../lab.js").PipelineDto>} patch */
  const set = (patch) => {
    const now = wanted ?? store.state.pipeline;
    if (!now) return;
    const { bands, divideByMean, meanRemoval, timeConstantS, rateHz, lags, lagAbsolute } = now;
    wanted = { bands, divideByMean, meanRemoval, timeConstantS, rateHz, lags, lagAbsolute, ...patch };
    ask(wanted);
  };
  const ask = latest((/** @type {import("../lab.js").PipelineDto} */ dto) => lab.setPipeline(dto), (pipeline, dto) => {
    if (dto === wanted) wanted = null;
    store.update({ pipeline });
    journal.add("info", `features: ${pipeline.steps.join(" ")}`);
  }, (error) => { wanted = null; fail(error); show(store.state.pipeline); });

  const divide = check("Divide by the frame's mean", true, (on) => set({ divideByMean: on }));
  const bands = slider("Bands (0: none)", [0, 4, 8, 12, 16, 24, 32, 48, 56, 64], 16, (value) => set({ bands: value }));
  const rate = slider("Resample to Hz (0: none)", [0, 5, 10, 20, 25, 50, 100, 200], 0, (value) => set({ rateHz: value }));
  const removal = h("select", { "aria-label": "Mean removal", on: { change: () => { set({ meanRemoval: /** @type {"none" | "window" | "exponential"} */ (removal.value) }); } } },
    h("option", { value: "none" }, "none"), h("option", { value: "window" }, "of the window"), h("option", { value: "exponential" }, "running"));
  const constant = slider("Time constant (s)", [0.5, 1, 2, 5, 10, 30], 5, (value) => set({ timeConstantS: value }));
  const lags = check("Add change against 5 frames before", false, (on) => set({ lags: on ? [5] : [] }));
  const absolute = check("…as absolute value", false, (on) => set({ lagAbsolute: on }));
  const steps = h("ol", { class: "steps quiet-text" });
  const fit = h("p");
  root.append(fit, divide.root, bands.root, h("label", { class: "field" }, h("span", null, "Mean removal"), removal), constant.root, rate.root, lags.root, absolute.root, steps);

  /** @param {import("../lab.js").PipelineInfo | null} pipeline */
  function show(pipeline) {
    // The controls show what was asked for; a newer wish is on its way.
    if (!pipeline || wanted) return;
    divide.input.checked = pipeline.divideByMean;
    bands.set(pipeline.bands);
    rate.set(pipeline.rateHz);
    removal.value = pipeline.meanRemoval;
    constant.set(pipeline.timeConstantS);
    constant.root.hidden = pipeline.meanRemoval !== "exponential";
    lags.input.checked = pipeline.lags.length > 0;
    absolute.input.checked = pipeline.lagAbsolute;
    absolute.root.hidden = pipeline.lags.length === 0;
    fit.className = pipeline.matches ? "ok-text" : "warning-text";
    fit.textContent = pipeline.matches
      ? `${pipeline.featureDim} features a row: the model takes ${pipeline.modelInputDim}.`
      : `${pipeline.featureDim} features a row, but the model takes ${pipeline.modelInputDim}. Set bands to ${pipeline.modelInputDim}, or make weights for ${pipeline.featureDim}.`;
    const refused = pipeline.refusedFrames > 0 ? [`${integer(pipeline.refusedFrames)} frames give no row.`] : [];
    const held = pipeline.heldRows > 0 ? [`${integer(pipeline.heldRows)} rows bridge gaps of the recording.`] : [];
    steps.replaceChildren(...[...pipeline.steps, ...held, ...refused].map((step) => h("li", null, step)));
  }
  store.watch(["pipeline"], ({ pipeline }) => show(pipeline), signal);
}
