// @ts-check
// How far the row of each subcarrier reaches in a picture. Pure.

/**
 * Returns from where to where the row of each subcarrier reaches: half the usual step to both
 * sides, but never past half-way to the next. Where one is missing, the picture stays empty.
 * @param {number[]} ks ascending
 * @returns {{low: number, high: number}[]}
 */
export function rowExtents(ks) {
  const steps = ks.slice(1).map((k, i) => k - ks[i]).sort((a, b) => a - b);
  const half = (steps[Math.floor(steps.length / 2)] ?? 1) / 2;
  return ks.map((k, i) => ({
    low: k - Math.min(half, i > 0 ? (k - ks[i - 1]) / 2 : half),
    high: k + Math.min(half, i + 1 < ks.length ? (ks[i + 1] - k) / 2 : half),
  }));
}
