// @ts-check
// Compares two tables of hashes, `name hex16` a line. Pure.

/** @param {string} text @returns {Map<string, string>} */
function parse(text) {
  return new Map(text.split("\n").map((line) => line.trim().split(/\s+/)).filter((words) => words.length === 2 && !words[0].startsWith("#")).map(([name, hash]) => [name, hash]));
}

/** @param {string} golden @param {string} here @returns {{same: number, different: string[]}} a name that one side lacks counts as different */
export function compareBits(golden, here) {
  const a = parse(golden);
  const b = parse(here);
  const names = [...new Set([...a.keys(), ...b.keys()])];
  const different = names.filter((name) => a.get(name) !== b.get(name));
  return { same: names.length - different.length, different };
}
