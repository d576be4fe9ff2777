//! Training learns what can be learned, in steps of any size, and the same for the same seed.

use csi_lab::dataset::{WindowSpec, Windows};
use csi_lab::train::baseline::{Convolutions, majority};
use csi_lab::train::{
    Augment, Contrast, Dims, Layout, Objective, Random, Size, Soft, TrainConfig, TrainError,
    Trainer, evaluate, selftest,
};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{AttentionRecord, Dtype, Trailer, WeightBlob};

const SPEC: WindowSpec = WindowSpec { len: 20, hop: 10 };

const CONFIG: TrainConfig = TrainConfig {
    size: Size { width: 12, q_heads: 4, kv_heads: 2, head_dim: 4, layers: 1, hidden: 16 },
    pattern: None,
    pooling: csi_temporal::rvne::Pooling::Mean,
    epochs: 20,
    batch: 16,
    rate: 1e-2,
    decay: 0.05,
    clip: 1.0,
    smoothing: 0.1,
    balance: false,
    objective: Objective::Classes,
    augment: Augment { shift: true, scale: 0.2, noise: 0.2, drop: 0.1 },
    seed: 1,
};

fn sets() -> (Windows, Windows) {
    let tapes = |seeds: std::ops::Range<u64>| {
        seeds.map(|seed| selftest::tape(&format!("{seed}"), seed, 80)).collect()
    };
    let train = Windows::cut(tapes(1..5), SPEC);
    let test = Windows::cut_for(tapes(5..7), SPEC, &train.classes);
    (train, test)
}

fn bytes(trainer: &Trainer) -> Vec<u8> {
    trainer.blob().to_dtype(Dtype::F16).0.encode().expect("a blob")
}

#[test]
fn a_head_and_the_classical_baseline_tell_made_up_classes_apart() {
    let (train, test) = sets();
    let mut trainer = Trainer::new(train.clone(), CONFIG).expect("windows");
    let first = trainer.step(1).loss;
    let last = trainer.step(usize::MAX);
    assert!(last.done && last.epoch == CONFIG.epochs && last.groups == last.groups_total);
    assert!(last.loss < 0.7 * first, "{first} to {}", last.loss);
    let head = TemporalHead::from_blob(&trainer.blob().to_dtype(Dtype::F16).0).expect("a head");
    let scores = evaluate::score(&head, head.backend(), &test).expect("scores");
    assert!(scores.accuracy >= 0.9, "{scores:?}");
    let classical = Convolutions::fit(&train, 1).expect("solved").score(&test);
    assert!(classical.accuracy >= 0.9, "{classical:?}");
    let largest = majority(&train, &test);
    assert!((largest.accuracy - 1.0 / 3.0).abs() < 0.01, "{largest:?}");
}

#[test]
fn budgets_change_no_bit_and_seeds_change_all() {
    let (train, _) = sets();
    let config = TrainConfig { epochs: 2, ..CONFIG };
    let start =
        |seed| Trainer::new(train.clone(), TrainConfig { seed, ..config }).expect("windows");
    let mut at_once = start(1);
    at_once.step(usize::MAX);
    let mut in_steps = start(1);
    while !in_steps.step(3).done {}
    assert_eq!(bytes(&at_once), bytes(&in_steps));
    assert_eq!(in_steps.step(5), in_steps.progress(), "after the end nothing happens");
    let mut other = start(2);
    other.step(usize::MAX);
    assert_ne!(bytes(&at_once), bytes(&other));
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let (train, _) = sets();
    let refused = |windows: Windows, config| Trainer::new(windows, config).err();
    let none = Windows::cut(Vec::new(), SPEC);
    assert_eq!(refused(none, CONFIG), Some(TrainError::NoWindows));
    let mut one = train.clone();
    one.cuts.retain(|cut| cut.class == 0);
    assert_eq!(refused(one, CONFIG), Some(TrainError::OneClass));
    let mut mixed = train.clone();
    mixed.tapes[1].config.lags.clear();
    assert_eq!(refused(mixed, CONFIG), Some(TrainError::Mixed));
    let salient = csi_lab::pattern::Pattern::named("salient");
    let config = TrainConfig { pattern: salient, ..CONFIG };
    assert_eq!(refused(train.clone(), config), Some(TrainError::NoGradient));
    for (q_heads, kv_heads, layers) in [(4, 3, 1), (0, 1, 1), (4, 0, 1), (4, 4, 0), (70_000, 1, 1)]
    {
        let size = Size { q_heads, kv_heads, layers, ..CONFIG.size };
        let config = TrainConfig { size, ..CONFIG };
        assert_eq!(refused(train.clone(), config), Some(TrainError::Shape), "{size:?}");
    }
}

/// Recall, precision and F1 by hand: 3 windows of a, 2 of b; one a is taken for b.
#[test]
fn scores_are_those_of_the_confusion_matrix() {
    let (train, _) = sets();
    let mut five = train.clone();
    five.cuts.truncate(5);
    for (cut, class) in five.cuts.iter_mut().zip([0, 0, 0, 1, 1]) {
        cut.class = class;
    }
    let scores = evaluate::Scores::new(&five, &[0, 0, 1, 1, 1]);
    assert_eq!(scores.confusion, [[2, 1, 0], [0, 2, 0], [0, 0, 0]]);
    assert_eq!((scores.windows, scores.right, scores.accuracy), (5, 4, 0.8));
    let of = |class: usize| {
        let class = &scores.classes[class];
        (class.windows, class.precision, class.recall, class.f1)
    };
    assert_eq!(of(0), (3, 1.0, 2.0 / 3.0, 0.8));
    assert_eq!(of(1), (2, 2.0 / 3.0, 1.0, 0.8));
    assert_eq!(of(2), (0, 0.0, 0.0, 0.0));
    assert!((scores.macro_f1 - 0.8).abs() < 1e-12, "classes without a window do not count");
}

/// Without a label, views of a window come closer to each other than to other windows; with labels
/// the classes are learned beside.
#[test]
fn views_of_a_window_become_alike() {
    let (train, test) = sets();
    let run = |objective| {
        let config = TrainConfig { objective, batch: 32, epochs: 12, ..CONFIG };
        let mut trainer = Trainer::new(train.clone(), config).expect("windows");
        let first = trainer.step(1);
        (first, trainer.step(usize::MAX), trainer.blob())
    };
    let contrast = Contrast::default();
    let (first, last, _) = run(Objective::Views(contrast));
    assert!(last.done && last.loss < 0.8 * first.loss, "{first:?} to {last:?}");
    let (_, _, blob) = run(Objective::Both(contrast));
    let head = TemporalHead::from_blob(&blob).expect("a head");
    let scores = evaluate::score(&head, head.backend(), &test).expect("scores");
    assert!(scores.accuracy >= 0.85, "{scores:?}");
}

/// What `docs/training.md` promises of the sizes: with 84 features and 10 classes, in f16, a node's
/// head takes at most 64 KB and the large one at most 80 KB, 2 KB of it for the other records.
#[test]
fn named_sizes_fit_what_they_are_named_for() {
    for (name, most) in [("small", 32 << 10), ("node", 64 << 10), ("large", 80 << 10)] {
        let Size { width, q_heads, kv_heads, head_dim, layers, hidden } =
            Size::named(name).expect("a named size");
        let (features, classes) = (84, 10);
        let dims = Dims { features, width, q_heads, kv_heads, head_dim, layers, hidden, classes };
        let layout = Layout::new(dims);
        let numbers = layout.init(&mut Random::new(1));
        let blob = layout.blob(&numbers, AttentionRecord::default(), Trailer::default());
        let bytes = blob.to_dtype(Dtype::F16).0.encode().expect("a blob").len();
        assert!(bytes + (2 << 10) <= most, "{name}: {bytes} bytes");
    }
    assert_eq!([0, 400, 1000, 1_000_000].map(TrainConfig::epochs_for), [80, 80, 40, 15]);
}

fn trained(
    windows: &Windows,
    config: TrainConfig,
    teacher: Option<(&WeightBlob, Soft)>,
) -> WeightBlob {
    let mut trainer = Trainer::new(windows.clone(), config).expect("windows");
    if let Some((teacher, soft)) = teacher {
        trainer = trainer.with_teacher(teacher, soft).expect("a teacher that fits");
    }
    trainer.step(usize::MAX);
    trainer.blob()
}

/// The share of windows that two heads call the same.
fn agreement(a: &WeightBlob, b: &WeightBlob, windows: &Windows) -> f64 {
    let said = |blob: &WeightBlob| -> Vec<usize> {
        let head = TemporalHead::from_blob(blob).expect("a head");
        let logits = evaluate::logits(&head, head.backend(), windows).expect("logits");
        let largest = |of: &Vec<f32>| {
            (0..of.len()).max_by(|a, b| of[*a].total_cmp(&of[*b])).expect("classes")
        };
        logits.iter().map(largest).collect()
    };
    let (a, b) = (said(a), said(b));
    a.iter().zip(&b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64
}

/// A teacher that takes two classes for each other, heard alone, makes a student that does so too,
/// though every label says otherwise, and whatever the order of its classes is: what is learned is what
/// it says. Not heard at all, it changes no bit; the same teacher gives the same bytes.
#[test]
fn a_student_learns_what_its_teacher_says_of_the_windows() {
    let (train, test) = sets();
    let mut swapped = train.clone();
    for cut in &mut swapped.cuts {
        cut.class = [1, 0, 2][cut.class];
    }
    let teacher = trained(&swapped, TrainConfig { seed: 3, ..CONFIG }, None);
    let small = TrainConfig { size: Size { width: 8, head_dim: 2, ..CONFIG.size }, ..CONFIG };
    let alone = Soft { temperature: 2.0, share: 1.0 };
    let student = trained(&train, small, Some((&teacher, alone)));
    let taught = agreement(&student, &teacher, &test);
    let labels = agreement(&student, &trained(&train, CONFIG, None), &test);
    assert!(taught >= 0.9 && labels <= 0.5, "{taught} as the teacher, {labels} as the labels");
    assert_eq!(student, trained(&train, small, Some((&teacher, alone))));

    let briefly = TrainConfig { epochs: 2, ..small };
    let unheard = Soft { share: 0.0, ..alone };
    assert_eq!(trained(&train, briefly, Some((&teacher, unheard))), trained(&train, briefly, None));
    for objective in [Objective::Classes, Objective::Both(Contrast::default())] {
        let config = TrainConfig { objective, ..briefly };
        let taught = trained(&train, config, Some((&teacher, alone)));
        assert_ne!(taught, trained(&train, config, None), "{objective:?}");
    }
}

/// The same opinions under other numbers: a teacher whose classes are listed in another order.
#[test]
fn a_teachers_classes_are_found_by_name() {
    let (train, _) = sets();
    let briefly = TrainConfig { epochs: 2, ..CONFIG };
    let teacher = trained(&train, TrainConfig { seed: 3, ..briefly }, None);
    let mut turned = teacher.clone();
    turned.trailer.class_names.as_mut().expect("names").rotate_left(1);
    turned.trailer.bias.as_mut().expect("a bias").rotate_left(1);
    let classes = usize::from(turned.shape.classes);
    let classifier = turned.matrices().pop().expect("a classifier").range;
    for row in turned.weights[classifier].chunks_mut(classes) {
        row.rotate_left(1);
    }
    let of = |teacher| trained(&train, briefly, Some((teacher, Soft::default())));
    assert_ne!(teacher, turned);
    assert_eq!(of(&teacher), of(&turned));
}

#[test]
fn teachers_that_do_not_fit_are_refused() {
    let (train, _) = sets();
    let config = TrainConfig { epochs: 0, ..CONFIG };
    let teacher = trained(&train, config, None);
    let refused = |teacher: &WeightBlob, soft, config| {
        let trainer = Trainer::new(train.clone(), config).expect("windows");
        trainer.with_teacher(teacher, soft).err()
    };
    let soft = Soft::default();
    assert_eq!(refused(&teacher, soft, config), None);
    for (temperature, share) in [
        (0.0, 0.5),
        (-1.0, 0.5),
        (f32::NAN, 0.5),
        (f32::INFINITY, 0.5),
        (2.0, -0.1),
        (2.0, 1.1),
        (2.0, f32::NAN),
    ] {
        let soft = Soft { temperature, share };
        assert_eq!(refused(&teacher, soft, config), Some(TrainError::TeacherShare), "{soft:?}");
    }
    let views = TrainConfig { objective: Objective::Views(Contrast::default()), ..config };
    assert_eq!(refused(&teacher, soft, views), Some(TrainError::TeacherShare));

    let mut other = teacher.clone();
    other.trailer.class_names.as_mut().expect("names")[1] = "run".to_owned();
    let classes = |teacher| Some(TrainError::TeacherClasses { teacher, windows: 3 });
    assert_eq!(refused(&other, soft, config), classes(3));
    other.trailer.class_names = None;
    assert_eq!(refused(&other, soft, config), classes(0));
    let features = Some(TrainError::TeacherFeatures { teacher: train.dim(), windows: train.dim() });
    let mut other = teacher.clone();
    other.trailer.pipeline.as_mut().expect("a pipeline").rate_hz += 1.0;
    assert_eq!(refused(&other, soft, config), features);
    other.trailer.pipeline = None;
    assert_eq!(refused(&other, soft, config), features);
    let mut other = teacher.clone();
    other.weights.pop();
    assert_eq!(refused(&other, soft, config), Some(TrainError::TeacherHead));
}
