// @ts-check
// The Recording room: waterfall, one subcarrier over time, spectrum, RSSI and rate.
import { h, segmented, button } from "../ui/dom.js";
import { clock, signed, significant } from "../ui/format.js";
import { latest, ofRecording } from "../ui/latest.js";
import { addCursor, beforeFrame, createPlot } from "../ui/plot.js";
import { createRasterPlot } from "../ui/raster.js";
import { mountRecordingSide } from "./recording-side.js";
import { mountSubcarrierMap } from "./subcarriers.js";
import { rowExtents } from "./extents.js";

/** @typedef {"amplitude" | "phase" | "variance"} Kind */
/** @typedef {{x: Float64Array, min: Float32Array, max: Float32Array}} Thinned */
/** What one answer of the worker covers: more than is seen, so that the view can move inside. */
/** @typedef {{startS: number, endS: number, key: string, waterfall: import("../lab.js").Raster, pair: Thinned, rssi: Thinned, rate: Thinned}} Tile */

/** Share of the view that lies before the cursor. */
const LEAD = 0.75;
/** Sentences for the recording that comes with the page. */
const INTRO = {
  name: "walking_esp32_107hz.csv",
  says: "A person walks between two small radios: each row is one radio frequency, each column one packet.",
  origin: "marcrubii/pulse-wifi-sensing",
  licence: "MIT",
};

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx @param {import("../opening.js").Opening} opening */
export function mountRecording(root, side, ctx, opening) {
  const { lab, wasm, store, player, signal, fail } = ctx;
  let kind = /** @type {Kind} */ ("amplitude");
  let gain = true;
  let fitAll = false;
  let view = { startS: 0, endS: 10 };
  /** @type {Tile | null} */
  let tile = null;
  let asked = "";
  let shownName = "";
  /** @type {import("../lab.js").Subcarrier[]} */
  let subcarriers = [];
  /** @type {{k: Float64Array, amplitude: Float32Array, role: string[]} | null} */
  let spectrum = null;

  const useful = () => subcarriers.filter((s) => s.useful).sort((a, b) => (a.k ?? a.pair) - (b.k ?? b.pair));
  const kOf = (/** @type {import("../lab.js").Subcarrier} */ s) => s.k ?? s.pair;
  const pairName = () => {
    const s = subcarriers[store.state.pair];
    return s ? (s.k === null ? `${features() ? "Feature" : "Position"} ${s.pair}` : `Subcarrier ${signed(s.k)}`) : "Subcarrier";
  };
  /** Whether the stream holds numbers that the node computed instead of channel state. */
  const features = () => store.state.recording?.order === "features";
  /** Features have no gain to take out: their mean says nothing. */
  const withoutGain = () => gain && !features();
  const atCursor = () => `${unit("amplitude", withoutGain(), features())} at ${store.state.seconds.toFixed(3)} s`;
  const place = () => (features() ? "feature" : subcarriers.some((s) => s.k !== null) ? "subcarrier" : "position");
  const noRecording = () => (store.state.recording ? null : "No recording. Open one, or the built-in one from Ctrl+K.");

  const kinds = segmented("Waterfall shows", [["amplitude", "Amplitude"], ["phase", "Phase"], ["variance", "Variance"]], kind, (chosen) => { kind = chosen; refresh(); });
  const gainButton = button("Gain out", () => { gain = !gain; gainButton.setAttribute("aria-pressed", String(gain)); refresh(); },
    { class: "button small", "aria-pressed": "true", title: "Divide each frame by its mean amplitude: takes the receiver's gain steps out" });
  const fitButton = button("Fit all", () => { fitAll = !fitAll; fitButton.setAttribute("aria-pressed", String(fitAll)); follow(); },
    { class: "button small", "aria-pressed": "false", title: "Show the whole recording instead of some seconds around the cursor" });

  const waterfall = createRasterPlot({
    title: "Waterfall", wasm,
    controls: [kinds.root, gainButton, fitButton],
    empty: noRecording,
    raster: () => tile?.waterfall ?? null,
    axes: () => {
      const ks = useful().map(kOf);
      const low = ks[0] ?? 0;
      const high = ks.at(-1) ?? 1;
      return { xLabel: "time (s)", yLabel: place(), xMin: view.startS, xMax: view.endS, yMin: low - 0.5, yMax: high + 0.5 };
    },
    bar: () => tile && { map: tile.waterfall.map, min: tile.waterfall.min, max: tile.waterfall.max, label: unit(kind, withoutGain(), features()) },
    paint: (context, image, raster) => paintRows(context, image, raster, useful().map(kOf), tile, view),
    describe: () => `Waterfall of ${kind} from ${clock(view.startS)} to ${clock(view.endS)} over ${useful().length} subcarriers, ${significant(tile?.waterfall.min ?? 0)} to ${significant(tile?.waterfall.max ?? 0)} (${unit(kind, withoutGain(), features())})`,
    table: () => ({ about: atCursor(), columns: [place(), features() ? "value" : "amplitude", "role"], rows: [...(spectrum?.k ?? [])].map((k, i) => [k, spectrum?.amplitude[i] ?? NaN, spectrum?.role[i] ?? ""]) }),
    drawn() {
      moveCursors();
      // From here on a visitor sees data; `cargo xtask bench page` reads the mark.
      if (tile && performance.getEntriesByName("lab:first-frame").length === 0) performance.mark("lab:first-frame");
    },
  }, ctx);

  /** @param {string} title @param {() => string} yLabel @param {"pair" | "rssi" | "rate"} which @param {() => string | null} [empty] */
  const overTime = (title, yLabel, which, empty) => createPlot({
    title,
    empty: () => noRecording() ?? empty?.() ?? (tile ? null : "Computing…"),
    draw: (canvas, ratio, dark) => {
      const { x, min, max } = tile?.[which] ?? { x: new Float64Array(), min: new Float32Array(), max: new Float32Array() };
      return wasm.drawLines(canvas, ratio, dark, { xLabel: "time (s)", yLabel: yLabel(), xMin: view.startS, xMax: view.endS, series: [{ name: title, color: "accent", x, y: min, yMax: max }] });
    },
    describe: () => `${which === "pair" ? pairName() : title}, ${yLabel()}, from ${clock(view.startS)} to ${clock(view.endS)}: ${range(tile?.[which])}`,
    table: () => ({ about: `${which === "pair" ? `${pairName()}, ` : ""}${yLabel()}`, columns: ["time_s", "min", "max"], rows: [...(tile?.[which].x ?? [])].map((x, i) => [x, tile?.[which].min[i] ?? NaN, tile?.[which].max[i] ?? NaN]) }),
    drawn: () => moveCursors(),
  }, ctx);
  const pairPlot = overTime("Subcarrier", () => unit(kind === "phase" ? "phase" : "amplitude", withoutGain(), features(), true), "pair");
  const rssiPlot = overTime("RSSI", () => "dBm", "rssi", () => (store.state.recording?.hasRssi ? null : "This recording states no RSSI."));
  const ratePlot = overTime("Rate", () => "frames/s", "rate", () => (store.state.recording?.rateHz ? null : "This recording has no clock."));
  const spectrumPlot = createPlot({
    title: "Spectrum",
    empty: () => noRecording() ?? (spectrum ? null : "Computing…"),
    draw: (canvas, ratio, dark) => {
      const { k, amplitude } = measured();
      const s = subcarriers[store.state.pair];
      const at = s ? k.indexOf(kOf(s)) : -1;
      return wasm.drawLines(canvas, ratio, dark, {
        xLabel: place(), yLabel: unit("amplitude", withoutGain(), features(), true), xMin: Math.min(0, ...k) - 1, xMax: Math.max(1, ...k) + 1, yMin: 0,
        series: fields(k, amplitude, [...new Set(subcarriers.map((each) => each.field))].filter((field) => field !== "none")),
        markers: at >= 0 ? [{ x: k[at], y: amplitude[at], color: "accent" }] : [],
      });
    },
    describe: () => `${unit("amplitude", withoutGain(), features())} of ${spectrum?.k.length ?? 0} ${place()}s at ${clock(store.state.seconds)}`,
    table: () => ({ about: atCursor(), columns: [place(), features() ? "value" : "amplitude", "role"], rows: [...(spectrum?.k ?? [])].map((k, i) => [k, spectrum?.amplitude[i] ?? NaN, spectrum?.role[i] ?? ""]) }),
  }, ctx);

  /** The frame without places that carry no measurement; a gap where they lie. */
  function measured() {
    const { k, amplitude, role } = spectrum ?? { k: new Float64Array(), amplitude: new Float32Array(), role: [] };
    const kept = [...k.keys()].filter((i) => role[i] === "data" || role[i] === "pilot");
    return kept.length === 0 ? { k, amplitude } : { k: Float64Array.from(kept, (i) => k[i]), amplitude: Float32Array.from(kept, (i) => amplitude[i]) };
  }

  const intro = h("div", { class: "intro" });
  const map = h("div");
  root.append(h("div", { class: "recording-room" }, intro, map, waterfall.root,
    h("div", { class: "strip-row" }, pairPlot.root, spectrumPlot.root, rssiPlot.root, ratePlot.root)));
  const drawMap = mountSubcarrierMap(map, ctx, () => subcarriers);
  mountRecordingSide(side, ctx, opening);

  const cursors = [waterfall, pairPlot, rssiPlot, ratePlot].map(addCursor);
  function moveCursors() {
    for (const move of cursors) move(store.state.seconds, view.startS, view.endS);
  }

  const askTile = latest(async (/** @type {Omit<Tile, "waterfall" | "pair" | "rssi" | "rate"> & {columns: number, kind: Kind, gain: boolean, dark: boolean, pairIndex: number}} */ want) => {
    const span = { startS: want.startS, endS: want.endS, columns: want.columns };
    const quantity = want.kind === "phase" ? /** @type {const} */ ("phase") : /** @type {const} */ ("amplitude");
    const [raster, pair, rssi, rate] = await Promise.all([
      lab.waterfall({ ...span, kind: want.kind, gain: want.gain, usefulOnly: true, dark: want.dark }),
      lab.subcarrierSeries({ ...span, pair: want.pairIndex, quantity, gain: want.gain }),
      lab.rssiSeries(span), lab.rateSeries(span),
    ]);
    return { ...want, waterfall: raster, pair, rssi, rate };
  }, (answer) => {
    tile = answer;
    pairPlot.heading.textContent = pairName();
    for (const plot of [waterfall, pairPlot, rssiPlot, ratePlot]) plot.redraw();
  }, fail, ofRecording(store));
  const askSpectrum = latest(({ frame }) => lab.spectrum(frame, withoutGain()), (answer) => { spectrum = answer; spectrumPlot.redraw(); }, fail, ofRecording(store));

  /** Asks for what the view needs and is not there. */
  function request() {
    const { recording, pair, dark, revision } = store.state;
    if (!recording || store.state.changing || !waterfall.visible()) return;
    const length = view.endS - view.startS;
    const key = [kind, gain, dark, pair, revision, length.toFixed(3), waterfall.canvas.clientWidth].join();
    // Still inside what is there (or on its way), with a view's length left to go?
    const [had, from, to] = asked.split("|");
    const total = Math.max(player.span(), 1e-3);
    const inside = had === key && (view.startS >= Number(from)) && view.endS <= Number(to) &&
      (view.endS + length * 0.25 <= Number(to) || Number(to) >= total);
    if (inside) return;
    const startS = Math.max(0, view.startS - length * 0.5);
    const endS = Math.min(Math.max(total, view.endS), view.endS + length);
    asked = `${key}|${startS}|${endS}`;
    // Columns no narrower than half a frame: more would only repeat what is held over.
    const columnS = Math.max(length / waterfall.canvas.clientWidth, 0.5 / (recording.rateHz ?? Infinity));
    const columns = Math.max(16, Math.min(2000, Math.round((endS - startS) / columnS)));
    askTile({ startS, endS, key, columns, kind, gain: withoutGain(), dark, pairIndex: pair });
  }

  /** Moves the view with the cursor. */
  function follow() {
    const total = Math.max(player.span(), 1e-3);
    const length = fitAll ? total : Math.min(store.state.viewS, total);
    const start = Math.max(0, Math.min(total - length, store.state.seconds - LEAD * length));
    if (start !== view.startS || start + length !== view.endS) {
      view = { startS: start, endS: start + length };
      if (waterfall.visible()) for (const plot of [waterfall, pairPlot, rssiPlot, ratePlot]) plot.redraw();
    }
    request();
    moveCursors();
  }
  function refresh() {
    asked = "";
    follow();
    askSpectrum({ frame: store.state.frame });
  }

  const onFrame = () => beforeFrame(step);
  const step = () => {
    if (store.state.room !== "recording" || !store.state.recording) return;
    follow();
    askSpectrum({ frame: store.state.frame });
  };
  store.watch(["seconds", "frame", "room", "viewS"], onFrame, signal);
  store.watch(["dark", "pair"], () => { if (store.state.recording) refresh(); drawMap(); }, signal);
  store.watch(["revision"], async ({ recording }) => {
    if (!recording) return;
    try {
      subcarriers = await lab.subcarriers();
    } catch (error) { fail(error); }
    if (store.state.recording !== recording) return;
    // While it grows, what is there stays until there is more.
    if (!recording.device || recording.name !== shownName) tile = spectrum = null;
    shownName = recording.name;
    drawMap();
    waterfall.heading.textContent = features() ? "Features over time" : "Waterfall";
    spectrumPlot.heading.textContent = features() ? "At the cursor" : "Spectrum";
    kinds.root.hidden = gainButton.hidden = features();
    if (features() && kind !== "amplitude") { kind = "amplitude"; kinds.set(kind); }
    kinds.root.children[1]?.toggleAttribute("disabled", !recording.hasPhase);
    if (!recording.hasPhase && kind === "phase") { kind = "amplitude"; kinds.set(kind); }
    fillIntro(recording);
    refresh();
  }, signal);
  store.watch(["recording"], ({ recording }) => { if (recording?.device) fillIntro(recording); }, signal);
  const sizes = new ResizeObserver(() => follow());
  sizes.observe(waterfall.body);
  signal.addEventListener("abort", () => sizes.disconnect(), { once: true });

  waterfall.canvas.addEventListener("click", (event) => {
    if (!waterfall.area) return;
    const { left, top, width, height } = waterfall.area;
    const seconds = view.startS + ((event.offsetX - left) / width) * (view.endS - view.startS);
    const ordered = useful();
    const k = kOf(ordered[ordered.length - 1]) + 0.5 - ((event.offsetY - top) / height) * (kOf(ordered[ordered.length - 1]) - kOf(ordered[0]) + 1);
    const nearest = ordered.reduce((a, b) => (Math.abs(kOf(b) - k) < Math.abs(kOf(a) - k) ? b : a));
    player.seek(seconds);
    store.update({ pair: nearest.pair });
  }, { signal });

  /** @param {import("../lab.js").RecordingInfo} recording */
  function fillIntro(recording) {
    if (recording.name === INTRO.name) {
      intro.replaceChildren(h("p", null, INTRO.says), h("p", { class: "quiet-text" }, "From ",
        h("a", { href: `https://github.com/${INTRO.origin}`, rel: "noreferrer", target: "_blank" }, INTRO.origin), `, licence ${INTRO.licence}.`));
    } else {
      const rate = recording.rateHz ? `, ${recording.rateHz.toFixed(1)} frames a second` : "";
      intro.replaceChildren(h("p", null, `${recording.frames.toLocaleString("en")} frames over ${clock(recording.spanS)}${rate}.`),
        h("p", { class: "quiet-text" }, `${recording.device ? `Live from ${recording.device}.` : "Opened from this computer."} ${recording.clock.charAt(0).toUpperCase()}${recording.clock.slice(1)}.`));
    }
  }
}

/** Makes a line of each training field; where one ends and the next begins, the subcarriers start over.
 *  @param {Float64Array} k @param {Float32Array} amplitude @param {string[]} names @returns {import("../lab.js").Series[]} */
function fields(k, amplitude, names) {
  const starts = [...k.keys()].filter((i) => i === 0 || k[i] < k[i - 1]);
  return starts.map((start, i) => ({
    name: names.length === starts.length ? names[i].toUpperCase() : `field ${i + 1}`, color: /** @type {const} */ (["accent", "series2", "series3"])[i % 3],
    x: k.slice(start, starts[i + 1]), y: amplitude.slice(start, starts[i + 1]),
  }));
}

/** @param {Kind} kind @param {boolean} gain @param {boolean} features @param {boolean} [short] */
function unit(kind, gain, features, short = false) {
  if (kind === "phase") return "phase (rad)";
  const of = features ? "value" : gain ? (short ? "amp. / mean" : "amplitude / frame mean") : "amplitude";
  return kind === "variance" ? `variance of ${of}, 0.5 s` : of;
}

/** @param {Thinned | undefined} series */
function range(series) {
  if (!series || series.x.length === 0) return "no values";
  const low = series.min.reduce((a, b) => (b < a ? b : a), Infinity);
  const high = series.max.reduce((a, b) => (b > a ? b : a), -Infinity);
  return `${significant(low)} to ${significant(high)}`;
}

/**
 * Puts the rows of the image where their subcarriers belong, so that missing ones stay empty.
 * Row 0 of the image is the highest subcarrier. A receiver that reports every other subcarrier
 * has rows that reach half-way to the next.
 * @param {CanvasRenderingContext2D} context @param {CanvasImageSource} image @param {import("../lab.js").Raster} raster
 * @param {number[]} ks ascending @param {Tile | null} tile @param {{startS: number, endS: number}} view
 */
function paintRows(context, image, raster, ks, tile, view) {
  if (!tile || tile.endS <= tile.startS) return;
  const { width, height } = context.canvas;
  const perSecond = raster.width / (tile.endS - tile.startS);
  const from = (view.startS - tile.startS) * perSecond;
  const columns = (view.endS - view.startS) * perSecond;
  if (ks.length !== raster.height) return context.drawImage(image, from, 0, columns, raster.height, 0, 0, width, height);
  const top = ks[ks.length - 1] + 0.5;
  const scale = height / (top - ks[0] + 0.5);
  rowExtents(ks).reverse().forEach(({ low, high }, row) => {
    // Whole pixels, so that neighbours neither overlap nor leave a line between them.
    const y = Math.round((top - Math.min(high, top)) * scale);
    const end = Math.round((top - Math.max(low, ks[0] - 0.5)) * scale);
    context.drawImage(image, from, row, columns, 1, 0, y, width, Math.max(1, end - y));
  });
}
