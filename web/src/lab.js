// @ts-check
// The only door to the wasm package on the page: loads it once for the main thread, starts the
// worker that holds the second instance, and turns every failure into a LabError with a code.

/** @typedef {typeof import("../pkg/wasm_core.js")} Wasm */
/** @typedef {import("../pkg/wasm_core.js").Lab} WasmLab */
/** @typedef {import("../pkg/wasm_core.js").Replay} Replay */
/** @typedef {import("../pkg/wasm_core.js").RecordingInfo} RecordingInfo */
/** @typedef {import("../pkg/wasm_core.js").LiveInfo} LiveInfo */
/** @typedef {import("../pkg/wasm_core.js").LabelInfo} LabelInfo */
/** @typedef {import("../pkg/wasm_core.js").PipelineInfo} PipelineInfo */
/** @typedef {import("../pkg/wasm_core.js").PipelineDto} PipelineDto */
/** @typedef {import("../pkg/wasm_core.js").BlobInfo} BlobInfo */
/** @typedef {import("../pkg/wasm_core.js").AttentionArgs} AttentionArgs */
/** @typedef {import("../pkg/wasm_core.js").AttentionSparse} AttentionSparse */
/** @typedef {import("../pkg/wasm_core.js").AttentionDense} AttentionDense */
/** @typedef {AttentionSparse & AttentionDense} AttentionResult */
/** @typedef {import("../pkg/wasm_core.js").PatternKind} PatternKind */
/** @typedef {import("../pkg/wasm_core.js").PatternArgs} PatternArgs */
/** @typedef {import("../pkg/wasm_core.js").EdgesArgs} EdgesArgs */
/** @typedef {import("../pkg/wasm_core.js").Logits} Logits */
/** @typedef {import("../pkg/wasm_core.js").Raster} Raster */
/** @typedef {import("../pkg/wasm_core.js").PlotArea} PlotArea */
/** @typedef {import("../pkg/wasm_core.js").LineSpec} LineSpec */
/** @typedef {import("../pkg/wasm_core.js").Series} Series */
/** @typedef {import("../pkg/wasm_core.js").SweepPoint} SweepPoint */
/** @typedef {import("../pkg/wasm_core.js").DoctorReport} DoctorReport */
/** @typedef {import("../pkg/wasm_core.js").RowEdge} RowEdge */
/** @typedef {import("../pkg/wasm_core.js").AttentionRow} AttentionRow */
/** @typedef {import("../pkg/wasm_core.js").SubcarrierInfo} Subcarrier */
/** @typedef {import("../pkg/wasm_core.js").BoardLink} BoardLink */
/** @typedef {import("../pkg/wasm_core.js").DeviceView} DeviceView */
/** @typedef {import("../pkg/wasm_core.js").DeviceEvent} DeviceEvent */
/** @typedef {import("../pkg/wasm_core.js").PlanArgs} PlanArgs */
/** @typedef {import("../pkg/wasm_core.js").PlanInfo} PlanInfo */
/** @typedef {import("../pkg/wasm_core.js").FlashProgress} FlashProgress */
/** @typedef {import("../pkg/wasm_core.js").ParityReport} ParityReport */
/** @typedef {import("../pkg/wasm_core.js").CheckReport} CheckReport */
/** @typedef {import("../pkg/wasm_core.js").RowsWanted} RowsWanted */
/** @typedef {import("../pkg/wasm_core.js").Followed} Followed */
/** @typedef {import("../pkg/wasm_core.js").Following} Following */

/** @typedef {import("../pkg/wasm_core.js").StudySettings} StudySettings */
/** @typedef {import("../pkg/wasm_core.js").StudyView} StudyView */
/** @typedef {import("../pkg/wasm_core.js").StudyPart} StudyPart */
/** @typedef {import("../pkg/wasm_core.js").StudyRun} StudyRun */
/** @typedef {import("../pkg/wasm_core.js").StudyOutcome} StudyOutcome */

/**
 * Every method of what a worker owns, answered by a promise.
 * @template T
 * @typedef {{[K in Exclude<keyof T, "free" | symbol>]:
 *   T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never}} Client
 */
/** @typedef {Client<WasmLab>} LabClient */
/** @typedef {Client<import("../pkg/wasm_core.js").Study>} StudyClient */

/** A failure with the stable code that the advice table and the tests match on. */
export class LabError extends Error {
  /** @param {string} code  @param {string} message  one sentence: what and where */
  constructor(code, message) {
    super(message);
    this.name = "LabError";
    this.code = code;
  }

  /** Gives anything thrown a code. @param {unknown} thrown @returns {LabError} */
  static from(thrown) {
    if (thrown instanceof LabError) return thrown;
    const error = /** @type {{code?: unknown, message?: unknown, name?: unknown}} */ (thrown ?? {});
    const message = typeof error.message === "string" ? error.message : String(thrown);
    if (typeof error.code === "string") return new LabError(error.code, message);
    const crashed = error.name === "RuntimeError";
    return new LabError(crashed ? "page/crashed" : "page/unexpected", message);
  }
}

/** @type {Promise<{wasm: Wasm, lab: LabClient}> | undefined} */
let loading;

/**
 * Loads the package on this thread and starts the worker; later calls get the same instances.
 * @returns {Promise<{wasm: Wasm, lab: LabClient}>}
 */
export function loadLab() {
  loading ??= start();
  return loading;
}

async function start() {
  if (typeof WebAssembly !== "object") {
    throw new LabError("page/no-wasm", "this browser has no WebAssembly");
  }
  const lab = /** @type {LabClient} */ (startWorker(new Worker(new URL("./worker/lab-worker.js", import.meta.url), { type: "module", name: "lab" })));
  try {
    const wasm = await import("../pkg/wasm_core.js");
    await wasm.default();
    return { wasm, lab };
  } catch (error) {
    throw new LabError("page/no-package", `the computing part of the page did not load: ${LabError.from(error).message}`);
  }
}

/** Starts the worker that trains: a third instance, so that the rooms do not wait for it. @returns {StudyClient} */
export function startStudy() {
  return /** @type {StudyClient} */ (startWorker(new Worker(new URL("./worker/train-worker.js", import.meta.url), { type: "module", name: "train" })));
}

/** @param {Worker} worker @returns {unknown} */
function startWorker(worker) {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: LabError) => void}>} */
  const waiting = new Map();
  let next = 1;
  /** @type {LabError | null} */
  let broken = null;

  worker.addEventListener("message", ({ data }) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) call?.reject(new LabError(data.error.code, data.error.message));
    else call?.resolve(data.ok);
  });
  worker.addEventListener("error", (event) => {
    broken = new LabError("page/crashed", event.message || "the worker of the page stopped");
    for (const call of waiting.values()) call.reject(broken);
    waiting.clear();
  });

  /** @param {string} op @param {unknown[]} args */
  function call(op, args) {
    if (broken) return Promise.reject(broken);
    return new Promise((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve, reject });
      // Bytes of a file are handed over, not copied.
      const transfer = args.flatMap((arg) => (op === "openPush" && arg instanceof Uint8Array ? [arg.buffer] : []));
      worker.postMessage({ id, op, args }, transfer);
    });
  }
  return new Proxy({}, { get: (_, op) => (typeof op === "string" && op !== "then" ? (/** @type {unknown[]} */ ...args) => call(op, args) : undefined) });
}
