//! The salient pattern: the last tokens one by one, everything older through groups of like keys.
//!
//! Row `i` sees tokens `i - window ..= i` exactly. A token that leaves the window becomes a group
//! of one; when there are more than `groups` of them, the two whose keys differ least, by mass,
//! are joined (`groups` says how that is measured). A group is seen through its mean key and mean
//! value, and its score gets `+ ln(mass)`, the mass being its number of tokens, or what recency
//! slopes leave of it. So every past token is counted exactly once, a row never sees more than
//! `window + 1 + groups` things, and tokens unlike all others (the salient ones) stay exact.
//!
//! The edges of a row, in the order of its sums: groups ascending by their first token, then the
//! window ascending.
//!
//! What is grouped depends on keys of past tokens alone. A row never depends on the future, and
//! [`forward`] is [`SalientStream`] run over the window: the same code, the same bits.
//!
//! Groups are not contiguous in time, which is what sets this pattern apart from block means. A
//! row costs its edges and up to `groups` key distances. It is causal only.

mod groups;
mod stream;

pub use stream::SalientStream;

use super::map::Heads;
use super::row::RowOf;
use super::{AttentionError, Qkv};
use crate::tensor::Tensor3;
use alloc::vec;
use alloc::vec::Vec;

/// The salient pattern's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salient {
    /// Tokens before the row that it sees one by one; 0 = itself.
    pub window: usize,
    /// The most groups that older tokens form, at least 1.
    pub groups: usize,
}

impl Salient {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroGroups`].
    pub fn validate(&self) -> Result<(), AttentionError> {
        if self.groups == 0 { Err(AttentionError::ZeroGroups) } else { Ok(()) }
    }

    /// Counts the edges of a whole pass over `seq` tokens, per head.
    pub fn edge_count(&self, seq: usize) -> usize {
        let edges = |row: usize| {
            let window = self.window.min(row);
            window + 1 + self.groups.min(row - window)
        };
        (0..seq).map(edges).sum()
    }

    /// Returns what row `row` looks at, edge by edge in order: the tokens of each.
    ///
    /// # Errors
    ///
    /// As [`forward`]; [`AttentionError::RowOutOfRange`].
    pub fn row_edges(
        &self,
        input: &Qkv<'_>,
        row: usize,
    ) -> Result<Vec<Vec<usize>>, AttentionError> {
        let mut pass = Pass::new(self, input)?;
        pass.run_to(row)?;
        Ok(pass.edges)
    }

    /// Returns the pattern as it is over `seq` tokens: no larger, with the same edges.
    fn within(&self, seq: usize) -> Self {
        Self { window: self.window.min(seq), groups: self.groups.min(seq.max(1)) }
    }
}

/// Computes attention over a window, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// What [`Salient::validate`] and [`Qkv::validate`] refuse; [`AttentionError::Overflow`].
pub fn forward(input: &Qkv<'_>, pattern: &Salient) -> Result<Tensor3, AttentionError> {
    input.validate()?;
    let mut stream = stream_for(input, pattern)?;
    let [seq, q_heads, dim] = input.q.shape();
    let mut out = Tensor3::zeros(seq, q_heads, dim);
    let (q_width, kv_width) = (q_heads * dim, input.k.heads() * dim);
    let queries =
        input.q.data().chunks_exact(q_width).zip(out.data_mut().chunks_exact_mut(q_width));
    let kv = input.k.data().chunks_exact(kv_width).zip(input.v.data().chunks_exact(kv_width));
    for ((q, out), (k, v)) in queries.zip(kv) {
        stream.push(q, k, v, out)?;
    }
    Ok(out)
}

/// Computes one row of the map of effective weights, `[seq]`: see [`super::map`]. A group's weight
/// is shared out evenly among its tokens; with slopes, in proportion to their masses.
///
/// # Errors
///
/// As [`forward`]; [`AttentionError::RowOutOfRange`]; [`AttentionError::HeadOutOfRange`].
pub fn map_row(
    input: &Qkv<'_>,
    pattern: &Salient,
    row: usize,
    heads: Heads,
) -> Result<Vec<f32>, AttentionError> {
    let mut out = Vec::new();
    map_rows(input, pattern, heads, [row], |_, weights| out.extend_from_slice(weights))?;
    Ok(out)
}

/// Computes some rows of the map and hands each to `take`, with its number. Ascending rows take one
/// pass over the tokens; each step back takes another one.
///
/// # Errors
///
/// As [`map_row`]; `take` then has had the rows before.
pub fn map_rows(
    input: &Qkv<'_>,
    pattern: &Salient,
    heads: Heads,
    rows: impl IntoIterator<Item = usize>,
    mut take: impl FnMut(usize, &[f32]),
) -> Result<(), AttentionError> {
    let mut pass = Pass::new(pattern, input)?;
    let heads = heads.of(input.q.heads())?;
    let mut out = vec![0.0; input.q.seq()];
    for row in rows {
        if (row as u64) + 1 < pass.stream.len() {
            pass = Pass::new(pattern, input)?;
        }
        pass.run_to(row)?;
        out.fill(0.0);
        pass.weigh(heads.clone(), &mut out)?;
        take(row, &out);
    }
    Ok(())
}

/// Computes the map, `[seq * seq]`, one row after the other.
///
/// # Errors
///
/// As [`map_row`]; [`AttentionError::MapTooLarge`].
pub fn map(input: &Qkv<'_>, pattern: &Salient, heads: Heads) -> Result<Vec<f32>, AttentionError> {
    let seq = input.q.seq();
    super::map::check_seq(seq)?;
    let mut out = Vec::with_capacity(seq * seq);
    map_rows(input, pattern, heads, 0..seq, |_, weights| out.extend_from_slice(weights))?;
    Ok(out)
}

fn stream_for(input: &Qkv<'_>, pattern: &Salient) -> Result<SalientStream, AttentionError> {
    let [seq, q_heads, dim] = input.q.shape();
    pattern.validate()?;
    SalientStream::new(&pattern.within(seq), q_heads, input.k.heads(), dim, input.slopes)
}

/// A stream that remembers which tokens its groups have.
struct Pass<'a> {
    input: &'a Qkv<'a>,
    stream: SalientStream,
    /// The edges of the newest row.
    edges: Vec<Vec<usize>>,
}

impl<'a> Pass<'a> {
    fn new(pattern: &Salient, input: &'a Qkv<'a>) -> Result<Self, AttentionError> {
        input.validate()?;
        let stream = stream_for(input, pattern)?;
        Ok(Self { input, stream, edges: Vec::new() })
    }

    fn run_to(&mut self, row: usize) -> Result<(), AttentionError> {
        let [seq, kv_heads, dim] = self.input.k.shape();
        if row >= seq {
            return Err(AttentionError::RowOutOfRange { row, seq });
        }
        let width = kv_heads * dim;
        for token in self.stream.len() as usize..=row {
            let at = token * width..(token + 1) * width;
            let joined =
                self.stream.take(&self.input.k.data()[at.clone()], &self.input.v.data()[at]);
            self.edges.push(vec![token]);
            if let Some(joined) = joined {
                let from = self.edges.remove(joined.from);
                self.edges[joined.into].extend(from);
            }
        }
        self.edges.iter_mut().for_each(|tokens| tokens.sort_unstable());
        Ok(())
    }

    /// Adds the weights of the newest row, the mean over `heads`, to `out`.
    fn weigh(
        &mut self,
        heads: core::ops::Range<usize>,
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let row = self.stream.len() as usize - 1;
        let share = 1.0 / heads.len() as f32;
        let mut weights = Vec::new();
        let (bank, plan) = self.stream.plan();
        for head in heads {
            let one = RowOf { bank, plan, at: 0, head, slope: 0.0 };
            let inverse_sum = one
                .weigh(self.input.q.row(row, head), &mut weights)
                .ok_or(AttentionError::Overflow { token: row, head })?;
            let slope = self.input.slopes.get(head).copied().unwrap_or(0.0);
            for (tokens, weight) in self.edges.iter().zip(&weights) {
                let newest = tokens[tokens.len() - 1];
                let mass = |token: usize| match slope {
                    0.0 => 1.0,
                    _ => crate::math::exp(-slope * (newest - token) as f32),
                };
                let total: f32 = tokens.iter().map(|token| mass(*token)).sum();
                let whole = weight * inverse_sum * share / total;
                tokens.iter().for_each(|token| out[*token] += whole * mass(*token));
            }
        }
        Ok(())
    }
}
