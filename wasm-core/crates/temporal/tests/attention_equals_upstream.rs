//! The upstream crate is the oracle: 200 random cases a run for every way to compute.

mod support;

use csi_temporal::attention::{
    AttentionError, BackendKind, SparsePattern, Weighting, dense, forward, sparse, upstream,
};
use csi_temporal::tensor::Tensor3;
use ruvllm_sparse_attention as registry;
use support::random::{Random, cases};
use support::{Inputs, bits, magnitude, max_abs_diff, tolerance};

#[test]
fn sparse_equals_upstream_for_random_shapes() {
    let mut worst = 0.0_f32;
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let inputs = random.any_inputs(90);
        let pattern = random.any_pattern();
        let ours = sparse::forward(&inputs.view(), &pattern, Weighting::Plain).unwrap();
        let theirs = upstream::forward(&inputs.view(), &pattern).unwrap();
        let scale = magnitude(inputs.v.data());
        let diff = max_abs_diff(ours.data(), theirs.data()) / scale;
        assert!(diff <= tolerance::upstream(&inputs), "seed {seed}, {pattern:?}: {diff:e}");
        worst = worst.max(diff);
    }
    println!("largest difference per unit: {worst:e}");
}

#[test]
fn dense_equals_upstream_for_random_shapes() {
    let mut worst = 0.0_f32;
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let (inputs, causal) = (random.any_inputs(60), random.flip());
        let ours = dense::forward(&inputs.view(), causal).unwrap();
        let theirs = upstream::dense(&inputs.view(), causal).unwrap();
        let diff = max_abs_diff(ours.data(), theirs.data()) / magnitude(inputs.v.data());
        assert!(diff <= tolerance::upstream(&inputs), "seed {seed}: {diff:e}");
        worst = worst.max(diff);
    }
    println!("largest difference per unit: {worst:e}");
}

/// Where every score is 0, `exp` is 1 whoever computes it; what is left is the order of sums.
#[test]
fn dense_sums_in_upstreams_order() {
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let (mut inputs, causal) = (random.any_inputs(60), random.flip());
        inputs.q.data_mut().fill(0.0);
        let ours = dense::forward(&inputs.view(), causal).unwrap();
        let theirs = upstream::dense(&inputs.view(), causal).unwrap();
        assert_eq!(bits(ours.data()), bits(theirs.data()), "seed {seed}");
    }
}

/// The backend against the crate called by hand: nothing is lost on the way in or out.
#[test]
fn the_upstream_backend_is_the_crate() {
    let inputs = Random::new(7).inputs(50, 4, 2, 8, 1.0);
    let pattern = SparsePattern { window: 5, block_size: 4, ..SparsePattern::default() };
    let convert = |tensor: &Tensor3| {
        let [seq, heads, dim] = tensor.shape();
        registry::Tensor3::from_vec(tensor.data().to_vec(), seq, heads, dim).unwrap()
    };
    let kernel = registry::SubquadraticSparseAttention::new(registry::SparseAttentionConfig {
        window: 5,
        block_size: 4,
        ..registry::SparseAttentionConfig::default()
    })
    .unwrap();
    let expected =
        kernel.forward_gqa(&convert(&inputs.q), &convert(&inputs.k), &convert(&inputs.v)).unwrap();
    let got = forward(BackendKind::Upstream, &inputs.view(), &pattern).unwrap();
    assert_eq!(bits(got.data()), bits(&expected.data));
}

/// A gate that lets every token pass changes nothing; one that lets none pass does.
#[test]
fn the_gate_only_removes_log_stride_tokens() {
    let inputs = Random::new(8).inputs(64, 4, 4, 8, 1.0);
    let pattern = SparsePattern { window: 4, block_size: 8, ..SparsePattern::default() };
    let gated = |pattern: &SparsePattern, top_k| {
        let gate = upstream::Gate { top_k };
        upstream::forward_gated(&inputs.view(), pattern, &gate).unwrap()
    };
    let plain = upstream::forward(&inputs.view(), &pattern).unwrap();
    assert_eq!(bits(gated(&pattern, 64).data()), bits(plain.data()));
    assert_ne!(bits(gated(&pattern, 0).data()), bits(plain.data()));
    let without = SparsePattern { log_stride: false, landmarks: false, ..pattern };
    let expected = upstream::forward(&inputs.view(), &without).unwrap();
    let tokens_only = SparsePattern { landmarks: false, ..pattern };
    assert_eq!(bits(gated(&tokens_only, 0).data()), bits(expected.data()));
}

/// Which past tokens pass the gate depends on how salient the later ones are.
#[test]
fn gate_depends_on_the_future() {
    let inputs = Random::new(9).inputs(64, 2, 1, 8, 1.0);
    let mut changed = inputs.clone();
    for token in 48..64 {
        for number in changed.k.row_mut(token, 0) {
            *number *= 50.0;
        }
    }
    let pattern = SparsePattern { window: 2, landmarks: false, ..SparsePattern::default() };
    let past = |inputs: &Inputs, backend| {
        let out = forward(backend, &inputs.view(), &pattern).unwrap();
        bits(&out.data()[..48 * 2 * 8])
    };
    let gated = BackendKind::UpstreamGated { top_k: 12 };
    assert_ne!(past(&inputs, gated), past(&changed, gated));
    assert_eq!(past(&inputs, BackendKind::Upstream), past(&changed, BackendKind::Upstream));
}

#[test]
fn upstream_refuses_slopes() {
    let mut inputs = Random::new(10).inputs(6, 2, 1, 4, 1.0);
    inputs.slopes = vec![0.5, 0.25];
    let pattern = SparsePattern::default();
    for backend in
        [BackendKind::Upstream, BackendKind::UpstreamDense, BackendKind::UpstreamGated { top_k: 3 }]
    {
        let error = forward(backend, &inputs.view(), &pattern).unwrap_err();
        assert_eq!(error, AttentionError::UpstreamSlopes, "{backend:?}");
    }
}
