//! From a file to a blob.

use std::collections::BTreeMap;

use csi_temporal::half::f16_to_f32;
use csi_temporal::rvne::{
    Dtype, Embedding, FeedForward, FeedForwardLayer, HeadShape, Normalisation, WeightBlob,
};
use safetensors::tensor::TensorView;
use safetensors::{SafeTensorError, SafeTensors};

use super::meta::{self, Meta};
use super::{BridgeError, Dims, Order, Part, ShortText, TensorId};

/// Reads a safetensors file as a head.
///
/// The sizes follow from the tensors and from `head_dim` in the metadata. Weights are f16 if every matrix
/// is F16, else f32.
///
/// # Errors
///
/// [`BridgeError`]: the container first, then the metadata, names, shapes, types and numbers, and at last
/// whatever [`WeightBlob::encode`] has to say.
pub fn import(bytes: &[u8]) -> Result<WeightBlob, BridgeError> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(container)?;
    let text = header.metadata().as_ref().and_then(|map| map.get(meta::KEY));
    let meta = Meta::read(text.ok_or(BridgeError::NoMetadata)?)?;
    let file = SafeTensors::deserialize(bytes).map_err(container)?;
    let tensors = Tensors::of(&file)?;

    let shape = tensors.shape(meta.head_dim)?;
    let d = usize::from(shape.input_dim);
    let head_dim = usize::from(shape.head_dim);
    let (q, k) = (usize::from(shape.q_heads) * head_dim, usize::from(shape.kv_heads) * head_dim);
    let classes = usize::from(shape.classes);

    let mut weights = Vec::new();
    for layer in 0..shape.layers {
        let parts =
            [(Part::Query, d, q), (Part::Key, d, k), (Part::Value, d, k), (Part::Output, q, d)];
        for (part, rows, cols) in parts {
            weights.extend(tensors.matrix(TensorId::of_layer(part, layer), rows, cols)?);
        }
    }
    weights.extend(tensors.matrix(TensorId::of_head(Part::Classifier), d, classes)?);

    let mut trailer = meta.into_trailer()?;
    let embed = TensorId::of_head(Part::Embed);
    let mut features = d;
    if tensors.has(embed) {
        let feature_dim = size(embed, tensors.sides(embed)?.0)?;
        features = usize::from(feature_dim);
        trailer.embedding =
            Some(Embedding { feature_dim, matrix: tensors.matrix(embed, features, d)? });
    }
    let [mean, inv_std] = [Part::InputMean, Part::InputInvStd].map(TensorId::of_head);
    if tensors.has(mean) || tensors.has(inv_std) {
        trailer.normalisation = Some(Normalisation {
            mean: tensors.vector(mean, features)?,
            inv_std: tensors.vector(inv_std, features)?,
        });
    }
    let bias = TensorId::of_head(Part::ClassifierBias);
    if tensors.has(bias) {
        trailer.bias = Some(tensors.vector(bias, classes)?);
    }
    trailer.rms_gains = tensors.by_layer(Part::Norm, d, shape.layers)?;
    trailer.slopes = tensors.by_layer(Part::Slopes, usize::from(shape.q_heads), shape.layers)?;
    trailer.feed_forward = tensors.feed_forward(d, shape.layers)?;

    let blob = WeightBlob { shape, dtype: tensors.dtype(), weights, trailer };
    blob.encode()?;
    Ok(blob)
}

fn container(error: SafeTensorError) -> BridgeError {
    use SafeTensorError as E;
    let what = match error {
        E::HeaderTooSmall => "it is shorter than the length of a header",
        E::HeaderTooLarge => "its header claims more than 100 MB",
        E::InvalidHeaderLength => "its header reaches beyond its end",
        E::InvalidHeader(_) => "its header is not UTF-8",
        E::MetadataIncompleteBuffer => "it is longer or shorter than its tensors",
        E::InvalidOffset(_) => "its tensors do not follow each other without gaps",
        E::TensorInvalidInfo | E::MisalignedSlice => "a tensor's bytes do not suit its shape",
        E::ValidationOverflow => "a tensor claims more than there can be",
        _ => "its header is not the JSON of one",
    };
    BridgeError::Container { what }
}

/// A dimension as a blob stores it.
fn size(tensor: TensorId, got: usize) -> Result<u16, BridgeError> {
    let size = u16::try_from(got).ok().filter(|size| *size > 0);
    size.ok_or(BridgeError::Dimension { tensor, got })
}

/// The file's tensors, whose names are known.
struct Tensors<'a>(BTreeMap<TensorId, (Order, TensorView<'a>)>);

impl<'a> Tensors<'a> {
    fn of(file: &SafeTensors<'a>) -> Result<Self, BridgeError> {
        let mut tensors = BTreeMap::new();
        // The file's own map has no order; an error shall be the same one each time.
        let mut named = file.tensors();
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, view) in named {
            let unknown = BridgeError::UnknownTensor { name: ShortText::new(&name) };
            let (tensor, order) = TensorId::parse(&name).ok_or(unknown)?;
            if tensors.insert(tensor, (order, view)).is_some() {
                return Err(BridgeError::Twice { tensor });
            }
        }
        Ok(Self(tensors))
    }

    fn has(&self, tensor: TensorId) -> bool {
        self.0.contains_key(&tensor)
    }

    fn get(&self, tensor: TensorId) -> Result<&(Order, TensorView<'a>), BridgeError> {
        self.0.get(&tensor).ok_or(BridgeError::Missing { tensor })
    }

    /// Inputs and outputs of a matrix, whichever way it lies.
    fn sides(&self, tensor: TensorId) -> Result<(usize, usize), BridgeError> {
        let (order, view) = self.get(tensor)?;
        match (order, view.shape()) {
            (Order::OutIn, [cols, rows]) | (Order::InOut, [rows, cols]) => Ok((*rows, *cols)),
            (_, other) => Err(BridgeError::Shape {
                tensor,
                expected: Dims::new(&[Dims::ANY; 2]),
                got: Dims::new(other),
            }),
        }
    }

    fn shape(&self, head_dim: u16) -> Result<HeadShape, BridgeError> {
        let classifier = TensorId::of_head(Part::Classifier);
        let (d, classes) = self.sides(classifier)?;
        let heads = |part| {
            let tensor = TensorId::of_layer(part, 0);
            let width = self.sides(tensor)?.1;
            match width.checked_div(usize::from(head_dim)) {
                Some(heads) if width.is_multiple_of(usize::from(head_dim)) => size(tensor, heads),
                _ => Err(BridgeError::HeadDim { tensor, width, head_dim }),
            }
        };
        let last = self.0.keys().filter_map(|tensor| tensor.layer).max();
        let shape = HeadShape {
            input_dim: size(classifier, d)?,
            q_heads: heads(Part::Query)?,
            kv_heads: heads(Part::Key)?,
            head_dim,
            layers: last.map_or(1, |last| last + 1),
            classes: size(classifier, classes)?,
        };
        shape.validate()?;
        Ok(shape)
    }

    /// The weights' type: that of all matrices, or the wider one.
    fn dtype(&self) -> Dtype {
        let matrices = self.0.iter().filter(|(tensor, _)| tensor.part.is_matrix());
        let all_f16 =
            matrices.into_iter().all(|(_, (_, view))| view.dtype() == safetensors::Dtype::F16);
        if all_f16 { Dtype::F16 } else { Dtype::F32 }
    }

    /// Row-major `[rows][cols]` = `[in][out]`.
    fn matrix(&self, tensor: TensorId, rows: usize, cols: usize) -> Result<Vec<f32>, BridgeError> {
        let (order, view) = self.get(tensor)?;
        match order {
            Order::InOut => numbers(tensor, view, &[rows, cols]),
            Order::OutIn => {
                let lying = numbers(tensor, view, &[cols, rows])?;
                Ok((0..lying.len()).map(|at| lying[at % cols * rows + at / cols]).collect())
            }
        }
    }

    fn vector(&self, tensor: TensorId, len: usize) -> Result<Vec<f32>, BridgeError> {
        numbers(tensor, &self.get(tensor)?.1, &[len])
    }

    /// One vector a layer, one after the other; `None` if no layer has one.
    fn by_layer(
        &self,
        part: Part,
        len: usize,
        layers: u16,
    ) -> Result<Option<Vec<f32>>, BridgeError> {
        if !self.0.keys().any(|tensor| tensor.part == part) {
            return Ok(None);
        }
        let mut all = Vec::new();
        for layer in 0..layers {
            all.extend(self.vector(TensorId::of_layer(part, layer), len)?);
        }
        Ok(Some(all))
    }

    fn feed_forward(&self, d: usize, layers: u16) -> Result<Option<FeedForward>, BridgeError> {
        let parts = [Part::FeedNorm, Part::FeedUp, Part::FeedDown];
        if !self.0.keys().any(|tensor| parts.contains(&tensor.part)) {
            return Ok(None);
        }
        let first = TensorId::of_layer(Part::FeedUp, 0);
        let hidden = size(first, self.sides(first)?.1)?;
        let width = usize::from(hidden);
        let layer = |layer| {
            Ok(FeedForwardLayer {
                gains: self.vector(TensorId::of_layer(Part::FeedNorm, layer), d)?,
                w1: self.matrix(TensorId::of_layer(Part::FeedUp, layer), d, width)?,
                w2: self.matrix(TensorId::of_layer(Part::FeedDown, layer), width, d)?,
            })
        };
        let layers = (0..layers).map(layer).collect::<Result<_, BridgeError>>()?;
        Ok(Some(FeedForward { hidden, layers }))
    }
}

/// The numbers of a tensor in its own order, all of them finite.
fn numbers(
    tensor: TensorId,
    view: &TensorView<'_>,
    expected: &[usize],
) -> Result<Vec<f32>, BridgeError> {
    if view.shape() != expected {
        let (expected, got) = (Dims::new(expected), Dims::new(view.shape()));
        return Err(BridgeError::Shape { tensor, expected, got });
    }
    let bytes = view.data();
    let halves = || bytes.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two));
    let numbers: Vec<f32> = match view.dtype() {
        safetensors::Dtype::F32 => {
            bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
        }
        safetensors::Dtype::F16 => halves().map(f16_to_f32).collect(),
        // The upper half of an f32.
        safetensors::Dtype::BF16 => {
            halves().map(|upper| f32::from_bits(u32::from(upper) << 16)).collect()
        }
        got => return Err(BridgeError::Dtype { tensor, got }),
    };
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(BridgeError::NotFinite { tensor, index }),
        None => Ok(numbers),
    }
}
