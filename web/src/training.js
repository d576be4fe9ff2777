// @ts-check
// Training as the page runs it: files into the second worker, the run in slices, what came of it.
// It shows nothing; whoever does listens to "change".
import { LABEL_FILE } from "./labels.js";
import { LabError, startStudy } from "./lab.js";
import { fileName, integer, percent } from "./ui/format.js";

const PIECE_BYTES = 1 << 20;
const SLICE_MS = 60;
/** The built-in example: what each file is for is said here, as a user would say it. */
const EXAMPLE = /** @type {const} */ ([["empty_02", "train"], ["empty_03", "train"], ["empty_04", "test"], ["walking_02", "train"], ["walking_03", "train"], ["walking_04", "test"]]);

/** @typedef {"idle" | "running" | "paused" | "scoring" | "ended"} Phase */
/** @typedef {{epoch: number, loss: number, accuracy: number}} Point */
/** @typedef {{name: string, size: number, slice: (start: number, end: number) => Blob}} Source */

/** @returns {import("./lab.js").StudySettings} */
const initialSettings = () => ({ window: 50, hop: 25, rateHz: null, pattern: null, size: "node", seed: 1, epochs: null, randomSplit: false });

export class Training extends EventTarget {
  /** @type {import("./lab.js").StudyClient | null} */
  #study = null;
  settings = initialSettings();
  /** @type {import("./lab.js").StudyView | null} */
  view = null;
  /** @type {Phase} */
  phase = "idle";
  /** What is being done that is not training. */
  busy = "";
  /** @type {import("./lab.js").StudyRun | null} */
  run = null;
  /** @type {Point[]} */
  curve = [];
  /** @type {import("./lab.js").StudyOutcome | null} */
  outcome = null;
  /** @type {number | null} */
  classical = null;
  secondsLeft = NaN;
  seconds = 0;
  /** Whether the split was chosen by hand: then nothing proposes another. */
  #byHand = false;
  /** @type {Promise<unknown>} */
  #tail = Promise.resolve();

  /** @param {Pick<import("./main.js").Ctx, "lab" | "store" | "journal" | "notices" | "live">} page */
  constructor(page) {
    super();
    this.page = page;
  }

  /** Recordings and settings stay as they are while a head is trained on them. */
  get locked() { return this.phase === "running" || this.phase === "paused" || this.phase === "scoring"; }
  /** The worker starts when it is needed first. */
  get study() { return (this.#study ??= startStudy()); }

  #changed() { this.dispatchEvent(new Event("change")); }

  /** One change after the other; a failure is shown and ends nothing else. @param {string} busy @param {() => Promise<void>} act */
  #queue(busy, act) {
    const next = this.#tail.then(async () => {
      this.busy = busy;
      this.#changed();
      try {
        await act();
      } catch (error) {
        this.page.notices.fail(error, busy);
      } finally {
        this.busy = "";
        this.#changed();
      }
    });
    this.#tail = next;
    return next;
  }

  async #look() { this.view = await this.study.view(this.settings); }

  /** Adds recordings, and the labels that lie beside them. @param {Iterable<File | Source>} files */
  add(files) {
    const all = [...files];
    const labels = all.filter((file) => LABEL_FILE.test(file.name));
    const recordings = all.filter((file) => !LABEL_FILE.test(file.name) && !/\.meta\.json$/i.test(file.name));
    return this.#queue("adding recordings", async () => {
      for (const file of recordings) {
        try {
          await this.#addOne(file);
        } catch (error) {
          this.page.notices.fail(error, file.name);
        }
      }
      for (const file of labels) {
        try {
          await this.study.labelsOpen(new Uint8Array(await file.slice(0, file.size).arrayBuffer()));
        } catch (error) {
          this.page.notices.fail(error, file.name);
        }
      }
      if (!this.#byHand) await this.study.propose(this.settings).catch(() => {});
      await this.#look();
    });
  }

  /** @param {File | Source} file */
  async #addOne(file) {
    await this.study.openBegin(file.name);
    for (let at = 0; at < file.size; at += PIECE_BYTES) {
      await this.study.openPush(new Uint8Array(await file.slice(at, Math.min(file.size, at + PIECE_BYTES)).arrayBuffer()));
      this.busy = `adding ${file.name}: ${percent(at, file.size)}`;
      this.#changed();
    }
    return this.study.openFinish();
  }

  /** Adds the open recording with the labels that were put on it. @param {Source | null} source  its file, where it has one */
  async addOpen(source) {
    const { live, store, lab, notices } = this.page;
    const left = await live.unsaved();
    const name = left?.name ?? source?.name;
    const file = left ? Object.assign(left.content, { name: left.name }) : source;
    if (!file || !name || live.running()) {
      notices.tell("The open recording has no file yet", "End the live recording, or save it and open it, then add it.", [], "train-open");
      return;
    }
    const marks = store.state.marks.length > 0 ? new File([await lab.labelsJson()], `${name}.labels.json`) : null;
    await this.add(marks ? [file, marks] : [file]);
  }

  /** Trains on what comes with the page. */
  async example() {
    await this.#queue("opening the example", async () => {
      for (let at = (this.view?.recordings.length ?? 0) - 1; at >= 0; at--) await this.study.remove(at);
      this.settings = initialSettings();
      for (const [name, part] of EXAMPLE) {
        const answer = await fetch(`fixtures/training/${name}.csv`);
        if (!answer.ok) throw new LabError("page/unexpected", `the server answers ${answer.status} for ${name}.csv`);
        await this.study.assign(await this.#addOne(new File([await answer.blob()], `${name}.csv`)), part);
      }
      this.#byHand = true;
      await this.#look();
    });
    await this.start();
  }

  /** @param {number} index @param {import("./lab.js").StudyPart} part */
  assign(index, part) {
    this.#byHand = true;
    return this.#queue("the split", async () => { await this.study.assign(index, part); await this.#look(); });
  }
  /** @param {number} index */
  remove(index) { return this.#queue("the recordings", async () => { await this.study.remove(index); await this.#look(); }); }
  propose() {
    this.#byHand = false;
    return this.#queue("the split", async () => { await this.study.propose(this.settings); await this.#look(); });
  }
  /** @param {Partial<import("./lab.js").StudySettings>} patch */
  set(patch) {
    const before = this.settings;
    this.settings = { ...before, ...patch };
    return this.#queue("the settings", async () => {
      try { await this.#look(); } catch (error) { this.settings = before; throw error; }
    });
  }

  start() {
    if (this.locked) return Promise.resolve();
    return this.#queue("training", async () => {
      await this.#look();
      if (!this.view?.ready) return;
      this.run = await this.study.begin(this.settings);
      this.curve = [];
      this.outcome = this.classical = null;
      this.seconds = 0;
      this.phase = "running";
      this.page.journal.add("info", `training on ${integer(this.view.trainWindows)} windows, seed ${this.settings.seed}`);
      void this.#loop();
    });
  }
  pause() { if (this.phase === "running") { this.phase = "paused"; this.#changed(); } }
  goOn() { if (this.phase === "paused") { this.phase = "running"; void this.#loop(); } }
  /** Ends early: the weights as they are now are kept and scored. */
  stop() {
    const paused = this.phase === "paused";
    if (!this.locked || this.phase === "scoring") return;
    this.phase = "scoring";
    if (paused) void this.#end();
  }

  async #loop() {
    this.#changed();
    try {
      while (this.phase === "running") {
        const started = performance.now();
        const run = await this.study.step(SLICE_MS);
        this.seconds += (performance.now() - started) / 1e3;
        this.run = run;
        const { progress, random } = run;
        const last = this.curve[this.curve.length - 1];
        if (progress.epoch > (last?.epoch ?? 0)) this.curve.push({ epoch: progress.epoch, loss: progress.loss, accuracy: progress.accuracy });
        const did = progress.groups + (random?.groups ?? 0);
        const all = progress.groupsTotal + (random?.groupsTotal ?? 0);
        this.secondsLeft = (this.seconds / Math.max(1, did)) * (all - did);
        if (run.done) this.phase = "scoring";
        this.#changed();
      }
      if (this.phase === "scoring") await this.#end();
    } catch (error) {
      this.phase = "idle";
      this.page.notices.fail(error, "training");
      this.#changed();
    }
  }

  async #end() {
    this.#changed();
    try {
      this.outcome = await this.study.outcome();
      this.phase = "ended";
      const { scores } = this.outcome;
      this.page.journal.add("info", `trained ${this.outcome.epochs} epochs in ${this.seconds.toFixed(1)} s${scores ? `; ${scores.right} of ${scores.windows} test windows right` : ""}`);
      this.#changed();
      // Slow, and nobody has to wait for it.
      this.classical = await this.study.classical();
      this.#changed();
    } catch (error) {
      this.phase = "ended";
      this.page.notices.fail(error, "scoring");
      this.#changed();
    }
  }

  /** The file that the trained head is kept in. @param {"f32" | "f16"} dtype */
  async file(dtype) {
    const classes = this.outcome?.scores?.classes ?? this.view?.classes ?? [];
    const name = fileName(`trained-${classes.map((each) => each.name.toLowerCase()).join("-").slice(0, 60)}-seed-${this.settings.seed}.rvne`);
    return { name, content: await this.study.blob(dtype) };
  }

  /** Makes the trained head the open model. */
  async use() {
    const { lab, store, notices, journal } = this.page;
    try {
      const { name, content } = await this.file("f16");
      const blob = await lab.blobOpen(name, content);
      // Its pipeline and pairs may be other ones than before.
      store.update({ blob, pipeline: await lab.pipeline(), revision: store.state.revision + 1 });
      journal.add("info", `opened the trained weights: ${integer(blob.bytes)} bytes, CRC-32 ${blob.crc32Hex}`);
      return true;
    } catch (error) {
      notices.fail(error, "trained weights");
      return false;
    }
  }
}
