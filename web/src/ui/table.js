// @ts-check
// The numbers behind a plot: a table to read and a file to keep.
import { download } from "./download.js";
import { button, h, table } from "./dom.js";
import { csv, fileName, integer, significant } from "./format.js";

const SHOWN = 200;

/** @param {string} title @param {string} source @param {import("./plot.js").Numbers} numbers */
export function showTable(title, source, { columns, rows, about }) {
  const full = about ? `${title}, ${about}` : title;
  const dialog = openDialog(full, h("div", { class: "body" },
    h("p", { class: "quiet-text" }, `Source: ${source}. ${integer(rows.length)} rows${rows.length > SHOWN ? `, the first ${SHOWN} are shown` : ""}.`),
    rows.length === 0 ? h("p", null, "There are no numbers yet.")
      : table(title, columns, rows.slice(0, SHOWN), (value) => (Number.isInteger(value) ? String(value) : significant(value)))),
  button("Save as CSV", () => download(fileName(`${source}-${title}.csv`), csv(`${source}, ${full}`, columns, rows), "text/csv"), { class: "button small" }));
  return dialog;
}

/** Opens a dialog that is gone when closed. @param {string} title @param {HTMLElement} body @param {...HTMLElement} tools */
export function openDialog(title, body, ...tools) {
  const dialog = h("dialog", { "aria-label": title },
    h("header", null, h("h2", null, title), ...tools, button("Close", () => dialog.close(), { class: "button small quiet" })), body);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
