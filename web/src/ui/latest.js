// @ts-check
// At most one request under way; of those that come meanwhile only the newest is kept.

/**
 * @template A, R
 * @param {(args: A) => Promise<R>} ask
 * @param {(result: R, args: A) => void} show
 * @param {(error: unknown) => void} fail
 * @returns {(args: A) => void}
 */
export function latest(ask, show, fail) {
  let busy = false;
  /** @type {{args: A} | null} */
  let next = null;
  /** @param {A} args */
  async function run(args) {
    busy = true;
    try {
      show(await ask(args), args);
    } catch (error) {
      fail(error);
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
