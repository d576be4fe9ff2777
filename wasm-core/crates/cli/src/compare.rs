//! `csi compare`: how far sparse attention diverges from dense on a recording.

use std::path::Path;
use std::time::Instant;

use csi_lab::session::{AttentionAsk, ModelAsk, Session};
use csi_temporal::attention::SparsePattern;
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape};
use serde::Serialize;

use crate::args::{Args, Item, only_file, required, unknown_option};
use crate::doctor::to_json;
use crate::error::CliError;
use crate::files;

/// Rows looked at unless `--frames` says otherwise: what the page starts with.
const DEFAULT_ROWS: usize = 256;

/// The divergence at the end of a recording's default stream, first layer, all heads.
#[derive(Serialize)]
struct Report {
    source: String,
    weights: String,
    stream: String,
    /// Feature rows in the window: fewer than asked for when the recording is short.
    rows: usize,
    window: usize,
    block: usize,
    ln_count: bool,
    /// Queries and keys were brought to this; null: as the weights make them.
    magnitude: Option<f32>,
    edges_sparse: usize,
    edges_dense: usize,
    max_abs: f32,
    mean_abs: f32,
    dense_rms: f32,
    logits_sparse: Vec<f32>,
    logits_dense: Vec<f32>,
    score_spread: f32,
    sparse_ms: f64,
    dense_ms: f64,
}

/// Compares sparse with dense on the last rows of a recording.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut file, mut model, mut json) = (None, None, false);
    let (mut window, mut block, mut rows) = (None, None, DEFAULT_ROWS);
    let (mut ln_count, mut magnitude) = (false, None);
    while let Some(item) = args.next()? {
        match item {
            Item::Option(name) => match name.as_str() {
                "json" => json = true,
                "window" => window = Some(args.value("window")?),
                "block" => block = Some(args.value("block")?),
                "frames" => rows = args.value("frames")?,
                "magnitude" => magnitude = Some(args.value("magnitude")?),
                "ln-count" => ln_count = true,
                "model" => model = Some(args.path()?),
                other => return Err(unknown_option(other)),
            },
            Item::Plain(value) => only_file(&mut file, value)?,
        }
    }
    let path = required(file, "the recording")?;
    if rows == 0 {
        return Err(CliError::usage("--frames must be at least 1"));
    }
    let mut session = open(&path)?;
    open_model(&mut session, model.as_deref(), &path)?;
    let stored = session.blob_view().map(|view| (&view.attention, view.trained_with.clone()));
    let (attention, weights) = required(stored, "the model")?;
    let pattern = SparsePattern {
        window: window.unwrap_or(attention.window.into()),
        block_size: block.unwrap_or(attention.block.into()),
        log_stride: attention.log_stride,
        landmarks: attention.landmarks,
        global_token: attention.global_token,
        causal: true,
    };
    let recording = session.recording().map_err(|e| CliError::input(&path, e))?;
    let ask = AttentionAsk {
        frame: recording.frames.saturating_sub(1),
        n: rows,
        layer: 0,
        head: None,
        pattern,
        ln_count,
        magnitude,
        dark: false,
    };
    let started = Instant::now();
    let clock = || started.elapsed().as_secs_f64() * 1e3;
    let view = session.attention(&ask, &clock).map_err(|e| CliError::input(&path, e))?;
    let report = Report {
        source: format!("{} {}", recording.source, recording.name),
        weights,
        stream: recording.streams[recording.selected].name.clone(),
        rows: view.n,
        window: pattern.window,
        block: pattern.block_size,
        ln_count,
        magnitude,
        edges_sparse: view.edges_sparse,
        edges_dense: view.edges_dense,
        max_abs: view.divergence.max_abs,
        mean_abs: view.divergence.mean_abs,
        dense_rms: view.divergence.dense_rms,
        logits_sparse: view.logits_sparse,
        logits_dense: view.logits_dense,
        score_spread: view.score_spread,
        sparse_ms: view.sparse_ms,
        dense_ms: view.dense_ms,
    };
    if json { to_json(&report) } else { Ok(for_people(&report)) }
}

fn open(path: &Path) -> Result<Session, CliError> {
    let mut session = Session::new();
    session.open_begin(&path.file_name().unwrap_or_default().to_string_lossy());
    files::stream(path, |piece| {
        session.open_push(piece).map(|_| ()).map_err(|e| CliError::input(path, e))
    })?;
    session.open_finish().map_err(|e| CliError::input(path, e))?;
    Ok(session)
}

/// Opens the model that was named, or makes untrained weights as wide as the features.
fn open_model(
    session: &mut Session,
    model: Option<&Path>,
    recording: &Path,
) -> Result<(), CliError> {
    if let Some(path) = model {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = files::read(path)?;
        return match session.blob_open(&name, &bytes) {
            Ok(_) => Ok(()),
            Err(e) => Err(CliError::input(path, e)),
        };
    }
    let pipeline = session.pipeline().map_err(|e| CliError::input(recording, e))?;
    let input_dim = u16::try_from(pipeline.feature_dim)
        .map_err(|_| CliError::input(recording, "frames too wide for a temporal head"))?;
    let shape = HeadShape { input_dim, ..HeadShape::default() };
    let ask = ModelAsk { shape, seed: DEFAULT_SEED, dtype: Dtype::F32 };
    match session.blob_new(&ask) {
        Ok(_) => Ok(()),
        Err(e) => Err(CliError::input(recording, e)),
    }
}

fn for_people(r: &Report) -> String {
    format!(
        "{}\nstream: {}\nweights: {}\nqueries and keys: {}\n\
         {} rows, window {}, block {}{}: {} edges a head, dense has {} ({:.1} times as many)\n\
         output difference: mean {:.3e}, max {:.3e}; dense output has rms {:.3e}\n\
         score spread: {:.3}\n\
         just now: sparse {:.3} ms, dense {:.3} ms\n",
        r.source,
        r.stream,
        r.weights,
        match r.magnitude {
            Some(magnitude) => format!("brought to magnitude {magnitude}"),
            None => "as the weights make them".to_owned(),
        },
        r.rows,
        r.window,
        r.block,
        if r.ln_count { " with ln(count)" } else { "" },
        r.edges_sparse,
        r.edges_dense,
        r.edges_dense as f64 / r.edges_sparse.max(1) as f64,
        r.mean_abs,
        r.max_abs,
        r.dense_rms,
        r.score_spread,
        r.sparse_ms,
        r.dense_ms,
    )
}
