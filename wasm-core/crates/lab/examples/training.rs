//! Trains heads on public recordings and prints what they come to, as tables of Markdown.
//!
//! `cargo run --release -p csi-lab --example training`, which `cargo xtask bench training` does.
//! Recordings lie in the folder that `CSI_LAB_DATA` names, else in `../shared/data`. The same
//! recordings give the same figures on every machine, but for the seconds.

use std::path::PathBuf;
use std::time::Instant;

use csi_lab::dataset::{
    Severity, Tape, WindowSpec, Windows, check, common_pairs, label_of_name, split,
    training_pipeline,
};
use csi_lab::labels::{self, LabelledFrames};
use csi_lab::pattern::Pattern;
use csi_lab::recording::{Decoder, Limits, Recording};
use csi_lab::train::baseline::{Convolutions, majority};
use csi_lab::train::{Size, TrainConfig, Trainer, evaluate};
use csi_temporal::attention::{Pyramid, SparsePattern};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::Dtype;

const SEEDS: u64 = 5;
const GEOTEC: &str = "GeoTecINIT+stability-csi-har/derived_csv";
const PULSE: &str = "marcrubii+pulse-wifi-sensing/raw";

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Labels of one activity, whichever side it was done on.
fn without_side(label: &str) -> Option<String> {
    Some(label.trim_end_matches("_RX").trim_end_matches("_TX").to_owned())
}

fn as_they_are(label: &str) -> Option<String> {
    Some(label.to_owned())
}

/// Executions of a capture time of GeoTec's, in both directions.
fn executions(day: &str, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    let both =
        |number| ["rx_tx", "tx_rx"].map(|way| format!("{GEOTEC}/{day}_e{number:02}_{way}.csv"));
    numbers.flat_map(both).collect()
}

fn open(files: &[String]) -> Fallible<Vec<Recording>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let data = std::env::var_os("CSI_LAB_DATA").map_or(beside, PathBuf::from);
    let open = |file: &String| -> Fallible<Recording> {
        let path = data.join(file);
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut decoder = Decoder::new(file.rsplit('/').next().unwrap_or(file), Limits::default());
        decoder.push(&bytes).map_err(|e| format!("{file}: {e}"))?;
        Ok(decoder.finish().map_err(|e| format!("{file}: {e}"))?)
    };
    files.iter().map(open).collect()
}

/// A training set and the sets that it is tested on.
struct Task {
    train: Windows,
    tests: Vec<Windows>,
}

impl Task {
    fn new(
        train: &[String],
        tests: &[Vec<String>],
        name: fn(&str) -> Option<String>,
    ) -> Fallible<Self> {
        let recordings = open(train)?;
        let streams: Vec<_> = recordings.iter().map(|of| &of.streams[of.default_stream]).collect();
        let config = training_pipeline(&streams).config(streams[0].kind, &common_pairs(&streams));
        let tapes = |recordings: &[Recording]| -> Fallible<Vec<Tape>> {
            let tape = |of: &Recording| -> Fallible<Tape> {
                let stream = &of.streams[of.default_stream];
                let mut frames = labels::of_stream(stream, None);
                if frames.is_empty() {
                    let label = label_of_name(&of.name).unwrap_or_default().to_owned();
                    frames.push(LabelledFrames { first_frame: 0, end_frame: stream.len(), label });
                }
                let mut tape = Tape::read(&of.name, stream, &config, &frames)?;
                tape.rename(name);
                Ok(tape)
            };
            recordings.iter().map(tape).collect()
        };
        let spec = WindowSpec::default();
        let train = Windows::cut(tapes(&recordings)?, spec);
        let test = |files: &Vec<String>| -> Fallible<Windows> {
            let test = Windows::cut_for(tapes(&open(files)?)?, spec, &train.classes);
            let found = check(&train, &test);
            match found.iter().find(|finding| finding.severity == Severity::Refused) {
                Some(finding) => Err(finding.text.clone().into()),
                None => Ok(test),
            }
        };
        Ok(Self { tests: tests.iter().map(test).collect::<Fallible<_>>()?, train })
    }

    /// Trains with every seed; a row of the table with every test set's accuracies.
    fn row(&self, name: &str, config: TrainConfig) -> Fallible<String> {
        let mut accuracies = vec![Vec::new(); self.tests.len()];
        let (mut bytes, mut parameters, mut seconds) = (0, 0, f64::INFINITY);
        for seed in 1..=SEEDS {
            let started = Instant::now();
            let mut trainer = Trainer::new(self.train.clone(), TrainConfig { seed, ..config })?;
            trainer.step(usize::MAX);
            seconds = seconds.min(started.elapsed().as_secs_f64());
            let blob = trainer.blob().to_dtype(Dtype::F16).0;
            (bytes, parameters) = (blob.encode()?.len(), trainer.parameters());
            let head = TemporalHead::from_blob(&blob)?;
            for (test, accuracies) in self.tests.iter().zip(&mut accuracies) {
                accuracies.push(evaluate::score(&head, head.backend(), test)?.accuracy);
            }
        }
        let cells: Vec<String> = accuracies.iter().map(|of| spread(of)).collect();
        Ok(format!("| {name} | {parameters} | {bytes} | {seconds:.0} s | {} |", cells.join(" | ")))
    }

    /// The same of the baselines, which are no blobs.
    fn baselines(&self) -> [String; 2] {
        let largest = self.tests.iter().map(|test| majority(&self.train, test).accuracy);
        let largest: Vec<String> = largest.map(|of| format!("{of:.3}")).collect();
        let mut classical = vec![Vec::new(); self.tests.len()];
        for fitted in (1..=SEEDS).filter_map(|seed| Convolutions::fit(&self.train, seed)) {
            for (test, of) in self.tests.iter().zip(&mut classical) {
                of.push(fitted.score(test).accuracy);
            }
        }
        let classical: Vec<String> = classical.iter().map(|of| spread(of)).collect();
        [
            format!("| largest class | – | – | – | {} |", largest.join(" | ")),
            format!("| random convolutions + ridge | – | – | – | {} |", classical.join(" | ")),
        ]
    }

    fn head(&self, tests: &[&str]) -> String {
        let windows = |set: &Windows| format!("{} windows", set.cuts.len());
        let names = tests.iter().zip(&self.tests);
        let names: Vec<String> =
            names.map(|(name, test)| format!("{name}, {}", windows(test))).collect();
        let rule = "--|".repeat(tests.len());
        format!(
            "Trained on {} of {} recordings, {} classes.\n\n\
             | | parameters | bytes in f16 | trained in | {} |\n|--|--|--|--|{rule}",
            windows(&self.train),
            self.train.tapes.len(),
            self.train.classes.len(),
            names.join(" | ")
        )
    }
}

/// Mean and standard deviation, and the least.
fn spread(of: &[f64]) -> String {
    let mean = of.iter().sum::<f64>() / of.len() as f64;
    let squares = of.iter().map(|number| (number - mean) * (number - mean)).sum::<f64>();
    let deviation = (squares / (of.len() - 1) as f64).sqrt();
    let least = of.iter().copied().fold(f64::INFINITY, f64::min);
    format!("{mean:.3} ± {deviation:.3}, least {least:.3}")
}

fn sized(name: &str) -> Fallible<TrainConfig> {
    let size = Size::named(name).ok_or("no such size")?;
    Ok(TrainConfig { size, ..TrainConfig::default() })
}

/// Prints one table.
type Print = fn() -> Fallible<()>;

/// The tables, in the order of the document.
const TABLES: [(&str, Print); 4] = [
    ("classes", ten_classes),
    ("sides", five_classes),
    ("walking", walking),
    ("patterns", patterns),
];

/// Prints all tables, or those that the arguments name.
fn main() -> Fallible<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = named.iter().find(|name| TABLES.iter().all(|(table, _)| table != name)) {
        let names = TABLES.map(|(name, _)| name).join(", ");
        return Err(format!("there is no table {unknown}, only {names}").into());
    }
    for (name, print) in TABLES {
        if named.is_empty() || named.iter().any(|of| of == name) {
            print()?;
        }
    }
    Ok(())
}

fn first_16() -> Vec<String> {
    executions("D1", 1..=8)
}

fn days() -> [Vec<String>; 2] {
    [executions("D1", 9..=10), executions("D2", 1..=2)]
}

const DAYS: [&str; 2] = ["D1, last 4", "D2"];

fn ten_classes() -> Fallible<()> {
    println!("## GeoTec, 10 classes\n");
    let task = Task::new(&first_16(), &days(), as_they_are)?;
    println!("{}", task.head(&DAYS));
    for size in Size::NAMES {
        println!("{}", task.row(&format!("{size}, dense"), sized(size)?)?);
    }
    println!("{}", task.baselines().join("\n"));

    println!(
        "\nWith single windows of D1 held out at random, as many as the honest test set has:\n"
    );
    let all = Windows::cut_for(
        task.train.tapes.iter().chain(&task.tests[0].tapes).cloned().collect(),
        WindowSpec::default(),
        &task.train.classes,
    );
    let share = task.tests[0].cuts.len() as f32 / all.cuts.len() as f32;
    let (train, test) = split::at_random(&all, share, 1);
    let random = Task { train, tests: vec![test] };
    println!("{}", random.head(&["random windows of D1"]));
    println!("{}", random.row("small, dense", sized("small")?)?);
    println!("{}\n", random.baselines()[1]);
    Ok(())
}

fn five_classes() -> Fallible<()> {
    println!("## GeoTec, 5 classes: the side taken out of the labels\n");
    let task = Task::new(&first_16(), &days(), without_side)?;
    println!("{}", task.head(&DAYS));
    println!("{}", task.row("node, dense", sized("node")?)?);
    println!("{}\n", task.baselines().join("\n"));
    Ok(())
}

fn walking() -> Fallible<()> {
    println!("## Empty or walking, recordings left out whole\n");
    let of = |numbers: [usize; 2]| -> Vec<String> {
        let both = |number| ["mov", "vacio"].map(|name| format!("{PULSE}/{name}_{number:02}.csv"));
        numbers.into_iter().flat_map(both).collect()
    };
    for (train, test) in [([1, 2], [3, 4]), ([3, 4], [1, 2])] {
        let task = Task::new(&of(train), &[of(test)], as_they_are)?;
        println!("{}", task.head(&[&format!("recordings {} and {}", test[0], test[1])]));
        let config = TrainConfig { epochs: 20, ..sized("small")? };
        println!("{}", task.row("small, dense, 20 epochs", config)?);
        println!("{}\n", task.baselines().join("\n"));
    }
    Ok(())
}

fn patterns() -> Fallible<()> {
    println!("## Trained sparse and run sparse\n");
    let task = Task::new(&first_16(), &days(), as_they_are)?;
    println!("{}", task.head(&DAYS));
    let edges = SparsePattern { window: 8, block_size: 8, ..SparsePattern::default() };
    for pattern in [
        Pattern::Upstream(edges),
        Pattern::LnCount(edges),
        Pattern::Pyramid(Pyramid { window: 8, per_level: 3 }),
    ] {
        let config = TrainConfig { pattern: Some(pattern), ..sized("small")? };
        println!("{}", task.row(&format!("small, {pattern}"), config)?);
    }
    Ok(())
}
