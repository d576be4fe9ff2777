//! What the tests of the trainer share.
#![allow(dead_code, reason = "each test uses some of it")]

use csi_lab::pattern::Pattern;
use csi_lab::train::{Dims, Lanes, Layout, Random};
use csi_temporal::attention::{Pyramid, SparsePattern};

/// Every pattern that can be trained, small enough that a short window has blocks of each kind.
pub fn patterns() -> [(&'static str, Option<Pattern>); 4] {
    let edges = SparsePattern { window: 3, block_size: 4, ..SparsePattern::default() };
    [
        ("dense", None),
        ("upstream", Some(Pattern::Upstream(edges))),
        ("ln", Some(Pattern::LnCount(edges))),
        ("pyramid", Some(Pattern::Pyramid(Pyramid { window: 2, per_level: 2 }))),
    ]
}

/// Heads with and without each part: an embedding, a feed-forward, shared keys.
pub fn shapes() -> [Dims; 3] {
    let gqa = Dims {
        features: 7,
        width: 6,
        q_heads: 4,
        kv_heads: 2,
        head_dim: 3,
        layers: 2,
        hidden: 5,
        classes: 3,
    };
    let bare = Dims { features: 6, hidden: 0, kv_heads: 1, ..gqa };
    [gqa, bare, Dims { kv_heads: 4, layers: 1, ..gqa }]
}

/// Numbers of a head as they may be after training: nothing is 0 or 1 by chance of the start.
pub fn numbers(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut numbers = layout.init(&mut random);
    numbers.iter_mut().for_each(|number| *number += 0.2 * random.signed());
    for layer in &layout.layers {
        numbers[layer.slopes.clone()].iter_mut().for_each(|slope| *slope = slope.abs() + 0.01);
    }
    numbers
}

/// Random rows of eight windows.
pub fn rows(count: usize, seed: u64) -> Vec<Lanes> {
    let mut random = Random::new(seed);
    (0..count).map(|_| std::array::from_fn(|_| random.normal())).collect()
}
