// @ts-check
// Parity: the page sends rows of the open recording to the board and compares every logit with its
// own, bit for bit.
import { button, facts, h, slider } from "../ui/dom.js";
import { lackOf } from "../follow.js";
import { count, duration, integer, significant } from "../ui/format.js";

/** @param {HTMLElement} panel @param {import("../main.js").Ctx} ctx */
export function mountParity(panel, { board, store, signal }) {
  const value = (/** @type {HTMLInputElement} */ input) => Number(input.getAttribute("aria-valuetext"));
  const rows = slider("Rows to send", [60, 100, 250, 500, 1000, 2000, 5000], 250, () => {});
  const period = slider("Rows from one classification to the next", [1, 2, 5, 10, 25, 50], 1, () => {});
  rows.input.id = "parity-rows";
  period.input.id = "parity-period";
  const start = button("Parity", () => void board.parity(value(rows.input), value(period.input)), { class: "button primary", id: "parity-start" });
  const stop = button("Stop", () => board.run((link) => link.cancel()), { class: "button small", id: "parity-stop" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Classifications compared" });
  const verdict = h("p", { class: "parity-verdict", id: "parity-result", role: "status" });
  const details = h("div");
  const lack = h("p", { class: "quiet-text" });
  panel.append(h("p", null, "Sends feature rows of the open recording to the board, with the weights that are open here, and compares every number that comes back with the one computed in this page. Identical means every bit of every logit."),
    rows.root, period.root, h("div", { class: "tools" }, start, stop), lack, bar, verdict, details);

  store.watch(["board", "recording", "blob", "pipeline"], (state) => {
    const { device, parity, source } = state.board;
    const why = lackOf(state) || (device.task === "follow" ? "The board gets the recording that is played: switch that off in Live first." : "");
    lack.textContent = why;
    lack.hidden = why === "";
    start.disabled = why !== "" || device.task !== null;
    stop.hidden = bar.hidden = !parity?.running;
    verdict.hidden = !parity;
    if (!parity) return details.replaceChildren();
    const { report, compared, total, running } = parity;
    bar.max = Math.max(1, total);
    bar.value = compared;
    const same = report !== null && report.identical === report.total && report.extra === 0;
    verdict.className = `parity-verdict ${running ? "" : same ? "ok-text" : "error-text"}`;
    verdict.textContent = running ? `${integer(compared)} of ${count(total, "classification")} compared`
      : report ? `${integer(report.identical)} of ${integer(report.total)} outputs identical${same ? ", bit for bit" : ""}` : "";
    const first = report?.firstDifference;
    const bits = (/** @type {number} */ n) => n.toString(16).padStart(8, "0");
    details.replaceChildren(report ? facts([
      ["Computed by", source], ["Board", `${report.board}${report.imageHash ? ` ${report.imageHash}` : ""}`], ["Rows", parity.rowsFrom],
      ["Logits compared", integer(report.logits)], ["Weights", h("code", null, bits(report.blobCrc))],
      ["First difference", first ? `classification ${integer(first.classification)}, row ${integer(first.row)}, class ${first.class}: board ${significant(first.board)} (${bits(first.boardBits)}), page ${significant(first.ours)} (${bits(first.ourBits)})` : null],
      ["Largest difference", first ? significant(report.maxAbs) : null],
      ["Never came", report.missing > 0 ? integer(report.missing) : null], ["Came and were not due", report.extra > 0 ? integer(report.extra) : null],
      ["Begun again after damage", report.restarts > 0 ? integer(report.restarts) : null], ["Took", duration(parity.tookS)],
    ]) : "");
  }, signal);
}
