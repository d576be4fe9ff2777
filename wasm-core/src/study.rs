//! [`csi_lab::study::Study`] for JavaScript: what the page's second worker owns.

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use csi_lab::blob_view::parse_dtype;
use csi_lab::dataset::WindowSpec;
use csi_lab::study::{Settings, Study as Inner, StudyError, Use};
use csi_lab::train::Size;

use crate::dto::{flag, get, index, optional_number, text, to_js};
use crate::error::{Result, bad_argument, thrown};
use crate::lab::{now_ms, pattern_named};

fn refused(error: StudyError) -> JsValue {
    thrown(error.code(), error)
}

/// Labelled recordings, a training run, and its figures.
///
/// Errors are `Error`s with a `code`. After an error the study is as it was before the call.
#[wasm_bindgen]
#[derive(Default)]
pub struct Study(Inner);

#[wasm_bindgen]
impl Study {
    /// Starts without a recording.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file.
    #[wasm_bindgen(js_name = openBegin)]
    pub fn open_begin(&mut self, name: &str) {
        self.0.open_begin(name);
    }

    /// Takes the next bytes of the file; returns the frames so far. A refusal ends the opening.
    #[wasm_bindgen(js_name = openPush)]
    pub fn open_push(&mut self, bytes: &[u8]) -> Result<f64> {
        Ok(self.0.open_push(bytes).map_err(refused)?.frames as f64)
    }

    /// Ends the file and adds its recording; returns its place.
    #[wasm_bindgen(js_name = openFinish)]
    pub fn open_finish(&mut self) -> Result<usize> {
        self.0.open_finish().map_err(refused)
    }

    /// Takes the marks of a label file for the recording that it names; returns its place.
    #[wasm_bindgen(js_name = labelsOpen)]
    pub fn labels_open(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.labels_open(bytes).map_err(refused)
    }

    /// Says what a recording is for.
    pub fn assign(
        &mut self,
        index: usize,
        #[wasm_bindgen(unchecked_param_type = r#""train" | "test" | "none""#)] part: &str,
    ) -> Result<()> {
        let part = match part {
            "train" => Use::Train,
            "test" => Use::Test,
            "none" => Use::None,
            other => return Err(bad_argument(format_args!("no recording is for {other}"))),
        };
        self.0.assign(index, part).map_err(refused)
    }

    /// Takes a recording away.
    pub fn remove(&mut self, index: usize) -> Result<()> {
        self.0.remove(index).map_err(refused)
    }

    /// Parts the recordings in use into those to train on and those to test on.
    pub fn propose(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "StudySettings")] a: &JsValue,
    ) -> Result<()> {
        self.0.propose(&settings(a)?).map_err(refused)
    }

    /// Describes what there is to train on.
    #[wasm_bindgen(unchecked_return_type = "StudyView")]
    pub fn view(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "StudySettings")] a: &JsValue,
    ) -> Result<JsValue> {
        to_js(&self.0.view(&settings(a)?).map_err(refused)?)
    }

    /// Starts training; a run before is dropped.
    #[wasm_bindgen(unchecked_return_type = "StudyRun")]
    pub fn begin(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "StudySettings")] a: &JsValue,
    ) -> Result<JsValue> {
        to_js(&self.0.begin(&settings(a)?).map_err(refused)?)
    }

    /// Trains for about that long.
    #[wasm_bindgen(unchecked_return_type = "StudyRun")]
    pub fn step(&mut self, #[wasm_bindgen(js_name = budgetMs)] budget_ms: f64) -> Result<JsValue> {
        to_js(&self.0.step(budget_ms, &now_ms).map_err(refused)?)
    }

    /// Scores the weights as they are now on the test recordings.
    #[wasm_bindgen(unchecked_return_type = "StudyOutcome")]
    pub fn outcome(&self) -> Result<JsValue> {
        to_js(&self.0.outcome().map_err(refused)?)
    }

    /// Accuracy of random convolutions and ridge regression; null without a test recording.
    #[wasm_bindgen(unchecked_return_type = "number | null")]
    pub fn classical(&self) -> Result<JsValue> {
        Ok(self.0.classical().map_err(refused)?.map_or(JsValue::NULL, JsValue::from))
    }

    /// The file of the weights as they are now.
    pub fn blob(
        &self,
        #[wasm_bindgen(unchecked_param_type = r#""f32" | "f16""#)] dtype: &str,
    ) -> Result<Uint8Array> {
        let dtype = parse_dtype(dtype)
            .ok_or_else(|| bad_argument(format_args!("no type is called {dtype}")))?;
        Ok(Uint8Array::from(self.0.blob(dtype).map_err(refused)?.as_slice()))
    }
}

fn settings(a: &JsValue) -> Result<Settings> {
    let at_least_one = |name| match index(a, name)? {
        0 => Err(bad_argument(format_args!("{name} is 0"))),
        number => Ok(number),
    };
    let size = text(a, "size")?;
    let size =
        Size::named(&size).ok_or_else(|| bad_argument(format_args!("no size is called {size}")))?;
    let pattern = get(a, "pattern");
    Ok(Settings {
        spec: WindowSpec { len: at_least_one("window")?, hop: at_least_one("hop")? },
        rate_hz: optional_number(a, "rateHz").map(|rate| rate as f32),
        pattern: if pattern.is_null() || pattern.is_undefined() {
            None
        } else {
            Some(pattern_named(&pattern)?)
        },
        size,
        seed: index(a, "seed")? as u64,
        epochs: match optional_number(a, "epochs") {
            None => None,
            Some(_) => Some(at_least_one("epochs")?),
        },
        random_split: flag(a, "randomSplit"),
    })
}

/// What TypeScript is told about a study.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** `rateHz`, `pattern` and `epochs` null: what the recordings suggest, dense, by the number of windows. */
export interface StudySettings { window: number; hop: number; rateHz: number | null; pattern: PatternArgs | null; size: "small" | "node" | "large"; seed: number; epochs: number | null; randomSplit: boolean }
export type StudyPart = "train" | "test" | "none";
export interface StudyEntry { name: string; frames: number; spanS: number; rateHz: number | null; labels: string[]; labelsFrom: "label file" | "file" | "file name" | "none"; part: StudyPart; windows: number[] }
export interface StudyView {
  recordings: StudyEntry[]; classes: { name: string; train: number; test: number }[];
  findings: { code: string; severity: "refused" | "warning"; text: string }[];
  ready: boolean; trainWindows: number; testWindows: number; rateHz: number; featureDim: number; epochs: number;
}
export interface TrainProgress { groups: number; groupsTotal: number; epoch: number; epochs: number; loss: number; accuracy: number; done: boolean }
export interface StudyRun { progress: TrainProgress; random: TrainProgress | null; done: boolean }
export interface StudyScores { windows: number; right: number; accuracy: number; macroF1: number; classes: { name: string; windows: number; precision: number; recall: number; f1: number }[]; confusion: number[][] }
export interface StudyOutcome {
  parameters: number; trainWindows: number; epochs: number; complete: boolean; bytesF32: number; bytesF16: number;
  scores: StudyScores | null; accuracyF32: number | null; majority: number | null; randomSplit: { accuracy: number; windows: number } | null;
}
"#;
