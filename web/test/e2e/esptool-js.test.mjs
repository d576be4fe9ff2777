// @ts-check
// Espressif's esptool-js, in Chromium, on the simulated board: an opinion from outside on what
// csi_lab::sim answers. `csi board` serves the board; its lines come over RFC 2217.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CSI_BIN, LAB_URL, launch } from "./page.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const BUNDLE = fileURLToPath(new URL("../../node_modules/esptool-js/bundle.js", import.meta.url));
const BLOB = fileURLToPath(new URL("../../../fixtures/models/aether_seeded.rvne", import.meta.url));

/** Starts a board. @param {string[]} args */
async function serve(args) {
  const child = spawn(String(CSI_BIN), ["board", "--rfc2217", "0", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const log = { text: "" };
  child.stderr.on("data", (bytes) => { log.text += bytes; });
  const [first] = await once(child.stdout, "data");
  return { child, log, port: Number(String(first).trim().split(":").pop()) };
}

/** What a telnet line with RFC 2217 carries of a board, without the answers to settings. */
class Telnet {
  /** @param {number} port @param {(bytes: Buffer) => void} take */
  constructor(port, take) {
    this.socket = connect(port, "127.0.0.1").setNoDelay(true);
    this.state = 0; // 0 bytes, 1 after IAC, 2 in a setting, 3 after IAC in a setting
    this.socket.on("data", (bytes) => {
      const data = [];
      for (const byte of bytes) {
        if (this.state === 0 && byte !== 0xff) data.push(byte);
        else if (this.state === 1 && byte === 0xff) { data.push(byte); this.state = 0; }
        else this.state = [1, byte === 0xfa ? 2 : 0, byte === 0xff ? 3 : 2, byte === 0xf0 ? 0 : 2][this.state];
      }
      if (data.length > 0) take(Buffer.from(data));
    });
  }

  /** @param {Buffer} bytes */
  write(bytes) {
    const at = bytes.indexOf(0xff);
    this.socket.write(at < 0 ? bytes : Buffer.from([...bytes].flatMap((byte) => (byte === 0xff ? [byte, byte] : [byte]))));
  }

  /** @param {number} command @param {number[]} value */
  set(command, value) { this.socket.write(Buffer.from([0xff, 0xfa, 44, command, ...value, 0xff, 0xf0])); }
}

/** Defines `window.port`, a SerialPort on the other side of the test. @param {{usbVendorId: number, usbProductId: number}} info */
function definePort(info) {
  const outside = /** @type {any} */ (window);
  const text = (/** @type {Uint8Array} */ bytes) => btoa(String.fromCharCode(...bytes));
  class Port extends EventTarget {
    /** @type {ReadableStream<Uint8Array> | null} */ readable = null;
    /** @type {WritableStream<Uint8Array> | null} */ writable = null;
    /** @param {{baudRate: number}} options */
    async open({ baudRate }) {
      await outside.portBaud(baudRate);
      this.readable = new ReadableStream({ start: (controller) => { outside.take = (/** @type {string} */ base64) => controller.enqueue(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))); } });
      this.writable = new WritableStream({ write: (bytes) => outside.portWrite(text(bytes)) });
    }
    async close() { this.readable = this.writable = outside.take = null; }
    /** @param {{dataTerminalReady?: boolean, requestToSend?: boolean}} signals */
    async setSignals(signals) { await outside.portSignals(signals); }
    async getSignals() { return { dataCarrierDetect: false, clearToSend: false, ringIndicator: false, dataSetReady: false }; }
    getInfo() { return info; }
  }
  outside.port = new Port();
}

test("esptool-js finds, writes and verifies the simulated board", { timeout: 60_000 }, async (t) => {
  if (!CSI_BIN) return t.skip("CSI_BIN is not set");
  const folder = mkdtempSync(join(tmpdir(), "csi-lab-"));
  const file = join(folder, "flash.bin");
  const board = await serve(["--cable", "usb", "--flash-file", file]);
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.route("**/esptool-js-test/", (route) => route.fulfill({ contentType: "text/html", body: "<title>esptool-js</title>" }));
    await page.route("**/esptool-js-test/bundle.mjs", (route) => route.fulfill({ contentType: "text/javascript", body: readFileSync(BUNDLE, "utf8") }));
    let arrived = Buffer.alloc(0);
    let sending = Promise.resolve();
    const telnet = new Telnet(board.port, (bytes) => {
      arrived = Buffer.concat([arrived, bytes]);
      sending = sending.then(async () => {
        const base64 = arrived.toString("base64");
        arrived = Buffer.alloc(0);
        if (base64) await page.evaluate((text) => /** @type {any} */ (window).take?.(text), base64);
      }).catch(() => {});
    });
    await once(telnet.socket, "connect");
    await page.exposeFunction("portWrite", (/** @type {string} */ base64) => telnet.write(Buffer.from(base64, "base64")));
    await page.exposeFunction("portBaud", (/** @type {number} */ baud) => telnet.set(1, [baud >>> 24, (baud >>> 16) & 255, (baud >>> 8) & 255, baud & 255]));
    await page.exposeFunction("portSignals", (/** @type {{dataTerminalReady?: boolean, requestToSend?: boolean}} */ { dataTerminalReady: dtr, requestToSend: rts }) => {
      if (dtr !== undefined) telnet.set(5, [dtr ? 8 : 9]);
      if (rts !== undefined) telnet.set(5, [rts ? 11 : 12]);
    });
    await page.goto(`${LAB_URL}/esptool-js-test/`);
    await page.evaluate(definePort, { usbVendorId: 0x303a, usbProductId: 0x1001 });

    // As long as esptool-js needs it: a multiple of four.
    const blob = readFileSync(BLOB);
    const noise = Buffer.alloc(20_000);
    for (let index = 0, state = 1; index < noise.length; index++) { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; noise[index] = state >>> 24; }
    assert.equal(blob.length % 4, 0);
    const files = [
      { address: 0x10000, bytes: noise, compress: true },
      { address: 0x110000, bytes: blob, compress: true },
      { address: 0x30000, bytes: noise.subarray(0, 5000), compress: false },
    ];
    const told = await page.evaluate(async (files) => {
      const url = "/esptool-js-test/bundle.mjs";
      const { ESPLoader, Transport } = await import(url);
      const said = /** @type {string[]} */ ([]);
      const terminal = { clean() {}, write: (/** @type {string} */ text) => said.push(text), writeLine: (/** @type {string} */ text) => said.push(text) };
      const transport = new Transport(/** @type {any} */ (window).port);
      const loader = new ESPLoader({ transport, baudrate: 921600, terminal });
      const chip = await loader.main();
      const flash = await loader.detectFlashSize();
      const asked = /** @type {number[]} */ ([]);
      for (const compress of [true, false]) {
        await loader.writeFlash({
          fileArray: files.filter((file) => file.compress === compress).map(({ address, base64 }) => ({ address, data: Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)) })),
          flashMode: "keep", flashFreq: "keep", flashSize: "keep", eraseAll: false, compress,
          calculateMD5Hash: (/** @type {Uint8Array} */ image) => {
            asked.push(image.length);
            return files.find(({ length }) => length === image.length)?.md5 ?? "none";
          },
        });
      }
      const read = await loader.readFlash(0x110000, 4096);
      await loader.after("hard_reset");
      return { chip, flash, asked, said: said.join("\n"), read: btoa(String.fromCharCode(...read)) };
    }, files.map(({ address, bytes, compress }) => ({ address, compress, length: bytes.length, md5: createHash("md5").update(bytes).digest("hex"), base64: bytes.toString("base64") })));

    assert.match(told.chip, /ESP32-S3/);
    assert.equal(told.flash, "8MB");
    assert.deepEqual(told.asked, [noise.length, blob.length, 5000], "all were verified by MD5");
    assert.match(told.said, /Running stub/);
    assert.deepEqual(Buffer.from(told.read, "base64"), blob.subarray(0, 4096), "read back by the stub");
    assert.match(board.log.text, /starts into the loader: Usb/);
    const exit = once(board.child, "exit");
    board.child.stdin.write("quit\n");
    await exit;
    const flash = readFileSync(file);
    for (const { address, bytes } of files) assert.deepEqual(flash.subarray(address, address + bytes.length), bytes);
    telnet.socket.destroy();
  } finally {
    board.child.kill();
    await context.close();
    rmSync(folder, { recursive: true });
  }
});
