// @ts-check
// A navigator.serial that leads into the test. No serial port of this machine is ever opened.

/**
 * What the test plays: the far end of the cable.
 * @typedef {object} FarEnd
 * @property {{usbVendorId?: number, usbProductId?: number}} [info]
 * @property {(bytes: Buffer) => void} [write]
 * @property {(what: {open?: number, closed?: true, signals?: object, asked?: true}) => void} [told]
 */

/**
 * Puts it into every page of a page's context, before its own scripts.
 * @param {import("playwright-core").Page} page @param {FarEnd} far
 */
export async function injectSerial(page, far) {
  await page.context().exposeBinding("__farEnd", (_, message) => {
    if (typeof message === "string") far.write?.(Buffer.from(message, "base64"));
    else far.told?.(message);
  });
  await page.context().addInitScript((info) => {
    const far = /** @type {any} */ (globalThis);
    class FakePort extends EventTarget {
      readable = null;
      writable = null;
      /** @type {any} */
      controller = null;
      plugged = true;
      getInfo() { return info; }
      async open(/** @type {{baudRate: number}} */ { baudRate }) {
        if (far.serialRefusal) throw new DOMException("Failed to open serial port.", far.serialRefusal);
        if (!this.plugged) throw new DOMException("Failed to open serial port.", "NetworkError");
        if (this.readable) throw new DOMException("The port is already open.", "InvalidStateError");
        this.readable = /** @type {any} */ (new ReadableStream({ start: (controller) => { this.controller = controller; } }));
        this.writable = /** @type {any} */ (new WritableStream({ write: (/** @type {Uint8Array} */ chunk) => far.__farEnd(btoa(String.fromCharCode(...chunk))) }));
        far.__farEnd({ open: baudRate });
      }
      async close() {
        // As the real one: nobody may hold a stream.
        if (/** @type {any} */ (this.readable)?.locked || /** @type {any} */ (this.writable)?.locked) throw new TypeError("Cannot cancel a locked stream");
        this.readable = this.writable = this.controller = null;
        far.__farEnd({ closed: true });
      }
      async setSignals(/** @type {object} */ signals) { far.__farEnd({ signals }); }
    }
    let port = new FakePort();
    far.serialIn = (/** @type {string} */ base64) => port.controller?.enqueue(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
    far.serialUnplug = () => {
      port.plugged = false;
      port.controller?.error(new DOMException("The device has been lost.", "NetworkError"));
    };
    /** With a new handle as Chromium gives, or the old one as Firefox does. @param {boolean} fresh */
    far.serialPlug = (fresh) => {
      if (fresh) port = new FakePort();
      port.plugged = true;
    };
    Object.defineProperty(navigator, "serial", { value: Object.assign(new EventTarget(), {
      getPorts: async () => (port.plugged ? [port] : []),
      requestPort: async () => {
        far.__farEnd({ asked: true });
        return port;
      },
    }) });
  }, far.info ?? {});
  return {
    /** @param {Buffer | string} bytes */
    send: (bytes) => page.evaluate((base64) => /** @type {any} */ (globalThis).serialIn(base64), Buffer.from(bytes).toString("base64")),
    unplug: () => page.evaluate(() => /** @type {any} */ (globalThis).serialUnplug()),
    /** @param {boolean} fresh */
    plug: (fresh) => page.evaluate((f) => /** @type {any} */ (globalThis).serialPlug(f), fresh),
    /** @param {string | null} name  of the exception that open() throws from now on */
    refuse: (name) => page.evaluate((n) => { /** @type {any} */ (globalThis).serialRefusal = n; }, name),
  };
}
