// @ts-check
// Every action of the page with its key, once: shortcuts, palette and help are made from this.

/**
 * @typedef {object} Action
 * @property {string} id
 * @property {string} name
 * @property {string} [keys]  as shown: "Shift+Left"
 * @property {(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">) => boolean} [matches]
 * @property {boolean} [letter]  a single character: can be switched off
 * @property {boolean} [anywhere]  also while a field is being edited
 * @property {() => void} run
 */

/** @param {string} key @param {boolean} [shift] */
const plain = (key, shift = false) => (/** @type {Parameters<NonNullable<Action["matches"]>>[0]} */ e) =>
  e.key === key && e.shiftKey === shift && !e.ctrlKey && !e.metaKey && !e.altKey;
/** A character, whatever it takes to type it on this keyboard. @param {string} key */
const character = (key) => (/** @type {Parameters<NonNullable<Action["matches"]>>[0]} */ e) =>
  e.key.toLowerCase() === key && !e.ctrlKey && !e.metaKey;
/** @param {string} key */
const control = (key) => (/** @type {Parameters<NonNullable<Action["matches"]>>[0]} */ e) =>
  e.key.toLowerCase() === key && (e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey;

/**
 * @param {Pick<import("./player.js").Player, "toggle" | "stepFrames" | "stepSeconds" | "home" | "end" | "faster" | "loop" | "follow">} player
 * @param {{room: (room: import("./store.js").Room) => void, open: () => void, palette: () => void, help: () => void,
 *   escape: () => void, theme: () => void, side: () => void, zoom: (factor: number) => void, pan: (views: number) => void, letters: () => void, builtIn: () => void,
 *   label: () => void, editLabel: () => void, saveLabels: () => void, liveEnd: () => void, liveSave: () => void, connect: () => void, simulate: () => void, train: () => void}} page
 * @returns {Action[]}
 */
export function makeActions(player, page) {
  return [
    { id: "play", name: "Play or pause", keys: "Space", matches: plain(" "), run: player.toggle },
    { id: "frame-back", name: "One frame back", keys: "Left", matches: plain("ArrowLeft"), run: () => player.stepFrames(-1) },
    { id: "frame-on", name: "One frame on", keys: "Right", matches: plain("ArrowRight"), run: () => player.stepFrames(1) },
    { id: "second-back", name: "One second back", keys: "Shift+Left", matches: plain("ArrowLeft", true), run: () => player.stepSeconds(-1) },
    { id: "second-on", name: "One second on", keys: "Shift+Right", matches: plain("ArrowRight", true), run: () => player.stepSeconds(1) },
    { id: "home", name: "To the first frame", keys: "Home", matches: plain("Home"), run: player.home },
    { id: "end", name: "To the last frame", keys: "End", matches: plain("End"), run: player.end },
    { id: "slower", name: "Half the speed", keys: "[", matches: character("["), letter: true, run: () => player.faster(0.5) },
    { id: "faster", name: "Double the speed", keys: "]", matches: character("]"), letter: true, run: () => player.faster(2) },
    { id: "loop", name: "Loop on or off", keys: "L", matches: character("l"), letter: true, run: player.loop },
    { id: "zoom-in", name: "Zoom in: fewer seconds", keys: "W", matches: character("w"), letter: true, run: () => page.zoom(0.5) },
    { id: "zoom-out", name: "Zoom out: more seconds", keys: "S", matches: character("s"), letter: true, run: () => page.zoom(2) },
    { id: "pan-left", name: "A quarter of the view back", keys: "A", matches: character("a"), letter: true, run: () => page.pan(-0.25) },
    { id: "pan-right", name: "A quarter of the view on", keys: "D", matches: character("d"), letter: true, run: () => page.pan(0.25) },
    { id: "follow", name: "Live: follow the newest frame", keys: "F", matches: character("f"), letter: true, run: player.follow },
    { id: "live-end", name: "Live: stop", run: page.liveEnd },
    { id: "live-save", name: "Live: save the recording", run: page.liveSave },
    { id: "label", name: "Label: begin or end at the cursor", keys: "M", matches: character("m"), letter: true, run: page.label },
    { id: "label-edit", name: "Label: edit the one at the cursor", keys: "E", matches: character("e"), letter: true, run: page.editLabel },
    { id: "label-save", name: "Label: save all beside the recording", run: page.saveLabels },
    { id: "room-recording", name: "Room: Recording", keys: "1", matches: character("1"), letter: true, run: () => page.room("recording") },
    { id: "room-attention", name: "Room: Attention", keys: "2", matches: character("2"), letter: true, run: () => page.room("attention") },
    { id: "room-model", name: "Room: Model", keys: "3", matches: character("3"), letter: true, run: () => page.room("model") },
    { id: "room-device", name: "Room: Device", keys: "4", matches: character("4"), letter: true, run: () => page.room("device") },
    { id: "room-log", name: "Room: Log", keys: "5", matches: character("5"), letter: true, run: () => page.room("log") },
    { id: "palette", name: "All actions", keys: "Ctrl+K", matches: control("k"), anywhere: true, run: page.palette },
    { id: "open", name: "Open a file", keys: "Ctrl+O", matches: control("o"), anywhere: true, run: page.open },
    { id: "help", name: "Help and keys", keys: "?", matches: character("?"), letter: true, run: page.help },
    { id: "escape", name: "Close what is open", keys: "Esc", matches: plain("Escape"), anywhere: true, run: page.escape },
    { id: "board-connect", name: "Connect a board", run: page.connect },
    { id: "board-simulate", name: "Use the simulated board", run: page.simulate },
    { id: "train", name: "Train a head", run: page.train },
    { id: "built-in", name: "Open the built-in recording", run: page.builtIn },
    { id: "theme", name: "Theme: system, light, dark", run: page.theme },
    { id: "side", name: "Inspector: show or fold", run: page.side },
    { id: "letters", name: "Keys of one character: on or off", run: page.letters },
  ];
}

/**
 * Returns the action that a key press asks for, or none.
 * @param {Action[]} actions
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} event
 * @param {{editing: boolean, letters: boolean}} where  `editing`: the focus is in a control that uses keys itself
 */
export function actionFor(actions, event, { editing, letters }) {
  return actions.find((action) => action.matches?.(event) && (action.anywhere || !editing) && (letters || !action.letter));
}
