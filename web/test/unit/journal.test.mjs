// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutAddresses } from "../../src/journal.js";

test("hardware addresses do not reach the log, however they are written", () => {
  for (const address of ["20:50:0D:2A:A2:E4", "20-50-0d-2a-a2-e4", "20_50_0d_2a_a2_e4", "20500d2aa2e4"]) {
    assert.equal(withoutAddresses(`opened walk_${address}.csv: 3 frames`), "opened walk_[hardware address].csv: 3 frames", address);
  }
});

test("seeds, checksums, dates and counts stay", () => {
  for (const text of ["seed c5110007deadbeef, CRC-32 dc807956", "rec_20260302_165607.jsonl", "202603021656.csv", "offset 123456789012"]) assert.equal(withoutAddresses(text), text);
});
