//! From a blob to bytes.

use alloc::vec::Vec;

use super::bytes::{pad, write_floats};
use super::trailer::tag;
use super::{BlobError, Dtype, FLAG_F16, FLAG_TRAILER, MAGIC, VERSION, WeightBlob, records};
use crate::crc32::crc32;

impl WeightBlob {
    /// Writes a whole file. A parsed blob gives back the very bytes it was parsed from.
    ///
    /// With [`Dtype::F16`] weights are rounded to the nearest. The bytes are parsed once before
    /// they are returned: what this writes, [`WeightBlob::parse`] accepts.
    ///
    /// # Errors
    ///
    /// What parsing would complain about; [`BlobError::WeightsLength`] if the weights do not suit
    /// the shape; [`BlobError::TrailerNameTooLong`]; and [`BlobError::TrailerUnknown`] for an
    /// unknown record with a tag that is known, zero or critical.
    pub fn encode(&self) -> Result<Vec<u8>, BlobError> {
        self.shape.validate()?;
        let (held, needed) = (self.weights.len() as u64, self.shape.weight_count()? as u64);
        let width = self.dtype.bytes() as u64;
        let weights_len = u32::try_from(needed * width).ok().filter(|_| held == needed);
        let weights_len = weights_len
            .ok_or(BlobError::WeightsLength { expected: needed * width, got: held * width })?;
        if let Some(index) = self.weights.iter().position(|weight| !weight.is_finite()) {
            return Err(BlobError::NotFinite { index });
        }

        let mut out = Vec::new();
        let dtype_flag = if self.dtype == Dtype::F16 { FLAG_F16 } else { 0 };
        let trailer_flag = if self.trailer.is_written() { FLAG_TRAILER } else { 0 };
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[dtype_flag | trailer_flag, 0]);
        let shape = &self.shape;
        let dimensions =
            [shape.input_dim, shape.q_heads, shape.kv_heads, shape.head_dim, shape.layers];
        for dimension in dimensions.iter().chain([&shape.classes]) {
            out.extend_from_slice(&dimension.to_le_bytes());
        }
        out.extend_from_slice(&weights_len.to_le_bytes());
        write_floats(&mut out, &self.weights, self.dtype);
        if trailer_flag != 0 {
            self.write_trailer(&mut out)?;
        }
        out.extend_from_slice(&crc32(&out).to_le_bytes());
        Self::parse(&out)?;
        Ok(out)
    }

    fn write_trailer(&self, out: &mut Vec<u8>) -> Result<(), BlobError> {
        let is_unknown = |tag: u8| tag > tag::SIGNATURE && tag < tag::FIRST_CRITICAL;
        if let Some(&(tag, _)) = self.trailer.unknown.iter().find(|(tag, _)| !is_unknown(*tag)) {
            return Err(BlobError::TrailerUnknown { tag, offset: 0 });
        }
        pad(out);
        for tag in self.trailer.tags() {
            let start = out.len();
            out.extend_from_slice(&[tag, 0, 0, 0, 0, 0, 0, 0]);
            records::write(out, self, tag)?;
            let got = (out.len() - start - 8) as u64;
            let expected = u64::from(u32::MAX);
            let len = u32::try_from(got).map_err(|_| BlobError::TrailerPayloadLength {
                tag,
                expected,
                got,
            })?;
            out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
            pad(out);
        }
        out.extend_from_slice(&[tag::END, 0, 0, 0, 0, 0, 0, 0]);
        Ok(())
    }
}
