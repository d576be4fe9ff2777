// @ts-check
// Replay on the page: drives the wasm state machine with the browser's clock and keeps the
// store's frame, time and transport in step with it.

/** @typedef {ReturnType<typeof createPlayer>} Player */

/** @param {import("./lab.js").Wasm} wasm @param {import("./store.js").Store} store */
export function createPlayer(wasm, store) {
  /** @type {import("./lab.js").Replay | null} */
  let replay = null;
  let ticking = false;

  function publish() {
    if (!replay) return;
    store.update({ frame: replay.frame, seconds: replay.seconds, playing: replay.playing, speed: replay.speed, looping: replay.looping });
    if (replay.playing && !ticking) {
      ticking = true;
      requestAnimationFrame(tick);
    }
  }

  function tick() {
    ticking = false;
    if (!replay?.playing) return;
    // The time of now, not the frame's: play() started from performance.now() as well.
    replay.advance(performance.now());
    publish();
  }

  /** @param {(replay: import("./lab.js").Replay) => void} act */
  const on = (act) => () => {
    if (replay && replay.frameCount > 0) {
      act(replay);
      publish();
    }
  };

  return {
    /**
     * Starts over with the times of a recording; speed and loop stay. What else changes with the
     * recording is told in the same breath, so that nobody sees half of it.
     * @param {Float64Array} times @param {Partial<import("./store.js").State>} [others]
     */
    load(times, others) {
      replay?.free();
      replay = new wasm.Replay(times);
      replay.setSpeed(store.state.speed);
      replay.setLooping(store.state.looping);
      store.update({ ...others, times, frame: replay.frame, seconds: replay.seconds, playing: replay.playing });
      publish();
    },
    toggle: on((r) => r.toggle(performance.now())),
    loop: on((r) => r.setLooping(!r.looping)),
    home: on((r) => r.home()),
    end: on((r) => r.end()),
    /** @param {number} frames */
    stepFrames: (frames) => on((r) => r.stepFrames(frames))(),
    /** @param {number} seconds */
    stepSeconds: (seconds) => on((r) => r.stepSeconds(seconds))(),
    /** @param {number} seconds */
    seek: (seconds) => on((r) => r.seekSeconds(seconds))(),
    /** @param {number} factor */
    faster: (factor) => on((r) => r.setSpeed(Math.min(8, Math.max(0.25, r.speed * factor))))(),
    /** @param {number} speed */
    setSpeed: (speed) => on((r) => r.setSpeed(speed))(),
    /** @returns {number} seconds from the first to the last frame */
    span: () => replay?.spanSeconds ?? 0,
    /** @returns {number} */
    frames: () => replay?.frameCount ?? 0,
  };
}
