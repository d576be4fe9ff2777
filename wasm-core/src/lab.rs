//! [`csi_lab::session::Session`] for JavaScript: one call, one conversion each way.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use csi_lab::blob_view::{parse_dtype, parse_seed};
use csi_lab::device::RowsWanted;
use csi_lab::pattern::Pattern;
use csi_lab::recording::{Limits, LiveSource, Order};
use csi_lab::session::{
    AttentionAsk, LabError, ModelAsk, NodeChoices, Quantity, Session, WaterfallAsk, WaterfallKind,
};
use csi_temporal::attention::{Pyramid, Salient, SparsePattern};
use csi_temporal::half::Storage;
use csi_temporal::rvne::{Dtype, HeadShape, Pooling};

use crate::dto::{
    double_array, flag, float_array, from_js, get, index, number, object, optional_number, raster,
    series, text, to_js,
};
use crate::error::{Result, bad_argument, thrown};

#[wasm_bindgen]
extern "C" {
    /// The clock of windows, workers and node alike.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub fn now_ms() -> f64;
}

fn refused(error: LabError) -> JsValue {
    thrown(error.code(), error)
}

/// Everything heavy: the open recording, features, model, attention.
///
/// Errors are `Error`s with a `code`. After an error the lab is as it was before the call.
#[wasm_bindgen]
#[derive(Default)]
pub struct Lab(Session);

#[wasm_bindgen]
impl Lab {
    /// Starts with nothing open.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file; the open recording stays until `openFinish` succeeds.
    #[wasm_bindgen(js_name = openBegin)]
    pub fn open_begin(&mut self, name: &str) {
        self.0.open_begin(name);
    }

    /// Takes the next bytes of the file. A refusal ends the opening.
    #[wasm_bindgen(js_name = openPush, unchecked_return_type = "OpenProgress")]
    pub fn open_push(&mut self, bytes: &[u8]) -> Result<JsValue> {
        let progress = self.0.open_push(bytes).map_err(refused)?;
        Ok(object([
            ("bytes", (progress.bytes as f64).into()),
            ("frames", (progress.frames as f64).into()),
            ("skipped", (progress.skipped as f64).into()),
            ("full", progress.full.into()),
        ]))
    }

    /// Ends the file and makes it the open recording.
    #[wasm_bindgen(js_name = openFinish, unchecked_return_type = "RecordingInfo")]
    pub fn open_finish(&mut self) -> Result<JsValue> {
        to_js(&self.0.open_finish().map_err(refused)?)
    }

    /// Drops the file that is being opened.
    #[wasm_bindgen(js_name = openCancel)]
    pub fn open_cancel(&mut self) {
        self.0.open_cancel();
    }

    /// Begins a live recording; `device` is what its badge names.
    #[wasm_bindgen(js_name = liveBegin)]
    pub fn live_begin(&mut self, name: &str, device: &str, simulated: bool) {
        let source = if simulated { LiveSource::Simulated } else { LiveSource::Board };
        self.0.live_begin(name, device, source, Limits::default());
    }

    /// Takes the next bytes of a board's serial output, and the time of `performance.now()` at which
    /// they came.
    #[wasm_bindgen(js_name = livePush, unchecked_return_type = "LiveInfo")]
    pub fn live_push(
        &mut self,
        bytes: &[u8],
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<JsValue> {
        to_js(&self.0.live_push(bytes, (now_ms * 1e3) as u64).map_err(refused)?)
    }

    /// Ends the live recording; it stays open as a recording.
    #[wasm_bindgen(js_name = liveEnd, unchecked_return_type = "RecordingInfo")]
    pub fn live_end(&mut self) -> Result<JsValue> {
        to_js(&self.0.live_end().map_err(refused)?)
    }

    /// Describes the open recording.
    #[wasm_bindgen(unchecked_return_type = "RecordingInfo")]
    pub fn recording(&self) -> Result<JsValue> {
        to_js(&self.0.recording().map_err(refused)?)
    }

    /// The labels that were put on the open recording.
    #[wasm_bindgen(unchecked_return_type = "LabelInfo[]")]
    pub fn marks(&self) -> Result<JsValue> {
        to_js(&self.0.marks().map_err(refused)?)
    }

    /// Adds a label, or puts it in the place of label `index`; seconds after the first frame.
    #[wasm_bindgen(unchecked_return_type = "LabelInfo[]")]
    pub fn mark(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "MarkArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let place = get(a, "index");
        let place = if place.is_undefined() { None } else { Some(index(a, "index")?) };
        let span = (number(a, "startS")?, number(a, "endS")?);
        to_js(&self.0.mark(place, span, &text(a, "name")?).map_err(refused)?)
    }

    /// Takes a label away.
    #[wasm_bindgen(unchecked_return_type = "LabelInfo[]")]
    pub fn unmark(&mut self, index: usize) -> Result<JsValue> {
        to_js(&self.0.unmark(index).map_err(refused)?)
    }

    /// Opens a label file for the open recording. `fits` is false if it was made for another.
    #[wasm_bindgen(js_name = labelsOpen, unchecked_return_type = "{ marks: LabelInfo[]; fits: boolean }")]
    pub fn labels_open(&mut self, bytes: &[u8]) -> Result<JsValue> {
        let (marks, fits) = self.0.labels_open(bytes).map_err(refused)?;
        Ok(object([("marks", to_js(&marks)?), ("fits", fits.into())]))
    }

    /// The label file of the open recording.
    #[wasm_bindgen(js_name = labelsJson)]
    pub fn labels_json(&self) -> Result<String> {
        self.0.labels_json().map_err(refused)
    }

    /// Selects a stream; order and mask go back to automatic.
    #[wasm_bindgen(js_name = selectStream, unchecked_return_type = "RecordingInfo")]
    pub fn select_stream(&mut self, index: usize) -> Result<JsValue> {
        to_js(&self.0.select_stream(index).map_err(refused)?)
    }

    /// Says in which order subcarriers are stored.
    #[wasm_bindgen(js_name = setSubcarrierOrder, unchecked_return_type = "RecordingInfo")]
    pub fn set_subcarrier_order(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = r#""auto" | "fft" | "centred""#)] order: &str,
    ) -> Result<JsValue> {
        let order = match order {
            "auto" => None,
            "fft" => Some(Order::Fft),
            "centred" => Some(Order::Centred),
            other => return Err(bad_argument(format_args!("no order is called {other}"))),
        };
        to_js(&self.0.set_order(order).map_err(refused)?)
    }

    /// Chooses which pairs features are made from; null is automatic.
    #[wasm_bindgen(js_name = setMask, unchecked_return_type = "RecordingInfo")]
    pub fn set_mask(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Uint16Array | null")] pairs: Option<Vec<u16>>,
    ) -> Result<JsValue> {
        to_js(&self.0.set_mask(pairs.as_deref()).map_err(refused)?)
    }

    /// The doctor's report, as `csi doctor --json` writes it, with its sentences.
    #[wasm_bindgen(unchecked_return_type = "DoctorReport")]
    pub fn doctor(&self) -> Result<JsValue> {
        let report = self.0.doctor().map_err(refused)?;
        // Its tables have numbers as keys, which only JSON turns into property names.
        let json = serde_json::to_string(report).map_err(bad_argument)?;
        let value = js_sys::JSON::parse(&json)?;
        js_sys::Reflect::set(&value, &"sentences".into(), &to_js(&report.sentences())?)?;
        Ok(value)
    }

    /// Microseconds after the first frame, one for each frame of the stream from `first` on.
    #[wasm_bindgen(unchecked_return_type = "Float64Array")]
    pub fn times(&self, first: Option<usize>) -> Result<JsValue> {
        Ok(double_array(&self.0.times_micros(first.unwrap_or(0)).map_err(refused)?))
    }

    /// The subcarrier map, in the order of the frame.
    #[wasm_bindgen(unchecked_return_type = "SubcarrierInfo[]")]
    pub fn subcarriers(&self) -> Result<JsValue> {
        to_js(&self.0.subcarriers().map_err(refused)?)
    }

    /// Time from left to right, subcarriers with the highest index at the top.
    #[wasm_bindgen(unchecked_return_type = "Raster")]
    pub fn waterfall(
        &self,
        #[wasm_bindgen(unchecked_param_type = "WaterfallArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let (start_s, end_s, columns) = range(a)?;
        let kind = match text(a, "kind")?.as_str() {
            "amplitude" => WaterfallKind::Amplitude,
            "phase" => WaterfallKind::Phase,
            "variance" => WaterfallKind::Variance,
            other => return Err(bad_argument(format_args!("no waterfall is called {other}"))),
        };
        let (gain, useful_only, dark) = (flag(a, "gain"), flag(a, "usefulOnly"), flag(a, "dark"));
        let ask = WaterfallAsk { start_s, end_s, columns, kind, gain, useful_only, dark };
        Ok(raster(&self.0.waterfall(&ask).map_err(refused)?))
    }

    /// One subcarrier over time.
    #[wasm_bindgen(js_name = subcarrierSeries, unchecked_return_type = "ThinSeries")]
    pub fn subcarrier_series(
        &self,
        #[wasm_bindgen(unchecked_param_type = "SubcarrierSeriesArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let (start_s, end_s, columns) = range(a)?;
        let quantity = match text(a, "quantity")?.as_str() {
            "amplitude" => Quantity::Amplitude,
            "phase" => Quantity::Phase,
            other => return Err(bad_argument(format_args!("no quantity is called {other}"))),
        };
        let pair = index(a, "pair")?;
        let thinned =
            self.0.subcarrier_series(pair, (start_s, end_s), columns, quantity, flag(a, "gain"));
        Ok(series(&thinned.map_err(refused)?))
    }

    /// RSSI in dBm over time; empty where it is unknown.
    #[wasm_bindgen(js_name = rssiSeries, unchecked_return_type = "ThinSeries")]
    pub fn rssi_series(
        &self,
        #[wasm_bindgen(unchecked_param_type = "RangeArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let (start_s, end_s, columns) = range(a)?;
        Ok(series(&self.0.rssi_series((start_s, end_s), columns).map_err(refused)?))
    }

    /// Frames per second over time.
    #[wasm_bindgen(js_name = rateSeries, unchecked_return_type = "ThinSeries")]
    pub fn rate_series(
        &self,
        #[wasm_bindgen(unchecked_param_type = "RangeArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let (start_s, end_s, columns) = range(a)?;
        Ok(series(&self.0.rate_series((start_s, end_s), columns).map_err(refused)?))
    }

    /// Motion over the whole recording.
    #[wasm_bindgen(unchecked_return_type = "ThinSeries")]
    pub fn overview(
        &self,
        #[wasm_bindgen(unchecked_param_type = "{ columns: number }")] a: &JsValue,
    ) -> Result<JsValue> {
        Ok(series(&self.0.overview(index(a, "columns")?).map_err(refused)?))
    }

    /// One frame over its subcarriers.
    #[wasm_bindgen(unchecked_return_type = "Spectrum")]
    pub fn spectrum(&self, frame: usize, gain: bool) -> Result<JsValue> {
        let spectrum = self.0.spectrum(frame, gain).map_err(refused)?;
        Ok(object([
            ("k", double_array(&spectrum.k)),
            ("amplitude", float_array(&spectrum.amplitude)),
            ("role", to_js(&spectrum.role)?),
        ]))
    }

    /// The pipeline in use.
    #[wasm_bindgen(unchecked_return_type = "PipelineInfo")]
    pub fn pipeline(&mut self) -> Result<JsValue> {
        to_js(&self.0.pipeline().map_err(refused)?)
    }

    /// Chooses a pipeline.
    #[wasm_bindgen(js_name = setPipeline, unchecked_return_type = "PipelineInfo")]
    pub fn set_pipeline(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "PipelineDto")] p: JsValue,
    ) -> Result<JsValue> {
        to_js(&self.0.set_pipeline(from_js(p)?).map_err(refused)?)
    }

    /// The last rows up to a frame, as numbers for a board.
    #[wasm_bindgen(js_name = featureRows, unchecked_return_type = "FeatureRows")]
    pub fn feature_rows(&mut self, frame: usize, n: usize) -> Result<JsValue> {
        let window = self.0.window(frame, n).map_err(refused)?;
        Ok(object([
            ("values", float_array(&window.values)),
            ("firstSeconds", window.times_s.first().copied().unwrap_or(0.0).into()),
            ("rows", window.times_s.len().into()),
            ("dim", window.dim.into()),
        ]))
    }

    /// Rows that a board wants while the recording is played; made by the pipeline that the model
    /// states, else by the one that is chosen.
    #[wasm_bindgen(js_name = boardRows, unchecked_return_type = "BoardRows")]
    pub fn board_rows(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "RowsWanted")] a: &JsValue,
    ) -> Result<JsValue> {
        let asked = RowsWanted {
            ask: index(a, "ask")? as u32,
            from: optional_number(a, "from").map(|from| from as u32),
            time_micros: number(a, "timeMicros")? as i64,
            before: index(a, "before")?,
            most: index(a, "most")?,
        };
        let rows = self.0.board_rows(&asked).map_err(refused)?;
        let times: Vec<f64> = rows.times_micros.iter().map(|time| *time as f64).collect();
        Ok(object([
            ("first", rows.first.into()),
            ("starts", rows.starts.into()),
            ("timesMicros", double_array(&times)),
            ("values", float_array(&rows.values)),
        ]))
    }

    /// The last rows up to a frame, as a picture.
    #[wasm_bindgen(js_name = featureWindow, unchecked_return_type = "FeatureWindow")]
    pub fn feature_window(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "{ frame: number; n: number; dark: boolean }")]
        a: &JsValue,
    ) -> Result<JsValue> {
        let window = self
            .0
            .feature_window(index(a, "frame")?, index(a, "n")?, flag(a, "dark"))
            .map_err(refused)?;
        Ok(object([
            ("raster", raster(&window.raster)),
            ("firstSeconds", window.first_s.into()),
            ("lastSeconds", window.last_s.into()),
            ("rows", window.rows.into()),
            ("dim", window.dim.into()),
        ]))
    }

    /// Makes a blob from a seed and opens it.
    #[wasm_bindgen(js_name = blobNew, unchecked_return_type = "BlobInfo")]
    pub fn blob_new(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "BlobNewArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let dimension = |name| {
            let value = index(a, name)?;
            u16::try_from(value)
                .map_err(|_| bad_argument(format_args!("{name} is {value}, above 65535")))
        };
        let shape = HeadShape {
            input_dim: dimension("inputDim")?,
            q_heads: dimension("qHeads")?,
            kv_heads: dimension("kvHeads")?,
            head_dim: dimension("headDim")?,
            layers: dimension("layers")?,
            classes: dimension("classes")?,
        };
        let seed = parse_seed(&text(a, "seedHex")?).ok_or_else(|| refused(LabError::Seed))?;
        let dtype = if flag(a, "f16") { Dtype::F16 } else { Dtype::F32 };
        let given = get(a, "pattern");
        let pattern =
            if given.is_undefined() { Pattern::default() } else { pattern_named(&given)? };
        let ask = ModelAsk { shape, seed, dtype, pattern, node: node_choices(a)? };
        to_js(self.0.blob_new(&ask).map_err(refused)?)
    }

    /// Opens a blob, or a safetensors file as one; a bad one leaves the old.
    #[wasm_bindgen(js_name = blobOpen, unchecked_return_type = "BlobInfo")]
    pub fn blob_open(&mut self, name: &str, bytes: &[u8]) -> Result<JsValue> {
        to_js(self.0.blob_open(name, bytes).map_err(refused)?)
    }

    /// Describes the open blob.
    #[wasm_bindgen(js_name = blobInfo, unchecked_return_type = "BlobInfo | null")]
    pub fn blob_info(&self) -> Result<JsValue> {
        self.0.blob_view().map_or(Ok(JsValue::NULL), to_js)
    }

    /// The open blob's file.
    #[wasm_bindgen(js_name = blobBytes)]
    pub fn blob_bytes(&self) -> Result<Uint8Array> {
        Ok(Uint8Array::from(self.0.blob_bytes().map_err(refused)?))
    }

    /// The open blob as a safetensors file.
    #[wasm_bindgen(js_name = blobSafetensors)]
    pub fn blob_safetensors(&self) -> Result<Uint8Array> {
        Ok(Uint8Array::from(&self.0.blob_safetensors().map_err(refused)?[..]))
    }

    /// Stores the open blob's weights in another type.
    #[wasm_bindgen(js_name = blobConvert, unchecked_return_type = "BlobConversion")]
    pub fn blob_convert(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = r#""f32" | "f16""#)] dtype: &str,
    ) -> Result<JsValue> {
        let dtype = parse_dtype(dtype)
            .ok_or_else(|| bad_argument(format_args!("no type is called {dtype}")))?;
        let conversion = self.0.blob_convert(dtype).map_err(refused)?;
        Ok(object([
            ("info", to_js(&conversion.view)?),
            ("maxAbs", conversion.error.max_abs.into()),
            ("meanAbs", conversion.error.mean_abs.into()),
            ("overflowed", conversion.error.overflowed.into()),
        ]))
    }

    /// Counts a matrix's weights.
    #[wasm_bindgen(unchecked_return_type = "Histogram")]
    pub fn histogram(&self, matrix: usize, bins: usize) -> Result<JsValue> {
        let (edges, counts) = self.0.histogram(matrix, bins).map_err(refused)?;
        Ok(object([("edges", double_array(&edges)), ("counts", float_array(&counts))]))
    }

    /// Colours a matrix by the logarithm of its absolute weights.
    #[wasm_bindgen(unchecked_return_type = "Raster")]
    pub fn heatmap(&self, matrix: usize, dark: bool) -> Result<JsValue> {
        Ok(raster(&self.0.heat_map(matrix, dark).map_err(refused)?))
    }

    /// Runs a pattern at the cursor; `attentionStep` then compares it with dense attention.
    #[wasm_bindgen(unchecked_return_type = "AttentionSparse")]
    pub fn attention(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "AttentionArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let view = self.0.attention(&attention_ask(a)?, &now_ms).map_err(refused)?;
        let end = |time: Option<&f64>| time.copied().unwrap_or(0.0).into();
        let sparse = &view.sparse;
        Ok(object([
            ("n", view.n.into()),
            ("firstSeconds", end(view.times_s.first())),
            ("lastSeconds", end(view.times_s.last())),
            ("x", double_array(&view.times_s)),
            ("sparse", raster(&sparse.map)),
            ("perCell", sparse.per_cell.into()),
            ("edgesSparse", sparse.edges.into()),
            ("edgesDense", sparse.edges_dense.into()),
            ("sparseMs", sparse.ms.into()),
        ]))
    }

    /// Goes on with the comparison for about that long; null while there is more to do.
    #[wasm_bindgen(js_name = attentionStep, unchecked_return_type = "AttentionDense | null")]
    pub fn attention_step(
        &mut self,
        #[wasm_bindgen(js_name = budgetMs)] budget_ms: f64,
    ) -> Result<JsValue> {
        let Some(dense) = self.0.attention_step(budget_ms, &now_ms).map_err(refused)? else {
            return Ok(JsValue::NULL);
        };
        let saturated = dense.saturated.map_or(JsValue::NULL, |saturated| {
            object([
                ("maxAbsButLast", saturated.max_abs_but_last.into()),
                ("maxAbsLast", saturated.max_abs_last.into()),
                ("magnitude", saturated.magnitude.into()),
                ("passes", saturated.passes.into()),
            ])
        });
        let upstream = dense.upstream.map_or(JsValue::NULL, |upstream| {
            object([
                ("edges", upstream.edges.into()),
                ("meanAbs", upstream.mean_abs.into()),
                ("maxAbs", upstream.max_abs.into()),
            ])
        });
        Ok(object([
            ("dense", raster(&dense.map)),
            ("difference", raster(&dense.difference)),
            ("perFrameMax", float_array(&dense.divergence.per_frame_max)),
            ("perFrameMean", float_array(&dense.divergence.per_frame_mean)),
            ("maxAbs", dense.divergence.max_abs.into()),
            ("meanAbs", dense.divergence.mean_abs.into()),
            ("denseRms", dense.divergence.dense_rms.into()),
            ("denseMs", dense.ms.into()),
            ("upstream", upstream),
            ("saturated", saturated),
            ("scoreSpread", dense.score_spread.into()),
        ]))
    }

    /// What the whole head says of the window, run with the pattern and dense.
    #[wasm_bindgen(unchecked_return_type = "Logits")]
    pub fn logits(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "AttentionArgs")] a: &JsValue,
    ) -> Result<JsValue> {
        let logits = self.0.logits(&attention_ask(a)?).map_err(refused)?;
        Ok(object([
            ("sparse", float_array(&logits.sparse)),
            ("dense", float_array(&logits.dense)),
            ("f16RowsMaxAbs", logits.f16_rows_max_abs.map_or(JsValue::UNDEFINED, JsValue::from)),
        ]))
    }

    /// Returns the edges and the weights of one row of the maps.
    #[wasm_bindgen(js_name = attentionRow, unchecked_return_type = "AttentionRow")]
    pub fn attention_row(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "AttentionArgs & { row: number }")] a: &JsValue,
    ) -> Result<JsValue> {
        let row = self.0.attention_row(&attention_ask(a)?, index(a, "row")?).map_err(refused)?;
        let view = |edge: csi_lab::session::RowEdge| {
            object([
                ("kind", edge.reason.name().into()),
                ("first", edge.first.into()),
                ("last", edge.last.into()),
                ("count", edge.count.into()),
                ("seconds", edge.seconds.into()),
                ("weightSparse", edge.weight_sparse.into()),
                ("weightDense", edge.weight_dense.into()),
            ])
        };
        Ok(object([
            ("sparse", float_array(&row.sparse)),
            ("dense", float_array(&row.dense)),
            ("edges", row.edges.into_iter().map(view).collect::<Array>().into()),
        ]))
    }

    /// Starts a sweep around the last pattern; returns how many points come.
    #[wasm_bindgen(js_name = sweepBegin)]
    pub fn sweep_begin(&mut self) -> Result<usize> {
        self.0.sweep_begin(&now_ms).map_err(refused)
    }

    /// Computes the next points; an empty array says that the sweep is finished.
    #[wasm_bindgen(js_name = sweepStep, unchecked_return_type = "SweepPoint[]")]
    pub fn sweep_step(
        &mut self,
        #[wasm_bindgen(js_name = budgetMs)] budget_ms: f64,
    ) -> Result<JsValue> {
        let points = self.0.sweep_step(budget_ms, &now_ms).map_err(refused)?;
        let view = |point: csi_lab::divergence::SweepPoint| {
            object([
                ("window", point.pattern.window().into()),
                ("size", second_number(&point.pattern).into()),
                ("edges", point.edges.into()),
                ("maxAbs", point.max_abs.into()),
                ("meanAbs", point.mean_abs.into()),
                ("ms", point.ms.into()),
            ])
        };
        Ok(points.into_iter().map(view).collect::<Array>().into())
    }

    /// Class probabilities at the cursor; null when the model cannot run on the features.
    #[wasm_bindgen(unchecked_return_type = "Classification | null")]
    pub fn classify(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "{ frame: number; n: number }")] a: &JsValue,
    ) -> Result<JsValue> {
        let classes = self.0.classify(index(a, "frame")?, index(a, "n")?).map_err(refused)?;
        Ok(classes.map_or(JsValue::NULL, |classes| {
            object([
                ("sparse", float_array(&classes.sparse)),
                ("dense", float_array(&classes.dense)),
            ])
        }))
    }
}

fn range(a: &JsValue) -> Result<(f64, f64, usize)> {
    Ok((number(a, "startS")?, number(a, "endS")?, index(a, "columns")?))
}

fn attention_ask(a: &JsValue) -> Result<AttentionAsk> {
    Ok(AttentionAsk {
        frame: index(a, "frame")?,
        n: index(a, "n")?,
        layer: index(a, "layer")?,
        head: if number(a, "head")? < 0.0 { None } else { Some(index(a, "head")?) },
        pattern: pattern_named(&get(a, "pattern"))?,
        upstream: edges(&get(a, "upstream"))?,
        magnitude: optional_number(a, "magnitude").filter(|m| *m != 0.0).map(|m| m as f32),
        dark: flag(a, "dark"),
    })
}

/// What a node is to do; what is absent is as a blob without the record means it.
fn node_choices(a: &JsValue) -> Result<NodeChoices> {
    let mut node = NodeChoices { streaming: flag(a, "streaming"), ..NodeChoices::default() };
    if !get(a, "windowLen").is_undefined() {
        let frames = index(a, "windowLen")?;
        node.window_len = u16::try_from(frames)
            .ok()
            .filter(|frames| *frames > 0)
            .ok_or_else(|| bad_argument(format_args!("windowLen is {frames}, not 1 to 65535")))?;
    }
    if flag(a, "f16Rows") {
        node.storage = Storage::F16;
    }
    if flag(a, "lastFrame") {
        node.pooling = Pooling::Last;
    }
    Ok(node)
}

/// A pattern with the numbers that belong to its kind.
pub fn pattern_named(a: &JsValue) -> Result<Pattern> {
    match text(a, "kind")?.as_str() {
        "upstream" => Ok(Pattern::Upstream(edges(a)?)),
        "ln" => Ok(Pattern::LnCount(edges(a)?)),
        "pyramid" => Ok(Pattern::Pyramid(Pyramid {
            window: index(a, "window")?,
            per_level: index(a, "perLevel")?,
        })),
        "salient" => Ok(Pattern::Salient(Salient {
            window: index(a, "window")?,
            groups: index(a, "groups")?,
        })),
        other => Err(bad_argument(format_args!("no pattern is called {other}"))),
    }
}

fn edges(a: &JsValue) -> Result<SparsePattern> {
    Ok(SparsePattern {
        window: index(a, "window")?,
        block_size: index(a, "block")?,
        log_stride: flag(a, "logStride"),
        landmarks: flag(a, "landmarks"),
        global_token: flag(a, "globalToken"),
        causal: true,
    })
}

/// What a sweep varies beside the window.
fn second_number(pattern: &Pattern) -> usize {
    match pattern {
        Pattern::Upstream(edges) | Pattern::LnCount(edges) => edges.block_size,
        Pattern::Pyramid(pyramid) => pyramid.per_level,
        Pattern::Salient(salient) => salient.groups,
    }
}
