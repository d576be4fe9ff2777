//! Prints how close each pattern comes to dense attention, as tables of Markdown.
//!
//! `cargo run --release -p csi-lab --example accuracy`, which `cargo xtask bench accuracy` does.
//!
//! Rows are made by the page's own session. Recordings are public ones in the folder that
//! `CSI_LAB_DATA` names, else in `../shared/data`, and the built-in one where there are none. The
//! same recordings give the same tables on every machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use csi_lab::accuracy::{self, CANDIDATES, Candidate, RECORDINGS, UPSTREAM, median};
use csi_lab::session::Session;
use csi_temporal::attention::{AttentionError, BackendKind};
use csi_temporal::head::{LayerQkv, TemporalHead};
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape, WeightBlob};

const BUILT_IN: (&str, &str) = ("walking, built in", "fixtures/recordings/walking_esp32_107hz.csv");

const MAGNITUDES: [f32; 3] = [1.0, 2.0, 4.0];
const SEEDS: [u64; 3] = [1, 2, 3];
const HEADS: usize = 4;
const HEAD_DIM: usize = 32;
const LENGTH: usize = 900;
/// Slopes of the four heads in the table with slopes.
const SLOPES: [f32; HEADS] = [0.25, 0.0625, 0.015625, 0.0];
/// Median and worst recording, by magnitude.
const GOALS: [(f64, f64); 3] = [(8.0, 2.0), (2.0, 1.0), (1.2, 1.0)];

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let mut recordings = recordings()?;
    let mut text = String::new();
    first_frames(&mut text, &mut recordings)?;
    lengths(&mut text, &mut recordings)?;
    page(&mut text, &mut recordings)?;
    slopes(&mut text, &mut recordings)?;
    random(&mut text)?;
    print!("{text}");
    Ok(())
}

struct Recording {
    name: &'static str,
    /// With every useful subcarrier as it comes.
    raw: Session,
    /// As the page opens it.
    page: Session,
}

fn recordings() -> Fallible<Vec<Recording>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let data = std::env::var_os("CSI_LAB_DATA");
    let data = data.map_or(root.join("../shared/data"), PathBuf::from);
    let mut found = Vec::new();
    for (name, file) in RECORDINGS {
        match std::fs::read(data.join(file)) {
            Ok(bytes) => found.push(recording(name, file, &bytes)?),
            Err(_) => eprintln!("left out: {name}; {file} is not in the folder of CSI_LAB_DATA"),
        }
    }
    if found.is_empty() {
        let (name, file) = BUILT_IN;
        found.push(recording(name, file, &std::fs::read(root.join(file))?)?);
    }
    Ok(found)
}

fn recording(name: &'static str, file: &str, bytes: &[u8]) -> Fallible<Recording> {
    let page = open(file, bytes)?;
    let mut raw = open(file, bytes)?;
    raw.set_pipeline(accuracy::raw_features())?;
    Ok(Recording { name, raw, page })
}

fn open(file: &str, bytes: &[u8]) -> Fallible<Session> {
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
    let mut session = Session::new();
    session.open_begin(&name);
    for piece in bytes.chunks(1 << 16) {
        session.open_push(piece)?;
    }
    session.open_finish()?;
    session.select_stream(0)?;
    Ok(session)
}

/// Upstream's error, and how many times smaller each candidate's is.
struct Figures {
    upstream: f64,
    closer: Vec<f64>,
}

/// One recording's figures, by magnitude.
type ByMagnitude = Vec<Figures>;

fn figures(qkv: &LayerQkv, magnitude: f32) -> Result<Figures, AttentionError> {
    let all: Vec<Candidate> = std::iter::once(UPSTREAM).chain(CANDIDATES).collect();
    let errors = accuracy::compare(qkv, magnitude, &all)?;
    let mut errors = errors.iter().map(|difference| f64::from(difference.mean_abs));
    let upstream = errors.next().unwrap_or_default();
    Ok(Figures { upstream, closer: errors.map(|error| upstream / error).collect() })
}

/// Takes the median over the seeds, number by number.
fn over_seeds(make: impl Fn(u64) -> LayerQkv) -> Result<ByMagnitude, AttentionError> {
    let inputs = SEEDS.map(make);
    let of_magnitude = |magnitude: f32| {
        let of: Vec<Figures> =
            inputs.iter().map(|qkv| figures(qkv, magnitude)).collect::<Result<_, _>>()?;
        let median_of =
            |number: &dyn Fn(&Figures) -> f64| median(&of.iter().map(number).collect::<Vec<_>>());
        Ok(Figures {
            upstream: median_of(&|figures| figures.upstream),
            closer: (0..CANDIDATES.len()).map(|at| median_of(&|f| f.closer[at])).collect(),
        })
    };
    MAGNITUDES.into_iter().map(of_magnitude).collect()
}

/// The first `n` frames of a recording, by random projections.
fn projected(recording: &mut Recording, n: usize, slopes: &[f32]) -> Fallible<ByMagnitude> {
    let frames = recording.raw.recording()?.frames;
    let window = recording.raw.window(n.min(frames) - 1, n)?;
    Ok(over_seeds(|seed| {
        let (values, dim) = (&window.values, window.dim);
        let qkv = accuracy::random_projections(values, dim, HEADS, HEAD_DIM, seed);
        LayerQkv { slopes: slopes.to_vec(), ..qkv }
    })?)
}

fn all_projected(
    recordings: &mut [Recording],
    n: usize,
    slopes: &[f32],
) -> Fallible<Vec<ByMagnitude>> {
    recordings.iter_mut().map(|recording| projected(recording, n, slopes)).collect()
}

/// Median and smallest ratio over the recordings, `[magnitude][candidate]`.
fn summary(all: &[ByMagnitude]) -> Vec<Vec<(f64, f64)>> {
    let of = |magnitude: usize, candidate: usize| {
        let ratios: Vec<f64> =
            all.iter().map(|figures| figures[magnitude].closer[candidate]).collect();
        (median(&ratios), ratios.iter().copied().fold(f64::INFINITY, f64::min))
    };
    (0..MAGNITUDES.len())
        .map(|magnitude| (0..CANDIDATES.len()).map(|at| of(magnitude, at)).collect())
        .collect()
}

fn first_frames(text: &mut String, recordings: &mut [Recording]) -> Fallible<()> {
    let all = all_projected(recordings, LENGTH, &[])?;
    let summary = summary(&all);
    text.push_str("\n## Goals\n\nOver the recordings of the next table.\n\n");
    text.push_str(
        "| pattern | magnitude | median | goal | worst | goal | |\n|--|--|--|--|--|--|--|\n",
    );
    for (at, candidate) in CANDIDATES.iter().enumerate() {
        if !matches!(candidate.backend, BackendKind::Salient { .. }) {
            continue;
        }
        for ((magnitude, of), goal) in MAGNITUDES.iter().zip(&summary).zip(GOALS) {
            let (median, worst) = of[at];
            let reached = median >= goal.0 && worst >= goal.1;
            let _ = writeln!(
                text,
                "| {} | {magnitude} | {} | ≥ {} | {} | ≥ {} | {} |",
                candidate.name,
                ratio(median),
                goal.0,
                ratio(worst),
                goal.1,
                if reached { "reached" } else { "not reached" },
            );
        }
    }
    let _ = write!(
        text,
        "\n## Real recordings\n\nThe first {LENGTH} frames of each; every useful subcarrier, divided by the \
         frame's mean, standardised;\nrandom projections to {HEADS} heads of {HEAD_DIM}, the median of {}.\n",
        SEEDS.len()
    );
    table(text, LENGTH, recordings, &all);
    Ok(())
}

fn lengths(text: &mut String, recordings: &mut [Recording]) -> Fallible<()> {
    text.push_str(
        "\n## Shorter and longer windows\n\nThe same: the median over the recordings, and the worst. A \
         recording with fewer frames is taken whole.\n\n",
    );
    let names = CANDIDATES.map(|candidate| candidate.name).join(" | ");
    let rule = "|--".repeat(CANDIDATES.len() + 2);
    let _ = writeln!(text, "| frames | magnitude | {names} |\n{rule}|");
    for n in [64, 256, 2600] {
        let all = all_projected(recordings, n, &[])?;
        let edges = CANDIDATES.map(|candidate| per_query(&candidate, n)).join(" | ");
        let _ = writeln!(text, "| {n} | edges, upstream {} | {edges} |", per_query(&UPSTREAM, n));
        for (magnitude, of) in MAGNITUDES.iter().zip(summary(&all)) {
            let cell =
                |(median, worst): &(f64, f64)| format!("{}, {}", ratio(*median), ratio(*worst));
            let cells: Vec<String> = of.iter().map(cell).collect();
            let _ = writeln!(text, "| {n} | {magnitude} | {} |", cells.join(" | "));
        }
    }
    Ok(())
}

/// What the page shows at first.
fn page(text: &mut String, recordings: &mut [Recording]) -> Fallible<()> {
    let shape = HeadShape::default();
    let _ = write!(
        text,
        "\n## The page as it opens\n\nIts own features ({} bands at a round rate, the window's mean removed), \
         the last {LENGTH} rows, and the\nfirst layer of its own model: seeded weights, {} query heads on {} \
         key head.\n",
        shape.input_dim, shape.q_heads, shape.kv_heads
    );
    let head = TemporalHead::from_blob(&WeightBlob::seeded(shape, DEFAULT_SEED, Dtype::F32)?)?;
    let mut all = Vec::new();
    for Recording { page, .. } in recordings.iter_mut() {
        let frames = page.recording()?.frames;
        let window = page.window(frames - 1, LENGTH)?;
        let qkv = head.layer_qkv(&window.values, 0, head.backend())?;
        all.push(MAGNITUDES.into_iter().map(|m| figures(&qkv, m)).collect::<Result<_, _>>()?);
    }
    table(text, LENGTH, recordings, &all);
    Ok(())
}

fn slopes(text: &mut String, recordings: &mut [Recording]) -> Fallible<()> {
    let slopes = SLOPES.map(|slope| slope.to_string()).join(", ");
    let _ = write!(
        text,
        "\n## With recency slopes\n\nAs the table of real recordings, the heads with slopes {slopes}.\n"
    );
    let all = all_projected(recordings, LENGTH, &SLOPES)?;
    table(text, LENGTH, recordings, &all);
    Ok(())
}

fn random(text: &mut String) -> Fallible<()> {
    let _ = write!(
        text,
        "\n## Random inputs\n\nNumbers evenly in -1 to 1, so that no two tokens are alike: {LENGTH} tokens, \
         {HEADS} heads of {HEAD_DIM}.\n"
    );
    let of = over_seeds(|seed| accuracy::random_inputs(LENGTH, HEADS, HEAD_DIM, seed))?;
    header(text, LENGTH);
    line(text, "random", &of);
    Ok(())
}

fn table(text: &mut String, seq: usize, recordings: &[Recording], all: &[ByMagnitude]) {
    header(text, seq);
    for (recording, of) in recordings.iter().zip(all) {
        line(text, recording.name, of);
    }
    let summary = summary(all);
    let medians = |at: usize| by_magnitude(summary.iter().map(|of| of[at].0));
    let worst = |at: usize| by_magnitude(summary.iter().map(|of| of[at].1));
    for (name, cells) in
        [("median", CANDIDATES_AT.map(medians)), ("worst", CANDIDATES_AT.map(worst))]
    {
        let cells = cells.map(|cell| format!("**{cell}**"));
        let _ = writeln!(text, "| **{name}** | | {} |", cells.join(" | "));
    }
}

/// The positions of the candidates.
const CANDIDATES_AT: [usize; CANDIDATES.len()] = [0, 1, 2, 3, 4];

fn header(text: &mut String, seq: usize) {
    let _ = write!(
        text,
        "\n| | error of {} | {} |\n{}|\n| edges per query | {} | {} |\n",
        UPSTREAM.name,
        CANDIDATES.map(|candidate| candidate.name).join(" | "),
        "|--".repeat(CANDIDATES.len() + 2),
        per_query(&UPSTREAM, seq),
        CANDIDATES.map(|candidate| per_query(&candidate, seq)).join(" | "),
    );
}

fn line(text: &mut String, name: &str, of: &[Figures]) {
    let errors: Vec<String> = of.iter().map(|f| format!("{:.3}", f.upstream)).collect();
    let cells = CANDIDATES_AT.map(|at| by_magnitude(of.iter().map(|f| f.closer[at])));
    let _ = writeln!(text, "| {name} | {} | {} |", errors.join(" / "), cells.join(" | "));
}

fn per_query(candidate: &Candidate, seq: usize) -> String {
    format!("{:.1}", candidate.edge_count(seq) as f64 / seq as f64)
}

fn by_magnitude(ratios: impl Iterator<Item = f64>) -> String {
    ratios.map(ratio).collect::<Vec<_>>().join(" / ")
}

fn ratio(number: f64) -> String {
    if number < 9.95 { format!("{number:.2}") } else { format!("{number:.1}") }
}
