//! The six dimensions of a head, and what they imply.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::{BlobError, Dimension, Dtype};

/// The six dimensions in a blob's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeadShape {
    /// Numbers a frame has inside the head.
    pub input_dim: u16,
    /// Query heads.
    pub q_heads: u16,
    /// Key and value heads; divides `q_heads`.
    pub kv_heads: u16,
    /// Numbers a head.
    pub head_dim: u16,
    /// Attention layers.
    pub layers: u16,
    /// Classes, at least two.
    pub classes: u16,
}

impl Default for HeadShape {
    /// Returns the "AETHER" shape: 10,304 weights, 41,244 bytes in f32.
    fn default() -> Self {
        Self { input_dim: 16, q_heads: 4, kv_heads: 1, head_dim: 32, layers: 2, classes: 4 }
    }
}

/// One weight matrix, row-major `[rows][cols]` = `[in][out]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixInfo {
    /// `layer0.Wq`, `layer0.Wk`, `layer0.Wv`, `layer0.Wo`, ... and `Wc`, the classifier.
    pub name: String,
    /// Inputs.
    pub rows: usize,
    /// Outputs.
    pub cols: usize,
    /// Where it lies in [`super::WeightBlob::weights`].
    pub range: Range<usize>,
}

impl HeadShape {
    /// Checks the rules that every shape obeys.
    ///
    /// # Errors
    ///
    /// [`BlobError::ZeroDimension`], [`BlobError::GqaRatio`], [`BlobError::TooFewClasses`] or
    /// [`BlobError::ShapeTooLarge`], whichever applies first.
    pub fn validate(&self) -> Result<(), BlobError> {
        let dimensions = [
            (self.input_dim, Dimension::InputDim),
            (self.q_heads, Dimension::QHeads),
            (self.kv_heads, Dimension::KvHeads),
            (self.head_dim, Dimension::HeadDim),
            (self.layers, Dimension::Layers),
            (self.classes, Dimension::Classes),
        ];
        if let Some(&(_, dimension)) = dimensions.iter().find(|(value, _)| *value == 0) {
            return Err(BlobError::ZeroDimension { dimension });
        }
        if !self.q_heads.is_multiple_of(self.kv_heads) {
            return Err(BlobError::GqaRatio { q_heads: self.q_heads, kv_heads: self.kv_heads });
        }
        if self.classes < 2 {
            return Err(BlobError::TooFewClasses { classes: self.classes });
        }
        self.weight_count().map(|_| ())
    }

    /// Returns how many weights the shape needs.
    ///
    /// # Errors
    ///
    /// [`BlobError::ShapeTooLarge`] if their bytes, at four each, do not fit the header's u32.
    pub fn weight_count(&self) -> Result<usize, BlobError> {
        // Below 2^67, so u128 cannot overflow.
        let [d, q, kv, dim, layers, classes] =
            [self.input_dim, self.q_heads, self.kv_heads, self.head_dim, self.layers, self.classes]
                .map(u128::from);
        let weights = layers * 2 * d * dim * (q + kv) + d * classes;
        let limit = u128::from(u32::MAX) / Dtype::F32.bytes() as u128;
        match usize::try_from(weights) {
            Ok(count) if weights <= limit => Ok(count),
            _ => Err(BlobError::ShapeTooLarge {
                weights: u64::try_from(weights).unwrap_or(u64::MAX),
                limit: limit as u64,
            }),
        }
    }

    /// Returns the matrices in file order: for each layer `Wq [D][Q]`, `Wk [D][K]`, `Wv [D][K]`,
    /// `Wo [Q][D]`, then `Wc [D][classes]`, where `D = input_dim`, `Q = q_heads * head_dim` and
    /// `K = kv_heads * head_dim`.
    pub fn matrices(&self) -> Vec<MatrixInfo> {
        let dim = usize::from(self.head_dim);
        let (d, q, k) = (
            usize::from(self.input_dim),
            usize::from(self.q_heads) * dim,
            usize::from(self.kv_heads) * dim,
        );
        let mut matrices = Vec::new();
        let mut start = 0;
        let mut add = |name: String, rows: usize, cols: usize| {
            let range = start..start + rows * cols;
            start = range.end;
            matrices.push(MatrixInfo { name, rows, cols, range });
        };
        for layer in 0..self.layers {
            add(format!("layer{layer}.Wq"), d, q);
            add(format!("layer{layer}.Wk"), d, k);
            add(format!("layer{layer}.Wv"), d, k);
            add(format!("layer{layer}.Wo"), q, d);
        }
        add(String::from("Wc"), d, usize::from(self.classes));
        matrices
    }
}
