//! `csi compare`: how far sparse attention diverges from dense on a recording.

use std::path::Path;
use std::time::Instant;

use csi_lab::pattern::Pattern;
use csi_lab::session::{AttentionAsk, ModelAsk, NodeChoices, Session};
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape};
use serde::Serialize;

use crate::args::{Args, Item, only_file, required, unknown_option};
use crate::doctor::to_json;
use crate::error::CliError;
use crate::files;
use crate::pattern::{PatternOptions, no_use};

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
    /// In words, with its numbers.
    pattern: String,
    /// Tokens before the row that the pattern sees one by one.
    window: usize,
    /// Of upstream's edges: those of the pattern, or those it is compared with.
    block: usize,
    ln_count: bool,
    /// Queries and keys were brought to this; null: as the weights make them.
    magnitude: Option<f32>,
    edges_sparse: usize,
    edges_dense: usize,
    max_abs: f32,
    mean_abs: f32,
    dense_rms: f32,
    /// Upstream's edges on the same window; null when the pattern is these.
    upstream: Option<Upstream>,
    logits_sparse: Vec<f32>,
    logits_dense: Vec<f32>,
    /// Largest difference of a logit to rows kept as f32; null when the model keeps these.
    f16_rows_max_abs: Option<f32>,
    score_spread: f32,
    sparse_ms: f64,
    dense_ms: f64,
}

/// Upstream's edges, as the model has them, on the same window.
#[derive(Serialize)]
struct Upstream {
    window: usize,
    block: usize,
    edges: usize,
    max_abs: f32,
    mean_abs: f32,
    /// How many times closer to dense the pattern is, by the mean; null when it is dense itself.
    times_closer: Option<f64>,
}

/// Compares sparse with dense on the last rows of a recording.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut file, mut model, mut json) = (None, None, false);
    let (mut options, mut name, mut rows) = (PatternOptions::default(), None, DEFAULT_ROWS);
    let (mut ln_count, mut magnitude) = (false, None);
    while let Some(item) = args.next()? {
        match item {
            Item::Option(option) => match option.as_str() {
                "json" => json = true,
                "frames" => rows = args.value("frames")?,
                "magnitude" => magnitude = Some(args.value("magnitude")?),
                "pattern" => name = Some(args.text("pattern")?),
                "ln-count" => ln_count = true,
                "model" => model = Some(args.path()?),
                other if options.take(other, &mut args)? => {}
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
    let weights = session.blob_view().map(|view| view.trained_with.clone());
    let weights = required(weights, "the model")?;
    // A model says itself what it looks at; one that looks at everything is run as upstream does.
    let stored = session.blob_pattern().unwrap_or_default();
    let name = match (&name, ln_count) {
        (Some(name), true) if name != "ln" => return Err(no_use(name, "--ln-count")),
        (Some(name), _) => name.as_str(),
        (None, true) => "ln",
        (None, false) => stored.name(),
    };
    let pattern = options.pattern(name, stored)?;
    let upstream = pattern.edges().or(stored.edges()).unwrap_or_default();
    let recording = session.recording().map_err(|e| CliError::input(&path, e))?;
    let ask = AttentionAsk {
        frame: recording.frames.saturating_sub(1),
        n: rows,
        layer: 0,
        head: None,
        pattern,
        upstream,
        magnitude,
        dark: false,
    };
    let refused = |e| CliError::input(&path, e);
    let started = Instant::now();
    let clock = || started.elapsed().as_secs_f64() * 1e3;
    let view = session.attention(&ask, &clock).map_err(refused)?;
    let dense = session.attention_step(f64::INFINITY, &clock).map_err(refused)?;
    let dense = required(dense, "the dense side")?;
    let logits = session.logits(&ask).map_err(refused)?;
    let divergence = &dense.divergence;
    let report = Report {
        source: format!("{} {}", recording.source, recording.name),
        weights,
        stream: recording.streams[recording.selected].name.clone(),
        rows: view.n,
        pattern: pattern.to_string(),
        window: pattern.window(),
        block: upstream.block_size,
        ln_count: matches!(pattern, Pattern::LnCount(_)),
        magnitude,
        edges_sparse: view.sparse.edges,
        edges_dense: view.sparse.edges_dense,
        max_abs: divergence.max_abs,
        mean_abs: divergence.mean_abs,
        dense_rms: divergence.dense_rms,
        upstream: dense.upstream.map(|of| Upstream {
            window: upstream.window,
            block: upstream.block_size,
            edges: of.edges,
            max_abs: of.max_abs,
            mean_abs: of.mean_abs,
            times_closer: (divergence.mean_abs > 0.0)
                .then(|| f64::from(of.mean_abs) / f64::from(divergence.mean_abs)),
        }),
        logits_sparse: logits.sparse,
        logits_dense: logits.dense,
        f16_rows_max_abs: logits.f16_rows_max_abs,
        score_spread: dense.score_spread,
        sparse_ms: view.sparse.ms,
        dense_ms: dense.ms,
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
    let ask = ModelAsk {
        shape,
        seed: DEFAULT_SEED,
        dtype: Dtype::F32,
        pattern: Pattern::default(),
        node: NodeChoices::default(),
    };
    match session.blob_new(&ask) {
        Ok(_) => Ok(()),
        Err(e) => Err(CliError::input(recording, e)),
    }
}

fn for_people(r: &Report) -> String {
    let upstream = r.upstream.as_ref().map_or_else(String::new, |of| {
        let times = match of.times_closer {
            Some(times) if times >= 1.0 => format!("this is {times:.2} times closer to dense"),
            Some(times) => format!("this is {:.2} times further from dense", 1.0 / times),
            None => "this is dense itself".to_owned(),
        };
        format!(
            "upstream edges, window {}, block {}: {} edges a head, mean {:.3e}, max {:.3e}; {times}\n",
            of.window, of.block, of.edges, of.mean_abs, of.max_abs,
        )
    });
    let rows = r.f16_rows_max_abs.map_or_else(String::new, |max| {
        format!("rows kept as f16: logits differ from f32 rows by at most {max:.3e}\n")
    });
    format!(
        "{}\nstream: {}\nweights: {}\nqueries and keys: {}\n\
         {} rows, {}: {} edges a head, dense has {} ({:.1} times as many)\n\
         output difference: mean {:.3e}, max {:.3e}; dense output has rms {:.3e}\n\
         {upstream}{rows}score spread: {:.3}\n\
         just now: sparse {:.3} ms, dense {:.3} ms\n",
        r.source,
        r.stream,
        r.weights,
        match r.magnitude {
            Some(magnitude) => format!("brought to magnitude {magnitude}"),
            None => "as the weights make them".to_owned(),
        },
        r.rows,
        r.pattern,
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
