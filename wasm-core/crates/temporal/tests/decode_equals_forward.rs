//! A decode step is the last row of a forward pass over the tokens so far, to the bit.

mod support;

use csi_temporal::attention::decode::{KvCache, decode_step, decode_step_into};
use csi_temporal::attention::{AttentionError, Operand, SparsePattern, Weighting, sparse};
use csi_temporal::tensor::Tensor3;
use ruvllm_sparse_attention as registry;
use support::random::{Random, cases};
use support::{Inputs, bits, magnitude, max_abs_diff, tolerance};

/// The first `seq` tokens.
fn prefix(tensor: &Tensor3, seq: usize) -> Tensor3 {
    let [_, heads, dim] = tensor.shape();
    Tensor3::from_vec(tensor.data()[..seq * heads * dim].to_vec(), seq, heads, dim).unwrap()
}

fn token(tensor: &Tensor3, token: usize) -> &[f32] {
    let width = tensor.heads() * tensor.dim();
    &tensor.data()[token * width..][..width]
}

#[test]
fn step_equals_forward_at_last_position() {
    for seed in 0..cases() / 2 {
        let mut random = Random::new(seed);
        let mut inputs = random.any_inputs(70);
        let pattern = random.any_pattern();
        let weighting = random.pick(&[Weighting::Plain, Weighting::LnCount]);
        if random.flip() {
            let slopes = random.numbers(inputs.q.heads(), 0.3);
            inputs.slopes = slopes.into_iter().map(f32::abs).collect();
        }
        let [seq, q_heads, dim] = inputs.q.shape();
        let mut cache = KvCache::new(seq, inputs.k.heads(), dim, pattern.block_size).unwrap();
        let mut out = vec![0.0; q_heads * dim];
        for i in 0..seq {
            cache.append(token(&inputs.k, i), token(&inputs.v, i)).unwrap();
            let q = token(&inputs.q, i);
            decode_step_into(q, &mut cache, &pattern, weighting, &inputs.slopes, &mut out).unwrap();
            let so_far = Inputs {
                q: prefix(&inputs.q, i + 1),
                k: prefix(&inputs.k, i + 1),
                v: prefix(&inputs.v, i + 1),
                slopes: inputs.slopes.clone(),
            };
            let whole = sparse::forward(&so_far.view(), &pattern, weighting).unwrap();
            assert_eq!(bits(&out), bits(token(&whole, i)), "seed {seed}, token {i}, {pattern:?}");
        }
    }
}

#[test]
fn step_equals_upstreams_step() {
    let mut worst = 0.0_f32;
    for seed in 0..cases() {
        let mut random = Random::new(1000 + seed);
        let inputs = random.any_inputs(70);
        let pattern = SparsePattern { causal: true, ..random.any_pattern() };
        let [seq, _, dim] = inputs.q.shape();
        let kv_heads = inputs.k.heads();
        let mut ours = KvCache::new(seq, kv_heads, dim, pattern.block_size).unwrap();
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
        for i in 0..seq {
            ours.append(token(&inputs.k, i), token(&inputs.v, i)).unwrap();
            theirs.try_append(&one(&inputs.k, i), &one(&inputs.v, i)).unwrap();
            let q = Tensor3::from_vec(token(&inputs.q, i).to_vec(), 1, inputs.q.heads(), dim);
            let got = decode_step(&q.unwrap(), &mut ours, &pattern).unwrap();
            let expected = kernel.decode_step(&one(&inputs.q, i), &theirs).unwrap();
            let diff = max_abs_diff(got.data(), &expected.data) / magnitude(inputs.v.data());
            assert!(diff <= tolerance::upstream(&inputs), "seed {seed}, token {i}: {diff:e}");
            worst = worst.max(diff);
        }
    }
    println!("largest difference per unit: {worst:e}");
}

#[test]
fn a_reset_cache_starts_over() {
    let inputs = Random::new(5).inputs(20, 2, 1, 4, 1.0);
    let pattern = SparsePattern { window: 3, block_size: 4, ..SparsePattern::default() };
    let mut cache = KvCache::new(20, 1, 4, 4).unwrap();
    let run = |cache: &mut KvCache| {
        let mut out = vec![0.0; 8];
        for i in 0..20 {
            cache.append(token(&inputs.k, i), token(&inputs.v, i)).unwrap();
        }
        let q = token(&inputs.q, 19);
        decode_step_into(q, cache, &pattern, Weighting::Plain, &[], &mut out).unwrap();
        bits(&out)
    };
    let first = run(&mut cache);
    cache.reset();
    assert!(cache.is_empty());
    assert_eq!(run(&mut cache), first);
}

#[test]
fn a_full_cache_says_so_and_keeps_working() {
    let mut cache = KvCache::new(2, 1, 2, 16).unwrap();
    let pattern = SparsePattern::default();
    cache.append(&[1.0, 0.0], &[1.0, 2.0]).unwrap();
    cache.append(&[0.0, 1.0], &[3.0, 4.0]).unwrap();
    let error = cache.append(&[0.0, 0.0], &[0.0, 0.0]).unwrap_err();
    assert_eq!(error, AttentionError::CacheFull { capacity: 2 });
    assert_eq!(error.code(), "attention/cache-full");
    assert_eq!((cache.len(), cache.capacity()), (2, 2));
    let q = Tensor3::from_vec(vec![0.0, 0.0], 1, 1, 2).unwrap();
    assert_eq!(decode_step(&q, &mut cache, &pattern).unwrap().data(), [2.0, 3.0]);
}

#[test]
fn bad_steps_are_refused() {
    let q = Tensor3::zeros(1, 2, 2);
    let pattern = SparsePattern { block_size: 4, ..SparsePattern::default() };
    let cache = |block_size| KvCache::new(3, 1, 2, block_size).unwrap();
    let filled = |block_size| {
        let mut cache = cache(block_size);
        cache.append(&[1.0, 2.0], &[3.0, 4.0]).unwrap();
        cache
    };
    use AttentionError as E;
    let step = |q: &Tensor3, mut cache: KvCache, pattern| {
        decode_step(q, &mut cache, &pattern).map(|_| ()).unwrap_err()
    };
    assert_eq!(step(&q, cache(4), pattern), E::CacheEmpty);
    assert_eq!(step(&q, filled(5), pattern), E::BlockSize { cache: 5, pattern: 4 });
    let no_landmarks = SparsePattern { landmarks: false, ..pattern };
    assert!(decode_step(&q, &mut filled(5), &no_landmarks).is_ok(), "no block, no difference");
    assert!(matches!(step(&Tensor3::zeros(2, 2, 2), filled(4), pattern), E::Shape { .. }));
    assert!(matches!(step(&Tensor3::zeros(1, 2, 3), filled(4), pattern), E::Shape { .. }));
    let nan = Tensor3::from_vec(vec![0.0, 0.0, 0.0, f32::NAN], 1, 2, 2).unwrap();
    let expected = E::NotFinite { which: Operand::Q, token: 0, head: 1 };
    assert_eq!(step(&nan, filled(4), pattern), expected);

    let mut cache = cache(4);
    let error = cache.append(&[1.0], &[1.0, 2.0]).unwrap_err();
    assert_eq!(error, E::RowLength { which: Operand::K, expected: 2, got: 1 });
    let error = cache.append(&[1.0, 2.0], &[1.0, f32::INFINITY]).unwrap_err();
    assert_eq!(error, E::NotFinite { which: Operand::V, token: 0, head: 0 });
    assert!(cache.is_empty(), "a refused token leaves no trace");
    let big = |tokens| KvCache::new(tokens, 4, 32, 16).map(|_| ()).unwrap_err();
    assert_eq!(big(usize::MAX), E::CacheTooLarge);
    assert_eq!(big(usize::MAX / 4096), E::CacheTooLarge);
    assert_eq!(KvCache::new(4, 0, 8, 4).map(|_| ()).unwrap_err(), E::ZeroDim);
    assert_eq!(KvCache::new(4, 1, 8, 0).map(|_| ()).unwrap_err(), E::ZeroBlockSize);
    assert_eq!(
        decode_step_into(&[0.0; 4], &mut filled(4), &pattern, Weighting::Plain, &[], &mut [0.0; 3]),
        Err(E::RowLength { which: Operand::Q, expected: 4, got: 3 })
    );
}
