// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { latest } from "../../src/ui/latest.js";

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
  await new Promise((resolve) => setTimeout(resolve, 40));
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
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([failures.length, shown], [1, [2]]);
});
