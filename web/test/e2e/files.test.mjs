// @ts-check
// Files from outside: every committed recording opens, every bad one is told apart, nothing is lost.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { choose, csi, CSI_BIN, drop, errorNotice, FIXTURES, launch, opened, room, withPage } from "./page.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {string} */
let folder;
before(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), "lab-files-"));
});
after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

const WALKING = readFileSync(join(FIXTURES, "walking_esp32_107hz.csv"));
const WALKING_LINES = WALKING.toString("utf8").split(/\r?\n/);
/** Returns the frames that the page says it shows. @param {import("playwright-core").Page} page */
const frames = async (page) => Number(/of ([\d,]+)/.exec(await page.locator("#frame").innerText())?.[1].replaceAll(",", ""));
/** The first lines of the real recording, with some changed. @param {number} count @param {(line: string, index: number) => string} [change] */
const someLines = (count, change = (line) => line) => WALKING_LINES.slice(0, count).map(change);

const recordings = existsSync(FIXTURES) ? readdirSync(FIXTURES).filter((name) => /\.(csv|jsonl|bin|pcap|dat|txt)$/.test(name)) : [];
test("there are committed recordings", () => assert.ok(recordings.includes("walking_esp32_107hz.csv")));

for (const name of recordings) {
  test(`opens ${name} with the frames that the command line counts`, async (t) => {
    if (!CSI_BIN) return t.skip("CSI_BIN is not set");
    /** @type {{frames: number, streams: {frames: number}[]}} */
    let report;
    try {
      report = JSON.parse(csi("doctor", join(FIXTURES, name), "--json"));
    } catch {
      // The command line refuses it: so must the page, and keep what it had.
      return withPage(browser, async (page) => {
        await choose(page, join(FIXTURES, name));
        await errorNotice(page, /^recording\//);
        await opened(page, "walking_esp32_107hz.csv");
      });
    }
    await withPage(browser, async (page) => {
      await choose(page, join(FIXTURES, name));
      await opened(page, name);
      await page.waitForFunction((count) => [...document.querySelectorAll("#side-recording dl.facts dt")].some((dt) => dt.textContent === "Frames read" && dt.nextElementSibling?.textContent?.replaceAll(",", "") === String(count)), report.frames);
      const most = Math.max(...report.streams.map((s) => s.frames));
      assert.equal(await frames(page), most, "the stream with most frames is shown");
    });
  });
}

test("a file that cannot be used says why in its own sentence, and the old recording stays", () => withPage(browser, async (page) => {
  const before = await frames(page);
  const sparse = join(folder, "two-gigabytes.csv");
  execFileSync("truncate", ["-s", "2G", sparse]);
  const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 0xff));
  const png = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), noise.subarray(0, 5000)]);
  writeFileSync(join(folder, "empty.csv"), "");
  writeFileSync(join(folder, "photo.png"), png);
  writeFileSync(join(folder, "noise.bin"), noise);
  copyFileSync(join(FIXTURES, "../bad/header_only.csv"), join(folder, "header.csv"));
  writeFileSync(join(folder, "long-line.csv"), "7".repeat(10_000_000));
  /** @type {Map<string, string>} */
  const sentences = new Map();
  for (const name of ["empty.csv", "photo.png", "noise.bin", "header.csv", "long-line.csv", "two-gigabytes.csv"]) {
    await choose(page, join(folder, name));
    const text = await errorNotice(page, /^recording\//);
    assert.match(text, new RegExp(name.replace(".", "\\.")), "names the file");
    assert.ok(text.split("\n").filter((line) => line.trim()).length >= 4, `four lines: ${text}`);
    sentences.set(name, text.split("\n")[0].replace(name, ""));
    assert.equal(await page.locator("#bar-name").innerText(), "walking_esp32_107hz.csv");
    assert.equal(await frames(page), before);
  }
  assert.equal(new Set(sentences.values()).size, sentences.size, `each its own: ${[...sentences].join("\n")}`);
  // The page still works.
  await page.locator("#play").click();
  await page.locator("#play").click();
}));

/** Damaged files of which the good frames are shown. The number of lines that are spoilt is exact. */
const DAMAGED = /** @type {[string, () => string | Buffer, number][]} */ ([
  ["cut.csv", () => { const text = someLines(100).join("\n"); return text.slice(0, text.length - 150); }, 99],
  ["nan.csv", () => someLines(100, (line, i) => (i === 50 ? line.replace(/\[(-?\d+) /, "[NaN ") : line)).join("\n") + "\n", 99],
  ["beyond-i8.csv", () => someLines(100, (line, i) => (i === 50 ? line.replace(/\[(-?\d+) /, "[999 ") : line)).join("\n") + "\n", 99],
  ["ten-megabyte-line.csv", () => [...someLines(50), "CSI_DATA,".padEnd(10_000_000, "9"), ...WALKING_LINES.slice(50, 100)].join("\n") + "\n", 100],
  ["mixed-ends.csv", () => someLines(100).map((line, i) => line + (i % 2 ? "\r\n" : "\n")).join(""), 100],
  ["bom.csv", () => `\ufeff${someLines(100).join("\n")}\n`, 100],
]);
for (const [name, make, good] of DAMAGED) {
  test(`${name}: the good frames are shown`, () => withPage(browser, async (page) => {
    await drop(page, [{ name, content: make() }]);
    await opened(page, name);
    assert.equal(await frames(page), good);
    const doctor = await page.locator("#side-recording").innerText();
    if (good < 100 || name.startsWith("ten")) assert.match(doctor, /Skipped\s+1\b/, doctor);
    else assert.match(doctor, /Skipped\s+none/);
  }));
}

test("bad weights are refused with the exact reason and the old ones stay", () => withPage(browser, async (page) => {
  await room(page, "Model");
  await page.locator("#blob-new").click();
  const waiting = page.waitForEvent("download");
  await page.locator("#blob-download").click();
  const good = readFileSync(await (await waiting).path());
  const crc = await page.locator("#blob-crc").innerText();
  /** @param {(bytes: Buffer) => Buffer | void} change */
  const spoilt = (change) => { const copy = Buffer.from(good); return change(copy) ?? copy; };
  const cases = /** @type {[string, Buffer][]} */ ([
    ["rvne/magic", spoilt((b) => { b.write("NOPE", 0, "latin1"); })],
    ["rvne/magic-big-endian", spoilt((b) => { b.write("RVNE", 0, "latin1"); })],
    ["rvne/version", spoilt((b) => { b.writeUInt16LE(9, 4); })],
    ["rvne/crc", spoilt((b) => { b[5000] ^= 1; })],
    ["rvne/length", spoilt((b) => b.subarray(0, 30_000))],
    ["rvne/too-short", spoilt((b) => b.subarray(0, 10))],
  ]);
  for (const [code, content] of cases) {
    await drop(page, [{ name: "bad.rvne", content }]);
    const text = await errorNotice(page, code);
    assert.match(text, /bad\.rvne/);
    assert.equal(await page.locator("#blob-crc").innerText(), crc);
  }
}));

test("a large file shows progress and Cancel keeps the old recording", async () => {
  // Reading runs at some 100 MB/s: this lasts long enough for a hand to reach the button.
  const big = join(folder, "big.csv");
  const block = `${WALKING_LINES.slice(0, 1000).filter(Boolean).join("\n")}\n`;
  writeFileSync(big, `${block.repeat(Math.ceil(160e6 / block.length))}`);
  await withPage(browser, async (page) => {
    await choose(page, big);
    await page.locator("#open-cancel").waitFor();
    await page.waitForFunction(() => /MB of .* MB\/s .* left/.test(document.querySelector(".notice progress + p")?.textContent ?? ""));
    await page.locator("#open-cancel").click();
    await page.locator("#open-cancel").waitFor({ state: "detached" });
    assert.equal(await page.locator("#bar-name").innerText(), "walking_esp32_107hz.csv");
    await room(page, "Log");
    assert.match(await page.locator(".log-lines").innerText(), /opening big\.csv was cancelled/);
  });
});

test("a recording and weights dropped together both open, a side file is left out politely", () => withPage(browser, async (page) => {
  await room(page, "Model");
  const waiting = page.waitForEvent("download");
  await page.locator("#blob-download").click();
  const blob = readFileSync(await (await waiting).path());
  const data = await page.evaluateHandle(([text, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([/** @type {string} */ (text)], "few.csv"));
    transfer.items.add(new File([new Uint8Array(/** @type {number[]} */ (bytes))], "mine.rvne"));
    transfer.items.add(new File(["{}"], "few.csi.meta.json"));
    return transfer;
  }, /** @type {[string, number[]]} */ ([`${someLines(51).join("\n")}\n`, [...blob]]));
  await page.dispatchEvent("body", "dragenter", { dataTransfer: data });
  await page.locator("#drop").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
  await opened(page, "few.csv");
  await page.locator(".notice", { hasText: "few.csi.meta.json was not opened" }).waitFor();
  await room(page, "Model");
  assert.match(await page.locator("#room-model .blob-title").innerText(), /mine/);
}));
