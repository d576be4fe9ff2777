// @ts-check
// Replay on the page: drives the wasm state machine with the browser's clock and keeps the
// store's frame, time and transport in step with it.

/** @typedef {ReturnType<typeof createPlayer>} Player */

/** @param {import("./lab.js").Wasm} wasm @param {import("./store.js").Store} store */
export function createPlayer(wasm, store) {
  /** @type {import("./lab.js").Replay | null} */
  let replay = null;
  let ticking = false;
  /** The times of the frames, with room for more while a recording grows. */
  let room = /** @type {Float64Array} */ (new Float64Array());

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
    // Who played up to the newest frame of a live recording has caught up with it.
    if (store.state.live && !replay.playing) store.update({ following: true });
    publish();
  }

  /** @param {(replay: import("./lab.js").Replay) => void} act */
  const on = (act) => () => {
    if (replay && replay.frameCount > 0) {
      act(replay);
      if (store.state.live) store.update({ following: !replay.playing && replay.frame === replay.frameCount - 1 });
      publish();
    }
  };
  const follow = on((r) => { r.pause(); r.end(); });

  return {
    /**
     * Starts over with the times of a recording; speed and loop stay. What else changes with the
     * recording is told in the same breath, so that nobody sees half of it.
     * @param {Float64Array} times @param {Partial<import("./store.js").State>} [others]
     * @param {{stay?: boolean}} [options]  stay: it is the same recording, and the cursor keeps its time
     */
    load(times, others, { stay = false } = {}) {
      const { seconds, playing, following, live, loads } = store.state;
      replay?.free();
      room = times;
      replay = new wasm.Replay(times);
      replay.setSpeed(store.state.speed);
      replay.setLooping(store.state.looping);
      if (stay) {
        if (live && following) replay.end();
        else replay.seekSeconds(seconds);
        if (playing) replay.play(performance.now());
      }
      store.update({ loads: stay ? loads : loads + 1, ...others, times, frame: replay.frame, seconds: replay.seconds, playing: replay.playing });
      publish();
    },
    /** Appends the times of frames that came since. @param {Float64Array} more */
    append(more) {
      if (!replay) return;
      const had = store.state.times.length;
      if (had + more.length > room.length) {
        const wider = new Float64Array(Math.max(1024, 2 * (had + more.length)));
        wider.set(store.state.times);
        room = wider;
      }
      room.set(more, had);
      replay.append(more);
      if (store.state.following) replay.end();
      store.update({ times: room.subarray(0, had + more.length), frame: replay.frame, seconds: replay.seconds });
    },
    /** To the newest frame of a live recording, and on with it. */
    follow,
    // At the newest frame of a live recording there is nothing to play yet: Space stays where it is.
    toggle: () => (store.state.live && store.state.following ? store.update({ following: false }) : on((r) => r.toggle(performance.now()))()),
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
