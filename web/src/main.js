// @ts-check
// Wires the page: state, wasm, rooms, time line, opening. Holds no logic of its own.
import { makeActions } from "./actions.js";
import { createBoard } from "./board.js";
import { Journal } from "./journal.js";
import { createFollow } from "./follow.js";
import { createLabels } from "./labels.js";
import { loadLab } from "./lab.js";
import { createLive } from "./live.js";
import { acceptDrops, createOpening } from "./opening.js";
import { createPlayer } from "./player.js";
import { mountAttention } from "./rooms/attention.js";
import { mountDevice } from "./rooms/device.js";
import { mountLog } from "./rooms/log.js";
import { mountModel } from "./rooms/model.js";
import { mountRecording } from "./rooms/recording.js";
import { initialState, Store } from "./store.js";
import { recall, remember, startTheme } from "./theme.js";
import { mountTimeline } from "./timeline.js";
import { Training } from "./training.js";
import { button, byId, h, icon } from "./ui/dom.js";
import { keepBadge } from "./ui/badge.js";
import { Notices } from "./ui/notices.js";
import { openHelp, openPalette } from "./ui/palette.js";
import { listen } from "./ui/shortcuts.js";

/**
 * What every room gets.
 * @typedef {object} Ctx
 * @property {import("./lab.js").LabClient} lab
 * @property {import("./lab.js").Wasm} wasm
 * @property {Store} store
 * @property {import("./player.js").Player} player
 * @property {import("./board.js").Board} board
 * @property {import("./follow.js").Follow} follow
 * @property {Journal} journal
 * @property {Notices} notices
 * @property {(thrown: unknown, about?: string) => void} fail
 * @property {AbortSignal} signal
 * @property {import("./live.js").Live} live
 * @property {import("./labels.js").Labels} labels
 * @property {Training} training
 */

const BUILT_IN = "fixtures/recordings/walking_esp32_107hz.csv";
const LETTERS_KEY = "csi-lab.letters";
const TIP_KEY = "csi-lab.tip.attention";

/** @type {{id: import("./store.js").Room, name: string, path: string, mount: (root: HTMLElement, side: HTMLElement, ctx: Ctx, opening: ReturnType<typeof createOpening>) => void}[]} */
const ROOMS = [
  { id: "recording", name: "Recording", path: "M3 5h18v14H3zM7 5v14M11 9v6M15 7v10M19 10v4", mount: mountRecording },
  { id: "attention", name: "Attention", path: "M4 4h16v16H4zM4 4l16 16M4 9l11 11M4 14l6 6", mount: mountAttention },
  { id: "model", name: "Model", path: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9", mount: mountModel },
  { id: "device", name: "Device", path: "M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4", mount: mountDevice },
  { id: "log", name: "Log", path: "M5 6h14M5 10h14M5 14h9M5 18h11", mount: mountLog },
];

async function main() {
  const { signal } = new AbortController();
  const store = new Store(initialState());
  store.update({ letters: recall(LETTERS_KEY) !== "off", sideOpen: innerWidth >= 720 });
  const journal = new Journal();
  const notices = new Notices(journal);
  const nextTheme = startTheme(store, byId("bar-theme"), signal);

  const { wasm, lab } = await loadLab().catch((error) => {
    byId("first-wait").textContent = "The lab did not start.";
    notices.fail(error);
    throw error;
  });
  journal.add("info", `csi-lab ${wasm.version()} is ready`);

  const player = createPlayer(wasm, store);
  const shared = { lab, wasm, store, player, journal, notices, fail: notices.fail, signal };
  const labels = createLabels(shared);
  const live = createLive({ ...shared, labels });
  const board = createBoard(shared, live);
  /** @type {Ctx} */
  const ctx = { ...shared, labels, live, board, follow: createFollow({ ...shared, board }), training: new Training({ ...shared, live }) };
  const opening = createOpening(ctx);

  const setLetters = (/** @type {boolean} */ letters) => {
    store.update({ letters });
    remember(LETTERS_KEY, letters ? "on" : "off");
  };
  const side = () => store.update({ sideOpen: !store.state.sideOpen });
  const actions = makeActions(player, {
    room: (room) => store.update({ room }),
    open: opening.choose,
    palette: () => openPalette(actions),
    help: () => openHelp(actions, store, setLetters),
    escape: () => { if (!labels.cancel() && !notices.dismiss() && innerWidth < 720) store.update({ sideOpen: false }); },
    theme: nextTheme,
    side,
    zoom: (factor) => store.update({ viewS: Math.min(Math.max(10, player.span()), Math.max(0.5, store.state.viewS * factor)) }),
    pan: (views) => player.stepSeconds(views * store.state.viewS),
    letters: () => setLetters(!store.state.letters),
    builtIn: () => void openBuiltIn(opening, notices),
    label: labels.toggle,
    editLabel: () => labels.edit(),
    saveLabels: () => void labels.save(),
    liveEnd: () => void live.end(),
    liveSave: () => void live.save(),
    connect: () => void ctx.board.connect(),
    simulate: () => void ctx.board.simulate(),
    train: () => store.update({ room: "model", modelView: "train" }),
  });
  addEventListener("beforeunload", (event) => { if (live.running() || store.state.unsaved || ctx.training.locked) event.preventDefault(); }, { signal });
  listen(actions, store, signal);
  acceptDrops((files) => void (store.state.room === "model" && store.state.modelView === "train" ? ctx.training.add(files) : opening.openFiles(files)), signal);
  fillBar(ctx, { open: opening.choose, palette: () => openPalette(actions), help: () => openHelp(actions, store, setLetters), side });
  fillRooms(ctx, opening);
  mountTimeline(byId("timeline"), ctx);
  offerAttention(ctx);

  // A head to look through from the start: random weights, and everywhere called so.
  const blob = (await lab.blobInfo()) ?? (await lab.blobNew({ inputDim: 16, qHeads: 4, kvHeads: 1, headDim: 32, layers: 2, classes: 4, seedHex: "C5110007DEADBEEF", f16: false }));
  store.update({ blob });
  journal.add("info", `weights: ${blob.bytes} bytes, CRC-32 ${blob.crc32Hex}, ${blob.trainedWith}`);
  store.addEventListener("change", (event) => {
    const changed = /** @type {CustomEvent<Set<string>>} */ (event).detail;
    const { playing, seconds, speed } = store.state;
    if (changed.has("playing")) journal.add("info", `${playing ? "play" : "pause"} at ${seconds.toFixed(2)} s, speed ${speed}`);
  }, { signal });
  await openBuiltIn(opening, notices);
  return ctx;
}

/** @param {ReturnType<typeof createOpening>} opening @param {Notices} notices */
async function openBuiltIn(opening, notices) {
  try {
    const answer = await fetch(BUILT_IN);
    if (!answer.ok) throw new Error(`the server answers ${answer.status} for ${BUILT_IN}`);
    await opening.openRecording(new File([await answer.blob()], BUILT_IN.split("/").at(-1) ?? BUILT_IN), { quiet: true });
  } catch (error) {
    notices.fail(error, "the built-in recording");
  }
}

/** @param {Ctx} ctx @param {Record<"open" | "palette" | "help" | "side", () => void>} run */
function fillBar({ store, signal }, run) {
  keepBadge(byId("bar-source"), store, signal);
  for (const [name, act] of Object.entries(run)) byId(`bar-${name}`).addEventListener("click", act, { signal });
  byId("side-close").addEventListener("click", () => {
    run.side();
    byId("bar-side").focus();
  }, { signal });
  for (const element of document.querySelectorAll(".bar button")) element.removeAttribute("disabled");
  const chip = byId("bar-board");
  chip.addEventListener("click", () => store.update({ room: "device" }), { signal });
  store.watch(["board"], ({ board: { source, label } }) => {
    chip.textContent = label;
    chip.dataset.source = source.split(" ", 1)[0];
    chip.title = source ? `${source}: ${label}` : "No board is connected";
  }, signal);
  store.watch(["recording"], ({ recording }) => { byId("bar-name").textContent = recording?.name ?? ""; }, signal);
  store.watch(["sideOpen"], ({ sideOpen }) => {
    document.body.classList.toggle("side-folded", !sideOpen);
    byId("bar-side").setAttribute("aria-expanded", String(sideOpen));
  }, signal);
}

/** @param {Ctx} ctx @param {ReturnType<typeof createOpening>} opening */
function fillRooms(ctx, opening) {
  const { store, signal } = ctx;
  const rail = byId("rail");
  const doors = ROOMS.map(({ id, name, path, mount }, i) => {
    const room = h("section", { class: "room", id: `room-${id}`, "aria-label": name, hidden: true });
    const aside = h("section", { id: `side-${id}`, "aria-label": `${name}: settings`, hidden: true });
    byId("rooms").append(room);
    byId("side").append(aside);
    const door = h("button", { type: "button", title: `${name} (${i + 1})`, on: { click: () => store.update({ room: id }) } }, icon(path), h("span", null, name));
    rail.append(door);
    mount(room, aside, ctx, opening);
    return { id, room, aside, door };
  });
  store.watch(["room"], (state) => {
    for (const { id, room, aside, door } of doors) {
      room.hidden = aside.hidden = id !== state.room;
      if (id === state.room) door.setAttribute("aria-current", "page");
      else door.removeAttribute("aria-current");
    }
    if (innerWidth < 720) store.update({ sideOpen: false });
  }, signal);
  byId("room-first").remove();
}

/** After some seconds of replay, points once to the room that this page is for. @param {Ctx} ctx */
function offerAttention({ store, notices, signal }) {
  if (recall(TIP_KEY) === "seen") return;
  const over = new AbortController();
  signal.addEventListener("abort", () => over.abort());
  let startedAt = NaN;
  /** @type {HTMLElement | undefined} */
  let tip;
  store.watch(["playing", "seconds", "room"], (state) => {
    if (state.room === "attention") {
      tip?.remove();
      over.abort();
    }
    if (!state.playing) startedAt = NaN;
    else if (Number.isNaN(startedAt)) startedAt = performance.now();
    if (over.signal.aborted || tip || !(performance.now() - startedAt > 8000)) return;
    remember(TIP_KEY, "seen");
    tip = notices.tell("See what sparse attention leaves out", "The Attention room shows, for the rows at the cursor, what a head reads with every frame and with a few.",
      [button("Open Attention", () => store.update({ room: "attention" }), { class: "button small" })]);
  }, over.signal);
}

/** What the rooms share, once the lab has started: tests feed boards of their own through it. */
export const page = main();
page.catch((error) => console.error(error));
