// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { rowExtents } from "../../src/rooms/extents.js";

test("a missing subcarrier stays empty where every one is reported", () => {
  assert.deepEqual(rowExtents([-2, -1, 1, 2]), [
    { low: -2.5, high: -1.5 }, { low: -1.5, high: -0.5 }, { low: 0.5, high: 1.5 }, { low: 1.5, high: 2.5 },
  ]);
});

test("rows of every other subcarrier meet half-way", () => {
  const rows = rowExtents([-4, -2, -1, 1, 3, 5]);
  rows.slice(1).forEach(({ low }, i) => assert.equal(low, rows[i].high));
  assert.deepEqual(rows[1], { low: -3, high: -1.5 });
});

test("one subcarrier alone is one high", () => assert.deepEqual(rowExtents([7]), [{ low: 6.5, high: 7.5 }]));
