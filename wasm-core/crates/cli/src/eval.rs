//! `csi eval`: how well a head classifies labelled recordings.

use std::fmt::Write as _;
use std::path::PathBuf;

use csi_lab::dataset::{WindowSpec, Windows};
use csi_lab::train::evaluate;
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::WeightBlob;
use serde::Serialize;

use crate::args::{Args, Item, required, unknown_option};
use crate::doctor::to_json;
use crate::error::CliError;
use crate::files;
use crate::labelled::{LabelMap, Labelled, RecordingReport, tapes};
use crate::scores::ScoreReport;

#[derive(Serialize)]
struct Report {
    model: String,
    window_rows: usize,
    hop_rows: usize,
    recordings: Vec<RecordingReport>,
    /// Windows with labels that the head does not know; they count nowhere.
    unknown_windows: usize,
    accuracy: f64,
    macro_f1: f64,
    scores: ScoreReport,
}

/// Reads recordings by the blob's own pipeline and scores them.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut paths, mut map, mut hop, mut json) = (Vec::new(), LabelMap::default(), None, false);
    while let Some(item) = args.next()? {
        match item {
            Item::Plain(value) => paths.push(PathBuf::from(value)),
            Item::Option(option) => match option.as_str() {
                "merge-labels" => map = LabelMap::read(&args.path()?)?,
                "hop" => hop = Some(args.value::<usize>("hop")?),
                "json" => json = true,
                other => return Err(unknown_option(other)),
            },
        }
    }
    let mut paths = paths.into_iter();
    let model = required(paths.next(), "the weight blob")?;
    let blob = WeightBlob::parse(&files::read(&model)?).map_err(|e| CliError::input(&model, e))?;
    let lacks =
        |what| CliError::input(&model, format!("no {what} inside; `csi train` writes them"));
    let classes = blob.trailer.class_names.clone().ok_or_else(|| lacks("class names"))?;
    let config = blob.trailer.pipeline.clone().ok_or_else(|| lacks("feature pipeline"))?;
    let head = TemporalHead::from_blob(&blob).map_err(|e| CliError::input(&model, e))?;
    let len = usize::from(head.record().window_len);
    let files = Labelled::open_all(&paths.collect::<Vec<PathBuf>>())?;
    let spec = WindowSpec { len, hop: hop.unwrap_or(len.div_ceil(2)) };
    let windows = Windows::cut_for(tapes(&files, &config, &map)?, spec, &classes);
    if windows.cuts.is_empty() {
        let unknown = windows.unknown;
        let sentence = format!("no labelled window of a class of the head ({unknown} of others)");
        return Err(CliError::usage(sentence));
    }
    let scores = evaluate::score(&head, head.backend(), &windows);
    let scores: ScoreReport = scores.map_err(|e| CliError::input(&model, e))?.into();
    let report = Report {
        model: model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        window_rows: windows.spec.len,
        hop_rows: windows.spec.hop,
        recordings: files
            .iter()
            .enumerate()
            .map(|(tape, one)| one.report(&windows, tape))
            .collect(),
        unknown_windows: windows.unknown,
        accuracy: scores.accuracy,
        macro_f1: scores.macro_f1,
        scores,
    };
    if json {
        return to_json(&report);
    }
    let mut text = report.scores.for_people();
    if report.unknown_windows > 0 {
        let _ = writeln!(text, "{} windows of other classes left out", report.unknown_windows);
    }
    Ok(text)
}
