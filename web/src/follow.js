// @ts-check
// While a recording is played its rows go to the board: hands over the cursor and the rows that the
// board's link asks for, and keeps what comes back, by the recording's time. What is sent next is
// decided on the other side, in Rust.
import { LabError } from "./lab.js";

/** @typedef {import("./lab.js").Followed} Followed */
/** @typedef {ReturnType<typeof createFollow>} Follow */
/**
 * @typedef {object} Played
 * @property {boolean} wanted  the switch
 * @property {import("./lab.js").Following | null} counts
 * @property {Followed[]} answers  in the order of the recording; a new list whenever one came
 * @property {Followed | null} newest  the one that came last
 * @property {string} source  of the board that said so: SIMULATED BOARD or LIVE
 */

/** Rows from one classification to the next. */
const PERIOD_ROWS = 10;
const MOST_KEPT = 20_000;

/** @returns {Played} */
export const notPlayed = () => ({ wanted: false, counts: null, answers: [], newest: null, source: "" });

/** Puts an answer where its time belongs; what it covers is said anew. Pure. @param {Followed[]} answers @param {Followed} one @returns {Followed[]} */
export function placed(answers, one) {
  const before = answers.findLastIndex(({ timeMicros }) => timeMicros <= Math.min(one.sinceMicros, one.timeMicros - 1)) + 1;
  const after = answers.findIndex(({ timeMicros }, i) => i >= before && timeMicros > one.timeMicros);
  const rest = after < 0 ? [] : answers.slice(after);
  return [...answers.slice(Math.max(0, before + rest.length + 1 - MOST_KEPT), before), one, ...rest];
}

/** Why nothing can be sent to the board now; empty when it can.
 *  @param {Pick<import("./store.js").State, "board" | "recording" | "blob" | "pipeline">} state @returns {string} */
export function lackOf({ board: { port, device }, recording, blob, pipeline }) {
  if (!port?.isOpen) return "Connect a board first, or use the simulated one.";
  if (device.found !== "node") return "The lab's node does not answer: write firmware and weights first.";
  if (!recording) return "Open a recording first.";
  if (!blob) return "Open weights first.";
  return pipeline?.matches ? "" : "The features do not fit the weights: see Features in the Recording room.";
}

/** @param {Pick<import("./main.js").Ctx, "lab" | "store" | "journal" | "fail" | "signal"> & {board: import("./board.js").Board}} ctx */
export function createFollow({ lab, store, board, journal, fail, signal }) {
  /** Grows whenever it begins: rows for one before are of no use. */
  let epoch = 0;
  let beginning = false;

  /** @param {Partial<Played>} patch */
  const update = (patch) => store.update({ played: { ...store.state.played, ...patch } });
  const follows = () => store.state.board.device.task === "follow";

  async function begin() {
    const mine = ++epoch;
    beginning = true;
    try {
      const blob = await lab.blobBytes();
      if (mine !== epoch || !store.state.played.wanted) return;
      update({ source: store.state.board.source });
      board.link.follow(blob, PERIOD_ROWS);
      board.link.followTo(store.state.seconds);
      board.look();
    } catch (error) {
      stop(error);
    } finally {
      if (mine === epoch) beginning = false;
    }
  }

  /** @param {unknown} [error] */
  function stop(error) {
    epoch += 1;
    beginning = false;
    update({ wanted: false });
    board.link.unfollow();
    board.look();
    if (error) fail(error, "sending rows to the board");
  }

  /** @param {import("./lab.js").RowsWanted} wanted */
  async function hand(wanted) {
    const mine = epoch;
    try {
      const rows = await lab.boardRows(wanted);
      if (mine === epoch && follows()) board.link.followRows(wanted.ask, rows);
    } catch (error) {
      if (mine === epoch) stop(error);
    }
  }

  board.addEventListener("follow", (event) => {
    const { wanted, followed, counts, failed } = /** @type {CustomEvent<import("./board.js").FollowNews>} */ (event).detail;
    for (const each of wanted) void hand(each);
    const before = store.state.played;
    if (followed.length > 0 || counts) {
      if (counts && counts.behind > 0 && !(before.counts && before.counts.behind > 0)) journal.add("warning", "the board falls behind the recording: rows are left out, and counted in Live");
      update({ answers: followed.reduce(placed, before.answers), newest: followed.at(-1) ?? before.newest, counts: counts ?? before.counts });
    }
    if (failed && before.wanted) stop();
  }, { signal });

  store.watch(["seconds"], ({ seconds }) => { if (follows()) board.link.followTo(seconds); }, signal);
  // Another recording, other features, other weights: nothing of what was said stands.
  store.watch(["loads", "revision", "pipeline", "blob"], ({ played }) => {
    if (played.answers.length > 0 || played.counts) update({ answers: [], newest: null, counts: null });
    if (!played.wanted || !(follows() || beginning)) return;
    epoch += 1;
    board.link.unfollow();
    board.look();
    if (lackOf(store.state) === "") void begin();
    else stop(new LabError("lab/features", lackOf(store.state)));
  }, signal);

  return {
    /** @param {boolean} on */
    set(on) {
      if (on === store.state.played.wanted) return;
      update({ wanted: on, ...(on ? { counts: null } : {}) });
      if (on) void begin();
      else stop();
    },
  };
}
