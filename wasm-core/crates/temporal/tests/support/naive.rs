//! The definitions in f64, written for reading: no reuse, no order, no speed.

use super::Inputs;
use csi_temporal::attention::{Pyramid, SparsePattern, Weighting};
use csi_temporal::rvne::{AttentionPattern, Pooling, WeightBlob};
use csi_temporal::tensor::Tensor3;

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

/// What `row` of a pyramid looks at, token by token as it comes in: the tokens of each edge.
pub fn pyramid_edges(pyramid: &Pyramid, row: usize) -> Vec<Vec<usize>> {
    let mut window = std::collections::VecDeque::new();
    let mut levels: Vec<Vec<Vec<usize>>> = Vec::new();
    for token in 0..=row {
        window.push_back(token);
        if window.len() - 1 <= pyramid.window {
            continue;
        }
        let mut arrived = vec![window.pop_front().unwrap()];
        for level in 0.. {
            if level == levels.len() {
                levels.push(Vec::new());
            }
            levels[level].push(arrived);
            if levels[level].len() <= pyramid.per_level {
                break;
            }
            let oldest: Vec<Vec<usize>> = levels[level].drain(..2).collect();
            arrived = oldest.concat();
        }
    }
    window.into_iter().map(|token| vec![token]).chain(levels.into_iter().flatten()).collect()
}

/// What attention is over: every token, or the pattern's edges.
#[derive(Clone, Copy)]
pub enum Over<'a> {
    Dense { causal: bool },
    Sparse(&'a SparsePattern, Weighting),
    Pyramid(&'a Pyramid),
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
        Over::Pyramid(pyramid) => {
            let with_count = |members: Vec<usize>| {
                let bonus = (members.len() as f64).ln();
                (members, bonus)
            };
            pyramid_edges(pyramid, row).into_iter().map(with_count).collect()
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

/// `x W` for a row-major `[in][out]` matrix.
fn times(x: &[f64], w: &[f32]) -> Vec<f64> {
    let cols = w.len() / x.len();
    (0..cols)
        .map(|c| x.iter().zip(w.chunks(cols)).map(|(x, row)| x * f64::from(row[c])).sum())
        .collect()
}

fn rms_norm(x: &[f64], gains: &[f32]) -> Vec<f64> {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    x.iter().zip(gains).map(|(x, g)| x / (mean + 1e-6).sqrt() * f64::from(*g)).collect()
}

fn plus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The head's logits for `rows`, `[n][feature_dim]`, with the attention that the blob asks for.
///
/// The queries, keys and values are rounded to f32 before attention, as they have to be stored.
pub fn head(blob: &WeightBlob, rows: &[f32]) -> Vec<f64> {
    let [d, q_heads, kv_heads, dim] =
        [blob.shape.input_dim, blob.shape.q_heads, blob.shape.kv_heads, blob.shape.head_dim]
            .map(usize::from);
    let trailer = &blob.trailer;
    let record = trailer.attention.unwrap_or_default();
    let pattern = SparsePattern {
        window: record.window.into(),
        block_size: record.block_size.into(),
        log_stride: record.log_stride,
        landmarks: record.landmarks,
        global_token: record.global_token,
        causal: true,
    };
    let pyramid = Pyramid { window: record.window.into(), per_level: record.per_level.into() };
    let over = match record.pattern {
        AttentionPattern::UpstreamEdges => Over::Sparse(&pattern, Weighting::Plain),
        AttentionPattern::LnCount => Over::Sparse(&pattern, Weighting::LnCount),
        AttentionPattern::Dense => Over::Dense { causal: true },
        AttentionPattern::Pyramid => Over::Pyramid(&pyramid),
        other => panic!("no twin for {other:?}"),
    };
    let mut file = blob.weights.as_slice();
    let mut matrix = |len: usize| {
        let (taken, rest) = file.split_at(len);
        file = rest;
        taken
    };

    let mut x: Vec<Vec<f64>> = rows
        .chunks(blob.feature_dim())
        .map(|row| {
            let mut row: Vec<f64> = row.iter().map(|number| f64::from(*number)).collect();
            if let Some(norm) = &trailer.normalisation {
                for (d, number) in row.iter_mut().enumerate() {
                    *number = (*number - f64::from(norm.mean[d])) * f64::from(norm.inv_std[d]);
                }
            }
            match &trailer.embedding {
                Some(embedding) => times(&row, &embedding.matrix),
                None => row,
            }
        })
        .collect();
    for layer in 0..usize::from(blob.shape.layers) {
        let (wq, wk, wv, wo) = (
            matrix(d * q_heads * dim),
            matrix(d * kv_heads * dim),
            matrix(d * kv_heads * dim),
            matrix(q_heads * dim * d),
        );
        let h: Vec<Vec<f64>> = match &trailer.rms_gains {
            Some(gains) => x.iter().map(|x| rms_norm(x, &gains[layer * d..][..d])).collect(),
            None => x.clone(),
        };
        let project = |w: &[f32], heads| {
            let numbers = h.iter().flat_map(|h| times(h, w)).map(|y| y as f32).collect();
            Tensor3::from_vec(numbers, h.len(), heads, dim).unwrap()
        };
        let inputs = Inputs {
            q: project(wq, q_heads),
            k: project(wk, kv_heads),
            v: project(wv, kv_heads),
            slopes: trailer
                .slopes
                .as_ref()
                .map_or(vec![], |slopes| slopes[layer * q_heads..][..q_heads].to_vec()),
        };
        let (mixed, _) = attention(&inputs, over);
        for (x, mixed) in x.iter_mut().zip(mixed.chunks(q_heads * dim)) {
            *x = plus(x, &times(mixed, wo));
            if let Some(feed_forward) = &trailer.feed_forward {
                let part = &feed_forward.layers[layer];
                let mut hidden = times(&rms_norm(x, &part.gains), &part.w1);
                hidden.iter_mut().for_each(|number| *number = number.max(0.0));
                *x = plus(x, &times(&hidden, &part.w2));
            }
        }
    }
    let pooled = match record.pooling {
        Pooling::Mean => {
            let sum = x.iter().fold(vec![0.0; d], |sum, x| plus(&sum, x));
            sum.into_iter().map(|sum| sum / x.len() as f64).collect()
        }
        Pooling::Last => x.last().unwrap().clone(),
    };
    let mut logits = times(&pooled, matrix(d * usize::from(blob.shape.classes)));
    if let Some(bias) = &trailer.bias {
        let bias: Vec<f64> = bias.iter().map(|bias| f64::from(*bias)).collect();
        logits = plus(&logits, &bias);
    }
    logits
}
