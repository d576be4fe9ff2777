//! What there is to see in a `.rvne` blob: header, records, matrices, and how it was trained.
//!
//! Everything is taken from the blob's own bytes. A statement about training is made only where
//! the blob carries one, or where its weights are recognised as untrained.

use serde::Serialize;

use csi_temporal::half::Storage;
use csi_temporal::rvne::trailer::tag;
use csi_temporal::rvne::{
    AttentionRecord, BlobError, DEFAULT_SEED, Dtype, HEADER_LEN, HeadShape, Pooling, Stats,
    WeightBlob, trailer_records,
};

use crate::colour::ColourMap;
use crate::pattern::Pattern;
use crate::raster::Raster;

/// Largest blob, in weights, whose origin is looked for by making weights from the default seed.
const MAX_RECOGNISED_WEIGHTS: usize = 1 << 20;

/// A blob, described.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobView {
    /// The model's name, or the file's where it has none.
    pub name: String,
    /// The six dimensions.
    pub shape: ShapeView,
    /// `f32` or `f16`.
    pub dtype: &'static str,
    /// Length of the file.
    pub bytes: usize,
    /// Weights, without those of the trailer.
    pub parameters: usize,
    /// The CRC at the end of the file.
    pub crc32_hex: String,
    /// Each field of the header, and the CRC.
    pub header: Vec<HeaderField>,
    /// The records of the trailer, in the order of the file.
    pub records: Vec<RecordView>,
    /// What the weights were trained with, or that this is not known.
    pub trained_with: String,
    /// The names of the classes; numbered where the blob has none.
    pub class_names: Vec<String>,
    /// The matrices in file order.
    pub matrices: Vec<MatrixView>,
    /// How attention looks back: as stored, or what a blob without the record means.
    pub attention: AttentionView,
    /// The seed that the weights were made from, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed_hex: Option<String>,
}

/// The six dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShapeView {
    /// Numbers a frame has inside the head.
    pub input_dim: u16,
    /// Query heads.
    pub q_heads: u16,
    /// Key and value heads.
    pub kv_heads: u16,
    /// Numbers a head.
    pub head_dim: u16,
    /// Layers.
    pub layers: u16,
    /// Classes.
    pub classes: u16,
}

impl From<HeadShape> for ShapeView {
    fn from(shape: HeadShape) -> Self {
        let HeadShape { input_dim, q_heads, kv_heads, head_dim, layers, classes } = shape;
        Self { input_dim, q_heads, kv_heads, head_dim, layers, classes }
    }
}

/// One field of the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderField {
    /// Its name in the format's table.
    pub field: &'static str,
    /// Where it starts.
    pub offset: usize,
    /// Its bytes as they stand in the file.
    pub hex: String,
    /// What they say.
    pub meaning: String,
}

/// One record of the trailer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordView {
    /// Its tag.
    pub tag: u8,
    /// What the tag stands for.
    pub name: &'static str,
    /// Length of its payload.
    pub bytes: usize,
    /// What it says, in short.
    pub summary: String,
}

/// One matrix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatrixView {
    /// Such as `layer0.Wq`.
    pub name: String,
    /// Inputs.
    pub rows: usize,
    /// Outputs.
    pub cols: usize,
    /// The smallest weight.
    pub min: f32,
    /// The largest weight.
    pub max: f32,
    /// The mean.
    pub mean: f32,
    /// The standard deviation.
    pub std: f32,
    /// How many weights are zero.
    pub zeros: usize,
}

/// How attention looks back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttentionView {
    /// Whether the blob says so itself.
    pub stored: bool,
    /// Frames of the local window.
    pub window: u16,
    /// Frames a landmark stands for.
    pub block: u16,
    /// Which edges, in words.
    pub pattern: &'static str,
    /// The same with its numbers.
    pub says: String,
    /// The pattern's short name, see [`Pattern::NAMES`]; or `dense`.
    pub kind: &'static str,
    /// Blocks of one size, of a pyramid.
    pub per_level: u8,
    /// Groups, of the salient pattern.
    pub groups: u8,
    /// Whether power-of-two distances are kept.
    pub log_stride: bool,
    /// Whether landmarks are kept.
    pub landmarks: bool,
    /// Whether token 0 is kept.
    pub global_token: bool,
    /// `mean` or `last`.
    pub pooling: &'static str,
    /// Frames a classification reads.
    pub window_len: u16,
    /// `f32` or `f16`: how queries, keys and values are kept.
    pub rows: &'static str,
    /// Whether each frame is classified by its own step.
    pub streaming: bool,
    /// Pooling, frames a classification, rows and streaming in words.
    pub node: String,
    /// Frames a second in training; 0 = not stated.
    pub frame_rate_hz: f32,
}

impl BlobView {
    /// Describes a blob and its bytes. `made_from` is the seed, where the blob was made here.
    ///
    /// # Errors
    ///
    /// [`BlobError`] when `bytes` are not the blob's.
    pub fn new(
        name: &str,
        blob: &WeightBlob,
        bytes: &[u8],
        made_from: Option<u64>,
    ) -> Result<Self, BlobError> {
        let seed = made_from.or_else(|| recognise_seed(blob));
        let classes = usize::from(blob.shape.classes);
        let crc = bytes.last_chunk::<4>().map_or(0, |crc| u32::from_le_bytes(*crc));
        Ok(Self {
            name: blob.trailer.name.clone().unwrap_or_else(|| name.to_string()),
            shape: blob.shape.into(),
            dtype: blob.dtype.name(),
            bytes: bytes.len(),
            parameters: blob.weights.len(),
            crc32_hex: format!("{crc:08x}"),
            header: header(blob, bytes),
            records: records(blob, bytes)?,
            trained_with: trained_with(blob, seed),
            class_names: blob
                .trailer
                .class_names
                .clone()
                .unwrap_or_else(|| (0..classes).map(|class| format!("class {class}")).collect()),
            matrices: matrices(blob),
            attention: attention(blob),
            seed_hex: seed.map(|seed| format!("{seed:016x}")),
        })
    }
}

/// A blob whose weights are those of the default seed was never trained, whatever its trailer says of
/// the pattern; one that says more is taken at its word.
fn recognise_seed(blob: &WeightBlob) -> Option<u64> {
    let says_more = blob.trailer.tags().iter().any(|tag| *tag != tag::ATTENTION);
    if blob.weights.len() > MAX_RECOGNISED_WEIGHTS || says_more {
        return None;
    }
    let seeded = WeightBlob::seeded(blob.shape, DEFAULT_SEED, blob.dtype).ok()?;
    (seeded.weights == blob.weights).then_some(DEFAULT_SEED)
}

/// "1 layer", "2 layers".
fn counted(count: u16, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn trained_with(blob: &WeightBlob, seed: Option<u64>) -> String {
    match (seed, &blob.trailer.provenance) {
        (Some(seed), _) => format!("not trained: random weights from seed {seed:016x}"),
        (None, None) => "not stated".to_string(),
        (None, Some(_)) => attention(blob).says,
    }
}

fn attention(blob: &WeightBlob) -> AttentionView {
    let stored = blob.trailer.attention;
    let record: AttentionRecord = stored.unwrap_or_default();
    let pattern = Pattern::of_record(&record);
    AttentionView {
        stored: stored.is_some(),
        window: record.window,
        block: record.block_size,
        pattern: pattern.map_or("dense", |pattern| pattern.title()),
        says: pattern.map_or_else(|| "dense".to_string(), |pattern| pattern.to_string()),
        kind: pattern.map_or("dense", |pattern| pattern.name()),
        per_level: record.per_level,
        groups: record.salient,
        log_stride: record.log_stride,
        landmarks: record.landmarks,
        global_token: record.global_token,
        pooling: if record.pooling == Pooling::Mean { "mean" } else { "last" },
        window_len: record.window_len,
        rows: if record.storage == Storage::F16 { "f16" } else { "f32" },
        streaming: record.streaming,
        node: on_a_node(&record),
        frame_rate_hz: record.frame_rate_hz,
    }
}

fn on_a_node(record: &AttentionRecord) -> String {
    format!(
        "{} pooling, {} frames a classification{}{}",
        if record.pooling == Pooling::Mean { "mean" } else { "last-frame" },
        record.window_len,
        if record.storage == Storage::F16 { ", rows kept as f16" } else { "" },
        if record.streaming { ", classified by the step of each frame" } else { "" },
    )
}

fn header(blob: &WeightBlob, bytes: &[u8]) -> Vec<HeaderField> {
    let shape = &blob.shape;
    let flags = bytes.get(6).copied().unwrap_or(0);
    let trailer = if flags & 2 == 0 { "no trailer" } else { "a trailer follows the weights" };
    let weights = blob.weights.len() * blob.dtype.bytes();
    let rows: [(&'static str, usize, usize, String); 12] = [
        ("magic", 0, 4, "0x52564E45 in little-endian order: a weight blob".into()),
        ("version", 4, 2, "version 1".into()),
        ("flags", 6, 1, format!("{} weights, {trailer}", blob.dtype.name())),
        ("reserved", 7, 1, "always 0".into()),
        ("input_dim", 8, 2, format!("{} numbers a frame", shape.input_dim)),
        ("n_q_heads", 10, 2, counted(shape.q_heads, "query head")),
        ("n_kv_heads", 12, 2, counted(shape.kv_heads, "key and value head")),
        ("head_dim", 14, 2, format!("{} numbers a head", shape.head_dim)),
        ("n_layers", 16, 2, counted(shape.layers, "layer")),
        ("n_classes", 18, 2, format!("{} classes", shape.classes)),
        ("weights_len", 20, 4, format!("{weights} bytes of weights from offset {HEADER_LEN}")),
        (
            "crc32",
            bytes.len().saturating_sub(4),
            4,
            "CRC-32 over every byte before it: correct".into(),
        ),
    ];
    let hex = |offset: usize, len: usize| {
        let bytes = bytes.get(offset..offset + len).unwrap_or(&[]);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    };
    let field = |(field, offset, len, meaning)| HeaderField {
        field,
        offset,
        hex: hex(offset, len),
        meaning,
    };
    rows.into_iter().map(field).collect()
}

fn records(blob: &WeightBlob, bytes: &[u8]) -> Result<Vec<RecordView>, BlobError> {
    let view = |record: csi_temporal::rvne::Record| {
        let (name, summary) = summary(blob, record.tag);
        RecordView { tag: record.tag, name, bytes: record.payload.len(), summary }
    };
    Ok(trailer_records(bytes)?.into_iter().map(view).collect())
}

fn summary(blob: &WeightBlob, tag: u8) -> (&'static str, String) {
    let trailer = &blob.trailer;
    let names = |names: &Option<Vec<String>>| names.as_deref().unwrap_or(&[]).join(", ");
    match tag {
        tag::NAME => ("name", trailer.name.clone().unwrap_or_default()),
        tag::CLASS_NAMES => ("class names", names(&trailer.class_names)),
        tag::FEATURE_NAMES => ("feature names", names(&trailer.feature_names)),
        tag::PROVENANCE => ("provenance", trailer.provenance.clone().unwrap_or_default()),
        tag::SIGNATURE => ("signature", "Ed25519, not verified".into()),
        tag::ATTENTION => {
            let AttentionView { says, node, .. } = attention(blob);
            ("attention", format!("{says}, {node}"))
        }
        tag::NORMALISATION => {
            ("normalisation", format!("mean and spread of {} features", blob.feature_dim()))
        }
        tag::RMS_GAINS => ("norm gains", "RMS-norm before attention".into()),
        tag::BIAS => ("bias", "added to the logits".into()),
        tag::EMBEDDING => {
            ("embedding", format!("{} features to {}", blob.feature_dim(), blob.shape.input_dim))
        }
        tag::FEED_FORWARD => {
            let hidden = trailer.feed_forward.as_ref().map_or(0, |layer| layer.hidden);
            ("feed-forward", format!("{hidden} hidden numbers"))
        }
        tag::SLOPES => ("recency slopes", "older tokens score lower".into()),
        tag::PIPELINE => {
            let features = trailer.pipeline.as_ref().map_or(0, |pipeline| pipeline.feature_dim());
            ("feature pipeline", format!("{features} features a row"))
        }
        _ => ("unknown", "kept as it is".into()),
    }
}

fn matrices(blob: &WeightBlob) -> Vec<MatrixView> {
    let view = |matrix: csi_temporal::rvne::MatrixInfo| {
        let stats = Stats::of(blob.weights.get(matrix.range)?)?;
        let Stats { min, max, mean, std, zeros } = stats;
        Some(MatrixView {
            name: matrix.name,
            rows: matrix.rows,
            cols: matrix.cols,
            min,
            max,
            mean,
            std,
            zeros,
        })
    };
    blob.matrices().into_iter().filter_map(view).collect()
}

/// Counts weights in `bins` bins of equal width from the smallest to the largest. A weight on an
/// inner edge belongs to the upper bin; equal weights make one bin of width 1 around them.
///
/// Returns the `bins + 1` edges and the counts.
pub fn histogram(weights: &[f32], bins: usize) -> (Vec<f64>, Vec<f32>) {
    let bins = bins.clamp(1, 1024);
    let (mut min, mut max) = crate::raster::finite_range(weights.iter().copied());
    if min >= max {
        (min, max) = (min - 0.5, max + 0.5);
    }
    let (low, width) = (f64::from(min), (f64::from(max) - f64::from(min)) / bins as f64);
    let edges: Vec<f64> = (0..=bins).map(|i| low + width * i as f64).collect();
    let mut counts = vec![0.0; bins];
    for weight in weights.iter().filter(|weight| weight.is_finite()) {
        let bin = edges.partition_point(|edge| *edge <= f64::from(*weight)).saturating_sub(1);
        counts[bin.min(bins - 1)] += 1.0;
    }
    (edges, counts)
}

/// How many decades below the largest weight the colours of a heat map reach.
const HEAT_MAP_DECADES: f32 = 4.0;

/// Colours a matrix `[rows][cols]` by the decimal logarithm of its absolute weights.
///
/// Weights more than four decades below the largest, zeros among them, get the darkest colour.
/// `min` and `max` of the raster are logarithms.
pub fn heat_map(weights: &[f32], cols: usize, dark: bool) -> Raster {
    let largest = weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
    let smallest = weights.iter().map(|w| w.abs()).filter(|w| *w > 0.0).fold(largest, f32::min);
    if largest == 0.0 {
        return Raster::paint(&vec![0.0; weights.len()], cols, (0.0, 1.0), ColourMap::Magma, dark);
    }
    let max = largest.log10();
    let min = smallest.log10().max(max - HEAT_MAP_DECADES).min(max - 0.01);
    let values: Vec<f32> = weights.iter().map(|w| w.abs().log10().max(min)).collect();
    Raster::paint(&values, cols, (min, max), ColourMap::Magma, dark)
}

/// Reads a seed of one to sixteen hexadecimal digits, with or without `0x`.
pub fn parse_seed(text: &str) -> Option<u64> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
    let plain =
        !digits.is_empty() && digits.len() <= 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// The type of the weights by its name.
pub fn parse_dtype(name: &str) -> Option<Dtype> {
    [Dtype::F32, Dtype::F16].into_iter().find(|dtype| dtype.name() == name)
}
