//! The head, forward and backward, for eight windows side by side.
//!
//! Forward it is `csi_temporal::head`, step by step; that module says what is computed. Only the
//! order in which the last rows are pooled differs, and that of the means of blocks, so that the
//! two agree to rounding (`train_equals_head.rs`). Backward passes are written by hand, one below
//! each step; `train_gradients.rs` holds them against finite differences.

use csi_temporal::rvne::Pooling;

use super::attend::Heads;
use super::lanes::{self, Lanes, ZERO, add_product, add_scaled, both, dot, total};
use super::params::{LayerRanges, Layout};
use super::plan::Plan;

/// As the core's.
const RMS_EPSILON: f32 = 1e-6;

/// A head at work, with everything that a backward pass needs of the last forward pass.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where the numbers lie.
    pub layout: Layout,
    plan: Plan,
    pooling: Pooling,
    layers: Vec<LayerWork>,
    /// The rows after each step, `[len][width]`.
    x: Vec<Lanes>,
    pooled: Vec<Lanes>,
    logits: Vec<Lanes>,
    back: Back,
}

/// What a layer remembers.
#[derive(Clone, Debug)]
struct LayerWork {
    before: Normed,
    q: Vec<Lanes>,
    k: Vec<Lanes>,
    v: Vec<Lanes>,
    p: Vec<Lanes>,
    mixed: Vec<Lanes>,
    middle: Normed,
    hidden: Vec<Lanes>,
}

/// Rows, and what RMS-norm made of them.
#[derive(Clone, Debug)]
struct Normed {
    x: Vec<Lanes>,
    inverse: Vec<Lanes>,
    out: Vec<Lanes>,
}

/// Gradients on their way down.
#[derive(Clone, Debug)]
struct Back {
    dx: Vec<Lanes>,
    dh: Vec<Lanes>,
    dhidden: Vec<Lanes>,
    dmixed: Vec<Lanes>,
    dq: Vec<Lanes>,
    dk: Vec<Lanes>,
    dv: Vec<Lanes>,
    ds: Vec<Lanes>,
}

impl Model {
    /// Makes room for windows of the plan's length.
    pub fn new(layout: Layout, plan: Plan, pooling: Pooling) -> Self {
        let dims = layout.dims;
        let (n, bank) = (plan.len, plan.bank());
        let (q, kv) = (dims.q_heads * dims.head_dim, dims.kv_heads * dims.head_dim);
        let zeros = |rows: usize, width: usize| vec![ZERO; rows * width];
        let normed =
            || Normed { x: zeros(n, dims.width), inverse: zeros(n, 1), out: zeros(n, dims.width) };
        let layer = || LayerWork {
            before: normed(),
            q: zeros(n, q),
            k: zeros(bank, kv),
            v: zeros(bank, kv),
            p: zeros(plan.visits(), dims.q_heads),
            mixed: zeros(n, q),
            middle: normed(),
            hidden: zeros(n, dims.hidden),
        };
        Self {
            layers: (0..dims.layers).map(|_| layer()).collect(),
            x: zeros(n, dims.width),
            pooled: zeros(1, dims.width),
            logits: zeros(1, dims.classes),
            back: Back {
                dx: zeros(n, dims.width),
                dh: zeros(n, dims.width),
                dhidden: zeros(n, dims.hidden),
                dmixed: zeros(n, q),
                dq: zeros(n, q),
                dk: zeros(bank, kv),
                dv: zeros(bank, kv),
                ds: Vec::new(),
            },
            layout,
            plan,
            pooling,
        }
    }

    /// Runs eight windows, `rows` is `[len][features]`, normalised; returns logits, `[classes]`.
    pub fn forward(&mut self, numbers: &[f32], rows: &[Lanes]) -> &[Lanes] {
        let Self { layout, plan, pooling, layers, x, pooled, logits, .. } = self;
        let dims = &layout.dims;
        if layout.embedding.is_empty() {
            x.copy_from_slice(rows);
        } else {
            lanes::apply(&numbers[layout.embedding.clone()], dims.width, rows, x);
        }
        for (ranges, work) in layout.layers.iter().zip(layers) {
            let of = |range: &core::ops::Range<usize>| &numbers[range.clone()];
            let (q, kv) = (dims.q_heads * dims.head_dim, dims.kv_heads * dims.head_dim);
            let heads = Heads { dims, plan, slopes: of(&ranges.slopes) };
            work.before.forward(x, of(&ranges.gains));
            let h = &work.before.out;
            lanes::apply(of(&ranges.wq), q, h, &mut work.q);
            lanes::apply(of(&ranges.wk), kv, h, &mut work.k[..plan.len * kv]);
            lanes::apply(of(&ranges.wv), kv, h, &mut work.v[..plan.len * kv]);
            heads.means(&mut work.k);
            heads.means(&mut work.v);
            heads.forward(&work.q, &work.k, &work.v, &mut work.p, &mut work.mixed);
            // `out` of the other norm serves as room for what is added.
            let change = &mut work.middle.out;
            lanes::apply(of(&ranges.wo), dims.width, &work.mixed, change);
            lanes::add(x, change);
            if dims.hidden > 0 {
                work.middle.forward(x, of(&ranges.ff_gains));
                lanes::apply(of(&ranges.w1), dims.hidden, &work.middle.out, &mut work.hidden);
                for number in work.hidden.as_flattened_mut() {
                    *number = if *number < 0.0 { 0.0 } else { *number };
                }
                let change = &mut self.back.dh;
                lanes::apply(of(&ranges.w2), dims.width, &work.hidden, change);
                lanes::add(x, change);
            }
        }
        pooled.fill(ZERO);
        let (first, share) = pooled_rows(*pooling, plan.len);
        for row in x.chunks_exact(dims.width).skip(first) {
            for (pooled, x) in pooled.iter_mut().zip(row) {
                add_scaled(pooled, x, share);
            }
        }
        lanes::apply(&numbers[layout.classifier.clone()], dims.classes, pooled, logits);
        for (logit, bias) in logits.iter_mut().zip(&numbers[layout.bias.clone()]) {
            logit.iter_mut().for_each(|logit| *logit += bias);
        }
        logits
    }

    /// Returns what the classifier read in the last forward pass, `[width]`: the embedding.
    pub fn pooled(&self) -> &[Lanes] {
        &self.pooled
    }

    /// Adds to `grad`, as long as the list of numbers, the gradients of the last forward pass, given
    /// those of its logits and, if anything else reads them, of what it pooled.
    pub fn backward(
        &mut self,
        numbers: &[f32],
        rows: &[Lanes],
        dlogits: &[Lanes],
        dpooled: Option<&[Lanes]>,
        grad: &mut [f32],
    ) {
        let Self { layout, plan, pooling, layers, pooled, back, .. } = self;
        let dims = &layout.dims;
        for (grad, dlogit) in grad[layout.bias.clone()].iter_mut().zip(dlogits) {
            *grad += total(dlogit);
        }
        lanes::apply_grad(dims.classes, pooled, dlogits, &mut grad[layout.classifier.clone()]);
        let mut dpooled = dpooled.map_or_else(|| vec![ZERO; dims.width], <[Lanes]>::to_vec);
        lanes::apply_back(&numbers[layout.classifier.clone()], dims.classes, dlogits, &mut dpooled);
        let (first, share) = pooled_rows(*pooling, plan.len);
        for (row, dx) in back.dx.chunks_exact_mut(dims.width).enumerate() {
            let share = if row >= first { share } else { 0.0 };
            for (dx, dpooled) in dx.iter_mut().zip(&dpooled) {
                *dx = dpooled.map(|number| number * share);
            }
        }
        for (ranges, work) in layout.layers.iter().zip(layers).rev() {
            work.backward(ranges, layout, plan, numbers, grad, back);
        }
        if !layout.embedding.is_empty() {
            lanes::apply_grad(dims.width, rows, &back.dx, &mut grad[layout.embedding.clone()]);
        }
    }
}

/// Returns the first row that is pooled, and the share of each.
fn pooled_rows(pooling: Pooling, len: usize) -> (usize, f32) {
    match pooling {
        Pooling::Mean => (0, 1.0 / len as f32),
        Pooling::Last => (len - 1, 1.0),
    }
}

impl LayerWork {
    /// Turns `back.dx`, the gradient of the layer's output, into that of its input.
    fn backward(
        &mut self,
        ranges: &LayerRanges,
        layout: &Layout,
        plan: &Plan,
        numbers: &[f32],
        grad: &mut [f32],
        back: &mut Back,
    ) {
        let dims = &layout.dims;
        let of = |range: &core::ops::Range<usize>| &numbers[range.clone()];
        let Back { dx, dh, dhidden, dmixed, dq, dk, dv, ds } = back;
        if dims.hidden > 0 {
            lanes::apply_grad(dims.width, &self.hidden, dx, &mut grad[ranges.w2.clone()]);
            dhidden.fill(ZERO);
            lanes::apply_back(of(&ranges.w2), dims.width, dx, dhidden);
            for (d, hidden) in dhidden.as_flattened_mut().iter_mut().zip(self.hidden.as_flattened())
            {
                *d = if *hidden > 0.0 { *d } else { 0.0 };
            }
            lanes::apply_grad(dims.hidden, &self.middle.out, dhidden, &mut grad[ranges.w1.clone()]);
            dh.fill(ZERO);
            lanes::apply_back(of(&ranges.w1), dims.hidden, dhidden, dh);
            self.middle.backward(of(&ranges.ff_gains), dh, dx, &mut grad[ranges.ff_gains.clone()]);
        }
        let (q_width, kv) = (dims.q_heads * dims.head_dim, dims.kv_heads * dims.head_dim);
        lanes::apply_grad(dims.width, &self.mixed, dx, &mut grad[ranges.wo.clone()]);
        dmixed.fill(ZERO);
        lanes::apply_back(of(&ranges.wo), dims.width, dx, dmixed);
        let heads = Heads { dims, plan, slopes: of(&ranges.slopes) };
        dk.fill(ZERO);
        dv.fill(ZERO);
        let qkv = [&self.q[..], &self.k[..], &self.v[..]];
        heads.backward(qkv, &self.p, dmixed, dq, dk, dv, ds, &mut grad[ranges.slopes.clone()]);
        heads.means_back(dk);
        heads.means_back(dv);
        let tokens = plan.len * kv;
        dh.fill(ZERO);
        for (range, outs, dy) in [
            (&ranges.wq, q_width, &dq[..]),
            (&ranges.wk, kv, &dk[..tokens]),
            (&ranges.wv, kv, &dv[..tokens]),
        ] {
            lanes::apply_grad(outs, &self.before.out, dy, &mut grad[range.clone()]);
            lanes::apply_back(of(range), outs, dy, dh);
        }
        self.before.backward(of(&ranges.gains), dh, dx, &mut grad[ranges.gains.clone()]);
    }
}

impl Normed {
    /// `out = x / sqrt(mean(x * x) + eps) * gains`, row by row.
    fn forward(&mut self, x: &[Lanes], gains: &[f32]) {
        self.x.copy_from_slice(x);
        let width = gains.len();
        let rows = x.chunks_exact(width).zip(self.out.chunks_exact_mut(width));
        for ((x, out), inverse) in rows.zip(&mut self.inverse) {
            let sum = dot(x, x);
            *inverse = sum.map(|sum| 1.0 / libm::sqrtf(sum / width as f32 + RMS_EPSILON));
            for ((out, x), gain) in out.iter_mut().zip(x).zip(gains) {
                *out = both(x, inverse, |x, inverse| x * inverse * gain);
            }
        }
    }

    /// Adds to `dx` and to the gains' gradient:
    /// `dx += inverse (g dh) - x inverse^3 / width * sum(g dh x)`.
    fn backward(&self, gains: &[f32], dh: &[Lanes], dx: &mut [Lanes], dgains: &mut [f32]) {
        let width = gains.len();
        let mut sums = vec![ZERO; width];
        let rows = self.x.chunks_exact(width).zip(&self.inverse);
        let grads = dh.chunks_exact(width).zip(dx.chunks_exact_mut(width));
        for ((x, inverse), (dh, dx)) in rows.zip(grads) {
            let mut along = ZERO;
            for (((x, dh), gain), sum) in x.iter().zip(dh).zip(gains).zip(&mut sums) {
                let product = both(x, dh, |x, dh| x * dh);
                add_product(sum, &product, inverse);
                add_scaled(&mut along, &product, *gain);
            }
            let pull = both(&along, inverse, |along, inverse| {
                along * inverse * inverse * inverse / width as f32
            });
            for (((dx, x), dh), gain) in dx.iter_mut().zip(x).zip(dh).zip(gains) {
                for lane in 0..lanes::LANES {
                    dx[lane] += inverse[lane] * gain * dh[lane] - x[lane] * pull[lane];
                }
            }
        }
        for (dgain, sum) in dgains.iter_mut().zip(&sums) {
            *dgain += total(sum);
        }
    }
}
