// @ts-check
// Numbers as people read them. Pure: no DOM, no locale of the machine, so that tests and exports agree.

/** @param {number} value @returns {string} digits in groups of three: 41,244 */
export function integer(value) {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @param {number} n @param {string} one @param {string} [many] @returns {string} 1 layer, 2 layers */
export function count(n, one, many = `${one}s`) {
  return `${integer(n)} ${n === 1 ? one : many}`;
}

/** @param {number} value @returns {string} a whole number with a real minus: −9 */
export function signed(value) {
  return String(value).replace("-", "−");
}

/** @param {number} bytes */
export function bytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} bytes @returns {string} the size of a memory chip: 8 MiB */
export function mebibytes(bytes) {
  return `${bytes / 2 ** 20} MiB`;
}

/** @param {number} seconds @returns {string} 0:07.25, 1:02:03.50 */
export function clock(seconds) {
  const hundredths = Math.round(Math.max(0, seconds) * 100);
  const h = Math.floor(hundredths / 360000);
  const m = Math.floor(hundredths / 6000) % 60;
  const s = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** @param {number} seconds @returns {string} a length of time in its fitting unit */
export function duration(seconds) {
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 2 : 0)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Three significant digits; powers of ten only where zeros would fill the line.
 *  @param {number} value */
export function significant(value) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(3);
  return text.replace(/^-/, "−").replace(/e\+?(-?)(\d+)$/, (_, sign, digits) => `e${sign ? "−" : ""}${digits}`);
}

/** @param {number} part @param {number} whole */
export function percent(part, whole) {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;
}

/** @param {number} milliseconds */
export function milliseconds(milliseconds) {
  return `${milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(1)} ms`;
}

/** @param {number | null | undefined} hz */
export function hertz(hz) {
  return hz === null || hz === undefined ? "no clock" : `${hz.toFixed(1)} Hz`;
}

/** Returns a name that every file system takes. @param {string} name */
export function fileName(name) {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|-+$/g, "").slice(0, 120) || "file";
}

/**
 * Returns a table as comma separated values; the first line is a comment that names the source.
 * @param {string} source @param {string[]} columns @param {(string | number)[][]} rows
 */
export function csv(source, columns, rows) {
  /** @param {string | number} cell */
  const cell = (cell) => {
    const text = String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const comment = `# source: ${source.replace(/[\r\n]+/g, " ")}`;
  return [comment, columns.map(cell).join(","), ...rows.map((row) => row.map(cell).join(","))].join("\n") + "\n";
}

/** Names a live recording by the moment it began. @param {Date} now @returns {string} live-20261121-051233.csv, in the time of this computer */
export function liveName(now) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `live-${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}.csv`;
}
