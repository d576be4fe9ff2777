//! Random blobs, with and without each record of the trailer that changes the result.

use super::random::Random;
use csi_temporal::rvne::{
    AttentionPattern, AttentionRecord, Dtype, Embedding, FeedForward, FeedForwardLayer, HeadShape,
    Normalisation, Pooling, Trailer, WeightBlob,
};

pub const SMALL: HeadShape =
    HeadShape { input_dim: 6, q_heads: 4, kv_heads: 2, head_dim: 5, layers: 2, classes: 3 };

/// A blob without a trailer, weights uniform in -0.5 .. 0.5.
pub fn bare(shape: HeadShape, random: &mut Random) -> WeightBlob {
    let weights = random.numbers(shape.weight_count().unwrap(), 0.5);
    WeightBlob { shape, dtype: Dtype::F32, weights, trailer: Trailer::default() }
}

/// A blob with any subset of the records, `switches` naming them bit by bit:
/// attention, normalisation, gains, bias, embedding, feed-forward, slopes.
pub fn with_records(shape: HeadShape, switches: u32, random: &mut Random) -> WeightBlob {
    let mut blob = bare(shape, random);
    let [d, q_heads, layers, classes] =
        [shape.input_dim, shape.q_heads, shape.layers, shape.classes].map(usize::from);
    let on = |bit: u32| switches >> bit & 1 == 1;
    let trailer = &mut blob.trailer;
    if on(0) {
        trailer.attention = Some(AttentionRecord {
            window: random.between(0, 9) as u16,
            block_size: random.between(1, 7) as u16,
            pattern: random.pick(&[
                AttentionPattern::UpstreamEdges,
                AttentionPattern::LnCount,
                AttentionPattern::Dense,
                AttentionPattern::Pyramid,
            ]),
            per_level: random.between(1, 4) as u8,
            log_stride: random.flip(),
            landmarks: random.flip(),
            global_token: random.flip(),
            pooling: random.pick(&[Pooling::Mean, Pooling::Last]),
            ..AttentionRecord::default()
        });
    }
    let mut features = d;
    if on(4) {
        features = random.between(1, 12);
        let matrix = random.numbers(features * d, 0.5);
        trailer.embedding = Some(Embedding { feature_dim: features as u16, matrix });
    }
    if on(1) {
        let inv_std = random.numbers(features, 1.0).into_iter().map(|x| 1.5 + x).collect();
        trailer.normalisation =
            Some(Normalisation { mean: random.numbers(features, 1.0), inv_std });
    }
    if on(2) {
        trailer.rms_gains = Some(random.numbers(layers * d, 2.0));
    }
    if on(3) {
        trailer.bias = Some(random.numbers(classes, 1.0));
    }
    if on(5) {
        let hidden = random.between(1, 9);
        let layers = (0..layers)
            .map(|_| FeedForwardLayer {
                gains: random.numbers(d, 2.0),
                w1: random.numbers(d * hidden, 0.5),
                w2: random.numbers(hidden * d, 0.5),
            })
            .collect();
        trailer.feed_forward = Some(FeedForward { hidden: hidden as u16, layers });
    }
    if on(6) {
        let slopes = random.numbers(layers * q_heads, 0.4);
        trailer.slopes = Some(slopes.into_iter().map(f32::abs).collect());
    }
    blob
}

/// A feed-forward without weight whose hidden numbers are as many as those of attention.
pub fn wide_feed_forward(shape: HeadShape) -> FeedForward {
    let hidden = shape.q_heads * shape.head_dim;
    let [d, wide, layers] = [shape.input_dim, hidden, shape.layers].map(usize::from);
    let layer =
        FeedForwardLayer { gains: vec![1.0; d], w1: vec![0.0; d * wide], w2: vec![0.0; d * wide] };
    FeedForward { hidden, layers: vec![layer; layers] }
}

/// Every record.
pub const ALL: u32 = 0b111_1111;
