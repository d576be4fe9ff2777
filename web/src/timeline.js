// @ts-check
// The time line: motion of the whole recording, labels, the cursor, the rows that the head sees.
import { button, colourOf, h } from "./ui/dom.js";
import { clock, integer } from "./ui/format.js";
import { span as rowSpan } from "./rows.js";
import { mountBoardLane } from "./boardlane.js";
import { badge } from "./ui/badge.js";
import { latest, ofRecording } from "./ui/latest.js";
import { pixelRatio } from "./ui/plot.js";

/** Labels drawn of each kind: more would not be told apart. */
const MOST_LABELS = 400;
/** How often the strip of a recording that grows is drawn anew. */
const GROW_MS = 1000;
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

/** @param {HTMLElement} root @param {import("./main.js").Ctx} ctx */
export function mountTimeline(root, ctx) {
  const { lab, store, player, signal, fail, labels: marks } = ctx;
  const play = button("Play", player.toggle, { class: "button primary play", "aria-keyshortcuts": "Space", id: "play" });
  const speed = h("select", { "aria-label": "Speed", class: "wide", on: { change: () => player.setSpeed(Number(speed.value)) } },
    ...SPEEDS.map((s) => h("option", { value: s }, `${s} ×`)));
  const loop = button("Loop", player.loop, { class: "button wide", "aria-keyshortcuts": "L" });
  const follow = button("Follow", player.follow, { class: "button", id: "follow", hidden: true, "aria-keyshortcuts": "F", title: "Go with the newest frame (F)" });
  const strip = h("canvas", { role: "img", "aria-label": "Motion over the recording" });
  const rows = h("div", { class: "line-window", hidden: true });
  const labels = h("div", { class: "line-labels" });
  const cursor = h("div", { class: "line-cursor", hidden: true });
  const hit = h("div", {
    class: "line-track", tabindex: 0, role: "slider", "aria-label": "Time", "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0,
  }, strip, labels, rows, cursor);
  const source = h("span", { class: "line-source" }, badge(store, signal));
  mountBoardLane(hit, source, ctx);
  hit.append(source);
  const time = h("output", { id: "time" });
  const total = h("output", { class: "total" });
  const frame = h("output", { class: "quiet-text frame", id: "frame" });
  root.append(h("div", { class: "transport" }, play, follow, speed, loop), hit, h("div", { class: "line-readout" }, h("div", null, time, " ", total), frame));

  /** @type {{x: Float64Array, min: Float32Array, max: Float32Array} | null} */
  let motion = null;
  const askMotion = latest((/** @type {number} */ columns) => lab.overview({ columns }), (result) => { motion = result; drawStrip(); }, fail, ofRecording(store));

  function drawStrip() {
    const context = strip.getContext("2d");
    const ratio = pixelRatio();
    const width = (strip.width = Math.round(hit.clientWidth * ratio));
    const height = (strip.height = Math.round(hit.clientHeight * ratio));
    if (!context || !motion || width === 0) return;
    const lane = store.state.recording?.labels.length || store.state.marks.length ? 14 * ratio : 0;
    const span = player.span();
    // NaN marks a column without a frame.
    const top = motion.max.reduce((a, b) => (b > a ? b : a), 0);
    if (span <= 0 || top <= 0) return;
    context.fillStyle = colourOf("secondary");
    const column = Math.max(1, width / Math.max(1, motion.x.length));
    for (let i = 0; i < motion.x.length; i++) {
      if (Number.isNaN(motion.max[i])) continue;
      const tall = Math.max(ratio, (motion.max[i] / top) * (height - lane - 6 * ratio));
      context.fillRect((motion.x[i] / span) * (width - column), height - lane - tall, Math.max(1, column - 0.5), tall);
    }
    strip.setAttribute("aria-label", `Motion over the recording: mean change from frame to frame, ${motion.x.length} columns over ${clock(span)}`);
  }

  function ask() {
    const columns = Math.round(hit.clientWidth);
    if (store.state.recording && columns > 0) askMotion(columns);
  }

  function drawLabels() {
    const span = player.span();
    /** @param {number} startS @param {number} endS @param {HTMLElement} element */
    const place = (startS, endS, element) => {
      element.style.left = `${(100 * startS) / span}%`;
      element.style.width = `${(100 * Math.max(0, endS - startS)) / span}%`;
      return element;
    };
    const { recording, marks: own, marking, seconds } = store.state;
    labels.replaceChildren(
      ...(recording?.labels ?? []).slice(0, MOST_LABELS).map(({ startS, endS, name }) => place(startS, endS, h("span", { title: name }, name))),
      ...own.slice(0, MOST_LABELS).map(({ startS, endS, name }, index) => place(startS, endS,
        h("span", { class: "own", title: `${name}: press to edit`, on: { pointerdown: (/** @type {Event} */ event) => event.stopPropagation(), click: () => marks.edit(index) } }, name))),
      ...(marking === null ? [] : [place(Math.min(marking, seconds), Math.max(marking, seconds), h("span", { class: "own begun" }, "label…"))]));
  }

  store.watch(["frame", "seconds", "times", "attention", "pipeline"], (state) => {
    const span = player.span();
    const ready = state.recording !== null && span > 0;
    cursor.hidden = rows.hidden = !ready;
    if (!ready) return;
    const width = hit.clientWidth - 2;
    cursor.style.transform = `translateX(${(state.seconds / span) * width}px)`;
    const { startS, endS } = rowSpan(state);
    rows.style.transform = `translateX(${(startS / span) * width}px)`;
    rows.style.width = `${Math.max(1, ((endS - startS) / span) * width)}px`;
    time.value = clock(state.seconds);
    total.value = `/ ${clock(span)}`;
    frame.value = `frame ${integer(state.frame + 1)} of ${integer(player.frames())}`;
    hit.setAttribute("aria-valuemax", span.toFixed(2));
    hit.setAttribute("aria-valuenow", state.seconds.toFixed(2));
    hit.setAttribute("aria-valuetext", `${clock(state.seconds)}, ${frame.value}`);
  }, signal);
  store.watch(["playing", "looping", "speed", "recording", "live", "following"], (state) => {
    follow.hidden = !(state.live && state.live.revision > 0);
    follow.setAttribute("aria-pressed", String(state.following));
    play.textContent = state.playing || (state.live && state.following) ? "Pause" : "Play";
    play.disabled = loop.disabled = speed.disabled = state.recording === null;
    loop.setAttribute("aria-pressed", String(state.looping));
    speed.value = String(SPEEDS.reduce((a, b) => (Math.abs(b - state.speed) < Math.abs(a - state.speed) ? b : a)));
  }, signal);
  store.watch(["revision"], () => { drawLabels(); ask(); }, signal);
  store.watch(["dark"], drawStrip, signal);
  store.watch(["marks"], () => { drawLabels(); drawStrip(); }, signal);
  store.watch(["marking", "seconds"], (state) => { if (state.marking !== null || labels.querySelector(".begun")) drawLabels(); }, signal);
  let grewAt = 0;
  store.watch(["times"], (state) => {
    if (!state.live || performance.now() - grewAt < GROW_MS) return;
    grewAt = performance.now();
    drawLabels();
    ask();
  }, signal);

  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (hit.clientWidth === width) return;
    width = hit.clientWidth;
    ask();
    store.dispatchEvent(new CustomEvent("change", { detail: new Set(["frame"]) }));
  });
  sizes.observe(hit);
  signal.addEventListener("abort", () => sizes.disconnect(), { once: true });

  /** @param {PointerEvent} event */
  const scrub = (event) => {
    const box = hit.getBoundingClientRect();
    player.seek(((event.clientX - box.left) / box.width) * player.span());
  };
  hit.addEventListener("pointerdown", (event) => { hit.setPointerCapture(event.pointerId); scrub(event); }, { signal });
  hit.addEventListener("pointermove", (event) => { if (hit.hasPointerCapture(event.pointerId)) scrub(event); }, { signal });
}
