// @ts-check
// The inspector of the Device room: the line, the simulated board, the firmware, and the same by hand.
import { button, check, facts, group, h } from "../ui/dom.js";
import { bytes, integer } from "../ui/format.js";
import { download } from "../ui/download.js";
import { BUILD_COMMAND } from "../firmware.js";

const BAUDS = [115200, 230400, 460800, 921600];
/** As `csi board --faults` takes them. @type {[string, string][]} */
const FAULTS = [
  ["", "no fault"], ["lose-out@900", "loses a byte"], ["double-out@900", "doubles a byte"], ["flip-in%4000,flip-out%4000", "noisy line"], ["md5@1", "answers a wrong MD5 once"],
  ["unplug@40:1500", "is unplugged while it is written, for 1.5 s"], ["reenumerate:600", "USB goes away at every restart"], ["stuck:1", "stays in the loader after the restart"],
];

/** @param {HTMLElement} side @param {import("../main.js").Ctx} ctx */
export function mountDeviceSide(side, ctx) {
  const { board, store, notices, signal, fail } = ctx;
  const baud = h("select", { id: "flash-baud", class: "wide", "aria-label": "Speed for writing", on: { change: () => board.settings({ flashBaud: Number(baud.value) }) } }, ...BAUDS.map((each) => h("option", { value: each }, `${integer(each)} baud`)));
  baud.value = "921600";
  const fault = h("select", { id: "sim-fault", class: "wide", "aria-label": "Fault of the simulated board", on: { change: () => { own.value = fault.value; board.settings({ faults: own.value }); } } }, ...FAULTS.map(([value, label]) => h("option", { value }, label)));
  const own = h("input", { type: "text", class: "mono wide", id: "sim-faults", spellcheck: "false", placeholder: "none", "aria-label": "Faults in words", on: { change: () => board.settings({ faults: own.value.trim() }) } });
  const size = h("select", { id: "sim-flash", class: "wide", "aria-label": "Flash of the simulated board", on: { change: () => board.settings({ flashMb: Number(size.value) }) } }, ...[4, 8, 16].map((mb) => h("option", { value: mb }, `${mb} MiB of flash`)));
  size.value = "8";
  const blank = check("Start with an empty flash", true, (on) => board.settings({ blank: on }));
  const native = check("On its own USB instead of a bridge", true, (on) => board.settings({ isNative: on }));
  const command = h("pre", { class: "command", tabindex: 0, "aria-label": "esptool command", id: "esptool-command" });
  const copy = button("Copy", () => { void navigator.clipboard?.writeText(command.textContent ?? "").then(() => notices.tell("The esptool command is copied", "Run it in the folder with the files."), fail); }, { class: "button small", id: "esptool-copy" });
  const save = button("Download the files", () => void saveFiles(), { class: "button small", id: "plan-download" });
  const firmware = h("div", { class: "contents-gap", id: "firmware-list" });
  side.append(
    group("Writing", baud,
      h("p", { class: "quiet-text" }, "Tried once and proved before it is used; otherwise the line stays at 115,200. A board on its own USB has no speed to set. Takes effect with the next connection.")).root,
    group("Simulated board", fault, own, size, native.root, blank.root,
      h("p", { class: "quiet-text" }, "Takes effect with the next simulated board.")).root,
    group("Firmware", firmware).root,
    group("The same by hand", command, h("div", { class: "tools" }, copy, save)).root,
    group("Unproved", h("p", { class: "quiet-text" }, "No board was at hand when this was built. Loader and simulated board are held against the official tools, and the firmware's bits against an emulator's. How a real chip resets over its own USB, how fast its flash erases and what its boot ROM prints is written from documentation.")).root);

  async function saveFiles() {
    try {
      for (const { name, bytes: content } of await board.allFiles()) download(name, /** @type {Uint8Array<ArrayBuffer>} */ (content), "application/octet-stream");
    } catch (error) { fail(error, "download"); }
  }

  let listed = "";
  store.watch(["board"], ({ board: { device: { plan, firmware: built } } }) => {
    command.textContent = plan?.esptool ?? "Make a plan first.";
    copy.disabled = !plan;
    const about = JSON.stringify(built);
    if (about === listed) return;
    listed = about;
    save.disabled = !built;
    firmware.replaceChildren(...(built ? [facts([
      ["Chip", built.chip], ["Board", built.board || null], ["Version", built.version], ["Image", h("code", null, built.imageHash)], ["Commit", built.build ? h("code", null, built.build.slice(0, 12)) : null], ["Date", built.date || null],
      .../** @type {[string, Node][]} */ (built.parts.map((part) => [part.file, h("span", null, `${bytes(part.bytes)} `, h("code", { title: part.sha256 }, part.sha256.slice(0, 8)))])),
    ]), h("p", { class: "quiet-text" }, "Every file is read anew for each plan and held against its hash.")]
      : [h("p", { class: "quiet-text" }, "No firmware has been built here. This builds it:"), h("code", null, BUILD_COMMAND)]));
  }, signal);
}
