// @ts-check
// From the code of an error to what it means and what to do. A test holds this table against the
// list of every code that the Rust side can give.

/** @typedef {{means: string, todo: string}} Advice */

const KEPT = "What was open before is still open.";
const NOT_BLOB = "The file is not a .rvne weight blob, or it was damaged.";
const AGAIN = "Copy the file again from where it was made, or export it again.";
const EXPORT = "Export the recording as CSV or as another format named under Help, then open that.";
const OURS = "This is a fault of the page, not of your data.";
const REPORT = "Copy the problem report in the Log room and open an issue with it.";
const TRAILER = "A record after the weights does not follow the format; the whole file is refused.";
const REWRITE = "Write the file again with a tool that follows the format description in docs.";
const PATTERN = "The setting asks for something that this attention cannot compute.";
const SETTINGS = "Change the setting named in the message and try again.";
const FEATURES = "The frames cannot be turned into features with these settings.";

/** @type {Record<string, Advice>} */
const EXACT = {
  "recording/empty": { means: "The file holds no bytes at all. " + KEPT, todo: "Check that the recorder or the copy had finished, then open the file again." },
  "recording/header-only": { means: "There is a header, but not one line of data follows. " + KEPT, todo: "Check that the board was sending while you recorded." },
  "recording/unrecognised": { means: "The content is none of the formats that the lab reads; the file name plays no part. " + KEPT, todo: "Help (?) lists the formats. For your own data, write a CSV with one frame a line." },
  "recording/no-csi": { means: "The file is text or a capture that the lab can read, but it holds no channel state. " + KEPT, todo: "Switch CSI output on in the firmware and record again." },
  "recording/no-csi-packets": { means: "The capture is sound, but no packet in it carries channel state. " + KEPT, todo: "Capture on the port that the board sends its CSI to." },
  "recording/nothing-usable": { means: "The format was recognised, but no single frame could be used. " + KEPT, todo: "The message names the first place and reason. Record again, or cut the damaged part out." },
  "recording/json-document": { means: "The file is one JSON document; recordings are JSON lines, one object a line. " + KEPT, todo: "Write each frame as an object on its own line and open that." },
  "recording/npy": { means: "NumPy arrays do not say which number is which subcarrier. " + KEPT, todo: "Save it as CSV: one frame a line, amplitudes a0, a1, …" },
  "recording/npz": { means: "NumPy archives do not say which number is which subcarrier. " + KEPT, todo: "Save the array as CSV: one frame a line, amplitudes a0, a1, …" },
  "recording/utf-16": { means: "The text is stored as UTF-16, which the lab does not read. " + KEPT, todo: "Save it as UTF-8 and open it again." },
  "rvne/magic": { means: `${NOT_BLOB} ${KEPT}`, todo: "Choose a .rvne or .safetensors file, or make weights in the Model room." },
  "rvne/magic-big-endian": { means: `The file was written big-endian; the format is little-endian. ${KEPT}`, todo: "Write it again on the exporter's little-endian setting." },
  "rvne/version": { means: `The file has a version that this lab does not know. ${KEPT}`, todo: "Use a newer lab, or export version 1." },
  "rvne/crc": { means: `At least one byte changed after the file was written. ${KEPT}`, todo: AGAIN },
  "rvne/too-short": { means: `The file ends before its header does. ${KEPT}`, todo: AGAIN },
  "rvne/length": { means: `The file was cut, or bytes were added at its end. ${KEPT}`, todo: AGAIN },
  "rvne/weights-length": { means: `The header's shape and its number of weight bytes contradict each other. ${KEPT}`, todo: REWRITE },
  "rvne/zero-dimension": { means: `A head with a dimension of zero computes nothing. ${KEPT}`, todo: "Give every dimension at least 1." },
  "rvne/gqa-ratio": { means: `Query heads are shared evenly among key heads, so their number must be a multiple. ${KEPT}`, todo: "For example 4 query heads with 1, 2 or 4 key heads." },
  "rvne/too-few-classes": { means: `A classifier needs two classes at least. ${KEPT}`, todo: "Give at least 2 classes." },
  "rvne/shape-too-large": { means: `The shape asks for more weights than the format can hold. ${KEPT}`, todo: "Make one of the dimensions smaller." },
  "sim/fault-word": { means: "The simulated board knows no such fault.", todo: "Take one of those that the sentence lists; docs/board.md explains them." },
  "sim/fault-when": { means: "A fault was told when to strike and does not take that, or was not told.", todo: "Write @N, @N+M or %N after a fault of a byte, a command or an MD5, and nothing after the others." },
  "sim/fault-number": { means: "A number of a fault is missing, no whole number, or out of range.", todo: "Write whole numbers from 1 on." },
  "rvne/zero-seed": { means: "The generator stays at zero forever when it starts there.", todo: "Take any other seed." },
  "rvne/reserved-flag": { means: `A flag is set that version 1 does not define. ${KEPT}`, todo: "Use a newer lab, or export version 1." },
  "rvne/reserved-byte": { means: `A byte that must be zero is not. ${KEPT}`, todo: REWRITE },
  "rvne/not-finite": { means: `A weight is infinite or not a number, so every output would be. ${KEPT}`, todo: "Train again with a smaller learning rate, or export before the loss broke." },
  "attention/beyond-f16": { means: "The weights keep rows as f16, and a query, key or value is too large for that.", todo: "Write the weights again with rows kept as f32." },
  "attention/map-too-large": { means: "A map of that many rows would not fit the page's memory.", todo: "Choose fewer rows." },
  "attention/not-finite": { means: "A query, key or value is infinite or not a number.", todo: "Check the weights in the Model room and the features in the Recording room." },
  "lab/no-recording": { means: "This needs frames, and no recording is open.", todo: "Open one, or the built-in recording from Ctrl+K." },
  "lab/no-model": { means: "This needs weights, and none are open.", todo: "Make weights in the Model room." },
  "lab/features": { means: "The head takes another number of features than the frames give.", todo: "Change Bands under Features in the Recording room, or make weights for that number." },
  "lab/magnitude": { means: "Queries and keys cannot be brought to that size.", todo: "Choose one of the sizes in the list." },
  "lab/no-rows": { means: "The features give no row up to the cursor, so the head has nothing to look at.", todo: "Move the cursor on, or switch resampling off under Features." },
  "lab/too-many-rows": { means: "So many rows would not fit the page's memory.", todo: "Resample to a lower rate under Features, or choose fewer rows." },
  "lab/no-phase": { means: "The recording holds amplitudes only; phase was never stored.", todo: "Look at amplitude or variance." },
  "lab/empty-mask": { means: "Without a single subcarrier there is nothing to compute from.", todo: "Keep one at least, or press Mask: automatic." },
  "lab/pair": { means: "The stream that is open has no such subcarrier.", todo: "Choose a subcarrier on the map." },
  "lab/seed": { means: "A seed is up to 16 hexadecimal digits: 0 to 9, A to F.", todo: "Correct the field and try again." },
  "lab/pattern-range": { means: "A blob has 16 bits for window and block, and 8 for the pattern's other numbers.", todo: "Choose smaller numbers." },
  "lab/not-live": { means: "Lines came, or were ended, while no live recording was under way.", todo: "Start it again in the Device room." },
  "labels/format": { means: `The file is JSON, but no label file of this lab. ${KEPT}`, todo: "Choose the .labels.json that was saved with the recording." },
  "labels/version": { means: "A newer lab wrote these labels. The marks that were there stay.", todo: "Reload the page to get the newest lab." },
  "labels/name": { means: "A label needs a name that can be printed.", todo: "Type a short name, such as walking." },
  "labels/range": { means: "A label needs some length.", todo: "Move the cursor between the first and the second press of M." },
  "labels/too-many": { means: "So many labels are no longer kept.", todo: "Join labels, or split the recording." },
  "labels/index": { means: OURS, todo: REPORT },
  "lab/bad-argument": { means: OURS, todo: REPORT },
  "device/not-connected": { means: "No port is open.", todo: "Connect a board, or use the simulated one." },
  "device/busy": { means: "One thing at a time: the board is busy with something else.", todo: "Wait until it is done, or cancel it." },
  "device/in-loader": { means: "The chip waits in its loader, where no application runs.", todo: "Restart the board first." },
  "device/lost": { means: "The port went away in the middle: unplugged, restarted, or taken by another program.", todo: "Plug the board in again and connect." },
  "device/cancelled": { means: "It was ended before it was done.", todo: "The message says in what state the board is. Start again whenever you like." },
  "device/no-answer": { means: "The board did not answer in time.", todo: "Press RESET once. If it stays silent, check cable and speed, or flash the firmware." },
  "device/refused": { means: "The board refused with a code that this page does not know: its firmware may be newer.", todo: "Flash the firmware that came with this page." },
  "device/version": { means: "The firmware on the board speaks another version of the protocol.", todo: "Flash the firmware that came with this page." },
  "device/damaged": { means: "Bytes were damaged on the line again and again.", todo: "Use a shorter cable or a lower speed, and close other programs that use the port." },
  "device/unexpected": { means: "The board answered something that was not asked.", todo: "Press RESET once and try again. If it happens again, copy the problem report." },
  "device/other-weights": { means: "Board and page have different weights, so their logits cannot be equal.", todo: "Let the weights be sent over the line, or flash them." },
  "device/width": { means: "The rows have another width than the weights read.", todo: "Use a recording and features that suit the weights." },
  "device/too-few-rows": { means: "The recording is shorter than the window that the weights look at.", todo: "Choose a longer recording, or weights with a shorter window." },
  "device/no-firmware": { means: "The firmware catalogue is not there.", todo: "Run `cargo xtask firmware`, then reload. Weights alone can be flashed without it." },
  "device/manifest": { means: "The firmware's manifest cannot be used, so nothing of it is flashed.", todo: "Build the firmware again with `cargo xtask firmware`." },
  "device/file-missing": { means: "The manifest names a file that is not there.", todo: "Build the firmware again with `cargo xtask firmware`." },
  "device/file-hash": { means: "A firmware file is not the one that the manifest names: stale, cut or changed. It is not flashed.", todo: "Build the firmware again with `cargo xtask firmware`, then reload." },
  "device/no-partition": { means: "The board's partition table has no partition of that name.", todo: "Choose one of the list, or give an offset." },
  "device/weights-room": { means: "The weights are larger than their partition.", todo: "Use f16 weights or a smaller head." },
  "device/no-plan": { means: "There is nothing to write yet.", todo: "Choose what is to be written first." },
  "node/no-weights": { means: "The board has no weights yet, so it cannot classify.", todo: "Send it a .rvne file." },
  "node/no-pipeline": { means: "The weights on the board do not tell how CSI becomes features.", todo: "Send feature rows, or weights that were exported with their features." },
  "node/window-not-full": { means: "The board has seen too few rows to classify.", todo: "Wait until its window is full." },
  "node/memory": { means: "The weights and their window do not fit the board's memory. The old weights go on.", todo: "Use a smaller head, a shorter window, or rows kept as f16." },
  "flash/not-connected": { means: "Nothing at the other end of the cable answered as a loader. Nothing was changed.", todo: "Use a data cable, hold BOOT, press and release RESET, let go of BOOT, and try again." },
  "flash/wrong-chip": { means: "This firmware runs on an ESP32-S3 only. Nothing was changed.", todo: "Connect an ESP32-S3." },
  "flash/secure-boot": { means: "The board's fuses let it run only images that its owner signed. Nothing was changed.", todo: "Use a board without secure boot." },
  "flash/encrypted": { means: "The board encrypts its flash, so plain files would not run. Nothing was changed.", todo: "Use a board without flash encryption." },
  "flash/secure-download": { means: "The board's fuses restrict its loader. Nothing was changed.", todo: "Use another board." },
  "flash/no-flash": { means: "The chip answers, but its flash memory does not. Nothing was changed.", todo: "Take the board off its power for a moment and try again; on a bare module check the flash's wiring." },
  "flash/flash-too-small": { means: "The plan was made for a larger flash than the board has. Nothing was changed.", todo: "Connect first, so that the plan is made for this board." },
  "flash/unsteady": { means: "The same question got different answers: bytes are damaged on the way.", todo: "Use a shorter cable or another port, or a lower speed." },
  "flash/no-reply": { means: "The loader stopped answering, and starting over did not help.", todo: "Unplug the board, plug it in again, and start again: what is in flash already is not sent twice." },
  "flash/refused": { means: "The loader refused the same command again and again.", todo: "Unplug the board, plug it in again, and start again, at a lower speed if it was not the lowest." },
  "flash/verify": { means: "The bytes in flash are not those that were sent. The board may not start until this is repaired.", todo: "Start again at a lower speed or with another cable. If the same place fails again, the flash chip is worn out." },
  "flash/lost": { means: "The port went away and did not come back in time.", todo: "Plug the board in and start again: what is in flash already is not sent twice." },
  "flash/another-board": { means: "The board that came back has another address than the one that went away. It was not written.", todo: "Plug the first board in, or start anew with this one." },
  "flash/cancelled": { means: "You cancelled. The log says which piece of flash is neither old nor new; if there is one, the board may not start.", todo: "Start again to complete it. The board waits in its loader, and RESET leaves that." },
  "flash/not-restarted": { means: "Everything is in flash, but the board still runs its loader.", todo: "Press RESET once, without BOOT, or take the board off its power for a moment." },
  "plan/crosses-nvs": { means: "The file would replace the settings that the board keeps for itself, such as Wi-Fi keys. Nothing was changed.", todo: "Write the parts of a merged image one by one, or confirm that the settings may go." },
  "plan/crosses-partition": { means: "The file does not fit into the partition. Nothing was changed.", todo: "Choose a smaller file or another partition." },
  "plan/out-of-range": { means: "The flash ends before the file does. Nothing was changed.", todo: "Choose another place, or a board with more flash." },
  "plan/unaligned": { means: "A flash is erased in pieces of 0x1000 bytes, so that is where a file may start.", todo: "Choose an offset that ends in 000." },
  "plan/no-partition": { means: "The board's partition table has no partition of this name.", todo: "Choose one of those that are listed." },
  "image/chip": { means: "The image was built for another chip. Nothing was changed.", todo: "Build it for the ESP32-S3." },
  "serial/busy": { means: "The system does not let the browser have the port: another program has it open, or access is missing.", todo: "Close serial monitors, IDEs and other tabs that use it." },
  "serial/open-here": { means: "This page has the port open already.", todo: "Disconnect first, then connect again." },
  "serial/forbidden": { means: "The browser's settings, or where the page comes from, forbid serial ports.", todo: "Allow serial ports for this page in the browser's site settings; the page must come from this computer or by https." },
  "serial/lost": { means: "The board went away: unplugged, restarted, or the cable is loose.", todo: "Plug it in again: it is looked for, and nothing has to be chosen anew." },
  "serial/closed": { means: "The port was closed while it was being used.", todo: "Connect again." },
  "serial/stalled": { means: "The port took no bytes for seconds, as a board does that hangs.", todo: "Press RESET on the board, or unplug it and plug it in again." },
  "serial/refused": { means: "The browser would not use the port and gave no reason that is known here.", todo: "Unplug the board, plug it in again, and update the browser if that does not help." },
  "page/no-serial": { means: "Without Web Serial a page cannot reach a board.", todo: "Use the simulated board, or a browser with Web Serial on a desktop; plan and files can be downloaded." },
  "page/port-in-other-tab": { means: "One tab at a time can have a port.", todo: "Press Disconnect in the other tab, or close it." },
  "page/firmware-list": { means: "The list of the built firmware is damaged, so nothing of it is used.", todo: "Build it again with cargo xtask firmware." },
  "page/firmware-file": { means: "A file of the built firmware is missing, so nothing of it is used.", todo: "Build it again with cargo xtask firmware." },
  "page/no-wasm": { means: "The lab computes with WebAssembly, which is missing or switched off here.", todo: "Use a browser of the last three years, or allow WebAssembly for this page." },
  "page/no-package": { means: "The page is there, but the part that computes is not.", todo: "Start the server with cargo lab, which builds it, and reload." },
  "page/crashed": { means: `The computing part stopped. ${OURS}`, todo: `Reload the page. ${REPORT}` },
  "page/unexpected": { means: OURS, todo: REPORT },
  "page/file-unreadable": { means: `The file changed, moved or was locked while it was read. ${KEPT}`, todo: "Close other programs that write to it and open it again." },
  "page/blob-too-large": { means: `No weight blob is that large, so this is another kind of file. ${KEPT}`, todo: "Choose a .rvne or .safetensors file. A recording must not be called so." },
  "page/number": { means: "The shape needs whole numbers.", todo: "Correct the field and try again." },
};

/** For the codes of one kind that ask for the same of the user. @type {[RegExp, Advice][]} */
const FAMILIES = [
  [/^recording\/(zip|gzip|compressed)$/, { means: `The file is compressed. ${KEPT}`, todo: "Unpack it and open what is inside." }],
  [/^recording\/(picoscenes|feitcsi|hdf5|matlab|pcapng)$/, { means: `The format was recognised, but the lab does not read it. ${KEPT}`, todo: EXPORT }],
  [/^rvne\/trailer-/, { means: `${TRAILER} ${KEPT}`, todo: REWRITE }],
  [/^rvne\/pipeline/, { means: `The feature settings inside the file contradict its shape. ${KEPT}`, todo: REWRITE }],
  [/^safetensors\/(container|dtype|not-finite)$/, { means: `The tensors cannot be read, or hold numbers that no head can run with. ${KEPT}`, todo: "Save them again, as finite numbers of float32, float16 or bfloat16." }],
  [/^safetensors\/(no-)?metadata$/, { means: `A head's tensors need a note of how to read them, under the key "rvne" of the file's metadata. ${KEPT}`, todo: 'Save the file with metadata={"rvne": json.dumps({"head_dim": ...})}; docs/safetensors.md has the fields.' }],
  [/^safetensors\//, { means: `The names or shapes of the tensors are not those of a head. ${KEPT}`, todo: "Rename or reshape the tensor in the message; docs/safetensors.md has the list." }],
  [/^attention\//, { means: PATTERN, todo: SETTINGS }],
  [/^head\//, { means: "The weights and what they should run on do not fit together.", todo: "Check that the features fit the model's input, or make weights in the Model room." }],
  [/^feature\//, { means: FEATURES, todo: "Change the step named in the message under Features in the Recording room." }],
  [/^dataset\/(no-recording|unlabelled)$/, { means: "Training learns from labelled frames, and there are none here.", todo: "Add a recording with labels, or mark stretches on its time line." }],
  [/^dataset\/copies$/, { means: "The same frames would be trained on and tested on: the accuracy would be too good to be true.", todo: "Take the recording out of one side of the split." }],
  [/^dataset\/mixed-/, { means: "The recordings do not show the same subcarriers at the same rate.", todo: "Choose recordings of one receiver and setting, or a rate that all of them reach." }],
  [/^dataset\/(one-class|no-window)$/, { means: "There are too few windows of different classes to learn a difference.", todo: "Add recordings of another class, or make windows shorter." }],
  [/^dataset\/(one-recording|untested-class|imbalance)$/, { means: "The figures will say little about this class on another day.", todo: "Record it again, best at another time." }],
  [/^dataset\/unknown-class$/, { means: "A head can only name classes that it was trained on.", todo: "Rename the label as it is called in training, or leave these stretches out." }],
  [/^study\/(no-recording|not-ready|not-training|too-many|index|not-opening)$/, { means: "There is nothing that can be trained yet.", todo: "See what the Train view says above its button." }],
  [/^study\/(no-such-name|other-recording)$/, { means: "A label file belongs to the recording that it names.", todo: "Add that recording too, then its labels again." }],
  [/^dataset\//, { means: "The frames of a recording do not suit training.", todo: "Look at the recording in the doctor, or choose other feature settings." }],
  [/^train\/teacher-saw-test$/, { means: "The teacher was trained on a recording that the student is tested on: what it teaches may be the answer.", todo: "Train the teacher on the training recordings alone." }],
  [/^train\/teacher-/, { means: "This head cannot teach these windows.", todo: "Take a teacher that was trained on the same recordings, rate and classes." }],
  [/^train\//, { means: "A head cannot be trained with these settings.", todo: "Change what the message names: classes, recordings, size or pattern." }],
  [/^packet\//, { means: "A message of a board does not follow its format.", todo: "Check that board and lab have the same version." }],
  [/^node\/upload-/, { means: "Weights on their way to the board did not arrive as they were sent. The board still runs the old ones.", todo: "Send them again." }],
  [/^node\//, { means: "The board cannot take this with the weights it has.", todo: "Send weights that fit the rows, or rows that fit the weights." }],
  [/^protocol\//, { means: "What came over the cable is no message of this lab, or was damaged on the way.", todo: "Check the cable, and that board and lab have the same version." }],
  [/^lab\/(frame|matrix|no-comparison|no-sweep|not-opening|stream)$/, { means: OURS, todo: `Try again. ${REPORT}` }],
  [/^labels\//, { means: "The file is no label file of this lab, or was damaged. The marks that were there stay.", todo: "Save the labels again, or correct the place that the message names." }],
  [/^image\//, { means: "The file is no image that an ESP32-S3 starts, or it was damaged. Nothing was changed.", todo: "Build or download it again." }],
  [/^partition\//, { means: "The partition table is damaged, or is none. Nothing was changed.", todo: "Write the firmware's own table with it, or build the table again." }],
  [/^plan\//, { means: "The plan asks for something that cannot be written. Nothing was changed.", todo: "Change the region that the message names." }],
  [/^(figure|tensor|window)\//, { means: OURS, todo: REPORT }],
];

/** Whether the table has a line for this code itself or for its kind. @param {string} code */
export function hasAdvice(code) {
  return Object.hasOwn(EXACT, code) || FAMILIES.some(([kind]) => kind.test(code));
}

/** What besides keeps a port from opening, by system. @type {[RegExp, string][]} */
const BUSY = [
  [/linux(?!.*android)/i, "On Linux your account needs the group that owns the port: sudo usermod -aG dialout $USER (uucp on Arch), then log in again; ModemManager may hold a new port for some seconds."],
  [/mac/i, "On macOS choose the port called cu., and install the driver of the bridge if none is listed."],
  [/win/i, "On Windows look in the Device Manager under Ports: a sign there means that the bridge's driver is missing."],
];

/** @param {string} code @param {string} [system]  as the browser names it @returns {Advice} */
export function adviceFor(code, system = globalThis.navigator?.userAgent ?? "") {
  const found = Object.hasOwn(EXACT, code) ? EXACT[code] : FAMILIES.find(([kind]) => kind.test(code))?.[1] ?? EXACT["page/unexpected"];
  const more = code === "serial/busy" ? BUSY.find(([name]) => name.test(system))?.[1] : undefined;
  return more ? { ...found, todo: `${found.todo} ${more}` } : found;
}

/** The codes that the page itself gives. */
export const PAGE_CODES = Object.keys(EXACT).filter((code) => code.startsWith("page/"));
