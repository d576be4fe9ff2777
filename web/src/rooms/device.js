// @ts-check
// The Device room: a board on a cable or the simulated one, from Connect to Listen.
import { boardBadge } from "../ui/badge.js";
import { button, facts, h } from "../ui/dom.js";
import { bytes, count, duration, mebibytes } from "../ui/format.js";
import { mountPlan } from "./device-plan.js";
import { mountDeviceSide } from "./device-side.js";
import { mountTabs } from "./device-tabs.js";

/** @typedef {import("../board.js").BoardView} BoardView */

const STEPS = /** @type {const} */ ({ connect: "Connect", identify: "Identify", plan: "Plan", write: "Write", verify: "Verify", boot: "Boot", listen: "Listen" });
/** A sign and a word for each state, so that nothing hangs on colour. */
const STATES = /** @type {const} */ ({ open: ["", "to do"], now: ["●", "under way"], done: ["✓", "done"], failed: ["✕", "failed"] });
const TASKS = /** @type {const} */ ({
  connect: "Listening to find out what runs there…", identify: "Asking the loader what the chip is…", write: "Entering the loader…", restart: "Restarting the board…",
  upload: "Sending weights over the line…", parity: "Comparing the board with this page…", check: "Looking along the chain for a few seconds…",
  follow: "The board gets the recording's rows while it plays. Live shows what it says.",
});
/** @type {Partial<Record<import("../lab.js").DeviceView["steps"][number]["step"], string>>} */
const WRITING = { write: "Writing. Leave the cable in.", verify: "The board hashes what it has, to be compared…", boot: "Written and proved. The board starts…", listen: "The board has started. Waiting for its greeting…" };
const FOUND = /** @type {const} */ ({
  silence: "Nothing has been heard. Identify asks the chip itself; nothing is written by that.", node: "The lab's own node answers.", csiLines: "Other firmware prints channel state as text.",
  loader: "The loader waits. Write something, or restart the board.", text: "Other firmware prints text.",
  empty: "Nothing is installed on this board: its ROM finds no image. Write firmware and weights.",
});

/** @param {HTMLElement} root @param {HTMLElement} side @param {import("../main.js").Ctx} ctx */
export function mountDevice(root, side, ctx) {
  const { board, store, signal, fail } = ctx;
  const stepper = h("ol", { class: "stepper", "aria-label": "Steps" });
  const says = h("p", { class: "step-says", role: "status", id: "board-says" });
  const progress = progressView(ctx);
  const start = startCards(ctx);
  const card = h("div", { class: "body" });
  const leave = button("Disconnect", () => void board.disconnect(), { class: "button small", id: "board-disconnect" });
  const about = h("section", { class: "card", id: "board-card" }, h("header", null, h("h2", null, "Board"), boardBadge(store, signal), leave), card);
  root.append(h("div", { class: "device-room" },
    h("section", { class: "card steps-card", "aria-label": "State" }, stepper, says, progress.root),
    start,
    h("div", { class: "device-columns" }, h("div", { class: "column" }, about, mountPlan(ctx)), h("div", { class: "column" }, mountTabs(ctx)))));
  mountDeviceSide(side, ctx);

  let showAddress = false;
  /** @param {BoardView} view */
  function show(view) {
    const { device, port, failure, source } = view;
    const { chip, node, task } = device;
    const steps = device.steps.length > 0 ? device.steps : Object.keys(STEPS).map((step) => ({ step: /** @type {keyof typeof STEPS} */ (step), state: /** @type {const} */ ("open") }));
    stepper.replaceChildren(...steps.map(({ step, state }) => {
      const [sign, word] = STATES[state];
      const waits = state === "now" && (device.wantsReset || view.holdBoot);
      return h("li", { data: { state: waits ? "waiting" : state }, "aria-current": state === "now" ? "step" : null },
        h("span", { class: "step-sign", "aria-hidden": "true" }, sign), h("span", null, STEPS[step]), h("span", { class: "unseen" }, `: ${waits ? "waiting for you" : word}`));
    }));
    says.textContent = sentence(view);
    says.dataset.state = device.wantsReset || view.holdBoot ? "waiting" : failure && !task ? "failed" : "";
    progress.show(task === "write" ? device.progress : null);
    start.hidden = port !== null;
    about.hidden = port === null;
    if (!port) return;
    const busy = task !== null || !port.isOpen;
    card.replaceChildren(facts([
      ["Port", port.name],
      ["Chip", chip ? `${chip.name}, revision ${chip.revision.replace(/^v/, "")}` : "not asked yet"],
      ["Flash", chip ? (chip.flashBytes ? mebibytes(chip.flashBytes) : "the flash chip does not tell") : null],
      ["Hardware address", chip?.mac ? address(chip.mac) : null],
      ["Firmware", node ? `csi-node ${node.version} on ${node.boardName}` : FOUND[device.found]],
      ["Image", node?.imageHash ? h("span", null, h("code", null, node.imageHash), device.runsCatalogue === null ? "" : device.runsCatalogue ? " as built here" : " other than built here") : null],
      ["Weights", node ? (node.blobCrc !== null ? h("span", null, `${node.model || "unnamed"} `, h("code", null, node.blobCrc.toString(16).padStart(8, "0"))) : "none") : null],
      ["Takes", node && node.blobCrc !== null ? `rows of ${count(node.featureDim, "number")}, ${node.isStreaming ? "one step each" : `windows of ${node.windowRows}`}, ${count(node.classes, "class", "classes")}` : null],
      ["Damaged on the line", port.lineErrors > 0 ? String(port.lineErrors) : null],
    ]), h("div", { class: "tools" },
      button("Identify", () => board.run((link) => link.identify()), { class: "button", id: "board-identify", disabled: busy }),
      button("Restart", () => board.run((link) => link.restart()), { class: "button", id: "board-restart", disabled: busy }),
      task === "connect" || task === "identify" || task === "restart" ? button("Cancel", () => board.run((link) => link.cancel()), { class: "button small", id: "board-cancel" }) : null,
      source === "SIMULATED BOARD" ? h("span", { class: "tools hands" }, h("span", { class: "quiet-text" }, "By hand:"),
        button("Press RESET", () => board.run((link) => link.touch("reset")), { class: "button small", id: "sim-reset" }),
        button("Unplug", () => board.run((link) => link.touch("unplug")), { class: "button small", id: "sim-unplug", disabled: !port.isOpen }),
        button("Plug in", () => board.run((link) => link.touch("plug")), { class: "button small", id: "sim-plug", disabled: port.isOpen })) : null));
  }

  /** Hidden until asked for, and then for as long as the page lives. @param {string} mac */
  function address(mac) {
    if (showAddress) return h("code", null, mac);
    return button("Show", () => { showAddress = true; show(store.state.board); }, { class: "button small quiet", "aria-label": "Show the hardware address", id: "mac-show" });
  }

  store.watch(["board"], ({ board: view }) => show(view), signal);
  // Asked for when someone comes to see it, and again: a build may have finished meanwhile.
  store.watch(["room"], ({ room }) => { if (room === "device") board.readFirmware().catch(fail); }, signal);
}

/** @param {BoardView} view @returns {string} one sentence: what goes on, or what to do next */
function sentence({ port, device, holdBoot, failure }) {
  if (!port) return "Connect a board, or use the simulated one.";
  if (device.wantsReset) return "Press RESET on the board once. I am listening, and go on when it starts.";
  if (holdBoot) return "Hold BOOT, press RESET once, let BOOT go. I am trying all the while, and go on when it works.";
  if (!port.isOpen) return "The board is away. Plug it in again: it is looked for, and nothing has to be chosen anew.";
  if (device.task) return (device.task === "write" && WRITING[device.steps.find(({ state }) => state === "now")?.step ?? "plan"]) || TASKS[device.task];
  if (failure) return capital(`${failure.message}. ${failure.left}.`);
  return FOUND[device.found];
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Both ways in, side by side. @param {import("../main.js").Ctx} ctx */
function startCards({ board, wasm }) {
  const real = board.supported
    ? [h("p", null, "Plug the board in. The browser then shows a list: choose the line of your board, and press Connect there. Nothing is written before you say so."),
      h("p", { class: "quiet-text" }, "An ESP32-S3 on its own USB is called “USB JTAG/serial debug unit”; behind a bridge it carries the bridge's name, such as CP2102N or CH340.")]
    : [h("p", null, "This browser has no Web Serial, so no board can be connected here. The simulated board works, and so do plan and downloads: the esptool command in the inspector writes the same files.")];
  return h("div", { class: "start-cards" },
    h("section", { class: "card" }, h("header", null, h("h2", null, "A board on a cable")), h("div", { class: "body" }, ...real,
      button("Connect a board", () => void board.connect(), { class: "button primary", id: "board-connect", disabled: !board.supported }))),
    h("section", { class: "card" }, h("header", null, h("h2", null, "No board at hand"), h("span", { class: "badge", data: { source: "SIMULATED" } }, "SIMULATED BOARD")), h("div", { class: "body" },
      h("p", null, "The same steps by the same code, against a board that exists in this page only: its ROM loader, its flash, and the node's application on the weights found there."),
      h("details", { class: "more" }, h("summary", null, "What it does not simulate"), h("ul", { class: "lines quiet-text" }, ...wasm.notSimulated().map((line) => h("li", null, line)))),
      button("Use the simulated board", () => void board.simulate(), { class: "button", id: "board-simulate" }))));
}

/** Bytes, rate and time left; a way to stop that says what it leaves. @param {import("../main.js").Ctx} ctx */
function progressView({ board }) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const text = h("p", { class: "number", id: "flash-progress" });
  const note = h("p", { class: "quiet-text" }, "Cancel stops between two blocks. What is half written then does not start; the loader in ROM cannot be lost, so the board can always be written again.");
  const root = h("div", { class: "flash-progress", hidden: true }, bar, text, h("div", { class: "tools" }, button("Cancel", () => board.run((link) => link.cancel()), { class: "button small", id: "flash-cancel" }), note));
  return {
    root,
    /** @param {import("../lab.js").FlashProgress | null} now */
    show(now) {
      root.hidden = !now;
      if (!now) return;
      bar.max = Math.max(1, now.totalBytes);
      bar.value = now.doneBytes;
      text.textContent = [`${now.region}: ${bytes(now.doneBytes)} of ${bytes(now.totalBytes)}`, now.bytesPerSecond > 0 ? `${bytes(Math.round(now.bytesPerSecond))}/s` : "", now.secondsLeft === null ? "" : `${duration(now.secondsLeft)} left`].filter(Boolean).join(" · ");
    },
  };
}
