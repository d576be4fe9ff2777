// @ts-check
// The patterns' words and numbers: what is asked of the lab is what was chosen.
import assert from "node:assert/strict";
import { test } from "node:test";
import { besideUpstream, fromBlob, initialPattern, inWords, numbersOf, patternArgs, PATTERNS, withNumbers } from "../../src/patterns.js";

test("each kind is asked for with its own numbers, and keeps them", () => {
  let settings = initialPattern();
  for (const { kind, numbers } of PATTERNS) {
    settings = withNumbers({ ...settings, kind }, { [numbers[0].key]: 12 });
    const args = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (patternArgs(settings)));
    assert.equal(args.kind, kind);
    for (const { key, steps } of numbers) {
      assert.ok(steps.includes(numbersOf({ ...initialPattern(), kind })[key]), `${kind} ${key} starts on a step`);
      assert.equal(args[key], numbersOf(settings)[key]);
    }
    assert.equal(args.window, 12);
  }
  assert.deepEqual([settings.edges.window, settings.pyramid.window, settings.salient.window], [12, 12, 12]);
  assert.deepEqual(patternArgs(initialPattern()), { kind: "upstream", window: 32, block: 16, logStride: true, landmarks: true, globalToken: true });
});

test("a blob's pattern is taken over, a dense one is not", () => {
  const attention = { stored: true, window: 8, block: 64, pattern: "", says: "", kind: /** @type {any} */ ("pyramid"), perLevel: 3, groups: 0, logStride: false, landmarks: true, globalToken: true, pooling: /** @type {const} */ ("mean"), windowLen: 50, rows: /** @type {const} */ ("f32"), streaming: false, node: "", frameRateHz: 0 };
  const settings = initialPattern();
  assert.deepEqual(patternArgs(fromBlob(settings, attention)), { kind: "pyramid", window: 8, perLevel: 3 });
  assert.deepEqual(fromBlob(settings, attention).edges, settings.edges);
  assert.deepEqual(patternArgs(fromBlob(settings, { ...attention, kind: "salient", groups: 9 })), { kind: "salient", window: 8, groups: 9 });
  assert.deepEqual(patternArgs(fromBlob(settings, { ...attention, kind: "ln" })), { kind: "ln", window: 8, block: 64, logStride: false, landmarks: true, globalToken: true });
  assert.equal(fromBlob(settings, { ...attention, kind: "dense" }), settings);
});

test("words name the numbers and what is switched off", () => {
  assert.equal(inWords(initialPattern()), "Upstream edges, window 32, block 16");
  assert.equal(inWords(withNumbers(initialPattern(), { landmarks: false })), "Upstream edges, window 32, block 16, no landmarks");
  assert.equal(inWords({ ...initialPattern(), kind: "pyramid" }), "Pyramid, window 16, blocks of each size 4");
});

test("closer and further are told by the mean errors", () => {
  assert.equal(besideUpstream({ meanAbs: 1, upstream: null }), null);
  assert.deepEqual(besideUpstream({ meanAbs: 1, upstream: { edges: 1, meanAbs: 4 } }), { times: 4, closer: true });
  assert.deepEqual(besideUpstream({ meanAbs: 4, upstream: { edges: 1, meanAbs: 1 } }), { times: 4, closer: false });
  assert.deepEqual(besideUpstream({ meanAbs: 0, upstream: { edges: 1, meanAbs: 0 } }), { times: 1, closer: true });
});
