//! The payloads of the trailer's records, both ways.

use alloc::string::String;
use alloc::vec::Vec;

use super::bytes::{read_floats, u16_at, u32_at, write_floats};
use super::trailer::{
    AttentionPattern, AttentionRecord, Embedding, FeedForward, FeedForwardLayer, Normalisation,
    Pooling, Record, Signature, Trailer, tag,
};
use super::{BlobError, Dtype, HeadShape, WeightBlob, pipeline};
use crate::half::Storage;

/// Reads the payloads that `found` points at. The embedding comes first, wherever it lies,
/// because others are as long as it says.
pub fn read(
    bytes: &[u8],
    found: &[Record],
    shape: &HeadShape,
    dtype: Dtype,
) -> Result<Trailer, BlobError> {
    let mut trailer = Trailer {
        order: found.iter().map(|record| record.tag).collect(),
        even_if_empty: found.is_empty(),
        ..Trailer::default()
    };
    let payload_of =
        |record: &Record| Payload { tag: record.tag, bytes: &bytes[record.payload.clone()] };
    let d = usize::from(shape.input_dim);
    let layers = usize::from(shape.layers);
    let mut features = d;
    if let Some(record) = found.iter().find(|record| record.tag == tag::EMBEDDING) {
        let embedding = payload_of(record).embedding(d, dtype)?;
        features = usize::from(embedding.feature_dim);
        trailer.embedding = Some(embedding);
    }
    for record in found {
        let payload = payload_of(record);
        match record.tag {
            tag::NAME => trailer.name = Some(payload.text(0..payload.bytes.len())?),
            tag::CLASS_NAMES => {
                trailer.class_names = Some(payload.names(usize::from(shape.classes))?)
            }
            tag::FEATURE_NAMES => trailer.feature_names = Some(payload.names(features)?),
            tag::PROVENANCE => trailer.provenance = Some(payload.text(0..payload.bytes.len())?),
            tag::SIGNATURE => trailer.signature = Some(payload.signature()?),
            tag::ATTENTION => trailer.attention = Some(payload.attention()?),
            tag::NORMALISATION => {
                let mut mean = payload.floats(2 * features)?;
                let inv_std = mean.split_off(features);
                trailer.normalisation = Some(Normalisation { mean, inv_std });
            }
            tag::RMS_GAINS => trailer.rms_gains = Some(payload.floats(layers * d)?),
            tag::BIAS => trailer.bias = Some(payload.floats(usize::from(shape.classes))?),
            tag::EMBEDDING => {}
            tag::FEED_FORWARD => {
                trailer.feed_forward = Some(payload.feed_forward(layers, d, dtype)?)
            }
            tag::SLOPES => {
                trailer.slopes = Some(payload.slopes(layers * usize::from(shape.q_heads))?)
            }
            tag::PIPELINE => trailer.pipeline = Some(pipeline::read(payload.bytes, features)?),
            unknown => trailer.unknown.push((unknown, payload.bytes.to_vec())),
        }
    }
    Ok(trailer)
}

/// A record's payload and the tag for its errors.
struct Payload<'a> {
    tag: u8,
    bytes: &'a [u8],
}

impl Payload<'_> {
    fn expect_len(&self, expected: u64) -> Result<(), BlobError> {
        match self.bytes.len() as u64 {
            got if got == expected => Ok(()),
            got => Err(BlobError::TrailerPayloadLength { tag: self.tag, expected, got }),
        }
    }

    fn text(&self, range: core::ops::Range<usize>) -> Result<String, BlobError> {
        let start = range.start;
        match core::str::from_utf8(&self.bytes[range]) {
            Ok(text) => Ok(String::from(text)),
            Err(error) => {
                Err(BlobError::TrailerUtf8 { tag: self.tag, at: start + error.valid_up_to() })
            }
        }
    }

    fn names(&self, expected: usize) -> Result<Vec<String>, BlobError> {
        let mut names = Vec::new();
        let (mut got, mut at) = (0, 0);
        while let Some(&len) = self.bytes.get(at) {
            let range = at + 1..at + 1 + usize::from(len);
            let end = range.end;
            if end > self.bytes.len() {
                return Err(BlobError::TrailerPayloadLength {
                    tag: self.tag,
                    expected: end as u64,
                    got: self.bytes.len() as u64,
                });
            }
            // A hostile payload may be a million empty names: they are counted, not kept.
            if got < expected {
                names.push(self.text(range)?);
            }
            got += 1;
            at = end;
        }
        match got == expected {
            true => Ok(names),
            false => Err(BlobError::TrailerCount { tag: self.tag, expected, got }),
        }
    }

    /// All floats are looked at, those in `dtype` included.
    fn finite(&self, values: Vec<f32>, first_index: usize) -> Result<Vec<f32>, BlobError> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => {
                Err(BlobError::TrailerNotFinite { tag: self.tag, index: first_index + index })
            }
            None => Ok(values),
        }
    }

    fn floats(&self, count: usize) -> Result<Vec<f32>, BlobError> {
        self.expect_len(count as u64 * 4)?;
        self.finite(read_floats(self.bytes, Dtype::F32), 0)
    }

    fn slopes(&self, count: usize) -> Result<Vec<f32>, BlobError> {
        let slopes = self.floats(count)?;
        match slopes.iter().position(|&slope| slope < 0.0) {
            Some(index) => Err(BlobError::TrailerNegative { tag: self.tag, index }),
            None => Ok(slopes),
        }
    }

    fn signature(&self) -> Result<Signature, BlobError> {
        self.expect_len(96)?;
        let mut record = Signature { public_key: [0; 32], signature: [0; 64] };
        record.public_key.copy_from_slice(&self.bytes[..32]);
        record.signature.copy_from_slice(&self.bytes[32..]);
        Ok(record)
    }

    fn undefined(&self, at: usize, value: u16) -> BlobError {
        BlobError::TrailerValue { tag: self.tag, at, value }
    }

    fn attention(&self) -> Result<AttentionRecord, BlobError> {
        self.expect_len(16)?;
        let b = self.bytes;
        let undefined = |at: usize| self.undefined(at, u16::from(b[at]));
        let pattern = match b[4] {
            0 => AttentionPattern::UpstreamEdges,
            1 => AttentionPattern::LnCount,
            2 => AttentionPattern::Pyramid,
            3 => AttentionPattern::Dense,
            4 => AttentionPattern::Salient,
            _ => return Err(undefined(4)),
        };
        if b[5] & !0b1_1111 != 0 {
            return Err(undefined(5));
        }
        let pooling = match b[7] {
            0 => Pooling::Mean,
            1 => Pooling::Last,
            _ => return Err(undefined(7)),
        };
        if b[11] != 0 {
            return Err(undefined(11));
        }
        let frame_rate_hz = f32::from_bits(u32_at(b, 12));
        if !frame_rate_hz.is_finite() {
            return Err(BlobError::TrailerNotFinite { tag: self.tag, index: 0 });
        }
        if frame_rate_hz < 0.0 {
            return Err(BlobError::TrailerNegative { tag: self.tag, index: 0 });
        }
        Ok(AttentionRecord {
            window: u16_at(b, 0),
            block_size: u16_at(b, 2),
            pattern,
            log_stride: b[5] & 1 != 0,
            landmarks: b[5] & 2 != 0,
            global_token: b[5] & 4 != 0,
            storage: if b[5] & 8 != 0 { Storage::F16 } else { Storage::F32 },
            streaming: b[5] & 16 != 0,
            per_level: b[6],
            pooling,
            window_len: u16_at(b, 8),
            salient: b[10],
            frame_rate_hz,
        })
    }

    /// The u16 size and the reserved u16 that matrices start with.
    fn size(&self) -> Result<u16, BlobError> {
        if self.bytes.len() < 4 {
            self.expect_len(4)?;
        }
        match (u16_at(self.bytes, 0), u16_at(self.bytes, 2)) {
            (0, _) => Err(self.undefined(0, 0)),
            (size, 0) => Ok(size),
            (_, reserved) => Err(self.undefined(2, reserved)),
        }
    }

    fn embedding(&self, d: usize, dtype: Dtype) -> Result<Embedding, BlobError> {
        let feature_dim = self.size()?;
        self.expect_len(4 + u64::from(feature_dim) * (d * dtype.bytes()) as u64)?;
        let matrix = self.finite(read_floats(&self.bytes[4..], dtype), 0)?;
        Ok(Embedding { feature_dim, matrix })
    }

    fn feed_forward(
        &self,
        layers: usize,
        d: usize,
        dtype: Dtype,
    ) -> Result<FeedForward, BlobError> {
        let hidden = self.size()?;
        // Below 2^53.
        let gains_len = d as u64 * 4;
        let matrix_len = d as u64 * u64::from(hidden) * dtype.bytes() as u64;
        let layer_len = gains_len + 2 * matrix_len;
        self.expect_len(4 + layers as u64 * layer_len)?;
        let (gains_len, matrix_len) = (gains_len as usize, matrix_len as usize);
        let numbers = d + 2 * d * usize::from(hidden);
        let layer = |(index, bytes): (usize, &[u8])| {
            let (gains, matrices) = bytes.split_at(gains_len);
            let (w1, w2) = matrices.split_at(matrix_len);
            let first = index * numbers;
            Ok(FeedForwardLayer {
                gains: self.finite(read_floats(gains, Dtype::F32), first)?,
                w1: self.finite(read_floats(w1, dtype), first + d)?,
                w2: self.finite(read_floats(w2, dtype), first + d + d * usize::from(hidden))?,
            })
        };
        let layers = self.bytes[4..].chunks_exact(layer_len as usize).enumerate().map(layer);
        Ok(FeedForward { hidden, layers: layers.collect::<Result<_, BlobError>>()? })
    }
}

/// Appends the payload of the record with this tag. Lengths that parsing could not tell apart
/// are checked here; all else is left to reading the result back.
pub fn write(out: &mut Vec<u8>, blob: &WeightBlob, tag: u8) -> Result<(), BlobError> {
    let trailer = &blob.trailer;
    let (d, dtype) = (usize::from(blob.shape.input_dim), blob.dtype);
    let features = blob.feature_dim();
    let expect_numbers = |values: &[f32], expected: usize| match values.len() {
        got if got == expected => Ok(()),
        got => Err(BlobError::TrailerPayloadLength {
            tag,
            expected: expected as u64 * 4,
            got: got as u64 * 4,
        }),
    };
    let floats = |out: &mut Vec<u8>, values: &Option<Vec<f32>>| {
        write_floats(out, values.as_deref().unwrap_or(&[]), Dtype::F32);
    };
    match tag {
        tag::NAME => out.extend(trailer.name.iter().flat_map(|text| text.bytes())),
        tag::PROVENANCE => out.extend(trailer.provenance.iter().flat_map(|text| text.bytes())),
        tag::CLASS_NAMES => write_names(out, tag, trailer.class_names.as_deref())?,
        tag::FEATURE_NAMES => write_names(out, tag, trailer.feature_names.as_deref())?,
        tag::SIGNATURE => {
            if let Some(record) = &trailer.signature {
                out.extend_from_slice(&record.public_key);
                out.extend_from_slice(&record.signature);
            }
        }
        tag::ATTENTION => {
            if let Some(record) = &trailer.attention {
                write_attention(out, record);
            }
        }
        tag::NORMALISATION => {
            if let Some(record) = &trailer.normalisation {
                expect_numbers(&record.mean, features)?;
                write_floats(out, &record.mean, Dtype::F32);
                write_floats(out, &record.inv_std, Dtype::F32);
            }
        }
        tag::RMS_GAINS => floats(out, &trailer.rms_gains),
        tag::BIAS => floats(out, &trailer.bias),
        tag::SLOPES => floats(out, &trailer.slopes),
        tag::EMBEDDING => {
            if let Some(record) = &trailer.embedding {
                write_size(out, record.feature_dim);
                write_floats(out, &record.matrix, dtype);
            }
        }
        tag::FEED_FORWARD => {
            if let Some(record) = &trailer.feed_forward {
                write_size(out, record.hidden);
                for layer in &record.layers {
                    expect_numbers(&layer.gains, d)?;
                    expect_numbers(&layer.w1, d * usize::from(record.hidden))?;
                    expect_numbers(&layer.w2, d * usize::from(record.hidden))?;
                    write_floats(out, &layer.gains, Dtype::F32);
                    write_floats(out, &layer.w1, dtype);
                    write_floats(out, &layer.w2, dtype);
                }
            }
        }
        tag::PIPELINE => {
            if let Some(config) = &trailer.pipeline {
                pipeline::write(out, config)?;
            }
        }
        unknown => {
            for (_, payload) in trailer.unknown.iter().filter(|(tag, _)| *tag == unknown) {
                out.extend_from_slice(payload);
            }
        }
    }
    Ok(())
}

fn write_size(out: &mut Vec<u8>, size: u16) {
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
}

fn write_names(out: &mut Vec<u8>, tag: u8, names: Option<&[String]>) -> Result<(), BlobError> {
    for (index, name) in names.unwrap_or(&[]).iter().enumerate() {
        let bytes = name.len();
        let too_long = BlobError::TrailerNameTooLong { tag, index, bytes };
        out.push(u8::try_from(bytes).map_err(|_| too_long)?);
        out.extend_from_slice(name.as_bytes());
    }
    Ok(())
}

fn write_attention(out: &mut Vec<u8>, record: &AttentionRecord) {
    let switches = u8::from(record.log_stride)
        | u8::from(record.landmarks) << 1
        | u8::from(record.global_token) << 2
        | u8::from(record.storage == Storage::F16) << 3
        | u8::from(record.streaming) << 4;
    out.extend_from_slice(&record.window.to_le_bytes());
    out.extend_from_slice(&record.block_size.to_le_bytes());
    out.extend_from_slice(&[
        record.pattern as u8,
        switches,
        record.per_level,
        record.pooling as u8,
    ]);
    out.extend_from_slice(&record.window_len.to_le_bytes());
    out.extend_from_slice(&[record.salient, 0]);
    out.extend_from_slice(&record.frame_rate_hz.to_le_bytes());
}
