// @ts-check
// The labels in the inspector: a list to go to, edit and delete them by keyboard, and their file.
import { button, h } from "../ui/dom.js";
import { clock } from "../ui/format.js";

/** @param {HTMLElement} root @param {import("../main.js").Ctx} ctx */
export function mountLabelList(root, { store, player, labels, signal }) {
  const begin = button("Label from here", labels.toggle, { class: "button small", id: "label-toggle", "aria-keyshortcuts": "M" });
  const save = button("Save labels", () => void labels.save(), { class: "button small", id: "labels-save" });
  const note = h("p", { class: "quiet-text" });
  const list = h("ul", { class: "label-list", "aria-label": "Labels" });
  root.append(h("div", { class: "button-row" }, begin, save), note, list);

  store.watch(["marks", "marking", "recording"], ({ marks, marking, recording }) => {
    begin.disabled = recording === null;
    begin.textContent = marking === null ? "Label from here" : "Label up to here";
    save.disabled = marks.length === 0;
    const own = new Set((recording?.labels ?? []).map((label) => label.name)).size;
    note.textContent = marking !== null ? `A label begins at ${clock(marking)}. Move the cursor and press M again; Esc drops it.`
      : marks.length === 0 ? `Press M where a label begins and where it ends.${own > 0 ? " The recording has labels of its own; yours count instead of them." : ""}` : "";
    note.hidden = note.textContent === "";
  }, signal);
  store.watch(["marks"], ({ marks }) => {
    list.replaceChildren(...marks.map(({ startS, endS, name }, index) => h("li", null,
      button(`${name} · ${clock(startS)} to ${clock(endS)}`, () => player.seek(startS), { class: "button small quiet go", title: "Go to its start" }),
      button("Edit", () => labels.edit(index), { class: "button small", "aria-label": `Edit ${name} at ${clock(startS)}` }),
      button("✕", () => void labels.remove(index), { class: "button small quiet", "aria-label": `Delete ${name} at ${clock(startS)}` }))));
  }, signal);
}
