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
use csi_lab::train::{Size, Soft, TrainConfig, Trainer, evaluate};
use csi_temporal::attention::{Pyramid, SparsePattern};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{Dtype, WeightBlob};

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

    /// Trains with every seed, each taught by its teacher if there are any; a row of the table with
    /// every test set's accuracies in f16, and the heads in f32.
    fn row(
        &self,
        name: &str,
        config: TrainConfig,
        teachers: &[WeightBlob],
    ) -> Fallible<(String, Vec<WeightBlob>)> {
        let (mut heads, mut bytes, mut parameters, mut seconds) = (Vec::new(), 0, 0, f64::INFINITY);
        for seed in 1..=SEEDS {
            let started = Instant::now();
            let mut trainer = Trainer::new(self.train.clone(), TrainConfig { seed, ..config })?;
            if let Some(teacher) = teachers.get(seed as usize - 1) {
                trainer = trainer.with_teacher(teacher, Soft::default())?;
            }
            trainer.step(usize::MAX);
            seconds = seconds.min(started.elapsed().as_secs_f64());
            parameters = trainer.parameters();
            heads.push(trainer.blob());
        }
        let mut cells = Vec::new();
        for test in &self.tests {
            let mut accuracies = Vec::new();
            for head in &heads {
                let head = head.to_dtype(Dtype::F16).0;
                bytes = head.encode()?.len();
                accuracies.push(accuracy(&said(&head, test)?, test));
            }
            cells.push(spread(&accuracies));
        }
        let cells = cells.join(" | ");
        Ok((format!("| {name} | {parameters} | {bytes} | {seconds:.0} s | {cells} |"), heads))
    }

    /// What fewer bits change: a row with the mean accuracy over all test windows before, the change,
    /// and the windows that are called otherwise.
    fn rounding(&self, name: &str, heads: &[WeightBlob]) -> Fallible<String> {
        let ways: [fn(&WeightBlob) -> WeightBlob; 2] =
            [|head| head.to_dtype(Dtype::F16).0, to_int8];
        let mut cells = String::new();
        let (mut before, mut count) = (0.0, 0);
        for way in ways {
            let (mut after, mut otherwise) = (0.0, 0);
            (before, count) = (0.0, 0);
            for (head, test) in
                heads.iter().flat_map(|head| self.tests.iter().map(move |t| (head, t)))
            {
                let (exact, rounded) = (said(head, test)?, said(&way(head), test)?);
                before += accuracy(&exact, test) * test.cuts.len() as f64;
                after += accuracy(&rounded, test) * test.cuts.len() as f64;
                count += test.cuts.len();
                otherwise += exact.iter().zip(&rounded).filter(|(a, b)| a != b).count();
            }
            cells += &format!(" {:+.4} | {otherwise} |", (after - before) / count as f64);
        }
        Ok(format!("| {name} | {count} | {:.4} |{cells}", before / count as f64))
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

/// The class that a head says each window is.
fn said(blob: &WeightBlob, windows: &Windows) -> Fallible<Vec<usize>> {
    let head = TemporalHead::from_blob(blob)?;
    let logits = evaluate::logits(&head, head.backend(), windows)?;
    let largest =
        |of: &Vec<f32>| (1..of.len()).fold(0, |best, at| if of[at] > of[best] { at } else { best });
    Ok(logits.iter().map(largest).collect())
}

fn accuracy(said: &[usize], windows: &Windows) -> f64 {
    let right = said.iter().zip(&windows.cuts).filter(|(said, cut)| **said == cut.class).count();
    right as f64 / windows.cuts.len() as f64
}

/// Rounds every matrix to 255 steps a row of it, as int8 with a scale a row would be stored.
fn to_int8(blob: &WeightBlob) -> WeightBlob {
    let mut blob = blob.clone();
    let round = |numbers: &mut [f32], columns: usize| {
        for row in numbers.chunks_mut(columns) {
            let step = row.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
            if step > 0.0 {
                row.iter_mut().for_each(|number| *number = (*number / step).round() * step);
            }
        }
    };
    for matrix in blob.matrices() {
        round(&mut blob.weights[matrix.range], matrix.cols);
    }
    let width = usize::from(blob.shape.input_dim);
    if let Some(embedding) = &mut blob.trailer.embedding {
        round(&mut embedding.matrix, width);
    }
    if let Some(feed_forward) = &mut blob.trailer.feed_forward {
        for layer in &mut feed_forward.layers {
            round(&mut layer.w1, usize::from(feed_forward.hidden));
            round(&mut layer.w2, width);
        }
    }
    blob
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
const TABLES: [(&str, Print); 6] = [
    ("classes", ten_classes),
    ("random", random_split),
    ("teachers", teachers),
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
    let mut rounding = Vec::new();
    let mut large = Vec::new();
    for size in ["large", "small", "node"] {
        let (row, heads) = task.row(&format!("{size}, dense"), sized(size)?, &[])?;
        println!("{row}");
        rounding.push(task.rounding(size, &heads)?);
        if size == "large" {
            large = heads;
        } else {
            let (row, _) =
                task.row(&format!("{size}, dense, taught by large"), sized(size)?, &large)?;
            println!("{row}");
        }
    }
    println!("{}", task.baselines().join("\n"));
    println!(
        "\nWhat fewer bits change: windows of both test sets and all seeds, their accuracy in f32, \
         its change, and how many are called otherwise.\n\n\
         | | windows | f32 | f16 | otherwise | int8 a row | otherwise |\n|--|--|--|--|--|--|--|"
    );
    println!("{}\n", rounding.join("\n"));
    Ok(())
}

fn random_split() -> Fallible<()> {
    println!("## GeoTec, 10 classes, single windows held out at random: how not to test\n");
    let files: Vec<String> = executions("D1", 1..=10);
    let all = Task::new(&files, &[], as_they_are)?.train;
    let honest = Task::new(&first_16(), &days(), as_they_are)?;
    let share = honest.tests[0].cuts.len() as f32 / all.cuts.len() as f32;
    let (train, test) = split::at_random(&all, share, 1);
    let random = Task { train, tests: vec![test] };
    println!("{}", random.head(&["random windows of D1"]));
    println!("{}", random.row("small, dense", sized("small")?, &[])?.0);
    println!("{}\n", random.baselines()[1]);
    Ok(())
}

/// How temperature and share were chosen: pairs of executions of D1's first 16 recordings left out
/// in turn, from teacher and student alike.
fn teachers() -> Fallible<()> {
    println!(
        "## How a teacher is heard: small, taught by large, inside D1's first 16 recordings\n"
    );
    let all = Task::new(&first_16(), &[], as_they_are)?.train;
    let none = Soft { temperature: 1.0, share: 0.0 };
    let mut ways = vec![("large itself", none), ("untaught", none)];
    for temperature in [1.0, 2.0, 4.0] {
        ways.extend([0.5, 0.9].map(|share| ("taught", Soft { temperature, share })));
    }
    let mut right = vec![0; ways.len()];
    for fold in 0..4 {
        let (train, test) = split::part(&all, &(4 * fold..4 * fold + 4).collect::<Vec<usize>>());
        let mut teacher: Option<WeightBlob> = None;
        for ((name, soft), right) in ways.iter().zip(&mut right) {
            let size = if teacher.is_none() { "large" } else { "small" };
            let mut trainer = Trainer::new(train.clone(), sized(size)?)?;
            if let (Some(teacher), "taught") = (&teacher, *name) {
                trainer = trainer.with_teacher(teacher, *soft)?;
            }
            trainer.step(usize::MAX);
            let blob = trainer.blob();
            *right += said(&blob, &test)?
                .iter()
                .zip(&test.cuts)
                .filter(|(said, cut)| **said == cut.class)
                .count();
            eprintln!("fold {fold}: {name} {soft:?}");
            teacher.get_or_insert(blob);
        }
    }
    println!(
        "| | temperature | share | {} windows left out in turn |\n|--|--|--|--|",
        all.cuts.len()
    );
    for ((name, soft), right) in ways.iter().zip(right) {
        let accuracy = right as f64 / all.cuts.len() as f64;
        match *name {
            "taught" => {
                println!("| taught | {} | {} | {accuracy:.3} |", soft.temperature, soft.share)
            }
            _ => println!("| {name} | – | – | {accuracy:.3} |"),
        }
    }
    println!();
    Ok(())
}

fn five_classes() -> Fallible<()> {
    println!("## GeoTec, 5 classes: the side taken out of the labels\n");
    let task = Task::new(&first_16(), &days(), without_side)?;
    println!("{}", task.head(&DAYS));
    println!("{}", task.row("node, dense", sized("node")?, &[])?.0);
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
        println!("{}", task.row("small, dense, 20 epochs", config, &[])?.0);
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
        println!("{}", task.row(&format!("small, {pattern}"), config, &[])?.0);
    }
    Ok(())
}
