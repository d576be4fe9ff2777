//! Attention over a plan, and its gradient, for eight windows at once.
//!
//! The arithmetic of one row and head is that of the core's `attention::row`: scores, softmax,
//! weighted mean of the values. Backward, with `p` the weights and `d` the gradients:
//!
//! ```text
//! dp[e] = dout . v[e]           ds[e] = p[e] (dp[e] - sum p dp)
//! dv[e] += p[e] dout            dq += ds[e] k[e] / sqrt(dim)      dk[e] += ds[e] q / sqrt(dim)
//! dslope -= ds[e] distance[e]
//! ```

use csi_temporal::math::exp;

use super::lanes::{LANES, Lanes, ZERO, add_product, add_scaled, both, dot, total};
use super::params::Dims;
use super::plan::Plan;

/// What attention of one layer reads.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    pub dims: &'a Dims,
    pub plan: &'a Plan,
    /// `[q_heads]`.
    pub slopes: &'a [f32],
}

impl Heads<'_> {
    fn q_width(&self) -> usize {
        self.dims.q_heads * self.dims.head_dim
    }

    /// Returns where a bank row's numbers for a query head start.
    fn at(&self, row: usize, head: usize) -> usize {
        let Dims { q_heads, kv_heads, head_dim, .. } = *self.dims;
        (row * kv_heads + head / (q_heads / kv_heads)) * head_dim
    }

    fn scale(&self) -> f32 {
        1.0 / libm::sqrtf(self.dims.head_dim as f32)
    }

    /// Fills the rows of blocks with the means of their tokens; `bank` is `[bank][kv_heads * dim]`.
    pub fn means(&self, bank: &mut [Lanes]) {
        let width = self.dims.kv_heads * self.dims.head_dim;
        let (tokens, blocks) = bank.split_at_mut(self.plan.len * width);
        for (of, mean) in self.plan.blocks.iter().zip(blocks.chunks_exact_mut(width)) {
            mean.fill(ZERO);
            let share = 1.0 / of.len() as f32;
            for token in of.clone() {
                for (mean, token) in mean.iter_mut().zip(&tokens[token * width..]) {
                    add_scaled(mean, token, share);
                }
            }
        }
    }

    /// Hands the gradients of means to their tokens.
    pub fn means_back(&self, bank: &mut [Lanes]) {
        let width = self.dims.kv_heads * self.dims.head_dim;
        let (tokens, blocks) = bank.split_at_mut(self.plan.len * width);
        for (of, mean) in self.plan.blocks.iter().zip(blocks.chunks_exact(width)) {
            let share = 1.0 / of.len() as f32;
            for token in of.clone() {
                for (token, mean) in tokens[token * width..].iter_mut().zip(mean) {
                    add_scaled(token, mean, share);
                }
            }
        }
    }

    /// Fills the weights `p`, `[visits][q_heads]`, and what attention mixes, `[len][q_heads * dim]`.
    pub fn forward(
        &self,
        q: &[Lanes],
        k: &[Lanes],
        v: &[Lanes],
        p: &mut [Lanes],
        mixed: &mut [Lanes],
    ) {
        let (dim, heads, scale) = (self.dims.head_dim, self.dims.q_heads, self.scale());
        for row in 0..self.plan.len {
            let visits = self.plan.of(row);
            let p = &mut p[self.plan.range(row).start * heads..][..visits.len() * heads];
            for head in 0..heads {
                let at = row * self.q_width() + head * dim;
                let q = &q[at..][..dim];
                let mut max = [f32::NEG_INFINITY; LANES];
                for (visit, p) in visits.iter().zip(p[head..].iter_mut().step_by(heads)) {
                    let score = dot(q, &k[self.at(visit.row, head)..][..dim]);
                    let less = self.slopes[head] * visit.distance;
                    *p = score.map(|score| score * scale - less + visit.bonus);
                    max = both(&max, p, |max, score| if score > max { score } else { max });
                }
                let mut sum = ZERO;
                for p in p[head..].iter_mut().step_by(heads) {
                    *p = both(p, &max, |score, max| exp(score - max));
                    sum = both(&sum, p, |sum, p| sum + p);
                }
                let share = sum.map(|sum| 1.0 / sum);
                let out = &mut mixed[at..][..dim];
                out.fill(ZERO);
                for (visit, p) in visits.iter().zip(p[head..].iter_mut().step_by(heads)) {
                    *p = both(p, &share, |p, share| p * share);
                    for (out, v) in out.iter_mut().zip(&v[self.at(visit.row, head)..]) {
                        add_product(out, p, v);
                    }
                }
            }
        }
    }

    /// Fills `dq`, adds to `dk`, `dv` (over the bank) and to `dslopes`.
    #[expect(clippy::too_many_arguments, reason = "three operands and their gradients")]
    pub fn backward(
        &self,
        [q, k, v]: [&[Lanes]; 3],
        p: &[Lanes],
        dmixed: &[Lanes],
        dq: &mut [Lanes],
        dk: &mut [Lanes],
        dv: &mut [Lanes],
        ds: &mut Vec<Lanes>,
        dslopes: &mut [f32],
    ) {
        let (dim, heads, scale) = (self.dims.head_dim, self.dims.q_heads, self.scale());
        for (head, dslope) in dslopes.iter_mut().enumerate() {
            let mut by_distance = ZERO;
            for row in 0..self.plan.len {
                let visits = self.plan.of(row);
                let p = &p[self.plan.range(row).start * heads..][..visits.len() * heads];
                let at = row * self.q_width() + head * dim;
                let (q, dout) = (&q[at..][..dim], &dmixed[at..][..dim]);
                let mut mean = ZERO;
                ds.clear();
                for (visit, p) in visits.iter().zip(p[head..].iter().step_by(heads)) {
                    let at = self.at(visit.row, head);
                    let dp = dot(dout, &v[at..][..dim]);
                    add_product(&mut mean, p, &dp);
                    ds.push(dp);
                    for (dv, dout) in dv[at..].iter_mut().zip(dout) {
                        add_product(dv, p, dout);
                    }
                }
                let dq = &mut dq[at..][..dim];
                dq.fill(ZERO);
                for ((visit, p), dp) in visits.iter().zip(p[head..].iter().step_by(heads)).zip(&*ds)
                {
                    let at = self.at(visit.row, head);
                    let ds: Lanes = core::array::from_fn(|lane| p[lane] * (dp[lane] - mean[lane]));
                    add_scaled(&mut by_distance, &ds, visit.distance);
                    let ds = ds.map(|ds| ds * scale);
                    for (dq, k) in dq.iter_mut().zip(&k[at..]) {
                        add_product(dq, &ds, k);
                    }
                    for (dk, q) in dk[at..].iter_mut().zip(q) {
                        add_product(dk, &ds, q);
                    }
                }
            }
            *dslope -= total(&by_distance);
        }
    }
}
