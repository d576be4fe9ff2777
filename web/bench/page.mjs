// @ts-check
// Measures the page in Chromium: node bench/page.mjs [--write], with LAB_URL and CHROMIUM set as
// `cargo xtask bench page` does. Times are those of this machine; ratios travel better.
import { createReadStream, createWriteStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

const LAB_URL = (process.env.LAB_URL ?? "http://127.0.0.1:8137").replace(/\/$/, "");
const ROOT = new URL("../../", import.meta.url);
const path = (/** @type {string} */ relative) => fileURLToPath(new URL(relative, ROOT));
const RUNS = 5;
const BUILT_IN = path("fixtures/recordings/walking_esp32_107hz.csv");

/** @typedef {[what: string, measured: string, goal: string]} Row */
/** @type {Row[]} */
const rows = [];
const median = (/** @type {number[]} */ values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const ms = (/** @type {number} */ value) => `${value.toFixed(0)} ms`;
const mb = (/** @type {number} */ value) => `${(value / 1e6).toFixed(1)} MB`;

let browserName = "";
const server = await chromium.launchServer({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const browser = await chromium.connect(server.wsEndpoint());
const folder = mkdtempSync(join(tmpdir(), "lab-bench-"));
try {
  await firstFrame();
  sizes();
  await openReal();
  await replay();
  await openLarge();
} finally {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true });
}

const width = (/** @type {number} */ column) => Math.max(...rows.map((row) => row[column].length));
const lines = [["what", "measured", "goal"], ...rows].map((row) => `| ${row.map((cell, i) => cell.padEnd(Math.max(8, width(i)))).join(" | ")} |`);
lines.splice(1, 0, `| ${[0, 1, 2].map((i) => "-".repeat(Math.max(8, width(i)))).join(" | ")} |`);
console.log(lines.join("\n"));
if (process.argv.includes("--write")) {
  writeFileSync(path("docs/benchmarks-page.md"), `# What the page costs\n\nMade by \`cargo xtask bench page --write\` in ${browserName} on ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}.\nOther work on the machine stretches times; sizes and memory are exact.\n\n${lines.join("\n")}\n`);
}

/** Opens the page in a fresh profile and waits for the built-in recording. */
async function freshPage() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
  const page = await context.newPage();
  await page.goto(LAB_URL);
  await page.waitForFunction(() => performance.getEntriesByName("lab:first-frame").length > 0);
  return { context, page };
}

async function firstFrame() {
  browserName = `Chromium ${browser.version()}`;
  /** @type {number[]} */
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    const { context, page } = await freshPage();
    times.push(await page.evaluate(() => performance.getEntriesByName("lab:first-frame")[0].startTime));
    await context.close();
  }
  rows.push(["navigation to the first drawn frame, empty cache", `${ms(median(times))} (${ms(Math.min(...times))} to ${ms(Math.max(...times))})`, "under 1500 ms"]);
}

function sizes() {
  const wasm = readFileSync(path("web/pkg/wasm_core_bg.wasm"));
  const gz = gzipSync(wasm, { level: 9 }).length;
  rows.push(["wasm, raw", `${(wasm.length / 1e3).toFixed(0)} kB`, ""]);
  rows.push(["wasm, gzip -9", `${(gz / 1e3).toFixed(0)} kB`, "under 600 kB"]);
  rows.push(["wasm, brotli", `${(brotliCompressSync(wasm).length / 1e3).toFixed(0)} kB`, ""]);
}

/** Returns a real one-minute recording where the data folder is there, else the built-in one. */
function realRecording() {
  const data = process.env.CSI_LAB_DATA ?? path("../shared/data");
  if (existsSync(data)) {
    const found = readdirSync(data, { recursive: true, encoding: "utf8" }).map((name) => join(data, name))
      .filter((name) => /pulse-wifi-sensing.*\.csv$/.test(name)).map((name) => ({ name, size: statSync(name).size }))
      .filter(({ size }) => size > 2.5e6 && size < 6e6).sort((a, b) => Math.abs(a.size - 3e6) - Math.abs(b.size - 3e6));
    if (found[0]) return found[0].name;
  }
  return BUILT_IN;
}

async function openReal() {
  const file = realRecording();
  const { context, page } = await freshPage();
  /** @type {number[]} */
  const times = [];
  for (let run = 0; run < RUNS; run++) times.push(await openFile(page, file));
  rows.push([`opening a real recording of ${mb(statSync(file).size)}`, `${ms(median(times))} (${ms(Math.min(...times))} to ${ms(Math.max(...times))})`, "under 300 ms"]);
  await context.close();
}

/** @param {import("playwright-core").Page} page @param {string} file @returns {Promise<number>} milliseconds from the choice to the page showing it */
async function openFile(page, file) {
  const before = await page.evaluate(() => performance.getEntriesByName("lab:open").length);
  await chooseFile(page, file);
  await page.waitForFunction((n) => performance.getEntriesByName("lab:open").length > n, before, { timeout: 300_000 });
  return page.evaluate(() => performance.getEntriesByName("lab:open").at(-1)?.duration ?? NaN);
}

/** @param {import("playwright-core").Page} page @param {string} file */
async function chooseFile(page, file) {
  const chooser = page.waitForEvent("filechooser");
  await page.locator("#bar-open").click();
  await (await chooser).setFiles(file);
}

async function replay() {
  const { context, page } = await freshPage();
  await page.waitForTimeout(1000);
  await page.evaluate(() => {
    const kept = /** @type {any} */ (globalThis);
    kept.tasks = [];
    kept.frames = 0;
    new PerformanceObserver((list) => kept.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
    const count = () => { kept.frames += 1; requestAnimationFrame(count); };
    requestAnimationFrame(count);
  });
  await page.locator("#play").click();
  await page.waitForTimeout(5000);
  const { tasks, frames } = await page.evaluate(() => ({ tasks: /** @type {number[]} */ (/** @type {any} */ (globalThis).tasks), frames: /** @type {number} */ (/** @type {any} */ (globalThis).frames) }));
  rows.push(["longest task of the main thread in 5 s of replay", tasks.length === 0 ? "under 50 ms" : `${ms(Math.max(...tasks))}, ${tasks.length} over 50 ms`, "under 50 ms"]);
  rows.push(["pictures a second during replay", (frames / 5).toFixed(0), ""]);
  await context.close();
}

/** Writes the built-in recording again and again, its clocks running on. @param {string} file @param {number} bytes */
async function writeLarge(file, bytes) {
  /** @type {string[]} */
  const lines = [];
  for await (const line of createInterface({ input: createReadStream(BUILT_IN) })) lines.push(line);
  const header = lines[0].split(",");
  // The tool's column 18 is the receiver's clock in microseconds; some files name it.
  const named = header.indexOf("local_timestamp");
  const clock = named < 0 ? 18 : named;
  const data = lines.slice(named < 0 ? 0 : 1).filter((line) => line.includes("[") && line.trimEnd().endsWith("]")).map((line) => line.split(","));
  const span = Number(data[data.length - 1][clock]) - Number(data[0][clock]) + 9_000;
  const out = createWriteStream(file);
  if (named >= 0) out.write(`${lines[0]}\n`);
  for (let written = 0, round = 0; written < bytes; round++) {
    const text = data.map((cells) => {
      const copy = [...cells];
      copy[clock] = String((Number(cells[clock]) + round * span) % 2 ** 32);
      return copy.join(",");
    }).join("\n");
    written += text.length + 1;
    if (!out.write(`${text}\n`)) await once(out, "drain");
  }
  out.end();
  await once(out, "finish");
}

async function openLarge() {
  const file = join(folder, "synthetic.csv");
  await writeLarge(file, 200e6);
  const { context, page } = await freshPage();
  const own = renderers();
  await page.evaluate(() => {
    const kept = /** @type {any} */ (globalThis);
    kept.tasks = [];
    new PerformanceObserver((list) => kept.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
  });
  await chooseFile(page, file);
  await page.locator("#open-cancel").waitFor();
  const at = Date.now();
  await page.locator("#open-cancel").click();
  await page.locator("#open-cancel").waitFor({ state: "detached" });
  rows.push([`cancel while reading ${mb(statSync(file).size)}`, `${ms(Date.now() - at)}, the old recording stays`, "works"]);
  const time = await openFile(page, file);
  const shown = await page.locator("#frame").innerText();
  const tasks = await page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (globalThis).tasks));
  rows.push([`opening ${mb(statSync(file).size)} of synthetic CSV`, `${(time / 1e3).toFixed(1)} s, ${shown.split("of ")[1]} frames`, "streams"]);
  rows.push(["longest task of the main thread meanwhile", tasks.length === 0 ? "under 50 ms" : ms(Math.max(...tasks)), "under 50 ms"]);
  const peak = own.map(peakBytes).filter((value) => value > 0);
  rows.push(["peak memory of the tab's process (VmHWM)", peak.length === 0 ? "not measured: no /proc" : mb(Math.max(...peak)), "under 600 MB"]);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Performance.enable");
  const heap = (await cdp.send("Performance.getMetrics")).metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? NaN;
  rows.push(["JavaScript heap of the page afterwards", mb(heap), ""]);
  await context.close();
}

/** Returns the renderer processes below the browser that this program started. @returns {number[]} */
function renderers() {
  if (!existsSync("/proc/self/stat")) return [];
  /** @type {Map<number, {parent: number, renderer: boolean}>} */
  const processes = new Map();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]);
      processes.set(Number(name), { parent, renderer: readFileSync(`/proc/${name}/cmdline`, "utf8").includes("--type=renderer") });
    } catch { /* it ended meanwhile */ }
  }
  const root = server.process().pid ?? -1;
  /** @param {number} pid @returns {boolean} */
  const below = (pid) => pid === root || (processes.has(pid) && pid > 1 && below(processes.get(pid)?.parent ?? 0));
  return [...processes].filter(([pid, { renderer }]) => renderer && below(pid)).map(([pid]) => pid);
}

/** @param {number} pid @returns {number} the largest resident size so far, 0 when the process is gone */
function peakBytes(pid) {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
