//! What tensors do not say: the JSON text in the metadata under `rvne`.
//!
//! Only `head_dim` must be there. The fields of a blob's attention and pipeline records have the
//! names and the meaning of `csi_temporal::rvne::trailer`; a field that is left out of `attention` means what
//! it means in a blob without the record, one left out of `pipeline` is off. Fields that are not known
//! are refused: a slip of the pen shall not change a result unseen.

use csi_temporal::feature::{FeatureSource, MeanRemoval, PipelineConfig};
use csi_temporal::half::Storage;
use csi_temporal::rvne::{
    AttentionPattern, AttentionRecord, Pooling, Signature, Trailer, WeightBlob,
};
use serde::{Deserialize, Serialize};

use super::{BridgeError, ShortText};

/// The key in the metadata.
pub const KEY: &str = "rvne";

/// The JSON object.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// Numbers a head. All other sizes follow from the tensors.
    pub head_dim: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class_names: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    feature_names: Option<Vec<String>>,
    /// Text, which is JSON by custom and is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention: Option<Attention>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipeline: Option<Pipeline>,
    /// Public key and signature, hexadecimal. It holds for the very bytes that were signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    /// Tag and payload, hexadecimal, of records that were not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<(u8, String)>,
    /// Tags in the order of the blob; an empty list is an empty trailer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Attention {
    pattern: PatternName,
    window: u16,
    block_size: u16,
    log_stride: bool,
    landmarks: bool,
    global_token: bool,
    per_level: u8,
    salient: u8,
    pooling: PoolingName,
    window_len: u16,
    storage: StorageName,
    streaming: bool,
    /// As f64, whose decimal digits lead back to the same f32 whatever reads them.
    frame_rate_hz: f64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pipeline {
    source: SourceName,
    useful: Vec<u16>,
    bands: u16,
    divide_by_mean: bool,
    mean_removal: Removal,
    rate_hz: f64,
    lags: Vec<u16>,
    lag_absolute: bool,
}

/// Pairs a word with each variant of an enum of the core.
macro_rules! words {
    ($name:ident = $core:ident: $($variant:ident = $word:literal),+) => {
        #[derive(Clone, Copy, Serialize, Deserialize)]
        enum $name { $(#[serde(rename = $word)] $variant),+ }
        impl From<$core> for $name {
            fn from(value: $core) -> Self { match value { $($core::$variant => Self::$variant),+ } }
        }
        impl From<$name> for $core {
            fn from(value: $name) -> Self { match value { $($name::$variant => Self::$variant),+ } }
        }
        impl Default for $name {
            fn default() -> Self { $core::default().into() }
        }
    };
}
words!(PatternName = AttentionPattern: UpstreamEdges = "upstream", LnCount = "ln",
    Pyramid = "pyramid", Dense = "dense", Salient = "salient");
words!(PoolingName = Pooling: Mean = "mean", Last = "last");
words!(StorageName = Storage: F32 = "f32", F16 = "f16");
words!(SourceName = FeatureSource: Csi = "csi", FeatureState = "feature_state");

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Removal {
    #[default]
    None,
    Window,
    Exponential {
        time_constant_s: f64,
    },
}

impl Meta {
    /// Takes from a blob what no tensor holds.
    pub fn of(blob: &WeightBlob) -> Self {
        let trailer = &blob.trailer;
        Self {
            head_dim: blob.shape.head_dim,
            name: trailer.name.clone(),
            class_names: trailer.class_names.clone(),
            feature_names: trailer.feature_names.clone(),
            provenance: trailer.provenance.clone(),
            attention: trailer.attention.map(Attention::from),
            pipeline: trailer.pipeline.as_ref().map(Pipeline::from),
            signature: trailer
                .signature
                .map(|signed| hex(&[&signed.public_key[..], &signed.signature[..]].concat())),
            unknown: trailer.unknown.iter().map(|(tag, bytes)| (*tag, hex(bytes))).collect(),
            order: trailer.is_written().then(|| trailer.tags()),
        }
    }

    /// Reads the JSON text.
    pub fn read(text: &str) -> Result<Self, BridgeError> {
        serde_json::from_str(text).map_err(|e| wrong(&e.to_string()))
    }

    /// Writes the JSON text; the same blob gives the same text.
    pub fn write(&self) -> Result<String, BridgeError> {
        serde_json::to_string(self).map_err(|e| wrong(&e.to_string()))
    }

    /// Makes a trailer of it, in which what tensors hold is missing.
    pub fn into_trailer(self) -> Result<Trailer, BridgeError> {
        let unknown = |(tag, text): (u8, String)| match unhex(&text) {
            Some(bytes) => Ok((tag, bytes)),
            None => Err(wrong("a payload in `unknown` is not hexadecimal")),
        };
        Ok(Trailer {
            name: self.name,
            class_names: self.class_names,
            feature_names: self.feature_names,
            provenance: self.provenance,
            attention: self.attention.map(AttentionRecord::from),
            pipeline: self.pipeline.map(PipelineConfig::from),
            signature: self.signature.as_deref().map(signature).transpose()?,
            unknown: self.unknown.into_iter().map(unknown).collect::<Result<_, _>>()?,
            even_if_empty: self.order.as_ref().is_some_and(Vec::is_empty),
            order: self.order.unwrap_or_default(),
            ..Trailer::default()
        })
    }
}

fn wrong(what: &str) -> BridgeError {
    BridgeError::Metadata { what: ShortText::new(what) }
}

fn signature(text: &str) -> Result<Signature, BridgeError> {
    let bytes = unhex(text).unwrap_or_default();
    let parts = bytes.split_first_chunk::<32>().and_then(|(public_key, rest)| {
        Some(Signature { public_key: *public_key, signature: *rest.as_array::<64>()? })
    });
    parts.ok_or_else(|| wrong("`signature` is not 192 hexadecimal digits"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

impl Default for Attention {
    fn default() -> Self {
        AttentionRecord::default().into()
    }
}

impl From<AttentionRecord> for Attention {
    fn from(record: AttentionRecord) -> Self {
        Self {
            pattern: record.pattern.into(),
            window: record.window,
            block_size: record.block_size,
            log_stride: record.log_stride,
            landmarks: record.landmarks,
            global_token: record.global_token,
            per_level: record.per_level,
            salient: record.salient,
            pooling: record.pooling.into(),
            window_len: record.window_len,
            storage: record.storage.into(),
            streaming: record.streaming,
            frame_rate_hz: record.frame_rate_hz.into(),
        }
    }
}

impl From<Attention> for AttentionRecord {
    fn from(meta: Attention) -> Self {
        Self {
            pattern: meta.pattern.into(),
            window: meta.window,
            block_size: meta.block_size,
            log_stride: meta.log_stride,
            landmarks: meta.landmarks,
            global_token: meta.global_token,
            per_level: meta.per_level,
            salient: meta.salient,
            pooling: meta.pooling.into(),
            window_len: meta.window_len,
            storage: meta.storage.into(),
            streaming: meta.streaming,
            frame_rate_hz: meta.frame_rate_hz as f32,
        }
    }
}

impl From<&PipelineConfig> for Pipeline {
    fn from(config: &PipelineConfig) -> Self {
        Self {
            source: config.source.into(),
            useful: config.useful.clone(),
            bands: config.bands,
            divide_by_mean: config.divide_by_mean,
            mean_removal: match config.mean_removal {
                MeanRemoval::None => Removal::None,
                MeanRemoval::Window => Removal::Window,
                MeanRemoval::Exponential { time_constant_s } => {
                    Removal::Exponential { time_constant_s: time_constant_s.into() }
                }
            },
            rate_hz: config.rate_hz.into(),
            lags: config.lags.clone(),
            lag_absolute: config.lag_absolute,
        }
    }
}

impl From<Pipeline> for PipelineConfig {
    fn from(meta: Pipeline) -> Self {
        Self {
            source: meta.source.into(),
            useful: meta.useful,
            bands: meta.bands,
            divide_by_mean: meta.divide_by_mean,
            mean_removal: match meta.mean_removal {
                Removal::None => MeanRemoval::None,
                Removal::Window => MeanRemoval::Window,
                Removal::Exponential { time_constant_s } => {
                    MeanRemoval::Exponential { time_constant_s: time_constant_s as f32 }
                }
            },
            rate_hz: meta.rate_hz as f32,
            lags: meta.lags,
            lag_absolute: meta.lag_absolute,
        }
    }
}
