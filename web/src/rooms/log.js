// @ts-check
// The Log room: everything that happened, a report to copy, and the proof that this browser
// computes the same bits as every other build.
import { button, group, h } from "../ui/dom.js";
import { compareBits } from "../ui/bits.js";

const REPORT_LINES = 200;
const GOLDEN = "fixtures/golden/bits.txt";

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx */
export function mountLog(root, side, { wasm, store, journal, notices, signal, fail }) {
  const list = h("ol", { class: "log-lines", tabindex: 0, "aria-label": "Log" });
  const filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the log", on: { input: () => render() } });
  const level = h("select", { "aria-label": "Level", on: { change: () => render() } },
    h("option", { value: "" }, "all levels"), h("option", { value: "warning" }, "warnings and errors"), h("option", { value: "error" }, "errors"));
  const copy = button("Copy problem report", () => void copyReport(), { class: "button" });
  const test = button("This browser computes the same bits", () => void selfTest(), { class: "button", id: "self-test" });
  const verdict = h("p", { id: "self-test-result", "aria-live": "polite", class: "quiet-text" });
  root.append(h("div", { class: "log-room" }, h("div", { class: "log-tools" }, filter, level, copy), list));
  side.append(
    group("Self test", test, verdict, h("p", { class: "quiet-text" }, "Runs attention, features and weights on fixed inputs in this browser and compares a hash of every output bit with the table that the other builds must give.")).root,
    group("Problem report", h("p", { class: "quiet-text" }, `Holds: browser, versions, hashes, the last ${REPORT_LINES} lines. It holds no network name and no hardware address. It is copied, never sent.`)).root);

  function render() {
    if (store.state.room !== "log") return;
    const words = filter.value.toLowerCase();
    const levels = level.value === "" ? ["info", "warning", "error"] : level.value === "warning" ? ["warning", "error"] : ["error"];
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
    list.replaceChildren(...journal.entries.filter((e) => levels.includes(e.level) && e.text.toLowerCase().includes(words)).map((e) =>
      h("li", { data: { level: e.level } }, h("time", { datetime: e.at.toISOString() }, e.at.toISOString().slice(11, 23)), h("span", { class: "level" }, e.level), h("span", { class: "text" }, e.text))));
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
  journal.addEventListener("added", render, { signal });
  store.watch(["room"], render, signal);

  async function selfTest() {
    try {
      const answer = await fetch(GOLDEN);
      if (!answer.ok) throw new Error(`the server answers ${answer.status} for ${GOLDEN}`);
      const { same, different } = compareBits(await answer.text(), wasm.selfTestBits());
      const passed = different.length === 0 && same > 0;
      verdict.className = passed ? "ok-text" : "error-text";
      verdict.textContent = passed ? `${same} of ${same} outputs are identical, bit for bit.` : `${different.length} of ${same + different.length} outputs differ: ${different.join(", ")}.`;
      journal.add(passed ? "info" : "error", `self test: ${verdict.textContent}`);
    } catch (error) { fail(error, "self test"); }
  }

  async function copyReport() {
    try {
      const { blob, recording } = store.state;
      const binary = await (await fetch("pkg/wasm_core_bg.wasm")).arrayBuffer();
      const hash = [...new Uint8Array(await crypto.subtle.digest("SHA-256", binary))].map((b) => b.toString(16).padStart(2, "0")).join("");
      const report = [
        `csi-lab ${wasm.version()}`, `browser: ${navigator.userAgent}`, `screen: ${innerWidth} x ${innerHeight}, ratio ${devicePixelRatio}`,
        `wasm: ${binary.byteLength} bytes, SHA-256 ${hash}`,
        `weights: ${blob ? `${blob.bytes} bytes, CRC-32 ${blob.crc32Hex}` : "none"}`,
        `recording: ${recording ? `${recording.source}, ${recording.frames} frames, ${recording.spanS} s, ${recording.streams.length} streams` : "none"}`,
        "bits of this browser:", wasm.selfTestBits().trim(), "log:",
        ...journal.entries.slice(-REPORT_LINES).map((e) => `${e.at.toISOString()} ${e.level} ${e.text}`),
      ].join("\n");
      await navigator.clipboard.writeText(report);
      notices.tell("The problem report is copied", `${report.length} characters. Read it before you pass it on.`);
    } catch (error) { fail(error, "problem report"); }
  }
}
