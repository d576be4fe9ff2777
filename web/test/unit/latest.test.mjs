// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { latest, ofRecording } from "../../src/ui/latest.js";

/** Waits until it holds, or too long. @param {() => boolean} holds */
async function until(holds) {
  for (let i = 0; i < 1000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("one request at a time, and of those that wait only the newest", async () => {
  /** @type {number[]} */
  const asked = [];
  /** @type {number[]} */
  const shown = [];
  let open = 0;
  const ask = latest(async (/** @type {number} */ n) => {
    asked.push(n);
    open += 1;
    assert.equal(open, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    open -= 1;
    return n;
  }, (n) => shown.push(n), (error) => assert.fail(String(error)));
  for (let n = 1; n <= 9; n++) ask(n);
  await until(() => shown.length === 2);
  assert.deepEqual([asked, shown], [[1, 9], [1, 9]]);
});

test("a failure is told and does not stop the next request", async () => {
  /** @type {unknown[]} */
  const failures = [];
  /** @type {number[]} */
  const shown = [];
  const ask = latest(async (/** @type {number} */ n) => { if (n === 1) throw new Error("one"); return n; }, (n) => shown.push(n), (e) => failures.push(e));
  ask(1);
  ask(2);
  await until(() => shown.length === 1);
  assert.deepEqual([failures.length, shown], [1, [2]]);
});

test("an answer or failure about what is no longer open is dropped", async () => {
  /** @type {unknown[]} */
  const told = [];
  let open = "first";
  let answered = 0;
  const ask = latest(async (/** @type {string} */ what) => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    answered += 1;
    if (what === "fails") throw new Error(what);
    return what;
  }, (what) => told.push(what), (error) => told.push(error), () => open);
  for (const [i, what] of ["answers", "fails"].entries()) {
    ask(what);
    open = `${what} for another`;
    await until(() => answered > i);
    await new Promise((resolve) => setTimeout(resolve)); // the answer has come through
  }
  assert.deepEqual(told, []);
  ask("of this");
  await until(() => told.length > 0);
  assert.deepEqual(told, ["of this"]);
});

test("what is asked while the recording changes belongs to none", () => {
  const state = { changing: false, revision: 3 };
  const of = ofRecording(/** @type {any} */ ({ state }));
  assert.equal(of(), of());
  state.changing = true;
  assert.notEqual(of(), of());
});
