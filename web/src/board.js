// @ts-check
// The board as the page sees it: opens ports, drives the link, tells the store what it is doing and
// the rooms what it says. What decides is on the other side, in Rust.
import { loadFirmware } from "./firmware.js";
import { LabError } from "./lab.js";
import { lastFrame } from "./rows.js";
import { mebibytes } from "./ui/format.js";

/** @typedef {import("./lab.js").BoardLink} BoardLink */
/** @typedef {import("./lab.js").DeviceView} DeviceView */
/** @typedef {import("./lab.js").DeviceEvent} DeviceEvent */
/** @typedef {import("./lab.js").ParityReport} ParityReport */
/** @typedef {{seconds: number, text: string}} ConsoleLine */
/** @typedef {{seconds: number, class: number, logits: number[] | null, rows: number | null, margin: number, topLogit: number}} LiveClass */
/** @typedef {Omit<import("./lab.js").PlanArgs, "weights">} PlanAsk */
/** @typedef {{wanted: import("./lab.js").RowsWanted[], followed: import("./lab.js").Followed[], counts: import("./lab.js").Following | null, failed: boolean}} FollowNews */
/**
 * What is known of the board; replaced as a whole whenever anything of it changes.
 * @typedef {object} BoardView
 * @property {"" | "LIVE" | "SIMULATED BOARD"} source  what its numbers come from
 * @property {string} label  for the top bar
 * @property {{name: string, isOpen: boolean, lineErrors: number} | null} port
 * @property {DeviceView} device
 * @property {{running: boolean, compared: number, total: number, report: ParityReport | null, rowsFrom: string, startedMs: number, tookS: number} | null} parity
 * @property {import("./lab.js").CheckReport | null} check
 * @property {boolean} holdBoot  no way into the loader helped yet
 * @property {{code: string, message: string, left: string} | null} failure
 */

/** How often the page looks at what came: bytes are taken at once, the eye needs less. */
const LOOK_MS = 50;
/** One lock for each kind of cable: it says which tab has a port, and keeps nobody out. */
const LOCK = "csi-lab.port.";

/** What there is to show before the first look. @type {DeviceView} */
const NOTHING = {
  isOpen: false, task: null, found: "silence", steps: [], chip: null, node: null, runsCatalogue: null, firmware: null,
  partitions: [], plan: null, progress: null, baud: 115200, wantsReset: false,
};

/** @returns {BoardView} */
export const noBoard = () => ({ source: "", label: "no board", port: null, device: NOTHING, parity: null, check: null, holdBoot: false, failure: null });

/** @typedef {ReturnType<typeof createBoard>} Board */

/**
 * @param {Pick<import("./main.js").Ctx, "lab" | "wasm" | "store" | "journal" | "notices" | "fail" | "signal">} ctx
 * @param {Pick<import("./live.js").Live, "begin" | "push" | "end" | "running">} live  takes lines with channel state
 */
export function createBoard({ lab, wasm, store, journal, notices, fail, signal }, live) {
  const target = new EventTarget();
  const serial = /** @type {any} */ ("serial" in navigator ? navigator.serial : null);
  const link = new wasm.BoardLink(() => setTimeout(look, LOOK_MS));
  let settings = { faults: "", flashMb: 8, isNative: true, blank: true, flashBaud: 921600 };
  /** The firmware as it was read last. @type {import("./firmware.js").Built | null} */
  let built = null;
  let letGo = () => {};
  /** Classifications of this look. @type {LiveClass[]} */
  let answers = [];
  /** What came of a recording that is played. @type {FollowNews} */
  let played = { wanted: [], followed: [], counts: null, failed: false };

  /** @param {Partial<BoardView>} patch */
  const update = (patch) => store.update({ board: { ...store.state.board, ...patch } });

  /** Takes everything new from the link and passes it on. */
  function look() {
    const { events, broken } = link.take();
    /** @type {Partial<BoardView>} */
    const patch = {};
    /** @type {ConsoleLine[]} */
    const lines = [];
    /** @type {Uint8Array[]} */
    const csi = [];
    /** @type {Uint8Array[]} */
    const raw = [];
    answers = [];
    played = { wanted: [], followed: [], counts: null, failed: false };
    for (const event of events) take(event, { patch, lines, csi, raw });
    if (broken) journal.add("warning", `port: ${broken.message} [${broken.code}]`);
    const { board } = store.state;
    const device = link.view();
    const port = board.port && { ...board.port, ...link.port() };
    const label = port ? labelOf(board.source, device, port.isOpen) : board.label;
    // A view that says the same would have the page drawn again with every look.
    const news = JSON.stringify([device, port, label]) !== JSON.stringify([board.device, board.port, board.label]);
    if (news || Object.keys(patch).length > 0) update({ ...patch, device, port, label });
    if (lines.length + raw.length > 0) target.dispatchEvent(new CustomEvent("console", { detail: { lines, bytes: joined(raw) } }));
    for (const bytes of csi) live.push(bytes);
    if (played.wanted.length + played.followed.length > 0 || played.counts || played.failed) target.dispatchEvent(new CustomEvent("follow", { detail: played }));
    if (answers.length > 0) target.dispatchEvent(new CustomEvent("live", { detail: answers }));
  }

  /** @param {DeviceEvent} event @param {{patch: Partial<BoardView>, lines: ConsoleLine[], csi: Uint8Array[], raw: Uint8Array[]}} into */
  function take(event, { patch, lines, csi, raw }) {
    const before = store.state.board;
    switch (event.type) {
      case "journal": journal.add("info", `board: ${event.text}`); break;
      case "line": lines.push({ seconds: event.timeMicros / 1e6, text: event.text }); break;
      case "csi": csi.push(event.bytes); break;
      case "bytes": if (event.fromBoard) raw.push(event.bytes); break;
      case "classified": answers.push({ seconds: event.classified.nodeMicros / 1e6, class: event.classified.class, margin: event.classified.margin, topLogit: event.classified.topLogit, logits: null, rows: null }); break;
      case "logits": {
        const newest = answers.at(-1);
        if (newest && !newest.logits) Object.assign(newest, { logits: event.logits.logits, rows: event.logits.rows });
        break;
      }
      case "rowsWanted": played.wanted.push(event.wanted); break;
      case "followed": played.followed.push(event.followed); break;
      case "following": played.counts = event.following; break;
      case "parityProgress": if (before.parity) patch.parity = { ...before.parity, compared: event.compared, total: event.total }; break;
      case "parity": if (before.parity) patch.parity = { ...before.parity, running: false, report: event.report, tookS: (performance.now() - before.parity.startedMs) / 1e3 }; break;
      case "holdBoot": patch.holdBoot = true; break;
      case "identified": case "progress": patch.holdBoot = false; break;
      case "checked": patch.check = event.report; break;
      case "done": ended(); break;
      case "failed":
        ended();
        played.failed ||= event.task === "follow";
        patch.failure = { code: event.code, message: event.message, left: event.left };
        if (event.code !== "device/cancelled") notices.fail(new LabError(event.code, `${event.message}. ${event.left}.`), "board");
        break;
    }
    function ended() {
      patch.holdBoot = false;
      if (before.parity?.running && !patch.parity) patch.parity = null;
    }
  }

  /** Opens a port for a new board. @param {"LIVE" | "SIMULATED BOARD"} source @param {string} name @param {() => Promise<void>} open */
  async function begin(source, name, open) {
    await disconnect();
    update({ ...noBoard(), source, label: "opening…", port: { name, isOpen: false, lineErrors: 0 }, device: link.view() });
    try {
      await open();
      journal.add("info", `connected: ${source}, ${name}`);
      notices.settle("board");
      look();
    } catch (error) {
      update({ ...noBoard(), device: link.view() });
      throw error;
    }
  }

  /** Must be called from a click: browsers show their list for nothing else. */
  async function connect() {
    if (!serial) return notices.fail(new LabError("page/no-serial", "this browser has no Web Serial"), "board");
    /** @type {any} */
    let port;
    try {
      port = await serial.requestPort();
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      if (name === "NotFoundError") journal.add("info", "no port was chosen");
      else fail(new LabError(name === "SecurityError" ? "serial/forbidden" : "page/no-serial", message), "board");
      return;
    }
    const usb = nameOfUsb(port);
    try {
      await begin("LIVE", usb ?? "serial port", () => link.openSerial(port, settings.flashBaud));
      letGo = await holdLock(LOCK + usb);
    } catch (error) {
      const why = LabError.from(error);
      const other = why.code === "serial/busy" && (await isHeldElsewhere(LOCK + usb));
      notices.fail(other ? new LabError("page/port-in-other-tab", "another tab of this page has the port open") : why, "board");
    }
  }

  async function simulate() {
    const { flashMb, isNative, faults, flashBaud, blank } = settings;
    try {
      // What a board has in its flash that was written before.
      const written = blank ? [] : (await allFiles()).map(({ offset, bytes }) => ({ offset, bytes }));
      await begin("SIMULATED BOARD", isNative ? "simulated USB-Serial-JTAG" : "simulated bridge", () => link.openSimulated({ flashMb, isNative, faults, flashBaud, parts: written }));
    } catch (error) { fail(error, "simulated board"); }
  }

  async function disconnect() {
    letGo();
    letGo = () => {};
    if (!store.state.board.port) return;
    link.unfollow();
    await link.close();
    look();
    if (live.running()) await live.end();
    update({ ...noBoard(), device: link.view() });
    journal.add("info", "disconnected");
  }

  /** Gives the board something to do; what it refuses at once becomes a notice. @param {(link: BoardLink) => void} act */
  function run(act) {
    try {
      update({ failure: null });
      notices.settle("board");
      act(link);
    } catch (error) { fail(error, "board"); }
  }

  /** Reads what was built, if anything was, and has it checked. */
  async function readFirmware() {
    built = await loadFirmware();
    if (built) link.firmware(built.manifest, built.files);
    look();
  }

  /** Makes a plan; nothing is written. @param {PlanAsk} ask */
  async function plan(ask) {
    if (ask.mode === "firmware") await readFirmware();
    const { blob } = store.state;
    const weights = ask.mode === "weights" || ask.mode === "firmware" ? blob && await lab.blobBytes() : null;
    link.plan({ ...ask, ...(weights ? { weights } : {}) });
    look();
  }

  /** Firmware and weights as they lie in a flash. @returns {Promise<{name: string, offset: number, bytes: Uint8Array}[]>} */
  async function allFiles() {
    const { firmware, partitions } = store.state.board.device;
    const parts = (firmware?.parts ?? []).map(({ file, offset }) => ({ name: file, offset, bytes: built?.files.find(({ name }) => name === file)?.bytes ?? new Uint8Array() }));
    const room = partitions.find(({ name }) => name === "rvne");
    return room && store.state.blob ? [...parts, { name: "WEIGHTS.rvne", offset: room.offset, bytes: await lab.blobBytes() }] : parts;
  }

  /** Compares the board with the page on rows of the open recording. @param {number} count @param {number} period  rows from one classification to the next */
  async function parity(count, period) {
    try {
      const { attention, recording } = store.state;
      const frame = lastFrame({ ...store.state, attention: { ...attention, n: count } });
      const [{ values, rows, firstSeconds }, blob] = await Promise.all([lab.featureRows(frame, count), lab.blobBytes()]);
      const source = `${recording?.source} ${recording?.name}`;
      update({ parity: { running: true, compared: 0, total: 0, report: null, rowsFrom: `${rows} rows of ${source} from ${firstSeconds.toFixed(2)} s`, startedMs: performance.now(), tookS: 0 } });
      run((each) => each.parity(source, blob, values, period));
    } catch (error) {
      update({ parity: null });
      fail(error, "parity");
    }
  }

  /** Makes a live recording of the lines with channel state that the board prints, until it is ended there. */
  async function record() {
    const { source, label } = store.state.board;
    try {
      await live.begin({ device: label, simulated: source !== "LIVE" });
      store.update({ room: "recording" });
    } catch (error) { fail(error, "live recording"); }
  }

  /** Goes through the chain from the port to a classification. */
  function check() {
    const { blob } = store.state;
    update({ check: null });
    run((each) => each.check(blob ? Number.parseInt(blob.crc32Hex, 16) : undefined));
  }

  // An unplugged port that comes back is found by the link; leaving the page lets go of it.
  addEventListener("pagehide", () => void link.close(), { signal });

  return Object.assign(target, {
    supported: serial !== null, link, look, connect, simulate, disconnect, run, plan, parity, check, record, readFirmware, allFiles,
    /** Of the next board, and of the next plan. @param {Partial<typeof settings>} patch */
    settings: (patch) => { settings = { ...settings, ...patch }; },
  });
}

/** @param {string} source @param {DeviceView} device @param {boolean} isOpen */
function labelOf(source, { chip, node }, isOpen) {
  const parts = [node?.boardName === "SIMULATED BOARD" ? "simulated" : node?.boardName ?? chip?.name ?? (source === "LIVE" ? "board" : "simulated"), chip?.flashBytes ? mebibytes(chip.flashBytes) : "", node ? `node ${node.imageHash.slice(0, 4) || node.version}` : ""];
  return isOpen ? parts.filter(Boolean).join(" · ") : "board is away";
}

/** @param {{getInfo: () => {usbVendorId?: number, usbProductId?: number}}} port @returns {string | null} */
function nameOfUsb(port) {
  const { usbVendorId, usbProductId } = port.getInfo();
  if (usbVendorId === undefined || usbProductId === undefined) return null;
  const hex = (/** @type {number} */ id) => id.toString(16).padStart(4, "0").toUpperCase();
  return `USB ${hex(usbVendorId)}:${hex(usbProductId)}`;
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Tells other tabs of this page that the port is in use here. @param {string} name @returns {Promise<() => void>} */
async function holdLock(name) {
  /** @type {(value?: unknown) => void} */
  let release = () => {};
  const held = new Promise((resolve) => { release = resolve; });
  // A browser without locks tells the other tab less; the port is the same.
  await new Promise((taken) => {
    if (!("locks" in navigator)) return taken(null);
    navigator.locks.request(name, { mode: "shared" }, () => { taken(null); return held; }).catch(taken);
  });
  return release;
}

/** @param {string} name */
async function isHeldElsewhere(name) {
  const { held } = "locks" in navigator ? await navigator.locks.query() : { held: [] };
  return held?.some((lock) => lock.name === name) ?? false;
}
