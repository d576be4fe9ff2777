//! Divergence, score spread and sweep against their definitions, in `f64`.

use core::cell::Cell;

use csi_lab::divergence::{
    SPREAD_ROWS, SWEEP_BLOCKS, SWEEP_PER_LEVEL, SWEEP_WINDOWS, Sweep, SweepPoint, compare,
    saturated, score_spread,
};
use csi_lab::pattern::Pattern;
use csi_temporal::attention::map::Heads;
use csi_temporal::attention::{Pyramid, Qkv, SparsePattern, Weighting, dense, sparse};
use csi_temporal::tensor::Tensor3;

/// A small generator of numbers in `[-scale, scale]`.
struct Numbers(u64);

impl Numbers {
    fn tensor(&mut self, seq: usize, heads: usize, dim: usize, scale: f32) -> Tensor3 {
        let next = |state: &mut u64| {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
        };
        let data = (0..seq * heads * dim).map(|_| next(&mut self.0)).collect();
        Tensor3::from_vec(data, seq, heads, dim).expect("a shape")
    }
}

/// q, k, v for 4 query heads on 2 key heads.
fn inputs(seed: u64, seq: usize, scale: f32) -> (Tensor3, Tensor3, Tensor3) {
    let mut numbers = Numbers(seed);
    (
        numbers.tensor(seq, 4, 8, scale),
        numbers.tensor(seq, 2, 8, scale),
        numbers.tensor(seq, 2, 8, scale),
    )
}

#[test]
fn differences_are_those_of_the_definition() {
    let mut numbers = Numbers(1);
    let (a, b) = (numbers.tensor(9, 4, 8, 2.0), numbers.tensor(9, 4, 8, 2.0));
    let difference = compare(&a, &b);
    let (mut most, mut total, mut squares) = (0.0f64, 0.0, 0.0);
    for row in 0..9 {
        let mut row_most = 0.0f64;
        let mut row_total = 0.0;
        for head in 0..4 {
            for (a, b) in a.row(row, head).iter().zip(b.row(row, head)) {
                let difference = (f64::from(*a) - f64::from(*b)).abs();
                row_most = row_most.max(difference);
                row_total += difference;
                squares += f64::from(*b).powi(2);
            }
        }
        assert!((f64::from(difference.per_frame_max[row]) - row_most).abs() < 1e-6);
        assert!((f64::from(difference.per_frame_mean[row]) - row_total / 32.0).abs() < 1e-6);
        most = most.max(row_most);
        total += row_total;
    }
    assert!((f64::from(difference.max_abs) - most).abs() < 1e-6);
    assert!((f64::from(difference.mean_abs) - total / 288.0).abs() < 1e-6);
    assert!((f64::from(difference.dense_rms) - (squares / 288.0).sqrt()).abs() < 1e-6);
}

#[test]
fn the_spread_is_the_standard_deviation_of_a_rows_scores() {
    let (q, k, v) = inputs(2, 12, 1.5);
    let input = Qkv { q: &q, k: &k, v: &v, slopes: &[] };
    for heads in [Heads::One(3), Heads::Mean] {
        let range = match heads {
            Heads::One(head) => head..head + 1,
            Heads::Mean => 0..4,
        };
        let (mut total, mut rows) = (0.0f64, 0.0);
        for head in range {
            for row in 1..12 {
                let scores: Vec<f64> = (0..=row)
                    .map(|token| {
                        let products = q.row(row, head).iter().zip(k.row(token, head / 2));
                        products.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>()
                            / 8f64.sqrt()
                    })
                    .collect();
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>()
                    / scores.len() as f64;
                total += variance.sqrt();
                rows += 1.0;
            }
        }
        let spread = f64::from(score_spread(&input, heads));
        assert!((spread - total / rows).abs() < 1e-5, "{heads:?}: {spread} {}", total / rows);
    }
    let zeros = Tensor3::zeros(12, 4, 8);
    assert_eq!(score_spread(&Qkv { q: &zeros, k: &k, v: &v, slopes: &[] }, Heads::Mean), 0.0);
}

/// Of a long window, rows are looked at that lie evenly between the first and the last.
#[test]
fn the_spread_of_a_long_window_is_that_of_some_rows() {
    let seq = 3 * SPREAD_ROWS + 1;
    let (q, k, v) = inputs(5, seq, 1.5);
    let input = Qkv { q: &q, k: &k, v: &v, slopes: &[] };
    let mut total = 0.0f64;
    for row in (3..seq).step_by(3) {
        let scores: Vec<f64> = (0..=row)
            .map(|token| {
                let products = q.row(row, 2).iter().zip(k.row(token, 1));
                products.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>() / 8f64.sqrt()
            })
            .collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let squares = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
        total += (squares / scores.len() as f64).sqrt();
    }
    let spread = f64::from(score_spread(&input, Heads::One(2)));
    assert!((spread - total / SPREAD_ROWS as f64).abs() < 1e-5, "{spread}");
}

/// A pattern as wide as the window equals dense attention in every row but the last, which counts
/// the block twice. At small activations the check passes and hides that; at 1 it does not.
#[test]
fn a_saturated_pattern_differs_in_its_last_row_alone() {
    for (scale, passes) in [(0.1, true), (1.0, false)] {
        let (q, k, v) = inputs(3, 16, scale);
        let input = Qkv { q: &q, k: &k, v: &v, slopes: &[] };
        let pattern = SparsePattern { window: 16, block_size: 16, ..SparsePattern::default() };
        let out = sparse::forward(&input, &pattern, Weighting::Plain).expect("sparse");
        let difference = compare(&out, &dense::forward(&input, true).expect("dense"));
        let check = saturated(&input, &Pattern::Upstream(pattern), &difference)
            .expect("a saturated pattern");
        assert!(check.max_abs_but_last < 1e-5, "{check:?}");
        assert!(check.max_abs_last > 10.0 * check.max_abs_but_last, "{check:?}");
        assert_eq!(check.passes, passes, "{check:?}");
        assert!(check.magnitude <= scale && check.magnitude > 0.9 * scale);
        let narrower = SparsePattern { window: 15, ..pattern };
        assert_eq!(saturated(&input, &Pattern::Upstream(narrower), &difference), None);
    }
}

#[test]
fn a_sweep_has_every_point_once_whatever_the_budget() {
    let (q, k, v) = inputs(4, 40, 1.0);
    let input = Qkv { q: &q, k: &k, v: &v, slopes: &[] };
    let reference = dense::forward(&input, true).expect("dense");
    let switches = SparsePattern { log_stride: false, ..SparsePattern::default() };
    let mut sweeps = Vec::new();
    for budget in [0.0, 7.0, f64::INFINITY] {
        let mut sweep = Sweep::new(&input, reference.clone(), Pattern::Upstream(switches));
        let clock = Cell::new(0.0);
        let now = || {
            clock.set(clock.get() + 1.0);
            clock.get()
        };
        let (mut points, mut calls) = (Vec::new(), 0);
        loop {
            let next = sweep.step(budget, &now).expect("a step");
            if next.is_empty() {
                break;
            }
            calls += 1;
            points.extend(next);
        }
        assert_eq!(sweep.remaining(), 0);
        assert_eq!(calls == 24, budget == 0.0, "budget {budget}: {calls} calls");
        assert_eq!(calls == 1, budget.is_infinite());
        sweeps.push(
            points
                .into_iter()
                .map(|p| (p.pattern, p.edges, p.max_abs, p.mean_abs))
                .collect::<Vec<_>>(),
        );
    }
    assert!(sweeps[0] == sweeps[1] && sweeps[1] == sweeps[2]);
    let settings: Vec<Pattern> = sweeps[0].iter().map(|point| point.0).collect();
    let grid = SWEEP_WINDOWS.iter().flat_map(|w| SWEEP_BLOCKS.map(|b| (*w, b)));
    let grid = grid.map(|(window, block_size)| SparsePattern { window, block_size, ..switches });
    assert_eq!(settings, grid.map(Pattern::Upstream).collect::<Vec<_>>());
    for (pattern, edges, max_abs, mean_abs) in &sweeps[0] {
        let Pattern::Upstream(pattern) = pattern else { panic!("{pattern}") };
        let out = sparse::forward(&input, pattern, Weighting::Plain).expect("sparse");
        let difference = compare(&out, &reference);
        assert_eq!((difference.max_abs, difference.mean_abs), (*max_abs, *mean_abs));
        assert_eq!(pattern.edge_count(40), *edges);
    }
    let pyramid = Pattern::Pyramid(Pyramid { window: 1, per_level: 1 });
    let mut sweep = Sweep::new(&input, reference.clone(), pyramid);
    let points = sweep.step(f64::INFINITY, &|| 0.0).expect("points");
    assert_eq!(points.len(), SWEEP_WINDOWS.len() * SWEEP_PER_LEVEL.len());
    for SweepPoint { pattern, edges, mean_abs, .. } in points {
        let Pattern::Pyramid(pyramid) = pattern else { panic!("{pattern}") };
        let out = csi_temporal::attention::pyramid::forward(&input, &pyramid).expect("pyramid");
        assert_eq!(compare(&out, &reference).mean_abs, mean_abs);
        assert_eq!(pyramid.edge_count(40), edges);
    }
}

/// Numbers spread evenly over -m..m have a root mean square of m / sqrt(3).
#[test]
fn magnitude_sets_the_root_mean_square_and_keeps_ratios() {
    let (before, _, _) = inputs(9, 32, 0.03);
    let mut after = before.clone();
    csi_lab::divergence::bring_to_magnitude(&mut after, 2.0);
    let squares: f64 = after.data().iter().map(|x| f64::from(*x).powi(2)).sum();
    let rms = (squares / after.data().len() as f64).sqrt();
    assert!((rms - 2.0 / 3.0_f64.sqrt()).abs() < 1e-6, "{rms}");
    let factor = f64::from(after.data()[5]) / f64::from(before.data()[5]);
    for (a, b) in after.data().iter().zip(before.data()) {
        assert!((f64::from(*a) - factor * f64::from(*b)).abs() < 1e-5);
    }
    let mut zeros = Tensor3::zeros(2, 1, 3);
    csi_lab::divergence::bring_to_magnitude(&mut zeros, 2.0);
    assert!(zeros.data().iter().all(|x| *x == 0.0));
}
