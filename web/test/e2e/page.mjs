// @ts-check
// What every story shares: a browser, a page that must stay on its origin and must not complain.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const LAB_URL = (process.env.LAB_URL ?? "http://127.0.0.1:8137").replace(/\/$/, "");
export const CSI_BIN = process.env.CSI_BIN;
export const FIXTURES = fileURLToPath(new URL("../../../fixtures/recordings/", import.meta.url));
const SCREENS = process.env.SCREENS_DIR ?? fileURLToPath(new URL("../../../target/screens", import.meta.url));

/** @typedef {import("playwright-core").Page} Page */

/** @returns {Promise<import("playwright-core").Browser>} */
export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/**
 * Runs a story on a fresh page that has the built-in recording open. Afterwards no request may
 * have left the origin and the console must be free of errors.
 * @param {import("playwright-core").Browser} browser
 * @param {(page: Page) => Promise<void>} story
 * @param {import("playwright-core").BrowserContextOptions & {prepare?: (page: Page) => Promise<unknown>}} [options]  `prepare`: before the page is opened
 */
export async function withPage(browser, story, { prepare, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, acceptDownloads: true, ...options });
  /** @type {string[]} */
  const complaints = [];
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.protocol !== "blob:" && url.origin !== new URL(LAB_URL).origin) complaints.push(`request to ${url.origin}`);
  });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error" || message.type() === "warning") complaints.push(`console ${message.type()}: ${message.text()}`); });
  page.on("pageerror", (error) => complaints.push(`page error: ${error.stack ?? error.message}`));
  try {
    await prepare?.(page);
    await page.goto(LAB_URL);
    await opened(page, "walking_esp32_107hz.csv");
    await story(page);
    assert.deepEqual(complaints, [], "no request to another host, no console error");
  } catch (error) {
    if (complaints.length > 0) console.error(complaints.join("\n"));
    throw error;
  } finally {
    await context.close();
  }
}

/** Waits until the page shows the recording of that name, with its waterfall drawn. @param {Page} page @param {string} name */
export async function opened(page, name) {
  await page.waitForFunction((wanted) => document.getElementById("bar-name")?.textContent === wanted, name, { timeout: 30_000 });
  await page.locator("#play:enabled").waitFor();
}

/** Goes to a room by its door. @param {Page} page @param {"Recording" | "Attention" | "Model" | "Device" | "Log"} name */
export async function room(page, name) {
  await page.locator("#rail button", { hasText: name }).click();
}

/** Hands files to the page as if they were dropped on it. @param {Page} page @param {{name: string, content: Buffer | string}[]} files */
export async function drop(page, files) {
  const chooser = page.waitForEvent("filechooser");
  await page.locator("#bar-open").click();
  await (await chooser).setFiles(files.map(({ name, content }) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(content) })));
}

/** @param {Page} page @param {string | string[]} paths */
export async function choose(page, paths) {
  const chooser = page.waitForEvent("filechooser");
  await page.locator("#bar-open").click();
  await (await chooser).setFiles(paths);
}

/** Returns a hash of what a plot shows. @param {Page} page @param {string} title @returns {Promise<string>} */
export function picture(page, title) {
  return page.evaluate((wanted) => {
    const plot = [...document.querySelectorAll(".plot")].find((each) => each.querySelector("h3")?.textContent === wanted);
    return [...(plot?.querySelectorAll("canvas") ?? [])].map((canvas) => canvas.toDataURL()).join("|");
  }, title);
}

/** Returns a number that the page shows. @param {Page} page @param {string} id */
export async function shown(page, id) {
  const text = await page.locator(`#${id}`).innerText();
  return Number(text.replaceAll(",", "").replace("−", "-").replace(/e−/, "e-"));
}

/** Waits until the attention room shows numbers that differ from the given edges. @param {Page} page @param {number} before */
export async function edgesChanged(page, before) {
  await page.waitForFunction((old) => {
    const text = document.getElementById("edges-sparse")?.textContent ?? "";
    return text !== "" && Number(text.replaceAll(",", "")) !== old;
  }, before);
}

/** Sets a slider of the inspector to a step by its value. @param {Page} page @param {string} id @param {number} value */
export async function slide(page, id, value) {
  const slider = page.locator(`#${id}`);
  await slider.focus();
  for (let tries = 0; tries < 40; tries++) {
    const now = Number(await slider.getAttribute("aria-valuetext"));
    if (now === value) return;
    await slider.press(now < value ? "ArrowRight" : "ArrowLeft");
  }
  assert.fail(`${id} has no step ${value}`);
}

/** Returns the text of the error notice with that code, once it is there. @param {Page} page @param {RegExp | string} code */
export async function errorNotice(page, code) {
  const wanted = typeof code === "string" ? new RegExp(`^${code}$`) : code;
  const notice = page.locator(".notice[data-level=error]", { has: page.locator("code", { hasText: wanted }) });
  await notice.waitFor({ timeout: 30_000 });
  const text = await notice.innerText();
  await notice.getByLabel("Dismiss").click();
  return text;
}

/** Runs the command line. @param {...string} args @returns {string} its output */
export function csi(...args) {
  assert.ok(CSI_BIN, "CSI_BIN names the csi binary");
  return execFileSync(CSI_BIN, args, { encoding: "utf8", maxBuffer: 64 << 20 });
}

/** @param {Page} page @param {string} name */
export async function screenshot(page, name) {
  mkdirSync(SCREENS, { recursive: true });
  await page.screenshot({ path: `${SCREENS}/${name}.png` });
}
