// node bench/run.mjs node|chromium SIMD.wasm SCALAR.wasm [--quick]
// Prints one line of JSON per subject and build, after one that names the place and the peers.
// `cargo xtask bench kernel` starts it; CHROMIUM names the browser.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { measure } from "./kernel.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const [place, simd, scalar, ...options] = process.argv.slice(2);
const quick = options.includes("--quick");
/** With these the browser's clock steps by 5 microseconds instead of 100. */
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const print = (/** @type {object} */ record) => console.log(JSON.stringify({ place, ...record }));
const version = (/** @type {string} */ name) => JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json"), "utf8")).version;
const peers = { "onnxruntime-web": version("onnxruntime-web"), tfjs: version("@tensorflow/tfjs-core") };

if (place === "node") await inNode();
else if (place === "chromium") await inChromium();
else throw new Error("say where: node or chromium");

async function inNode() {
  print({ version: `node ${process.versions.node} (V8 ${process.versions.v8})`, clock: "CPU time of the thread", peers });
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  const tf = require("@tensorflow/tfjs-core");
  const backend = require("@tensorflow/tfjs-backend-wasm");
  backend.setThreadsCount(1);
  backend.setWasmPaths(`${join(HERE, "node_modules/@tensorflow/tfjs-backend-wasm/dist")}/`);
  await tf.setBackend("wasm");
  const clock = await threadClock();
  await measure({ builds: { simd: readFileSync(simd), scalar: readFileSync(scalar) }, libraries: { ort, tf }, clock, quick, sample: 2e-3, tell: print });
}

/** Seconds that this thread has computed: what others on the machine take does not count. */
async function threadClock() {
  const { WASI } = await import("node:wasi");
  const wasi = new WASI({ version: "preview1" });
  const memory = new WebAssembly.Memory({ initial: 1 });
  wasi.initialize({ exports: { memory } });
  const view = new DataView(memory.buffer);
  const THREAD_CPUTIME = 3;
  return () => {
    if (wasi.wasiImport.clock_time_get(THREAD_CPUTIME, 1n, 0) !== 0) throw new Error("this system has no clock per thread");
    return Number(view.getBigUint64(0, true)) * 1e-9;
  };
}

async function inChromium() {
  const { chromium } = createRequire(join(HERE, "../web/package.json"))("playwright-core");
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    print({ version: `Chromium ${browser.version()}`, clock: "wall time", peers });
    const page = await browser.newPage();
    const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
    const files = { "/simd.wasm": simd, "/scalar.wasm": scalar };
    await page.route("http://bench.localhost/**", async (/** @type {any} */ route) => {
      const { pathname } = new URL(route.request().url());
      const path = files[/** @type {keyof typeof files} */ (pathname)] ?? join(HERE, pathname);
      const body = pathname === "/" ? "<!doctype html><title>bench</title>" : readFileSync(path);
      const contentType = pathname === "/" ? types[".html"] : types[/** @type {keyof typeof types} */ (extname(path))];
      return route.fulfill({ body, headers: { ...ISOLATED, "Content-Type": contentType } });
    });
    await page.exposeFunction("tell", print);
    await page.goto("http://bench.localhost/");
    for (const script of ["tfjs-core/dist/tf-core.min.js", "tfjs-backend-cpu/dist/tf-backend-cpu.min.js", "tfjs-backend-wasm/dist/tf-backend-wasm.min.js"]) await page.addScriptTag({ url: `/node_modules/@tensorflow/${script}` });
    await page.evaluate(inPage, quick);
  } finally {
    await browser.close();
  }
}

/** Runs in the page. @param {boolean} quick */
async function inPage(quick) {
  const { tf, tell } = /** @type {any} */ (globalThis);
  const load = (/** @type {string} */ url) => import(url);
  const ort = await load("/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/node_modules/onnxruntime-web/dist/";
  if (!globalThis.crossOriginIsolated) throw new Error("the page is not isolated, so its clock is coarse");
  // One thread, as everyone here: an isolated page would get the build with threads.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.wasm.setWasmPaths("/node_modules/@tensorflow/tfjs-backend-wasm/dist/");
  await tf.setBackend("wasm");
  const bytes = async (/** @type {string} */ url) => (await fetch(url)).arrayBuffer();
  const { measure } = await load("/kernel.mjs");
  const builds = { simd: await bytes("/simd.wasm"), scalar: await bytes("/scalar.wasm") };
  // Short enough to fit between what others on the machine do, since the wall's clock sees them.
  await measure({ builds, libraries: { ort, tf }, clock: () => performance.now() * 1e-3, quick, sample: 2e-3, tell });
}
