// ONNX models of a few nodes, written as the protobuf messages they are.
// Source: onnx.proto of ONNX, whose field numbers stand beside each call.

/** @typedef {{ name: string, dims: number[], type?: 1 | 6 }} Value  type 1 is f32, 6 is i32 */
/** @typedef {{ op: string, inputs: string[], outputs: string[], domain?: string, ints?: Record<string, number> }} Node */

/** Bytes of an unsigned number, seven bits each, the lowest first. @param {number} number @returns {number[]} */
function varint(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) | 128);
  return [...bytes, number];
}

/** @param {number} field @param {number} number */
const int = (field, number) => [...varint(field * 8), ...varint(number)];
/** @param {number} field @param {ArrayLike<number>} bytes */
const block = (field, bytes) => [...varint(field * 8 + 2), ...varint(bytes.length), ...Array.from(bytes)];
/** @param {number} field @param {string} text */
const string = (field, text) => block(field, new TextEncoder().encode(text));

/** A ValueInfoProto: name, type, shape. @param {Value} value */
function info({ name, dims, type = 1 }) {
  const shape = dims.flatMap((dim) => block(1, int(1, dim)));
  return [...string(1, name), ...block(2, block(1, [...int(1, type), ...block(2, shape)]))];
}

/** A NodeProto; its attributes are whole numbers. @param {Node} node */
function node({ op, inputs, outputs, domain = "", ints = {} }) {
  const attributes = Object.entries(ints).flatMap(([name, value]) => block(5, [...string(1, name), ...int(3, value), ...int(20, 2)]));
  return [...inputs.flatMap((name) => string(1, name)), ...outputs.flatMap((name) => string(2, name)), ...string(4, op), ...attributes, ...string(7, domain)];
}

/**
 * A ModelProto of the standard operators, opset 23, and Microsoft's.
 * @param {{ nodes: Node[], inputs: Value[], outputs: Value[] }} graph
 * @returns {Uint8Array}
 */
export function model({ nodes, inputs, outputs }) {
  const graph = [
    ...nodes.flatMap((n) => block(1, node(n))),
    ...string(2, "graph"),
    ...inputs.flatMap((value) => block(11, info(value))),
    ...outputs.flatMap((value) => block(12, info(value))),
  ];
  const opset = (/** @type {string} */ domain, /** @type {number} */ version) => block(8, [...string(1, domain), ...int(2, version)]);
  return Uint8Array.from([...int(1, 10), ...block(7, graph), ...opset("", 23), ...opset("com.microsoft", 1)]);
}
