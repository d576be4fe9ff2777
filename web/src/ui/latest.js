// @ts-check
// At most one request under way; of those that come meanwhile only the newest is kept.

/** @param {import("../store.js").Store} store
 *  @returns {() => unknown} which state of the recording an answer belongs to; none equals another while it changes */
export const ofRecording = (store) => () => (store.state.changing ? Symbol("changing") : store.state.revision);

/**
 * @template A, R
 * @param {(args: A, is: {stale: () => boolean, valid: () => boolean}) => Promise<R>} ask  `stale`: a newer request waits;
 *   `valid`: what it is about has not become another, so that parts of the answer may be shown
 * @param {(result: R, args: A) => void} show
 * @param {(error: unknown) => void} fail
 * @param {() => unknown} [of]  what a request is about: when it is another by the time of the answer, the answer and
 *   its failure are dropped, and whoever changed it asks anew
 * @returns {(args: A) => void}
 */
export function latest(ask, show, fail, of = () => null) {
  let busy = false;
  /** @type {{args: A} | null} */
  let next = null;
  /** @param {A} args */
  async function run(args) {
    busy = true;
    const about = of();
    try {
      const result = await ask(args, { stale: () => next !== null, valid: () => of() === about });
      if (of() === about) show(result, args);
    } catch (error) {
      if (of() === about) fail(error);
    }
    busy = false;
    if (next) {
      const { args: newest } = next;
      next = null;
      void run(newest);
    }
  }
  return (args) => {
    if (busy) next = { args };
    else void run(args);
  };
}
