// @ts-check
// The plan: what will be written, erased and kept, as a bar of the whole flash and as a table.
import { button, check, h, segmented, table } from "../ui/dom.js";
import { bytes, count, duration, integer, mebibytes } from "../ui/format.js";
import { openDialog } from "../ui/table.js";
import { adviceFor } from "../ui/advice.js";
import { LabError } from "../lab.js";

/** @typedef {import("../lab.js").PlanInfo} PlanInfo */
/** @typedef {import("../lab.js").PlanArgs["mode"]} Mode */

const MODES = /** @type {[Mode, string][]} */ ([["weights", "Weights only"], ["firmware", "Firmware + weights"], ["files", "Own files"], ["region", "Erase a region"], ["all", "Erase all"]]);
const ABOUT = {
  weights: "The open weights go to their own partition; firmware and settings stay.",
  firmware: "Bootloader, partition table, application and the open weights. Settings (nvs) stay.",
  files: "Any file at any partition, or at an offset.",
  region: "One partition is filled with FF; everything else stays.",
  all: "Every byte of the flash is erased: firmware, weights, settings, calibration.",
};
const hex = (/** @type {number} */ n) => `0x${n.toString(16).toUpperCase()}`;

/** @param {import("../main.js").Ctx} ctx */
export function mountPlan(ctx) {
  const { board, store, signal, fail } = ctx;
  /** @type {Mode} */
  let mode = "weights";
  /** Until someone chooses, what fits the board is proposed. */
  let isChosen = false;
  /** What the plan was made for. */
  let made = "";
  const modes = segmented("What to do", MODES, mode, (chosen) => { mode = chosen; isChosen = true; void make(); });
  const about = h("p", { class: "quiet-text" });
  const own = h("div", { class: "own-files" });
  const region = h("select", { id: "plan-region", "aria-label": "Region to erase", on: { change: () => void make() } });
  const regionField = h("label", { class: "field" }, h("span", null, "Region"), region);
  const bar = h("div", { class: "flash-bar", role: "img" });
  const legend = h("p", { class: "flash-legend" }, ...["write", "keep", "erase"].map((action) => h("span", { class: "legend" }, h("i", { data: { fate: action } }), action)));
  const rows = h("div", { class: "scroll-table plan-table", tabindex: 0, role: "region", "aria-label": "Plan of the flash" });
  const estimate = h("p", { id: "plan-estimate" });
  const refused = h("p", { class: "error-text", id: "plan-refused", role: "alert" });
  const go = button("Write", () => void write(), { class: "button primary", id: "plan-write" });
  const notes = h("ul", { class: "lines quiet-text" });
  const settings = check("These files may cover settings (nvs)", false, () => void make());
  const files = ownFiles(() => void make());
  own.append(files.root, settings.root);

  /** Makes the plan anew from what is chosen and open. */
  async function make() {
    modes.set(mode);
    about.textContent = ABOUT[mode];
    own.hidden = mode !== "files";
    regionField.hidden = mode !== "region";
    refused.textContent = "";
    try {
      const chosen = mode === "files" ? await files.read() : [];
      // Not yet said what: no plan, and nothing wrong either.
      if (mode === "files" && chosen.length === 0) board.run((link) => link.forgetPlan());
      else await board.plan({ mode, files: chosen, partition: region.value, replaceSettings: settings.input.checked });
    } catch (error) {
      const { code, message } = LabError.from(error);
      // Something has begun meanwhile: when it ends, the board says so, and this is asked again.
      if (code === "device/busy") {
        made = "";
        return;
      }
      board.run((link) => link.forgetPlan());
      refused.textContent = `No plan: ${message}. ${adviceFor(code).todo}`;
      if (code.startsWith("page/unexpected")) fail(error);
    }
    show();
  }

  async function write() {
    if (mode === "all" && !(await typedConfirmation("ERASE", "Erase all", "Every byte of the flash is erased. The board then does nothing until firmware is written again."))) return;
    board.run((link) => link.write());
  }

  function show() {
    const { device: { plan, task, partitions }, port } = store.state.board;
    const ranges = plan?.ranges ?? [];
    const changes = ranges.some(({ fate }) => fate !== "keep");
    go.textContent = mode === "region" || mode === "all" ? "Erase" : "Write";
    go.disabled = !changes || task !== null || !port?.isOpen || refused.textContent !== "";
    go.title = port ? "" : "Connect a board first, or use the simulated one";
    bar.hidden = legend.hidden = rows.hidden = !plan;
    const size = plan?.flashBytes ?? 1;
    bar.replaceChildren(...ranges.filter(({ name, fate }) => name !== "" || fate !== "keep").map((each) => {
      const part = h("span", { data: { fate: each.fate }, title: `${each.name}: ${each.fate}, ${bytes(each.bytes)} at ${hex(each.offset)}` });
      part.style.left = `${(100 * each.offset) / size}%`;
      part.style.width = `${(100 * each.bytes) / size}%`;
      return part;
    }));
    bar.setAttribute("aria-label", plan ? sentence(plan) : "No plan");
    rows.replaceChildren(table("Plan", ["partition", "offset", "bytes", "do", "SHA-256"], ranges.map((each, i) => [
      // A flash is erased in sectors: what a file leaves of its last one becomes FF.
      each.fate === "erase" && ranges[i - 1]?.fate === "write" && ranges[i - 1].name === each.name ? h("span", { class: "quiet-text" }, "rest of its sector")
        : each.name || h("span", { class: "quiet-text" }, "free"), h("code", null, hex(each.offset)), each.bytes, h("span", { class: "do", data: { fate: each.fate } }, each.fate),
      each.sha256 ? h("code", { title: each.sha256 }, each.sha256.slice(0, 8)) : "",
    ]), integer));
    estimate.textContent = plan ? `${sentence(plan)} About ${duration(plan.estimateSeconds)} at ${integer(plan.baud)} baud.` : "";
    notes.replaceChildren(...(plan?.notes ?? []).map((note) => h("li", null, note)));
    const names = partitions.map(({ name }) => name);
    if (names.join() !== [...region.options].map(({ value }) => value).join()) region.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    files.partitions(names);
  }

  store.watch(["board"], show, signal);
  // Other weights, other firmware, another board: another plan.
  /** @type {string | undefined} */
  let boardName;
  /** @type {string | undefined} */
  let madeOf;
  store.watch(["board", "blob", "room"], ({ board: { port, device: { chip, found, task, firmware, partitions, steps } }, blob, room }) => {
    if (room !== "device" || task !== null) return;
    // What was just written stays in sight.
    if (boardName === port?.name && madeOf === blob?.crc32Hex && steps.some(({ step, state }) => step === "write" && state === "done")) return;
    const about = JSON.stringify([port?.name, chip, found === "node", firmware?.imageHash, partitions, blob?.crc32Hex]);
    if (about === made) return;
    made = about;
    isChosen &&= boardName === port?.name;
    boardName = port?.name;
    madeOf = blob?.crc32Hex;
    // Where nothing of ours answers, weights alone would find nobody who reads them.
    if (!isChosen) mode = found === "node" || !firmware ? "weights" : "firmware";
    void make();
  }, signal);

  return h("section", { class: "card", id: "plan-card" }, h("header", null, h("h2", null, "Plan"), go),
    h("div", { class: "body" }, modes.root, about, own, regionField, refused, bar, legend, rows, estimate, notes));
}

/** @param {PlanInfo} plan */
function sentence({ ranges, flashBytes }) {
  const total = (/** @type {string} */ fate) => ranges.filter((each) => each.fate === fate).reduce((sum, each) => sum + each.bytes, 0);
  const parts = [["write", "writes"], ["erase", "erases"]].flatMap(([fate, verb]) => (total(fate) > 0 ? [`${verb} ${integer(total(fate))} bytes`] : []));
  return `Of ${mebibytes(flashBytes)} this ${parts.join(" and ") || "changes nothing"}; the rest stays.`;
}

/** Files and where each goes. @param {() => void} changed */
function ownFiles(changed) {
  const list = h("ul", { class: "lines" });
  /** @type {{file: File, where: HTMLInputElement}[]} */
  let chosen = [];
  const names = h("datalist", { id: "plan-partitions" });
  const input = h("input", { type: "file", multiple: true, "aria-label": "Files to write", id: "plan-files", on: { change: () => {
    chosen = [...chosen, ...[...(input.files ?? [])].map((file) => ({ file, where: h("input", { type: "text", class: "mono", list: "plan-partitions", placeholder: "partition or 0x…", "aria-label": `Where ${file.name} goes`, on: { change: changed } }) }))];
    input.value = "";
    render();
    changed();
  } } });
  function render() {
    list.replaceChildren(...chosen.map((entry) => h("li", null, h("span", null, `${entry.file.name}, ${count(entry.file.size, "byte")} → `), entry.where,
      button("✕", () => { chosen = chosen.filter((each) => each !== entry); render(); changed(); }, { class: "button small quiet", "aria-label": `Leave ${entry.file.name} out` }))));
  }
  return {
    root: h("div", { class: "contents" }, input, list, names),
    /** @param {string[]} all */
    partitions(all) { if (names.children.length !== all.length) names.replaceChildren(...all.map((value) => h("option", { value }))); },
    read: () => Promise.all(chosen.map(async ({ file, where }) => ({ name: file.name, where: where.value.trim(), bytes: new Uint8Array(await file.arrayBuffer()) }))),
  };
}

/** Asks for a word to be typed. @param {string} word @param {string} title @param {string} text @returns {Promise<boolean>} */
function typedConfirmation(word, title, text) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", class: "mono", autocomplete: "off", spellcheck: "false", "aria-label": `Type ${word} to go on`, on: { input: () => { yes.disabled = input.value !== word; } } });
    const yes = button(title, () => { dialog.returnValue = word; dialog.close(word); }, { class: "button primary", id: "confirm-erase", disabled: true });
    const dialog = openDialog(title, h("div", { class: "body contents-gap" }, h("p", null, text), h("label", { class: "field" }, h("span", null, `Type ${word} to go on`), input), yes));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === word));
    input.focus();
  });
}
