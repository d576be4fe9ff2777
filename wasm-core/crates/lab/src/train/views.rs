//! Batches of the contrastive objective: two views of every window.
//!
//! The objective reads all embeddings of a batch at once, and a backward pass needs what its forward
//! pass left behind. So every group runs forward twice: once for its embeddings, and again, with
//! their gradients known, before it runs backward. Memory stays that of one group and the rows.

use super::Contrast;
use super::lanes::{LANES, Lanes, ZERO};
use super::trainer::Trainer;

impl Trainer {
    /// A batch forward and backward; `with_classes` adds cross-entropy over all views.
    pub(super) fn views(&mut self, contrast: &Contrast, with_classes: bool) {
        let batch = self.config.batch.max(1).next_multiple_of(LANES);
        let end = (self.next + batch).min(self.order.len());
        let cuts = self.order[self.next..end].to_vec();
        self.next = end;
        let (pairs, width) = (cuts.len(), self.model.layout.dims.width);
        let groups = pairs.div_ceil(LANES);
        let mut embeddings = vec![0.0; 2 * pairs * width];
        let mut rows: Vec<Vec<Lanes>> = Vec::with_capacity(2 * groups);
        for view in embeddings.chunks_exact_mut(pairs * width) {
            for (cuts, of) in cuts.chunks(LANES).zip(view.chunks_mut(LANES * width)) {
                for (lane, cut) in cuts.iter().enumerate() {
                    self.fill(lane, *cut);
                }
                self.model.forward(&self.numbers, &self.rows);
                for (lane, of) in of.chunks_exact_mut(width).enumerate() {
                    for (number, pooled) in of.iter_mut().zip(self.model.pooled()) {
                        *number = pooled[lane];
                    }
                }
                rows.push(self.rows.clone());
            }
        }
        let mut grad = vec![0.0; embeddings.len()];
        let terms = contrast.terms(&embeddings, width, &mut grad);
        // The step divides by the weight of the batch, which the objective's mean knows nothing of.
        let class = |cut: &usize| self.windows.cuts[*cut].class;
        let weight = 2.0 * cuts.iter().map(|cut| self.class_weights[class(cut)]).sum::<f32>();
        let mut sums = [weight * contrast.total(&terms), 0.0, 0.0];
        let views = grad.chunks_exact(pairs * width);
        let of_groups = views.flat_map(|view| view.chunks(LANES * width));
        let cuts_of_groups = cuts.chunks(LANES).cycle();
        for ((rows, grad), cuts) in rows.iter().zip(of_groups).zip(cuts_of_groups) {
            let (mut weights, mut classes) = (ZERO, [0; LANES]);
            let mut dpooled = vec![ZERO; width];
            for (lane, (cut, grad)) in cuts.iter().zip(grad.chunks_exact(width)).enumerate() {
                classes[lane] = self.windows.cuts[*cut].class;
                weights[lane] = self.class_weights[classes[lane]];
                for (dpooled, grad) in dpooled.iter_mut().zip(grad) {
                    dpooled[lane] = weight * grad;
                }
            }
            let mut outcome = self.judge(rows, &classes, &weights);
            if with_classes {
                sums[0] += outcome.losses.iter().sum::<f32>();
            } else {
                outcome.dlogits.fill(ZERO);
            }
            sums[1] += outcome.right;
            sums[2] += outcome.weight;
            let (dlogits, grad) = (&outcome.dlogits, &mut self.grad);
            self.model.backward(&self.numbers, rows, dlogits, Some(&dpooled), grad);
        }
        self.account(groups, sums);
    }
}
