// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { lastFrame, span } from "../../src/rows.js";
import { initialState } from "../../src/store.js";

/** A recording of 1,000 frames at 100 Hz. @param {number} frame @param {number} n @param {number} [rateHz] */
const place = (frame, n, rateHz = 0) => ({
  times: Float64Array.from({ length: 1000 }, (_, i) => i * 10_000), frame,
  attention: { ...initialState().attention, n },
  pipeline: /** @type {any} */ ({ rateHz }),
});

test("the rows end at the cursor, or are the first ones while it is before them", () => {
  assert.deepEqual([500, 255, 0, 999].map((frame) => lastFrame(place(frame, 256))), [500, 255, 255, 999]);
  assert.deepEqual(span(place(500, 256)), { startS: 2.45, endS: 5 });
  assert.deepEqual(span(place(0, 256)), { startS: 0, endS: 2.55 });
});
test("resampled rows are counted in time", () => {
  assert.equal(lastFrame(place(0, 51, 10)), 500);
  assert.deepEqual(span(place(800, 51, 10)), { startS: 3, endS: 8 });
});
test("a recording shorter than the rows ends at its last frame", () => {
  assert.equal(lastFrame(place(10, 4096)), 999);
  assert.equal(lastFrame(place(10, 4096, 1)), 999);
});
