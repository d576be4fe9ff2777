// @ts-check
// Worker: owns the Lab (recording, features, model, attention, rasters) and answers
// {id, op, args} with {id, ok} or {id, error: {code, message}}.

import init, { Lab } from "../../pkg/wasm_core.js";

const ready = init().then(() => new Lab());

/** Lists the buffers inside a result, so that they are transferred instead of copied.
 *  @param {unknown} value @param {Set<ArrayBuffer>} found @returns {Set<ArrayBuffer>} */
function buffers(value, found = new Set()) {
  if (ArrayBuffer.isView(value)) found.add(/** @type {ArrayBuffer} */ (value.buffer));
  else if (Array.isArray(value)) value.forEach((item) => buffers(item, found));
  else if (value && typeof value === "object") Object.values(value).forEach((item) => buffers(item, found));
  return found;
}

// One call after the other, in the order of asking.
let tail = Promise.resolve();

self.addEventListener("message", ({ data: { id, op, args } }) => {
  tail = tail.then(async () => {
    try {
      const lab = /** @type {Record<string, (...args: unknown[]) => unknown>} */ (/** @type {unknown} */ (await ready));
      const ok = lab[op](...args);
      self.postMessage({ id, ok }, { transfer: [...buffers(ok)] });
    } catch (thrown) {
      const error = /** @type {{code?: string, message?: string, name?: string}} */ (thrown ?? {});
      const code = error.code ?? (error.name === "RuntimeError" ? "page/crashed" : "page/unexpected");
      self.postMessage({ id, error: { code, message: error.message ?? String(thrown) } });
    }
  });
});
