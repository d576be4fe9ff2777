// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { lackOf, placed } from "../../src/follow.js";
import { initialState } from "../../src/store.js";

/** @param {number} sinceMicros @param {number} timeMicros @param {number} [index] @returns {import("../../src/follow.js").Followed} */
const said = (sinceMicros, timeMicros, index = 0) => ({ row: 0, timeMicros, sinceMicros, class: index, logits: [], ourClass: index, ours: [], isIdentical: true });
/** @param {import("../../src/follow.js").Followed[]} list */
const times = (list) => list.map(({ timeMicros }) => timeMicros);

test("answers lie in the order of the recording, and what is played again is said anew", () => {
  const once = [said(10, 10), said(10, 20), said(20, 30), said(30, 40)].reduce(placed, /** @type {import("../../src/follow.js").Followed[]} */ ([]));
  assert.deepEqual(times(once), [10, 20, 30, 40]);
  assert.deepEqual(times(placed(once, said(100, 100))), [10, 20, 30, 40, 100]);
  const again = placed(once, said(20, 20, 3));
  assert.deepEqual(times(again), [10, 20, 30, 40]);
  assert.equal(again[1].class, 3);
  // Another phase: what it covers goes.
  assert.deepEqual(times([said(15, 15), said(15, 25), said(25, 35)].reduce(placed, once)), [10, 15, 25, 35, 40]);
  assert.deepEqual(times(once), [10, 20, 30, 40], "the list before is left as it was");
});

test("a long recording does not keep more than a bound", () => {
  let list = Array.from({ length: 20_000 }, (_, i) => said(i * 10 - 10, i * 10));
  list = placed(list, said(200_000, 200_010));
  assert.deepEqual([list.length, list[0].timeMicros, list.at(-1)?.timeMicros], [20_000, 10, 200_010]);
});

test("what is lacking is said, the first thing first", () => {
  const state = initialState();
  assert.match(lackOf(state), /^Connect a board/);
  const port = { name: "", isOpen: true, lineErrors: 0 };
  assert.match(lackOf({ ...state, board: { ...state.board, port } }), /node does not answer/);
});
