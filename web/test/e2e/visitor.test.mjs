// @ts-check
// What a visitor does who tries everything: changes recordings under a moving cursor, reads weights
// and settings off the plots, runs into what does not fit, and turns the tablet.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { FIXTURES, choose, edgesChanged, launch, opened, room, shown, slide, withPage } from "./page.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** @param {Page} page */
const errors = (page) => page.locator(".notice[data-level=error]").allInnerTexts();
/** @param {Page} page @param {number} index */
async function stream(page, index) {
  await page.getByLabel("Stream", { exact: true }).selectOption({ index });
  await page.waitForTimeout(250);
}

test("a shorter recording or stream opened with the cursor at the end is no error", () => withPage(browser, async (page) => {
  for (const name of readdirSync(FIXTURES).sort()) {
    await page.keyboard.press("End");
    await choose(page, FIXTURES + name);
    await opened(page, name);
    await page.waitForTimeout(150);
    assert.match(await page.locator("#frame").innerText(), /^frame 1 of /, name);
    assert.deepEqual(await errors(page), [], name);
  }
  await choose(page, `${FIXTURES}ruview_packets.pcap`);
  await opened(page, "ruview_packets.pcap");
  const count = await page.getByLabel("Stream", { exact: true }).locator("option").count();
  for (let i = 0; i < count; i++) {
    await stream(page, i);
    await page.keyboard.press("End");
  }
  assert.deepEqual(await errors(page), []);
}));

test("order and mask chosen by hand do not outlast their stream", () => withPage(browser, async (page) => {
  await choose(page, `${FIXTURES}ruview_packets.pcap`);
  await opened(page, "ruview_packets.pcap");
  await page.getByLabel("Subcarrier order").selectOption("centred");
  await page.locator(".sub-strip [role=slider]").press("Enter");
  await page.getByText("Mask: automatic").waitFor();
  await stream(page, 1);
  assert.equal(await page.getByLabel("Subcarrier order").inputValue(), "auto");
  assert.equal(await page.getByText("Mask: automatic").isVisible(), false);
}));

test("Space plays the file that was opened by the button", () => withPage(browser, async (page) => {
  await choose(page, `${FIXTURES}geotec_labelled_amplitudes.csv`);
  await opened(page, "geotec_labelled_amplitudes.csv");
  await page.waitForFunction(() => document.activeElement?.classList.contains("line-track"));
  await page.keyboard.press("Space");
  await page.waitForFunction(() => Number(document.querySelector(".line-track")?.getAttribute("aria-valuenow")) > 0);
}));

test("the node's features are called features, and the room offers weights that fit them", () => withPage(browser, async (page) => {
  await choose(page, `${FIXTURES}ruview_packets.pcap`);
  await opened(page, "ruview_packets.pcap");
  const names = await page.getByLabel("Stream", { exact: true }).locator("option").allInnerTexts();
  await stream(page, names.findIndex((name) => name.includes("feature state")));
  const text = await page.locator("#room-recording").innerText();
  assert.match(text, /9 of 9 used · chosen: feature \d/);
  assert.doesNotMatch(text, /Waterfall|Subcarriers|Gain out/);
  await room(page, "Attention");
  await page.getByText("Each row has 9 features, but the model takes 16.").waitFor();
  assert.equal(await page.locator(".maps").isVisible(), false, "no picture of what is no more");
  await page.getByRole("button", { name: "Make weights for 9 features" }).click();
  await page.locator(".maps").waitFor();
  await edgesChanged(page, -1);
  assert.deepEqual(await errors(page), []);
}));

test("pointing at a map says the weight there, and a click on the sweep takes its setting", () => withPage(browser, async (page) => {
  await room(page, "Attention");
  await edgesChanged(page, -1);
  const map = page.locator(".maps .plot-hit").first();
  await map.focus();
  const box = await map.boundingBox();
  assert.ok(box);
  const { n, row } = { n: 256, row: 200 };
  // A row looks at itself, within the window.
  await page.mouse.move(box.x + ((row + 0.5) / n) * box.width, box.y + ((row + 0.5) / n) * box.height);
  const notes = page.locator(".maps .note");
  await page.waitForFunction((start) => document.querySelector(".maps .note")?.textContent?.startsWith(start), `${row}→${row}: `);
  const [sparse, dense, difference] = (await notes.allInnerTexts()).map((text) => Number(text.split(": ").at(-1)?.replace(/−/g, "-")));
  const edges = await page.locator("#side-attention table tbody tr").evaluateAll((rows) => rows.map((each) => [...each.querySelectorAll("td")].map((cell) => cell.textContent)));
  const own = edges.find(([kind, rows]) => kind === "window" && rows === String(row));
  assert.deepEqual([Number(own?.[2]), Number(own?.[3])], [sparse, dense]);
  assert.ok(Math.abs(dense - sparse - difference) < 1e-4 && sparse > dense);
  // Focus moved nothing inside the plot: the cells still lie where their axes are.
  const scrolled = await page.locator(".maps .plot-body").evaluateAll((bodies) => bodies.map((body) => body.scrollTop));
  assert.deepEqual(scrolled, [0, 0, 0]);
  // Rows become fewer than the row that is pointed at.
  await slide(page, "slider-rows", 64);
  await edgesChanged(page, 9426);
  assert.deepEqual(await errors(page), []);
  await slide(page, "slider-rows", 256);

  const sweep = page.locator(".pair-row .plot").nth(1);
  await page.waitForFunction(() => /of 24/.test(document.querySelectorAll(".pair-row .plot")[1]?.querySelector("canvas")?.getAttribute("aria-label") ?? "") && !document.querySelector(".plot[data-busy]"), null, { timeout: 20_000 });
  const canvas = await sweep.locator("canvas.under").boundingBox();
  assert.ok(canvas);
  let found = "";
  for (let x = 60; x < canvas.width && !found; x += 10) {
    for (let y = 8; y < canvas.height - 20 && !found; y += 12) {
      await page.mouse.move(canvas.x + x, canvas.y + y);
      found = await sweep.locator(".note").innerText();
      if (found) await page.mouse.click(canvas.x + x, canvas.y + y);
    }
  }
  const [, window, block] = /^(\d+) × (\d+): /.exec(found) ?? [];
  assert.ok(window, found);
  await page.waitForFunction((w) => document.getElementById("slider-window")?.getAttribute("aria-valuetext") === w, window);
  assert.equal(await page.locator("#slider-block").getAttribute("aria-valuetext"), block);
}));

test("the saturated check can be reached by its button", () => withPage(browser, async (page) => {
  await room(page, "Attention");
  await edgesChanged(page, -1);
  await page.getByRole("button", { name: "Set rows, window and block to 128" }).click();
  await page.getByText("Passes: every difference is under 1e−4.").waitFor();
  assert.equal(await shown(page, "edges-dense"), (128 * 129) / 2);
}));

test("tablet: titles, badges and plots stay inside their frames, with the inspector open and folded", () => withPage(browser, async (page) => {
  for (const name of /** @type {const} */ (["Recording", "Attention", "Model"])) {
    await room(page, name);
    if (name === "Attention") await edgesChanged(page, -1);
    for (const fold of [false, true]) {
      await page.waitForTimeout(400);
      const cut = await page.evaluate(() => [...document.querySelectorAll(".plot")].filter((plot) => plot.checkVisibility()).flatMap((plot) => {
        const frame = plot.getBoundingClientRect();
        const roomBox = document.getElementById("rooms")?.getBoundingClientRect() ?? frame;
        const out = [...plot.querySelectorAll("figcaption > *")].filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > frame.right + 1).map((each) => each.textContent);
        const title = plot.querySelector("h3");
        if (frame.right > roomBox.right + 1) out.push("wider than the room");
        if (title && title.scrollWidth > title.clientWidth + 1) out.push(`${title.textContent} is cut`);
        return out;
      }));
      assert.deepEqual(cut, [], `${name}, ${fold ? "folded" : "open"}`);
      await page.locator("#bar-side").click();
    }
  }
}, { viewport: { width: 820, height: 1180 }, colorScheme: "dark", deviceScaleFactor: 2 }));

test("phone: the sheet leaves the map in sight and has a button that closes it", () => withPage(browser, async (page) => {
  await room(page, "Attention");
  await edgesChanged(page, -1);
  await page.locator("#bar-side").click();
  const map = await page.locator(".maps .plot-body").first().boundingBox();
  const sheet = await page.locator("#side").boundingBox();
  assert.ok(map && sheet && sheet.y - map.y > 200, "most of the map is above the sheet");
  await page.getByLabel("Close the inspector").click();
  await page.waitForFunction(() => document.activeElement?.id === "bar-side");
  assert.equal(await page.locator("#bar-side").getAttribute("aria-expanded"), "false");
}, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }));
