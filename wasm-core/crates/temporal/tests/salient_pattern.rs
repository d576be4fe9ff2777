//! The salient pattern: what it groups, what it computes, and that it never looks ahead.

mod support;

use csi_temporal::attention::map::Heads;
use csi_temporal::attention::salient::{self, Salient, SalientStream};
use csi_temporal::attention::{
    AttentionError, BackendKind, Operand, SparsePattern, dense, forward,
};
use csi_temporal::tensor::Tensor3;
use support::random::Random;
use support::{Inputs, bits, magnitude, max_abs_error, tolerance};

/// Any shape, of tokens that repeat and tokens that do not, with and without slopes.
fn any_case(seed: u64) -> (Inputs, Salient) {
    let mut random = Random::new(seed);
    let (kv_heads, group) = (random.between(1, 4), random.between(1, 4));
    let (seq, dim) = (random.between(1, 70), random.between(1, 40));
    let scale = random.pick(&[0.1, 1.0, 4.0]);
    let mut inputs = random.inputs(seq, kv_heads * group, kv_heads, dim, scale);
    let width = kv_heads * dim;
    for token in 1..seq {
        if random.between(0, 2) == 0 {
            let from = random.between(0, token - 1) * width;
            let near = random.number(0.1);
            for at in 0..width {
                inputs.k.data_mut()[token * width + at] = inputs.k.data()[from + at] * (1.0 + near);
            }
        }
    }
    if random.flip() {
        let largest = random.pick(&[0.01, 0.3, 3.0]);
        let slopes = random.numbers(inputs.q.heads(), largest);
        inputs.slopes = slopes.into_iter().map(|s| if s < 0.0 { 0.0 } else { s }).collect();
    }
    let window = random.pick(&[0, 1, 2, 5, 16, 500]);
    (inputs, Salient { window, groups: random.pick(&[1, 2, 3, 8, 17, 200]) })
}

/// A head's mass of a token at a row, and means by mass: the definition.
struct Twin<'a> {
    inputs: &'a Inputs,
    head: usize,
}

impl Twin<'_> {
    fn mass(&self, token: usize, row: usize) -> f64 {
        let slope = self.inputs.slopes.get(self.head).map_or(0.0, |slope| f64::from(*slope));
        (-slope * (row - token) as f64).exp()
    }

    fn mean(&self, of: &Tensor3, tokens: &[usize]) -> Vec<f64> {
        let kv_head = self.head * of.heads() / self.inputs.q.heads();
        // Relative to the newest token, so that masses do not all vanish.
        let newest = *tokens.iter().max().unwrap();
        let total: f64 = tokens.iter().map(|token| self.mass(*token, newest)).sum();
        let mut mean = vec![0.0; of.dim()];
        for token in tokens {
            let share = self.mass(*token, newest) / total;
            for (mean, number) in mean.iter_mut().zip(of.row(*token, kv_head)) {
                *mean += share * f64::from(*number);
            }
        }
        mean
    }

    fn log_mass(&self, tokens: &[usize], row: usize) -> f64 {
        let slope = self.inputs.slopes.get(self.head).map_or(0.0, |slope| f64::from(*slope));
        let newest = *tokens.iter().max().unwrap();
        let total: f64 = tokens.iter().map(|token| self.mass(*token, newest)).sum();
        total.ln() - slope * (row - newest) as f64
    }

    /// The output `[dim]` of a row that looks at `edges`, and the largest |score|.
    fn row(&self, edges: &[Vec<usize>], row: usize) -> (Vec<f64>, f64) {
        let Inputs { q, k, v, .. } = self.inputs;
        let scores: Vec<f64> = edges
            .iter()
            .map(|tokens| {
                let key = self.mean(k, tokens);
                let q = q.row(row, self.head);
                let dot: f64 = q.iter().zip(key).map(|(q, key)| f64::from(*q) * key).sum();
                dot / (q.len() as f64).sqrt() + self.log_mass(tokens, row)
            })
            .collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
        let mut out = vec![0.0; v.dim()];
        for (tokens, score) in edges.iter().zip(&scores) {
            for (out, value) in out.iter_mut().zip(self.mean(v, tokens)) {
                *out += (score - max).exp() / sum * value;
            }
        }
        (out, scores.iter().fold(0.0, |largest, score| score.abs().max(largest)))
    }
}

fn push_all(stream: &mut SalientStream, inputs: &Inputs) -> Vec<f32> {
    let [seq, q_heads, dim] = inputs.q.shape();
    let (width, kv_width) = (q_heads * dim, inputs.k.heads() * dim);
    let mut all = vec![0.0; seq * width];
    for (token, out) in all.chunks_exact_mut(width).enumerate() {
        let of = |tensor: &Tensor3, width: usize| tensor.data()[token * width..][..width].to_vec();
        let (q, k, v) = (of(&inputs.q, width), of(&inputs.k, kv_width), of(&inputs.v, kv_width));
        stream.push(&q, &k, &v, out).unwrap();
    }
    all
}

#[test]
fn every_past_token_is_counted_once_within_the_edges_promised() {
    for seed in 0..60 {
        let (inputs, pattern) = any_case(seed);
        let seq = inputs.q.seq();
        let mut count = 0;
        for row in 0..seq {
            let edges = pattern.row_edges(&inputs.view(), row).unwrap();
            count += edges.len();
            assert!(
                edges.len() <= pattern.window.saturating_add(1 + pattern.groups),
                "seed {seed}"
            );
            let firsts: Vec<usize> = edges.iter().map(|tokens| tokens[0]).collect();
            assert!(firsts.is_sorted(), "seed {seed}: oldest first");
            let near = edges.len() - (pattern.window + 1).min(row + 1);
            let window: Vec<_> =
                (row.saturating_sub(pattern.window)..=row).map(|t| vec![t]).collect();
            assert_eq!(edges[near..], window, "seed {seed}: the window is exact");
            let mut tokens = edges.concat();
            tokens.sort_unstable();
            assert_eq!(tokens, (0..=row).collect::<Vec<_>>(), "seed {seed}, row {row}");
        }
        assert_eq!(count, pattern.edge_count(seq), "seed {seed}");
    }
}

#[test]
fn outputs_equal_the_twin_over_the_same_groups() {
    let mut worst = 0.0_f64;
    for seed in 0..60 {
        let (inputs, pattern) = any_case(seed);
        let [seq, q_heads, dim] = inputs.q.shape();
        let out = salient::forward(&inputs.view(), &pattern).unwrap();
        for row in 0..seq {
            let edges = pattern.row_edges(&inputs.view(), row).unwrap();
            for head in 0..q_heads {
                let (exact, largest) = Twin { inputs: &inputs, head }.row(&edges, row);
                let error =
                    max_abs_error(&out.data()[(row * q_heads + head) * dim..][..dim], &exact);
                let bound =
                    tolerance::TWIN * f64::from(magnitude(inputs.v.data())) * (1.0 + largest);
                assert!(error <= bound, "seed {seed}, {row}, {head}: {error:e} > {bound:e}");
                worst = worst.max(error / bound);
            }
        }
    }
    println!("largest share of the tolerance: {worst:.2}");
}

/// The costs that are carried on from row to row stay those of the definition.
#[test]
fn the_cheapest_pair_by_the_definition_is_joined() {
    let mut joins = 0;
    for seed in 0..30 {
        let (inputs, pattern) = any_case(seed);
        let [seq, q_heads, _] = inputs.q.shape();
        let mut before = Vec::new();
        for row in 0..seq {
            let after = pattern.row_edges(&inputs.view(), row).unwrap();
            let window = pattern.window.min(row) + 1;
            let groups = &after[..after.len() - window];
            if let Some(oldest) = row.checked_sub(pattern.window + 1) {
                before.push(vec![oldest]);
            }
            if groups.len() < before.len() {
                joins += 1;
                let cost = |a: &[usize], b: &[usize]| -> f64 {
                    let of_head = |head| {
                        let twin = Twin { inputs: &inputs, head };
                        let [a_mass, b_mass] =
                            [a, b].map(|tokens| twin.log_mass(tokens, row).exp().max(1e-30));
                        let (a, b) = (twin.mean(&inputs.k, a), twin.mean(&inputs.k, b));
                        let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                        a_mass * b_mass / (a_mass + b_mass) * squares
                    };
                    (0..q_heads).map(of_head).sum()
                };
                let mut least = f64::INFINITY;
                for (at, a) in before.iter().enumerate() {
                    for b in &before[at + 1..] {
                        least = least.min(cost(a, b));
                    }
                }
                let gone: Vec<_> = before.iter().filter(|g| !groups.contains(g)).cloned().collect();
                assert_eq!(gone.len(), 2, "seed {seed}, row {row}: two become one");
                let chosen = cost(&gone[0], &gone[1]);
                assert!(chosen <= least * 1.001 + 1e-5, "seed {seed}, {row}: {chosen} {least}");
            }
            before = groups.to_vec();
        }
    }
    assert!(joins > 300, "{joins} joins were looked at");
}

#[test]
fn a_stream_gives_the_bits_of_the_window() {
    for seed in 0..60 {
        let (inputs, pattern) = any_case(seed);
        let [_, q_heads, dim] = inputs.q.shape();
        let window = salient::forward(&inputs.view(), &pattern).unwrap();
        let (kv_heads, slopes) = (inputs.k.heads(), &inputs.slopes);
        let mut stream = SalientStream::new(&pattern, q_heads, kv_heads, dim, slopes).unwrap();
        for _ in 0..2 {
            assert_eq!(bits(&push_all(&mut stream, &inputs)), bits(window.data()), "seed {seed}");
            stream.reset();
        }
        let backend = BackendKind::Salient { groups: pattern.groups };
        let sparse = SparsePattern { window: pattern.window, ..SparsePattern::default() };
        let selected = forward(backend, &inputs.view(), &sparse).unwrap();
        assert_eq!(bits(selected.data()), bits(window.data()), "seed {seed}: by its name");
    }
}

#[test]
fn a_stream_keeps_the_memory_that_it_was_made_with() {
    let pattern = Salient { window: 8, groups: 18 };
    let mut stream = SalientStream::new(&pattern, 4, 4, 32, &[0.1; 4]).unwrap();
    let made = stream.memory_bytes();
    // Keys and values of the window with its row, of the groups, and of the newcomer among them.
    assert!(made >= (9 + 18 + 1) * 4 * 32 * 2 * 4, "{made} bytes");
    assert!(made <= 200_000, "{made} bytes");
    let mut out = [0.0; 128];
    for token in 0..2000_u16 {
        let row: Vec<f32> = (0..128).map(|d| f32::from(token * 7 % 31 + d) / 64.0).collect();
        stream.push(&row, &row, &row, &mut out).unwrap();
    }
    assert_eq!(stream.memory_bytes(), made);
}

/// With a group for every token nothing is joined.
#[test]
fn enough_groups_make_it_dense() {
    for seed in 0..20 {
        let (inputs, pattern) = any_case(seed);
        let pattern = Salient { groups: 70, ..pattern };
        let out = salient::forward(&inputs.view(), &pattern).unwrap();
        let dense = dense::forward(&inputs.view(), true).unwrap();
        let exact: Vec<f64> = dense.data().iter().map(|number| f64::from(*number)).collect();
        let error = max_abs_error(out.data(), &exact);
        assert!(error <= 1e-5 * f64::from(magnitude(inputs.v.data())), "seed {seed}: {error:e}");
    }
}

/// Tokens of three kinds, and one that is like no other: three groups and the one, exactly.
#[test]
fn a_token_unlike_all_others_stays_exact() {
    let mut random = Random::new(5);
    let mut inputs = random.inputs(200, 1, 1, 8, 0.01);
    for token in 0..200 {
        let kind = if token == 60 { 7 } else { token % 3 };
        inputs.k.data_mut()[token * 8 + kind] += 3.0;
    }
    let pattern = Salient { window: 4, groups: 4 };
    let edges = pattern.row_edges(&inputs.view(), 199).unwrap();
    assert!(edges.contains(&vec![60]), "{edges:?}");
    for (kind, group) in edges[..3].iter().enumerate() {
        assert!(group.iter().all(|token| token % 3 == kind && *token != 60), "{group:?}");
    }
}

#[test]
fn maps_show_the_weights_of_the_output() {
    for seed in 0..20 {
        let (inputs, pattern) = any_case(seed);
        let [seq, q_heads, dim] = inputs.q.shape();
        let out = salient::forward(&inputs.view(), &pattern).unwrap();
        let head = seed as usize % q_heads;
        let kv_head = head * inputs.k.heads() / q_heads;
        let map = salient::map(&inputs.view(), &pattern, Heads::One(head)).unwrap();
        for (row, weights) in map.chunks_exact(seq).enumerate() {
            let alone = salient::map_row(&inputs.view(), &pattern, row, Heads::One(head)).unwrap();
            assert_eq!(bits(&alone), bits(weights), "seed {seed}, row {row}");
            let sum: f32 = weights.iter().sum();
            assert!((sum - 1.0).abs() <= tolerance::ROW_SUM, "seed {seed}, row {row}: {sum}");
            for d in 0..dim {
                let blend: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(token, w)| f64::from(*w) * f64::from(inputs.v.row(token, kv_head)[d]))
                    .sum();
                let got = f64::from(out.row(row, head)[d]);
                let bound = 2e-5 * f64::from(magnitude(inputs.v.data()));
                assert!((got - blend).abs() <= bound, "seed {seed}, {row}, {d}: {got} {blend}");
            }
        }
    }
}

/// Upstream's gate scores all tokens of the window before it lets the highest through, so a token
/// that is still to come decides what a past row sees. Nothing of ours does.
#[test]
fn a_future_token_changes_past_rows_of_upstreams_gate_and_none_of_ours() {
    let pattern = SparsePattern { window: 4, block_size: 16, ..SparsePattern::default() };
    let backends = [
        BackendKind::Salient { groups: 6 },
        BackendKind::Sparse,
        BackendKind::SparseLnCount,
        BackendKind::Dense,
        BackendKind::Upstream,
    ];
    let gated = BackendKind::UpstreamGated { top_k: 8 };
    let mut gate_looked_ahead = 0;
    for seed in 0..20 {
        let mut inputs = Random::new(seed).inputs(96, 2, 2, 8, 1.0);
        let past = |inputs: &Inputs, backend| {
            let out = forward(backend, &inputs.view(), &pattern).unwrap();
            bits(&out.data()[..80 * 16])
        };
        let before: Vec<_> = backends.iter().map(|b| past(&inputs, *b)).collect();
        let gated_before = past(&inputs, gated);
        inputs.k.data_mut()[80 * 16..].iter_mut().for_each(|number| *number *= 5.0);
        for (backend, before) in backends.iter().zip(before) {
            assert_eq!(past(&inputs, *backend), before, "{backend:?} looked ahead");
        }
        gate_looked_ahead += usize::from(past(&inputs, gated) != gated_before);
    }
    assert!(gate_looked_ahead > 10, "the gate looked ahead in {gate_looked_ahead} of 20");
}

#[test]
fn refusals_name_what_is_wrong() {
    let pattern = Salient { window: 2, groups: 3 };
    let none = Salient { groups: 0, ..pattern };
    assert_eq!(SalientStream::new(&none, 1, 1, 2, &[]).err(), Some(AttentionError::ZeroGroups));
    let new = |q_heads, kv_heads, dim, slopes: &[f32]| {
        SalientStream::new(&pattern, q_heads, kv_heads, dim, slopes).err()
    };
    assert_eq!(new(1, 1, 0, &[]), Some(AttentionError::ZeroDim));
    assert_eq!(new(3, 2, 1, &[]), Some(AttentionError::HeadRatio { q_heads: 3, kv_heads: 2 }));
    assert_eq!(new(2, 1, 1, &[0.0]), Some(AttentionError::SlopeCount { expected: 2, got: 1 }));
    assert_eq!(new(2, 1, 1, &[0.0, -1.0]), Some(AttentionError::BadSlope { head: 1 }));
    for (window, groups) in [(usize::MAX, 3), (2, usize::MAX), (1 << 60, 1), (1, 1 << 40)] {
        let huge = SalientStream::new(&Salient { window, groups }, 4, 4, 8, &[]);
        assert_eq!(huge.err(), Some(AttentionError::CacheTooLarge), "{window} {groups}");
    }

    let mut stream = SalientStream::new(&pattern, 2, 1, 2, &[]).unwrap();
    let (row, kv, mut out) = ([0.5; 4], [0.5; 2], [0.0; 4]);
    let (which, expected) = (Operand::V, 2);
    let short = stream.push(&row, &kv, &kv[..1], &mut out);
    assert_eq!(short, Err(AttentionError::RowLength { which, expected, got: 1 }));
    let infinite = stream.push(&row, &[0.5, f32::INFINITY], &kv, &mut out);
    let (which, token) = (Operand::K, 0);
    assert_eq!(infinite, Err(AttentionError::NotFinite { which, token, head: 0 }));
    assert_eq!(stream.len(), 0, "a refused token is not taken");
    stream.push(&row, &kv, &kv, &mut out).unwrap();
    assert_eq!((stream.len(), out), (1, [0.5; 4]));

    let inputs = Random::new(1).inputs(5, 1, 1, 2, 1.0);
    let row = salient::map_row(&inputs.view(), &pattern, 5, Heads::Mean);
    assert_eq!(row.err(), Some(AttentionError::RowOutOfRange { row: 5, seq: 5 }));
    let map = salient::map(&inputs.view(), &pattern, Heads::One(1));
    assert_eq!(map.err(), Some(AttentionError::HeadOutOfRange { head: 1, heads: 1 }));
}

/// Whatever finite numbers come: an answer or an error, and no panic.
#[test]
fn extreme_numbers_never_panic() {
    for seed in 0..40 {
        let (mut inputs, pattern) = any_case(seed);
        let mut random = Random::new(seed + 1000);
        for tensor in [&mut inputs.q, &mut inputs.k, &mut inputs.v] {
            for number in tensor.data_mut() {
                *number = random.pick(&[0.0, -0.0, 1e-38, 1e-20, 1.0, -1.0, 1e18, -3e38, 3e38]);
            }
        }
        if random.flip() {
            inputs.slopes = vec![random.pick(&[0.0, 1e-30, 50.0, 3e38]); inputs.q.heads()];
        }
        match salient::forward(&inputs.view(), &pattern) {
            Ok(out) => assert!(out.data().iter().all(|number| number.is_finite()), "seed {seed}"),
            Err(error) => assert!(matches!(error, AttentionError::Overflow { .. }), "{error:?}"),
        }
    }
}
