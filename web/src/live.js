// @ts-check
// A live recording: bytes of a board go to the worker in batches, the page takes up what came of
// them, and the bytes are kept as they came, to be saved.
//
// Nothing is dropped: while the worker reads one batch the next one gathers. Whoever holds the port
// calls `begin`, `push` and `end`, and needs to know nothing else.
import { LabError } from "./lab.js";
import { button } from "./ui/dom.js";
import { download } from "./ui/download.js";
import { integer, liveName } from "./ui/format.js";

/** How long bytes gather before they are read. */
const BATCH_MS = 100;
/** Bytes that come within this time of each other count as having come together. */
const SAME_MS = 10;
/** How often the facts beside the plots are renewed. */
const FACTS_MS = 1000;
/** Pieces are put together to blobs of about this size, which the browser may keep on disk. */
const BLOB_BYTES = 1 << 20;

/**
 * @typedef {ReturnType<typeof createLive>} Live
 * @typedef {{name: string, content: Blob, labels: string | null}} Unsaved
 * @param {Omit<import("./main.js").Ctx, "live" | "board" | "training" | "follow">} ctx
 */
export function createLive({ lab, store, player, journal, notices, fail, labels }) {
  /** @type {{name: string, device: string, queue: {bytes: Uint8Array, at: number}[], kept: Blob[], tail: Uint8Array[], tailBytes: number, revision: number, beginsAt: number, factsAt: number, full: boolean, reading: Promise<void> | null, timer: number | undefined, live: import("./store.js").LiveState | null, later: number | undefined} | null} */
  let run = null;
  /** The last one, until it is saved. @type {{name: string, content: Blob} | null} */
  let ended = null;

  /** @param {{device: string, simulated?: boolean, name?: string}} what  device: what the badge names */
  async function begin({ device, simulated = false, name = liveName(new Date()) }) {
    if (run) await end();
    run = { name, device, queue: [], kept: [], tail: [], tailBytes: 0, revision: 0, beginsAt: 0, factsAt: 0, full: false, reading: null, timer: undefined, live: null, later: undefined };
    journal.add("info", `live: waiting for CSI lines of ${device}`);
    try {
      await lab.liveBegin(name, device, simulated);
    } catch (error) {
      run = null;
      throw error;
    }
  }

  /** Takes bytes as they came; they must not be changed after. @param {Uint8Array} bytes */
  function push(bytes) {
    if (!run || bytes.length === 0) return;
    run.queue.push({ bytes, at: performance.now() });
    if (!run.reading && run.timer === undefined) run.timer = window.setTimeout(read, BATCH_MS);
  }

  /** Has the worker read what gathered, and the page take it up. */
  function read() {
    if (!run) return;
    const mine = run;
    clearTimeout(mine.timer);
    mine.timer = undefined;
    mine.reading ??= batch(mine).catch(fail).finally(() => {
      mine.reading = null;
      if (mine.queue.length > 0 && mine.timer === undefined) mine.timer = window.setTimeout(read, BATCH_MS);
    });
    return mine.reading;
  }

  /** @param {NonNullable<typeof run>} mine */
  async function batch(mine) {
    const pieces = joined(mine.queue);
    if (pieces.length === 0) return;
    mine.queue = [];
    for (const { bytes } of pieces) {
      mine.tail.push(bytes);
      mine.tailBytes += bytes.length;
    }
    if (mine.tailBytes >= BLOB_BYTES) gather(mine);
    // The first frames take the place of what is open.
    const left = mine.revision === 0 ? await leaving() : null;
    const answers = await Promise.all(pieces.map(({ bytes, at }) => lab.livePush(bytes, at)));
    const info = answers[answers.length - 1];
    mine.beginsAt = info.beginsAt ?? info.bytes;
    const live = { ...info, device: mine.device, name: mine.name };
    if (info.revision !== mine.revision) {
      const first = mine.revision === 0;
      mine.revision = info.revision;
      await takeUp(first, { live });
      left?.();
      if (first) journal.add("info", `live: the first frames of ${mine.device} came; bytes before them: ${integer(mine.beginsAt)}`);
    } else {
      await lengthen();
    }
    if (info.full && !mine.full) {
      mine.full = true;
      journal.add("warning", "live: the memory for frames is full, further frames are not kept");
      notices.tell("The live recording is full", "The memory for frames is used up, so it grows no more. Stop and save it, then start another one.", [], "live-full");
    }
    mine.live = live;
    if (performance.now() - mine.factsAt >= FACTS_MS) tellFacts(mine);
    else mine.later ??= window.setTimeout(() => tellFacts(mine), FACTS_MS);
  }

  /** Renews the figures beside the plots. @param {NonNullable<typeof run>} mine */
  function tellFacts(mine) {
    clearTimeout(mine.later);
    mine.later = undefined;
    if (mine !== run || !mine.live) return;
    mine.factsAt = performance.now();
    const { recording } = store.state;
    const { live: info } = mine;
    if (info.revision > 0 && recording) store.update({ live: info, recording: { ...recording, frames: info.frames, spanS: info.spanS, rateHz: info.rateHz } });
    else store.update({ live: info });
  }

  /** Appends the times that the worker has more than the page; while the stream changes, later. */
  async function lengthen() {
    const had = store.state.times.length;
    if (store.state.changing) return;
    const more = await lab.times(had);
    if (more.length > 0 && !store.state.changing && store.state.times.length === had) player.append(more);
  }

  /** Makes the page show what the worker holds now. @param {boolean} first @param {Partial<import("./store.js").State>} others @param {() => Promise<import("./lab.js").RecordingInfo>} [act] */
  async function takeUp(first, others, act = () => lab.recording()) {
    store.update({ changing: true });
    try {
      const recording = await act();
      const [times, pipeline, subcarriers, marks] = await Promise.all([lab.times(), lab.pipeline(), lab.subcarriers(), lab.marks()]);
      const useful = subcarriers.filter((s) => s.useful);
      const pair = useful.some((s) => s.pair === store.state.pair) && !first ? store.state.pair : useful[Math.floor(useful.length / 3)]?.pair ?? 0;
      if (first) store.update({ following: true, marking: null });
      player.load(times, { recording, pipeline, pair, marks, changing: false, revision: store.state.revision + 1, ...others }, { stay: !first });
      if (first) player.follow();
    } catch (error) {
      store.update({ changing: false, revision: store.state.revision + 1 });
      throw error;
    }
  }

  /** Ends it; what came is read to its last byte first. @returns {Promise<boolean>} whether it became a recording */
  async function end() {
    const mine = run;
    if (!mine) return false;
    while (mine.reading || mine.queue.length > 0) await read();
    run = null;
    clearTimeout(mine.timer);
    gather(mine);
    try {
      await takeUp(mine.revision === 0, { live: null, following: false }, () => lab.liveEnd());
      ended = { name: mine.name, content: new Blob(mine.kept).slice(mine.beginsAt) };
      store.update({ unsaved: true });
      journal.add("info", `live: ended as ${mine.name} with ${integer(store.state.recording?.frames ?? 0)} frames, not saved yet`);
      return true;
    } catch (error) {
      store.update({ live: null, following: false });
      notices.fail(LabError.from(error), mine.name);
      return false;
    }
  }

  /** The ended recording with its labels, until it is saved. @returns {Promise<Unsaved | null>} */
  async function unsaved() {
    return ended && { ...ended, labels: store.state.marks.length > 0 ? await lab.labelsJson() : null };
  }

  /** What another recording would take away: the function returned offers it once more. */
  async function leaving() {
    const recording = await unsaved();
    const marks = recording ? null : await labels.unsaved();
    return () => {
      if (recording) offer(recording);
      else if (marks) labels.offer(marks);
    };
  }

  /** @param {Unsaved} left */
  function offer(left) {
    forget();
    notices.tell(`${left.name} was not saved`, "The live recording is closed. Its bytes are kept until the page is left or this notice is dismissed.",
      [button("Save it", () => saveFiles(left), { class: "button small" })], "live-unsaved");
  }

  /** Saves the ended live recording, and its labels beside it. */
  async function save() {
    if (run) await end();
    const left = await unsaved();
    if (!left) return;
    saveFiles(left);
    forget();
  }

  function forget() {
    ended = null;
    store.update({ unsaved: false });
  }

  /** @param {Unsaved} left */
  function saveFiles({ name, content, labels }) {
    download(name, content, "text/csv");
    if (labels) download(`${name}.labels.json`, labels, "application/json");
    journal.add("info", `saved ${name}${labels ? " and its labels" : ""}: ${integer(content.size)} bytes as they came`);
  }

  return {
    begin, push, end, save, leaving, unsaved,
    running: () => run !== null,
  };
}

/** Puts the pieces at hand together to a blob. @param {{kept: Blob[], tail: Uint8Array[], tailBytes: number}} mine */
function gather(mine) {
  if (mine.tail.length > 0) mine.kept.push(new Blob(/** @type {BlobPart[]} */ (mine.tail)));
  mine.tail = [];
  mine.tailBytes = 0;
}

/** Joins what came at nearly the same time; where lines have no clock, that is their time.
 *  @param {{bytes: Uint8Array, at: number}[]} queue */
function joined(queue) {
  /** @type {{at: number, parts: Uint8Array[]}[]} */
  const groups = [];
  for (const { bytes, at } of queue) {
    const group = groups[groups.length - 1];
    if (group && at - group.at < SAME_MS) group.parts.push(bytes);
    else groups.push({ at, parts: [bytes] });
  }
  return groups.map(({ at, parts }) => {
    if (parts.length === 1) return { at, bytes: parts[0] };
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let end = 0;
    for (const part of parts) {
      bytes.set(part, end);
      end += part.length;
    }
    return { at, bytes };
  });
}
