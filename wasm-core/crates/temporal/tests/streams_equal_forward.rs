//! A push gives the row that a pass over all tokens has for that token, to the bit.

mod support;

use csi_temporal::attention::{
    AttentionError, Operand, Pyramid, PyramidStream, SparsePattern, Stream, StreamShape, Weighting,
    pyramid, sparse,
};
use csi_temporal::half::{Storage, f16_to_f32, f32_to_f16};
use csi_temporal::tensor::Tensor3;
use ruvllm_sparse_attention as registry;
use support::random::{Random, cases};
use support::{Inputs, bits, magnitude, max_abs_diff, tolerance};

fn token(tensor: &Tensor3, token: usize) -> &[f32] {
    let width = tensor.heads() * tensor.dim();
    &tensor.data()[token * width..][..width]
}

fn shape(inputs: &Inputs, storage: Storage) -> StreamShape<'_> {
    let [q_heads, kv_heads, dim] = [inputs.q.heads(), inputs.k.heads(), inputs.q.dim()];
    StreamShape { q_heads, kv_heads, dim, slopes: &inputs.slopes, storage }
}

/// Shapes of any kind, with slopes and without.
fn any_inputs(random: &mut Random) -> Inputs {
    let mut inputs = random.any_inputs(90);
    if random.flip() {
        let slopes = random.numbers(inputs.q.heads(), 0.3);
        inputs.slopes = slopes.into_iter().map(f32::abs).collect();
    }
    inputs
}

fn any_causal(random: &mut Random) -> SparsePattern {
    SparsePattern { causal: true, ..random.any_pattern() }
}

fn any_pyramid(random: &mut Random) -> Pyramid {
    Pyramid { window: random.pick(&[0, 1, 2, 7, 16, 500]), per_level: random.between(1, 8) }
}

/// The same numbers as binary16 holds them.
fn rounded(tensor: &Tensor3) -> Tensor3 {
    let [seq, heads, dim] = tensor.shape();
    let numbers = tensor.data().iter().map(|number| f16_to_f32(f32_to_f16(*number))).collect();
    Tensor3::from_vec(numbers, seq, heads, dim).unwrap()
}

#[test]
fn a_stream_equals_the_pass_while_it_holds_the_past() {
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let inputs = any_inputs(&mut random);
        let pattern = any_causal(&mut random);
        let weighting = random.pick(&[Weighting::Plain, Weighting::LnCount]);
        let seq = inputs.q.seq();
        let capacity = seq + random.pick(&[0, 1, 50]);
        let shape = shape(&inputs, Storage::F32);
        let mut stream = Stream::new(&shape, &pattern, weighting, capacity).unwrap();
        let whole = sparse::forward(&inputs.view(), &pattern, weighting).unwrap();
        let mut out = vec![0.0; token(&inputs.q, 0).len()];
        // A stream that was used before starts over.
        for round in 0..2 {
            for i in 0..seq {
                let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, i));
                stream.push(q, k, v, &mut out).unwrap();
                assert_eq!(
                    bits(&out),
                    bits(token(&whole, i)),
                    "seed {seed}, token {i}, {pattern:?}"
                );
                assert!(stream.is_exact());
            }
            assert_eq!(stream.len(), seq);
            stream.reset();
            assert!(stream.is_empty(), "round {round}");
        }
    }
}

#[test]
fn a_pyramid_stream_equals_the_pass() {
    for seed in 0..cases() {
        let mut random = Random::new(3000 + seed);
        let inputs = any_inputs(&mut random);
        let pyramid = any_pyramid(&mut random);
        let mut stream = PyramidStream::new(&shape(&inputs, Storage::F32), pyramid).unwrap();
        let whole = pyramid::forward(&inputs.view(), &pyramid).unwrap();
        let mut out = vec![0.0; token(&inputs.q, 0).len()];
        for _ in 0..2 {
            for i in 0..inputs.q.seq() {
                let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, i));
                stream.push(q, k, v, &mut out).unwrap();
                assert_eq!(
                    bits(&out),
                    bits(token(&whole, i)),
                    "seed {seed}, token {i}, {pyramid:?}"
                );
            }
            assert_eq!(stream.len(), inputs.q.seq());
            stream.reset();
            assert!(stream.is_empty());
        }
    }
}

/// Many levels: the rings of all of them turn many times.
#[test]
fn a_long_pyramid_stream_equals_the_pass() {
    for (window, per_level) in [(8, 3), (0, 1), (3, 2)] {
        let inputs = Random::new(44).inputs(3000, 1, 1, 3, 1.0);
        let pyramid = Pyramid { window, per_level };
        let mut stream = PyramidStream::new(&shape(&inputs, Storage::F32), pyramid).unwrap();
        let whole = pyramid::forward(&inputs.view(), &pyramid).unwrap();
        let mut out = [0.0; 3];
        for i in 0..3000 {
            let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, i));
            stream.push(q, k, v, &mut out).unwrap();
            assert_eq!(bits(&out), bits(token(&whole, i)), "token {i}, {pyramid:?}");
        }
    }
}

/// Without means, binary16 is the rounding of the input and nothing else.
#[test]
fn half_storage_equals_the_pass_over_rounded_tokens() {
    for seed in 0..cases() / 2 {
        let mut random = Random::new(6000 + seed);
        let inputs = any_inputs(&mut random);
        let pattern = SparsePattern { landmarks: false, ..any_causal(&mut random) };
        let seq = inputs.q.seq();
        let stored = Inputs { k: rounded(&inputs.k), v: rounded(&inputs.v), ..inputs.clone() };
        let whole = sparse::forward(&stored.view(), &pattern, Weighting::Plain).unwrap();
        let over_all = Pyramid { window: seq, per_level: 1 };
        let dense = pyramid::forward(&stored.view(), &over_all).unwrap();
        let shape = shape(&inputs, Storage::F16);
        let mut stream = Stream::new(&shape, &pattern, Weighting::Plain, seq).unwrap();
        let mut pyramid_stream = PyramidStream::new(&shape, over_all).unwrap();
        let mut out = vec![0.0; token(&inputs.q, 0).len()];
        for i in 0..seq {
            let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, i));
            stream.push(q, k, v, &mut out).unwrap();
            assert_eq!(bits(&out), bits(token(&whole, i)), "seed {seed}, token {i}");
            pyramid_stream.push(q, k, v, &mut out).unwrap();
            assert_eq!(bits(&out), bits(token(&dense, i)), "seed {seed}, token {i}");
        }
    }
}

#[test]
fn a_stream_equals_upstreams_steps() {
    let mut worst = 0.0_f32;
    for seed in 0..cases() {
        let mut random = Random::new(1000 + seed);
        let inputs = random.any_inputs(70);
        let pattern = any_causal(&mut random);
        let [seq, _, dim] = inputs.q.shape();
        let kv_heads = inputs.k.heads();
        let shape = shape(&inputs, Storage::F32);
        let mut ours = Stream::new(&shape, &pattern, Weighting::Plain, seq).unwrap();
        let mut theirs = registry::KvCache::new(seq, kv_heads, dim, pattern.block_size);
        let kernel = registry::SubquadraticSparseAttention::new(registry::SparseAttentionConfig {
            window: pattern.window,
            block_size: pattern.block_size,
            global_tokens: if pattern.global_token { vec![0] } else { vec![] },
            causal: true,
            use_log_stride: pattern.log_stride,
            use_landmarks: pattern.landmarks,
            sort_candidates: false,
        })
        .unwrap();
        let one = |tensor: &Tensor3, i| {
            let (heads, dim) = (tensor.heads(), tensor.dim());
            registry::Tensor3::from_vec(token(tensor, i).to_vec(), 1, heads, dim).unwrap()
        };
        let mut got = vec![0.0; token(&inputs.q, 0).len()];
        for i in 0..seq {
            let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, i));
            ours.push(q, k, v, &mut got).unwrap();
            theirs.try_append(&one(&inputs.k, i), &one(&inputs.v, i)).unwrap();
            let expected = kernel.decode_step(&one(&inputs.q, i), &theirs).unwrap();
            let diff = max_abs_diff(&got, &expected.data) / magnitude(inputs.v.data());
            assert!(diff <= tolerance::upstream(&inputs), "seed {seed}, token {i}: {diff:e}");
            worst = worst.max(diff);
        }
    }
    println!("largest difference per unit: {worst:e}");
}

#[test]
fn bad_shapes_are_refused() {
    use AttentionError as E;
    let ok = StreamShape { q_heads: 4, kv_heads: 2, dim: 3, slopes: &[], storage: Storage::F16 };
    let pattern = SparsePattern::default();
    let refused = |shape: StreamShape<'_>| {
        let ring = Stream::new(&shape, &pattern, Weighting::Plain, 9).map(drop).unwrap_err();
        let pyramid = Pyramid { window: 1, per_level: 1 };
        assert_eq!(PyramidStream::new(&shape, pyramid).map(drop), Err(ring));
        ring
    };
    for shape in [
        StreamShape { q_heads: 0, ..ok },
        StreamShape { kv_heads: 0, ..ok },
        StreamShape { dim: 0, ..ok },
    ] {
        assert_eq!(refused(shape), E::ZeroDim);
    }
    assert_eq!(
        refused(StreamShape { kv_heads: 3, ..ok }),
        E::HeadRatio { q_heads: 4, kv_heads: 3 }
    );
    assert_eq!(
        refused(StreamShape { slopes: &[0.0], ..ok }),
        E::SlopeCount { expected: 4, got: 1 }
    );
    let slopes = &[0.0, 1.0, -1.0, 0.0];
    assert_eq!(refused(StreamShape { slopes, ..ok }), E::BadSlope { head: 2 });
    assert_eq!(refused(StreamShape { dim: usize::MAX / 4, ..ok }), E::CacheTooLarge);

    let ring = |pattern: &SparsePattern, capacity| {
        Stream::new(&ok, pattern, Weighting::Plain, capacity).map(drop)
    };
    assert_eq!(ring(&SparsePattern { block_size: 0, ..pattern }, 9), Err(E::ZeroBlockSize));
    assert_eq!(ring(&SparsePattern { causal: false, ..pattern }, 9), Err(E::NotCausal));
    assert_eq!(ring(&pattern, 0), Err(E::ZeroCapacity));
    assert_eq!(ring(&pattern, usize::MAX), Err(E::CacheTooLarge));
    assert_eq!(ring(&pattern, usize::MAX / 4096), Err(E::CacheTooLarge));
    assert_eq!(ring(&SparsePattern { window: usize::MAX, ..pattern }, 9), Ok(()));
    let pyramid =
        |window, per_level| PyramidStream::new(&ok, Pyramid { window, per_level }).map(drop);
    assert_eq!(pyramid(4, 0), Err(E::ZeroPerLevel));
    assert_eq!(pyramid(usize::MAX, 1), Err(E::CacheTooLarge));
    assert_eq!(pyramid(1, usize::MAX), Err(E::CacheTooLarge));
}

/// What is refused leaves no trace.
#[test]
fn bad_tokens_are_refused() {
    use AttentionError as E;
    let shape = StreamShape { q_heads: 2, kv_heads: 1, dim: 2, slopes: &[], storage: Storage::F16 };
    let exact = StreamShape { storage: Storage::F32, ..shape };
    let ring = |shape| Stream::new(&shape, &SparsePattern::default(), Weighting::Plain, 5).unwrap();
    let pyramid = |shape| PyramidStream::new(&shape, Pyramid { window: 1, per_level: 1 }).unwrap();
    let (q, k, v) = ([0.5; 4], [1.0, 2.0], [3.0, 4.0]);
    let mut out = [0.0; 4];
    let [mut streams, mut clean] = [(); 2].map(|()| (ring(shape), pyramid(shape)));
    for step in 0..9 {
        let mut refused = |q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]| {
            let error = streams.0.push(q, k, v, out).unwrap_err();
            assert_eq!(streams.1.push(q, k, v, out), Err(error));
            error
        };
        let row = |which, expected, got| E::RowLength { which, expected, got };
        assert_eq!(refused(&q[1..], &k, &v, &mut out), row(Operand::Q, 4, 3));
        assert_eq!(refused(&q, &[], &v, &mut out), row(Operand::K, 2, 0));
        assert_eq!(refused(&q, &k, &q, &mut out), row(Operand::V, 2, 4));
        assert_eq!(refused(&q, &k, &v, &mut [0.0; 5]), row(Operand::Q, 4, 5));
        let bad = |which, head| E::NotFinite { which, token: step, head };
        assert_eq!(refused(&[0.0, 0.0, 0.0, f32::NAN], &k, &v, &mut out), bad(Operand::Q, 1));
        assert_eq!(refused(&q, &[f32::INFINITY, 0.0], &v, &mut out), bad(Operand::K, 0));
        assert_eq!(refused(&q, &k, &[0.0, f32::NEG_INFINITY], &mut out), bad(Operand::V, 0));
        let beyond = |which| E::BeyondF16 { which, token: step, head: 0 };
        assert_eq!(refused(&q, &[0.0, -65520.0], &v, &mut out), beyond(Operand::K));
        assert_eq!(refused(&q, &k, &[1e5, 0.0], &mut out), beyond(Operand::V));

        let k = [step as f32, 1.0];
        let mut expected = [0.0; 4];
        streams.0.push(&q, &k, &v, &mut out).unwrap();
        clean.0.push(&q, &k, &v, &mut expected).unwrap();
        assert_eq!(bits(&out), bits(&expected));
        streams.1.push(&q, &k, &v, &mut out).unwrap();
        clean.1.push(&q, &k, &v, &mut expected).unwrap();
        assert_eq!(bits(&out), bits(&expected));
    }
    assert_eq!(ring(exact).push(&q, &[0.0, 1e6], &v, &mut out), Ok(()), "f32 holds it");
    assert_eq!(pyramid(shape).push(&q, &[65504.0, -65504.0], &v, &mut out), Ok(()));
    let overflow = ring(exact).push(&[3e38; 4], &[3e38, 0.0], &v, &mut out);
    assert_eq!(overflow, Err(E::Overflow { token: 0, head: 0 }));
}
