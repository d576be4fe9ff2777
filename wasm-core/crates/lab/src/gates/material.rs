//! Windows as gates take them, and what a head makes of them.

use csi_temporal::attention::BackendKind;
use csi_temporal::head::{HeadError, TemporalHead};
use csi_temporal::rvne::{Normalisation, Pooling};

use super::measures::Units;
use crate::dataset::Windows;
use crate::random::Random;
use crate::train::Augment;

/// Pairs of views made of each window.
const DRAWS: usize = 4;

/// Labelled windows, as a head reads them, shape `[rows][feature_dim]` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Material {
    /// Windows that are known: those of training.
    pub gallery: Vec<Vec<f32>>,
    /// Their classes.
    pub gallery_classes: Vec<usize>,
    /// Windows to be told: those held out.
    pub queries: Vec<Vec<f32>>,
    /// Their classes.
    pub query_classes: Vec<usize>,
    /// Two views of each query, a few times over, in no order.
    pub views: Vec<[Vec<f32>; 2]>,
}

impl Material {
    /// Takes windows of a training and a test set, and makes views of the latter by the trainer's own
    /// changes. `normalisation` is the head's, which says what a standard deviation is.
    pub fn new(
        train: &Windows,
        test: &Windows,
        normalisation: Option<&Normalisation>,
        augment: &Augment,
        seed: u64,
    ) -> Self {
        let read = |of: &Windows| {
            let window = |cut| {
                let mut rows = Vec::new();
                of.read(cut, &mut rows);
                rows
            };
            of.cuts.iter().map(window).collect::<Vec<_>>()
        };
        let classes = |of: &Windows| of.cuts.iter().map(|cut| cut.class).collect();
        let mut random = Random::new(seed);
        let mut views = Vec::new();
        for _ in 0..DRAWS {
            for cut in &test.cuts {
                let mut view = || {
                    let start = augment.start(cut.start, &cut.room, &mut random);
                    let mut rows = test.raw(cut.tape, start).to_vec();
                    augment.rescale(&mut rows, &mut random);
                    let config = &test.tapes[cut.tape].config;
                    config.finish_window(&mut rows);
                    let dim = test.dim();
                    normalise(&mut rows, dim, normalisation);
                    augment.disturb(&mut rows, dim, config.base_dim(), &mut random);
                    restore(&mut rows, dim, normalisation);
                    rows
                };
                views.push([view(), view()]);
            }
        }
        random.shuffle(&mut views);
        Self {
            gallery: read(train),
            gallery_classes: classes(train),
            queries: read(test),
            query_classes: classes(test),
            views,
        }
    }
}

fn normalise(rows: &mut [f32], dim: usize, normalisation: Option<&Normalisation>) {
    each(rows, dim, normalisation, |number, mean, inv_std| (number - mean) * inv_std);
}

fn restore(rows: &mut [f32], dim: usize, normalisation: Option<&Normalisation>) {
    each(rows, dim, normalisation, |number, mean, inv_std| number / inv_std + mean);
}

fn each(
    rows: &mut [f32],
    dim: usize,
    normalisation: Option<&Normalisation>,
    change: impl Fn(f32, f32, f32) -> f32,
) {
    let Some(Normalisation { mean, inv_std }) = normalisation else { return };
    for row in rows.chunks_exact_mut(dim.max(1)) {
        for (number, (mean, inv_std)) in row.iter_mut().zip(mean.iter().zip(inv_std)) {
            // A constant feature has nothing to restore it by.
            if *inv_std != 0.0 {
                *number = change(*number, *mean, *inv_std);
            }
        }
    }
}

/// Returns what the classifier of a head reads of each window, before its matrix: the mean over
/// the rows after the last layer, or the last row, by the blob's own pooling. `[windows][D]`.
///
/// # Errors
///
/// [`HeadError`] for rows that are not the head's, or numbers out of range.
pub fn embeddings<'a>(
    head: &TemporalHead,
    backend: BackendKind,
    windows: impl IntoIterator<Item = &'a Vec<f32>>,
) -> Result<Units, HeadError> {
    let dim = usize::from(head.shape().input_dim);
    let mut all = Vec::new();
    for rows in windows {
        let hidden = head.hidden(rows, backend)?;
        match head.pooling() {
            Pooling::Last => all.extend_from_slice(&hidden[hidden.len() - dim..]),
            Pooling::Mean => {
                let count = (hidden.len() / dim) as f64;
                let mean = |d: usize| {
                    let column = hidden.iter().skip(d).step_by(dim);
                    (column.map(|number| f64::from(*number)).sum::<f64>() / count) as f32
                };
                all.extend((0..dim).map(mean));
            }
        }
    }
    Ok(Units::new(&all, dim))
}
