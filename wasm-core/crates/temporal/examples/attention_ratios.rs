//! How much faster the kernel is than the upstream crate: medians of interleaved rounds, as ratios.
//!
//! `cargo run --release -p csi-temporal --example attention_ratios [rounds]`
//!
//! Causal, window 16, blocks of 32, 4 heads of 32 numbers, everything from tensors to tensors. The
//! times are those of one machine in one moment; only the ratios carry over.

use csi_temporal::attention::decode::{KvCache, decode_step_into};
use csi_temporal::attention::{BackendKind, Qkv, SparsePattern, Weighting, forward};
use csi_temporal::tensor::Tensor3;
use std::hint::black_box;
use std::time::Instant;

struct Inputs {
    q: Tensor3,
    k: Tensor3,
    v: Tensor3,
}

impl Inputs {
    fn new(seq: usize, kv_heads: usize) -> Self {
        let mut state = 1_u64;
        let mut tensor = |heads: usize| {
            let numbers = (0..seq * heads * 32).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f32 / 8_388_608.0 - 1.0
            });
            Tensor3::from_vec(numbers.collect(), seq, heads, 32).expect("the length fits")
        };
        Self { q: tensor(4), k: tensor(kv_heads), v: tensor(kv_heads) }
    }

    fn run(&self, backend: BackendKind, pattern: &SparsePattern) -> Tensor3 {
        let input = Qkv { q: &self.q, k: &self.k, v: &self.v, slopes: &[] };
        forward(backend, &input, pattern).expect("the input is valid")
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn milliseconds(work: impl FnOnce() -> Tensor3) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64() * 1e3
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(41, |rounds| rounds.parse().expect("a number"));
    let pattern = SparsePattern { window: 16, block_size: 32, ..SparsePattern::default() };
    println!("{:>5} {:>8} {:>10} {:>10} {:>7}", "N", "", "upstream", "ours", "ratio");
    for seq in [64, 256, 1024, 4096] {
        for (name, kv_heads, ours, theirs) in [
            ("sparse", 4, BackendKind::Sparse, BackendKind::Upstream),
            ("gqa", 1, BackendKind::Sparse, BackendKind::Upstream),
            ("dense", 4, BackendKind::Dense, BackendKind::UpstreamDense),
        ] {
            if name == "dense" && seq > 1024 {
                continue;
            }
            let inputs = Inputs::new(seq, kv_heads);
            let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
            for _ in 0..if name == "dense" { rounds.min(9) } else { rounds } {
                our_times.push(milliseconds(|| inputs.run(ours, &pattern)));
                their_times.push(milliseconds(|| inputs.run(theirs, &pattern)));
            }
            let (ours, theirs) = (median(our_times), median(their_times));
            println!("{seq:>5} {name:>8} {theirs:>10.4} {ours:>10.4} {:>6.2}x", theirs / ours);
        }
    }
    decode_steps(&pattern);
}

/// Appends and attends, nanoseconds a step, over the last half of 8192 tokens.
fn decode_steps(pattern: &SparsePattern) {
    for kv_heads in [4, 1] {
        let inputs = Inputs::new(8192, kv_heads);
        let mut cache = KvCache::new(8192, kv_heads, 32, 32).expect("it fits");
        let (mut out, mut start) = ([0.0; 128], Instant::now());
        let width = kv_heads * 32;
        for token in 0..8192 {
            if token == 4096 {
                start = Instant::now();
            }
            let row = |tensor: &Tensor3, width| tensor.data()[token * width..][..width].to_vec();
            let (q, k, v) = (row(&inputs.q, 128), row(&inputs.k, width), row(&inputs.v, width));
            cache.append(&k, &v).expect("there is room");
            decode_step_into(&q, &mut cache, pattern, Weighting::Plain, &[], &mut out)
                .expect("the input is valid");
            black_box(&out);
        }
        let step = start.elapsed().as_secs_f64() / 4096.0 * 1e9;
        println!("decode step, {kv_heads} key heads: {step:.0} ns");
    }
}
