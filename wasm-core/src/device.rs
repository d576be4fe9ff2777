//! [`csi_lab::device::Device`] with its port, for JavaScript: one call, one conversion each way.
//!
//! It lives on the page's own thread, where ports are chosen; what it computes (the board's logits
//! once more) takes less than a frame each time. The page is woken when something may be new and
//! then takes everything at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

use js_sys::futures::future_to_promise;
use js_sys::{Array, Float32Array, Float64Array, Function, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use csi_lab::device::{
    CheckAsk, Device, DeviceConfig, DeviceError, DeviceEvent, Firmware, FollowAsk, Manifest,
    OwnFile, ParityAsk, ParityInput, Place, PlanAsk, Rows,
};
use csi_lab::sim::{BoardConfig, Faults, Flash, FlashSize};
use esp_flasher::line::Cable;

use crate::dto::{flag, get, index, number, object, text, to_js};
use crate::error::{Result, bad_argument, thrown};
use crate::serial::{Drive, Port, PortError, SimulatedPort, WebPort};

/// What TypeScript is told about boards.
#[wasm_bindgen(typescript_custom_section)]
pub const TYPES: &str = r#"
export type DeviceTask = "connect" | "identify" | "write" | "restart" | "upload" | "parity" | "check" | "follow";
export type DeviceStep = "connect" | "identify" | "plan" | "write" | "verify" | "boot" | "listen";
export interface ChipInfo { name: string; revision: string; flashBytes: number | null; mac: string }
export interface NodeInfo {
  protocol: number; node: number; resetCause: number; board: number; boardName: string; version: string; imageHash: string;
  model: string; blobCrc: number | null; isStreaming: boolean; takesCsi: boolean; featureDim: number; classes: number;
  windowRows: number; periodRows: number; rows: number; rateHz: number;
}
export interface PlanRange { name: string; offset: number; bytes: number; fate: "keep" | "write" | "erase"; sha256: string }
export interface PlanInfo { flashBytes: number; ranges: PlanRange[]; payloadBytes: number; estimateSeconds: number; baud: number; hash: string; esptool: string; notes: string[] }
export interface FlashProgress { region: string; doneBytes: number; totalBytes: number; bytesPerSecond: number; secondsLeft: number | null }
export interface FirmwareInfo {
  chip: string; board: string; version: string; build: string; date: string; imageHash: string;
  flash: { bytes: number }; parts: { file: string; offset: number; bytes: number; sha256: string }[];
}
/** Everything there is to show of a board. */
export interface DeviceView {
  isOpen: boolean; task: DeviceTask | null; found: "silence" | "node" | "csiLines" | "loader" | "empty" | "text";
  steps: { step: DeviceStep; state: "open" | "now" | "done" | "failed" }[];
  chip: ChipInfo | null; node: NodeInfo | null; runsCatalogue: boolean | null; firmware: FirmwareInfo | null;
  partitions: { name: string; offset: number; bytes: number }[];
  plan: PlanInfo | null; progress: FlashProgress | null; baud: number; wantsReset: boolean;
}
export interface ParityReport {
  source: string; board: string; imageHash: string; blobCrc: number; rows: number; total: number; identical: number; different: number;
  missing: number; extra: number; logits: number; maxAbs: number; restarts: number;
  firstDifference: null | { classification: number; row: number; class: number; board: number; ours: number; boardBits: number; ourBits: number };
}
/** Which rows the board wants next; `from` null: those up to the time of the cursor, and more. */
export interface RowsWanted { ask: number; from: number | null; timeMicros: number; before: number; most: number }
/** What board and page say about one window of the recording that is followed. */
export interface Followed { row: number; timeMicros: number; sinceMicros: number; class: number; logits: number[]; ourClass: number; ours: number[]; isIdentical: boolean }
export interface Following { rows: number; classified: number; identical: number; missing: number; leftOut: number; behind: number; restarts: number }
export interface CheckReport { links: { name: string; state: "holds" | "differs" | "broken" | "notReached"; detail: string; advice: string }[]; firstBroken: number | null }
export interface ClassifiedInfo { sequence: number; node: number; nodeMicros: number; class: number; classes: number; topLogit: number; margin: number }
export interface LogitsInfo { sequence: number; timeMicros: number; rows: number; held: number; logits: number[] }
/** Times are microseconds of this page. */
export type DeviceEvent =
  | { type: "changed" } | { type: "journal"; text: string } | { type: "line"; timeMicros: number; text: string }
  | { type: "csi"; timeMicros: number; bytes: Uint8Array } | { type: "bytes"; timeMicros: number; fromBoard: boolean; bytes: Uint8Array }
  | { type: "found"; found: DeviceView["found"] } | { type: "greeting"; node: NodeInfo }
  | { type: "classified"; classified: ClassifiedInfo } | { type: "logits"; logits: LogitsInfo }
  | { type: "counters"; counters: { name: string; value: number }[] } | { type: "identified"; chip: ChipInfo }
  | { type: "progress"; progress: FlashProgress } | { type: "verified"; region: string; md5: string } | { type: "pressReset" } | { type: "holdBoot" }
  | { type: "uploaded"; doneBytes: number; totalBytes: number } | { type: "parityProgress"; compared: number; total: number }
  | { type: "rowsWanted"; wanted: RowsWanted } | { type: "followed"; followed: Followed } | { type: "following"; following: Following }
  | { type: "parity"; report: ParityReport } | { type: "checked"; report: CheckReport } | { type: "done"; task: DeviceTask }
  | { type: "failed"; task: DeviceTask; code: string; message: string; left: string };
/** `where`: a partition's name, or an offset in bytes, decimal or 0x. */
export interface PlanArgs { mode: "weights" | "firmware" | "files" | "region" | "all"; weights?: Uint8Array; files?: { name: string; where: string; bytes: Uint8Array }[]; partition?: string; replaceSettings?: boolean }
/** `faults` as `csi board --faults` takes them. */
export interface SimulatedArgs { flashMb: number; isNative: boolean; faults: string; mac?: string; parts: { offset: number; bytes: Uint8Array }[]; flashBaud: number }
"#;

/// A board: its device, its port and what passes between them.
#[wasm_bindgen]
pub struct BoardLink {
    drive: Rc<Drive>,
    simulated: RefCell<Option<Rc<SimulatedPort>>>,
}

#[wasm_bindgen]
impl BoardLink {
    /// Starts without a board. `wake` is called when something may be new, and not again before
    /// `take`.
    #[wasm_bindgen(constructor)]
    pub fn new(#[wasm_bindgen(unchecked_param_type = "() => void")] wake: Function) -> Self {
        Self { drive: Drive::new(wake), simulated: RefCell::default() }
    }

    /// Opens a port that the user chose, and finds out what runs there.
    #[wasm_bindgen(js_name = openSerial, unchecked_return_type = "Promise<void>")]
    pub fn open_serial(
        &self,
        #[wasm_bindgen(unchecked_param_type = "object")] port: JsValue,
        #[wasm_bindgen(js_name = flashBaud)] flash_baud: u32,
    ) -> Promise {
        self.simulated.take();
        self.open(Rc::new(WebPort::new(port)), flash_baud)
    }

    /// Makes a simulated board and opens its port.
    #[wasm_bindgen(js_name = openSimulated, unchecked_return_type = "Promise<void>")]
    pub fn open_simulated(
        &self,
        #[wasm_bindgen(unchecked_param_type = "SimulatedArgs")] a: &JsValue,
    ) -> Result<Promise> {
        let port = Rc::new(SimulatedPort::new(board_config(a)?));
        self.simulated.replace(Some(Rc::clone(&port)));
        Ok(self.open(port, index(a, "flashBaud")? as u32))
    }

    fn open(&self, port: Rc<dyn Port>, flash_baud: u32) -> Promise {
        let cable = Cable::of_usb(port.usb());
        let config = DeviceConfig { cable, flash_baud, ..DeviceConfig::default() };
        let drive = Rc::clone(&self.drive);
        future_to_promise(async move {
            drive.open(port, config).await.map_err(no_port)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Closes the port, whatever goes on.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        self.simulated.take();
        let drive = Rc::clone(&self.drive);
        future_to_promise(async move {
            drive.close().await;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Takes everything that happened, and why the port broke if it did.
    #[wasm_bindgen(
        unchecked_return_type = "{ events: DeviceEvent[]; broken: null | { code: string; message: string } }"
    )]
    pub fn take(&self) -> Result<JsValue> {
        let broken = self.drive.taken();
        let events = Array::new();
        while let Some(event) = self.drive.look(Device::poll_event) {
            events.push(&event_to_js(&event)?);
        }
        let broken = broken.map_or(JsValue::NULL, |error| {
            object([("code", error.code().into()), ("message", error.to_string().into())])
        });
        Ok(object([("events", events.into()), ("broken", broken)]))
    }

    /// Everything there is to show.
    #[wasm_bindgen(unchecked_return_type = "DeviceView")]
    pub fn view(&self) -> Result<JsValue> {
        to_js(&self.drive.look(|device| device.view()))
    }

    /// The port's own state.
    #[wasm_bindgen(unchecked_return_type = "{ isOpen: boolean; lineErrors: number }")]
    pub fn port(&self) -> JsValue {
        object([
            ("isOpen", self.drive.is_open().into()),
            ("lineErrors", self.drive.line_errors().into()),
        ])
    }

    /// Takes the firmware that was built: its list and the files that it names.
    pub fn firmware(
        &self,
        manifest: &[u8],
        #[wasm_bindgen(unchecked_param_type = "{ name: string; bytes: Uint8Array }[]")]
        files: &JsValue,
    ) -> Result<()> {
        let manifest = Manifest::parse(manifest).map_err(refused)?;
        let named = |file: JsValue| Ok((text(&file, "name")?, bytes(&file, "bytes")));
        let files = list(files).into_iter().map(named).collect::<Result<Vec<_>>>()?;
        let firmware = Firmware::new(manifest, &files).map_err(refused)?;
        self.drive.with(|device, _| device.set_firmware(Some(firmware)));
        Ok(())
    }

    /// Makes a plan and keeps it; nothing is written.
    pub fn plan(
        &self,
        #[wasm_bindgen(unchecked_param_type = "PlanArgs")] a: &JsValue,
    ) -> Result<()> {
        let ask = plan_ask(a)?;
        self.drive.with(|device, _| device.plan(&ask).map(drop)).map_err(refused)
    }

    /// Forgets the plan.
    #[wasm_bindgen(js_name = forgetPlan)]
    pub fn forget_plan(&self) {
        self.drive.with(|device, _| device.forget_plan());
    }

    /// Carries the plan out.
    pub fn write(&self) -> Result<()> {
        self.drive.with(Device::write).map_err(refused)
    }

    /// Asks the chip's loader what the chip is.
    pub fn identify(&self) -> Result<()> {
        self.drive.with(Device::identify).map_err(refused)
    }

    /// Restarts the board.
    pub fn restart(&self) -> Result<()> {
        self.drive.with(Device::restart).map_err(refused)
    }

    /// Ends what goes on.
    pub fn cancel(&self) {
        self.drive.with(Device::cancel);
    }

    /// Sends rows to the board and compares its logits with ours. `source` names the rows.
    pub fn parity(
        &self,
        source: String,
        blob: Vec<u8>,
        rows: Vec<f32>,
        #[wasm_bindgen(js_name = periodRows)] period_rows: u16,
    ) -> Result<()> {
        let input = ParityInput::Rows { values: rows };
        let ask = ParityAsk { source, blob, input, period_rows, send_weights: true };
        self.drive.with(|device, now| device.parity(now, ask)).map_err(refused)
    }

    /// Sends a recording's rows while it is played; with these weights, which the board gets where
    /// it has others.
    pub fn follow(
        &self,
        blob: Vec<u8>,
        #[wasm_bindgen(js_name = periodRows)] period_rows: u16,
    ) -> Result<()> {
        let ask = FollowAsk { blob, period_rows, send_weights: true };
        self.drive.with(|device, now| device.follow(now, ask)).map_err(refused)
    }

    /// The cursor is at this second of the recording.
    #[wasm_bindgen(js_name = followTo)]
    pub fn follow_to(&self, seconds: f64) {
        self.drive.with(|device, now| device.follow_to(now, micros(seconds)));
    }

    /// Hands in the rows that a `rowsWanted` asked for, as `Lab.boardRows` answers it.
    #[wasm_bindgen(js_name = followRows)]
    pub fn follow_rows(
        &self,
        ask: u32,
        #[wasm_bindgen(unchecked_param_type = "BoardRows")] rows: &JsValue,
    ) -> Result<()> {
        let rows = Rows {
            first: index(rows, "first")? as u32,
            starts: flag(rows, "starts"),
            times_micros: Float64Array::new(&get(rows, "timesMicros"))
                .to_vec()
                .into_iter()
                .map(|time| time as i64)
                .collect(),
            values: Float32Array::new(&get(rows, "values")).to_vec(),
        };
        self.drive.with(|device, now| device.follow_rows(now, ask, &rows));
        Ok(())
    }

    /// Sends no more rows.
    pub fn unfollow(&self) {
        self.drive.with(Device::unfollow);
    }

    /// Looks for the first broken link between port and classifications. `blobCrc` closes the open
    /// blob.
    pub fn check(&self, #[wasm_bindgen(js_name = blobCrc)] blob_crc: Option<u32>) -> Result<()> {
        let act = |device: &mut Device, now| {
            let image_hash = device.firmware().map_or("", |firmware| firmware.image_hash());
            let ask = CheckAsk { image_hash: image_hash.to_owned(), blob_crc };
            device.check(now, ask)
        };
        self.drive.with(act).map_err(refused)
    }

    /// Changes the speed at which the application is listened to.
    #[wasm_bindgen(js_name = setConsoleBaud)]
    pub fn set_console_baud(&self, baud: u32) -> Result<()> {
        self.drive.with(|device, _| device.set_console_baud(baud)).map_err(refused)
    }

    /// Whether every byte comes as an event too.
    #[wasm_bindgen(js_name = showBytes)]
    pub fn show_bytes(&self, show: bool) {
        self.drive.with(|device, _| device.show_bytes(show));
    }

    /// Does with the simulated board what a hand would; nothing where there is none.
    pub fn touch(
        &self,
        #[wasm_bindgen(unchecked_param_type = "\"reset\" | \"unplug\" | \"plug\"")] hand: &str,
    ) {
        if let Some(port) = &*self.simulated.borrow() {
            port.touch(|board, now| match hand {
                "reset" => board.press_reset(now),
                "unplug" => board.unplug(now),
                "plug" => board.plug(now),
                _ => {}
            });
        }
    }
}

/// What the simulated board does not simulate, a sentence each.
#[wasm_bindgen(js_name = notSimulated)]
pub fn not_simulated() -> Vec<String> {
    csi_lab::sim::NOT_SIMULATED.iter().map(ToString::to_string).collect()
}

fn refused(error: DeviceError) -> JsValue {
    thrown(error.code(), error)
}

fn no_port(error: PortError) -> JsValue {
    thrown(error.code(), error)
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

fn list(value: &JsValue) -> Vec<JsValue> {
    if value.is_object() { Array::from(value).to_vec() } else { Vec::new() }
}

fn bytes(object: &JsValue, name: &str) -> Vec<u8> {
    Uint8Array::new(&get(object, name)).to_vec()
}

/// Bytes come as a typed array: as a list of numbers they would cost a hundred times as much.
fn event_to_js(event: &DeviceEvent) -> Result<JsValue> {
    let typed = |bytes: &[u8]| JsValue::from(Uint8Array::from(bytes));
    Ok(match event {
        DeviceEvent::Csi { time_micros, bytes } => object([
            ("type", "csi".into()),
            ("timeMicros", (*time_micros as f64).into()),
            ("bytes", typed(bytes)),
        ]),
        DeviceEvent::Bytes { time_micros, from_board, bytes } => object([
            ("type", "bytes".into()),
            ("timeMicros", (*time_micros as f64).into()),
            ("fromBoard", (*from_board).into()),
            ("bytes", typed(bytes)),
        ]),
        other => to_js(other)?,
    })
}

fn plan_ask(a: &JsValue) -> Result<PlanAsk> {
    let weights = Some(get(a, "weights")).filter(JsValue::is_object);
    let weights = weights.map(|blob| Uint8Array::new(&blob).to_vec());
    Ok(match text(a, "mode")?.as_str() {
        "weights" => PlanAsk::Weights { blob: weights.ok_or_else(|| missing("weights"))? },
        "firmware" => PlanAsk::Firmware { blob: weights },
        "files" => {
            let file = |file: &JsValue| {
                let place = place(&text(file, "where")?)?;
                Ok(OwnFile { name: text(file, "name")?, place, bytes: bytes(file, "bytes") })
            };
            let files = list(&get(a, "files")).iter().map(file).collect::<Result<_>>()?;
            PlanAsk::Files { files, replace_settings: flag(a, "replaceSettings") }
        }
        "region" => PlanAsk::Erase { places: vec![Place::Partition(text(a, "partition")?)] },
        "all" => PlanAsk::EraseAll,
        other => return Err(bad_argument(format_args!("{other} is no kind of plan"))),
    })
}

fn missing(what: impl Display) -> JsValue {
    thrown("lab/no-model", format_args!("the plan needs {what}, and none are open"))
}

/// `0x10000`, `65536` or a partition's name.
fn place(text: &str) -> Result<Place> {
    let offset = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => return Ok(Place::Partition(text.to_owned())),
    };
    let offset = offset.ok_or_else(|| bad_argument(format_args!("\"{text}\" is no offset")))?;
    Ok(Place::Range { offset, len: 0 })
}

fn board_config(a: &JsValue) -> Result<BoardConfig> {
    let size = FlashSize::from_name(&format!("{}MB", number(a, "flashMb")?));
    let mut flash = Flash::new(size.ok_or_else(|| bad_argument("flashMb is not 4, 8 or 16"))?);
    for part in list(&get(a, "parts")) {
        flash.store(index(&part, "offset")? as u32, &bytes(&part, "bytes"));
    }
    let faults: Faults = text(a, "faults")?
        .parse()
        .map_err(|error: csi_lab::sim::FaultError| thrown(error.code(), error))?;
    let cable = if flag(a, "isNative") { Cable::SerialJtag } else { Cable::Bridge };
    Ok(BoardConfig { cable, faults, ..BoardConfig::new(flash) })
}
