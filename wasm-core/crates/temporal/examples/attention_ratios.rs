//! How much faster the kernel is than the upstream crate: medians of interleaved rounds, as ratios.
//!
//! `cargo run --release -p csi-temporal --example attention_ratios [rounds]`
//!
//! Causal, window 16, blocks of 32, 4 heads of 32 numbers. Ours is called as a caller does, with
//! all its checks and conversions, the crate directly and on its own tensors. The times are those
//! of one machine in one moment; only the ratios carry over. `kept` is `sparse` in memory that the
//! caller keeps: what the system takes to hand out fresh pages is left out of it.

use csi_temporal::attention::{
    Pyramid, PyramidStream, Qkv, SparsePattern, Stream, StreamShape, Weighting, Workspace, dense,
    sparse,
};
use csi_temporal::half::Storage;
use csi_temporal::tensor::Tensor3;
use ruvllm_sparse_attention as registry;
use ruvllm_sparse_attention::AttentionBackend as _;
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

    fn view(&self) -> Qkv<'_> {
        Qkv { q: &self.q, k: &self.k, v: &self.v, slopes: &[] }
    }
}

/// The crate's own tensor.
fn convert(tensor: &Tensor3) -> registry::Tensor3 {
    let [seq, heads, dim] = tensor.shape();
    registry::Tensor3 { data: tensor.data().to_vec(), seq, heads, dim }
}

/// The median and the least.
fn median_and_least(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[0]]
}

fn milliseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64() * 1e3
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(41, |rounds| rounds.parse().expect("a number"));
    let pattern = SparsePattern { window: 16, block_size: 32, ..SparsePattern::default() };
    let kernel = registry::SubquadraticSparseAttention::new(registry::SparseAttentionConfig {
        window: 16,
        block_size: 32,
        ..registry::SparseAttentionConfig::default()
    })
    .expect("the pattern is valid");
    println!(
        "{:>5} {:>8} {:>10} {:>10} {:>7} {:>7}",
        "N", "", "upstream", "ours", "ratio", "least"
    );
    for seq in [64, 256, 1024, 4096] {
        for (name, kv_heads) in [("sparse", 4), ("kept", 4), ("gqa", 1), ("dense", 4)] {
            if name == "dense" && seq > 1024 {
                continue;
            }
            let inputs = Inputs::new(seq, kv_heads);
            let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(convert);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let (mut workspace, mut out) = (Workspace::new(), vec![0.0; seq * 4 * 32]);
            let weighting = Weighting::Plain;
            for _ in 0..if name == "dense" { rounds.min(9) } else { rounds } {
                ours.push(milliseconds(|| match name {
                    "dense" => dense::forward(&inputs.view(), true).map(drop),
                    "kept" => {
                        let view = inputs.view();
                        sparse::forward_into(&view, &pattern, weighting, &mut workspace, &mut out)
                    }
                    _ => sparse::forward(&inputs.view(), &pattern, weighting).map(drop),
                }));
                theirs.push(milliseconds(|| match name {
                    "dense" => registry::dense_attention(&q, &k, &v, true),
                    "gqa" => kernel.forward_gqa(&q, &k, &v),
                    _ => kernel.forward(&q, &k, &v),
                }));
            }
            let [ours, our_least] = median_and_least(ours);
            let [theirs, their_least] = median_and_least(theirs);
            let (ratio, of_least) = (theirs / ours, their_least / our_least);
            println!(
                "{seq:>5} {name:>8} {theirs:>10.4} {ours:>10.4} {ratio:>6.2}x {of_least:>6.2}x"
            );
        }
    }
    stream_steps(&pattern);
}

/// Nanoseconds a push, the least of many rounds of 512, after so many tokens.
fn stream_steps(pattern: &SparsePattern) {
    for (kv_heads, storage) in
        [(4, Storage::F32), (1, Storage::F32), (4, Storage::F16), (1, Storage::F16)]
    {
        let inputs = Inputs::new(1024, kv_heads);
        let shape = StreamShape { q_heads: 4, kv_heads, dim: 32, slopes: &[], storage };
        let stream = |capacity| Stream::new(&shape, pattern, Weighting::Plain, capacity);
        let [mut whole, mut bounded] = [1 << 16, 1024].map(|size| stream(size).expect("it fits"));
        let pyramid = Pyramid { window: 8, per_level: 3 };
        let mut pyramid = PyramidStream::new(&shape, pyramid).expect("it fits");
        for tokens in [1 << 10, 1 << 13, 60_000, 1 << 20] {
            let exact = time_pushes(&inputs, tokens, &mut whole, Stream::len, Stream::push);
            let ring = time_pushes(&inputs, tokens, &mut bounded, Stream::len, Stream::push);
            let (len, push) = (PyramidStream::len, PyramidStream::push);
            let endless = time_pushes(&inputs, tokens, &mut pyramid, len, push);
            println!(
                "push, {kv_heads} key heads, {storage:?}, {tokens} tokens: \
                 ring of 65536 {exact:.0} ns, ring of 1024 {ring:.0} ns, pyramid {endless:.0} ns"
            );
        }
    }
}

type Push<S> = fn(
    &mut S,
    &[f32],
    &[f32],
    &[f32],
    &mut [f32],
) -> Result<(), csi_temporal::attention::AttentionError>;

/// Pushes until `tokens` were, then 40 rounds more.
fn time_pushes<S>(
    inputs: &Inputs,
    tokens: usize,
    stream: &mut S,
    len: fn(&S) -> usize,
    push: Push<S>,
) -> f64 {
    let mut out = [0.0; 128];
    let kv_width = inputs.k.heads() * 32;
    let mut round = |stream: &mut S| {
        for at in 0..512 {
            let q = &inputs.q.data()[at * 128..][..128];
            let [k, v] = [&inputs.k, &inputs.v].map(|t| &t.data()[at * kv_width..][..kv_width]);
            push(stream, q, k, v, &mut out).expect("the input is valid");
        }
        black_box(&out);
    };
    while len(stream) < tokens {
        round(stream);
    }
    let times = (0..40).map(|_| milliseconds(|| round(stream)) / 512.0 * 1e6);
    median_and_least(times.collect())[1]
}
