//! One hash per short training run, over made-up recordings: host and browser are held to the same
//! table, `fixtures/golden/training.txt`. It tells that targets agree, not that training is right.

use csi_temporal::attention::{Pyramid, SparsePattern};
use csi_temporal::feature::{MeanRemoval, PipelineConfig};
use csi_temporal::frame::{CsiFrame, CsiValues};
use csi_temporal::rvne::{Dtype, Pooling, WeightBlob};

use super::{Contrast, Objective, Random, Size, Soft, TrainConfig, Trainer};
use crate::dataset::{Tape, WindowSpec, Windows};
use crate::labels::LabelledFrames;
use crate::pattern::Pattern;

/// How the self-test hears its teacher.
const SOFT: Soft = Soft { temperature: 2.0, share: 0.5 };
/// Amplitudes in a frame.
const PAIRS: usize = 16;

/// Makes a recording of noise in which three classes follow each other: still, slow, fast.
pub fn tape(name: &str, seed: u64, frames_a_class: usize) -> Tape {
    let config = PipelineConfig {
        useful: (0..PAIRS as u16).collect(),
        bands: 8,
        divide_by_mean: true,
        mean_removal: MeanRemoval::Window,
        lags: vec![2],
        lag_absolute: true,
        ..PipelineConfig::default()
    };
    let mut random = Random::new(seed);
    let mut values = Vec::new();
    for class in 0..3 {
        let mut phase = random.unit();
        for _ in 0..frames_a_class {
            phase += [0.0, 0.03, 0.11][class];
            phase = if phase >= 1.0 { phase - 1.0 } else { phase };
            // A triangle, which needs no function.
            let wave = (4.0 * phase - 2.0).abs() - 1.0;
            for pair in 0..PAIRS {
                let share = pair as f32 / PAIRS as f32;
                values.push(20.0 + 3.0 * wave * share + 0.6 * random.normal());
            }
        }
    }
    let frames = values.chunks_exact(PAIRS).enumerate().map(|(index, row)| CsiFrame {
        time_micros: index as i64 * 10_000,
        values: CsiValues::Amplitude(row),
        rssi_dbm: None,
    });
    let interval = |(class, label): (usize, &str)| LabelledFrames {
        first_frame: class * frames_a_class,
        end_frame: (class + 1) * frames_a_class,
        label: label.to_owned(),
    };
    let intervals: Vec<LabelledFrames> =
        ["still", "slow", "fast"].into_iter().enumerate().map(interval).collect();
    Tape::of_frames(name, frames, 3 * frames_a_class, &config, &intervals)
        .expect("the self-test's own pipeline is valid")
}

/// Trains for a moment with every pattern and returns hashes of the blobs.
pub fn bits() -> Vec<(&'static str, u64)> {
    let edges = SparsePattern { window: 4, block_size: 4, ..SparsePattern::default() };
    let patterns = [
        ("train-dense", None),
        ("train-upstream", Some(Pattern::Upstream(edges))),
        ("train-ln", Some(Pattern::LnCount(edges))),
        ("train-pyramid", Some(Pattern::Pyramid(Pyramid { window: 3, per_level: 2 }))),
    ];
    let windows =
        Windows::cut(vec![tape("a", 1, 60), tape("b", 2, 50)], WindowSpec { len: 20, hop: 10 });
    let train = |pattern: Option<Pattern>, objective, teacher: Option<&WeightBlob>| {
        let config = TrainConfig {
            size: Size { width: 12, q_heads: 4, kv_heads: 2, head_dim: 4, layers: 2, hidden: 20 },
            pattern,
            pooling: if pattern.is_some() { Pooling::Mean } else { Pooling::Last },
            epochs: 3,
            balance: true,
            objective,
            seed: 5,
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(windows.clone(), config).expect("the self-test's windows");
        if let Some(teacher) = teacher {
            trainer = trainer.with_teacher(teacher, SOFT).expect("a teacher that fits");
        }
        trainer.step(usize::MAX);
        trainer.blob().to_dtype(Dtype::F16).0
    };
    let teacher = train(None, Objective::Classes, None);
    let both = train(None, Objective::Both(Contrast::default()), None);
    let taught = train(patterns[3].1, Objective::Classes, Some(&teacher));
    let others = [("train-contrast", both), ("train-taught", taught)];
    let patterns = patterns.map(|(name, of)| (name, train(of, Objective::Classes, None)));
    let hash = |blob: WeightBlob| fnv(&blob.encode().expect("a trained blob"));
    patterns.into_iter().chain(others).map(|(name, blob)| (name, hash(blob))).collect()
}

/// FNV-1a, 64 bits.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
