// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { actionFor, makeActions } from "../../src/actions.js";

/** @type {string[]} */
const ran = [];
const note = (/** @type {string} */ name) => (/** @type {unknown[]} */ ...args) => { ran.push([name, ...args].join(" ")); };
const actions = makeActions(
  { toggle: note("toggle"), stepFrames: note("frames"), stepSeconds: note("seconds"), home: note("home"), end: note("end"), faster: note("faster"), loop: note("loop"), follow: note("follow") },
  { room: note("room"), open: note("open"), palette: note("palette"), help: note("help"), escape: note("escape"), theme: note("theme"), side: note("side"), letters: note("letters"), zoom: note("zoom"), pan: note("pan"), builtIn: note("built-in"),
    label: note("label"), editLabel: note("edit-label"), saveLabels: note("save-labels"), liveEnd: note("live-end"), liveSave: note("live-save"), connect: note("connect"), simulate: note("simulate"), train: note("train") });

/** @param {string} key @param {{ctrl?: boolean, shift?: boolean, editing?: boolean, letters?: boolean}} [how] */
function press(key, { ctrl = false, shift = false, editing = false, letters = true } = {}) {
  ran.length = 0;
  actionFor(actions, { key, ctrlKey: ctrl, shiftKey: shift, altKey: false, metaKey: false }, { editing, letters })?.run();
  return ran.join();
}

test("each key does what the help says", () => {
  assert.equal(press(" "), "toggle");
  assert.equal(press("ArrowLeft"), "frames -1");
  assert.equal(press("ArrowRight", { shift: true }), "seconds 1");
  assert.equal(press("["), "faster 0.5");
  assert.equal(press("L", { shift: true }), "loop");
  assert.equal(press("2"), "room attention");
  assert.equal(press("w"), "zoom 0.5");
  assert.equal(press("d"), "pan 0.25");
  assert.equal(press("m"), "label");
  assert.equal(press("e"), "edit-label");
  assert.equal(press("f"), "follow");
  assert.equal(press("?", { shift: true }), "help");
  assert.equal(press("k", { ctrl: true }), "palette");
  assert.equal(press("o", { ctrl: true }), "open");
});
test("the browser's own keys stay the browser's", () => {
  for (const key of ["r", "n", "w", "l", "t"]) assert.equal(press(key, { ctrl: true }), "");
  assert.equal(press("F5"), "");
});
test("a field keeps its keys, but Ctrl+K and Esc work there", () => {
  for (const key of [" ", "ArrowLeft", "l", "1", "?", "Home"]) assert.equal(press(key, { editing: true }), "");
  assert.equal(press("k", { ctrl: true, editing: true }), "palette");
  assert.equal(press("Escape", { editing: true }), "escape");
});
test("keys of one character can be switched off", () => {
  for (const key of ["l", "[", "]", "1", "4", "?"]) assert.equal(press(key, { letters: false }), "");
  assert.equal(press(" ", { letters: false }), "toggle");
});
test("identifiers and keys are unique", () => {
  assert.equal(new Set(actions.map((a) => a.id)).size, actions.length);
  const keys = actions.flatMap((a) => a.keys ?? []);
  assert.equal(new Set(keys).size, keys.length);
});
