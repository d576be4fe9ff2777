// @ts-check
// The firmware that `cargo xtask firmware` built, as the server has it: the list and its files. They
// are read anew each time; whether they are what the list says is checked where they are used.
import { LabError } from "./lab.js";

/** @typedef {{manifest: Uint8Array, files: {name: string, bytes: Uint8Array}[]}} Built */

/** The command that builds what is missing. */
export const BUILD_COMMAND = "cargo xtask firmware";
const FOLDER = "firmware/";

/** Reads everything. @returns {Promise<Built | null>} null where nothing was built */
export async function loadFirmware() {
  const manifest = await read("manifest.json");
  if (!manifest) return null;
  const names = partNames(new TextDecoder().decode(manifest));
  const files = await Promise.all(names.map(async (name) => {
    const bytes = await read(name);
    if (!bytes) throw new LabError("page/firmware-file", `the list names ${name}, and the server does not have it`);
    return { name, bytes };
  }));
  return { manifest, files };
}

/** Returns the files that a list names. @param {string} text @returns {string[]} */
export function partNames(text) {
  /** @type {unknown[]} */
  let names;
  try {
    names = JSON.parse(text).parts.map((/** @type {{file: unknown}} */ { file }) => file);
  } catch {
    throw new LabError("page/firmware-list", "the firmware's list cannot be read");
  }
  return names.map((name) => {
    if (typeof name !== "string" || !/^\w[\w.-]*\.bin$/.test(name)) throw new LabError("page/firmware-list", `the firmware's list names "${name}"`);
    return name;
  });
}

/** @param {string} name @returns {Promise<Uint8Array | null>} */
async function read(name) {
  const answer = await fetch(FOLDER + name);
  if (answer.status === 204 || answer.status === 404) return null;
  if (!answer.ok) throw new LabError("page/firmware-file", `the server answers ${answer.status} for ${name}`);
  return new Uint8Array(await answer.arrayBuffer());
}
