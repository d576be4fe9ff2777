// @ts-check
// The console: what a board prints, line by line or byte by byte. Frames of the protocol are no text
// and are not shown as such.
import { button, check, h } from "../ui/dom.js";
import { download } from "../ui/download.js";
import { count, fileName, integer } from "../ui/format.js";
import { beforeFrame } from "../ui/plot.js";

const BAUDS = [9600, 57600, 74880, 115200, 230400, 460800, 921600, 1500000, 2000000];
const KEPT_LINES = 5000;
const SHOWN_LINES = 500;
const KEPT_BYTES = 2048;

/** @param {HTMLElement} panel @param {import("../main.js").Ctx} ctx */
export function mountConsole(panel, { board, store, signal }) {
  /** @type {import("../board.js").ConsoleLine[]} */
  let lines = [];
  let dropped = 0;
  let raw = new Uint8Array(0);
  const speed = h("select", { "aria-label": "Speed of the line", id: "console-baud", on: { change: () => { const baud = Number(speed.value); board.run((link) => link.setConsoleBaud(baud)); } } }, ...BAUDS.map((baud) => h("option", { value: baud }, `${integer(baud)} baud`)));
  const filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the console", on: { input: () => render() } });
  const times = check("Times", true, () => render());
  const asBytes = check("Bytes", false, (on) => { board.run((link) => link.showBytes(on)); render(); });
  const list = h("ol", { class: "console-lines", tabindex: 0, "aria-label": "Console" });
  const hex = h("pre", { class: "console-bytes", tabindex: 0, "aria-label": "Bytes of the console", hidden: true });
  const empty = h("p", { class: "quiet-text" }, "Nothing has been printed yet. Frames of the protocol are no text and are not shown here.");
  const note = h("p", { class: "quiet-text" });
  panel.append(h("div", { class: "log-tools" }, speed, filter, times.root, asBytes.root,
    button("Save", save, { class: "button small", id: "console-save" }), button("Clear", () => { lines = []; raw = new Uint8Array(0); dropped = 0; render(); }, { class: "button small" })), empty, list, hex, note);

  const stamp = (/** @type {number} */ seconds) => seconds.toFixed(3).padStart(9, " ");
  const matching = () => {
    const words = filter.value.toLowerCase();
    return words === "" ? lines : lines.filter(({ text }) => text.toLowerCase().includes(words));
  };

  function render() {
    if (panel.hidden || store.state.room !== "device") return;
    empty.hidden = lines.length > 0 || raw.length > 0;
    list.hidden = asBytes.input.checked || lines.length === 0;
    hex.hidden = !asBytes.input.checked || raw.length === 0;
    if (!hex.hidden) hex.textContent = dump(raw);
    if (list.hidden) return;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 24;
    const found = matching();
    const shown = found.slice(-SHOWN_LINES);
    list.replaceChildren(...shown.map(({ seconds, text }) => h("li", null, times.input.checked && h("time", null, stamp(seconds)), h("span", null, text || " "))));
    if (atEnd) list.scrollTop = list.scrollHeight;
    note.textContent = found.length > shown.length || dropped > 0 ? `The last ${integer(shown.length)} of ${count(found.length, "line")} are shown${dropped > 0 ? `; ${integer(dropped)} older ones are no longer kept` : ""}.` : "";
  }

  function save() {
    const text = matching().map(({ seconds, text }) => (times.input.checked ? `${stamp(seconds)} ${text}` : text)).join("\n");
    download(fileName(`console-${store.state.board.source || "none"}.txt`), `# source: ${store.state.board.source || "none"}\n${text}\n`, "text/plain");
  }

  board.addEventListener("console", (event) => {
    const { detail } = /** @type {CustomEvent<{lines: import("../board.js").ConsoleLine[], bytes: Uint8Array}>} */ (event);
    lines.push(...detail.lines);
    if (lines.length > KEPT_LINES) {
      dropped += lines.length - KEPT_LINES;
      lines = lines.slice(-KEPT_LINES);
    }
    if (detail.bytes.length > 0) {
      const all = new Uint8Array(raw.length + detail.bytes.length);
      all.set(raw);
      all.set(detail.bytes, raw.length);
      raw = all.slice(-KEPT_BYTES);
    }
    beforeFrame(render);
  }, { signal });
  store.watch(["room", "board"], ({ board: { port, device } }) => {
    if (document.activeElement !== speed) speed.value = String(device.baud);
    speed.disabled = !port?.isOpen || device.task !== null;
    beforeFrame(render);
  }, signal);
  new MutationObserver(() => render()).observe(panel, { attributeFilter: ["hidden"] });
}

/** @param {Uint8Array} bytes */
function dump(bytes) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const text = [...row].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    rows.push(`${[...row].map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(48)} ${text}`);
  }
  return rows.join("\n");
}
