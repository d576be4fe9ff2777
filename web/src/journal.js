// @ts-check
// Everything that happened, in order. Holds no network names and no hardware addresses.

/** @typedef {"info" | "warning" | "error"} Level */
/** @typedef {{at: Date, level: Level, text: string}} Entry */

const KEPT = 2000;

/** Six bytes in hex, with one separator throughout or, as in file names, with none. */
const ADDRESS = /(?<![0-9a-z])(?:[0-9a-f]{2}([:_-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?=[0-9]*[a-f])[0-9a-f]{12})(?![0-9a-z])/gi;

/** Removes what would name a person's hardware. @param {string} text */
export function withoutAddresses(text) {
  return text.replace(ADDRESS, "[hardware address]");
}

export class Journal extends EventTarget {
  /** @type {Entry[]} */
  entries = [];

  /** @param {Level} level @param {string} text */
  add(level, text) {
    this.entries.push({ at: new Date(), level, text: withoutAddresses(text) });
    if (this.entries.length > KEPT) this.entries.splice(0, this.entries.length - KEPT);
    this.dispatchEvent(new Event("added"));
  }
}
