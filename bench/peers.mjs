// Causal dense attention by other people's kernels, one thread each, on our inputs.
import { model } from "./onnx.mjs";

const HEADS = 4;
const DIM = 32;
const WIDTH = HEADS * DIM;
/** A peer that computes something else would be compared with nothing. */
const TOLERANCE = 1e-5;

/** @typedef {{ name: string, run: (times: number) => void | Promise<void>, end: () => void }} Peer */
/** @typedef {{ q: Float32Array, k: Float32Array, v: Float32Array, dense: Float32Array }} Case  `[seq, heads, dim]` each */

/** `[seq, heads, dim]` as `[heads, seq, dim]`, or `[heads, dim, seq]`. @param {Float32Array} from @param {boolean} [transposed] */
function byHead(from, transposed = false) {
  const seq = from.length / WIDTH;
  const to = new Float32Array(from.length);
  for (let s = 0; s < seq; s++) for (let h = 0; h < HEADS; h++) for (let d = 0; d < DIM; d++) {
    to[transposed ? (h * DIM + d) * seq + s : (h * seq + s) * DIM + d] = from[s * WIDTH + h * DIM + d];
  }
  return to;
}

/** 0 where a row may look, a number that exp turns into 0 elsewhere. @param {number} seq */
function causalMask(seq) {
  const mask = new Float32Array(seq * seq);
  for (let row = 0; row < seq; row++) mask.fill(-1e9, row * seq + row + 1, (row + 1) * seq);
  return mask;
}

/** @param {string} name @param {ArrayLike<number>} got @param {Float32Array} wanted @returns {void} */
function check(name, got, wanted) {
  if (got.length !== wanted.length) throw new Error(`${name} gives ${got.length} numbers for ${wanted.length}`);
  let most = 0;
  for (let i = 0; i < wanted.length; i++) most = Math.max(most, Math.abs(got[i] - wanted[i]));
  if (!(most <= TOLERANCE)) throw new Error(`${name} differs from our dense attention by ${most}`);
}

/** The graphs, by name: what goes in and which nodes compute it. `past` keys and values for `seq` queries. */
const GRAPHS = {
  "ort-softmax": (/** @type {number} */ seq) => ({
    inputs: [{ name: "q", dims: [HEADS, seq, DIM] }, { name: "k", dims: [HEADS, DIM, seq] }, { name: "v", dims: [HEADS, seq, DIM] }, { name: "scale", dims: [1] }, { name: "mask", dims: [seq, seq] }],
    nodes: [
      { op: "MatMul", inputs: ["q", "k"], outputs: ["products"] },
      { op: "Mul", inputs: ["products", "scale"], outputs: ["scaled"] },
      { op: "Add", inputs: ["scaled", "mask"], outputs: ["masked"] },
      { op: "Softmax", inputs: ["masked"], outputs: ["weights"], ints: { axis: 2 } },
      { op: "MatMul", inputs: ["weights", "v"], outputs: ["out"] },
    ],
    outputs: [{ name: "out", dims: [HEADS, seq, DIM] }],
  }),
  "ort-attention": (/** @type {number} */ seq) => fused(seq, seq, { op: "Attention", ints: { is_causal: 1, q_num_heads: HEADS, kv_num_heads: HEADS } }),
  "ort-multi-head": (/** @type {number} */ seq) => fused(seq, seq, { op: "MultiHeadAttention", domain: "com.microsoft", ints: { num_heads: HEADS, unidirectional: 1 } }),
  "ort-group-query": (/** @type {number} */ seq) => {
    const past = [1, HEADS, seq, DIM];
    const graph = fused(seq, seq, { op: "GroupQueryAttention", domain: "com.microsoft", ints: { num_heads: HEADS, kv_num_heads: HEADS } });
    graph.inputs.push({ name: "last", dims: [1], type: 6 }, { name: "total", dims: [1], type: 6 });
    graph.nodes[0].inputs.push("", "", "last", "total");
    graph.nodes[0].outputs.push("present_k", "present_v");
    graph.outputs.push({ name: "present_k", dims: past }, { name: "present_v", dims: past });
    return graph;
  },
  "ort-step": (/** @type {number} */ past) => fused(1, past, { op: "Attention", ints: { q_num_heads: HEADS, kv_num_heads: HEADS } }),
};

/** One node from q, k, v to out. @param {number} seq @param {number} past @param {{ op: string, domain?: string, ints: Record<string, number> }} node */
function fused(seq, past, node) {
  return {
    inputs: [{ name: "q", dims: [1, seq, WIDTH] }, .../** @type {import("./onnx.mjs").Value[]} */ (["k", "v"].map((name) => ({ name, dims: [1, past, WIDTH] })))],
    nodes: [{ ...node, inputs: ["q", "k", "v"], outputs: ["out"] }],
    outputs: [{ name: "out", dims: [1, seq, WIDTH] }],
  };
}

/**
 * A peer of onnxruntime-web, checked where `dense` says what it must compute.
 * @param {any} ort @param {keyof typeof GRAPHS} name @param {Case} given @returns {Promise<Peer>}
 */
async function ortPeer(ort, name, { q, k, v, dense }) {
  const graph = GRAPHS[name](k.length / WIDTH);
  const session = await ort.InferenceSession.create(model(/** @type {any} */ (graph)), { executionProviders: ["wasm"], graphOptimizationLevel: "all", intraOpNumThreads: 1 });
  const seq = k.length / WIDTH;
  const heads = name === "ort-softmax";
  /** @type {Record<string, () => Float32Array | Int32Array>} */
  const data = {
    q: () => (heads ? byHead(q) : q.slice()),
    k: () => (heads ? byHead(k, true) : k.slice()),
    v: () => (heads ? byHead(v) : v.slice()),
    scale: () => Float32Array.of(1 / Math.sqrt(DIM)),
    mask: () => causalMask(seq),
    last: () => Int32Array.of(seq - 1),
    total: () => Int32Array.of(seq),
  };
  const feeds = Object.fromEntries(graph.inputs.map((/** @type {import("./onnx.mjs").Value} */ { name, dims, type }) => [name, new ort.Tensor(type === 6 ? "int32" : "float32", data[name](), dims)]));
  if (name !== "ort-step") check(name, (await session.run(feeds, ["out"])).out.data, heads ? byHead(dense) : dense);
  return {
    name,
    run: async (times) => { for (let i = 0; i < times; i++) await session.run(feeds, ["out"]); },
    end: () => session.release(),
  };
}

/** @param {any} tf @param {Case} given @returns {Promise<Peer>} */
async function tfPeer(tf, { q, k, v, dense }) {
  const seq = q.length / WIDTH;
  const [tq, tk, tv] = [q, k, v].map((from) => tf.tensor(byHead(from), [HEADS, seq, DIM]));
  const mask = tf.tensor(causalMask(seq), [seq, seq]);
  const attend = () => tf.tidy(() => tf.matMul(tf.softmax(tf.add(tf.mul(tf.matMul(tq, tk, false, true), 1 / Math.sqrt(DIM)), mask)), tv));
  const first = attend();
  check("tfjs", await first.data(), byHead(dense));
  first.dispose();
  return {
    name: "tfjs",
    run: (times) => { for (let i = 0; i < times; i++) attend().dispose(); },
    end: () => [tq, tk, tv, mask].forEach((tensor) => tensor.dispose()),
  };
}

/**
 * Makes the peers over a window, each checked against our dense attention.
 * @param {{ ort: any, tf: any }} libraries @param {Case} given @returns {Promise<Peer[]>}
 */
export async function windowPeers({ ort, tf }, given) {
  const peers = [];
  for (const name of /** @type {const} */ (["ort-softmax", "ort-attention", "ort-multi-head", "ort-group-query"])) peers.push(await ortPeer(ort, name, given));
  return [...peers, await tfPeer(tf, given)];
}

/**
 * Makes the peer of a decode step: one query against `past` keys and values that are there already.
 * @param {{ ort: any }} libraries @param {number} past @returns {Promise<Peer>}
 */
export function stepPeer({ ort }, past) {
  const some = (/** @type {number} */ count) => Float32Array.from({ length: count * WIDTH }, (_, i) => Math.sin(i * 12.9898));
  return ortPeer(ort, "ort-step", { q: some(1), k: some(past), v: some(past), dense: some(1) });
}
