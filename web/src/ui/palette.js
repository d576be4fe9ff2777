// @ts-check
// The palette (every action and its key) and the help page, both made from the table of actions.
import { check, h } from "./dom.js";
import { openDialog } from "./table.js";

/** @param {import("../actions.js").Action[]} actions */
export function openPalette(actions) {
  if (document.querySelector("dialog[open]")) return;
  const input = h("input", { type: "text", placeholder: "Type what to do", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-label": "Action", autocomplete: "off" });
  const list = h("ul", { class: "options", id: "palette-list", role: "listbox", "aria-label": "Actions" });
  const dialog = h("dialog", { class: "palette", "aria-label": "All actions" }, input, list);
  let found = actions;
  let chosen = 0;

  function render() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = actions.filter((action) => words.every((word) => `${action.name} ${action.keys ?? ""}`.toLowerCase().includes(word)));
    chosen = Math.max(0, Math.min(chosen, found.length - 1));
    list.replaceChildren(...found.map((action, i) => h("li", {
      role: "option", id: `option-${action.id}`, "aria-selected": String(i === chosen), on: { click: () => run(i) },
    }, action.name, action.keys ? h("kbd", null, action.keys) : null)));
    input.setAttribute("aria-activedescendant", found[chosen] ? `option-${found[chosen].id}` : "");
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  }
  /** @param {number} index */
  function run(index) {
    const action = found[index];
    dialog.close();
    // At once, not with the close event: until then the field would keep the focus and the keys.
    dialog.remove();
    action?.run();
  }
  input.addEventListener("input", () => { chosen = 0; render(); });
  input.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      chosen += step;
      render();
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(chosen);
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  render();
  dialog.showModal();
  input.focus();
}

/** @param {import("../actions.js").Action[]} actions @param {import("../store.js").Store} store @param {(on: boolean) => void} setLetters */
export function openHelp(actions, store, setLetters) {
  if (document.querySelector("dialog[open]")) return;
  const rows = actions.filter((action) => action.keys);
  const letters = check("Keys of one character ([ ] L M E F ? 1–5 W A S D) act", store.state.letters, setLetters);
  openDialog("Help and keys", h("div", { class: "body" },
    h("p", null, "Open a recording of Wi-Fi channel state and look at it in Recording. See in Attention what a small attention model reads from it with sparse and with dense attention and how far the two differ. Make or inspect weights in Model. Put them on a board, real or simulated, in Device. Everything stays on this computer; nothing is uploaded."),
    h("h3", null, "Keys"),
    h("table", { "aria-label": "Keys" }, h("tbody", null, ...rows.map((action) => h("tr", null, h("td", null, h("kbd", null, action.keys ?? "")), h("td", null, action.name))))),
    letters.root,
    h("h3", null, "Words"),
    h("p", null, "Sparse is always blue, dense always orange. An edge is one frame looking at one frame, or at a landmark: the mean of a finished block of frames. The difference is between the outputs of both with the same weights on the same rows."),
    h("h3", null, "Files"),
    h("p", null, "Drop a file anywhere, or press Ctrl+O. Recordings are recognised by their content: ESP32-CSI-Tool and Espressif CSV, RuView .csi.jsonl, ADR-018 .bin and .pcap, Nexmon .pcap, Intel 5300 and Atheros logs, plain CSV of amplitudes. Weights are .rvne or .safetensors files. Labels (M) are saved beside a recording as .labels.json and open with it.")));
}
