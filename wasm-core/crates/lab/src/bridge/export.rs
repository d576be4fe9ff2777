//! From a blob to a file.

use std::borrow::Cow;

use csi_temporal::half::f32_to_f16;
use csi_temporal::rvne::{Dtype, WeightBlob};
use safetensors::{View, tensor::serialize};

use super::meta::{self, Meta};
use super::{BridgeError, Part, TensorId};

/// Writes a blob as a safetensors file: matrices as `.weight`, in the blob's dtype, all else as F32.
/// The same blob gives the same bytes.
///
/// # Errors
///
/// [`BridgeError::Blob`] for a blob that could not be written as `.rvne` either;
/// [`BridgeError::Container`] where names and provenance come to more than a header can hold.
pub fn export(blob: &WeightBlob) -> Result<Vec<u8>, BridgeError> {
    blob.encode()?;
    let mut tensors = Vec::new();
    let mut matrix = |id: TensorId, numbers: &[f32], rows: usize, cols: usize| {
        let turned = (0..rows * cols).map(|at| numbers[at % rows * cols + at / rows]);
        tensors.push((id.to_string(), Tensor::new(blob.dtype, vec![cols, rows], turned)));
    };
    let trailer = &blob.trailer;
    let d = usize::from(blob.shape.input_dim);
    let matrices = blob.matrices();
    let (classifier, of_layers) = matrices.split_last().expect("a shape has a classifier");
    let parts = [Part::Query, Part::Key, Part::Value, Part::Output];
    for (info, index) in of_layers.iter().zip(0_usize..) {
        // No more layers than a u16 counts.
        let id = TensorId::of_layer(parts[index % 4], (index / 4) as u16);
        matrix(id, &blob.weights[info.range.clone()], info.rows, info.cols);
    }
    let id = TensorId::of_head(Part::Classifier);
    matrix(id, &blob.weights[classifier.range.clone()], classifier.rows, classifier.cols);
    if let Some(embedding) = &trailer.embedding {
        let id = TensorId::of_head(Part::Embed);
        matrix(id, &embedding.matrix, blob.feature_dim(), d);
    }
    let feed_forward = trailer.feed_forward.iter();
    let feed_forward = feed_forward.flat_map(|ff| ff.layers.iter().map(|of| (of, ff.hidden)));
    for ((of, hidden), layer) in feed_forward.clone().zip(0..) {
        matrix(TensorId::of_layer(Part::FeedUp, layer), &of.w1, d, usize::from(hidden));
        matrix(TensorId::of_layer(Part::FeedDown, layer), &of.w2, usize::from(hidden), d);
    }

    let mut vector = |id: TensorId, numbers: &[f32]| {
        let tensor = Tensor::new(Dtype::F32, vec![numbers.len()], numbers.iter().copied());
        tensors.push((id.to_string(), tensor));
    };
    for ((of, _), layer) in feed_forward.zip(0..) {
        vector(TensorId::of_layer(Part::FeedNorm, layer), &of.gains);
    }
    let q_heads = usize::from(blob.shape.q_heads);
    let by_layer = [(Part::Norm, &trailer.rms_gains, d), (Part::Slopes, &trailer.slopes, q_heads)];
    for (part, numbers, width) in by_layer {
        let layers = numbers.iter().flat_map(|numbers| numbers.chunks_exact(width));
        layers.zip(0..).for_each(|(of, layer)| vector(TensorId::of_layer(part, layer), of));
    }
    if let Some(bias) = &trailer.bias {
        vector(TensorId::of_head(Part::ClassifierBias), bias);
    }
    if let Some(normalisation) = &trailer.normalisation {
        vector(TensorId::of_head(Part::InputMean), &normalisation.mean);
        vector(TensorId::of_head(Part::InputInvStd), &normalisation.inv_std);
    }

    // One entry: a map of several has no order, and the bytes would change from run to run.
    let entry = (meta::KEY.to_owned(), Meta::of(blob).write()?);
    serialize(tensors, Some([entry].into_iter().collect()))
        .map_err(|_| BridgeError::Container { what: "its header would be too long" })
}

/// Numbers as they stand in the file.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(dtype: Dtype, shape: Vec<usize>, numbers: impl Iterator<Item = f32>) -> Self {
        let bytes = match dtype {
            Dtype::F32 => numbers.flat_map(f32::to_le_bytes).collect(),
            Dtype::F16 => numbers.flat_map(|number| f32_to_f16(number).to_le_bytes()).collect(),
        };
        Self { dtype, shape, bytes }
    }
}

impl View for Tensor {
    fn dtype(&self) -> safetensors::Dtype {
        match self.dtype {
            Dtype::F32 => safetensors::Dtype::F32,
            Dtype::F16 => safetensors::Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
