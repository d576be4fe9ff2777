// @ts-check
// The patterns that can be chosen: their words, their numbers, and what is asked of the lab. Pure.

/** @typedef {import("./lab.js").PatternArgs} PatternArgs */
/** @typedef {import("./lab.js").EdgesArgs} EdgesArgs */
/** @typedef {import("./lab.js").PatternKind} PatternKind */
/** @typedef {{key: string, label: string, steps: number[], most: number}} PatternNumber  `most`: what a blob can hold */
/**
 * Each kind keeps its own numbers, so that going back and forth loses none.
 * @typedef {{kind: PatternKind, edges: EdgesArgs, pyramid: {window: number, perLevel: number}, salient: {window: number, groups: number}}} PatternSettings
 */

const WINDOW = { key: "window", label: "Window", steps: [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256], most: 65535 };
const BLOCK = { key: "block", label: "Block", steps: [2, 4, 8, 16, 32, 64, 128], most: 65535 };
const PER_LEVEL = { key: "perLevel", label: "Blocks of each size", steps: [1, 2, 3, 4, 6, 8, 12, 16], most: 255 };
const GROUPS = { key: "groups", label: "Groups", steps: [1, 2, 4, 8, 12, 18, 24, 32, 40, 64, 96, 128], most: 255 };

/** @type {{kind: PatternKind, name: string, about: string, numbers: PatternNumber[], size: string}[]} */
export const PATTERNS = [
  {
    kind: "upstream", name: "Upstream edges", size: "block", numbers: [WINDOW, BLOCK],
    about: "The edges of ruvllm_sparse_attention: near rows, rows 1, 2, 4, 8 … back, means of finished blocks, and the first row.",
  },
  {
    kind: "ln", name: "Upstream edges + ln(count)", size: "block", numbers: [WINDOW, BLOCK],
    about: "The same edges, but a block's mean counts as many rows as it stands for: its score gets + ln(count).",
  },
  {
    kind: "pyramid", name: "Pyramid", size: "per_level", numbers: [WINDOW, PER_LEVEL],
    about: "Near rows one by one, everything older through means of blocks that double in size. Every past row counts exactly once.",
  },
  {
    kind: "salient", name: "Groups of like keys", size: "groups", numbers: [WINDOW, GROUPS],
    about: "Near rows one by one, everything older in groups of rows with similar keys, wherever they lie in time. A row unlike all others stays by itself.",
  },
];

/** @returns {PatternSettings} the numbers that each pattern is offered with */
export const initialPattern = () => ({
  kind: "upstream",
  edges: { window: 32, block: 16, logStride: true, landmarks: true, globalToken: true },
  pyramid: { window: 16, perLevel: 4 },
  salient: { window: 16, groups: 18 },
});

/** @param {PatternKind} kind */
export const patternOf = (kind) => PATTERNS.find((pattern) => pattern.kind === kind) ?? PATTERNS[0];

/** Returns the place where the numbers of a kind are kept. @param {PatternKind} kind @returns {"edges" | "pyramid" | "salient"} */
export const placeOf = (kind) => (kind === "pyramid" || kind === "salient" ? kind : "edges");

/** Returns what the lab is asked for. @param {PatternSettings} settings @returns {PatternArgs} */
export function patternArgs({ kind, edges, pyramid, salient }) {
  if (kind === "pyramid") return { kind, ...pyramid };
  if (kind === "salient") return { kind, ...salient };
  return { kind, ...edges };
}

/** Returns the numbers of the chosen kind by name. @param {PatternSettings} settings @returns {Record<string, number>} */
export function numbersOf(settings) {
  const all = /** @type {Record<string, unknown>} */ (settings[placeOf(settings.kind)]);
  return Object.fromEntries(patternOf(settings.kind).numbers.map(({ key }) => [key, Number(all[key])]));
}

/** Returns settings with some numbers of the chosen kind replaced. @param {PatternSettings} settings @param {Record<string, number | boolean>} patch @returns {PatternSettings} */
export function withNumbers(settings, patch) {
  const place = placeOf(settings.kind);
  return { ...settings, [place]: { ...settings[place], ...patch } };
}

/** Returns settings with what a blob says of itself; one that looks at everything changes nothing.
 *  @param {PatternSettings} settings @param {import("./lab.js").BlobInfo["attention"]} attention @returns {PatternSettings} */
export function fromBlob(settings, { kind, window, block, logStride, landmarks, globalToken, perLevel, groups }) {
  if (kind === "pyramid") return { ...settings, kind, pyramid: { window, perLevel } };
  if (kind === "salient") return { ...settings, kind, salient: { window, groups } };
  if (kind === "dense") return settings;
  return { ...settings, kind, edges: { window, block, logStride, landmarks, globalToken } };
}

/** Returns the pattern in words, with its numbers. @param {PatternSettings} settings */
export function inWords(settings) {
  const { name, numbers } = patternOf(settings.kind);
  const values = numbersOf(settings);
  const { logStride, landmarks, globalToken } = settings.edges;
  const off = placeOf(settings.kind) === "edges" ? Object.entries({ "log stride": logStride, landmarks, "global token": globalToken }).filter(([, on]) => !on).map(([what]) => `no ${what}`) : [];
  return [name, ...numbers.map(({ key, label }) => `${label.toLowerCase()} ${values[key]}`), ...off].join(", ");
}

/**
 * Says how far another pattern is from dense, beside upstream's edges; nothing for these themselves.
 * @param {{meanAbs: number, upstream: null | {edges: number, meanAbs: number}}} result
 * @returns {{times: number, closer: boolean} | null} `times` at least 1, infinite where one of the two is dense itself
 */
export function besideUpstream({ meanAbs, upstream }) {
  if (!upstream) return null;
  if (meanAbs === upstream.meanAbs) return { times: 1, closer: true };
  const closer = meanAbs < upstream.meanAbs;
  return { times: closer ? upstream.meanAbs / meanAbs : meanAbs / upstream.meanAbs, closer };
}
