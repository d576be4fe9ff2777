// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../src/ui/format.js";
import { compareBits } from "../../src/ui/bits.js";
import { withoutAddresses } from "../../src/journal.js";

test("integers have groups of three", () => {
  assert.deepEqual([0, 12, 999, 1000, 41244, 1234567].map(format.integer), ["0", "12", "999", "1,000", "41,244", "1,234,567"]);
});
test("clocks never show sixty seconds", () => {
  assert.deepEqual([0, 7.25, 59.999, 61.5, 3723.5].map(format.clock), ["0:00.00", "0:07.25", "1:00.00", "1:01.50", "1:02:03.50"]);
});
test("numbers keep three digits, with a real minus", () => {
  assert.deepEqual([0, 0.0123, -1.5, 123456, 1.6e-6, NaN].map(format.significant), ["0", "0.0123", "−1.50", "1.23e5", "1.60e−6", "not a number"]);
});
test("bytes take the fitting unit", () => {
  assert.deepEqual([5, 41244, 2e8, 2147483648].map(format.bytes), ["5 B", "41.2 kB", "200.0 MB", "2.15 GB"]);
});
test("file names lose what a file system refuses", () => {
  assert.equal(format.fileName("RECORDED a/b:c*.csv"), "RECORDED-a-b-c-.csv");
  assert.equal(format.fileName("../../etc"), "etc");
  assert.equal(format.fileName("///"), "file");
});
test("a live recording is named by the moment it began", () => {
  assert.equal(format.liveName(new Date(2026, 10, 3, 5, 7, 9)), "live-20261103-050709.csv");
});
test("tables name their source first and quote what needs it", () => {
  assert.equal(format.csv("RECORDED x\ny", ["a", "b"], [[1, 'say "hi", twice']]), '# source: RECORDED x y\na,b\n1,"say ""hi"", twice"\n');
});
test("tables of hashes differ when a line differs, lacks or is extra", () => {
  assert.deepEqual(compareBits("a 1\nb 2\n", "a 1\nb 3\n"), { same: 1, different: ["b"] });
  assert.deepEqual(compareBits("a 1\nb 2\n", "a 1\n"), { same: 1, different: ["b"] });
  assert.deepEqual(compareBits("a 1\n", "a 1\nc 4\n"), { same: 1, different: ["c"] });
});
test("the log holds no hardware address", () => {
  assert.equal(withoutAddresses("from 24:6f:28:ab:cd:ef ok"), "from [hardware address] ok");
  assert.equal(withoutAddresses("at 12:34:56 CRC 89abcdef"), "at 12:34:56 CRC 89abcdef");
});
