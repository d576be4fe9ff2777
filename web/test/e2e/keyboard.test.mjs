// @ts-check
// Replay and rooms with the keyboard alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, withPage } from "./page.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** @param {import("playwright-core").Page} page */
const frame = async (page) => Number(/frame ([\d,]+)/.exec(await page.locator("#frame").innerText())?.[1].replaceAll(",", ""));
/** @param {import("playwright-core").Page} page */
const seconds = async (page) => Number(await page.locator(".line-track").getAttribute("aria-valuenow"));

test("the whole replay by keys", () => withPage(browser, async (page) => {
  const { keyboard } = page;
  // A button that was just pressed keeps Space and Enter, and no other key.
  await page.getByRole("button", { name: "Fit all" }).click();
  await keyboard.press("End");
  assert.ok((await frame(page)) > 1);
  await page.locator(".line-track").focus();
  await keyboard.press("Home");
  assert.equal(await frame(page), 1);
  await keyboard.press("ArrowRight");
  await keyboard.press("ArrowRight");
  await keyboard.press("ArrowLeft");
  assert.equal(await frame(page), 2);
  await keyboard.press("Shift+ArrowRight");
  assert.ok(Math.abs((await seconds(page)) - 1) < 0.1);
  await keyboard.press("Shift+ArrowLeft");
  assert.ok((await seconds(page)) < 0.1);
  await keyboard.press("End");
  const total = /of ([\d,]+)/.exec(await page.locator("#frame").innerText())?.[1];
  assert.equal(await frame(page), Number(total?.replaceAll(",", "")));
  await keyboard.press("Home");
  await keyboard.press("]");
  assert.equal(await page.getByLabel("Speed", { exact: true }).inputValue(), "2");
  await keyboard.press("[");
  await keyboard.press("[");
  assert.equal(await page.getByLabel("Speed", { exact: true }).inputValue(), "0.5");
  await keyboard.press("l");
  assert.equal(await page.getByRole("button", { name: "Loop" }).getAttribute("aria-pressed"), "true");
  await keyboard.press(" ");
  await page.waitForFunction(() => document.getElementById("play")?.textContent === "Pause");
  await page.waitForTimeout(400);
  await keyboard.press(" ");
  assert.ok((await frame(page)) > 1);
}));

test("W and S zoom, A and D pan", () => withPage(browser, async (page) => {
  const seen = async () => /from (\S+) to (\S+) over/.exec((await page.locator("#room-recording .plot canvas.under").first().getAttribute("aria-label")) ?? "")?.slice(1, 3).join(" ");
  await page.waitForFunction(() => /from 0:00.00 to 0:10.00/.test(document.querySelector("#room-recording .plot canvas.under")?.getAttribute("aria-label") ?? ""));
  await page.keyboard.press("w");
  await page.waitForTimeout(300);
  assert.equal(await seen(), "0:00.00 0:05.00");
  for (let i = 0; i < 8; i++) await page.keyboard.press("d");
  await page.waitForTimeout(300);
  assert.ok(Math.abs((await seconds(page)) - 10) < 0.5);
  await page.keyboard.press("s");
  await page.keyboard.press("a");
  await page.waitForTimeout(300);
  assert.ok(Math.abs((await seconds(page)) - 7.5) < 0.5);
}));

test("rooms, palette, help and Esc by keys", () => withPage(browser, async (page) => {
  const { keyboard } = page;
  for (const [key, name] of [["2", "attention"], ["3", "model"], ["4", "device"], ["5", "log"], ["1", "recording"]]) {
    await keyboard.press(key);
    await page.locator(`#room-${name}`).waitFor();
  }
  await keyboard.press("Control+k");
  await page.locator("dialog.palette").waitFor();
  await keyboard.type("room: log");
  await keyboard.press("Enter");
  await page.locator("#room-log").waitFor();
  await keyboard.press("?");
  const help = page.locator("dialog[open]");
  await help.waitFor();
  const text = await help.innerText();
  for (const words of ["Play or pause", "Shift+Left", "Ctrl+K", "Ctrl+O"]) assert.ok(text.includes(words), words);
  assert.match(text, /\bM\b\s+Label: begin or end/, "labels have their key");
  await keyboard.press("Escape");
  await help.waitFor({ state: "detached" });
}));

test("keys of one character can be switched off, and never act inside a field", () => withPage(browser, async (page) => {
  await page.keyboard.press("?");
  await page.getByLabel(/Keys of one character/).uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  assert.equal(await page.locator("#room-recording").isVisible(), true);
  await page.reload();
  await page.locator("#play:enabled").waitFor();
  await page.keyboard.press("2");
  assert.equal(await page.locator("#room-recording").isVisible(), true, "the choice is remembered");
  await page.locator("#rail button", { hasText: "Model" }).click();
  const seed = page.getByLabel("Seed, hexadecimal");
  await seed.fill("");
  await seed.pressSequentially("12L");
  assert.equal(await seed.inputValue(), "12L");
}));

test("the mask can be changed with the keyboard", () => withPage(browser, async (page) => {
  const map = page.locator(".sub-strip [role=slider]");
  await map.focus();
  const used = async () => Number(/^(\d+) of/.exec((await page.locator(".sub-map header p").first().innerText()).trim())?.[1]);
  const before = await used();
  await map.press("Enter");
  await page.waitForFunction((n) => document.querySelector(".sub-map header p")?.textContent?.startsWith(`${n - 1} of`), before);
  await page.getByRole("button", { name: "Mask: automatic" }).click();
  await page.waitForFunction((n) => document.querySelector(".sub-map header p")?.textContent?.startsWith(`${n} of`), before);
}));
