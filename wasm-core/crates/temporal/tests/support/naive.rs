//! The definitions in f64, written for reading: no reuse, no order, no speed.

use super::Inputs;
use csi_temporal::attention::{SparsePattern, Weighting};

/// What a row looks at: tokens and blocks, each once, in order of discovery.
pub fn edges(pattern: &SparsePattern, row: usize, seq: usize) -> (Vec<usize>, Vec<usize>) {
    fn discover(found: &mut Vec<usize>, index: isize) {
        if !found.contains(&(index as usize)) {
            found.push(index as usize);
        }
    }
    let powers = || (0..40).map(|power| 1isize << power);
    let (i, n) = (row as isize, seq as isize);
    let visible = |j: isize| 0 <= j && j < n && (!pattern.causal || j <= i);
    let mut tokens = Vec::new();
    for j in 0..n {
        if visible(j) && (j - i).unsigned_abs() <= pattern.window {
            discover(&mut tokens, j);
        }
    }
    if pattern.global_token {
        discover(&mut tokens, 0);
    }
    if pattern.log_stride {
        for j in powers().flat_map(|stride| [i - stride, i + stride]).filter(|j| visible(*j)) {
            discover(&mut tokens, j);
        }
    }

    let mut blocks = Vec::new();
    if pattern.landmarks {
        let size = pattern.block_size as isize;
        let block_count = (n + size - 1) / size;
        // Causal: a block can be seen once all of its tokens can.
        let seen = |b: isize| {
            0 <= b
                && b < block_count
                && if pattern.causal { (b + 1) * size <= i + 1 } else { b != i / size }
        };
        let pivot = if pattern.causal { (i + 1) / size - 1 } else { i / size };
        for b in [pivot - 1, pivot, pivot + 1].into_iter().filter(|b| seen(*b)) {
            discover(&mut blocks, b);
        }
        if pattern.log_stride && pivot >= 0 {
            for b in powers().flat_map(|s| [pivot - s, pivot + s]).filter(|b| seen(*b)) {
                discover(&mut blocks, b);
            }
        }
    }
    (tokens, blocks)
}

/// What attention is over: every token, or the pattern's edges.
#[derive(Clone, Copy)]
pub enum Over<'a> {
    Dense { causal: bool },
    Sparse(&'a SparsePattern, Weighting),
}

/// The effective weights `[seq]` of one row and head, and the largest |score|.
pub fn weights(inputs: &Inputs, over: Over<'_>, row: usize, head: usize) -> (Vec<f64>, f64) {
    let [seq, q_heads, dim] = inputs.q.shape();
    let kv_head = head * inputs.k.heads() / q_heads;
    // Every edge as the tokens that it is the mean of, and what its score gets on top.
    let edges: Vec<(Vec<usize>, f64)> = match over {
        Over::Dense { causal } => {
            (0..if causal { row + 1 } else { seq }).map(|j| (vec![j], 0.0)).collect()
        }
        Over::Sparse(pattern, weighting) => {
            let (tokens, blocks) = edges(pattern, row, seq);
            let tokens = tokens.into_iter().map(|j| (vec![j], 0.0));
            let blocks = blocks.into_iter().map(|b| {
                let start = b * pattern.block_size;
                let members: Vec<usize> = (start..(start + pattern.block_size).min(seq)).collect();
                let bonus = match weighting {
                    Weighting::Plain => 0.0,
                    Weighting::LnCount => (members.len() as f64).ln(),
                };
                (members, bonus)
            });
            tokens.chain(blocks).collect()
        }
    };
    let scores: Vec<f64> = edges
        .iter()
        .map(|(members, bonus)| {
            let count = members.len() as f64;
            let mut score = 0.0;
            for d in 0..dim {
                let key: f64 =
                    members.iter().map(|j| f64::from(inputs.k.row(*j, kv_head)[d])).sum();
                score += f64::from(inputs.q.row(row, head)[d]) * key / count;
            }
            let position = members.iter().sum::<usize>() as f64 / count;
            let slope = inputs.slopes.get(head).map_or(0.0, |slope| f64::from(*slope));
            score / (dim as f64).sqrt() - slope * (row as f64 - position).abs() + bonus
        })
        .collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
    let mut weights = vec![0.0; seq];
    for ((members, _), score) in edges.iter().zip(&scores) {
        for j in members {
            weights[*j] += (score - max).exp() / sum / members.len() as f64;
        }
    }
    (weights, scores.iter().fold(0.0, |largest: f64, score| largest.max(score.abs())))
}

/// The output `[seq, q_heads, dim]` and the largest |score|.
pub fn attention(inputs: &Inputs, over: Over<'_>) -> (Vec<f64>, f64) {
    let [seq, q_heads, dim] = inputs.q.shape();
    let (mut out, mut largest) = (Vec::new(), 0.0_f64);
    for row in 0..seq {
        for head in 0..q_heads {
            let kv_head = head * inputs.k.heads() / q_heads;
            let (weights, score) = weights(inputs, over, row, head);
            largest = largest.max(score);
            for d in 0..dim {
                let value = |j: usize| f64::from(inputs.v.row(j, kv_head)[d]);
                out.push(weights.iter().enumerate().map(|(j, w)| w * value(j)).sum());
            }
        }
    }
    (out, largest)
}
