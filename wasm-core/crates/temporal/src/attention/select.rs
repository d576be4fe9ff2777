//! Which kernel computes an attention, and the rule that picks one for a model.

use super::plan::Over;
use super::pyramid::{self, Pyramid};
use super::salient::{self, Salient};
use super::{AttentionError, Qkv, SparsePattern, Weighting, dense, sparse, upstream};
use crate::tensor::Tensor3;

/// A way to compute attention over a whole window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// Ours, every token.
    Dense,
    /// Ours, upstream's edges.
    Sparse,
    /// Ours, upstream's edges, blocks weighted by their tokens.
    SparseLnCount,
    /// Ours, the pyramid; causal, whatever the pattern says.
    Pyramid {
        /// The most blocks of one size, at least 1.
        per_level: usize,
    },
    /// Ours, causal: the pattern's window, and groups of like keys for everything older.
    Salient {
        /// The most groups.
        groups: usize,
    },
    /// The upstream crate, its edges.
    Upstream,
    /// The upstream crate, every token.
    UpstreamDense,
    /// The upstream crate, its edges, log-stride tokens only where its FastGRNN gate lets them.
    UpstreamGated {
        /// How many tokens the gate lets through.
        top_k: usize,
    },
}

impl BackendKind {
    /// Tells whether every row looks at every token, so that there is no step to decode.
    pub const fn is_dense(self) -> bool {
        matches!(self, Self::Dense | Self::UpstreamDense)
    }

    /// Tells whether the numbers come from the upstream crate.
    pub const fn is_upstream(self) -> bool {
        matches!(self, Self::Upstream | Self::UpstreamDense | Self::UpstreamGated { .. })
    }
}

impl BackendKind {
    /// Checks its parameters, and those of `pattern` that it looks at.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroBlockSize`], [`AttentionError::ZeroPerLevel`],
    /// [`AttentionError::ZeroGroups`].
    pub(crate) fn validate(self, pattern: &SparsePattern) -> Result<(), AttentionError> {
        let window = pattern.window;
        match self {
            Self::Sparse | Self::SparseLnCount | Self::Upstream | Self::UpstreamGated { .. } => {
                pattern.validate()
            }
            Self::Pyramid { per_level } => Pyramid { window, per_level }.validate(),
            Self::Salient { groups } => Salient { window, groups }.validate(),
            Self::Dense | Self::UpstreamDense => Ok(()),
        }
    }

    /// Returns what it looks at, or `None` where that is not known before the keys are, or where
    /// the upstream crate computes.
    pub(crate) fn over(self, pattern: &SparsePattern) -> Option<Over<'_>> {
        let sparse = |weighting| Some(Over::Sparse { pattern, weighting });
        match self {
            Self::Dense => Some(Over::Dense { causal: pattern.causal }),
            Self::Sparse => sparse(Weighting::Plain),
            Self::SparseLnCount => sparse(Weighting::LnCount),
            Self::Pyramid { per_level } => {
                Some(Over::Pyramid(Pyramid { window: pattern.window, per_level }))
            }
            Self::Salient { .. } => None,
            Self::Upstream | Self::UpstreamDense | Self::UpstreamGated { .. } => None,
        }
    }
}

/// Computes attention by `backend`, `[seq, q_heads, dim]`.
///
/// Dense backends use only `pattern.causal`, the pyramid only `pattern.window`.
///
/// # Errors
///
/// Those of the backend.
pub fn forward(
    backend: BackendKind,
    input: &Qkv<'_>,
    pattern: &SparsePattern,
) -> Result<Tensor3, AttentionError> {
    match backend {
        BackendKind::Dense => dense::forward(input, pattern.causal),
        BackendKind::Sparse => sparse::forward(input, pattern, Weighting::Plain),
        BackendKind::SparseLnCount => sparse::forward(input, pattern, Weighting::LnCount),
        BackendKind::Pyramid { per_level } => {
            pyramid::forward(input, &Pyramid { window: pattern.window, per_level })
        }
        BackendKind::Salient { groups } => {
            salient::forward(input, &Salient { window: pattern.window, groups })
        }
        BackendKind::Upstream => upstream::forward(input, pattern),
        BackendKind::UpstreamDense => upstream::dense(input, pattern.causal),
        BackendKind::UpstreamGated { top_k } => {
            upstream::forward_gated(input, pattern, &upstream::Gate { top_k })
        }
    }
}

/// The call that serves a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionPath {
    /// Dense attention over the window.
    Dense,
    /// Sparse attention, as many key heads as query heads.
    Forward,
    /// Sparse attention, shared key heads.
    ForwardGqa,
    /// One token against a cache.
    DecodeStep,
}

impl AttentionPath {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Forward => "forward",
            Self::ForwardGqa => "forward-gqa",
            Self::DecodeStep => "decode-step",
        }
    }
}

/// Longest window, in frames, for which a dense checkpoint runs dense.
pub const DENSE_WINDOW_MAX: usize = 64;

/// Picks the path for a model, by the rule of ADR-096, section 4.4.
///
/// | streaming | heads   | window | checkpoint | path                                |
/// |-----------|---------|--------|------------|-------------------------------------|
/// | yes       | any     | any    | any        | [`AttentionPath::DecodeStep`]       |
/// | no        | differ  | any    | any        | [`AttentionPath::ForwardGqa`]       |
/// | no        | equal   | <= 64  | dense      | [`AttentionPath::Dense`]            |
/// | no        | equal   | <= 64  | other      | [`AttentionPath::Forward`] (ours)   |
/// | no        | equal   | > 64   | any        | [`AttentionPath::Forward`]          |
///
/// The record leaves the fourth line open. Weights trained over the sparse pattern give wrong
/// outputs when they run dense, and a short window costs little either way, so they stay sparse.
pub fn select_path(
    window_len: usize,
    q_heads: usize,
    kv_heads: usize,
    dense_in_checkpoint: bool,
    streaming: bool,
) -> AttentionPath {
    if streaming {
        AttentionPath::DecodeStep
    } else if q_heads != kv_heads {
        AttentionPath::ForwardGqa
    } else if dense_in_checkpoint && window_len <= DENSE_WINDOW_MAX {
        AttentionPath::Dense
    } else {
        AttentionPath::Forward
    }
}
