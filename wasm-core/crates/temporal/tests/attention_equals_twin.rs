//! Our kernels against the definition in f64, for random shapes, patterns and slopes.

mod support;

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::{SparsePattern, Weighting, Workspace, dense, sparse};
use support::naive::{self, Over};
use support::random::Random;
use support::{Inputs, magnitude, max_abs_error, tolerance};

const CASES: u64 = 120;

fn any_case(seed: u64) -> (Inputs, SparsePattern, Weighting) {
    let mut random = Random::new(seed);
    let mut inputs = random.any_inputs(50);
    if random.flip() {
        let slopes = random.numbers(inputs.q.heads(), 0.3);
        inputs.slopes = slopes.into_iter().map(f32::abs).collect();
    }
    let weighting = random.pick(&[Weighting::Plain, Weighting::LnCount]);
    (inputs, random.any_pattern(), weighting)
}

fn bound(inputs: &Inputs, largest_score: f64) -> f64 {
    tolerance::TWIN * f64::from(magnitude(inputs.v.data())) * (1.0 + largest_score)
}

#[test]
fn outputs_equal_the_twin() {
    let mut worst = 0.0_f64;
    for seed in 0..CASES {
        let (inputs, pattern, weighting) = any_case(seed);
        for (name, got, over) in [
            (
                "dense",
                dense::forward(&inputs.view(), pattern.causal),
                Over::Dense { causal: pattern.causal },
            ),
            (
                "sparse",
                sparse::forward(&inputs.view(), &pattern, weighting),
                Over::Sparse(&pattern, weighting),
            ),
        ] {
            let (exact, largest_score) = naive::attention(&inputs, over);
            let error = max_abs_error(got.unwrap().data(), &exact);
            let bound = bound(&inputs, largest_score);
            assert!(error <= bound, "seed {seed}, {name}, {pattern:?}: {error:e} > {bound:e}");
            worst = worst.max(error / bound);
        }
    }
    println!("largest share of the tolerance: {worst:.2}");
}

#[test]
fn maps_equal_the_twin_and_rows_sum_to_one() {
    for seed in 0..40 {
        let (inputs, pattern, weighting) = any_case(seed);
        let [seq, q_heads, _] = inputs.q.shape();
        let head = seed as usize % q_heads;
        let sparse_map = |heads| map::sparse_map(&inputs.view(), &pattern, weighting, heads);
        let dense_map = |heads| map::dense_map(&inputs.view(), pattern.causal, heads);
        for (over, of_head, mean) in [
            (
                Over::Sparse(&pattern, weighting),
                sparse_map(Heads::One(head)),
                sparse_map(Heads::Mean),
            ),
            (
                Over::Dense { causal: pattern.causal },
                dense_map(Heads::One(head)),
                dense_map(Heads::Mean),
            ),
        ] {
            let (of_head, mean) = (of_head.unwrap(), mean.unwrap());
            for row in 0..seq {
                let twins: Vec<_> =
                    (0..q_heads).map(|h| naive::weights(&inputs, over, row, h)).collect();
                let average: Vec<f64> = (0..seq)
                    .map(|j| twins.iter().map(|(w, _)| w[j]).sum::<f64>() / q_heads as f64)
                    .collect();
                let largest = twins.iter().fold(0.0, |max: f64, (_, score)| max.max(*score));
                let bound = tolerance::TWIN * (1.0 + largest);
                for (got, exact) in [(&of_head, &twins[head].0), (&mean, &average)] {
                    let got = &got[row * seq..][..seq];
                    assert!(max_abs_error(got, exact) <= bound, "seed {seed}, row {row}");
                    let sum: f32 = got.iter().sum();
                    assert!(
                        (sum - 1.0).abs() <= tolerance::ROW_SUM,
                        "seed {seed}, row {row}: {sum}"
                    );
                }
            }
        }
    }
}

/// The room hovers single rows: they are the map's.
#[test]
fn a_row_is_a_row_of_the_map() {
    let (inputs, pattern, weighting) = any_case(3);
    let seq = inputs.q.seq();
    let sparse = map::sparse_map(&inputs.view(), &pattern, weighting, Heads::Mean).unwrap();
    let dense = map::dense_map(&inputs.view(), true, Heads::One(0)).unwrap();
    for row in 0..seq {
        let got = map::sparse_row(&inputs.view(), &pattern, weighting, row, Heads::Mean).unwrap();
        assert_eq!(got, sparse[row * seq..][..seq]);
        let got = map::dense_row(&inputs.view(), true, row, Heads::One(0)).unwrap();
        assert_eq!(got, dense[row * seq..][..seq]);
    }
}

/// Rows are handed out with their numbers, in the order asked for.
#[test]
fn some_rows_are_rows_of_the_map() {
    let (inputs, pattern, weighting) = any_case(3);
    let (input, seq) = (inputs.view(), inputs.q.seq());
    let whole = map::sparse_map(&input, &pattern, weighting, Heads::Mean).unwrap();
    let mut taken = Vec::new();
    let rows = || (0..seq).rev().step_by(3);
    map::sparse_rows(&input, &pattern, weighting, Heads::Mean, rows(), |row, weights| {
        assert_eq!(weights, &whole[row * seq..][..seq]);
        taken.push(row);
    })
    .unwrap();
    assert_eq!(taken, rows().collect::<Vec<_>>());
    let error = map::dense_rows(&input, true, Heads::Mean, [0, seq], |_, _| {}).unwrap_err();
    assert_eq!(error.code(), "attention/row-out-of-range");
}

#[test]
fn a_dense_pass_in_pieces_has_the_bits_of_the_whole() {
    let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for seed in 0..30 {
        let (inputs, ..) = any_case(seed);
        let (input, mut workspace) = (inputs.view(), Workspace::new());
        let [seq, q_heads, dim] = inputs.q.shape();
        let whole = dense::forward(&input, true).unwrap();
        let mut pieces = vec![0.0; whole.data().len()];
        let step = 1 + seed as usize % 7;
        for first in (0..seq).step_by(step) {
            let rows = first..seq.min(first + step);
            let out = &mut pieces[first * q_heads * dim..rows.end * q_heads * dim];
            dense::rows_into(&input, true, rows, &mut workspace, out).unwrap();
        }
        assert_eq!(bits(&pieces), bits(whole.data()), "seed {seed}");
        for rows in [seq..seq + 1, seq + 5..seq + 5] {
            let error = dense::rows_into(&input, true, rows, &mut workspace, &mut []).unwrap_err();
            assert_eq!(error.code(), "attention/row-out-of-range");
        }
    }
}

/// The map shows the weights that the output was made with.
#[test]
fn map_times_values_is_the_output() {
    for seed in 100..120 {
        let (inputs, pattern, weighting) = any_case(seed);
        let [seq, q_heads, dim] = inputs.q.shape();
        let out = sparse::forward(&inputs.view(), &pattern, weighting).unwrap();
        for head in 0..q_heads {
            let kv_head = head * inputs.k.heads() / q_heads;
            let map =
                map::sparse_map(&inputs.view(), &pattern, weighting, Heads::One(head)).unwrap();
            for row in 0..seq {
                for d in 0..dim {
                    let product: f64 = (0..seq)
                        .map(|j| {
                            f64::from(map[row * seq + j]) * f64::from(inputs.v.row(j, kv_head)[d])
                        })
                        .sum();
                    let diff = (product - f64::from(out.row(row, head)[d])).abs();
                    assert!(diff <= 1e-6 * f64::from(magnitude(inputs.v.data())), "seed {seed}");
                }
            }
        }
    }
}
