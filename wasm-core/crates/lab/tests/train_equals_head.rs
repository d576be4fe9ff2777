//! The trainer's forward pass is the core's head: the blob that training exports computes what was
//! trained, for every pattern and shape.

mod train_support;

use csi_lab::train::{LANES, Layout, Model, Plan};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{AttentionPattern, AttentionRecord, Pooling, Trailer, WeightBlob};
use train_support::{numbers, patterns, rows, shapes};

/// Logits are of size 1; the two sum a few hundred products in another order at the end.
const TOLERANCE: f32 = 4e-6;

#[test]
fn for_every_pattern_shape_and_pooling() {
    const LEN: usize = 23;
    for dims in shapes() {
        for (name, pattern) in patterns() {
            for pooling in [Pooling::Mean, Pooling::Last] {
                let layout = Layout::new(dims);
                let numbers = numbers(&layout, 5);
                let record = AttentionRecord { pooling, ..AttentionRecord::default() };
                let record = match pattern {
                    Some(pattern) => pattern.to_record(record).expect("a small pattern"),
                    None => AttentionRecord { pattern: AttentionPattern::Dense, ..record },
                };
                let blob = layout.blob(&numbers, record, Trailer::default());
                let bytes = blob.encode().expect("a blob");
                let blob = WeightBlob::parse(&bytes).expect("the blob that was written");
                let head = TemporalHead::from_blob(&blob).expect("a head");

                let rows = rows(LEN * dims.features, 6);
                let plan = Plan::new(pattern, LEN).expect("a pattern with a gradient");
                let mut model = Model::new(layout, plan, pooling);
                let logits = model.forward(&numbers, &rows).to_vec();
                for lane in 0..LANES {
                    let window: Vec<f32> = rows.iter().map(|row| row[lane]).collect();
                    let expected = head.forward(&window, head.backend()).expect("logits").logits;
                    for (class, (got, expected)) in logits.iter().zip(expected).enumerate() {
                        let off = (got[lane] - expected).abs();
                        assert!(
                            off <= TOLERANCE * expected.abs().max(1.0),
                            "{name}, {dims:?}, {pooling:?}: class {class} is off by {off}"
                        );
                    }
                }
            }
        }
    }
}
