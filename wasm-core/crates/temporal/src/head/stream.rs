//! The head row by row: what a node does per frame when its blob streams.
//!
//! After `n` steps the last row's logits are those of a forward pass over the same `n` rows with
//! last-row pooling, to the bit: over upstream's edges while `n <= capacity`, over a pyramid or
//! groups of like keys always. A stream has no end and its memory does not grow; beyond `capacity`
//! rows, upstream's edges to rows that were forgotten are left out (`attention::stream`).
//!
//! A head with mean pooling says the mean of the last rows' logits: of as many rows as the blob
//! reads per classification, or of all while there are fewer. A window would take the mean of rows
//! that look back no further than its own first row; a stream's rows look back without end.

use super::parts::Scratch;
use super::readout::{Pool, RecentMean};
use super::steps::Steps;
use super::window::MadeFor;
use super::{HeadError, TemporalHead};
use crate::attention::BackendKind;
use crate::rvne::Pooling;
use alloc::vec;
use alloc::vec::Vec;

/// The state of one stream of rows.
#[derive(Clone, Debug)]
pub struct HeadStream {
    made_for: MadeFor,
    steps: Steps,
    is_broken: bool,
    scratch: Scratch,
    x: Vec<f32>,
    pool: Pool,
    /// With mean pooling.
    recent: Option<RecentMean>,
}

impl HeadStream {
    pub(super) fn new(
        head: &TemporalHead,
        backend: BackendKind,
        capacity: usize,
    ) -> Result<Self, HeadError> {
        let recent = match head.pooling {
            Pooling::Mean => Some(RecentMean::new(head)?),
            Pooling::Last => None,
        };
        Ok(Self {
            made_for: MadeFor::new(head, None),
            steps: Steps::new(head, backend, capacity)?,
            is_broken: false,
            scratch: Scratch::default(),
            x: vec![0.0; usize::from(head.shape.input_dim)],
            pool: Pool::new(head),
            recent,
        })
    }

    /// Returns how many rows it has taken.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Tells whether it has taken no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns about how many bytes of memory it holds: what its layers' streams say, and its rows.
    pub fn memory_bytes(&self) -> usize {
        let recent = self.recent.as_ref().map_or(0, RecentMean::memory_bytes);
        let scratch = self.scratch.memory_bytes() + self.pool.memory_bytes();
        let x = self.x.capacity() * size_of::<f32>();
        size_of::<Self>() + self.steps.memory_bytes() + recent + scratch + x
    }

    /// Forgets all rows and keeps the memory.
    pub fn reset(&mut self) {
        self.steps.reset();
        if let Some(recent) = &mut self.recent {
            recent.clear();
        }
        self.is_broken = false;
    }

    /// Takes the next row, `[feature_dim]`, and returns the logits, `[classes]`. `head` is the one
    /// that started the stream. Allocates nothing after the first step.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::RowsLength`];
    /// [`HeadError::RowNotFinite`]: the stream is unchanged. [`HeadError::Attention`] or
    /// [`HeadError::Overflow`] when numbers leave the range of `f32`, or the stream has taken as
    /// many rows as it can count: every later step is then [`HeadError::StreamBroken`], until
    /// [`HeadStream::reset`].
    pub fn step(&mut self, head: &TemporalHead, row: &[f32]) -> Result<&[f32], HeadError> {
        let is_own = self.made_for == MadeFor::new(head, None)
            && (head.pooling == Pooling::Mean) == self.recent.is_some();
        if !is_own {
            return Err(HeadError::StreamOfAnotherHead);
        }
        if self.is_broken {
            return Err(HeadError::StreamBroken);
        }
        let feature_dim = head.feature_dim();
        let Self { steps, scratch, x, pool, .. } = self;
        if row.len() != feature_dim {
            return Err(HeadError::RowsLength { feature_dim, got: row.len() });
        }
        head.input.read(steps.len(), row, scratch, x)?;
        self.is_broken = true;
        pool.clear();
        steps.take(head, x, scratch, pool)?;
        let logits = pool.logits(head.last_layer(), &head.readout)?;
        self.is_broken = false;
        Ok(match &mut self.recent {
            Some(recent) => recent.push(logits),
            None => logits,
        })
    }
}
