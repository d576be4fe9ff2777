//! One token at a time: append its key and value, attend with its query.

use std::rc::Rc;

use csi_temporal::attention::Weighting;
use csi_temporal::attention::salient::SalientStream;
use csi_temporal::attention::stream::{PyramidStream, Stream, StreamShape};
use csi_temporal::half::Storage;
use ruvllm_sparse_attention as registry;

use crate::Subject;
use crate::inputs::{DIM, HEADS, Inputs, PATTERN, PYRAMID, SALIENT, upstream};

/// Steps that a sample may have before a memory that cannot forget is full.
const ROOM: usize = 4096;
/// Tokens that the bounded stream remembers.
const RING: usize = 1024;

/// The upstream crate's cache and step.
struct Upstream {
    kernel: registry::SubquadraticSparseAttention,
    cache: registry::KvCache,
    tokens: usize,
    /// Queries, keys and values of single tokens, taken in turns.
    rows: Vec<[registry::Tensor3; 3]>,
    out: Vec<f32>,
}

impl Upstream {
    fn new(inputs: &Inputs, tokens: usize) -> Self {
        let row = |tensor: &registry::Tensor3, token| {
            let width = tensor.heads * DIM;
            let data = tensor.data[token * width..][..width].to_vec();
            registry::Tensor3 { data, seq: 1, ..*tensor }
        };
        let rows: Vec<_> = (0..inputs.theirs[0].seq)
            .map(|token| inputs.theirs.each_ref().map(|tensor| row(tensor, token)))
            .collect();
        let mut cache = registry::KvCache::new(tokens + ROOM, HEADS, DIM, PATTERN.block_size);
        for token in 0..tokens {
            let [_, k, v] = &rows[token % rows.len()];
            cache.try_append(k, v).expect("there is room");
        }
        Self { kernel: upstream(), cache, tokens, rows, out: Vec::new() }
    }
}

impl Subject for Upstream {
    /// Goes back to the length to be measured. Its means of blocks count the forgotten tokens then:
    /// other numbers, the same work.
    fn rewind(&mut self) {
        self.cache.len = self.tokens;
    }

    fn run(&mut self) {
        let [q, k, v] = &self.rows[self.cache.len % self.rows.len()];
        self.cache.try_append(k, v).expect("there is room");
        self.out = self.kernel.decode_step(q, &self.cache).expect("valid input").data;
    }

    fn output(&self) -> &[f32] {
        &self.out
    }

    fn memory_bytes(&self) -> usize {
        let landmarks = &self.cache.landmarks;
        let tensors = [&self.cache.keys, &self.cache.values, &landmarks.keys, &landmarks.values];
        tensors.iter().map(|tensor| size_of_val(tensor.data.as_slice())).sum()
    }
}

/// One of our streams: what takes a token, and how it goes back.
struct Ours<S> {
    stream: S,
    inputs: Rc<Inputs>,
    next: usize,
    out: [f32; HEADS * DIM],
    /// Tokens to start each sample with; none for streams whose work is the same ever after.
    refill: Option<usize>,
}

/// What all streams can do.
trait Push {
    fn push(&mut self, row: [&[f32]; 3], out: &mut [f32]);
    fn reset(&mut self);
    fn memory_bytes(&self) -> usize;
}

macro_rules! push {
    ($stream:ty) => {
        impl Push for $stream {
            fn push(&mut self, [q, k, v]: [&[f32]; 3], out: &mut [f32]) {
                self.push(q, k, v, out).expect("valid input");
            }
            fn reset(&mut self) {
                self.reset();
            }
            fn memory_bytes(&self) -> usize {
                self.memory_bytes()
            }
        }
    };
}
push!(Stream);
push!(PyramidStream);
push!(SalientStream);

impl<S: Push> Ours<S> {
    fn boxed(stream: S, inputs: &Rc<Inputs>, tokens: usize, refills: bool) -> Box<Self> {
        let (inputs, out) = (Rc::clone(inputs), [0.0; HEADS * DIM]);
        let refill = refills.then_some(tokens);
        let mut made = Self { stream, inputs, next: 0, out, refill };
        (0..tokens).for_each(|_| made.run());
        Box::new(made)
    }
}

impl<S: Push> Subject for Ours<S> {
    fn rewind(&mut self) {
        if let Some(tokens) = self.refill {
            self.stream.reset();
            self.next = 0;
            (0..tokens).for_each(|_| self.run());
        }
    }

    fn run(&mut self) {
        let token = self.next % self.inputs.ours[0].seq();
        let width = HEADS * DIM;
        let rows =
            self.inputs.ours.each_ref().map(|tensor| &tensor.data()[token * width..][..width]);
        self.stream.push(rows, &mut self.out);
        self.next += 1;
    }

    fn output(&self) -> &[f32] {
        &self.out
    }

    fn memory_bytes(&self) -> usize {
        self.stream.memory_bytes()
    }
}

/// Makes the subject of this name with `tokens` in the past, if it is one of single steps.
///
/// `inputs` are the tokens, taken again from the first one after the last.
pub fn make(name: &str, inputs: &Rc<Inputs>, tokens: usize) -> Option<Box<dyn Subject>> {
    let storage = if name.contains("-half-") { Storage::F16 } else { Storage::F32 };
    let shape = StreamShape { q_heads: HEADS, kv_heads: HEADS, dim: DIM, slopes: &[], storage };
    let ring = |capacity| {
        Stream::new(&shape, &PATTERN, Weighting::Plain, capacity).expect("there is memory")
    };
    Some(match name {
        "upstream-step" => Box::new(Upstream::new(inputs, tokens)),
        "exact-step" => Ours::boxed(ring(tokens + ROOM), inputs, tokens, true),
        "stream-step" | "stream-half-step" => Ours::boxed(ring(RING), inputs, tokens, false),
        "pyramid-step" | "pyramid-half-step" => {
            let stream = PyramidStream::new(&shape, PYRAMID).expect("there is memory");
            Ours::boxed(stream, inputs, tokens, false)
        }
        "salient-step" => {
            let stream = SalientStream::new(&SALIENT, HEADS, HEADS, DIM, &[]).expect("it fits");
            Ours::boxed(stream, inputs, tokens, false)
        }
        _ => return None,
    })
}
