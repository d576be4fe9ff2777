// @ts-check
// The Device room, against the simulated board, against a port that the test plays, and against the
// Xtensa firmware in QEMU.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import net from "node:net";
import { after, before, test } from "node:test";
import { LAB_URL, errorNotice, launch, opened, room, screenshot, slide, withPage } from "./page.mjs";
import { serveMadeFirmware } from "./firmware.mjs";
import { injectSerial } from "./serial.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** @param {Page} page @param {RegExp} sentence */
async function says(page, sentence) {
  await page.locator("#board-says", { hasText: sentence }).waitFor({ timeout: 20_000 });
}
/** @param {Page} page @param {RegExp} text */
const prints = (page, text) => page.locator(".console-lines li", { hasText: text }).last().waitFor({ timeout: 10_000 });
/** @param {Page} page @returns {Promise<Record<string, string>>} the state of each step, by the word that is read out */
const steps = async (page) => Object.fromEntries((await page.locator(".stepper li").allTextContents()).map((text) => (/[A-Z].*/.exec(text)?.[0] ?? text).split(": ")).map(([name, state]) => [name, state]));
/** @param {Page} page @param {string} outcome */
async function parity(page, outcome) {
  await page.locator("#tab-parity").click();
  await page.locator("#parity-start").click();
  await page.locator("#parity-result", { hasText: outcome }).waitFor({ timeout: 30_000 });
}
/** A simulated board whose flash holds what was built. @param {Page} page */
async function runningBoard(page) {
  await page.getByLabel("Start with an empty flash").uncheck();
  await page.locator("#board-simulate").click();
  await says(page, /^The lab's own node answers/);
}

test("firmware and weights on the simulated board: connect, identify, plan, write, verify, boot, live, parity", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page);
  await room(page, "Device");
  await page.locator("#board-simulate").click();
  await says(page, /^Nothing is installed on this board: its ROM finds no image/);
  await page.locator("#board-identify").click();
  await says(page, /^The loader waits/);
  assert.match(await page.locator("#board-card").innerText(), /ESP32-S3, revision \d[\s\S]*8 MiB/);
  assert.doesNotMatch(await page.locator("#board-card").innerText(), /([0-9a-f]{2}:){5}/i, "the address is hidden");
  await page.locator("#mac-show").click();
  assert.match(await page.locator("#board-card").innerText(), /([0-9a-f]{2}:){5}[0-9a-f]{2}/i);
  // Nothing of ours runs there, so everything is proposed.
  assert.equal(await page.locator("#plan-card .segmented [aria-pressed=true]").innerText(), "Firmware + weights");
  const plan = (await page.locator(".plan-table tbody tr").allInnerTexts()).map((row) => row.split("\t"));
  assert.deepEqual(plan.filter(([, , , fate]) => fate === "write").map(([name, offset]) => [name, offset]),
    [["bootloader.bin", "0x0"], ["partitions.bin", "0x8000"], ["app.bin", "0x10000"], ["rvne", "0x110000"]]);
  assert.ok(plan.some(([name, , , fate]) => name === "nvs" && fate === "keep"), "settings stay");
  assert.match(await page.locator("#esptool-command").innerText(), /^esptool --chip esp32s3 .*write-flash 0x0 bootloader.bin 0x8000 partitions.bin 0x10000 app.bin 0x110000 WEIGHTS.rvne/);
  await page.locator("#plan-write").click();
  await says(page, /^The lab's own node answers/);
  assert.deepEqual(new Set(Object.values(await steps(page))), new Set(["done"]));
  await prints(page, /csi-node .* on SIMULATED BOARD/);
  await parity(page, "201 of 201 outputs identical, bit for bit");
  await page.locator("#tab-live").click();
  await page.locator("#panel-live .live-now", { hasText: /class \d/ }).waitFor();
  assert.equal(await page.locator("#panel-live .plot .badge").innerText(), "SIMULATED");
  assert.match(await page.locator("#bar-board").innerText(), /^simulated · 8 MiB · node/);
  // What was written, with hashes, is in the log; the address is not.
  await room(page, "Log");
  const log = await page.locator(".log-lines").innerText();
  assert.match(log, /SIMULATED BOARD/);
  assert.match(log, /[0-9a-f]{64}/);
  assert.doesNotMatch(log, /([0-9a-f]{2}:){5}/i);
}));

test("a recording is played to the board: what it says stands on the time line, and is what the page says", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page);
  // The page's own rows then are those of the board: without a stated pipeline, the window's mean stays in.
  await page.evaluate(async () => {
    const { page: started } = await import(/** @type {any} */ ("/src/main.js"));
    const { lab, store } = await started;
    store.update({ pipeline: await lab.setPipeline({ ...store.state.pipeline, meanRemoval: "none" }) });
    // The open weights, with names for their classes.
    const bytes = await lab.blobSafetensors();
    const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
    const { order: _, ...meta } = JSON.parse(header.__metadata__.rvne);
    header.__metadata__.rvne = JSON.stringify({ ...meta, name: "four ways", class_names: ["still", "walk", "run", "wave"] });
    const text = new TextEncoder().encode(JSON.stringify(header));
    const file = new Uint8Array(8 + text.length + bytes.length - 8 - size);
    new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
    file.set(text, 8);
    file.set(bytes.subarray(8 + size), 8 + text.length);
    store.update({ blob: await lab.blobOpen("named.safetensors", file) });
  });
  await room(page, "Device");
  await runningBoard(page);
  await page.locator("#tab-live").click();
  assert.doesNotMatch(await page.locator("#panel-live").innerText(), /its radio hears/);
  await page.locator("#live-send").check();
  await page.getByLabel("Speed", { exact: true }).selectOption("2");
  await page.locator("#play").click();
  await page.locator("#live-counts", { hasText: /^([2-9]\d|\d{3,}) classifications, ([2-9]\d|\d{3,}) identical/ }).waitFor({ timeout: 10_000 });
  await page.locator("#play").click();
  await page.locator("#board-lane").waitFor();
  assert.match(await page.locator("#board-lane").getAttribute("aria-label") ?? "", /^SIMULATED BOARD: \d+ classifications, .*the same as this page's, bit for bit$/);
  assert.match(await page.locator(".line-source").innerText(), /SIMULATED BOARD/);
  assert.match(await page.locator("#live-both").innerText(), /Board says[\s\S]*(still|walk|run|wave)[\s\S]*This page says[\s\S]*(still|walk|run|wave)[\s\S]*identical bit for bit/);
  assert.match(await page.locator("#board-card").innerText(), /four ways/, "the weights went over the line, or were written, with their name");
  const { worst, compared, wrong } = await page.evaluate(async () => {
    const { page: started } = await import(/** @type {any} */ ("/src/main.js"));
    const { lab, store } = await started;
    const { played: { answers }, times, board } = store.state;
    let [worst, wrong, compared] = [0, 0, 0];
    for (const one of answers) {
      // The frame that brought the row; of one that brought several the page asks for the last.
      const frame = times.findIndex((/** @type {number} */ time) => time >= one.timeMicros);
      if (times[frame] >= one.timeMicros + 1e6 / store.state.pipeline.rateHz) continue;
      compared += 1;
      const { sparse } = await lab.classify({ frame, n: board.device.node.windowRows });
      const powers = one.logits.map(Math.exp);
      const sum = powers.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b);
      worst = Math.max(worst, ...powers.map((/** @type {number} */ power, /** @type {number} */ i) => Math.abs(power / sum - sparse[i])));
      if (!one.isIdentical || sparse.indexOf(Math.max(...sparse)) !== one.class) wrong += 1;
    }
    return { worst, wrong, compared };
  });
  assert.ok(compared >= 5 && wrong === 0 && worst < 1e-5, JSON.stringify({ compared, wrong, worst }));
  // A jump begins with an empty window; other weights take everything back.
  await page.keyboard.press("Home");
  await page.locator("#live-send").uncheck();
  await says(page, /^The lab's own node answers/);
  await room(page, "Model");
  await page.getByLabel("Seed, hexadecimal").fill("BEEF");
  await page.locator("#blob-new").click();
  await page.locator("#board-lane").waitFor({ state: "hidden" });
  assert.doesNotMatch(await page.locator(".line-source").innerText(), /SIMULATED BOARD/);
}));

test("weights only, in seconds; the board then runs them", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page);
  await room(page, "Device");
  await runningBoard(page);
  await room(page, "Model");
  await page.getByLabel("Seed, hexadecimal").fill("BEEF");
  await page.locator("#blob-new").click();
  const crc = await page.locator("#blob-crc", { hasNotText: "dc807956" }).innerText();
  await room(page, "Device");
  assert.equal(await page.locator("#plan-card .segmented [aria-pressed=true]").innerText(), "Weights only");
  await page.locator("#plan-write:enabled").click();
  const start = Date.now();
  await page.locator(".stepper li", { hasText: /Verify.*done/ }).waitFor({ timeout: 10_000 });
  const took = Date.now() - start;
  await says(page, /^The lab's own node answers/);
  await page.locator("#board-card code", { hasText: crc.slice(0, 8) }).waitFor();
  // What a board takes is asked on virtual time elsewhere; here are timers of a browser and whatever else runs.
  console.log(`  weights only: ${took} ms from the click to the proof`);
  assert.ok(took < 6000, `${took} ms`);
}));

test("unplugged while it is written: the page waits, finds it again and goes on; a wrong MD5 is written again", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page, { appBytes: 120_000 });
  await room(page, "Device");
  await page.locator("#sim-faults").fill("unplug@120:700,md5@1");
  await page.locator("#sim-faults").press("Tab");
  await page.getByLabel("On its own USB instead of a bridge").uncheck();
  await page.locator("#board-simulate").click();
  // What runs there is of no interest: it is not waited for.
  await page.locator("#board-cancel").click();
  await page.locator("#plan-write:enabled").click();
  // Cancelled half way: it says what the board is left with, and one can go on from there.
  await page.locator("#flash-progress", { hasText: "app.bin" }).waitFor();
  await page.locator("#flash-cancel").click();
  await says(page, /cancelled\. The flash is partly written; .*until a plan is written to its end\.$/);
  await page.locator("#plan-write:enabled").click();
  await says(page, /^The board is away/);
  await says(page, /^The lab's own node answers/);
  assert.deepEqual(new Set(Object.values(await steps(page))), new Set(["done"]));
  await parity(page, "201 of 201 outputs identical, bit for bit");
  // A bridge has a speed: it was changed by closing and opening, and held.
  await room(page, "Log");
  assert.doesNotMatch(await page.locator(".log-lines").innerText(), /do not hold/);
}));

test("erase all asks for a word, and leaves a board that says so", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page);
  await room(page, "Device");
  await runningBoard(page);
  await page.getByRole("button", { name: "Erase a region" }).click();
  await page.locator("#plan-region").selectOption("rvne");
  await page.locator(".plan-table tr", { hasText: "erase" }).waitFor();
  assert.match(await page.locator("#esptool-command").innerText(), /erase-region 0x110000 0x40000/);
  await page.locator("#plan-write").click();
  await page.locator("#board-card", { hasText: /Weights\s*none/ }).waitFor({ timeout: 20_000 });
  await page.getByRole("button", { name: "Erase all" }).click();
  await page.locator("#plan-write:enabled").click();
  const yes = page.locator("#confirm-erase");
  assert.equal(await yes.isDisabled(), true);
  await page.getByLabel("Type ERASE to go on").fill("ERASE");
  await page.getByLabel("Type ERASE to go on").press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.match(await page.locator("#board-says").innerText(), /^The lab's own node answers/, "nothing was erased");
}));

test("a port: console, unplugging, the same board by a new handle and by the old one, without a second choice", async () => {
  let asked = 0;
  /** @type {number[]} */
  const speeds = [];
  /** @type {Awaited<ReturnType<typeof injectSerial>> | undefined} */
  let port;
  await withPage(browser, async (page) => {
    assert.ok(port);
    await room(page, "Device");
    await port.refuse("NetworkError");
    await page.locator("#board-connect").click();
    assert.match(await errorNotice(page, "serial/busy"), /would not open the port[\s\S]*another program/i);
    await port.refuse(null);
    await page.locator("#board-connect").click();
    await page.locator("#board-card", { hasText: "USB 10C4:EA60" }).waitFor();
    assert.equal(await page.locator("#board-card .badge").innerText(), "LIVE");
    await port.send("hello from the far end\r\nI (12) w");
    await prints(page, /^ *[\d.]+hello from the far end$/);
    for (const fresh of [true, false]) {
      await port.unplug();
      await says(page, /^The board is away/);
      await port.plug(fresh);
      await page.locator("#board-says", { hasNotText: /^The board is away/ }).waitFor();
      await port.send(`back, ${fresh ? "fresh" : "old"} handle\r\n`);
      await prints(page, new RegExp(`back, ${fresh ? "fresh" : "old"} handle`));
    }
    await page.locator("#console-baud:enabled").selectOption("921600");
    await page.waitForTimeout(600);
    await port.send("at another speed\r\n");
    await prints(page, /at another speed/);
    assert.equal(asked, 2, "the browser's list was shown for the two clicks only");
    // A second tab is told who has the port, not just that someone has it.
    const other = await page.context().newPage();
    await other.goto(LAB_URL);
    await opened(other, "walking_esp32_107hz.csv");
    await room(other, "Device");
    await other.evaluate(() => { /** @type {any} */ (globalThis).serialRefusal = "NetworkError"; });
    await other.locator("#board-connect").click();
    await errorNotice(other, "page/port-in-other-tab");
    await other.close();
    await page.locator("#board-disconnect").click();
    await page.locator("#board-connect").waitFor();
    assert.equal(speeds.at(-1), 921600);
  }, { prepare: async (page) => {
    port = await injectSerial(page, { info: { usbVendorId: 0x10c4, usbProductId: 0xea60 }, told: (what) => {
      if (what.asked) asked += 1;
      if (what.open) speeds.push(what.open);
    } });
  } });
});

test("without Web Serial the room still plans and simulates", () => withPage(browser, async (page) => {
  await serveMadeFirmware(page);
  await room(page, "Device");
  assert.equal(await page.locator("#board-connect").isDisabled(), true);
  await page.getByText("This browser has no Web Serial").waitFor();
  await page.locator(".plan-table tbody tr").first().waitFor();
  assert.equal(await page.locator("#board-simulate").isEnabled(), true);
  // Own files at own places, and why one is refused.
  await page.getByRole("button", { name: "Own files" }).click();
  await page.locator("#plan-files").setInputFiles({ name: "own.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(9000, 7) });
  await page.getByLabel("Where own.bin goes").fill("0x8000");
  await page.getByLabel("Where own.bin goes").press("Tab");
  await page.locator("#plan-refused", { hasText: /settings|nvs/i }).waitFor();
  await page.getByLabel("Where own.bin goes").fill("ota_0");
  await page.getByLabel("Where own.bin goes").press("Tab");
  await page.locator(".plan-table tr", { hasText: "own.bin" }).first().waitFor();
}, { prepare: (page) => page.addInitScript(() => { delete (/** @type {any} */ (Navigator.prototype)).serial; }) }));

const MACHINE = `${process.env.FIRMWARE_DIR ?? ""}/qemu.elf`;
const why = !existsSync(MACHINE) ? "no firmware was built for QEMU: cargo xtask firmware" : false;

test("parity with the Xtensa firmware under QEMU: every output identical", { skip: why }, async () => {
  const at = await new Promise((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {net.AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
  const qemu = spawn("qemu-system-xtensa", ["-M", "kc705", "-cpu", "de233_fpu", "-m", "1200M", "-display", "none", "-monitor", "none", "-serial", `tcp:127.0.0.1:${at},server=on,wait=on,nodelay=on`, "-kernel", MACHINE], { stdio: "ignore" });
  /** @type {net.Socket | undefined} */
  let line;
  try {
    for (let tries = 0; !line && tries < 50; tries++) {
      line = await new Promise((resolve) => {
        const socket = net.connect(at, "127.0.0.1", () => resolve(socket)).on("error", () => setTimeout(() => resolve(undefined), 100));
      });
    }
    assert.ok(line, "QEMU takes a connection");
    const socket = line;
    /** @type {Awaited<ReturnType<typeof injectSerial>> | undefined} */
    let port;
    await withPage(browser, async (page) => {
      socket.on("data", (bytes) => void port?.send(bytes).catch(() => {}));
      await room(page, "Device");
      await page.locator("#board-connect").click();
      await says(page, /^The lab's own node answers/);
      assert.match(await page.locator("#board-card").innerText(), /on QEMU/);
      await page.locator("#tab-parity").click();
      await slide(page, "parity-rows", 60);
     
      await parity(page, "11 of 11 outputs identical, bit for bit");
      await screenshot(page, "device-parity-qemu");
    }, { prepare: async (page) => { port = await injectSerial(page, { write: (bytes) => void socket.write(bytes) }); } });
  } finally {
    line?.destroy();
    qemu.kill();
  }
});
