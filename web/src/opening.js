// @ts-check
// Opening files: streamed to the worker in pieces, with progress and Cancel. What was open stays
// open until the new file was read to its end.
import { LABEL_FILE } from "./labels.js";
import { LabError } from "./lab.js";
import { button, byId, h } from "./ui/dom.js";
import { bytes, duration, integer } from "./ui/format.js";

const PIECE_BYTES = 1 << 20;
const WEIGHTS = /\.(rvne|safetensors)$/i;
/** A weight file of the largest shape that a head may have is far smaller. */
const BLOB_LIMIT_BYTES = 64 << 20;

/**
 * @typedef {{name: string, size: number, slice: (start: number, end: number) => Blob}} Source
 * @typedef {ReturnType<typeof createOpening>} Opening
 * @param {import("./main.js").Ctx} ctx
 */
export function createOpening({ lab, store, player, journal, notices, live, labels }) {
  /** @type {{cancelled: boolean, done: Promise<void>} | null} */
  let current = null;
  /** The file of the open recording; of a live one there is none. @type {Source | null} */
  let source = null;

  /**
   * Has the worker change to another recording or stream and makes that the one that the page shows.
   * @param {() => Promise<import("./lab.js").RecordingInfo>} act
   */
  async function adopt(act) {
    store.update({ changing: true });
    try {
      const recording = await act();
      const [times, pipeline, subcarriers, marks] = await Promise.all([lab.times(), lab.pipeline(), lab.subcarriers(), lab.marks()]);
      const useful = subcarriers.filter((s) => s.useful);
      const pair = useful[Math.floor(useful.length / 3)]?.pair ?? 0;
      // Another stream of a recording that grows goes on where the cursor is.
      player.load(times, { recording, pipeline, pair, marks, marking: null, loads: store.state.loads + 1, changing: false, revision: store.state.revision + 1 }, { stay: live.running() });
      return recording;
    } catch (error) {
      // What was asked meanwhile was dropped: the new revision has it asked again.
      store.update({ changing: false, revision: store.state.revision + 1 });
      throw error;
    }
  }

  /** @param {Source} file @param {{quiet?: boolean}} [options]  quiet: what was skipped is said in the doctor and the log only */
  async function openRecording(file, { quiet = false } = {}) {
    /** @type {() => void} */
    let finished = () => {};
    const run = { cancelled: false, done: new Promise((/** @type {(value: void) => void} */ resolve) => { finished = resolve; }) };
    // The worker reads one file at a time: the older one ends before the newer one begins.
    const before = current;
    current = run;
    if (before) {
      before.cancelled = true;
      await before.done;
    }
    const started = performance.now();
    const view = progressNotice(file, () => { run.cancelled = true; });
    try {
      await lab.openBegin(file.name);
      for (let at = 0; at < file.size && !run.cancelled; at += PIECE_BYTES) {
        const piece = new Uint8Array(await readPiece(file, at));
        const progress = await lab.openPush(piece);
        view.show(progress, performance.now() - started);
      }
      if (run.cancelled) {
        await lab.openCancel();
        journal.add("info", `opening ${file.name} was cancelled; the recording before is still open`);
        return false;
      }
      if (live.running()) await live.end();
      const left = await live.leaving();
      const info = await adopt(() => lab.openFinish());
      left();
      source = file;
      performance.measure("lab:open", { start: started });
      const { skipped, sentences } = await lab.doctor();
      const lost = Object.entries(skipped).map(([reason, count]) => `${integer(count)} ${reason}`).join(", ");
      journal.add("info", `opened ${file.name}: ${integer(info.frames)} frames in ${duration((performance.now() - started) / 1e3)}${lost ? `; skipped ${lost}` : ""}`);
      if (lost && !quiet) notices.tell(`${file.name}: parts were skipped`, `${integer(info.frames)} frames are shown. ${sentences.filter((line) => line.startsWith("Left out")).join(" ") || `Skipped: ${lost}.`}`, [], "skipped");
      return true;
    } catch (error) {
      await lab.openCancel().catch(() => {});
      notices.fail(error, file.name);
      return false;
    } finally {
      view.close();
      finished();
      if (current === run) current = null;
    }
  }

  /** @param {Source} file @param {() => void} cancel */
  function progressNotice(file, cancel) {
    const bar = h("progress", { max: Math.max(1, file.size), value: 0, "aria-label": `Reading ${file.name}` });
    const text = h("p", { class: "number" }, "starting");
    const notice = h("section", { class: "notice", role: "status", data: { stay: "" } },
      h("header", null, h("h2", null, `Reading ${file.name}`), button("Cancel", cancel, { class: "button small", id: "open-cancel" })), bar, text);
    // Small files are open before anyone could read this.
    const timer = setTimeout(() => byId("notices").append(notice), 150);
    return {
      /** @param {{bytes: number, frames: number}} progress @param {number} ms */
      show(progress, ms) {
        const rate = progress.bytes / Math.max(1, ms);
        bar.value = progress.bytes;
        text.textContent = `${bytes(progress.bytes)} of ${bytes(file.size)} · ${bytes(rate * 1e3)}/s · ${duration((file.size - progress.bytes) / rate / 1e3)} left · ${integer(progress.frames)} frames`;
      },
      close() { clearTimeout(timer); notice.remove(); },
    };
  }

  /** @param {Source} file */
  async function openBlob(file) {
    try {
      if (file.size > BLOB_LIMIT_BYTES) throw new LabError("page/blob-too-large", `the file has ${bytes(file.size)}, a weight blob has at most ${bytes(BLOB_LIMIT_BYTES)}`);
      const content = new Uint8Array(await readPiece(file, 0, file.size));
      const blob = await lab.blobOpen(file.name, content);
      // Its pipeline and pairs may be other ones than before.
      store.update({ blob, pipeline: await lab.pipeline(), room: "model", modelView: "weights", revision: store.state.revision + 1 });
      journal.add("info", `opened weights ${file.name}: ${integer(blob.bytes)} bytes, CRC-32 ${blob.crc32Hex}`);
      return true;
    } catch (error) {
      notices.fail(error, file.name);
      return false;
    }
  }

  /** Opens what was dropped or chosen: the first recording, the first weight file, the first label file. @param {Iterable<File>} files */
  async function openFiles(files) {
    const all = [...files];
    const blob = all.find((file) => WEIGHTS.test(file.name));
    const marks = all.find((file) => LABEL_FILE.test(file.name));
    const recording = all.find((file) => ![WEIGHTS, LABEL_FILE, /\.meta\.json$/i].some((kind) => kind.test(file.name)));
    const left = all.filter((file) => file !== blob && file !== recording && file !== marks);
    if (blob) await openBlob(blob);
    // Labels belong to the recording beside them, else to the one that is open.
    const ready = recording ? await openRecording(recording) : true;
    if (marks && ready) await labels.open(marks);
    if (recording) {
      if (!blob && store.state.room !== "attention") store.update({ room: "recording" });
    }
    for (const file of left) {
      const why = /\.meta\.json$/i.test(file.name) ? "it describes another file and holds no frames" : LABEL_FILE.test(file.name) ? "one label file is read at a time" : "one recording is open at a time";
      journal.add("info", `${file.name} was not opened: ${why}`);
      notices.tell(`${file.name} was not opened`, `Reason: ${why}.`, [], "left-out");
    }
  }

  function choose() {
    const input = h("input", { type: "file", multiple: true });
    input.addEventListener("change", async () => {
      const button = document.activeElement;
      await openFiles(input.files ?? []);
      // Space shall play what was opened, not ask for another file.
      if (button !== document.body && button === document.activeElement) /** @type {HTMLElement | null} */ (document.querySelector(".line-track"))?.focus({ preventScroll: true });
    });
    input.click();
  }

  return { adopt, openRecording, openBlob, openFiles, choose, busy: () => current !== null, source: () => (source?.name === store.state.recording?.name ? source : null) };
}

/** @param {Source} file @param {number} start @param {number} [length] */
async function readPiece(file, start, length = PIECE_BYTES) {
  try {
    return await file.slice(start, start + length).arrayBuffer();
  } catch (error) {
    throw new LabError("page/file-unreadable", `the browser cannot read the file at byte ${start}: ${LabError.from(error).message}`);
  }
}

/** Lets files be dropped anywhere on the page. @param {(files: FileList) => void} open @param {AbortSignal} signal */
export function acceptDrops(open, signal) {
  const overlay = byId("drop");
  let depth = 0;
  const show = (/** @type {number} */ change) => {
    depth = Math.max(0, depth + change);
    overlay.hidden = depth === 0;
  };
  const withFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => { if (withFiles(event)) show(1); }, { signal });
  addEventListener("dragleave", (event) => { if (withFiles(event)) show(-1); }, { signal });
  addEventListener("dragover", (event) => { if (withFiles(event)) event.preventDefault(); }, { signal });
  addEventListener("drop", (event) => {
    if (!withFiles(event)) return;
    event.preventDefault();
    show(-depth);
    if (event.dataTransfer) open(event.dataTransfer.files);
  }, { signal });
}
