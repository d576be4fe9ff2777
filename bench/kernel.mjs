// Runs the plan of csi-bench in two wasm builds, with peers beside them. Knows no node and no page.
import { stepPeer, windowPeers } from "./peers.mjs";
import { inTurns } from "./schedule.mjs";

/** @typedef {Record<string, any>} Exports  of a build of csi-bench, see src/exports.rs */

const PEER_WINDOWS = [256, 1024, 4096];
const PEER_PASTS = [1000, 8000];

/** Pointer and length in one number. @param {bigint} place */
const split = (place) => [Number(BigInt.asUintN(64, place) >> 32n), Number(place & 0xffffffffn)];
/** @param {Exports} wasm @param {bigint} place */
const text = (wasm, place) => new TextDecoder().decode(new Uint8Array(wasm.memory.buffer, ...split(place)));
/** Copied, because the memory may move. @param {Exports} wasm @param {bigint} place */
const floats = (wasm, place) => new Float32Array(wasm.memory.buffer, ...split(place)).slice();

/**
 * Measures everything; hands over one record per subject and build.
 * @param {object} options
 * @param {Record<string, BufferSource>} options.builds  modules by name: "simd" and "scalar"
 * @param {{ ort: any, tf: any }} options.libraries
 * @param {() => number} options.clock  seconds
 * @param {boolean} options.quick
 * @param {number} options.sample  seconds of one sample
 * @param {(record: object) => void} options.tell
 */
export async function measure({ builds, libraries, clock, quick, sample, tell }) {
  /** @type {[string, Exports][]} */
  const instances = [];
  for (const [build, bytes] of Object.entries(builds)) {
    instances.push([build, (await WebAssembly.instantiate(bytes, {})).instance.exports]);
  }
  const effort = quick ? { rounds: 5, seconds: 0.3, sample } : { rounds: 31, seconds: 1.5, sample };
  const plans = instances.map(([, wasm]) => text(wasm, wasm.plan(quick ? 1 : 0)));
  const groups = plans[0].trim().split("\n").map((line) => line.split(" "));
  for (const [group, [sizeText, ...names]] of groups.entries()) {
    const size = Number(sizeText);
    const ours = instances.flatMap(([build, wasm]) => {
      wasm.open(group);
      return names.map((name, subject) => ({ build, name, wasm, subject, rewind: () => wasm.rewind(subject), run: (/** @type {number} */ times) => wasm.run(subject, times) }));
    });
    const peers = await peersOf(libraries, names, size, instances[0][1]);
    const timings = await inTurns([...ours, ...peers], effort, clock);
    ours.forEach(({ build, name, wasm, subject }, at) => {
      const difference = wasm.difference(subject);
      tell({ build, name, size, ...timings[at], flops: wasm.flops(subject), memory_bytes: wasm.memory_bytes(subject), bits: wasm.bits(subject) >>> 0, difference: Number.isNaN(difference) ? null : difference });
    });
    peers.forEach((peer, at) => tell({ build: "peer", name: peer.name, size, ...timings[ours.length + at], flops: 0, memory_bytes: 0, bits: 0, difference: null }));
    peers.forEach((peer) => peer.end());
  }
}

/** @param {{ ort: any, tf: any }} libraries @param {string[]} names @param {number} size @param {Exports} wasm */
async function peersOf(libraries, names, size, wasm) {
  const dense = names.indexOf("dense");
  if (dense >= 0 && PEER_WINDOWS.includes(size)) {
    wasm.run(dense, 1);
    const [q, k, v] = [0, 1, 2].map((which) => floats(wasm, wasm.input(which)));
    return windowPeers(libraries, { q, k, v, dense: floats(wasm, wasm.output(dense)) });
  }
  return dense < 0 && PEER_PASTS.includes(size) ? [await stepPeer(libraries, size)] : [];
}
