//! The trailer: typed records between the weights and the CRC.
//!
//! A trailer is a list of records, each at a multiple of 4 bytes from the start of the file (zero
//! bytes fill the gap after weights that end elsewhere):
//!
//! | bytes | field | type | meaning |
//! |---|---|---|---|
//! | `0` | `tag` | u8 | what it is |
//! | `1` | `reserved` | u8 | 0 |
//! | `2..4` | `reserved` | u16 | 0 |
//! | `4..8` | `len` | u32 | bytes of payload |
//! | `8..` | payload | | then zero bytes up to a multiple of 4 |
//!
//! Tag 0 without payload ends the list; the CRC follows. Each tag may come once. Tags below
//! `0x80` describe, and unknown ones are kept unread; tags from `0x80` change the result, and
//! unknown ones are refused. Numbers called "w" are stored in the blob's dtype, all others as f32.
//! `F` is the feature dimension: the embedding's if there is one, else `D`.
//!
//! | tag | payload |
//! |---|---|
//! | `0x01` | model name, UTF-8 |
//! | `0x02` | class names, each u8 length and UTF-8, as many as there are classes |
//! | `0x03` | feature names, each u8 length and UTF-8, `F` of them |
//! | `0x04` | provenance: JSON in UTF-8, stored unread |
//! | `0x05` | Ed25519 public key \[32\] and signature \[64\] over every byte before this record |
//! | `0x81` | attention, 16 bytes: window u16, block size u16, pattern u8, switches u8, per level u8, pooling u8, window length u16, salient u8, reserved u8, frame rate f32 |
//! | `0x82` | means \[F\], inverse standard deviations \[F\] |
//! | `0x83` | RMS-norm gains before attention \[layers\]\[D\] |
//! | `0x84` | classifier bias \[classes\] |
//! | `0x85` | embedding: F u16, reserved u16, w \[F\]\[D\] |
//! | `0x86` | feed-forward: hidden u16, reserved u16, then a layer: gains \[D\], w \[D\]\[hidden\], w \[hidden\]\[D\] |
//! | `0x87` | recency slopes \[layers\]\[q heads\], not negative |
//! | `0x88` | feature pipeline, version 1, below |
//!
//! Payload of `0x88`:
//!
//! | bytes | field | type | meaning |
//! |---|---|---|---|
//! | `0` | version | u8 | 1 |
//! | `1` | source | u8 | 0 CSI, 1 feature state |
//! | `2` | switches | u8 | bit 0: divide by the frame's mean; bit 1: absolute differences too |
//! | `3` | mean removal | u8 | 0 none, 1 window, 2 exponential |
//! | `4..8` | time constant | f32 | seconds; 0 unless exponential |
//! | `8..12` | rate | f32 | Hz; 0 = as the frames come |
//! | `12..14` | bands | u16 | 0 = no pooling |
//! | `14..16` | useful pairs `n` | u16 | |
//! | `16..18` | lags `m` | u16 | |
//! | `18..20` | reserved | u16 | 0 |
//! | `20..` | pair positions \[n\], lags \[m\] | u16 | |

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::feature::PipelineConfig;
use crate::half::Storage;

/// The tags this module knows.
pub mod tag {
    /// Ends the list.
    pub const END: u8 = 0x00;
    /// Model name.
    pub const NAME: u8 = 0x01;
    /// Class names.
    pub const CLASS_NAMES: u8 = 0x02;
    /// Feature names.
    pub const FEATURE_NAMES: u8 = 0x03;
    /// Provenance.
    pub const PROVENANCE: u8 = 0x04;
    /// Signature.
    pub const SIGNATURE: u8 = 0x05;
    /// From here on a record changes the result, and an unknown one is refused.
    pub const FIRST_CRITICAL: u8 = 0x80;
    /// Attention.
    pub const ATTENTION: u8 = 0x81;
    /// Input normalisation.
    pub const NORMALISATION: u8 = 0x82;
    /// RMS-norm gains before attention.
    pub const RMS_GAINS: u8 = 0x83;
    /// Classifier bias.
    pub const BIAS: u8 = 0x84;
    /// Embedding.
    pub const EMBEDDING: u8 = 0x85;
    /// Feed-forward.
    pub const FEED_FORWARD: u8 = 0x86;
    /// Recency slopes.
    pub const SLOPES: u8 = 0x87;
    /// Feature pipeline.
    pub const PIPELINE: u8 = 0x88;
}

/// Where a record lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub tag: u8,
    /// Where its eight bytes of header start. A signature covers every byte before its own.
    pub start: usize,
    /// Where its payload lies, without the padding.
    pub payload: Range<usize>,
}

/// What a trailer holds. Whatever is `None` is not in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trailer {
    /// The model's name.
    pub name: Option<String>,
    /// One name a class, at most 255 bytes each.
    pub class_names: Option<Vec<String>>,
    /// One name a feature, at most 255 bytes each.
    pub feature_names: Option<Vec<String>>,
    /// Who trained it, on what: JSON, not read here.
    pub provenance: Option<String>,
    /// A signature, stored but not verified here. It covers every byte before its own record,
    /// so any change to the blob makes it wrong.
    pub signature: Option<Signature>,
    /// How attention looks back and what follows it.
    pub attention: Option<AttentionRecord>,
    /// What is subtracted from the features and what they are multiplied with.
    pub normalisation: Option<Normalisation>,
    /// Gains of the RMS-norm before attention, shape `[layers, input_dim]`.
    pub rms_gains: Option<Vec<f32>>,
    /// Classifier bias, shape `[classes]`.
    pub bias: Option<Vec<f32>>,
    /// From features to the head's input.
    pub embedding: Option<Embedding>,
    /// What follows attention in each layer.
    pub feed_forward: Option<FeedForward>,
    /// Recency slopes, shape `[layers, q_heads]`, not negative: a score gets
    /// `-slope * (i - j)`.
    pub slopes: Option<Vec<f32>>,
    /// What turns CSI frames into features.
    pub pipeline: Option<PipelineConfig>,
    /// Records with unknown tags from `0x06` to `0x7F`, by tag and payload.
    pub unknown: Vec<(u8, Vec<u8>)>,
    /// The order of the tags in the file, so that it can be written back byte for byte. Present
    /// records that are not listed follow by ascending tag, a signature last; listed tags
    /// without a record are ignored.
    pub order: Vec<u8>,
    /// Whether the file has a trailer even if it has no record.
    pub even_if_empty: bool,
}

/// An Ed25519 signature, not verified here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signer's public key.
    pub public_key: [u8; 32],
    /// The signature over every byte of the file before the record.
    pub signature: [u8; 64],
}

/// Which edges attention keeps, as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum AttentionPattern {
    /// The upstream kernel's edges.
    #[default]
    UpstreamEdges = 0,
    /// The same; a landmark's score gets the logarithm of its token count.
    LnCount = 1,
    /// A pyramid of landmarks.
    Pyramid = 2,
    /// Every earlier token.
    Dense = 3,
    /// The local window, and at most `salient` groups of like tokens for everything older; a token
    /// unlike all others stays exact.
    Salient = 4,
}

/// What the classifier reads, as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Pooling {
    /// The mean over all frames.
    #[default]
    Mean = 0,
    /// The last frame.
    Last = 1,
}

/// Record `0x81`. Whether the numbers suit a kernel is for the head to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionRecord {
    /// Frames of the local window.
    pub window: u16,
    /// Frames a landmark stands for.
    pub block_size: u16,
    /// Which edges are kept.
    pub pattern: AttentionPattern,
    /// Whether `i-1, i-2, i-4, ...` are kept.
    pub log_stride: bool,
    /// Whether landmarks are kept.
    pub landmarks: bool,
    /// Whether token 0 is kept.
    pub global_token: bool,
    /// How queries, keys and values are kept. With [`Storage::F16`] they are rounded as soon as
    /// they are projected, in every layer, whether or not they are then kept.
    pub storage: Storage,
    /// Whether a node classifies by the step of each frame instead of the window.
    pub streaming: bool,
    /// Landmarks a level of the pyramid has.
    pub per_level: u8,
    /// What the classifier reads.
    pub pooling: Pooling,
    /// Frames a classification reads.
    pub window_len: u16,
    /// Groups that the salient pattern may form.
    pub salient: u8,
    /// Frames a second that the model was trained at; 0 = not stated. Not negative.
    pub frame_rate_hz: f32,
}

impl Default for AttentionRecord {
    /// Returns what a blob without the record means: upstream edges, window 32, block 16, all
    /// edges switched on, rows of f32, no streaming, mean pooling; 50 frames a classification, rate
    /// not stated.
    fn default() -> Self {
        Self {
            window: 32,
            block_size: 16,
            pattern: AttentionPattern::UpstreamEdges,
            log_stride: true,
            landmarks: true,
            global_token: true,
            storage: Storage::F32,
            streaming: false,
            per_level: 0,
            pooling: Pooling::Mean,
            window_len: 50,
            salient: 0,
            frame_rate_hz: 0.0,
        }
    }
}

/// Record `0x82`: `(x - mean) * inv_std` for each feature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalisation {
    /// Means, shape `[feature_dim]`.
    pub mean: Vec<f32>,
    /// Inverse standard deviations, shape `[feature_dim]`.
    pub inv_std: Vec<f32>,
}

/// Record `0x85`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding {
    /// Features a row has.
    pub feature_dim: u16,
    /// Row-major `[feature_dim][input_dim]`, in the blob's dtype.
    pub matrix: Vec<f32>,
}

/// Record `0x86`: `x <- x + relu(norm(x) w1) w2` after each attention.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedForward {
    /// Numbers between the two matrices.
    pub hidden: u16,
    /// One a layer.
    pub layers: Vec<FeedForwardLayer>,
}

/// One layer of [`FeedForward`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedForwardLayer {
    /// Gains of the RMS-norm before it, shape `[input_dim]`.
    pub gains: Vec<f32>,
    /// Row-major `[input_dim][hidden]`, in the blob's dtype.
    pub w1: Vec<f32>,
    /// Row-major `[hidden][input_dim]`, in the blob's dtype.
    pub w2: Vec<f32>,
}

impl Trailer {
    /// Returns the tags of the records it holds, in the order in which they are written.
    pub fn tags(&self) -> Vec<u8> {
        let mut present: Vec<u8> = [
            (tag::NAME, self.name.is_some()),
            (tag::CLASS_NAMES, self.class_names.is_some()),
            (tag::FEATURE_NAMES, self.feature_names.is_some()),
            (tag::PROVENANCE, self.provenance.is_some()),
            (tag::ATTENTION, self.attention.is_some()),
            (tag::NORMALISATION, self.normalisation.is_some()),
            (tag::RMS_GAINS, self.rms_gains.is_some()),
            (tag::BIAS, self.bias.is_some()),
            (tag::EMBEDDING, self.embedding.is_some()),
            (tag::FEED_FORWARD, self.feed_forward.is_some()),
            (tag::SLOPES, self.slopes.is_some()),
            (tag::PIPELINE, self.pipeline.is_some()),
        ]
        .into_iter()
        .filter_map(|(tag, is_present)| is_present.then_some(tag))
        .chain(self.unknown.iter().map(|(tag, _)| *tag))
        .collect();
        present.sort_unstable();
        present.extend(self.signature.map(|_| tag::SIGNATURE));
        let place =
            |tag: &u8| self.order.iter().position(|listed| listed == tag).unwrap_or(usize::MAX);
        present.sort_by_key(place);
        present
    }

    /// Returns whether a file needs a trailer for it.
    pub fn is_written(&self) -> bool {
        self.even_if_empty || !self.tags().is_empty()
    }
}
