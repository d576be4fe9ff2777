// @ts-check
// Training: label, train on the built-in example, download, replay, use it on the simulated board.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { serveMadeFirmware } from "./firmware.mjs";
import { CSI_BIN, csi, launch, room, screenshot, withPage } from "./page.mjs";

const EXAMPLE = fileURLToPath(new URL("../../../fixtures/training/", import.meta.url));

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** @typedef {import("playwright-core").Page} Page */
/** @param {Page} page */
const errors = (page) => page.locator(".notice[data-level=error]").allInnerTexts();
/** @param {Page} page */
async function trainView(page) {
  await room(page, "Model");
  await page.getByRole("button", { name: "Train", exact: true }).first().click();
}
/** @param {Page} page @param {{name: string, content: Buffer}[]} files */
async function add(page, files) {
  const chooser = page.waitForEvent("filechooser");
  await page.locator("#train-add").click();
  await (await chooser).setFiles(files.map(({ name, content }) => ({ name, mimeType: "text/csv", buffer: content })));
}
const recording = (/** @type {string} */ name) => ({ name: `${name}.csv`, content: readFileSync(`${EXAMPLE}${name}.csv`) });

test("a visitor trains on the built-in example, downloads it, replays it and runs it on the simulated board", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page);
  await trainView(page);
  const started = Date.now();
  await page.locator("#train-example").click();
  await page.locator("#train-pause").waitFor();
  // The rooms stay alive meanwhile.
  await page.locator("#play").click();
  await page.waitForFunction(() => Number(document.querySelector(".line-track")?.getAttribute("aria-valuenow")) > 0);
  await page.locator("#play").click();
  await page.locator("#train-result").waitFor({ timeout: 120_000 });
  console.log(`trained in ${((Date.now() - started) / 1e3).toFixed(1)} s`);
  await page.waitForFunction(() => /%/.test(document.getElementById("train-classical")?.textContent ?? ""), null, { timeout: 60_000 });
  assert.ok(parseFloat(await page.locator("#train-accuracy").innerText()) >= 90);
  await screenshot(page, "train-result");
  const download = page.waitForEvent("download");
  await page.locator("#train-download").click();
  const file = await (await download).path();
  const bytes = readFileSync(file);
  assert.equal(bytes.subarray(0, 4).toString(), "ENVR");
  if (CSI_BIN) {
    const paths = (/** @type {number[]} */ ...numbers) => ["empty", "walking"].flatMap((name) => numbers.map((n) => `${EXAMPLE}${name}_0${n}.csv`));
    const out = `${file}.csi.rvne`;
    csi("train", "--train", ...paths(2, 3), "--test", ...paths(4), "--out", out);
    assert.ok(readFileSync(out).equals(bytes), "the page's file is that of csi train, byte by byte");
  }
  await page.locator("#train-use").click();
  await page.locator("#side-recording .bar-line", { hasText: "walking" }).waitFor();
  await room(page, "Model");
  await page.getByRole("button", { name: "Weights", exact: true }).click();
  assert.match(await page.locator("#blob-bytes").innerText(), new RegExp(bytes.length.toString().replace(/\B(?=(\d{3})+$)/g, ",")));
  assert.match(await page.locator("#room-model").innerText(), /empty, walking/);
  const crc = (await page.locator("#blob-crc").innerText()).slice(0, 8);
  // The simulated board runs the same file and says the classes' names.
  await room(page, "Device");
  await page.getByLabel("Start with an empty flash").uncheck();
  await page.locator("#board-simulate").click();
  await page.locator("#board-says", { hasText: /^The lab's own node answers/ }).waitFor({ timeout: 20_000 });
  await page.locator("#plan-write:enabled").click();
  await page.locator("#board-card code", { hasText: crc }).waitFor({ timeout: 20_000 });
  await page.locator("#tab-parity").click();
  await page.locator("#parity-start").click();
  await page.locator("#parity-result", { hasText: "identical, bit for bit" }).waitFor({ timeout: 30_000 });
  await page.locator("#tab-live").click();
  await page.locator("#panel-live .live-now", { hasText: /^(empty|walking), at/ }).waitFor();
  await screenshot(page, "train-live");
  assert.deepEqual(await errors(page), []);
}));

test("recordings are split by recording, and what forbids training is said with what to do", () => withPage(browser, async (page) => {
  await trainView(page);
  await add(page, [recording("walking_02"), recording("walking_03")]);
  await page.locator('#room-model [data-code="dataset/one-class"]').waitFor();
  assert.ok(await page.locator("#train-go").isDisabled());
  await add(page, [recording("empty_02"), recording("empty_03")]);
  await page.waitForFunction(() => !(/** @type {HTMLButtonElement} */ (document.getElementById("train-go"))).disabled);
  const parts = await page.locator("#room-model select[id^=train-part-]").evaluateAll((all) => all.map((each) => /** @type {HTMLSelectElement} */ (each).value));
  assert.deepEqual(parts, ["train", "test", "train", "test"]);
  await page.locator("#train-part-3").selectOption("none");
  await page.locator('#room-model [data-code="dataset/untested-class"]').waitFor();
  // The same frames on both sides are refused under whatever name.
  await add(page, [{ ...recording("empty_02"), name: "empty_copy.csv" }]);
  await page.locator("#train-part-4").selectOption("test");
  await page.locator('#room-model [data-code="dataset/copies"]').waitFor();
  assert.ok(await page.locator("#train-go").isDisabled());
  assert.deepEqual(await errors(page), []);
}));

test("training pauses, goes on and is kept when stopped; a random split is shown to be distrusted", () => withPage(browser, async (page) => {
  await trainView(page);
  await add(page, ["empty_02", "empty_03", "walking_02", "walking_03"].map(recording));
  await page.locator("#train-size").selectOption("small");
  await page.getByText("More settings").click();
  await page.locator("#train-epochs").fill("400");
  await page.locator("#train-epochs").press("Enter");
  await page.locator("#train-go").click();
  await page.waitForFunction(() => /^epoch [1-9]/.test(document.getElementById("train-said")?.textContent ?? ""), null, { timeout: 60_000 });
  await page.locator("#train-pause").click();
  await page.waitForTimeout(500); // the slice under way ends
  const said = await page.locator("#train-said").innerText();
  assert.match(said, /^paused/);
  await page.waitForTimeout(500);
  assert.equal(await page.locator("#train-said").innerText(), said);
  await page.locator("#train-pause").click();
  await page.waitForFunction((before) => (document.getElementById("train-said")?.textContent ?? "") !== before, said);
  await page.locator("#train-stop").click();
  await page.getByText("stopped early").waitFor({ timeout: 60_000 });
  await page.locator("#train-epochs").fill("3");
  await page.locator("#train-random").check();
  await page.locator("#train-random-warning").waitFor();
  await page.locator("#train-go").click();
  await page.locator("#train-random-accuracy").waitFor({ timeout: 60_000 });
  assert.deepEqual(await errors(page), []);
}));

for (const [name, options] of /** @type {const} */ ([
  ["1280-light", { colorScheme: "light" }],
  ["390-dark", { colorScheme: "dark", viewport: { width: 390, height: 844 }, hasTouch: true }],
])) {
  test(`the Train view at ${name}: pictures, nothing cut, no serious accessibility fault`, () => withPage(browser, async (page) => {
    await trainView(page);
    await page.locator("#train-example").click();
    await page.locator("#train-result").waitFor({ timeout: 120_000 });
    await page.waitForFunction(() => /%/.test(document.getElementById("train-classical")?.textContent ?? ""), null, { timeout: 60_000 });
    await page.waitForTimeout(300);
    await screenshot(page, `train-${name}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1), false);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
    assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 140)).join(" | ")}`), []);
    await page.locator("#train-confusion").scrollIntoViewIfNeeded();
    await screenshot(page, `train-${name}-result`);
  }, options));
}
