//! `csi train`: labelled recordings in, a weight blob and honest figures out.

use std::path::PathBuf;
use std::time::Instant;

use csi_lab::dataset::{
    Finding, WindowSpec, Windows, check, common_pairs, split, training_pipeline,
};
use csi_lab::pattern::Pattern;
use csi_lab::recording::Stream;
use csi_lab::train::baseline::{Convolutions, majority};
use csi_lab::train::{
    Contrast, Objective, Size, Soft, TrainConfig, TrainError, Trainer, evaluate, saw,
};
use csi_temporal::feature::PipelineConfig;
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{Dtype, Pooling, WeightBlob};

use crate::args::{Args, Item, unknown_option};
use crate::doctor::to_json;
use crate::error::CliError;
use crate::files;
use crate::labelled::{LabelMap, Labelled, only_warnings, tapes};
use crate::pattern::PatternOptions;
use crate::scores::ScoreReport;
use crate::train_report::{Report, TeacherReport, for_people, mean_and_spread};

/// What was asked for.
#[derive(Default)]
pub struct Ask {
    train: Vec<PathBuf>,
    test: Vec<PathBuf>,
    map: LabelMap,
    /// Share of the windows to hold out, in whole recordings.
    hold_out: Option<f32>,
    /// Whether to show what a random split would claim.
    pub random_split: bool,
    spec: WindowSpec,
    hop: Option<usize>,
    rate_hz: Option<f32>,
    pub config: TrainConfig,
    /// The blob that teaches.
    pub teacher: Option<PathBuf>,
    temperature: Option<f32>,
    soft: Option<f32>,
    epochs: Option<usize>,
    pub seeds: u64,
    pub dtype: Dtype,
    pub out: Option<PathBuf>,
    pub json: bool,
    /// Of `csi gates`: whether other windows are timed, too.
    pub times: bool,
}

/// Trains, tests and writes.
pub fn run(args: Args) -> Result<String, CliError> {
    let mut ask = ask(args)?;
    if ask.times {
        return Err(unknown_option("times"));
    }
    let teacher = teacher(&ask)?;
    let Sets { train_files, test_files, config, train, test, mut findings } = Sets::read(&ask)?;
    findings.extend(teacher.as_ref().and_then(|(teacher, _)| saw(teacher, &test)));
    ask.settle_epochs(train.cuts.len());

    let started = Instant::now();
    let taught = |train: &Windows, config| taught(train, config, ask.dtype, teacher.as_ref());
    let Trained { blob, exact, loss, parameters } = taught(&train, ask.config)?;
    let train_seconds = started.elapsed().as_secs_f64();
    let bytes = encoded(&blob)?;
    if let Some(out) = &ask.out {
        files::write(out, &bytes)?;
    }
    let has_test = !test.cuts.is_empty();
    let scores = if has_test { Some(scored(&blob, &test)?) } else { None };
    let mut accuracies: Vec<f64> = scores.iter().map(|scores| scores.accuracy).collect();
    let mut in_f32 = Vec::new();
    if has_test {
        in_f32.push(scored(&exact, &test)?.accuracy);
        for seed in 1..ask.seeds {
            let config = TrainConfig { seed: ask.config.seed.wrapping_add(seed), ..ask.config };
            let another = taught(&train, config)?;
            accuracies.push(scored(&another.blob, &test)?.accuracy);
            in_f32.push(scored(&another.exact, &test)?.accuracy);
        }
    }
    let random_split_accuracy = match ask.random_split && has_test {
        true => {
            let (train, test) = random_split(&train, &test, &ask);
            Some(scored(&taught(&train, ask.config)?.blob, &test)?.accuracy)
        }
        false => None,
    };
    let classical = has_test.then(|| Convolutions::fit(&train, ask.config.seed)).flatten();
    let (mean, spread) = mean_and_spread(&accuracies);
    let (f32_mean, _) = mean_and_spread(&in_f32);
    let reports = |of: &[Labelled], windows: &Windows| {
        of.iter().enumerate().map(|(tape, one)| one.report(windows, tape)).collect()
    };
    let report = Report {
        classes: train.classes.clone(),
        window_rows: train.spec.len,
        hop_rows: train.spec.hop,
        rate_hz: config.rate_hz,
        pattern: ask.config.pattern.map_or("dense".to_owned(), |pattern| pattern.to_string()),
        teacher: ask.teacher.as_deref().zip(teacher.as_ref()).map(|(file, (_, soft))| {
            TeacherReport {
                file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                temperature: soft.temperature,
                share: soft.share,
            }
        }),
        parameters,
        blob_bytes: bytes.len(),
        dtype: ask.dtype.name(),
        feature_dim: train.dim(),
        train_windows: train.cuts.len(),
        test_windows: test.cuts.len(),
        train: reports(&train_files, &train),
        test: reports(&test_files, &test),
        findings,
        epochs: ask.config.epochs,
        seed: ask.config.seed,
        train_seconds,
        train_loss: loss,
        accuracy: scores.as_ref().map(|scores| scores.accuracy),
        macro_f1: scores.as_ref().map(|scores| scores.macro_f1),
        majority_baseline: has_test.then(|| majority(&train, &test).accuracy),
        classical_baseline: classical.map(|fitted| fitted.score(&test).accuracy),
        scores,
        random_split_accuracy,
        accuracies,
        mean_accuracy: mean,
        accuracy_spread: spread,
        f32_mean_accuracy: f32_mean,
        rounding_change: mean.zip(f32_mean).map(|(mean, exact)| mean - exact),
    };
    if ask.json { to_json(&report) } else { Ok(for_people(&report, ask.out.as_deref())) }
}

impl Ask {
    /// Sets how long is trained: as asked, or what suits so many windows.
    pub fn settle_epochs(&mut self, windows: usize) {
        self.config.epochs = self.epochs.unwrap_or_else(|| TrainConfig::epochs_for(windows));
    }
}

/// Both sides of a split, read and checked.
pub struct Sets {
    train_files: Vec<Labelled>,
    test_files: Vec<Labelled>,
    config: PipelineConfig,
    pub train: Windows,
    pub test: Windows,
    pub findings: Vec<Finding>,
}

impl Sets {
    /// Reads what was asked for; stops at what forbids training.
    pub fn read(ask: &Ask) -> Result<Self, CliError> {
        let (mut train_files, mut test_files) =
            (Labelled::open_all(&ask.train)?, Labelled::open_all(&ask.test)?);
        if let Some(share) = ask.hold_out {
            let all = Windows::cut(
                tapes(&train_files, &pipeline(&train_files, ask)?, &ask.map)?,
                ask.spec,
            );
            for tape in split::by_recording(&all, share, ask.config.seed).into_iter().rev() {
                test_files.insert(0, train_files.remove(tape));
            }
        }
        let config = pipeline(&train_files, ask)?;
        let train = Windows::cut(tapes(&train_files, &config, &ask.map)?, ask.spec);
        let test =
            Windows::cut_for(tapes(&test_files, &config, &ask.map)?, ask.spec, &train.classes);
        let findings = only_warnings(check(&train, &test))?;
        Ok(Self { train_files, test_files, config, train, test, findings })
    }
}

/// Reads the options.
pub fn ask(mut args: Args) -> Result<Ask, CliError> {
    let mut ask = Ask { seeds: 1, dtype: Dtype::F16, ..Ask::default() };
    let (mut options, mut name) = (PatternOptions::default(), "dense".to_owned());
    let mut list: Option<&str> = None;
    while let Some(item) = args.next()? {
        let option = match item {
            Item::Option(option) => option,
            Item::Plain(value) => {
                match list {
                    Some("train") => ask.train.push(value.into()),
                    Some("test") => ask.test.push(value.into()),
                    _ => {
                        let value = value.to_string_lossy();
                        let sentence = format!("is `{value}` a recording for --train or --test?");
                        return Err(CliError::usage(sentence));
                    }
                }
                continue;
            }
        };
        list = None;
        match option.as_str() {
            "train" => list = Some("train"),
            "test" => list = Some("test"),
            "merge-labels" => ask.map = LabelMap::read(&args.path()?)?,
            // Here a window is what is classified; the pattern's own has another name.
            "window" => ask.spec.len = args.value("window")?,
            "attn-window" => _ = options.take("window", &mut args)?,
            "hop" => ask.hop = Some(args.value("hop")?),
            "rate" => ask.rate_hz = Some(args.value("rate")?),
            "pattern" => name = args.text("pattern")?,
            "pooling" => {
                ask.config.pooling = match args.text("pooling")?.as_str() {
                    "mean" => Pooling::Mean,
                    "last" => Pooling::Last,
                    other => {
                        let sentence = format!("--pooling takes mean or last, not `{other}`");
                        return Err(CliError::usage(sentence));
                    }
                }
            }
            "size" => {
                let size = args.text("size")?;
                ask.config.size = Size::named(&size).ok_or_else(|| {
                    let names = Size::NAMES.join(", ");
                    CliError::usage(format!("--size takes {names}, not `{size}`"))
                })?;
            }
            "hold-out" => ask.hold_out = Some(args.value("hold-out")?),
            "random-split" => ask.random_split = true,
            "seed" => ask.config.seed = args.value("seed")?,
            "seeds" => ask.seeds = args.value("seeds")?,
            "epochs" => ask.epochs = Some(args.value("epochs")?),
            "teacher" => ask.teacher = Some(args.path()?),
            "temperature" => ask.temperature = Some(args.value("temperature")?),
            "soft" => ask.soft = Some(args.value("soft")?),
            "balance" => ask.config.balance = true,
            "contrast" => ask.config.objective = Objective::Both(Contrast::default()),
            "f32" => ask.dtype = Dtype::F32,
            "out" => ask.out = Some(args.path()?),
            "json" => ask.json = true,
            "times" => ask.times = true,
            other if options.take(other, &mut args)? => {}
            other => return Err(unknown_option(other)),
        }
    }
    if ask.spec.len == 0 || ask.hop == Some(0) || ask.epochs == Some(0) {
        return Err(CliError::usage("--window, --hop and --epochs must be at least 1"));
    }
    if ask.hold_out.is_some_and(|share| !(0.0..1.0).contains(&share)) {
        return Err(CliError::usage("--hold-out takes a share of the windows, such as 0.25"));
    }
    if ask.hold_out.is_some() && !ask.test.is_empty() {
        return Err(CliError::usage("--hold-out chooses test recordings; leave --test away"));
    }
    if ask.teacher.is_none() && (ask.temperature.is_some() || ask.soft.is_some()) {
        return Err(CliError::usage("--temperature and --soft are a teacher's; see --teacher"));
    }
    ask.spec.hop = ask.hop.unwrap_or(ask.spec.len.div_ceil(2));
    ask.config.pattern = match name.as_str() {
        "dense" => {
            // Refuses options of patterns.
            options.pattern("upstream", Pattern::default())?;
            None
        }
        name => Some(options.pattern(name, Pattern::default())?),
    };
    Ok(ask)
}

/// What the recordings are read by; nothing of a test recording has a part in it.
fn pipeline(train: &[Labelled], ask: &Ask) -> Result<PipelineConfig, CliError> {
    let streams: Vec<&Stream> = train.iter().map(Labelled::stream).collect();
    let Some(first) = streams.first() else {
        return Err(CliError::usage("--train FILE... is missing; see `csi help`"));
    };
    let mut pipeline = training_pipeline(&streams);
    pipeline.rate_hz = ask.rate_hz.unwrap_or(pipeline.rate_hz);
    Ok(pipeline.config(first.kind, &common_pairs(&streams)))
}

/// Parts all windows at random, as many to test on as the test set has.
fn random_split(train: &Windows, test: &Windows, ask: &Ask) -> (Windows, Windows) {
    let tapes = train.tapes.iter().chain(&test.tapes).cloned().collect();
    let all = Windows::cut_for(tapes, ask.spec, &train.classes);
    let share = test.cuts.len() as f32 / all.cuts.len() as f32;
    split::at_random(&all, share, ask.config.seed)
}

/// Reads the teacher.
fn teacher(ask: &Ask) -> Result<Option<(WeightBlob, Soft)>, CliError> {
    let Some(path) = &ask.teacher else { return Ok(None) };
    let blob = WeightBlob::parse(&files::read(path)?).map_err(|e| CliError::input(path, e))?;
    let Soft { temperature, share } = Soft::default();
    let soft = Soft {
        temperature: ask.temperature.unwrap_or(temperature),
        share: ask.soft.unwrap_or(share),
    };
    Ok(Some((blob, soft)))
}

/// What training came to.
pub struct Trained {
    pub blob: WeightBlob,
    /// The same before it was rounded.
    exact: WeightBlob,
    /// Over the last epoch.
    loss: f32,
    pub parameters: usize,
}

/// Trains to the end.
pub fn trained(train: &Windows, config: TrainConfig, dtype: Dtype) -> Result<Trained, CliError> {
    taught(train, config, dtype, None)
}

/// Trains to the end, by a teacher if there is one.
fn taught(
    train: &Windows,
    config: TrainConfig,
    dtype: Dtype,
    teacher: Option<&(WeightBlob, Soft)>,
) -> Result<Trained, CliError> {
    let refused = |e: TrainError| CliError::usage(format!("{e} ({})", e.code()));
    let mut trainer = Trainer::new(train.clone(), config).map_err(refused)?;
    if let Some((teacher, soft)) = teacher {
        trainer = trainer.with_teacher(teacher, *soft).map_err(refused)?;
    }
    let progress = trainer.step(usize::MAX);
    let exact = trainer.blob();
    let mut blob = exact.to_dtype(dtype).0;
    let made = format!("csi-lab {}", env!("CARGO_PKG_VERSION"));
    blob.trailer.provenance = Some(trainer.provenance(&made));
    Ok(Trained { blob, exact, loss: progress.loss, parameters: trainer.parameters() })
}

fn encoded(blob: &WeightBlob) -> Result<Vec<u8>, CliError> {
    blob.encode().map_err(|e| CliError::usage(format!("the weights cannot be written: {e}")))
}

/// Scores what a reader of the file gets.
fn scored(blob: &WeightBlob, windows: &Windows) -> Result<ScoreReport, CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::usage(format!("the head cannot run: {e}"));
    let blob = WeightBlob::parse(&encoded(blob)?).map_err(|e| failed(&e))?;
    let head = TemporalHead::from_blob(&blob).map_err(|e| failed(&e))?;
    let scores = evaluate::score(&head, head.backend(), windows).map_err(|e| failed(&e))?;
    Ok(scores.into())
}
