//! From bytes to a blob. The order of the checks is the module documentation's.

use alloc::vec::Vec;

use super::bytes::{read_floats, u16_at, u32_at};
use super::trailer::{Record, tag};
use super::{
    BlobError, Dtype, FLAG_F16, FLAG_TRAILER, FOOTER_LEN, HEADER_LEN, HeadShape, MAGIC, Trailer,
    VERSION, WeightBlob, records,
};
use crate::crc32::crc32;

const RECORD_HEADER_LEN: usize = 8;

impl WeightBlob {
    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`super`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BlobError> {
        let header = Header::check(bytes)?;
        let trailer = match header.has_trailer {
            false => Trailer::default(),
            true => {
                let found = scan(bytes, header.weights_end)?;
                records::read(bytes, &found, &header.shape, header.dtype)?
            }
        };
        let weights = read_floats(&bytes[HEADER_LEN..header.weights_end], header.dtype);
        if let Some(index) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(BlobError::NotFinite { index });
        }
        Ok(Self { shape: header.shape, dtype: header.dtype, weights, trailer })
    }
}

/// Finds the trailer's records, without the end record, and without reading their payloads.
/// Empty for a blob without a trailer.
///
/// # Errors
///
/// As [`WeightBlob::parse`] up to the records' frames.
pub fn trailer_records(bytes: &[u8]) -> Result<Vec<Record>, BlobError> {
    let header = Header::check(bytes)?;
    match header.has_trailer {
        false => Ok(Vec::new()),
        true => scan(bytes, header.weights_end),
    }
}

struct Header {
    shape: HeadShape,
    dtype: Dtype,
    has_trailer: bool,
    weights_end: usize,
}

impl Header {
    /// Every check from the magic to the CRC.
    fn check(bytes: &[u8]) -> Result<Self, BlobError> {
        let short = BlobError::TooShort { needed: HEADER_LEN + FOOTER_LEN, got: bytes.len() };
        match u32_at(bytes.first_chunk::<4>().ok_or(short)?, 0) {
            MAGIC => {}
            got if got == MAGIC.swap_bytes() => return Err(BlobError::MagicBigEndian),
            got => return Err(BlobError::Magic { got }),
        }
        if bytes.len() < HEADER_LEN + FOOTER_LEN {
            return Err(short);
        }
        let version = u16_at(bytes, 4);
        if version != VERSION {
            return Err(BlobError::Version { got: version });
        }
        let flags = bytes[6];
        if flags & !(FLAG_F16 | FLAG_TRAILER) != 0 {
            return Err(BlobError::ReservedFlag { flags });
        }
        if bytes[7] != 0 {
            return Err(BlobError::ReservedByte { got: bytes[7] });
        }
        let shape = HeadShape {
            input_dim: u16_at(bytes, 0x08),
            q_heads: u16_at(bytes, 0x0A),
            kv_heads: u16_at(bytes, 0x0C),
            head_dim: u16_at(bytes, 0x0E),
            layers: u16_at(bytes, 0x10),
            classes: u16_at(bytes, 0x12),
        };
        shape.validate()?;
        let dtype = if flags & FLAG_F16 == 0 { Dtype::F32 } else { Dtype::F16 };
        let has_trailer = flags & FLAG_TRAILER != 0;

        let weights_len = u64::from(u32_at(bytes, 0x14));
        let expected = shape.weight_count()? as u64 * dtype.bytes() as u64;
        if weights_len != expected {
            return Err(BlobError::WeightsLength { expected, got: weights_len });
        }
        let weights_end = HEADER_LEN as u64 + weights_len;
        let least = match has_trailer {
            false => weights_end,
            true => weights_end.next_multiple_of(4) + RECORD_HEADER_LEN as u64,
        } + FOOTER_LEN as u64;
        let got = bytes.len() as u64;
        if got < least || (got > least && !has_trailer) {
            return Err(BlobError::Length { expected: least, got });
        }

        let body = &bytes[..bytes.len() - FOOTER_LEN];
        let (stored, computed) = (u32_at(bytes, body.len()), crc32(body));
        if stored != computed {
            return Err(BlobError::Crc { stored, computed });
        }
        // It fits: the file is longer.
        Ok(Self { shape, dtype, has_trailer, weights_end: weights_end as usize })
    }
}

/// Walks over the frames of the records. At most 256 of them, as no tag may come twice.
fn scan(bytes: &[u8], weights_end: usize) -> Result<Vec<Record>, BlobError> {
    let end = bytes.len() - FOOTER_LEN;
    let mut seen = [false; 256];
    let mut found = Vec::new();
    let mut offset = padded(bytes, weights_end, end)?;
    loop {
        if end - offset < RECORD_HEADER_LEN {
            return Err(BlobError::TrailerEndMissing { offset });
        }
        let (tag, len) = (bytes[offset], u32_at(bytes, offset + 4));
        if bytes[offset + 1..offset + 4] != [0; 3] {
            return Err(BlobError::TrailerReserved { tag, offset });
        }
        let start = offset + RECORD_HEADER_LEN;
        if tag == tag::END {
            return match (len, end - start) {
                (0, 0) => Ok(found),
                (0, rest) => Err(BlobError::TrailerBytesAfterEnd { offset: start, bytes: rest }),
                _ => Err(BlobError::TrailerPayloadLength { tag, expected: 0, got: u64::from(len) }),
            };
        }
        if tag > tag::PIPELINE || tag == tag::FIRST_CRITICAL {
            return Err(BlobError::TrailerUnknown { tag, offset });
        }
        if core::mem::replace(&mut seen[usize::from(tag)], true) {
            return Err(BlobError::TrailerDuplicate { tag, offset });
        }
        let bounds = BlobError::TrailerBounds { tag, offset, len };
        let payload_len =
            usize::try_from(len).ok().filter(|&len| len <= end - start).ok_or(bounds)?;
        let payload = start..start + payload_len;
        let next = payload.end;
        found.push(Record { tag, start: offset, payload });
        offset = padded(bytes, next, end)?;
    }
}

/// The next multiple of 4 from `from`, once the bytes up to there are known to be zero.
fn padded(bytes: &[u8], from: usize, end: usize) -> Result<usize, BlobError> {
    let next = from.next_multiple_of(4).min(end);
    match bytes[from..next].iter().position(|&byte| byte != 0) {
        Some(index) => Err(BlobError::TrailerPadding { offset: from + index }),
        None => Ok(next),
    }
}
