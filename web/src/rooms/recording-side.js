// @ts-check
// The inspector of the Recording room: file doctor, streams, order, features, model output.
import { facts, group, h, table } from "../ui/dom.js";
import { bytes, duration, hertz, integer } from "../ui/format.js";
import { mountPipeline } from "./pipeline.js";
import { mountOutputs } from "./outputs.js";
import { mountLabelList } from "./recording-labels.js";
import { mountLivePanel } from "./recording-live.js";

/** @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {{adopt: import("../opening.js").Opening["adopt"]}} opening */
export function mountRecordingSide(side, ctx, opening) {
  const { lab, store, signal, fail, journal } = ctx;
  const doctor = group("File doctor");
  const layout = group("Streams and order");
  const features = group("Features");
  const outputs = group("Model output at the cursor");
  const labels = group("Labels");
  side.append(mountLivePanel(ctx), doctor.root, labels.root, layout.root, features.root, outputs.root);
  mountLabelList(labels.inside, ctx);
  mountPipeline(features.inside, ctx);
  mountOutputs(outputs.inside, ctx);

  const stream = h("select", { class: "wide", "aria-label": "Stream", on: { change: () => void selectStream() } });
  const order = h("select", { class: "wide", "aria-label": "Subcarrier order", on: { change: () => void setOrder(() => lab.setSubcarrierOrder(/** @type {"auto" | "fft" | "centred"} */ (order.value))) } },
    h("option", { value: "auto" }, "order: automatic"), h("option", { value: "fft" }, "order: FFT (0, 1 … −1)"), h("option", { value: "centred" }, "order: centred (−k … k)"));
  const orderNote = h("p", { class: "quiet-text" });
  layout.inside.append(stream, order, orderNote);

  async function selectStream() {
    try {
      await opening.adopt(() => lab.selectStream(Number(stream.value)));
      journal.add("info", `recording: stream ${stream.selectedIndex + 1}`);
    } catch (error) { fail(error); }
  }

  /** @param {() => Promise<import("../lab.js").RecordingInfo>} act */
  async function setOrder(act) {
    try {
      const recording = await act();
      store.update({ recording, pipeline: await lab.pipeline(), pair: Math.min(store.state.pair, recording.pairs - 1), revision: store.state.revision + 1 });
      journal.add("info", `recording: order ${order.value}`);
    } catch (error) { fail(error); }
  }

  // Whatever is opened anew starts with what the lab decides by itself.
  store.watch(["loads"], () => { order.value = "auto"; }, signal);
  store.watch(["recording", "revision"], async ({ recording }) => {
    if (!recording) {
      doctor.inside.replaceChildren(h("p", { class: "quiet-text" }, "No recording is open."));
      return;
    }
    // A list that is open stays open while frames come.
    if (document.activeElement !== stream) stream.replaceChildren(...recording.streams.map((s, i) => h("option", { value: i }, `${s.name} · ${integer(s.frames)} frames · ${hertz(s.rateHz)}`)));
    stream.value = String(recording.selected);
    order.hidden = recording.order === "features";
    orderNote.textContent = recording.order === "features" ? "These are features that the node computed, not subcarriers." : `Order: ${recording.order}, ${recording.orderDecidedBy}.`;
    try {
      doctor.inside.replaceChildren(...doctorParts(await lab.doctor()));
    } catch (error) { fail(error); }
  }, signal);
}

/** @param {import("../lab.js").DoctorReport} report @returns {Node[]} */
function doctorParts(report) {
  const skipped = Object.entries(report.skipped);
  const labels = Object.entries(report.labels);
  const lengths = Object.entries(report.frame_lengths);
  const packets = Object.entries(report.packets);
  const longest = report.gaps.reduce((most, gap) => Math.max(most, gap.length_s), 0);
  return [
    facts([
      ["Format", h("code", null, report.format)],
      ["Size", bytes(report.bytes)],
      ["Frames read", integer(report.frames)],
      ["Skipped", skipped.length === 0 ? "none" : integer(skipped.reduce((sum, [, n]) => sum + n, 0))],
      ["Span", report.span_s === null ? "no clock" : duration(report.span_s)],
      ["Rate, on average", hertz(report.rate_hz)],
      ["Rate, typical (median)", report.median_rate_hz === null ? null : hertz(report.median_rate_hz)],
      ["Jitter between frames", report.jitter_s === null ? null : duration(report.jitter_s)],
      ["Gaps", report.gap_count === 0 ? "none" : `${integer(report.gap_count)}, longest ${duration(longest)}`],
      ["Lost on the way", report.lost_frames === null ? null : integer(report.lost_frames)],
      ["Clock wraps repaired", report.clock_wraps ? integer(report.clock_wraps) : null],
      ["Twice in the file", report.duplicates ? integer(report.duplicates) : null],
      ["Numbers in a frame", lengths.length === 0 ? null : lengths.map(([values, n]) => `${values} (${integer(n)}×)`).join(", ")],
    ]),
    ...(skipped.length > 0 ? [table("Skipped, by reason", ["skipped because", "first at", "count"], skipped.map(([reason, count]) => [reason, report.skipped_at[reason]?.slice(0, 3).join(", ") ?? "", count]))] : []),
    ...(packets.length > 0 ? [table("Packets", ["packet", "count"], packets)] : []),
    ...(labels.length > 0 ? [table("Labels", ["label", "frames"], labels)] : []),
    ...report.sentences.filter((line) => line.startsWith("Left out")).map((line) => h("p", { class: "quiet-text" }, line)),
    h("details", { class: "more" }, h("summary", null, "In sentences"), h("ul", { class: "lines quiet-text" }, ...report.sentences.map((line) => h("li", null, line)))),
  ];
}
