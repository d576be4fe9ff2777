//! All numbers that are trained, in one list, and the blob that they make.

use core::ops::Range;

use csi_temporal::rvne::{
    AttentionRecord, Dtype, Embedding, FeedForward, FeedForwardLayer, HeadShape, Trailer,
    WeightBlob,
};

use crate::random::Random;

/// The dimensions of a head to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Numbers in a feature row.
    pub features: usize,
    /// Numbers in a row inside the head.
    pub width: usize,
    /// Query heads.
    pub q_heads: usize,
    /// Key and value heads; divides `q_heads`.
    pub kv_heads: usize,
    /// Numbers a head.
    pub head_dim: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers between the matrices of the feed-forward; 0 for none.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
}

/// Where one layer's numbers lie.
#[derive(Clone, Debug)]
pub struct LayerRanges {
    /// Gains before attention, `[width]`.
    pub gains: Range<usize>,
    /// `[width][q_heads * head_dim]`.
    pub wq: Range<usize>,
    /// `[width][kv_heads * head_dim]`.
    pub wk: Range<usize>,
    /// `[width][kv_heads * head_dim]`.
    pub wv: Range<usize>,
    /// `[q_heads * head_dim][width]`.
    pub wo: Range<usize>,
    /// `[q_heads]`, never negative.
    pub slopes: Range<usize>,
    /// Gains before the feed-forward, `[width]`.
    pub ff_gains: Range<usize>,
    /// `[width][hidden]`.
    pub w1: Range<usize>,
    /// `[hidden][width]`.
    pub w2: Range<usize>,
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The dimensions.
    pub dims: Dims,
    /// `[features][width]`; empty when there is no embedding.
    pub embedding: Range<usize>,
    /// The layers.
    pub layers: Vec<LayerRanges>,
    /// `[width][classes]`.
    pub classifier: Range<usize>,
    /// `[classes]`.
    pub bias: Range<usize>,
    /// All of them.
    pub len: usize,
}

impl Layout {
    /// Lays out a head. Without an embedding (`width == features`) rows enter as they are.
    pub fn new(dims: Dims) -> Self {
        let mut len = 0;
        let mut take = |count: usize| {
            len += count;
            len - count..len
        };
        let Dims { features, width, q_heads, kv_heads, head_dim, hidden, classes, .. } = dims;
        let embedding = take(if features == width { 0 } else { features * width });
        let mut layer = |_| LayerRanges {
            gains: take(width),
            wq: take(width * q_heads * head_dim),
            wk: take(width * kv_heads * head_dim),
            wv: take(width * kv_heads * head_dim),
            wo: take(q_heads * head_dim * width),
            slopes: take(q_heads),
            ff_gains: take(if hidden > 0 { width } else { 0 }),
            w1: take(width * hidden),
            w2: take(hidden * width),
        };
        let layers = (0..dims.layers).map(&mut layer).collect();
        let classifier = take(width * classes);
        let bias = take(classes);
        Self { dims, embedding, layers, classifier, bias, len }
    }

    /// Returns the matrices with the numbers that go into each of their sums.
    pub fn matrices(&self) -> Vec<(Range<usize>, usize)> {
        let Dims { features, width, q_heads, head_dim, hidden, .. } = self.dims;
        let mut all = vec![(self.embedding.clone(), features)];
        for layer in &self.layers {
            for range in [&layer.wq, &layer.wk, &layer.wv, &layer.w1] {
                all.push((range.clone(), width));
            }
            all.push((layer.wo.clone(), q_heads * head_dim));
            all.push((layer.w2.clone(), hidden));
        }
        all.push((self.classifier.clone(), width));
        all
    }

    /// Makes the numbers to start from: matrices uniform with variance `1 / ins`, those that add to
    /// the rows smaller by the number of additions; gains 1; slopes `1/2, 1/8, 1/32, 0, ...` in turn.
    pub fn init(&self, random: &mut Random) -> Vec<f32> {
        let mut numbers = vec![0.0; self.len];
        for (range, ins) in self.matrices() {
            let scale = libm::sqrtf(3.0 / ins.max(1) as f32);
            numbers[range].iter_mut().for_each(|number| *number = scale * random.signed());
        }
        let damp = 1.0 / libm::sqrtf(2.0 * self.layers.len() as f32);
        for layer in &self.layers {
            for range in [&layer.wo, &layer.w2] {
                numbers[range.clone()].iter_mut().for_each(|number| *number *= damp);
            }
            numbers[layer.gains.clone()].fill(1.0);
            numbers[layer.ff_gains.clone()].fill(1.0);
            for (head, slope) in numbers[layer.slopes.clone()].iter_mut().enumerate() {
                *slope = [0.5, 0.125, 0.031_25, 0.0][head % 4];
            }
        }
        numbers
    }

    /// Makes a blob of them, in f32; `trailer` says what is not trained.
    ///
    /// Dimensions beyond 65,535 cannot be told in a blob; [`super::TrainError::Shape`] keeps them out.
    pub fn blob(&self, numbers: &[f32], record: AttentionRecord, trailer: Trailer) -> WeightBlob {
        let of = |range: &Range<usize>| numbers[range.clone()].to_vec();
        let all = |range: fn(&LayerRanges) -> &Range<usize>| {
            self.layers.iter().flat_map(|layer| of(range(layer))).collect::<Vec<f32>>()
        };
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let mut weights = Vec::new();
        for layer in &self.layers {
            for range in [&layer.wq, &layer.wk, &layer.wv, &layer.wo] {
                weights.extend_from_slice(&numbers[range.clone()]);
            }
        }
        weights.extend_from_slice(&numbers[self.classifier.clone()]);
        let Dims { features, width, q_heads, kv_heads, head_dim, layers, hidden, classes } =
            self.dims;
        let feed_forward = FeedForward {
            hidden: short(hidden),
            layers: (self.layers.iter())
                .map(|layer| FeedForwardLayer {
                    gains: of(&layer.ff_gains),
                    w1: of(&layer.w1),
                    w2: of(&layer.w2),
                })
                .collect(),
        };
        let embedding = Embedding { feature_dim: short(features), matrix: of(&self.embedding) };
        WeightBlob {
            shape: HeadShape {
                input_dim: short(width),
                q_heads: short(q_heads),
                kv_heads: short(kv_heads),
                head_dim: short(head_dim),
                layers: short(layers),
                classes: short(classes),
            },
            dtype: Dtype::F32,
            weights,
            trailer: Trailer {
                attention: Some(record),
                rms_gains: Some(all(|layer| &layer.gains)),
                slopes: Some(all(|layer| &layer.slopes)),
                bias: Some(of(&self.bias)),
                feed_forward: (hidden > 0).then_some(feed_forward),
                embedding: (!self.embedding.is_empty()).then_some(embedding),
                ..trailer
            },
        }
    }
}
