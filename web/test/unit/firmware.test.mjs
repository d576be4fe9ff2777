// @ts-check
// The list of built firmware names files beside it, and nothing else is asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { partNames } from "../../src/firmware.js";

test("a list's files are taken by plain names only", () => {
  assert.deepEqual(partNames('{"parts":[{"file":"app.bin"},{"file":"boot-loader.bin"}]}'), ["app.bin", "boot-loader.bin"]);
  for (const file of ["../app.bin", "/app.bin", ".bin", "app.elf", "a/b.bin", "https://x/y.bin", 7]) {
    assert.throws(() => partNames(JSON.stringify({ parts: [{ file }] })), { code: "page/firmware-list" }, String(file));
  }
  for (const text of ["", "{}", '{"parts":3}', "[]"]) assert.throws(() => partNames(text), { code: "page/firmware-list" }, text);
});
