//! What every row of a window looks at: a pattern, written out once for all windows of one length.

use core::ops::Range;

use csi_temporal::attention::{Edge, Pyramid};

use crate::pattern::Pattern;

/// One thing that a row looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// Its row in the bank: tokens first, then blocks.
    pub row: usize,
    /// How far its mean position lies back, in rows.
    pub distance: f32,
    /// What its score gets on top.
    pub bonus: f32,
}

/// The edges of a window of `len` rows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rows in the window.
    pub len: usize,
    /// The tokens whose means follow the tokens in the bank.
    pub blocks: Vec<Range<usize>>,
    visits: Vec<Visit>,
    /// Where each row's visits start; one more at the end.
    starts: Vec<usize>,
}

/// Why a pattern cannot be trained: it looks at the keys, so that it has no gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGradient;

impl Plan {
    /// Writes out dense causal attention (`None`), or a pattern.
    ///
    /// # Errors
    ///
    /// [`NoGradient`] for the salient pattern.
    pub fn new(pattern: Option<Pattern>, len: usize) -> Result<Self, NoGradient> {
        let mut plan = Self { len, blocks: Vec::new(), visits: Vec::new(), starts: vec![0] };
        for row in 0..len {
            match pattern {
                None => (0..=row).for_each(|token| plan.visit(row, token..token + 1, 0.0)),
                Some(Pattern::Upstream(edges)) => plan.edges(row, &listed(&edges, row, len), false),
                Some(Pattern::LnCount(edges)) => plan.edges(row, &listed(&edges, row, len), true),
                Some(Pattern::Pyramid(pyramid)) => {
                    plan.edges(row, &Pyramid::edges(&pyramid, row), true)
                }
                Some(Pattern::Salient(_)) => return Err(NoGradient),
            }
            plan.starts.push(plan.visits.len());
        }
        Ok(plan)
    }

    /// Returns what a row looks at, in the order of its sums.
    pub fn of(&self, row: usize) -> &[Visit] {
        &self.visits[self.range(row)]
    }

    /// Returns where a row's visits lie among all.
    pub fn range(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// Counts all visits.
    pub fn visits(&self) -> usize {
        self.visits.len()
    }

    /// Counts the rows of the bank.
    pub fn bank(&self) -> usize {
        self.len + self.blocks.len()
    }

    fn edges(&mut self, row: usize, edges: &[Edge], counts: bool) {
        for edge in edges {
            let tokens = edge.tokens();
            let bonus = match counts && tokens.len() > 1 {
                true => libm::logf(tokens.len() as f32),
                false => 0.0,
            };
            self.visit(row, tokens, bonus);
        }
    }

    fn visit(&mut self, row: usize, tokens: Range<usize>, bonus: f32) {
        let distance = row as f32 - (tokens.start + tokens.end - 1) as f32 / 2.0;
        let at = match tokens.len() {
            1 => tokens.start,
            _ => {
                let known = self.blocks.iter().position(|block| *block == tokens);
                self.len
                    + known.unwrap_or_else(|| {
                        self.blocks.push(tokens);
                        self.blocks.len() - 1
                    })
            }
        };
        // A block that reaches past the row's own position still lies back by its mean.
        self.visits.push(Visit { row: at, distance: distance.abs(), bonus });
    }
}

fn listed(edges: &csi_temporal::attention::SparsePattern, row: usize, len: usize) -> Vec<Edge> {
    let mut list = Vec::new();
    edges.row_edges(row, len, &mut list);
    list
}
