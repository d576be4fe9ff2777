import assert from "node:assert/strict";
import test from "node:test";
import { model } from "../onnx.mjs";

const hex = (/** @type {Uint8Array} */ bytes) => Buffer.from(bytes).toString("hex");
const word = (/** @type {string} */ text) => Buffer.from(text).toString("hex");

test("a model of one node is these bytes of protobuf", () => {
  const bytes = model({
    nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"], ints: { k: 300 } }],
    inputs: [{ name: "x", dims: [1, 200] }],
    outputs: [{ name: "y", dims: [1], type: 6 }],
  });
  const node = `0a01${word("x")}1201${word("y")}2203${word("Neg")}2a09` + `0a01${word("k")}18ac02a00102` + "3a00";
  const input = `0a01${word("x")}120f0a0d08011209` + "0a0208010a0308c801";
  const output = `0a01${word("y")}120a0a0808061204` + "0a020801";
  const block = (/** @type {string} */ tag, /** @type {string} */ body) => tag + (body.length / 2).toString(16).padStart(2, "0") + body;
  const graph = block("0a", node) + block("12", word("graph")) + block("5a", input) + block("62", output);
  const opsets = block("42", "0a001017") + block("42", `0a0d${word("com.microsoft")}1001`);
  assert.equal(hex(bytes), `080a${block("3a", graph)}${opsets}`);
});

test("lengths over 127 take two bytes", () => {
  const name = "n".repeat(200);
  const bytes = model({ nodes: [{ op: "Neg", inputs: [name], outputs: ["y"] }], inputs: [], outputs: [] });
  assert.ok(hex(bytes).includes(`0ac801${word(name)}`));
});
