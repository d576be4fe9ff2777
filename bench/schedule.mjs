// Timing in wasm, as `src/native.rs` does it on the host: samples in turns, medians.

/**
 * @typedef {object} Contender
 * @property {(times: number) => void | Promise<void>} run
 * @property {() => void} [rewind]  prepares a sample, outside the time taken
 *
 * @typedef {object} Effort
 * @property {number} rounds   samples of each contender
 * @property {number} seconds  for one contender; slow ones get fewer samples, three at least
 * @property {number} sample   seconds that a sample shall take; well over the clock's step
 *
 * @typedef {{ median_micros: number, least_micros: number, samples: number }} Timing
 */

/**
 * Times contenders against each other.
 * @param {Contender[]} contenders
 * @param {Effort} effort
 * @param {() => number} clock  seconds
 * @returns {Promise<Timing[]>}
 */
export async function inTurns(contenders, { rounds, seconds, sample }, clock) {
  const take = async (/** @type {Contender} */ contender, /** @type {number} */ times) => {
    contender.rewind?.();
    const start = clock();
    await contender.run(times);
    return (clock() - start) / times;
  };
  const plans = [];
  for (const contender of contenders) {
    // The engine compiles again what turns out to be hot: let it, before anything counts.
    let times = 1;
    let once = await take(contender, times);
    while (times < 1000 && once * times < sample) {
      times = Math.min(1000, times * 2);
      once = await take(contender, times);
    }
    const samples = Math.floor(seconds / Math.max(once * times, 1e-6));
    plans.push({ times, samples: Math.min(rounds, Math.max(3, samples)) });
  }
  const taken = contenders.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < rounds; round++) {
    for (const [at, { times, samples }] of plans.entries()) {
      // Spread over the rounds, so that a slow contender sees the same hours as a quick one.
      if (Math.floor(((round + 1) * samples) / rounds) > Math.floor((round * samples) / rounds)) {
        taken[at].push(await take(contenders[at], times));
      }
    }
  }
  return taken.map((times) => {
    times.sort((a, b) => a - b);
    return { median_micros: median(times) * 1e6, least_micros: times[0] * 1e6, samples: times.length };
  });
}

/** @param {number[]} sorted  at least one @returns {number} the middle, of two middle ones the mean */
export function median(sorted) {
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
