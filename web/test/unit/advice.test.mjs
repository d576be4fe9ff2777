// @ts-check
// Every code that can reach a user has advice; the list comes from the wasm package itself.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { adviceFor, hasAdvice, PAGE_CODES } from "../../src/ui/advice.js";

const PKG = new URL("../../pkg/", import.meta.url);

test("every code of the Rust side has a line", async () => {
  const wasm = await import(new URL("wasm_core.js", PKG).href);
  wasm.initSync({ module: readFileSync(new URL("wasm_core_bg.wasm", PKG)) });
  /** @type {string[]} */
  const codes = wasm.errorCodes();
  assert.ok(codes.length > 40, `${codes.length} codes`);
  assert.deepEqual(codes.filter((code) => !hasAdvice(code)), []);
});

test("advice is sentences, and an unknown code still gets some", () => {
  for (const code of [...PAGE_CODES, "rvne/crc", "recording/zip", "nobody/knows"]) {
    const { means, todo } = adviceFor(code);
    assert.match(means, /^[A-Z].*\.$/, code);
    assert.match(todo, /^[A-Z].*\.$|^[A-Z].*…$/, code);
  }
  assert.equal(hasAdvice("nobody/knows"), false);
});

test("a port that does not open has advice for the system", () => {
  assert.match(adviceFor("serial/busy", "Mozilla/5.0 (X11; Linux x86_64)").todo, /dialout/);
  assert.match(adviceFor("serial/busy", "Mozilla/5.0 (Windows NT 10.0)").todo, /Device Manager/);
  assert.match(adviceFor("serial/busy", "Mozilla/5.0 (Macintosh; Intel Mac OS X)").todo, /cu\./);
  assert.doesNotMatch(adviceFor("serial/busy", "Linux; Android 15").todo, /usermod/);
});
