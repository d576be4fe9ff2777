//! Between JavaScript values and Rust's: properties in, objects and typed arrays out.
//!
//! Small results go through serde, arrays through typed arrays. [`TYPES`] is what TypeScript is
//! told about them; `web/test/wasm.test.mjs` compares it with what really comes.

use js_sys::{Float32Array, Float64Array, Object, Reflect, Uint8ClampedArray};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use csi_lab::raster::{Raster, Thinned};

use crate::error::{Result, bad_argument};

/// A property of an object; `undefined` where there is none.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A text property.
pub fn text(object: &JsValue, name: &str) -> Result<String> {
    get(object, name).as_string().ok_or_else(|| bad_argument(format_args!("{name} is no text")))
}

/// A number property.
pub fn number(object: &JsValue, name: &str) -> Result<f64> {
    optional_number(object, name).ok_or_else(|| bad_argument(format_args!("{name} is no number")))
}

/// A number property that may be absent.
pub fn optional_number(object: &JsValue, name: &str) -> Option<f64> {
    get(object, name).as_f64()
}

/// A property as a truth value; absent is false.
pub fn flag(object: &JsValue, name: &str) -> bool {
    get(object, name).is_truthy()
}

/// A whole number property from 0 up.
pub fn index(object: &JsValue, name: &str) -> Result<usize> {
    let value = number(object, name)?;
    if value >= 0.0 && value.fract() == 0.0 {
        Ok(value as usize)
    } else {
        Err(bad_argument(format_args!("{name} is {value}, not a whole number from 0 up")))
    }
}

/// An object with these properties.
pub fn object<const N: usize>(properties: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in properties {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

/// Any small value as plain objects, arrays, numbers and `null`.
pub fn to_js(value: &(impl Serialize + ?Sized)) -> Result<JsValue> {
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(bad_argument)
}

/// A plain object as a Rust value.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T> {
    serde_wasm_bindgen::from_value(value).map_err(bad_argument)
}

/// A copy as `Float32Array`.
pub fn float_array(values: &[f32]) -> JsValue {
    Float32Array::from(values).into()
}

/// A copy as `Float64Array`.
pub fn double_array(values: &[f64]) -> JsValue {
    Float64Array::from(values).into()
}

/// A `Raster`.
pub fn raster(raster: &Raster) -> JsValue {
    object([
        ("rgba", Uint8ClampedArray::from(raster.rgba.as_slice()).into()),
        ("width", raster.width.into()),
        ("height", raster.height.into()),
        ("min", raster.min.into()),
        ("max", raster.max.into()),
        ("map", raster.map.name().into()),
    ])
}

/// A `ThinSeries`.
pub fn series(series: &Thinned) -> JsValue {
    object([
        ("x", double_array(&series.x)),
        ("min", float_array(&series.min)),
        ("max", float_array(&series.max)),
    ])
}

/// What TypeScript is told about the worker's results.
#[wasm_bindgen(typescript_custom_section)]
pub const TYPES: &str = r#"
export type ColorMapName = "cividis" | "twilight" | "vik" | "magma";
/** Row 0 is the top. `min` and `max` are the numbers of the first and last colour. */
export interface Raster { rgba: Uint8ClampedArray; width: number; height: number; min: number; max: number; map: ColorMapName }
/** A minimum and a maximum for each pixel column; NaN is a gap. */
export interface ThinSeries { x: Float64Array; min: Float32Array; max: Float32Array }
/** `full`: the memory for frames is used up and reading has stopped. */
export interface OpenProgress { bytes: number; frames: number; skipped: number; full: boolean }
export type StreamKind = "iq" | "amplitude" | "feature-state";
export interface StreamInfo { name: string; frames: number; rateHz: number | null; values: number; kind: StreamKind }
export interface LabelInfo { startS: number; endS: number; name: string }
export interface RecordingInfo {
  name: string; source: "RECORDED" | "LIVE" | "SIMULATED BOARD" | "SYNTHETIC"; device: string | null; frames: number; spanS: number; rateHz: number | null;
  streams: StreamInfo[]; selected: number; pairs: number;
  order: "fft" | "centred" | "listed" | "as-stored" | "features"; orderDecidedBy: string;
  hasPhase: boolean; hasRssi: boolean; labels: LabelInfo[]; clock: string;
}
/** `revision` changes when the recording must be looked at anew; 0 until its first frame. `beginsAt`: the byte of the line at which a saved file begins. */
export interface LiveInfo { revision: number; frames: number; allFrames: number; spanS: number; rateHz: number | null; bytes: number; beginsAt: number | null; skipped: Record<string, number>; full: boolean }
export interface MarkArgs { index?: number; startS: number; endS: number; name: string }
/** As `csi doctor --json`, with sentences for people. */
export interface DoctorReport {
  format: string; format_reason: string; bytes: number; frames: number;
  skipped: Record<string, number>; skipped_at: Record<string, string[]>; packets: Record<string, number>;
  frame_lengths: Record<string, number>; span_s: number | null; rate_hz: number | null; median_rate_hz: number | null;
  jitter_s: number | null; gaps: { start_s: number; length_s: number }[]; gap_count: number; lost_frames: number | null;
  clock_wraps: number; clock_restarts: number; clock_reordered: number; duplicates: number;
  subcarrier_order: string; subcarrier_order_reason: string; labels: Record<string, number>; notes: string[];
  sentences: string[];
}
export interface WaterfallArgs { startS: number; endS: number; columns: number; kind: "amplitude" | "phase" | "variance"; gain: boolean; usefulOnly: boolean; dark: boolean }
export interface SubcarrierSeriesArgs { pair: number; startS: number; endS: number; columns: number; quantity: "amplitude" | "phase"; gain: boolean }
export interface RangeArgs { startS: number; endS: number; columns: number }
export type SubcarrierRole = "data" | "pilot" | "null" | "dc" | "garbage";
export interface SubcarrierInfo { pair: number; k: number | null; role: SubcarrierRole; field: "lltf" | "ht-ltf" | "stbc-ht-ltf" | "none"; useful: boolean }
export interface Spectrum { k: Float64Array; amplitude: Float32Array; role: SubcarrierRole[] }
export interface PipelineDto { bands: number; divideByMean: boolean; meanRemoval: "none" | "window" | "exponential"; timeConstantS: number; rateHz: number; lags: number[]; lagAbsolute: boolean }
export interface PipelineInfo extends PipelineDto { featureDim: number; modelInputDim: number; matches: boolean; steps: string[]; usefulCount: number; heldRows: number; refusedFrames: number }
export interface FeatureWindow { raster: Raster; firstSeconds: number; lastSeconds: number; rows: number; dim: number }
/** Rows of `dim` numbers, the oldest first. */
export interface FeatureRows { values: Float32Array; firstSeconds: number; rows: number; dim: number }
/** Rows for a board; `starts`: the clock of the recording breaks before them. */
export interface BoardRows { first: number; starts: boolean; timesMicros: Float64Array; values: Float32Array }
export interface BlobNewArgs { inputDim: number; qHeads: number; kvHeads: number; headDim: number; layers: number; classes: number; seedHex: string; f16: boolean; pattern?: PatternArgs; /** for a node: 1 to 65535, absent: 50 */ windowLen?: number; f16Rows?: boolean; streaming?: boolean; lastFrame?: boolean }
export interface BlobInfo {
  name: string; shape: { inputDim: number; qHeads: number; kvHeads: number; headDim: number; layers: number; classes: number };
  dtype: "f32" | "f16"; bytes: number; parameters: number; crc32Hex: string;
  header: { field: string; offset: number; hex: string; meaning: string }[];
  records: { tag: number; name: string; bytes: number; summary: string }[];
  trainedWith: string; classNames: string[];
  matrices: { name: string; rows: number; cols: number; min: number; max: number; mean: number; std: number; zeros: number }[];
  attention: { stored: boolean; window: number; block: number; pattern: string; says: string; kind: PatternKind | "dense"; perLevel: number; groups: number; logStride: boolean; landmarks: boolean; globalToken: boolean; pooling: "mean" | "last"; windowLen: number; rows: "f32" | "f16"; streaming: boolean; /** pooling, frames, rows and streaming in words */ node: string; frameRateHz: number };
  seedHex?: string;
}
export interface BlobConversion { info: BlobInfo; maxAbs: number; meanAbs: number; overflowed: number }
export interface Histogram { edges: Float64Array; counts: Float32Array }
export type PatternKind = "upstream" | "ln" | "pyramid" | "salient";
export interface EdgesArgs { window: number; block: number; logStride: boolean; landmarks: boolean; globalToken: boolean }
/** The numbers that belong to a kind; others may be there and say nothing. */
export type PatternArgs = ({ kind: "upstream" | "ln" } & EdgesArgs) | { kind: "pyramid"; window: number; perLevel: number } | { kind: "salient"; window: number; groups: number };
/** `head` -1 shows the mean of all heads. `upstream`: the edges that another pattern is compared with. */
export interface AttentionArgs { frame: number; n: number; layer: number; head: number; pattern: PatternArgs; upstream: EdgesArgs; /** queries and keys brought to this magnitude; absent or 0: as the weights make them */ magnitude?: number; dark: boolean }
/** The map shows decimal logarithms; no weight is transparent. A cell stands for `perCell` rows and columns: it shows the last of its rows, and of its columns the largest number. */
export interface AttentionSparse { n: number; firstSeconds: number; lastSeconds: number; x: Float64Array; sparse: Raster; perCell: number; edgesSparse: number; edgesDense: number; sparseMs: number }
/** `difference` is dense minus sparse: what the pattern leaves out is positive. `upstream` is null when the pattern is upstream's edges. */
export interface AttentionDense {
  dense: Raster; difference: Raster; perFrameMax: Float32Array; perFrameMean: Float32Array;
  maxAbs: number; meanAbs: number; denseRms: number; denseMs: number;
  upstream: null | { edges: number; meanAbs: number; maxAbs: number };
  saturated: null | { maxAbsButLast: number; maxAbsLast: number; magnitude: number; passes: boolean };
  scoreSpread: number;
}
export interface Logits { sparse: Float32Array; dense: Float32Array; /** for a blob whose rows are f16: the largest difference from f32 rows */ f16RowsMaxAbs?: number }
/** `count` rows from the first to the last: all of them, or some where a group skips rows. */
export interface RowEdge { kind: "window" | "global" | "log-stride" | "landmark" | "block" | "group"; first: number; last: number; count: number; seconds: number; weightSparse: number; weightDense: number }
/** One row of the maps: its edges, and the weight of each token. */
export interface AttentionRow { edges: RowEdge[]; sparse: Float32Array; dense: Float32Array }
/** `size` is the block, the blocks per level or the groups, by the kind of the pattern. */
export interface SweepPoint { window: number; size: number; edges: number; maxAbs: number; meanAbs: number; ms: number }
export interface Classification { sparse: Float32Array; dense: Float32Array }
/** What every thrown error has besides its `message`. */
export interface LabErrorLike extends Error { code: string }
"#;
