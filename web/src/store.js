// @ts-check
// The state of the page: one object, one way to change it, one event when it changed.
import { noBoard } from "./board.js";
import { notPlayed } from "./follow.js";
import { initialPattern } from "./patterns.js";

/**
 * @typedef {"recording" | "attention" | "model" | "device" | "log"} Room
 * @typedef {import("./patterns.js").PatternSettings & {n: number, head: number, layer: number, magnitude: number}} AttentionSettings
 * @typedef {import("./lab.js").LiveInfo & {device: string, name: string}} LiveState
 * @typedef {{
 *   room: Room,
 *   dark: boolean,
 *   theme: "system" | "light" | "dark",
 *   letters: boolean,
 *   recording: import("./lab.js").RecordingInfo | null,
 *   revision: number,
 *   changing: boolean,
 *   loads: number,
 *   live: LiveState | null,
 *   following: boolean,
 *   unsaved: boolean,
 *   marks: import("./lab.js").LabelInfo[],
 *   marking: number | null,
 *   times: Float64Array,
 *   frame: number,
 *   seconds: number,
 *   playing: boolean,
 *   speed: number,
 *   looping: boolean,
 *   pair: number,
 *   viewS: number,
 *   pipeline: import("./lab.js").PipelineInfo | null,
 *   blob: import("./lab.js").BlobInfo | null,
 *   attention: AttentionSettings,
 *   modelView: "weights" | "train",
 *   sideOpen: boolean,
 *   board: import("./board.js").BoardView,
 *   played: import("./follow.js").Played,
 * }} State
 */

/** @returns {State} */
export function initialState() {
  return {
    room: "recording",
    dark: false,
    theme: "system",
    letters: true,
    recording: null,
    revision: 0, // grows whenever the same recording must be drawn anew: stream, order, mask
    changing: false, // the worker may already hold another recording or stream than the page shows
    loads: 0, // grows whenever another recording or stream is opened
    live: null, // what is known of the live recording under way
    following: false, // the cursor goes with the newest frame
    unsaved: false, // the open recording was live, and its bytes are not saved
    marks: [], // labels that the user put
    marking: null, // seconds at which a label was begun
    times: new Float64Array(),
    frame: 0,
    seconds: 0,
    playing: false,
    speed: 1,
    looping: false,
    pair: 0,
    viewS: 10, // seconds that the plots over time show
    pipeline: null,
    blob: null,
    attention: { ...initialPattern(), n: 256, head: -1, layer: 0, magnitude: 0 },
    modelView: "weights",
    sideOpen: true,
    board: noBoard(),
    played: notPlayed(), // what a board said of the recording that is played to it
  };
}

export class Store extends EventTarget {
  /** @param {State} state */
  constructor(state) {
    super();
    this.state = state;
  }

  /** Replaces the given keys; says so once if any differs. @param {Partial<State>} patch */
  update(patch) {
    const keys = /** @type {(keyof State)[]} */ (Object.keys(patch)).filter((key) => patch[key] !== this.state[key]);
    if (keys.length === 0) return;
    this.state = { ...this.state, ...patch };
    this.dispatchEvent(new CustomEvent("change", { detail: new Set(keys) }));
  }

  /**
   * Calls `run` now and whenever one of the keys changes, until the signal aborts.
   * @param {(keyof State)[]} keys @param {(state: State) => void} run @param {AbortSignal} signal
   */
  watch(keys, run, signal) {
    this.addEventListener("change", (event) => {
      const changed = /** @type {CustomEvent<Set<keyof State>>} */ (event).detail;
      if (keys.some((key) => changed.has(key))) run(this.state);
    }, { signal });
    run(this.state);
  }
}

/** Returns the word and name that every plot and export carries.
 *  @param {State} state @returns {{word: string, name: string}} */
export function sourceOf(state) {
  const { recording } = state;
  return recording ? { word: recording.source, name: recording.device ?? recording.name } : { word: "", name: "" };
}
