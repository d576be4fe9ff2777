//! One token at a time: append its key and value, attend with its query.

use std::rc::Rc;

use ruvllm_sparse_attention as registry;

use crate::Subject;
use crate::inputs::{DIM, HEADS, Inputs, PATTERN, upstream};

/// Steps that a sample may have before a cache that cannot forget is full.
const ROOM: usize = 4096;

/// The upstream crate's cache and step.
struct Upstream {
    kernel: registry::SubquadraticSparseAttention,
    cache: registry::KvCache,
    tokens: usize,
    /// Queries, keys and values of single tokens, taken in turns.
    rows: Vec<[registry::Tensor3; 3]>,
    out: Vec<f32>,
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

    fn flops(&self) -> u64 {
        0
    }
}

/// Makes the subject of this name with `tokens` in the past, if it is one of single steps.
///
/// `inputs` are the tokens, taken again from the first one after the last.
pub fn make(name: &str, inputs: &Rc<Inputs>, tokens: usize) -> Option<Box<dyn Subject>> {
    match name {
        "upstream-step" => {
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
            Some(Box::new(Upstream { kernel: upstream(), cache, tokens, rows, out: Vec::new() }))
        }
        _ => None,
    }
}
