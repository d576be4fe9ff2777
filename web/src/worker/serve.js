// @ts-check
// What every worker of the page does: it owns one object of the wasm package and answers
// {id, op, args} with {id, ok} or {id, error: {code, message}}, one call after the other.

/** Lists the buffers inside a result, so that they are transferred instead of copied.
 *  @param {unknown} value @param {Set<ArrayBuffer>} found @returns {Set<ArrayBuffer>} */
function buffers(value, found = new Set()) {
  if (ArrayBuffer.isView(value)) found.add(/** @type {ArrayBuffer} */ (value.buffer));
  else if (Array.isArray(value)) value.forEach((item) => buffers(item, found));
  else if (value && typeof value === "object") Object.values(value).forEach((item) => buffers(item, found));
  return found;
}

/** @param {Promise<object>} ready  the object whose methods are called */
export function serve(ready) {
  let tail = Promise.resolve();
  self.addEventListener("message", ({ data: { id, op, args } }) => {
    tail = tail.then(async () => {
      try {
        const owned = /** @type {Record<string, (...args: unknown[]) => unknown>} */ (await ready);
        const ok = owned[op](...args);
        self.postMessage({ id, ok }, { transfer: [...buffers(ok)] });
      } catch (thrown) {
        const error = /** @type {{code?: string, message?: string, name?: string}} */ (thrown ?? {});
        const code = error.code ?? (error.name === "RuntimeError" ? "page/crashed" : "page/unexpected");
        self.postMessage({ id, error: { code, message: error.message ?? String(thrown) } });
      }
    });
  });
}
