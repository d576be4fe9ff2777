//! Gradients of every number against finite differences, for every pattern and shape.
//!
//! The differences are central ones of the model's own f32 forward pass over eight windows. A long
//! step may cross a kink of a rectifier, a short one drowns in rounding, so one of three step lengths
//! has to agree to within 1 % of the largest gradient of the part, and for one number in two hundred,
//! which sits at a kink, none has to. A wrong term is off at all steps and for many numbers.

mod train_support;

use csi_lab::train::{LANES, Lanes, Layout, Model, Plan, Random};
use csi_temporal::rvne::Pooling;
use train_support::{numbers, patterns, rows, shapes};

/// What is differentiated: logits and embeddings of all windows, each with a weight of its own.
fn value(model: &mut Model, numbers: &[f32], rows: &[Lanes], weights: [&[Lanes]; 2]) -> f64 {
    let logits = model.forward(numbers, rows).to_vec();
    let products = |of: &[Lanes], weights: &[Lanes]| -> f64 {
        let products = of.iter().flatten().zip(weights.iter().flatten());
        products.map(|(number, weight)| f64::from(*number) * f64::from(*weight)).sum()
    };
    products(&logits, weights[0]) + products(model.pooled(), weights[1])
}

#[test]
fn equal_finite_differences_for_every_number() {
    const LEN: usize = 13;
    for dims in shapes() {
        for (name, pattern) in patterns() {
            for pooling in [Pooling::Mean, Pooling::Last] {
                let layout = Layout::new(dims);
                let mut numbers = numbers(&layout, 7);
                let rows = rows(LEN * dims.features, 8);
                let mut random = Random::new(9);
                let weights: Vec<Lanes> =
                    (0..dims.classes).map(|_| std::array::from_fn(|_| random.signed())).collect();
                let of_pooled: Vec<Lanes> =
                    (0..dims.width).map(|_| std::array::from_fn(|_| random.signed())).collect();
                let plan = Plan::new(pattern, LEN).expect("a pattern with a gradient");
                let mut model = Model::new(layout.clone(), plan, pooling);
                let mut grad = vec![0.0; layout.len];
                model.forward(&numbers, &rows);
                model.backward(&numbers, &rows, &weights, Some(&of_pooled), &mut grad);
                let scale = |range: std::ops::Range<usize>| {
                    grad[range].iter().fold(0.02_f32, |most, grad| most.max(grad.abs()))
                };
                for (part, range) in parts(&layout) {
                    let tolerance = 0.01 * scale(range.clone());
                    let mut at_kinks = 0;
                    for at in range {
                        let number = numbers[at];
                        let mut slope = |step: f32| {
                            numbers[at] = number + step;
                            let up = value(&mut model, &numbers, &rows, [&weights, &of_pooled]);
                            numbers[at] = number - step;
                            let down = value(&mut model, &numbers, &rows, [&weights, &of_pooled]);
                            numbers[at] = number;
                            (up - down) / f64::from((number + step) - (number - step))
                        };
                        let mut seen = Vec::new();
                        let agrees = [4e-3, 1e-3, 2.5e-4].into_iter().any(|step| {
                            seen.push(slope(step) as f32);
                            (grad[at] - seen[seen.len() - 1]).abs() <= tolerance
                        });
                        if agrees {
                            continue;
                        }
                        at_kinks += 1;
                        assert!(
                            at_kinks * 200 <= layout.len,
                            "{name}, {dims:?}, {pooling:?}, {part}, number {at}: {} instead of {seen:?}",
                            grad[at]
                        );
                    }
                }
            }
        }
    }
    assert_eq!(LANES, 8);
}

/// All groups of numbers by name; together they are all numbers.
fn parts(layout: &Layout) -> Vec<(&'static str, std::ops::Range<usize>)> {
    let mut parts = vec![("embedding", layout.embedding.clone())];
    for layer in &layout.layers {
        parts.extend([
            ("gains", layer.gains.clone()),
            ("Wq", layer.wq.clone()),
            ("Wk", layer.wk.clone()),
            ("Wv", layer.wv.clone()),
            ("Wo", layer.wo.clone()),
            ("slopes", layer.slopes.clone()),
            ("feed-forward gains", layer.ff_gains.clone()),
            ("W1", layer.w1.clone()),
            ("W2", layer.w2.clone()),
        ]);
    }
    parts.extend([("classifier", layout.classifier.clone()), ("bias", layout.bias.clone())]);
    assert_eq!(parts.iter().map(|(_, range)| range.len()).sum::<usize>(), layout.len);
    parts
}
