//! The open model: a blob, its bytes, and the head that runs it.

use csi_temporal::half::Storage;
use csi_temporal::head::{HeadError, TemporalHead};
use csi_temporal::rvne::{AttentionRecord, ConversionError, Dtype, HeadShape, Pooling, WeightBlob};

use super::{LabError, Result, Session};
use crate::blob_view::{self, BlobView};
use crate::bridge;
use crate::pattern::Pattern;
use crate::raster::Raster;

/// The blob to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelAsk {
    /// The six dimensions.
    pub shape: HeadShape,
    /// What the weights are made from.
    pub seed: u64,
    /// How they are stored.
    pub dtype: Dtype,
    /// What rows look at. With [`Pattern::default`] and [`NodeChoices::default`], which a blob
    /// without an attention record means, no record is written.
    pub pattern: Pattern,
    /// How a node is to run it.
    pub node: NodeChoices,
}

/// What the attention record says of a head besides its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeChoices {
    /// Frames a classification reads.
    pub window_len: u16,
    /// How queries, keys and values are kept.
    pub storage: Storage,
    /// Whether each frame is classified by its own step instead of the window.
    pub streaming: bool,
    /// What the classifier reads.
    pub pooling: Pooling,
}

impl Default for NodeChoices {
    /// Returns what a blob without the record means.
    fn default() -> Self {
        let AttentionRecord { window_len, storage, streaming, pooling, .. } = Default::default();
        Self { window_len, storage, streaming, pooling }
    }
}

/// A converted blob and what the conversion did.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// The blob now.
    pub view: BlobView,
    /// Largest and mean difference of a weight, and how many did not fit.
    pub error: ConversionError,
}

/// The open model.
pub(super) struct Model {
    pub blob: WeightBlob,
    /// A blob can be looked at even if no head can run it.
    pub head: core::result::Result<TemporalHead, HeadError>,
    bytes: Vec<u8>,
    view: BlobView,
    seed: Option<u64>,
}

impl Model {
    fn new(name: &str, blob: WeightBlob, bytes: Vec<u8>, seed: Option<u64>) -> Result<Self> {
        let view = BlobView::new(name, &blob, &bytes, seed)?;
        Ok(Self { head: TemporalHead::from_blob(&blob), blob, bytes, view, seed })
    }
}

impl Session {
    /// Makes a blob from a seed and opens it.
    ///
    /// # Errors
    ///
    /// [`LabError::Blob`]; [`LabError::Attention`] and [`LabError::PatternRange`] for the pattern;
    /// the old model stays.
    pub fn blob_new(&mut self, ask: &ModelAsk) -> Result<&BlobView> {
        let mut blob = WeightBlob::seeded(ask.shape, ask.seed, ask.dtype)?;
        let NodeChoices { window_len, storage, streaming, pooling } = ask.node;
        let unsaid = AttentionRecord::default();
        let record = AttentionRecord { window_len, storage, streaming, pooling, ..unsaid };
        ask.pattern.validate()?;
        let record = ask.pattern.to_record(record).ok_or(LabError::PatternRange)?;
        blob.trailer.attention = (record != unsaid).then_some(record);
        let bytes = blob.encode()?;
        let name = format!("seed-{:016x}", ask.seed);
        self.set_model(Model::new(&name, blob, bytes, Some(ask.seed))?)
    }

    /// Opens a blob from the bytes of a file, `.rvne` or `.safetensors`; the content tells which. A
    /// pipeline that it states becomes the pipeline in use, with its pairs: so it was trained.
    ///
    /// # Errors
    ///
    /// [`LabError::Blob`]; [`LabError::Bridge`]; the old model stays.
    pub fn blob_open(&mut self, name: &str, bytes: &[u8]) -> Result<&BlobView> {
        if bridge::looks_like_safetensors(bytes) {
            let blob = bridge::import(bytes)?;
            let bytes = blob.encode()?;
            self.set_model(Model::new(name, blob, bytes, None)?)?;
        } else {
            let blob = WeightBlob::parse(bytes)?;
            self.set_model(Model::new(name, blob, bytes.to_vec(), None)?)?;
        }
        self.adopt_models_pipeline();
        Ok(&self.need_model()?.view)
    }

    /// Describes the open model.
    pub fn blob_view(&self) -> Option<&BlobView> {
        self.model.as_ref().map(|model| &model.view)
    }

    /// What the open model's rows look at: `None` without a model, and for a dense one.
    pub fn blob_pattern(&self) -> Option<Pattern> {
        let model = self.model.as_ref()?;
        Pattern::of_record(&model.blob.trailer.attention.unwrap_or_default())
    }

    /// The open model's file.
    ///
    /// # Errors
    ///
    /// [`LabError::NoModel`].
    pub fn blob_bytes(&self) -> Result<&[u8]> {
        Ok(&self.need_model()?.bytes)
    }

    /// The open model as a safetensors file, see [`bridge::export`].
    ///
    /// # Errors
    ///
    /// [`LabError::NoModel`]; [`LabError::Bridge`].
    pub fn blob_safetensors(&self) -> Result<Vec<u8>> {
        Ok(bridge::export(&self.need_model()?.blob)?)
    }

    /// Stores the open model's weights in another type.
    ///
    /// # Errors
    ///
    /// [`LabError::NoModel`]; [`LabError::Blob`]; the old model stays.
    pub fn blob_convert(&mut self, dtype: Dtype) -> Result<Conversion> {
        let model = self.need_model()?;
        let (blob, error) = model.blob.to_dtype(dtype);
        let bytes = blob.encode()?;
        let (name, seed) = (model.view.name.clone(), model.seed);
        let view = self.set_model(Model::new(&name, blob, bytes, seed)?)?.clone();
        Ok(Conversion { view, error })
    }

    /// Counts the weights of a matrix in bins; see [`blob_view::histogram`].
    ///
    /// # Errors
    ///
    /// [`LabError::NoModel`]; [`LabError::Matrix`].
    pub fn histogram(&self, matrix: usize, bins: usize) -> Result<(Vec<f64>, Vec<f32>)> {
        let (weights, _) = self.matrix(matrix)?;
        Ok(blob_view::histogram(weights, bins))
    }

    /// Colours the weights of a matrix, inputs from top to bottom; see [`blob_view::heat_map`].
    ///
    /// # Errors
    ///
    /// As [`Session::histogram`].
    pub fn heat_map(&self, matrix: usize, dark: bool) -> Result<Raster> {
        let (weights, cols) = self.matrix(matrix)?;
        Ok(blob_view::heat_map(weights, cols, dark))
    }

    fn matrix(&self, index: usize) -> Result<(&[f32], usize)> {
        let blob = &self.need_model()?.blob;
        let matrices = blob.matrices();
        let error = LabError::Matrix { index, count: matrices.len() };
        let matrix = matrices.get(index).ok_or(error)?;
        Ok((blob.weights.get(matrix.range.clone()).ok_or(error)?, matrix.cols))
    }

    pub(super) fn need_model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or(LabError::NoModel)
    }

    fn set_model(&mut self, model: Model) -> Result<&BlobView> {
        self.ongoing = Default::default();
        Ok(&self.model.insert(model).view)
    }
}
