import assert from "node:assert/strict";
import test from "node:test";
import { inTurns, median } from "../schedule.mjs";

test("medians are middles", () => {
  assert.equal(median([3]), 3);
  assert.equal(median([1, 2, 100]), 2);
  assert.equal(median([1, 2, 4, 100]), 3);
});

test("contenders take turns, and times are seconds of one run", async () => {
  let now = 0;
  /** @type {string[]} */
  const order = [];
  const contender = (/** @type {string} */ name, /** @type {number} */ seconds) => ({
    rewind: () => { order.push(name); },
    run: (/** @type {number} */ times) => { now += times * seconds; },
  });
  const effort = { rounds: 20, seconds: 10, sample: 0.01 };
  const [quick, slow] = await inTurns([contender("quick", 0.001), contender("slow", 2)], effort, () => now);
  assert.ok(Math.abs(quick.median_micros - 1000) < 1e-3 && Math.abs(slow.median_micros - 2e6) < 1, JSON.stringify([quick, slow]));
  assert.equal(quick.samples, 20);
  assert.equal(slow.samples, 5, "10 s hold five of 2 s");
  const counted = order.slice(-25).join(" ");
  assert.ok(!counted.includes("slow slow"), counted);
});

test("what takes no time at all ends too", async () => {
  const [idle] = await inTurns([{ run: () => {} }], { rounds: 3, seconds: 1, sample: 0.01 }, () => 0);
  assert.equal(idle.samples, 3);
});
