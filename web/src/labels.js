// @ts-check
// Labels on stretches of the recording: M begins and ends one at the cursor, a dialog names it.
import { button, h } from "./ui/dom.js";
import { download } from "./ui/download.js";
import { clock } from "./ui/format.js";
import { openDialog } from "./ui/table.js";

/** Offered beside the names in use. */
const USUAL = ["empty", "still", "walking"];
export const LABEL_FILE = /\.labels\.json$/i;

/**
 * @typedef {ReturnType<typeof createLabels>} Labels
 * @param {Omit<import("./main.js").Ctx, "live" | "labels" | "board" | "training" | "follow">} ctx
 */
export function createLabels({ lab, store, journal, notices, fail }) {
  let last = "";
  /** Labels since they were saved or read: what leaving the recording would lose. */
  let dirty = false;

  /** @param {Promise<import("./lab.js").LabelInfo[]>} asked @param {string} what */
  async function take(asked, what) {
    try {
      store.update({ marks: await asked });
      dirty = true;
      journal.add("info", `labels: ${what}`);
      return true;
    } catch (error) {
      fail(error);
      return false;
    }
  }

  /** Names in use, the last one first, then the usual ones. */
  function names() {
    const { marks, recording } = store.state;
    return [...new Set([last, ...marks.map((mark) => mark.name), ...(recording?.labels ?? []).map((label) => label.name), ...USUAL])].filter(Boolean).slice(0, 50);
  }

  /** Begins a label at the cursor, or ends it there and asks for its name. */
  function toggle() {
    const { recording, marking, seconds } = store.state;
    if (!recording) return;
    if (marking === null) {
      store.update({ marking: seconds });
      return;
    }
    store.update({ marking: null });
    const [startS, endS] = marking < seconds ? [marking, seconds] : [seconds, marking];
    ask("New label", { startS, endS, name: last || USUAL[0] });
  }

  /** The label at the cursor. @returns {number} its place, or -1 */
  const atCursor = () => store.state.marks.findIndex(({ startS, endS }) => startS <= store.state.seconds && store.state.seconds <= endS);

  /** @param {number} [index] the label at the cursor where none is given */
  function edit(index = atCursor()) {
    const mark = store.state.marks[index];
    if (mark) ask("Label", mark, index);
    else notices.tell("No label here", "Press M where one shall begin, and again where it ends.", [], "no-label");
  }

  /** @param {string} title @param {import("./lab.js").LabelInfo} mark @param {number} [index] */
  function ask(title, mark, index) {
    if (document.querySelector("dialog[open]")) return;
    const name = h("input", { type: "text", id: "label-name", value: mark.name, maxlength: 64, list: "label-names", autocomplete: "off", required: true });
    const seconds = (/** @type {string} */ id, /** @type {number} */ value) => h("input", { type: "number", id, class: "short", value: value.toFixed(3), min: 0, step: "any", required: true });
    const [start, end] = [seconds("label-start", mark.startS), seconds("label-end", mark.endS)];
    const row = (/** @type {string} */ text, /** @type {HTMLElement} */ input) => h("label", { class: "field" }, h("span", null, text), input);
    const form = h("form", { class: "body label-form" },
      row("Name", name), h("datalist", { id: "label-names" }, ...names().map((value) => h("option", { value }))),
      row("From (s)", start), row("To (s)", end),
      h("div", { class: "foot" },
        index === undefined ? null : button("Delete", () => { dialog.close(); void remove(index); }, { class: "button small", id: "label-delete" }),
        h("button", { type: "submit", class: "button primary small", id: "label-save" }, "Save label")));
    const dialog = openDialog(title, form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.close();
      last = name.value.trim();
      const args = { startS: Number(start.value), endS: Number(end.value), name: name.value };
      void take(lab.mark(index === undefined ? args : { ...args, index }), `${last} from ${clock(args.startS)} to ${clock(args.endS)}`);
    });
    name.select();
  }

  /** @param {number} index */
  async function remove(index) {
    const { name } = store.state.marks[index] ?? { name: "" };
    await take(lab.unmark(index), `${name} deleted`);
  }

  /** Ends a label that was begun and is not wanted. @returns {boolean} whether there was one */
  function cancel() {
    if (store.state.marking === null) return false;
    store.update({ marking: null });
    return true;
  }

  async function save() {
    const { recording } = store.state;
    if (!recording) return;
    try {
      download(`${recording.name}.labels.json`, await lab.labelsJson(), "application/json");
      dirty = false;
      journal.add("info", `saved ${recording.name}.labels.json`);
    } catch (error) { fail(error); }
  }

  /** Opens a label file for the open recording. @param {Blob & {name: string}} file */
  async function open(file) {
    try {
      const { marks, fits } = await lab.labelsOpen(new Uint8Array(await file.arrayBuffer()));
      store.update({ marks, marking: null });
      dirty = false;
      journal.add("info", `opened ${file.name}: ${marks.length} labels`);
      if (!fits) notices.tell(`${file.name} may belong to another recording`, "It was written for one with another number of frames. The labels are shown at their times; check them.", [], "labels-other");
      return true;
    } catch (error) {
      notices.fail(error, file.name);
      return false;
    }
  }

  /** The label file that leaving the recording would lose. @returns {Promise<{name: string, content: string} | null>} */
  async function unsaved() {
    const { recording, marks } = store.state;
    if (!dirty || !recording || marks.length === 0) return null;
    return { name: `${recording.name}.labels.json`, content: await lab.labelsJson() };
  }

  /** Says that labels were left behind, and offers them once more. @param {{name: string, content: string}} left */
  function offer({ name, content }) {
    dirty = false;
    notices.tell("Labels were not saved", `The labels of the recording before are kept until the page is left or this notice is dismissed.`,
      [button("Save them", () => download(name, content, "application/json"), { class: "button small" })], "labels-unsaved");
  }

  return { toggle, edit, remove, cancel, save, open, unsaved, offer };
}
