//! Weights that arrive piece by piece.

use crate::NodeError;
use alloc::vec::Vec;
use csi_temporal::crc32::crc32;

/// Bytes of a blob, until all of them are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upload {
    pieces: Option<(Vec<u8>, usize, u32)>,
}

impl Upload {
    /// Starts anew with `len` bytes whose CRC-32 is `crc`; what arrived before is forgotten.
    pub fn begin(&mut self, len: u32, crc: u32, limit: usize) -> Result<u32, NodeError> {
        self.pieces = None;
        let len = len as usize;
        if len > limit {
            return Err(NodeError::BlobTooLarge { len, limit });
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| NodeError::Memory { needed: len })?;
        self.pieces = Some((bytes, len, crc));
        Ok(0)
    }

    /// Takes a piece and returns the offset wanted next. A piece that is there already is taken
    /// again without a change, so that a sender may repeat what was not answered.
    pub fn take(&mut self, offset: u32, piece: &[u8]) -> Result<u32, NodeError> {
        let (bytes, len, _) = self.pieces.as_mut().ok_or(NodeError::UploadNotBegun)?;
        let expected = bytes.len() as u32;
        let end = offset as usize + piece.len();
        if end <= bytes.len() && bytes[offset as usize..end] == *piece {
            return Ok(expected);
        }
        if offset != expected || end > *len {
            return Err(NodeError::UploadOffset { expected, got: offset });
        }
        bytes.extend_from_slice(piece);
        Ok(end as u32)
    }

    /// Returns the blob. Incomplete, it stays to be continued; with a wrong CRC it is forgotten.
    pub fn end(&mut self) -> Result<Vec<u8>, NodeError> {
        let (bytes, len, announced) = self.pieces.take().ok_or(NodeError::UploadNotBegun)?;
        if bytes.len() < len {
            let error = NodeError::UploadIncomplete { expected: len, got: bytes.len() };
            self.pieces = Some((bytes, len, announced));
            return Err(error);
        }
        match crc32(&bytes) {
            computed if computed == announced => Ok(bytes),
            computed => Err(NodeError::UploadCrc { announced, computed }),
        }
    }
}
