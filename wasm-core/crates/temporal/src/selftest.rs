//! One hash per computation, over seeded inputs: the same table on every target, or one of them
//! computes something else. Host, WebAssembly and Xtensa are held to it.
//!
//! A hash is FNV-1a, 64 bits, over the little-endian bytes of the numbers. `fixtures/golden/bits.txt`
//! holds the table. It tells that targets agree, not that they are right; the tests do that.

use crate::attention::map::{self, Heads};
use crate::attention::{
    self, AttentionError, BackendKind, Pyramid, PyramidStream, Qkv, SparsePattern, Stream,
    StreamShape, Weighting,
};
use crate::feature::{Extractor, MeanRemoval, PipelineConfig};
use crate::frame::{CsiFrame, CsiValues};
use crate::half::{Storage, f16_to_f32, f32_to_f16};
use crate::head::{HeadWindow, TemporalHead};
use crate::math;
use crate::rvne::{
    AttentionPattern, AttentionRecord, DEFAULT_SEED, Dtype, Embedding, FeedForward,
    FeedForwardLayer, HeadShape, Normalisation, Pooling, Trailer, WeightBlob,
};
use crate::tensor::Tensor3;
use alloc::vec;
use alloc::vec::Vec;

const VALID: &str = "the self-test's own inputs are valid";

/// Computes the table, in an order that stays.
pub fn bits() -> Vec<(&'static str, u64)> {
    let mut table = Vec::new();
    functions(&mut table);
    kernels(&mut table);
    streams(&mut table);
    maps(&mut table);
    heads(&mut table);
    windows(&mut table);
    halves(&mut table);
    formats(&mut table);
    features(&mut table);
    table
}

/// Computes the rows of [`bits`] that take no code which a node does not have anyway: functions,
/// windows and streams of rows as they run there, features.
#[inline(never)]
pub fn node_bits() -> Vec<(&'static str, u64)> {
    let mut table = Vec::new();
    functions(&mut table);
    windows(&mut table);
    halves(&mut table);
    features(&mut table);
    table
}

/// Computes the rows of heads over rows that arrive one by one: the least that shows that a machine
/// computes what the others do.
pub fn window_bits() -> Vec<(&'static str, u64)> {
    let mut table = Vec::new();
    windows(&mut table);
    table
}

type Table = Vec<(&'static str, u64)>;

/// The functions beyond + - * /, over the ranges they are used in.
#[inline(never)]
fn functions(table: &mut Table) {
    let grid =
        |from: f32, to: f32| (0..2000).map(move |step| from + (to - from) * (step as f32 / 1999.0));
    table.push(("exp", hash(grid(-90.0, 0.0).map(math::exp))));
    table.push(("libm-expf", hash(grid(-90.0, 0.0).map(libm::expf))));
    table.push(("libm-logf", hash(grid(1.0, 512.0).map(libm::logf))));
    table.push(("libm-sqrtf", hash(grid(0.0, 70000.0).map(libm::sqrtf))));
    table.push(("libm-atan2f", hash(grid(-128.0, 127.0).map(|im| libm::atan2f(im, 37.0 - im)))));
}

fn kernels(table: &mut Table) {
    const NARROW: SparsePattern = SparsePattern {
        window: 8,
        block_size: 12,
        log_stride: true,
        landmarks: true,
        global_token: true,
        causal: true,
    };
    const BOTH_WAYS: SparsePattern = SparsePattern { causal: false, ..NARROW };
    let mha = Inputs::new(1, 80, 4, 4, 8, 1.0);
    let gqa = Inputs::new(2, 80, 4, 2, 8, 1.0);
    let mqa = Inputs::new(3, 80, 4, 1, 32, 2.0);
    let odd = Inputs::new(4, 61, 3, 3, 7, 4.0);
    let wide = Inputs::new(13, 131, 9, 3, 18, 1.0);
    let long = Inputs::new(14, 700, 4, 4, 32, 1.0);
    let sloped = Inputs { slopes: vec![0.0, 0.03125, 0.25, 1.5], ..mqa.clone() };
    let endless = Inputs::new(15, 8192, 1, 1, 4, 1.0);
    use BackendKind::{
        Dense, Salient, Sparse, SparseLnCount, Upstream, UpstreamDense, UpstreamGated,
    };
    let pyramid = |per_level| BackendKind::Pyramid { per_level };
    let cases: [(&'static str, &Inputs, BackendKind, &SparsePattern); 33] = [
        ("dense-mha", &mha, Dense, &NARROW),
        ("dense-mqa", &mqa, Dense, &NARROW),
        ("dense-both-ways", &odd, Dense, &BOTH_WAYS),
        ("dense-slopes", &sloped, Dense, &NARROW),
        ("dense-wide", &wide, Dense, &NARROW),
        ("sparse-mha", &mha, Sparse, &NARROW),
        ("sparse-gqa", &gqa, Sparse, &NARROW),
        ("sparse-mqa", &mqa, Sparse, &NARROW),
        ("sparse-odd", &odd, Sparse, &NARROW),
        ("sparse-both-ways", &odd, Sparse, &BOTH_WAYS),
        ("sparse-slopes", &sloped, Sparse, &NARROW),
        ("sparse-wide", &wide, Sparse, &NARROW),
        ("sparse-long", &long, Sparse, &NARROW),
        ("ln-count-mha", &mha, SparseLnCount, &NARROW),
        ("ln-count-mqa", &mqa, SparseLnCount, &NARROW),
        ("ln-count-both-ways", &gqa, SparseLnCount, &BOTH_WAYS),
        ("ln-count-slopes", &sloped, SparseLnCount, &NARROW),
        ("pyramid-mha", &mha, pyramid(3), &NARROW),
        ("pyramid-gqa", &gqa, pyramid(1), &NARROW),
        ("pyramid-mqa", &mqa, pyramid(2), &NARROW),
        ("pyramid-slopes", &sloped, pyramid(3), &NARROW),
        ("pyramid-wide", &wide, pyramid(4), &NARROW),
        ("pyramid-8192", &endless, pyramid(3), &NARROW),
        ("salient-mha", &mha, Salient { groups: 9 }, &NARROW),
        ("salient-gqa", &gqa, Salient { groups: 3 }, &NARROW),
        ("salient-mqa", &mqa, Salient { groups: 17 }, &NARROW),
        ("salient-slopes", &sloped, Salient { groups: 17 }, &NARROW),
        ("salient-wide", &wide, Salient { groups: 12 }, &NARROW),
        ("salient-8192", &endless, Salient { groups: 18 }, &NARROW),
        ("upstream-mha", &mha, Upstream, &NARROW),
        ("upstream-gqa", &gqa, Upstream, &NARROW),
        ("upstream-dense", &gqa, UpstreamDense, &NARROW),
        ("upstream-gated", &mha, UpstreamGated { top_k: 16 }, &NARROW),
    ];
    for (name, inputs, backend, pattern) in cases {
        let out = attention::forward(backend, &inputs.view(), pattern).expect(VALID);
        table.push((name, hash(out.into_vec())));
    }
}

fn streams(table: &mut Table) {
    let inputs = Inputs::new(5, 90, 4, 1, 16, 1.0);
    let pattern = SparsePattern { window: 6, block_size: 8, ..SparsePattern::default() };
    // 40 tokens are fewer than there are: the ring turns.
    for (name, storage, capacity) in [
        ("stream", Storage::F32, 90),
        ("stream-bounded", Storage::F32, 40),
        ("stream-half", Storage::F16, 40),
    ] {
        let shape = inputs.stream_shape(storage);
        let stream = Stream::new(&shape, &pattern, Weighting::LnCount, capacity);
        let mut stream = stream.expect(VALID);
        table.push((name, hash(inputs.push_all(|q, k, v, out| stream.push(q, k, v, out)))));
    }
    let gqa = Inputs { slopes: vec![0.0, 0.25, 0.125, 1.0], ..Inputs::new(16, 90, 4, 2, 7, 1.0) };
    let long = Inputs::new(17, 1000, 1, 1, 4, 1.0);
    for (name, inputs, storage) in [
        ("stream-pyramid", &inputs, Storage::F32),
        ("stream-pyramid-gqa-half", &gqa, Storage::F16),
        ("stream-pyramid-1000", &long, Storage::F32),
        ("stream-pyramid-1000-half", &long, Storage::F16),
    ] {
        let pyramid = Pyramid { window: 5, per_level: 2 };
        let mut stream = PyramidStream::new(&inputs.stream_shape(storage), pyramid).expect(VALID);
        table.push((name, hash(inputs.push_all(|q, k, v, out| stream.push(q, k, v, out)))));
    }
}

fn maps(table: &mut Table) {
    let inputs = Inputs::new(6, 48, 4, 2, 8, 1.0);
    let pattern = SparsePattern { window: 4, block_size: 6, ..SparsePattern::default() };
    let sparse = map::sparse_map(&inputs.view(), &pattern, Weighting::Plain, Heads::Mean);
    table.push(("map-sparse", hash(sparse.expect(VALID))));
    let dense = map::dense_map(&inputs.view(), true, Heads::One(3));
    table.push(("map-dense", hash(dense.expect(VALID))));
}

fn heads(table: &mut Table) {
    let default = WeightBlob::seeded(HeadShape::default(), DEFAULT_SEED, Dtype::F32).expect(VALID);
    let head = TemporalHead::from_blob(&default).expect(VALID);
    let rows = Random(7).numbers(50 * 16, 1.0);
    for (name, backend) in [
        ("head-sparse", BackendKind::Sparse),
        ("head-dense", BackendKind::Dense),
        ("head-upstream", BackendKind::Upstream),
    ] {
        let logits = head.forward(&rows, backend).expect(VALID).logits;
        let hidden = head.hidden(&rows, backend).expect(VALID);
        table.push((name, hash(logits.into_iter().chain(hidden))));
    }

    let head = TemporalHead::from_blob(&blob_with_trailer()).expect(VALID);
    let rows = Random(8).numbers(40 * head.feature_dim(), 2.0);
    let logits = head.forward(&rows, head.backend()).expect(VALID).logits;
    let hidden = head.hidden(&rows, head.backend()).expect(VALID);
    table.push(("head-trailer", hash(logits.into_iter().chain(hidden))));
    let mut short = blob_with_trailer();
    short.trailer.attention.get_or_insert_default().storage = Storage::F16;
    let in_f16 = TemporalHead::from_blob(&short).expect(VALID);
    let logits = in_f16.forward(&rows, in_f16.backend()).expect(VALID).logits;
    table.push(("head-f16", hash(logits)));
}

/// Heads over rows that arrive one by one: streams and moving windows, in f32 and in f16.
#[inline(never)]
fn windows(table: &mut Table) {
    let mut blob = blob_with_trailer();
    let mut head = |storage| {
        blob.trailer.attention.get_or_insert_default().storage = storage;
        TemporalHead::from_blob(&blob).expect(VALID)
    };
    let dim = head(Storage::F32).feature_dim();
    let rows = Random(8).numbers(40 * dim, 2.0);
    for (name, storage, pooling) in [
        ("head-stream", Storage::F32, Pooling::Last),
        ("head-stream-mean", Storage::F32, Pooling::Mean),
        ("head-stream-f16", Storage::F16, Pooling::Last),
    ] {
        let mut head = head(storage);
        head.set_pooling(pooling);
        let mut stream = head.start_stream(head.backend(), 40).expect(VALID);
        let mut all = Vec::new();
        for row in rows.chunks_exact(dim) {
            all.extend_from_slice(stream.step(&head, row).expect(VALID));
        }
        table.push((name, hash(all)));
    }
    for (name, storage) in [("window-f32", Storage::F32), ("window-f16", Storage::F16)] {
        let head = head(storage);
        let mut window = HeadWindow::new(&head, 25).expect(VALID);
        let mut all = Vec::new();
        for row in rows.chunks_exact(dim) {
            window.push(&head, row).expect(VALID);
            all.extend_from_slice(window.classify(&head).expect(VALID));
        }
        table.push((name, hash(all)));
    }
}

#[inline(never)]
fn halves(table: &mut Table) {
    let all_halves = (0..=u16::MAX).map(f16_to_f32).filter(|number| !number.is_nan());
    table.push(("f16-widen", hash(all_halves)));
    let narrowed = Random(9).numbers(4000, 70000.0).into_iter().map(f32_to_f16);
    table.push(("f16-narrow", fnv(narrowed.flat_map(u16::to_le_bytes))));
}

fn formats(table: &mut Table) {
    let shape = HeadShape::default();
    for (name, dtype) in [("blob-seeded-f32", Dtype::F32), ("blob-seeded-f16", Dtype::F16)] {
        let blob = WeightBlob::seeded(shape, DEFAULT_SEED, dtype).expect(VALID);
        table.push((name, fnv(blob.encode().expect(VALID))));
    }
    table.push(("blob-trailer", fnv(blob_with_trailer().encode().expect(VALID))));
}

#[inline(never)]
fn features(table: &mut Table) {
    for (name, mean_removal, rate_hz) in [
        ("features-as-they-come", MeanRemoval::None, 0.0),
        ("features-resampled", MeanRemoval::Exponential { time_constant_s: 0.5 }, 100.0),
    ] {
        let config = PipelineConfig {
            useful: (2..26).collect(),
            bands: 7,
            divide_by_mean: true,
            mean_removal,
            rate_hz,
            lags: vec![2],
            lag_absolute: true,
            ..PipelineConfig::default()
        };
        let mut extractor = Extractor::new(config).expect(VALID);
        let (mut random, mut time_micros, mut all) = (Random(10), 0, Vec::new());
        for _ in 0..60 {
            time_micros += 7000 + (random.next() >> 32) as i64 % 9000;
            let iq: Vec<i8> = (0..56).map(|_| (random.next() >> 56) as i8).collect();
            let frame = CsiFrame { time_micros, values: CsiValues::Iq8(&iq), rssi_dbm: None };
            let mut emit = |row: crate::feature::FeatureRow<'_>| all.extend_from_slice(row.values);
            extractor.push(&frame, &mut emit).expect(VALID);
        }
        table.push((name, hash(all)));
    }
}

/// A small blob with every record that changes the head's result.
fn blob_with_trailer() -> WeightBlob {
    let shape =
        HeadShape { input_dim: 12, q_heads: 4, kv_heads: 2, head_dim: 6, layers: 2, classes: 3 };
    let mut blob = WeightBlob::seeded(shape, 11, Dtype::F32).expect(VALID);
    let mut random = Random(12);
    let layer = |random: &mut Random| FeedForwardLayer {
        gains: random.numbers(12, 1.5),
        w1: random.numbers(12 * 10, 0.4),
        w2: random.numbers(10 * 12, 0.4),
    };
    blob.trailer = Trailer {
        attention: Some(AttentionRecord {
            window: 5,
            block_size: 4,
            pattern: AttentionPattern::LnCount,
            ..AttentionRecord::default()
        }),
        normalisation: Some(Normalisation {
            mean: random.numbers(9, 1.0),
            inv_std: random.numbers(9, 2.0),
        }),
        rms_gains: Some(random.numbers(2 * 12, 1.5)),
        bias: Some(random.numbers(3, 1.0)),
        embedding: Some(Embedding { feature_dim: 9, matrix: random.numbers(9 * 12, 0.5) }),
        feed_forward: Some(FeedForward {
            hidden: 10,
            layers: vec![layer(&mut random), layer(&mut random)],
        }),
        slopes: Some(vec![0.0, 0.5, 0.125, 0.0625, 0.25, 0.0, 1.0, 0.03125]),
        ..Trailer::default()
    };
    blob
}

#[derive(Clone)]
struct Inputs {
    q: Tensor3,
    k: Tensor3,
    v: Tensor3,
    slopes: Vec<f32>,
}

impl Inputs {
    fn new(seed: u64, seq: usize, q_heads: usize, kv_heads: usize, dim: usize, scale: f32) -> Self {
        let mut random = Random(seed);
        let mut tensor = |heads| {
            let numbers = random.numbers(seq * heads * dim, scale);
            Tensor3::from_vec(numbers, seq, heads, dim).expect(VALID)
        };
        let (q, k, v) = (tensor(q_heads), tensor(kv_heads), tensor(kv_heads));
        Self { q, k, v, slopes: Vec::new() }
    }

    fn view(&self) -> Qkv<'_> {
        Qkv { q: &self.q, k: &self.k, v: &self.v, slopes: &self.slopes }
    }

    fn stream_shape(&self, storage: Storage) -> StreamShape<'_> {
        let [q_heads, kv_heads, dim] = [self.q.heads(), self.k.heads(), self.q.dim()];
        StreamShape { q_heads, kv_heads, dim, slopes: &self.slopes, storage }
    }

    /// Pushes token by token and returns all outputs.
    fn push_all(
        &self,
        mut push: impl FnMut(&[f32], &[f32], &[f32], &mut [f32]) -> Result<(), AttentionError>,
    ) -> Vec<f32> {
        let [q, k, v] = [&self.q, &self.k, &self.v]
            .map(|tensor| tensor.data().chunks_exact(tensor.heads() * tensor.dim()));
        let mut all = vec![0.0; self.q.data().len()];
        let outs = all.chunks_exact_mut(self.q.heads() * self.q.dim());
        for (((q, k), v), out) in q.zip(k).zip(v).zip(outs) {
            push(q, k, v, out).expect(VALID);
        }
        all
    }
}

/// Xorshift64*, started from a small seed other than 0.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns numbers in `-scale .. scale`: 24 bits each, so that no rounding enters.
    fn numbers(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| ((self.next() >> 40) as f32 / 8_388_608.0 - 1.0) * scale).collect()
    }
}

fn hash(numbers: impl IntoIterator<Item = f32>) -> u64 {
    fnv(numbers.into_iter().flat_map(|number| number.to_bits().to_le_bytes()))
}

fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test vectors of FNV-1a.
    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv(*b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv(*b"a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv(*b"foobar"), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn names_and_hashes_are_unique() {
        let table = bits();
        for (index, (name, hash)) in table.iter().enumerate() {
            let earlier = &table[..index];
            assert!(earlier.iter().all(|(n, h)| n != name && h != hash), "{name}");
        }
    }
}
