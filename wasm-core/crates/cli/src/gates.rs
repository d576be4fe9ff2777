//! `csi gates`: may a sparse head replace a dense one? Trains both, and asks the four gates.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use csi_lab::dataset::{Finding, Windows};
use csi_lab::gates::{Contrastive, Embedded, Gate, Gates, Latency, Material, judge};
use csi_lab::pattern::Pattern;
use csi_lab::train::{Augment, Plan, TrainConfig, evaluate};
use csi_temporal::attention::{self, BackendKind, SparsePattern};
use csi_temporal::head::{LayerQkv, TemporalHead};
use csi_temporal::rvne::WeightBlob;
use serde::Serialize;

use crate::args::Args;
use crate::doctor::to_json;
use crate::error::CliError;
use crate::train::{Ask, Sets, ask, trained};

/// Rows at which attention is timed for `--times`, besides the deployed window.
const OTHER_ROWS: [usize; 3] = [256, 512, 1024];

#[derive(Serialize)]
struct Report {
    classes: Vec<String>,
    window_rows: usize,
    train_windows: usize,
    test_windows: usize,
    findings: Vec<Finding>,
    epochs: usize,
    seed: u64,
    parameters: usize,
    /// Trained dense and run dense: what all others are held against.
    dense: Way,
    /// The same with another seed: how far two dense heads are apart. Its latency is not judged.
    dense_other_seed: Way,
    patterns: Vec<PatternReport>,
}

/// A head run in one way.
#[derive(Serialize)]
struct Way {
    accuracy: f64,
    rank_one: f64,
    contrastive: Contrastive,
    /// Beside the dense head; null for that head itself.
    gates: Option<Gates>,
}

#[derive(Serialize)]
struct PatternReport {
    name: &'static str,
    pattern: String,
    trained_dense_run_sparse: Way,
    /// Null for a pattern without a gradient.
    trained_sparse_run_sparse: Option<Way>,
    times: Vec<Times>,
}

/// The shortest of interleaved rounds over the same rows, milliseconds: this clock counts what other
/// programs take as well. Of the first layer's attention, except `head_*`.
#[derive(Serialize)]
struct Times {
    rows: usize,
    dense_ms: f64,
    sparse_ms: f64,
    /// `ruvllm_sparse_attention`, every token, and upstream's default edges.
    upstream_dense_ms: f64,
    upstream_sparse_ms: f64,
    /// The whole head, projections and all.
    head_dense_ms: f64,
    head_sparse_ms: f64,
}

/// Trains, runs, measures and judges.
pub fn run(args: Args) -> Result<String, CliError> {
    let mut ask = ask(args)?;
    ask.only_for_gates()?;
    let Sets { train, test, findings, .. } = Sets::read(&ask)?;
    ask.settle_epochs(train.cuts.len());
    if test.cuts.is_empty() {
        return Err(CliError::usage(
            "gates are asked on recordings held out: --test or --hold-out",
        ));
    }
    let patterns: Vec<Pattern> = match ask.config.pattern {
        Some(pattern) => vec![pattern],
        None => Pattern::NAMES.iter().filter_map(|name| Pattern::named(name)).collect(),
    };
    let dense_config = TrainConfig { pattern: None, ..ask.config };
    let dense = trained(&train, dense_config, ask.dtype)?;
    let seed = ask.config.seed.wrapping_add(1);
    let other = trained(&train, TrainConfig { seed, ..dense_config }, ask.dtype)?;
    let normalisation = dense.blob.trailer.normalisation.as_ref();
    let material =
        Material::new(&train, &test, normalisation, &Augment::default(), ask.config.seed);
    let bench = Bench { material: &material, test: &test };

    let (base, dense_way) = bench.way(&dense.blob, None, None)?;
    let (_, other_way) = bench.way(&other.blob, None, Some((&base, None)))?;
    let mut reports = Vec::new();
    for pattern in patterns {
        let run_sparse = looking_at(&dense.blob, pattern)?;
        let times = bench.times(&run_sparse, test.spec.len, ask.times)?;
        let latency = times.first().map(|at| Latency { dense: at.dense_ms, sparse: at.sparse_ms });
        let against = Some((&base, latency));
        let (_, untrained) = bench.way(&run_sparse, Some(pattern), against)?;
        let has_gradient = Plan::new(Some(pattern), test.spec.len).is_ok();
        let trained_sparse = match has_gradient {
            true => {
                let config = TrainConfig { pattern: Some(pattern), ..ask.config };
                let sparse = trained(&train, config, ask.dtype)?.blob;
                Some(bench.way(&sparse, Some(pattern), against)?.1)
            }
            false => None,
        };
        reports.push(PatternReport {
            name: pattern.name(),
            pattern: pattern.to_string(),
            trained_dense_run_sparse: untrained,
            trained_sparse_run_sparse: trained_sparse,
            times,
        });
    }
    let report = Report {
        classes: train.classes.clone(),
        window_rows: test.spec.len,
        train_windows: train.cuts.len(),
        test_windows: test.cuts.len(),
        findings,
        epochs: ask.config.epochs,
        seed: ask.config.seed,
        parameters: dense.parameters,
        dense: dense_way,
        dense_other_seed: other_way,
        patterns: reports,
    };
    if ask.json { to_json(&report) } else { Ok(for_people(&report)) }
}

impl Ask {
    /// Refuses what gates have no use for.
    fn only_for_gates(&self) -> Result<(), CliError> {
        let said = [
            ("--out", self.out.is_some()),
            ("--seeds", self.seeds != 1),
            ("--random-split", self.random_split),
            ("--teacher", self.teacher.is_some()),
        ];
        match said.iter().find(|(_, said)| *said) {
            Some((option, _)) => {
                Err(CliError::usage(format!("gates have no use for {option}; `csi train` has")))
            }
            None => Ok(()),
        }
    }
}

/// The same weights, looking at less.
fn looking_at(blob: &WeightBlob, pattern: Pattern) -> Result<WeightBlob, CliError> {
    let mut blob = blob.clone();
    let record = pattern.to_record(blob.trailer.attention.unwrap_or_default());
    blob.trailer.attention =
        Some(record.ok_or_else(|| CliError::usage("the pattern's numbers are too large"))?);
    Ok(blob)
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::usage(format!("the head cannot run: {error}"))
}

/// What heads are run on.
struct Bench<'a> {
    material: &'a Material,
    test: &'a Windows,
}

impl Bench<'_> {
    /// Runs a head over everything, by its own pattern or dense.
    fn way(
        &self,
        blob: &WeightBlob,
        pattern: Option<Pattern>,
        against: Option<(&Embedded, Option<Latency>)>,
    ) -> Result<(Embedded, Way), CliError> {
        let head = TemporalHead::from_blob(blob).map_err(failed)?;
        let backend = pattern.map_or(BackendKind::Dense, |pattern| pattern.backend().0);
        let embedded = Embedded::new(&head, backend, self.material).map_err(failed)?;
        let scores = evaluate::score(&head, backend, self.test).map_err(failed)?;
        let way = Way {
            accuracy: scores.accuracy,
            rank_one: embedded.rank_one,
            contrastive: embedded.contrastive,
            gates: against.map(|(dense, latency)| judge(dense, &embedded, latency)),
        };
        Ok((embedded, way))
    }

    /// Times the deployed window first, then others if they are wanted.
    fn times(
        &self,
        blob: &WeightBlob,
        deployed: usize,
        others: bool,
    ) -> Result<Vec<Times>, CliError> {
        let head = TemporalHead::from_blob(blob).map_err(failed)?;
        let others = if others { &OTHER_ROWS[..] } else { &[] };
        let sizes = [deployed].into_iter().chain(others.iter().copied());
        sizes.map(|rows| self.times_at(&head, rows)).collect()
    }

    fn times_at(&self, head: &TemporalHead, rows: usize) -> Result<Times, CliError> {
        let numbers = rows * head.feature_dim();
        let window: Vec<f32> =
            self.material.queries.iter().flatten().copied().cycle().take(numbers).collect();
        let qkv = head.layer_qkv(&window, 0, BackendKind::Dense).map_err(failed)?;
        // The other crate knows no recency slopes; they are no work worth mentioning.
        let plain = LayerQkv { slopes: Vec::new(), ..qkv.clone() };
        let sparse = head.backend();
        let kernel = |kind, qkv: &LayerQkv, pattern: &SparsePattern| {
            attention::forward(kind, &qkv.view(), pattern).map(black_box).map_err(failed)
        };
        let (own, upstream) = (head.pattern(), SparsePattern::default());
        let mut taken: [Vec<f64>; 6] = Default::default();
        for _ in 0..if rows > 256 { 9 } else { 31 } {
            let works: [&dyn Fn() -> Result<(), CliError>; 6] = [
                &|| kernel(BackendKind::Dense, &qkv, &own).map(drop),
                &|| kernel(sparse, &qkv, &own).map(drop),
                &|| kernel(BackendKind::UpstreamDense, &plain, &upstream).map(drop),
                &|| kernel(BackendKind::Upstream, &plain, &upstream).map(drop),
                &|| head.forward(&window, BackendKind::Dense).map(drop).map_err(failed),
                &|| head.forward(&window, sparse).map(drop).map_err(failed),
            ];
            for (work, taken) in works.iter().zip(&mut taken) {
                let start = Instant::now();
                work()?;
                taken.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [dense, sparse, upstream_dense, upstream_sparse, head_dense, head_sparse] =
            taken.map(|times| times.into_iter().fold(f64::INFINITY, f64::min));
        Ok(Times {
            rows,
            dense_ms: dense,
            sparse_ms: sparse,
            upstream_dense_ms: upstream_dense,
            upstream_sparse_ms: upstream_sparse,
            head_dense_ms: head_dense,
            head_sparse_ms: head_sparse,
        })
    }
}

fn for_people(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_for_people(report, &mut text);
    text
}

fn write_for_people(report: &Report, text: &mut String) -> std::fmt::Result {
    let Report { dense, .. } = report;
    writeln!(
        text,
        "{} windows of {} rows known, {} held out; {} parameters, {} epochs, seed {}",
        report.train_windows,
        report.window_rows,
        report.test_windows,
        report.parameters,
        report.epochs,
        report.seed
    )?;
    for finding in &report.findings {
        writeln!(text, "note: {}", finding.text)?;
    }
    writeln!(
        text,
        "dense: accuracy {:.3}, rank-1 {:.3}, loss {:.4} (InfoNCE {:.4})\n",
        dense.accuracy, dense.rank_one, dense.contrastive.total, dense.contrastive.info_nce
    )?;
    writeln!(
        text,
        "{:<28} {:>8} {:>14} {:>14} {:>14} {:>14}",
        "trained / run", "accuracy", "loss <= +1 %", "rank-1 >= -1", "order >= .95", "latency >= 5"
    )?;
    let other = ("dense, another seed".to_owned(), &report.dense_other_seed);
    let ways = report.patterns.iter().flat_map(|of| {
        let trained = of.trained_sparse_run_sparse.as_ref();
        [
            Some((format!("dense / {}", of.name), &of.trained_dense_run_sparse)),
            trained.map(|way| (format!("{0} / {0}", of.name), way)),
        ]
    });
    for (name, way) in [Some(other)].into_iter().chain(ways).flatten() {
        let Some(gates) = &way.gates else { continue };
        let cell = |figure: String, gate: Gate| {
            format!("{figure} {}", if gate.passes { "pass" } else { "FAIL" })
        };
        let latency =
            gates.latency.map_or("-".to_owned(), |gate| cell(format!("{:.2}x", gate.figure), gate));
        writeln!(
            text,
            "{name:<28} {:>8.3} {:>14} {:>14} {:>14} {latency:>14}",
            way.accuracy,
            cell(format!("{:+.2} %", gates.loss.figure * 100.0), gates.loss),
            cell(format!("{:+.2}", gates.rank_one.figure * -100.0), gates.rank_one),
            cell(format!("{:.3}", gates.order.figure), gates.order),
        )?;
    }
    writeln!(
        text,
        "\n{:<12} {:>6} {:>11} {:>11} {:>7} {:>11} {:>15} {:>15}",
        "times",
        "rows",
        "dense, ms",
        "sparse, ms",
        "ratio",
        "whole head",
        "upstream dense",
        "upstream sparse"
    )?;
    for of in &report.patterns {
        for at in &of.times {
            writeln!(
                text,
                "{:<12} {:>6} {:>11.4} {:>11.4} {:>6.2}x {:>10.2}x {:>15.4} {:>15.4}",
                of.name,
                at.rows,
                at.dense_ms,
                at.sparse_ms,
                at.dense_ms / at.sparse_ms,
                at.head_dense_ms / at.head_sparse_ms,
                at.upstream_dense_ms,
                at.upstream_sparse_ms
            )?;
        }
    }
    Ok(())
}
