// The wasm package in node: it opens the built-in recording and answers every question of the
// rooms, with the shapes that its type declarations promise and errors that carry a code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as core from "../pkg/wasm_core.js";

const at = (path) => new URL(path, import.meta.url);
core.initSync({ module: readFileSync(at("../pkg/wasm_core_bg.wasm")) });
const walking = readFileSync(at("../../fixtures/recordings/walking_esp32_107hz.csv"));

const DEFAULT_BLOB = { inputDim: 16, qHeads: 4, kvHeads: 1, headDim: 32, layers: 2, classes: 4, seedHex: "C5110007DEADBEEF", f16: false };
const EDGES = { window: 32, block: 16, logStride: true, landmarks: true, globalToken: true };
const ATTENTION = { frame: 1800, n: 256, layer: 0, head: -1, pattern: { kind: "upstream", ...EDGES }, upstream: EDGES, dark: true };
const OTHERS = [{ kind: "ln", ...EDGES }, { kind: "pyramid", window: 16, perLevel: 4 }, { kind: "salient", window: 16, groups: 18 }];

/** Both parts of an answer. */
const compared = (lab, args) => ({ ...lab.attention(args), ...lab.attentionStep(Infinity) });

/** A lab with the built-in recording open. */
function opened() {
  const lab = new core.Lab();
  lab.openBegin("walking.csv");
  for (let start = 0; start < walking.length; start += 65536) {
    const progress = lab.openPush(walking.subarray(start, start + 65536));
    assert.equal(progress.bytes, Math.min(start + 65536, walking.length));
  }
  return { lab, info: lab.openFinish() };
}

/** Every pixel is there, and nothing more. */
function isRaster(raster) {
  assert.ok(raster.rgba instanceof Uint8ClampedArray);
  assert.equal(raster.rgba.length, raster.width * raster.height * 4);
  assert.ok(raster.max > raster.min, `${raster.min} to ${raster.max}`);
  assert.ok(["cividis", "twilight", "vik", "magma"].includes(raster.map));
}

function isSeries(series) {
  assert.ok(series.x instanceof Float64Array && series.min instanceof Float32Array && series.max instanceof Float32Array);
  assert.ok(series.x.length === series.min.length && series.x.length === series.max.length);
}

test("the built-in recording opens and is described", () => {
  const { lab, info } = opened();
  assert.equal(info.source, "RECORDED");
  assert.equal(info.frames, 2400);
  assert.ok(Math.abs(info.rateHz - 106.4) < 0.1, `${info.rateHz} Hz`);
  assert.equal(lab.times().length, info.frames);
  assert.equal(lab.subcarriers().length, info.pairs);
  const doctor = lab.doctor();
  assert.equal(doctor.format, "esp32-csi-tool-csv");
  assert.equal(doctor.frames, info.frames);
  assert.deepEqual(Object.keys(doctor.frame_lengths), ["128"]);
  assert.ok(doctor.sentences.length > 1 && doctor.sentences.every((s) => typeof s === "string"));
});

test("a recording that grows is described, asked, labelled and ended", () => {
  const lab = new core.Lab();
  lab.liveBegin("live.csv", "ESP32", false);
  assert.equal(lab.livePush(new TextEncoder().encode("boot\r\n"), 0).revision, 0);
  let live = lab.livePush(walking.subarray(0, 100_000), 5);
  const known = live.frames;
  assert.ok(known > 100 && live.revision === 1 && live.beginsAt === 6, JSON.stringify(live));
  const replay = new core.Replay(lab.times());
  live = lab.livePush(walking.subarray(100_000, 150_000), 10);
  assert.deepEqual([live.revision, live.full, live.skipped], [1, false, {}]);
  const more = lab.times(known);
  assert.ok(more instanceof Float64Array && more.length === live.frames - known);
  replay.append(more);
  replay.end();
  assert.equal(replay.frame, live.frames - 1);
  assert.ok(Math.abs(replay.seconds - live.spanS) < 1e-9);
  const info = lab.recording();
  assert.deepEqual([info.source, info.device, info.frames], ["LIVE", "ESP32", live.frames]);
  isRaster(lab.waterfall({ startS: 0, endS: live.spanS, columns: 100, kind: "amplitude", gain: true, usefulOnly: true, dark: false }));
  assert.deepEqual(lab.mark({ startS: 0.5, endS: 1, name: "walking" }), [{ startS: 0.5, endS: 1, name: "walking" }]);
  assert.equal(lab.mark({ index: 0, startS: 0.5, endS: 0.75, name: "still" })[0].name, "still");
  assert.throws(() => lab.mark({ startS: 1, endS: 1, name: "x" }), (error) => error.code === "labels/range");
  const text = lab.labelsJson();
  const ended = lab.liveEnd();
  assert.deepEqual([ended.source, ended.device], ["RECORDED", null]);
  assert.throws(() => lab.livePush(walking.subarray(0, 9), 20), (error) => error.code === "lab/not-live");
  assert.deepEqual(lab.unmark(0), []);
  // The last line was cut, so that the end has a frame less or as many, and labels fit either way but for the count.
  assert.deepEqual(lab.labelsOpen(new TextEncoder().encode(text)), { marks: [{ startS: 0.5, endS: 0.75, name: "still" }], fits: ended.frames === live.frames });
});

test("rasters and series have the promised shapes", () => {
  const { lab, info } = opened();
  const range = { startS: 0, endS: info.spanS, columns: 300 };
  for (const kind of ["amplitude", "phase", "variance"]) {
    const raster = lab.waterfall({ ...range, kind, gain: true, usefulOnly: true, dark: false });
    isRaster(raster);
    assert.deepEqual([raster.width, raster.height], [300, 52]);
  }
  isSeries(lab.subcarrierSeries({ ...range, pair: 20, quantity: "amplitude", gain: false }));
  isSeries(lab.rssiSeries(range));
  isSeries(lab.rateSeries(range));
  isSeries(lab.overview({ columns: 300 }));
  const spectrum = lab.spectrum(0, true);
  assert.equal(spectrum.k.length, info.pairs);
  assert.equal(spectrum.role.length, info.pairs);
});

test("features, model and attention answer", () => {
  const { lab } = opened();
  assert.equal(lab.blobInfo(), null);
  const blob = lab.blobNew(DEFAULT_BLOB);
  assert.deepEqual([blob.bytes, blob.parameters, blob.crc32Hex], [41244, 10304, "dc807956"]);
  assert.deepEqual(Buffer.from(lab.blobBytes()), readFileSync(at("../../fixtures/models/aether_seeded.rvne")));
  assert.deepEqual(lab.blobInfo(), blob);
  const tensors = lab.blobSafetensors();
  assert.equal(lab.blobOpen("again.safetensors", tensors).crc32Hex, "dc807956");
  assert.equal(lab.blobNew(DEFAULT_BLOB).crc32Hex, "dc807956");
  const pipeline = lab.pipeline();
  assert.equal(pipeline.matches, true);
  const { featureDim, modelInputDim, matches, steps, usefulCount, heldRows, refusedFrames, ...dto } = pipeline;
  assert.deepEqual(lab.setPipeline(dto).steps, steps);
  isRaster(lab.featureWindow({ frame: 1000, n: 64, dark: true }).raster);
  isRaster(lab.heatmap(0, true));
  const histogram = lab.histogram(0, 20);
  assert.deepEqual([histogram.edges.length, histogram.counts.length], [21, 20]);

  const result = compared(lab, ATTENTION);
  for (const raster of [result.sparse, result.dense, result.difference]) isRaster(raster);
  assert.deepEqual([result.n, result.x.length, result.perFrameMax.length, result.perCell], [256, 256, 256, 1]);
  assert.equal(result.edgesDense, (256 * 257) / 2);
  assert.deepEqual([result.saturated, result.upstream], [null, null]);
  const wide = { ...EDGES, window: 256, block: 256 };
  assert.equal(compared(lab, { ...ATTENTION, pattern: { kind: "upstream", ...wide } }).saturated.passes, true);
  const { edges, sparse, dense } = lab.attentionRow({ ...ATTENTION, row: 255 });
  assert.deepEqual(new Set(edges.map((edge) => edge.kind)), new Set(["window", "global", "log-stride", "landmark"]));
  assert.deepEqual([sparse.length, dense.length], [256, 256]);
  const logits = lab.logits(ATTENTION);
  assert.deepEqual([logits.sparse.length, logits.dense.length], [4, 4]);
  for (const pattern of [ATTENTION.pattern, ...OTHERS]) {
    lab.attention({ ...ATTENTION, pattern });
    const points = [];
    assert.equal(lab.sweepBegin(), 24);
    for (let next = lab.sweepStep(5); next.length > 0; next = lab.sweepStep(5)) points.push(...next);
    assert.equal(points.length, 24);
    const own = points.find(({ window, size }) => window === pattern.window && size === (pattern.block ?? pattern.perLevel ?? pattern.groups));
    assert.equal(own.meanAbs, lab.attentionStep(Infinity).meanAbs);
  }
  const classes = lab.classify({ frame: 1000, n: 64 });
  assert.ok(Math.abs(classes.sparse.reduce((a, b) => a + b) - 1) < 1e-6 && classes.dense.length === 4);
  assert.equal(lab.blobConvert("f16").info.dtype, "f16");
});

test("choices for a node give the bytes that the command line writes, and are read back", () => {
  const { lab } = opened();
  const made = lab.blobNew({ ...DEFAULT_BLOB, windowLen: 80, f16Rows: true, streaming: true, lastFrame: true });
  assert.deepEqual([made.bytes, made.crc32Hex], [41276, "6aa8723f"], "as `csi blob new --window-len 80 --pooling last --streaming --rows f16`");
  const { attention } = lab.blobOpen("again", lab.blobBytes());
  assert.deepEqual([attention.windowLen, attention.rows, attention.streaming, attention.pooling], [80, "f16", true, "last"]);
  assert.throws(() => lab.blobNew({ ...DEFAULT_BLOB, windowLen: 0 }), /windowLen/);
});

test("every pattern stands beside upstream's edges, and goes through a blob", () => {
  const { lab } = opened();
  lab.blobNew(DEFAULT_BLOB);
  const upstream = compared(lab, ATTENTION);
  for (const pattern of OTHERS) {
    const result = compared(lab, { ...ATTENTION, pattern });
    assert.deepEqual(result.upstream, { edges: upstream.edgesSparse, meanAbs: upstream.meanAbs, maxAbs: upstream.maxAbs });
    const { edges } = lab.attentionRow({ ...ATTENTION, pattern, row: 255 });
    if (pattern.kind !== "ln") assert.equal(edges.reduce((sum, edge) => sum + edge.count, 0), 256, "every past row once");
    const blob = lab.blobNew({ ...DEFAULT_BLOB, pattern });
    assert.deepEqual([blob.attention.kind, blob.attention.window, blob.attention.stored], [pattern.kind, pattern.window, pattern.kind !== "upstream"]);
    assert.equal(lab.blobOpen("again", lab.blobBytes()).attention.says, blob.attention.says);
    assert.match(blob.trainedWith, /^not trained/);
  }
});

test("long windows are answered without maps of their size", () => {
  const { lab } = opened();
  lab.blobNew(DEFAULT_BLOB);
  const { featureDim, modelInputDim, matches, steps, usefulCount, heldRows, refusedFrames, ...dto } = lab.pipeline();
  lab.setPipeline({ ...dto, rateHz: 0 });
  const result = compared(lab, { ...ATTENTION, frame: 2399, n: 4096 });
  assert.deepEqual([result.n, result.perCell, result.sparse.width, result.dense.height], [2400, 5, 480, 480]);
  assert.equal(result.perFrameMax.length, 2400);
});

test("replay runs on the recording's clock", () => {
  const replay = new core.Replay(Float64Array.of(0, 1e5, 2e5, 3e5));
  replay.play(1000);
  assert.equal(replay.advance(1250), true);
  assert.deepEqual([replay.frame, replay.playing, replay.seconds], [2, true, 0.25]);
  replay.stepFrames(-1);
  assert.equal(replay.frame, 1);
  replay.stepFrames(-9);
  assert.equal(replay.frame, 0);
  replay.free();
});

test("every error has a code that is listed, and a sentence", () => {
  const codes = new Set(core.errorCodes());
  const { lab, info } = opened();
  const refusals = {
    "lab/stream": () => lab.selectStream(7),
    "lab/pair": () => lab.setMask(Uint16Array.of(900)),
    "lab/no-model": () => lab.attention(ATTENTION),
    "lab/seed": () => lab.blobNew({ ...DEFAULT_BLOB, seedHex: "seed" }),
    "rvne/gqa-ratio": () => lab.blobNew({ ...DEFAULT_BLOB, kvHeads: 3 }),
    "safetensors/container": () => lab.blobOpen("cut", Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0, 123])),
    "rvne/too-short": () => lab.blobOpen("empty", new Uint8Array()),
    "lab/not-opening": () => lab.openFinish(),
    "lab/bad-argument": () => lab.waterfall({}),
    "feature/bands": () => lab.setPipeline({ ...lab.pipeline(), bands: 999 }),
  };
  for (const [code, call] of Object.entries(refusals)) {
    assert.throws(call, (error) => error instanceof Error && error.code === code && error.message.length > 10, code);
    assert.ok(codes.has(code), code);
  }
  lab.openBegin("empty.csv");
  assert.throws(() => lab.openFinish(), { code: "recording/empty" });
  assert.equal(lab.selectStream(0).frames, info.frames, "the old recording is still open");
});

test("the self-test table is the golden one", () => {
  const golden = readFileSync(at("../../fixtures/golden/bits.txt"), "utf8");
  const lines = (text) => text.split("\n").filter((line) => line && !line.startsWith("#"));
  assert.deepEqual(lines(core.selfTestBits()), lines(golden));
});

test("the binary stays small", async () => {
  const { gzipSync } = await import("node:zlib");
  const compressed = gzipSync(readFileSync(at("../pkg/wasm_core_bg.wasm"))).length;
  // A quarter of it is the board's side (loader, device, simulated board with its node, deflate and hashes).
  assert.ok(compressed < 850_000, `${compressed} bytes compressed`);
});
