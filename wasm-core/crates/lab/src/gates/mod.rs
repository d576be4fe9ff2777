//! The four gates that a sparse head has to pass before it replaces a dense one. Source: ADR-096,
//! section 5; the loss is ADR-024's.
//!
//! ```text
//! Material (gallery, queries, views) ─ head run dense ──> Embedded ─┐
//!                                    └ head run sparse ─> Embedded ─┴─ judge ─> Gates
//! ```
//!
//! An embedding is what the classifier reads: a window's pooled vector, by its direction. The gallery are
//! training windows, queries are held out. A gate has one figure, in which less is better for
//! the loss and the rank, more for the others:
//!
//! 1. **loss**: the contrastive loss on two views of each query, and InfoNCE alone, may be worse than dense by 1 %.
//!    Both, because the VICReg terms of vectors of length 1 hardly move and would hide the rest.
//! 2. **rank-1**: the share of queries whose nearest gallery window has their class may be a point less.
//! 3. **order**: the gallery's 50 windows nearest to a query by the dense head, ordered by either head: Spearman's
//!    correlation, the mean over the queries, at least 0.95.
//! 4. **latency**: sparse attention over the deployed window is at least five times as fast as our own dense.
//!    The lab has no clock: the caller measures.
//!
//! This module trains no head; it makes no index, so neighbours are exact.

mod material;
mod measures;

pub use material::{Material, embeddings};
pub use measures::{Contrastive, TEMPERATURE, Units, nearest, rank_one, spearman};

use csi_temporal::attention::BackendKind;
use csi_temporal::head::{HeadError, TemporalHead};
use serde::Serialize;

/// Neighbours whose order counts.
pub const NEIGHBOURS: usize = 50;
/// Pairs of views in a batch of the loss, the last one excepted.
pub const BATCH: usize = 64;

/// What a head makes of the material.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    gallery: Units,
    queries: Units,
    /// The loss on the views.
    pub contrastive: Contrastive,
    /// Share of the queries whose nearest window has their class.
    pub rank_one: f64,
}

impl Embedded {
    /// Runs a head by a backend over all windows.
    ///
    /// # Errors
    ///
    /// As [`embeddings`].
    pub fn new(
        head: &TemporalHead,
        backend: BackendKind,
        material: &Material,
    ) -> Result<Self, HeadError> {
        let gallery = embeddings(head, backend, &material.gallery)?;
        let queries = embeddings(head, backend, &material.queries)?;
        let batch = |views: &[[Vec<f32>; 2]]| {
            let [a, b] = [0, 1].map(|of| views.iter().map(move |view| &view[of]));
            let (a, b) = (embeddings(head, backend, a)?, embeddings(head, backend, b)?);
            Ok((Contrastive::of_pairs(&a, &b), views.len()))
        };
        let batches: Vec<_> =
            material.views.chunks(BATCH).map(batch).collect::<Result<_, HeadError>>()?;
        let right =
            rank_one(&queries, &material.query_classes, &gallery, &material.gallery_classes);
        let contrastive = Contrastive::mean(&batches);
        let rank_one = right as f64 / material.queries.len().max(1) as f64;
        Ok(Self { gallery, queries, contrastive, rank_one })
    }
}

/// Times of one attention over the deployed window, in any one unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Our dense attention.
    pub dense: f64,
    /// The pattern.
    pub sparse: f64,
}

/// One gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// What was found.
    pub figure: f64,
    /// What is allowed.
    pub limit: f64,
    /// Whether it passes.
    pub passes: bool,
}

impl Gate {
    fn at_most(figure: f64, limit: f64) -> Self {
        Self { figure, limit, passes: figure <= limit }
    }

    fn at_least(figure: f64, limit: f64) -> Self {
        Self { figure, limit, passes: figure >= limit }
    }
}

/// What a sparse head is beside a dense one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gates {
    /// Windows behind rank and order.
    pub queries: usize,
    /// Windows among which neighbours are sought.
    pub gallery: usize,
    /// Neighbours whose order counts: 50, or all of a smaller gallery.
    pub neighbours: usize,
    /// By which share the loss grew, the worse of the whole and InfoNCE alone; at most 0.01.
    pub loss: Gate,
    /// By how much rank-1 fell, as a share of the queries; at most 0.01.
    pub rank_one: Gate,
    /// Mean Spearman correlation; at least 0.95.
    pub order: Gate,
    /// Share of the dense head's neighbours that are the sparse head's, too. No gate.
    pub shared_neighbours: f64,
    /// How many times as fast; at least 5. `None` if nothing was measured.
    pub latency: Option<Gate>,
    /// Whether all four pass.
    pub passes: bool,
}

/// Compares two runs over the same material, the dense one first.
pub fn judge(dense: &Embedded, sparse: &Embedded, latency: Option<Latency>) -> Gates {
    let growth = |of: fn(&Contrastive) -> f64| {
        let (before, after) = (of(&dense.contrastive), of(&sparse.contrastive));
        if before == after { 0.0 } else { after / before - 1.0 }
    };
    let loss = Gate::at_most(growth(|of| of.total).max(growth(|of| of.info_nce)), 0.01);
    // A window in a hundred is a point: its share must not fall beyond it by rounding.
    let fall = dense.rank_one - sparse.rank_one;
    let rank_one = Gate { passes: fall <= 0.01 + 1e-12, ..Gate::at_most(fall, 0.01) };

    let (queries, gallery) = (dense.queries.len(), dense.gallery.len());
    let neighbours = gallery.min(NEIGHBOURS);
    let (mut correlation, mut shared) = (0.0, 0.0);
    for query in 0..queries {
        let by_dense = dense.gallery.similarities(dense.queries.row(query));
        let by_sparse = sparse.gallery.similarities(sparse.queries.row(query));
        let nearest_dense = nearest(&by_dense, neighbours);
        let nearest_sparse = nearest(&by_sparse, neighbours);
        let of = |all: &[f64]| nearest_dense.iter().map(|at| all[*at]).collect::<Vec<f64>>();
        let (a, b) = (of(&by_dense), of(&by_sparse));
        // Constant similarities have no order to keep, unless both are the same.
        correlation += spearman(&a, &b).unwrap_or(if a == b { 1.0 } else { 0.0 });
        let both = nearest_sparse.iter().filter(|at| nearest_dense.contains(at)).count();
        shared += both as f64 / neighbours.max(1) as f64;
    }
    let mean = |sum: f64| sum / queries.max(1) as f64;
    let order = Gate::at_least(mean(correlation), 0.95);
    let latency = latency.map(|of| Gate::at_least(of.dense / of.sparse, 5.0));
    Gates {
        queries,
        gallery,
        neighbours,
        loss,
        rank_one,
        order,
        shared_neighbours: mean(shared),
        latency,
        passes: loss.passes
            && rank_one.passes
            && order.passes
            && latency.is_some_and(|latency| latency.passes),
    }
}
