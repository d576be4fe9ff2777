// @ts-check
// Which rows the head sees: the last n up to the cursor, or the first n while the cursor is
// before them. Pure.

/** @typedef {Pick<import("./store.js").State, "times" | "frame" | "attention" | "pipeline">} Place */

/** Returns the frame whose row is the last one that the head sees. @param {Place} place @returns {number} */
export function lastFrame({ times, frame, attention, pipeline }) {
  const end = times.length - 1;
  if (!pipeline || pipeline.rateHz <= 0) return Math.min(end, Math.max(frame, attention.n - 1));
  const needed = ((attention.n - 1) / pipeline.rateHz) * 1e6;
  if (times[frame] >= needed) return frame;
  const first = times.findIndex((time) => time >= needed);
  return first < 0 ? end : first;
}

/** Returns the seconds between which those rows lie. @param {Place} place @returns {{startS: number, endS: number}} */
export function span(place) {
  const { times, attention, pipeline } = place;
  if (times.length === 0) return { startS: 0, endS: 0 };
  const last = lastFrame(place);
  const endS = times[last] / 1e6;
  const startS = pipeline && pipeline.rateHz > 0 ? endS - (attention.n - 1) / pipeline.rateHz : times[Math.max(0, last - attention.n + 1)] / 1e6;
  return { startS: Math.max(0, startS), endS };
}
