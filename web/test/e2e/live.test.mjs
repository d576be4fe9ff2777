// @ts-check
// A board's lines, made here, become a live recording: followed, scrubbed, labelled, saved, reopened.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { choose, FIXTURES, launch, LAB_URL, opened, room, screenshot, withPage } from "./page.mjs";
import { injectSerial } from "./serial.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

const MAIN = `${LAB_URL}/src/main.js`;
const REAL = readFileSync(join(FIXTURES, "walking_esp32_107hz.csv"), "utf8").trimEnd().split(/\r?\n/);

/** Hands lines to the page as a port would. @param {Page} page @param {string} text */
const push = (page, text) => page.evaluate(async ([main, bytes]) => {
  const { live } = await (await import(main)).page;
  live.push(new TextEncoder().encode(bytes));
}, [MAIN, text]);
/** @param {Page} page */
const begin = (page, device = "ESP32-S3") => page.evaluate(async ([main, name]) => {
  const { live } = await (await import(main)).page;
  await live.begin({ device: name, name: "live.csv" });
}, [MAIN, device]);
/** @param {Page} page @param {number} frames */
const shows = (page, frames) => page.waitForFunction((wanted) => document.getElementById("frame")?.textContent?.endsWith(`of ${wanted.toLocaleString("en")}`), frames, { timeout: 20_000 });
/** @param {Page} page */
const time = (page) => page.locator("#time").innerText();
/** @param {Page} page @param {() => Promise<unknown>} act */
async function saved(page, act) {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

/** The share of a core that the page's process takes for some time, main thread and worker. @param {Page} page @param {number} ms */
async function share(page, ms) {
  const session = await browser.newBrowserCDPSession();
  const used = async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return Math.max(...processInfo.filter(({ type }) => type === "renderer").map(({ cpuTime }) => cpuTime));
  };
  const [before, at] = [await used(), performance.now()];
  await page.waitForTimeout(ms);
  const taken = (await used() - before) / ((performance.now() - at) / 1e3);
  await session.detach();
  return taken;
}
/** The least of three: processor time grows where others press on the caches. @param {Page} page @param {number} enough @param {number} ms */
async function least(page, enough, ms) {
  let best = Infinity;
  for (let tries = 0; tries < 3 && best >= enough; tries++) best = Math.min(best, await share(page, ms));
  return best;
}

test("a board's lines grow on the page, are labelled and saved, and reopen with both", () => withPage(browser, async (page) => {
  await begin(page);
  await push(page, "rst:0x1 (POWERON),boot:0x8\r\nI (31) boot: ESP-IDF\r\n");
  await page.getByText("Waiting for the first line with CSI").waitFor();
  assert.equal(await page.locator("#bar-name").innerText(), "walking_esp32_107hz.csv", "what was open stays");

  const half = REAL[700].length >> 1;
  await push(page, `${REAL.slice(0, 700).join("\r\n")}\r\n${REAL[700].slice(0, half)}`);
  await opened(page, "live.csv");
  await shows(page, 700);
  assert.equal(await page.locator("#bar-source").innerText(), "LIVE");
  assert.match(await page.locator("#bar-source").getAttribute("title") ?? "", /LIVE ESP32-S3/);
  assert.equal(await page.locator(".line-source .badge").innerText(), "LIVE", "the time line says so too");
  assert.equal(await page.locator("#follow").getAttribute("aria-pressed"), "true");
  const unreadable = await page.evaluate(() => [...document.querySelectorAll(".badge[data-source=LIVE]")].filter((badge) => {
    const { color, backgroundColor } = getComputedStyle(badge);
    return badge.clientWidth > 0 && color === backgroundColor;
  }).length);
  assert.equal(unreadable, 0, "no badge in the colour of its ground");

  // Scrubbing back leaves the newest frame, and more may come meanwhile.
  await page.locator(".line-track").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  const at = await time(page);
  await push(page, `${REAL[700].slice(half)}\n${REAL.slice(701, 1000).join("\n")}\nCSI_DATA,AP,damaged\n`);
  await shows(page, 1000);
  assert.equal(await time(page), at, "the cursor stays");
  assert.equal(await page.locator("#follow").getAttribute("aria-pressed"), "false");

  // A label from here to three seconds on; then the newest frame again.
  await page.keyboard.press("m");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("m");
  await page.locator("#label-name").fill("walking");
  await page.keyboard.press("Enter");
  await page.locator(".line-labels .own", { hasText: "walking" }).waitFor();
  await page.keyboard.press("f");
  assert.equal(await page.locator("#follow").getAttribute("aria-pressed"), "true");
  await push(page, `${REAL.slice(1000, 1200).join("\n")}\n`);
  await shows(page, 1200);
  await page.waitForFunction(() => document.getElementById("frame")?.textContent?.startsWith("frame 1,200 "));
  // Space stays here; once more it plays, and having caught up it follows.
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#follow").getAttribute("aria-pressed"), "false");
  await page.keyboard.press("Shift+ArrowLeft");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.getElementById("follow")?.getAttribute("aria-pressed") === "true");
  assert.equal(await page.locator("#play").innerText(), "Pause");
  await page.waitForFunction(() => document.querySelector("#side-recording")?.textContent?.includes("Left out"));
  await page.getByText("1,200 frames over 0:11.60").waitFor();
  await screenshot(page, "live");

  await page.locator("#live-stop").click();
  await page.waitForFunction(() => document.getElementById("bar-source")?.textContent === "RECORDED");
  await page.locator("#live-save").waitFor();
  const files = /** @type {{name: string, text: string}[]} */ ([]);
  page.on("download", async (download) => { files.push({ name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") }); });
  await page.locator("#live-save").click();
  for (let tries = 0; files.length < 2 && tries < 50; tries++) await page.waitForTimeout(50);
  files.sort((a, b) => a.name.localeCompare(b.name));
  assert.deepEqual(files.map(({ name }) => name), ["live.csv", "live.csv.labels.json"]);
  assert.equal(files[0].text, `${REAL.slice(0, 700).join("\r\n")}\r\n${REAL.slice(700, 1000).join("\n")}\nCSI_DATA,AP,damaged\n${REAL.slice(1000, 1200).join("\n")}\n`, "the bytes as they came, from the first line with CSI on");
  const labels = JSON.parse(files[1].text);
  assert.deepEqual([labels.recording, labels.frames, labels.intervals.length, labels.intervals[0].label], ["live.csv", 1200, 1, "walking"]);
  const length = (labels.intervals[0].end_micros - labels.intervals[0].start_micros) / 1e6;
  assert.ok(Math.abs(length - 3) < 0.1, `${length} s`);

  // Both dropped together, in a page that never saw them.
  const chooser = page.waitForEvent("filechooser");
  await page.reload();
  await opened(page, "walking_esp32_107hz.csv");
  await page.locator("#bar-open").click();
  await (await chooser).setFiles(files.map(({ name, text }) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) })));
  await opened(page, "live.csv");
  await shows(page, 1200);
  await page.locator(".line-labels .own", { hasText: "walking" }).waitFor();
}));

test("labels are edited and deleted by keyboard and list, and leaving them unsaved offers them again", () => withPage(browser, async (page) => {
  await page.locator(".line-track").focus();
  for (const [seconds, name] of /** @type {[number, string][]} */ ([[2, "still"], [3, "walking"]])) {
    await page.keyboard.press("m");
    for (let i = 0; i < seconds; i++) await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("m");
    await page.locator("#label-name").fill(name);
    await page.locator("#label-save").click();
    await page.locator(".label-list", { hasText: name }).waitFor();
    await page.locator(".line-track").focus();
  }
  // M and Esc: nothing stays of it.
  await page.keyboard.press("m");
  await page.locator(".line-labels .begun").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".line-labels .begun").count(), 0);
  // The one at the cursor.
  await page.keyboard.press("e");
  await page.locator("#label-name").fill("running");
  await page.keyboard.press("Enter");
  await page.getByLabel("Edit running at 0:02.00").waitFor();
  // A name that cannot be: said, and nothing changed.
  await page.getByLabel("Edit running at 0:02.00").click();
  await page.locator("#label-end").fill("1");
  await page.locator("#label-save").click();
  await page.locator(".notice[data-level=error] code", { hasText: "labels/range" }).waitFor();
  assert.equal(await page.locator(".label-list li").count(), 2);
  const { name, text } = await saved(page, () => page.locator("#labels-save").click());
  assert.equal(name, "walking_esp32_107hz.csv.labels.json");
  assert.deepEqual(JSON.parse(text).intervals.map((/** @type {{label: string}} */ i) => i.label), ["still", "running"]);
  await page.getByLabel("Delete still at 0:00.00").click();
  await page.waitForFunction(() => document.querySelectorAll(".label-list li").length === 1);

  await choose(page, join(FIXTURES, "espressif_ht40.csv"));
  await opened(page, "espressif_ht40.csv");
  assert.equal(await page.locator(".label-list li").count(), 0);
  await page.getByText("Labels were not saved").waitFor();
  const left = await saved(page, () => page.getByRole("button", { name: "Save them" }).click());
  assert.equal(JSON.parse(left.text).intervals.length, 1);
}));

test("opening a file ends a live recording and offers what came", () => withPage(browser, async (page) => {
  await begin(page);
  await push(page, `${REAL.slice(0, 50).join("\n")}\n`);
  await opened(page, "live.csv");
  await choose(page, join(FIXTURES, "espressif_ht40.csv"));
  await opened(page, "espressif_ht40.csv");
  assert.equal(await page.locator("#bar-source").innerText(), "RECORDED");
  const { name, text } = await saved(page, () => page.getByRole("button", { name: "Save it" }).click());
  assert.equal(name, "live.csv");
  assert.equal(text, `${REAL.slice(0, 50).join("\n")}\n`);
  // A live recording that never had a frame changes nothing.
  await begin(page);
  await push(page, "I (1) boot\n");
  await page.locator("#live-stop").click();
  await page.locator(".notice[data-level=error] code", { hasText: "recording/no-csi" }).waitFor();
  assert.equal(await page.locator("#bar-name").innerText(), "espressif_ht40.csv");
}));

test("a thousand lines a second of 64 subcarriers arrive whole, the bridge takes less than a fifth of a core", () => withPage(browser, async (page) => {
  const seconds = Number(process.env.LIVE_SECONDS ?? 4);
  await begin(page);
  // 16 reads of 62 or 63 lines a second, as a port at some megabits hands them over.
  const run = page.evaluate(async ([main, whole, values, wanted]) => {
    const { live } = await (await import(/** @type {string} */ (main))).page;
    const text = new TextEncoder();
    const [head, tail] = /** @type {string} */ (whole).split("TIME");
    const begun = performance.now();
    let sent = 0;
    await new Promise((resolve) => {
      const timer = setInterval(() => {
        const due = Math.min(/** @type {number} */ (wanted) * 1000, Math.floor(performance.now() - begun));
        let lines = "";
        for (; sent < due; sent++) lines += `${head}${sent * 1000}${tail.replace("VALUES", /** @type {string[]} */ (values)[sent % 16])}`;
        if (lines) live.push(text.encode(lines));
        if (sent === /** @type {number} */ (wanted) * 1000) { clearInterval(timer); resolve(undefined); }
      }, 62);
    });
    return performance.now() - begun;
  }, [MAIN, "CSI_DATA,AP,20:50:0D:2A:A2:E4,-60,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,TIME,0,84,0,0,1.5,128,[VALUES ]\n",
    Array.from({ length: 16 }, (_, i) => Array.from({ length: 128 }, (_, k) => ((i * 7 + k * 3) % 61) - 30).join(" ")), seconds]);
  await page.waitForTimeout(700);
  const half = (seconds * 1000 - 1700) / 2;
  const drawn = await share(page, half);
  await room(page, "Log");
  await page.waitForTimeout(200);
  const bridge = await share(page, half);
  await run;
  await shows(page, seconds * 1000);
  console.log(`  live: ${seconds * 1000} lines in ${seconds} s; processor time of the page's process ${(100 * bridge).toFixed(1)} % of a core, ${(100 * drawn).toFixed(1)} % with the Recording room drawn`);
  assert.ok(bridge < 0.2, `${bridge}`);
  await room(page, "Recording");
  await page.locator("#live-stop").click();
  await page.waitForFunction(() => document.getElementById("bar-source")?.textContent === "RECORDED");
  await shows(page, seconds * 1000);
}));

test("lines of another firmware come through a serial port whole, and one button records them", () => withPage(browser, async (page) => {
  await injectSerial(page, {});
  await page.reload();
  await opened(page, "walking_esp32_107hz.csv");
  await room(page, "Device");
  await page.getByRole("button", { name: "Connect a board" }).first().click();
  // The board prints 1,000 lines a second from now on; reads end anywhere.
  await page.evaluate(() => {
    const values = Array.from({ length: 128 }, (_, k) => ((k * 3) % 61) - 30).join(" ");
    const begun = performance.now();
    let [sent, rest] = [0, ""];
    setInterval(() => {
      for (; sent < performance.now() - begun; sent++) rest += `CSI_DATA,AP,20:50:0D:2A:A2:E4,-60,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,${sent * 1000},0,84,0,0,1.5,128,[${values} ]\r\n`;
      for (; rest.length >= 4096; rest = rest.slice(4096)) /** @type {any} */ (globalThis).serialIn(btoa(rest.slice(0, 4096)));
    }, 16);
  });
  await page.getByRole("tab", { name: "Live" }).click();
  await page.locator("#live-record").click();
  await page.waitForFunction(() => document.getElementById("bar-source")?.textContent === "LIVE", null, { timeout: 20_000 });
  await room(page, "Log");
  await page.waitForTimeout(300);
  const bridge = await least(page, 0.2, 1000);
  console.log(`  live over a serial port: ${(100 * bridge).toFixed(1)} % of a core for the page's process`);
  assert.ok(bridge < 0.2, `${bridge}`);
  await room(page, "Recording");
  await page.locator("#live-stop").click();
  await page.waitForFunction(() => document.getElementById("bar-source")?.textContent === "RECORDED");
  // Time stamps count the lines: none is missing between the first and the last.
  const [frames, span, left] = await page.evaluate(async (main) => {
    const { lab } = await (await import(main)).page;
    const [info, doctor] = [await lab.recording(), await lab.doctor()];
    return [info.frames, info.spanS, doctor.skipped];
  }, MAIN);
  assert.ok(frames > 1000, `${frames}`);
  assert.deepEqual([Math.round(span * 1000) + 1, left], [frames, {}]);
}));
