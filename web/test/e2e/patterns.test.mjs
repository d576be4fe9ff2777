// @ts-check
// The patterns as a user meets them: choose one, see how much closer it is to dense than upstream's
// edges on this recording, put it into a blob, and open that again.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { CSI_BIN, csi, drop, edgesChanged, FIXTURES, launch, picture, room, screenshot, shown, slide, withPage } from "./page.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Goes to the Attention room with the cursor inside the recording. @param {Page} page */
async function attention(page) {
  await page.locator(".line-track").click({ position: { x: 500, y: 20 } });
  await room(page, "Attention");
  await edgesChanged(page, -1);
  await finished(page);
}

/** Waits until dense attention belongs to the picture that is shown. @param {Page} page */
async function finished(page) {
  await page.waitForTimeout(100);
  await page.waitForFunction(() => !document.querySelector(".plot[data-old]") && document.getElementById("error-mean")?.textContent !== "", null, { timeout: 20_000 });
}

test("a pattern is chosen, and stands beside upstream's edges with both errors and edges", () => withPage(browser, async (page) => {
  await attention(page);
  await page.locator("#magnitude").selectOption("1");
  await finished(page);
  const upstream = { edges: await shown(page, "edges-sparse"), error: await shown(page, "error-mean") };
  assert.equal(await page.locator("#beside-upstream").isVisible(), false, "upstream's edges need no comparison with themselves");
  for (const [kind, own, not] of [["pyramid", "slider-perLevel", "slider-block"], ["salient", "slider-groups", "slider-perLevel"], ["ln", "slider-block", "slider-groups"]]) {
    const [before, map] = [await shown(page, "edges-sparse"), await picture(page, "Sparse")];
    await page.locator("#pattern-kind").selectOption(kind);
    if (kind !== "ln") await edgesChanged(page, before);
    await finished(page);
    assert.notEqual(await picture(page, "Sparse"), map, kind);
    assert.deepEqual([await shown(page, "edges-upstream"), await shown(page, "error-upstream")], [upstream.edges, upstream.error]);
    const [error, edges] = [await shown(page, "error-mean"), await shown(page, "edges-sparse")];
    assert.ok(error < upstream.error && edges <= upstream.edges, `${kind}: ${error} with ${edges} edges`);
    const times = Number(/^this ([\d.]+) × closer$/.exec(await page.locator("#times-closer").innerText())?.[1]);
    assert.ok(Math.abs(times / (upstream.error / error) - 1) < 0.02, `${times} times`);
    assert.deepEqual([await page.locator(`#${own}`).isVisible(), await page.locator(`#${not}`).isVisible()], [true, false], kind);
  }
  await page.locator("#pattern-kind").selectOption("upstream");
  await finished(page);
  assert.deepEqual([await shown(page, "edges-sparse"), await shown(page, "error-mean")], [upstream.edges, upstream.error]);
}));

test("more blocks of each size: more edges, less error; the sweep and the table are the pyramid's", () => withPage(browser, async (page) => {
  await attention(page);
  await page.locator("#magnitude").selectOption("1");
  await page.locator("#pattern-kind").selectOption("pyramid");
  await slide(page, "slider-perLevel", 1);
  await finished(page);
  const [few, far] = [await shown(page, "edges-sparse"), await shown(page, "error-mean")];
  await slide(page, "slider-perLevel", 8);
  await edgesChanged(page, few);
  await finished(page);
  assert.ok(await shown(page, "error-mean") < far && await shown(page, "edges-sparse") > few);
  await page.waitForFunction(() => /for 24 of 24 settings of window and blocks of each size/.test(document.querySelectorAll(".pair-row .plot")[1]?.querySelector("canvas")?.getAttribute("aria-label") ?? ""), null, { timeout: 20_000 });
  await page.getByLabel("Table of Error against edges").click();
  assert.deepEqual((await page.locator("dialog thead th").allInnerTexts()).slice(0, 2), ["window", "per_level"]);
  await page.keyboard.press("Escape");
  const map = page.locator(".maps .plot-hit").first();
  await map.focus();
  await map.press("ArrowUp");
  await page.waitForFunction(() => /\d+ block\)/.test(document.getElementById("side-attention")?.textContent ?? ""));
  await page.getByLabel("Table of Sparse").click();
  const rows = await page.locator("dialog tbody tr").evaluateAll((each) => each.map((tr) => [...tr.querySelectorAll("td")].map((td) => td.textContent)));
  assert.equal(rows.reduce((sum, row) => sum + Number(row[3]), 0), 256, "every row of the past is in one edge");
}));

test("a blob is made with the pyramid, saved, opened again, and the room starts from it", async (t) => {
  await withPage(browser, async (page) => {
    await room(page, "Model");
    await page.locator("#new-pattern").selectOption("pyramid");
    await page.locator("#new-window").fill("8");
    await page.locator("#new-perLevel").fill("3");
    await page.locator("#blob-new").click();
    await page.waitForFunction(() => document.getElementById("blob-pattern")?.textContent === "pyramid, window 8, 3 per level");
    const waiting = page.waitForEvent("download");
    await page.locator("#blob-download").click();
    const bytes = readFileSync(await (await waiting).path());
    await page.locator("#new-pattern").selectOption("upstream");
    await page.locator("#blob-new").click();
    await page.waitForFunction(() => document.getElementById("blob-pattern")?.textContent?.startsWith("upstream edges"));
    await attention(page);
    assert.equal(await page.locator("#pattern-kind").inputValue(), "upstream");
    await drop(page, [{ name: "pyramid.rvne", content: bytes }]);
    await page.waitForFunction(() => /** @type {HTMLSelectElement | null} */ (document.getElementById("pattern-kind"))?.value === "pyramid");
    assert.deepEqual([await page.locator("#slider-window").getAttribute("aria-valuetext"), await page.locator("#slider-perLevel").getAttribute("aria-valuetext")], ["8", "3"]);
    await room(page, "Model");
    assert.equal(await page.locator("#blob-pattern").innerText(), "pyramid, window 8, 3 per level");
    assert.match(await page.locator("#room-model").innerText(), /not trained/);
    if (!CSI_BIN) return t.diagnostic("CSI_BIN is not set: bytes not compared with the command line");
    const folder = mkdtempSync(join(tmpdir(), "blob-"));
    try {
      csi("blob", "new", "--pattern", "pyramid", "--window", "8", "--per-level", "3", join(folder, "host.rvne"));
      assert.ok(bytes.equals(readFileSync(join(folder, "host.rvne"))), "page and command line write the same bytes");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("4,096 rows: the pattern is there at once, dense attention follows, and the caption says what a pixel is", () => withPage(browser, async (page) => {
  // A long recording: the built-in one again and again, its clock going on.
  const lines = readFileSync(`${FIXTURES}walking_esp32_107hz.csv`, "utf8").trimEnd().split("\n");
  const [MICROS, SECONDS] = [18, 23];
  const [first, last] = [lines[0], lines[lines.length - 1]].map((line) => Number(line.split(",")[MICROS]));
  const later = (/** @type {string} */ line, /** @type {number} */ micros) => line.split(",").map((cell, i) =>
    (i === MICROS ? String(Number(cell) + micros) : i === SECONDS ? String(Number(cell) + micros / 1e6) : cell)).join(",");
  const content = Array.from({ length: 5 }, (_, k) => lines.map((line) => later(line, k * (last - first + 9000)))).flat().join("\n");
  await drop(page, [{ name: "long.csv", content }]);
  await page.waitForFunction(() => document.getElementById("bar-name")?.textContent === "long.csv", null, { timeout: 30_000 });
  await page.keyboard.press("End");
  await attention(page);
  await page.keyboard.press("End");
  await page.locator("#pattern-kind").selectOption("pyramid");
  await slide(page, "slider-rows", 4096);
  await page.waitForFunction(() => document.getElementById("edges-dense")?.textContent === "8,390,656", null, { timeout: 20_000 });
  await finished(page);
  assert.match(await page.locator(".map-caption").innerText(), /^One pixel stands for 8 × 8 weights: it shows the last of its 8 rows, and of that row's 8 columns the largest weight\.$/);
  assert.ok(await page.locator(".pair-row canvas.under").first().isVisible(), "the plots below keep their place");
  await screenshot(page, "attention-4096-1280-light");
  const { violations } = await new AxeBuilder({ page }).analyze();
  assert.deepEqual(violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => v.id), []);
}));

test("what a node does with a blob is chosen with it, and the Attention room says what rows as f16 cost", () => withPage(browser, async (page) => {
  await room(page, "Model");
  await page.locator("#new-window-len").fill("80");
  for (const choice of ["Rows as f16", "Classify by a step each frame", "Read the last frame only"]) await page.getByLabel(choice).check();
  await page.locator("#blob-new").click();
  await page.waitForFunction(() => /80 frames/.test(document.getElementById("blob-node")?.textContent ?? ""));
  assert.match(await page.locator("#blob-node").innerText(), /f16/);
  await attention(page);
  await page.locator("#f16-rows-error").waitFor({ state: "attached", timeout: 20_000 });
  const moved = await shown(page, "f16-rows-error");
  assert.ok(moved > 0 && moved < 1e-3, `a logit moves by ${moved}`);
}));
