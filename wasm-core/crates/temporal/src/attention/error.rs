//! What attention refuses, with numbers and a stable code.

use core::fmt;

/// One of the three inputs of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The queries.
    Q,
    /// The keys.
    K,
    /// The values.
    V,
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q => "q",
            Self::K => "k",
            Self::V => "v",
        })
    }
}

/// Why attention was not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttentionError {
    /// A block size of 0.
    ZeroBlockSize,
    /// A pyramid without blocks.
    ZeroPerLevel,
    /// A salient pattern with no group for what leaves the window.
    ZeroGroups,
    /// A head dimension of 0, or no head at all.
    ZeroDim,
    /// Tokens, key heads or dimensions of q, k and v do not agree.
    Shape {
        /// `[seq, heads, dim]` of q.
        q: [usize; 3],
        /// `[seq, heads, dim]` of k.
        k: [usize; 3],
        /// `[seq, heads, dim]` of v.
        v: [usize; 3],
    },
    /// The query heads do not form equal groups over the key heads.
    HeadRatio {
        /// Query heads.
        q_heads: usize,
        /// Key and value heads.
        kv_heads: usize,
    },
    /// A NaN or infinity in the input.
    NotFinite {
        /// Which input.
        which: Operand,
        /// Its first bad token.
        token: usize,
        /// The head within that token.
        head: usize,
    },
    /// A finite number that is to be kept as f16 but rounds to infinity.
    BeyondF16 {
        /// Which input.
        which: Operand,
        /// Its first such token.
        token: usize,
        /// The head within that token.
        head: usize,
    },
    /// Finite input, but a score, a block mean or an output left the range of `f32`.
    Overflow {
        /// The query token.
        token: usize,
        /// The query head.
        head: usize,
    },
    /// Slopes are given, but not one per query head.
    SlopeCount {
        /// Query heads.
        expected: usize,
        /// Slopes.
        got: usize,
    },
    /// A slope is negative or not finite.
    BadSlope {
        /// Its query head.
        head: usize,
    },
    /// A row that the sequence does not have.
    RowOutOfRange {
        /// The row asked for.
        row: usize,
        /// Rows there are.
        seq: usize,
    },
    /// A head that q does not have.
    HeadOutOfRange {
        /// The head asked for.
        head: usize,
        /// Heads there are.
        heads: usize,
    },
    /// A map of `seq * seq` weights would be too large.
    MapTooLarge {
        /// Tokens.
        seq: usize,
        /// Most tokens a map is made for.
        max: usize,
    },
    /// A shape needs more memory than there is.
    CacheTooLarge,
    /// A stream that keeps no token.
    ZeroCapacity,
    /// A pattern that looks ahead, in a stream.
    NotCausal,
    /// A stream has taken as many tokens as it can count.
    StreamTooLong {
        /// Tokens it took.
        tokens: usize,
    },
    /// A row given to a stream, or an output, has another length than the shape says.
    RowLength {
        /// Which input.
        which: Operand,
        /// `heads * dim`.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// The upstream crate knows no recency slopes.
    UpstreamSlopes,
    /// The upstream crate knows no ln(count).
    UpstreamLnCount,
    /// The upstream crate refused input that passed our checks.
    UpstreamRefused,
}

impl AttentionError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ZeroBlockSize => "attention/zero-block-size",
            Self::ZeroPerLevel => "attention/zero-per-level",
            Self::ZeroGroups => "attention/zero-groups",
            Self::ZeroDim => "attention/zero-dim",
            Self::Shape { .. } => "attention/shape",
            Self::HeadRatio { .. } => "attention/head-ratio",
            Self::NotFinite { .. } => "attention/not-finite",
            Self::BeyondF16 { .. } => "attention/beyond-f16",
            Self::Overflow { .. } => "attention/overflow",
            Self::SlopeCount { .. } => "attention/slope-count",
            Self::BadSlope { .. } => "attention/bad-slope",
            Self::RowOutOfRange { .. } => "attention/row-out-of-range",
            Self::HeadOutOfRange { .. } => "attention/head-out-of-range",
            Self::MapTooLarge { .. } => "attention/map-too-large",
            Self::CacheTooLarge => "attention/cache-too-large",
            Self::ZeroCapacity => "attention/zero-capacity",
            Self::NotCausal => "attention/not-causal",
            Self::StreamTooLong { .. } => "attention/stream-too-long",
            Self::RowLength { .. } => "attention/row-length",
            Self::UpstreamSlopes => "attention/upstream-slopes",
            Self::UpstreamLnCount => "attention/upstream-ln-count",
            Self::UpstreamRefused => "attention/upstream-refused",
        }
    }
}

impl fmt::Display for AttentionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroBlockSize => write!(f, "the block size is 0"),
            Self::ZeroPerLevel => write!(f, "the pyramid has 0 blocks per level"),
            Self::ZeroGroups => write!(f, "there is no group for tokens outside of the window"),
            Self::ZeroDim => write!(f, "there is no head, or heads have no dimension"),
            Self::Shape { q, k, v } => {
                write!(f, "shapes [seq, heads, dim] do not agree: q {q:?}, k {k:?}, v {v:?}")
            }
            Self::HeadRatio { q_heads, kv_heads } => {
                write!(f, "{q_heads} query heads do not share {kv_heads} key heads evenly")
            }
            Self::NotFinite { which, token, head } => {
                write!(f, "{which} holds a NaN or infinity at token {token}, head {head}")
            }
            Self::BeyondF16 { which, token, head } => {
                write!(f, "{which} holds a number beyond f16 at token {token}, head {head}")
            }
            Self::Overflow { token, head } => {
                write!(f, "the numbers of token {token}, head {head} leave the range of f32")
            }
            Self::SlopeCount { expected, got } => {
                write!(f, "{got} recency slopes for {expected} query heads")
            }
            Self::BadSlope { head } => {
                write!(f, "the recency slope of head {head} is negative or not finite")
            }
            Self::RowOutOfRange { row, seq } => write!(f, "row {row} of a sequence of {seq}"),
            Self::HeadOutOfRange { head, heads } => write!(f, "head {head} of {heads}"),
            Self::MapTooLarge { seq, max } => {
                write!(f, "a map of {seq} tokens is too large, {max} is the most")
            }
            Self::CacheTooLarge => write!(f, "keys and values of that shape do not fit the memory"),
            Self::ZeroCapacity => write!(f, "a stream has to keep a token at least"),
            Self::NotCausal => write!(f, "the pattern looks ahead, which a stream cannot"),
            Self::StreamTooLong { tokens } => {
                write!(f, "the stream took {tokens} tokens and cannot count further")
            }
            Self::RowLength { which, expected, got } => {
                write!(f, "a row of {which} has {got} numbers instead of {expected}")
            }
            Self::UpstreamSlopes => write!(f, "the upstream crate has no recency slopes"),
            Self::UpstreamLnCount => write!(f, "the upstream crate has no ln(count) weighting"),
            Self::UpstreamRefused => write!(f, "the upstream crate refused checked input"),
        }
    }
}

impl core::error::Error for AttentionError {}
