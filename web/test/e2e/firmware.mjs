// @ts-check
// Firmware to flash: what the server has built, or small sound files of the same kinds made here.
import { createHash } from "node:crypto";

const APP = 0x10000;
/** name, type, subtype, offset, size: as firmware/image/partitions.csv has them. @type {[string, number, number, number, number][]} */
const PARTITIONS = [["nvs", 1, 2, 0x9000, 0x4000], ["otadata", 1, 0, 0xd000, 0x2000], ["phy_init", 1, 1, 0xf000, 0x1000], ["factory", 0, 0, APP, 0x100000], ["rvne", 1, 6, 0x110000, 0x40000], ["ota_0", 0, 16, 0x150000, 0x100000]];

/** An image of one segment: head, segment, checksum, SHA-256. @param {number} address @param {Buffer} segment */
function image(address, segment) {
  const head = Buffer.alloc(24);
  head.set([0xe9, 1, 2, 0x2f]);
  head.writeUInt32LE(address, 4);
  head.writeUInt16LE(9, 12);
  head[23] = 1;
  const size = Buffer.alloc(8);
  size.writeUInt32LE(address, 0);
  size.writeUInt32LE(segment.length, 4);
  const body = Buffer.concat([head, size, segment]);
  const padded = Buffer.concat([body, Buffer.alloc(15 - (body.length % 16)), Buffer.of(segment.reduce((sum, byte) => sum ^ byte, 0xef))]);
  return Buffer.concat([padded, createHash("sha256").update(padded).digest()]);
}

/** The application's description, 256 bytes, and something to write after it. @param {number} bytes */
function application(bytes) {
  const segment = Buffer.alloc(bytes);
  // Nothing that would pack to nothing: xorshift.
  for (let i = 256, x = 1; i < bytes; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    segment[i] = x;
  }
  segment.writeUInt32LE(0xabcd5432, 0);
  segment.write("0.1.0", 16);
  segment.write("csi-node", 48);
  createHash("sha256").update(segment).digest().copy(segment, 144);
  return image(0x3c000020, segment);
}

function table() {
  const rows = PARTITIONS.map(([label, type, subtype, offset, size]) => {
    const row = Buffer.alloc(32);
    row.set([0xaa, 0x50, type, subtype]);
    row.writeUInt32LE(offset, 4);
    row.writeUInt32LE(size, 8);
    row.write(label, 12);
    return row;
  });
  const digest = Buffer.alloc(32, 0xff);
  digest.set([0xeb, 0xeb]);
  createHash("md5").update(Buffer.concat(rows)).digest().copy(digest, 16);
  const all = Buffer.concat([...rows, digest]);
  return Buffer.concat([all, Buffer.alloc(0xc00 - all.length, 0xff)]);
}

/** Gives the page firmware that needs no compiler. @param {import("playwright-core").Page} page @param {{appBytes?: number}} [size] */
export async function serveMadeFirmware(page, { appBytes = 40_000 } = {}) {
  const files = [["bootloader.bin", 0, image(0x3fce2810, Buffer.alloc(4000, 0x5a))], ["partitions.bin", 0x8000, table()], ["app.bin", APP, application(appBytes)]];
  const parts = files.map(([file, offset, content]) => ({ file, offset, bytes: /** @type {Buffer} */ (content).length, sha256: createHash("sha256").update(/** @type {Buffer} */ (content)).digest("hex") }));
  const list = JSON.stringify({ chip: "esp32s3", version: "0.1.0", flash: { bytes: 4 << 20 }, parts });
  await page.route("**/firmware/*", (route) => {
    const name = new URL(route.request().url()).pathname.split("/").at(-1);
    const body = name === "manifest.json" ? list : files.find(([file]) => file === name)?.[2];
    return body === undefined ? route.fulfill({ status: 404 }) : route.fulfill({ body: /** @type {Buffer | string} */ (body) });
  });
}
