// @ts-check
// The first minute of a visitor without hardware, as far as these rooms reach.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { csi, CSI_BIN, edgesChanged, launch, picture, room, shown, slide, withPage } from "./page.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test("the first screen promises, names its source and offers Play", () => withPage(browser, async (page) => {
  assert.match(await page.locator("header.bar").innerText(), /Everything stays on this computer\. Nothing is uploaded\./);
  assert.equal(await page.locator("#bar-source").innerText(), "RECORDED");
  assert.match(await page.locator("#room-recording .intro").innerText(), /marcrubii\/pulse-wifi-sensing, licence MIT/);
  assert.equal(await page.locator("#play").innerText(), "Play");
  for (const badge of await page.locator(".plot .badge").allInnerTexts()) assert.match(badge, /^(RECORDED|SYNTHETIC)?$/);
  const rooms = await page.locator("#rail button").allInnerTexts();
  assert.deepEqual(rooms.map((text) => text.trim()), ["Recording", "Attention", "Model", "Device", "Log"]);
}));

test("Play moves the waterfall and the clock, Pause holds both", () => withPage(browser, async (page) => {
  await page.waitForFunction(() => /dBm|waterfall/i.test(document.querySelector(".plot canvas.under")?.getAttribute("aria-label") ?? ""));
  const still = await picture(page, "Waterfall");
  await page.locator("#line-track, .line-track").click({ position: { x: 300, y: 20 } });
  await page.locator("#play").click();
  const from = await page.locator("#time").innerText();
  await page.waitForTimeout(1500);
  assert.notEqual(await page.locator("#time").innerText(), from);
  assert.notEqual(await picture(page, "Waterfall"), still);
  await page.locator("#play").click();
  const held = await page.locator("#frame").innerText();
  await page.waitForTimeout(300);
  assert.equal(await page.locator("#frame").innerText(), held);
}));

test("replay runs in the recording's own time", () => withPage(browser, async (page) => {
  const seconds = async () => Number(await page.locator(".line-track").getAttribute("aria-valuenow"));
  await page.locator("#play").click();
  const [start, at] = [await seconds(), Date.now()];
  await page.waitForTimeout(2000);
  const [moved, passed] = [(await seconds()) - start, (Date.now() - at) / 1e3];
  assert.ok(Math.abs(moved - passed) < 0.4, `${moved} s of the recording in ${passed} s`);
}));

test("dragging the window changes error and edges, and a full pattern agrees with dense", () => withPage(browser, async (page) => {
  await page.locator(".line-track").click({ position: { x: 500, y: 20 } });
  await room(page, "Attention");
  await edgesChanged(page, -1);
  await slide(page, "slider-window", 8);
  await page.waitForTimeout(600);
  const [few, fewError] = [await shown(page, "edges-sparse"), await shown(page, "error-mean")];
  const map = await picture(page, "Sparse");
  await slide(page, "slider-window", 64);
  await page.waitForTimeout(600);
  const [many, manyError] = [await shown(page, "edges-sparse"), await shown(page, "error-mean")];
  assert.ok(many > few, `${few} edges become ${many}`);
  assert.ok(few > 0 && manyError !== fewError, `mean error ${fewError} becomes ${manyError}`);
  assert.notEqual(await picture(page, "Sparse"), map);
  assert.equal(await shown(page, "edges-dense"), (256 * 257) / 2);

  await slide(page, "slider-rows", 128);
  await slide(page, "slider-block", 128);
  await slide(page, "slider-window", 128);
  await page.waitForFunction(() => /The last row/.test(document.getElementById("saturated")?.textContent ?? ""));
  assert.match(await page.locator("#saturated").innerText(), /All rows but the last[\s\S]*The last row[\s\S]*counted twice/);
  assert.match(await page.locator("#trained-with").innerText(), /not trained/);
}));

test("the sweep fills, marks the setting and stops when the rows change", () => withPage(browser, async (page) => {
  await room(page, "Attention");
  await page.waitForFunction(() => /for [1-9]\d* of \d+ settings/.test([...document.querySelectorAll(".plot")].find((p) => p.querySelector("h3")?.textContent === "Error against edges")?.querySelector("canvas")?.getAttribute("aria-label") ?? ""), null, { timeout: 20_000 });
  await slide(page, "slider-rows", 64);
  await page.waitForTimeout(3000);
  await page.getByLabel("Table of Error against edges").click();
  const rows = await page.locator("dialog table tbody tr").count();
  assert.ok(rows >= 20, `${rows} settings`);
}));

test("a row of the map lists its edges by kind", () => withPage(browser, async (page) => {
  await page.locator(".line-track").click({ position: { x: 500, y: 20 } });
  await room(page, "Attention");
  await edgesChanged(page, -1);
  const map = page.locator(".maps .plot-hit").first();
  await map.focus();
  await map.press("ArrowUp");
  await page.waitForFunction(() => /Row \d+ of 256/.test(document.getElementById("side-attention")?.textContent ?? ""));
  const text = await page.locator("#side-attention").innerText();
  for (const kind of ["window", "landmark", "global"]) assert.match(text, new RegExp(`\\d+ ${kind}`));
  const box = await map.boundingBox();
  const row = Number(/Row (\d+) of/.exec(text)?.[1]);
  await map.press("ArrowUp");
  await page.waitForFunction((next) => document.getElementById("side-attention")?.textContent?.includes(`Row ${next} of`), row - 1);
  if (!box) assert.fail("the map has no place");
  await page.mouse.move(box.x + 40, box.y + 100);
  await page.waitForFunction((before) => {
    const shown = Number(/Row (\d+) of 256/.exec(document.getElementById("side-attention")?.textContent ?? "")?.[1]);
    return shown > 60 && shown < before - 50;
  }, row);
}));

test("made weights have 41,244 bytes and are what the command line writes", async (t) => {
  await withPage(browser, async (page) => {
    await room(page, "Model");
    await page.locator("#blob-new").click();
    await page.waitForFunction(() => document.getElementById("blob-bytes")?.textContent === "41,244 bytes");
    const waiting = page.waitForEvent("download");
    await page.locator("#blob-download").click();
    const file = await waiting;
    assert.match(file.suggestedFilename(), /\.rvne$/);
    const bytes = readFileSync(await file.path());
    assert.equal(bytes.length, 41_244);
    if (!CSI_BIN) return t.diagnostic("CSI_BIN is not set: bytes not compared with the command line");
    const folder = mkdtempSync(join(tmpdir(), "blob-"));
    try {
      csi("blob", "new", join(folder, "host.rvne"));
      assert.ok(bytes.equals(readFileSync(join(folder, "host.rvne"))), "page and command line write the same bytes");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("plots of random weights are called synthetic", () => withPage(browser, async (page) => {
  await room(page, "Model");
  await page.locator("#room-model .badge[data-source=SYNTHETIC]").nth(1).waitFor();
  await page.getByLabel("Table of Values").click();
  assert.match(await page.locator("dialog").innerText(), /Source: SYNTHETIC seed c5110007deadbeef/i);
}));

test("half precision shows its error and gives a smaller file", () => withPage(browser, async (page) => {
  await room(page, "Model");
  await page.locator("#blob-new").click();
  await page.locator("#to-f16").click();
  await page.waitForFunction(() => /f32 to f16: error max [^0]/.test(document.getElementById("convert-error")?.textContent ?? ""));
  await page.waitForFunction(() => /^2\d,\d{3} bytes/.test(document.getElementById("blob-bytes")?.textContent ?? ""));
}));

test("every plot hands out its numbers with the source on the first line", () => withPage(browser, async (page) => {
  await page.getByLabel("Table of Spectrum").click();
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as CSV" }).click();
  const lines = readFileSync(await (await waiting).path(), "utf8").split("\n");
  assert.match(lines[0], /^# source: RECORDED walking_esp32_107hz\.csv, Spectrum, amplitude \/ frame mean at 0\.000 s$/);
  assert.equal(lines[1], "subcarrier,amplitude,role");
  assert.ok(lines.length > 50);
}));

test("this browser computes the same bits", () => withPage(browser, async (page) => {
  await room(page, "Log");
  await page.locator("#self-test").click();
  await page.waitForFunction(() => /bit for bit|differ/.test(document.getElementById("self-test-result")?.textContent ?? ""), null, { timeout: 30_000 });
  assert.match(await page.locator("#self-test-result").innerText(), /^(\d+) of \1 outputs are identical, bit for bit\.$/);
}));

test("the problem report holds versions, hashes and the log, and no hardware address", () => withPage(browser, async (page) => {
  await room(page, "Log");
  await page.getByRole("button", { name: "Copy problem report" }).click();
  await page.locator(".notice", { hasText: "The problem report is copied" }).waitFor();
  const report = await page.evaluate(() => navigator.clipboard.readText());
  for (const part of [/^csi-lab \d/, /browser: .*Chrome/, /wasm: \d+ bytes, SHA-256 [0-9a-f]{64}/, /CRC-32 [0-9a-f]{8}/, /opened walking_esp32_107hz\.csv: 2,400 frames/]) assert.match(report, part);
  assert.doesNotMatch(report, /[0-9a-f]{2}(:[0-9a-f]{2}){5}/i);
}, { permissions: ["clipboard-read", "clipboard-write"] }));

test("the log can be filtered", () => withPage(browser, async (page) => {
  await room(page, "Log");
  await page.getByLabel("Filter the log").fill("opened");
  await page.waitForFunction(() => document.querySelectorAll(".log-lines li").length === 1);
  await page.getByLabel("Level").selectOption("error");
  await page.waitForFunction(() => document.querySelectorAll(".log-lines li").length === 0);
}));

test("every step of the features can be switched, and a misfit is said and not computed", () => withPage(browser, async (page) => {
  const bands = page.getByLabel("Bands (0: none)");
  await bands.focus();
  await bands.press("ArrowRight");
  await page.waitForFunction(() => /but the model takes 16/.test(document.getElementById("side-recording")?.textContent ?? ""));
  await room(page, "Attention");
  await page.locator(".room-lack", { hasText: "the model takes 16" }).waitFor();
  assert.equal(await page.locator(".maps").isVisible(), false);
  await room(page, "Recording");
  await bands.press("ArrowLeft");
  await page.getByLabel("Mean removal").selectOption("none");
  await page.waitForFunction(() => /16 features a row: the model takes 16/.test(document.getElementById("side-recording")?.textContent ?? ""));
  await room(page, "Attention");
  await edgesChanged(page, -1);
}));
