//! The patterns that a user chooses from: what a row looks at when it does not look at everything.
//!
//! One name for each, the same on the command line, in the page and in reports; the kernels are the
//! core's. A new pattern is a variant here and a line in each `match`.

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::salient::SalientStream;
use csi_temporal::attention::{
    AttentionError, BackendKind, Edge, EdgeKind, Pyramid, PyramidStream, Qkv, Salient,
    SparsePattern, Stream, StreamShape, Weighting, forward, salient,
};
use csi_temporal::half::Storage;
use csi_temporal::rvne::{AttentionPattern, AttentionRecord};
use csi_temporal::tensor::Tensor3;

/// What a row looks at. Always causal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Upstream's edges.
    Upstream(SparsePattern),
    /// The same, a block's mean weighing as many tokens as it stands for.
    LnCount(SparsePattern),
    /// Near tokens, then blocks that double in size.
    Pyramid(Pyramid),
    /// Near tokens, then groups of like keys.
    Salient(Salient),
}

/// Why an edge is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A near token.
    Window,
    /// Token 0.
    Global,
    /// A token at a power-of-two distance.
    LogStride,
    /// The mean of a block of one fixed size.
    Landmark,
    /// A block of a pyramid.
    Block,
    /// A group of like keys.
    Group,
}

impl Reason {
    /// Returns the word that the page and its tables use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Global => "global",
            Self::LogStride => "log-stride",
            Self::Landmark => "landmark",
            Self::Block => "block",
            Self::Group => "group",
        }
    }
}

/// One thing that a row looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Why.
    pub reason: Reason,
    /// The tokens that it stands for, ascending, at least one.
    pub tokens: Vec<usize>,
}

impl Default for Pattern {
    fn default() -> Self {
        Self::Upstream(SparsePattern::default())
    }
}

impl Pattern {
    /// Every name, in the order in which they are offered.
    pub const NAMES: [&'static str; 4] = ["upstream", "ln", "pyramid", "salient"];

    /// Returns its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Upstream(_) => "upstream",
            Self::LnCount(_) => "ln",
            Self::Pyramid(_) => "pyramid",
            Self::Salient(_) => "salient",
        }
    }

    /// Returns the pattern of that name with the numbers that it is offered with: each with no more
    /// edges over 256 to 1,024 rows than upstream's.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "upstream" => Some(Self::default()),
            "ln" => Some(Self::LnCount(SparsePattern::default())),
            "pyramid" => Some(Self::Pyramid(Pyramid { window: 16, per_level: 4 })),
            "salient" => Some(Self::Salient(Salient { window: 16, groups: 18 })),
            _ => None,
        }
    }

    /// Returns its name in sentences.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Upstream(_) => "upstream edges",
            Self::LnCount(_) => "upstream edges + ln(count)",
            Self::Pyramid(_) => "pyramid",
            Self::Salient(_) => "salient",
        }
    }

    /// Returns what an attention record asks for; `None` when that is dense attention.
    pub fn of_record(record: &AttentionRecord) -> Option<Self> {
        let edges = SparsePattern {
            window: record.window.into(),
            block_size: record.block_size.into(),
            log_stride: record.log_stride,
            landmarks: record.landmarks,
            global_token: record.global_token,
            causal: true,
        };
        let window = record.window.into();
        match record.pattern {
            AttentionPattern::UpstreamEdges => Some(Self::Upstream(edges)),
            AttentionPattern::LnCount => Some(Self::LnCount(edges)),
            AttentionPattern::Pyramid => {
                Some(Self::Pyramid(Pyramid { window, per_level: record.per_level.into() }))
            }
            AttentionPattern::Salient => {
                Some(Self::Salient(Salient { window, groups: record.salient.into() }))
            }
            AttentionPattern::Dense => None,
        }
    }

    /// Returns an attention record that asks for it, the rest as `record` has it. `None` when a
    /// number is beyond what the record holds: 65,535 for window and block, 255 for the others.
    pub fn to_record(&self, record: AttentionRecord) -> Option<AttentionRecord> {
        let short = |number: usize| u16::try_from(number).ok();
        let edges = |pattern, edges: &SparsePattern| {
            Some(AttentionRecord {
                pattern,
                window: short(edges.window)?,
                block_size: short(edges.block_size)?,
                log_stride: edges.log_stride,
                landmarks: edges.landmarks,
                global_token: edges.global_token,
                ..record
            })
        };
        match self {
            Self::Upstream(pattern) => edges(AttentionPattern::UpstreamEdges, pattern),
            Self::LnCount(pattern) => edges(AttentionPattern::LnCount, pattern),
            Self::Pyramid(pyramid) => Some(AttentionRecord {
                pattern: AttentionPattern::Pyramid,
                window: short(pyramid.window)?,
                per_level: u8::try_from(pyramid.per_level).ok()?,
                ..record
            }),
            Self::Salient(salient) => Some(AttentionRecord {
                pattern: AttentionPattern::Salient,
                window: short(salient.window)?,
                salient: u8::try_from(salient.groups).ok()?,
                ..record
            }),
        }
    }

    /// Returns the backend that computes it, with the pattern that says the rest.
    pub fn backend(&self) -> (BackendKind, SparsePattern) {
        let window = |window| SparsePattern { window, ..SparsePattern::default() };
        match *self {
            Self::Upstream(pattern) => (BackendKind::Sparse, pattern),
            Self::LnCount(pattern) => (BackendKind::SparseLnCount, pattern),
            Self::Pyramid(pyramid) => {
                let backend = BackendKind::Pyramid { per_level: pyramid.per_level };
                (backend, window(pyramid.window))
            }
            Self::Salient(salient) => {
                (BackendKind::Salient { groups: salient.groups }, window(salient.window))
            }
        }
    }

    /// Returns upstream's edges, where it is made of these.
    pub fn edges(&self) -> Option<SparsePattern> {
        match *self {
            Self::Upstream(edges) | Self::LnCount(edges) => Some(edges),
            Self::Pyramid(_) | Self::Salient(_) => None,
        }
    }

    /// Returns how many tokens before the row it sees one by one.
    pub fn window(&self) -> usize {
        self.backend().1.window
    }

    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// Those of the pattern.
    pub fn validate(&self) -> Result<(), AttentionError> {
        match self {
            Self::Upstream(pattern) | Self::LnCount(pattern) => pattern.validate(),
            Self::Pyramid(pyramid) => pyramid.validate(),
            Self::Salient(salient) => salient.validate(),
        }
    }

    /// Counts the edges of a pass over `seq` tokens, per head.
    pub fn edge_count(&self, seq: usize) -> usize {
        match self {
            Self::Upstream(pattern) | Self::LnCount(pattern) => pattern.edge_count(seq),
            Self::Pyramid(pyramid) => pyramid.edge_count(seq),
            Self::Salient(salient) => salient.edge_count(seq),
        }
    }

    /// Computes attention, `[seq, q_heads, dim]`.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn forward(&self, input: &Qkv<'_>) -> Result<Tensor3, AttentionError> {
        let (backend, pattern) = self.backend();
        forward(backend, input, &pattern)
    }

    /// Computes the same row by row, as a stream of tokens gives it: the same bits.
    ///
    /// # Errors
    ///
    /// What the stream refuses, [`AttentionError::NotCausal`] among it.
    pub fn forward_by_stream(&self, input: &Qkv<'_>) -> Result<Tensor3, AttentionError> {
        input.validate()?;
        let [seq, q_heads, dim] = input.q.shape();
        let (kv_heads, slopes) = (input.k.heads(), input.slopes);
        let shape = StreamShape { q_heads, kv_heads, dim, slopes, storage: Storage::F32 };
        let of_edges = |edges, weighting| Stream::new(&shape, edges, weighting, seq.max(1));
        match self {
            Self::Upstream(edges) => {
                let mut stream = of_edges(edges, Weighting::Plain)?;
                by_rows(input, |q, k, v, out| stream.push(q, k, v, out))
            }
            Self::LnCount(edges) => {
                let mut stream = of_edges(edges, Weighting::LnCount)?;
                by_rows(input, |q, k, v, out| stream.push(q, k, v, out))
            }
            Self::Pyramid(pyramid) => {
                let mut stream = PyramidStream::new(&shape, *pyramid)?;
                by_rows(input, |q, k, v, out| stream.push(q, k, v, out))
            }
            Self::Salient(salient) => {
                let mut stream = SalientStream::new(salient, q_heads, kv_heads, dim, slopes)?;
                by_rows(input, |q, k, v, out| stream.push(q, k, v, out))
            }
        }
    }

    /// Computes some rows of the map of effective weights, ascending, and hands each to `take` with
    /// its number: see [`map`].
    ///
    /// # Errors
    ///
    /// As [`map::sparse_row`].
    pub fn map_rows(
        &self,
        input: &Qkv<'_>,
        heads: Heads,
        rows: impl IntoIterator<Item = usize>,
        take: impl FnMut(usize, &[f32]),
    ) -> Result<(), AttentionError> {
        match self {
            Self::Upstream(pattern) => {
                map::sparse_rows(input, pattern, Weighting::Plain, heads, rows, take)
            }
            Self::LnCount(pattern) => {
                map::sparse_rows(input, pattern, Weighting::LnCount, heads, rows, take)
            }
            Self::Pyramid(pyramid) => map::pyramid_rows(input, pyramid, heads, rows, take),
            Self::Salient(salient) => salient::map_rows(input, salient, heads, rows, take),
        }
    }

    /// Lists what `row` looks at, in the order of its sums.
    ///
    /// # Errors
    ///
    /// [`AttentionError::RowOutOfRange`]; for a pattern that looks at the keys, what its kernel
    /// refuses.
    pub fn row_edges(&self, input: &Qkv<'_>, row: usize) -> Result<Vec<Seen>, AttentionError> {
        let seq = input.q.seq();
        if row >= seq {
            return Err(AttentionError::RowOutOfRange { row, seq });
        }
        let list = |edges: &[Edge], block| edges.iter().map(|edge| seen(edge, block)).collect();
        match self {
            Self::Upstream(pattern) | Self::LnCount(pattern) => {
                let mut edges = Vec::new();
                pattern.row_edges(row, seq, &mut edges);
                Ok(list(&edges, Reason::Landmark))
            }
            Self::Pyramid(pyramid) => Ok(list(&pyramid.edges(row), Reason::Block)),
            Self::Salient(salient) => {
                let near = row.saturating_sub(salient.window);
                let seen = |tokens: Vec<usize>| Seen {
                    reason: if tokens[0] >= near { Reason::Window } else { Reason::Group },
                    tokens,
                };
                Ok(salient.row_edges(input, row)?.into_iter().map(seen).collect())
            }
        }
    }
}

/// Hands the tokens of `input` to `push`, query, key, value and room for the output.
fn by_rows(
    input: &Qkv<'_>,
    mut push: impl FnMut(&[f32], &[f32], &[f32], &mut [f32]) -> Result<(), AttentionError>,
) -> Result<Tensor3, AttentionError> {
    let [seq, q_heads, dim] = input.q.shape();
    let (q_width, kv_width) = (q_heads * dim, input.k.heads() * dim);
    let mut out = Tensor3::zeros(seq, q_heads, dim);
    let outputs = out.data_mut().chunks_exact_mut(q_width);
    let keys = input.k.data().chunks_exact(kv_width).zip(input.v.data().chunks_exact(kv_width));
    for ((q, (k, v)), out) in input.q.data().chunks_exact(q_width).zip(keys).zip(outputs) {
        push(q, k, v, out)?;
    }
    Ok(out)
}

/// Its name in sentences, with its numbers.
impl core::fmt::Display for Pattern {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}, window {}", self.title(), self.window())?;
        match self {
            Self::Upstream(edges) | Self::LnCount(edges) => {
                write!(f, ", block {}", edges.block_size)
            }
            Self::Pyramid(pyramid) => write!(f, ", {} per level", pyramid.per_level),
            Self::Salient(salient) => write!(f, ", {} groups", salient.groups),
        }
    }
}

fn seen(edge: &Edge, block: Reason) -> Seen {
    let reason = match edge.kind() {
        EdgeKind::Window => Reason::Window,
        EdgeKind::Global => Reason::Global,
        EdgeKind::LogStride => Reason::LogStride,
        EdgeKind::Landmark => block,
    };
    Seen { reason, tokens: edge.tokens().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_pattern_with_no_more_edges_than_upstreams() {
        for name in Pattern::NAMES {
            let pattern = Pattern::named(name).expect("a pattern");
            assert_eq!(pattern.name(), name);
            assert_eq!(pattern.validate(), Ok(()));
            for seq in [256, 600, 1024] {
                assert!(pattern.edge_count(seq) <= Pattern::default().edge_count(seq), "{name}");
            }
        }
        assert_eq!(Pattern::named("dense"), None);
    }
}
