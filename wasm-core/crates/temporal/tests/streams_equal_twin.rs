//! Streams against the definition in f64 where no pass has their numbers: beyond the ring, and with
//! keys and values in binary16.

mod support;

use csi_temporal::attention::{
    Pyramid, PyramidStream, SparsePattern, Stream, StreamShape, Weighting,
};
use csi_temporal::half::{Storage, f16_to_f32, f32_to_f16};
use csi_temporal::tensor::Tensor3;
use support::random::Random;
use support::{Inputs, magnitude, max_abs_error, naive, tolerance};

fn token(tensor: &Tensor3, token: usize) -> &[f32] {
    let width = tensor.heads() * tensor.dim();
    &tensor.data()[token * width..][..width]
}

fn shape(inputs: &Inputs, storage: Storage) -> StreamShape<'_> {
    let [q_heads, kv_heads, dim] = [inputs.q.heads(), inputs.k.heads(), inputs.q.dim()];
    StreamShape { q_heads, kv_heads, dim, slopes: &inputs.slopes, storage }
}

/// One thing that is looked at: keys and values of all key heads, position, what its score gets.
struct Seen {
    key: Vec<f32>,
    value: Vec<f32>,
    position: f64,
    bonus: f64,
}

/// The output of row `row` in f64, and the largest |score|.
fn attend(inputs: &Inputs, row: usize, seen: &[Seen]) -> (Vec<f64>, f64) {
    let [_, q_heads, dim] = inputs.q.shape();
    let (mut out, mut largest) = (Vec::new(), 0.0_f64);
    for head in 0..q_heads {
        let part = head * inputs.k.heads() / q_heads * dim;
        let slope = inputs.slopes.get(head).map_or(0.0, |slope| f64::from(*slope));
        let score = |seen: &Seen| {
            let dot = |(q, k): (&f32, &f32)| f64::from(*q) * f64::from(*k);
            let product: f64 = inputs.q.row(row, head).iter().zip(&seen.key[part..]).map(dot).sum();
            product / (dim as f64).sqrt() - slope * (row as f64 - seen.position) + seen.bonus
        };
        let scores: Vec<f64> = seen.iter().map(score).collect();
        largest = scores.iter().fold(largest, |largest, score| largest.max(score.abs()));
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
        out.extend((part..part + dim).map(|at| {
            let terms = scores.iter().zip(seen);
            terms.map(|(s, seen)| (s - max).exp() / sum * f64::from(seen.value[at])).sum::<f64>()
        }));
    }
    (out, largest)
}

/// How a stream stores: as it is, or in binary16.
fn stored(numbers: &[f32], storage: Storage) -> Vec<f32> {
    match storage {
        Storage::F32 => numbers.to_vec(),
        Storage::F16 => numbers.iter().map(|number| f16_to_f32(f32_to_f16(*number))).collect(),
    }
}

/// The stored mean of a landmark's tokens.
fn landmark(tensor: &Tensor3, tokens: &[usize], storage: Storage) -> Vec<f32> {
    let mut sum = vec![0.0_f32; token(tensor, 0).len()];
    for at in tokens {
        sum.iter_mut().zip(stored(token(tensor, *at), storage)).for_each(|(sum, x)| *sum += x);
    }
    sum.iter_mut().for_each(|sum| *sum /= tokens.len() as f32);
    stored(&sum, storage)
}

/// The stored mean of a pyramid's block.
fn halves(tensor: &Tensor3, tokens: &[usize], storage: Storage) -> Vec<f32> {
    if let [one] = tokens {
        return stored(token(tensor, *one), storage);
    }
    let (left, right) = tokens.split_at(tokens.len() / 2);
    let (left, right) = (halves(tensor, left, storage), halves(tensor, right, storage));
    let means: Vec<f32> = left.iter().zip(&right).map(|(l, r)| (l + r) * 0.5).collect();
    stored(&means, storage)
}

fn seen(
    inputs: &Inputs,
    tokens: &[usize],
    weighting: Weighting,
    mean: impl Fn(&Tensor3, &[usize]) -> Vec<f32>,
) -> Seen {
    let count = tokens.len() as f64;
    Seen {
        key: mean(&inputs.k, tokens),
        value: mean(&inputs.v, tokens),
        position: tokens.iter().sum::<usize>() as f64 / count,
        bonus: if weighting == Weighting::LnCount { count.ln() } else { 0.0 },
    }
}

fn any_inputs(random: &mut Random) -> Inputs {
    let mut inputs = random.any_inputs(80);
    if random.flip() {
        let slopes = random.numbers(inputs.q.heads(), 0.3);
        inputs.slopes = slopes.into_iter().map(f32::abs).collect();
    }
    inputs
}

fn assert_near(inputs: &Inputs, got: &[f32], (exact, largest): (Vec<f64>, f64), case: &str) {
    let bound = tolerance::TWIN * f64::from(magnitude(inputs.v.data())) * (1.0 + largest);
    let error = max_abs_error(got, &exact);
    assert!(error <= bound, "{case}: {error:e} > {bound:e}");
}

#[test]
fn a_stream_beyond_its_ring_leaves_out_what_left_it() {
    let mut left_out = 0;
    for seed in 0..120 {
        let mut random = Random::new(seed);
        let inputs = any_inputs(&mut random);
        let pattern = SparsePattern { causal: true, ..random.any_pattern() };
        let weighting = random.pick(&[Weighting::Plain, Weighting::LnCount]);
        let storage = random.pick(&[Storage::F32, Storage::F16]);
        let capacity = random.between(1, 40);
        let shape = shape(&inputs, storage);
        let mut stream = Stream::new(&shape, &pattern, weighting, capacity).unwrap();
        let memory = stream.memory_bytes();
        let mut out = vec![0.0; token(&inputs.q, 0).len()];
        for row in 0..inputs.q.seq() {
            let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, row));
            stream.push(q, k, v, &mut out).unwrap();
            let (tokens, blocks) = naive::edges(&pattern, row, row + 1);
            let is_held =
                |token: &usize| row - token < capacity || *token == 0 && pattern.global_token;
            let oldest = (row / pattern.block_size + 1)
                .saturating_sub(capacity.div_ceil(pattern.block_size));
            let edges = tokens.len() + blocks.len();
            let tokens = tokens.into_iter().filter(is_held).map(|token| vec![token]);
            let blocks = blocks.into_iter().filter(|block| *block >= oldest);
            let blocks =
                blocks.map(|b| (b * pattern.block_size..(b + 1) * pattern.block_size).collect());
            let seen: Vec<Seen> = tokens
                .chain(blocks)
                .map(|tokens: Vec<usize>| {
                    seen(&inputs, &tokens, weighting, |t, tokens| landmark(t, tokens, storage))
                })
                .collect();
            left_out += edges - seen.len();
            assert_eq!(stream.is_exact(), row < capacity);
            assert!(row >= capacity || edges == seen.len());
            let case = format!("seed {seed}, row {row}, capacity {capacity}, {pattern:?}");
            assert_near(&inputs, &out, attend(&inputs, row, &seen), &case);
        }
        assert_eq!(stream.memory_bytes(), memory);
    }
    assert!(left_out > 1000, "some edges left the ring: {left_out}");
}

#[test]
fn a_pyramid_in_half_storage_is_off_by_the_rounding_of_what_is_stored() {
    for seed in 0..60 {
        let mut random = Random::new(500 + seed);
        let inputs = any_inputs(&mut random);
        let pyramid =
            Pyramid { window: random.pick(&[0, 1, 5, 16]), per_level: random.between(1, 5) };
        for storage in [Storage::F32, Storage::F16] {
            let mut stream = PyramidStream::new(&shape(&inputs, storage), pyramid).unwrap();
            let mut out = vec![0.0; token(&inputs.q, 0).len()];
            for row in 0..inputs.q.seq() {
                let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, row));
                stream.push(q, k, v, &mut out).unwrap();
                let seen: Vec<Seen> = naive::pyramid_edges(&pyramid, row)
                    .iter()
                    .map(|tokens| {
                        let mean = |t: &Tensor3, tokens: &[usize]| halves(t, tokens, storage);
                        seen(&inputs, tokens, Weighting::LnCount, mean)
                    })
                    .collect();
                let case = format!("seed {seed}, row {row}, {storage:?}, {pyramid:?}");
                assert_near(&inputs, &out, attend(&inputs, row, &seen), &case);
            }
        }
    }
}

/// The price of half the memory, for numbers in -1 .. 1: a rounding of 2^-12 in each of them.
#[test]
fn half_storage_costs_little() {
    let inputs = Random::new(8).inputs(400, 4, 4, 16, 1.0);
    let pyramid = Pyramid { window: 8, per_level: 3 };
    let [mut exact, mut half] = [Storage::F32, Storage::F16]
        .map(|storage| PyramidStream::new(&shape(&inputs, storage), pyramid).unwrap());
    assert!(half.memory_bytes() * 100 <= exact.memory_bytes() * 51, "half the memory");
    let [mut a, mut b] = [[0.0; 64]; 2];
    let mut worst = 0.0_f32;
    for row in 0..400 {
        let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|tensor| token(tensor, row));
        exact.push(q, k, v, &mut a).unwrap();
        half.push(q, k, v, &mut b).unwrap();
        worst = worst.max(support::max_abs_diff(&a, &b));
    }
    println!("largest difference: {worst:e}");
    assert!((1e-6..5e-4).contains(&worst), "{worst:e}");
}
