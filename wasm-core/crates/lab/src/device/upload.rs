//! Weights over the line, into the node's memory: a restart brings back those of its flash.

use csi_node::protocol::{Reply, Request, kind};
use csi_temporal::crc32::crc32;

use super::talk::{LATER_MICROS, Patience, SOON_MICROS, Said, Talk, Turn};
use super::{DeviceError, DeviceEvent};

/// Bytes of one piece: a tenth of a second at 115,200 baud.
const PIECE: usize = 1024;
/// How often a request is sent again before it is given up.
const TRIES: u8 = 3;

/// An upload. Every request but the last may be repeated without harm; whether a last one that
/// was not answered was taken shows by the greeting.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    blob: Vec<u8>,
    stage: Stage,
    tries: u8,
    patience: Patience,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Begin,
    Piece {
        offset: usize,
    },
    End,
    /// The answer to the end was lost.
    Ask,
}

impl Upload {
    pub fn new(blob: Vec<u8>) -> Self {
        Self { blob, stage: Stage::Begin, tries: 0, patience: Patience::default() }
    }

    /// The CRC that closes the blob.
    pub fn blob_crc(&self) -> u32 {
        self.blob.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Sends what the stage asks for.
    pub fn go(&mut self, talk: &mut Talk<'_>) {
        let blob = &self.blob;
        let request = match self.stage {
            Stage::Begin => Request::WeightsBegin { len: blob.len() as u32, crc: crc32(blob) },
            Stage::Piece { offset } => {
                let end = blob.len().min(offset + PIECE);
                Request::WeightsChunk { offset: offset as u32, bytes: &blob[offset..end] }
            }
            Stage::End => Request::WeightsEnd,
            Stage::Ask => Request::Hello,
        };
        talk.send(&request);
        let micros = if self.stage == Stage::End { LATER_MICROS } else { SOON_MICROS };
        self.patience.begin(talk.now_micros, request.kind(), micros);
    }

    /// Begins; there is no end yet.
    pub fn begin(&mut self, talk: &mut Talk<'_>) -> Turn<()> {
        self.go(talk);
        Ok(None)
    }

    /// Takes what the node said; `Some` at the end.
    pub fn hear(&mut self, talk: &mut Talk<'_>, said: Said<'_>) -> Turn<()> {
        match (self.stage, said) {
            (_, Said::Damaged(_)) | (_, Said::Reply(Reply::Error { request: 0, .. })) => {
                self.again(talk, DeviceError::Damaged { tries: TRIES })?;
            }
            (Stage::Begin, Said::Reply(Reply::Done { request: kind::WEIGHTS_BEGIN, value: 0 })) => {
                self.on(talk, 0);
            }
            (
                Stage::Piece { offset },
                Said::Reply(Reply::Done { request: kind::WEIGHTS_CHUNK, value }),
            ) => {
                let (next, len) = (value as usize, self.blob.len());
                if next > len {
                    return Err(DeviceError::Unexpected { kind: kind::DONE });
                }
                // A second answer to a piece that was sent twice wants nothing new.
                if next > offset {
                    let (done_bytes, total_bytes) = (value, len as u32);
                    talk.tell(DeviceEvent::Uploaded { done_bytes, total_bytes });
                    self.on(talk, next);
                }
            }
            (Stage::End, Said::Reply(Reply::Done { request: kind::WEIGHTS_END, value })) => {
                return self.arrived(talk, value);
            }
            (Stage::Ask, Said::Reply(Reply::Greeting(greeting))) => {
                return self.arrived(talk, greeting.blob_crc);
            }
            (_, Said::Reply(Reply::Error { request, code }))
                if (kind::WEIGHTS_BEGIN..=kind::WEIGHTS_END).contains(&request) =>
            {
                return Err(DeviceError::refused(request, code));
            }
            _ => {}
        }
        Ok(None)
    }

    pub fn handle_timeout(&mut self, talk: &mut Talk<'_>) -> Turn<()> {
        if let Some(error) = self.patience.is_over(talk.now_micros) {
            if self.stage == Stage::End {
                self.stage = Stage::Ask;
            }
            self.again(talk, error)?;
        }
        Ok(None)
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        self.patience.poll_timeout()
    }

    fn on(&mut self, talk: &mut Talk<'_>, offset: usize) {
        let is_all = offset >= self.blob.len();
        self.stage = if is_all { Stage::End } else { Stage::Piece { offset } };
        self.tries = 0;
        self.go(talk);
    }

    fn again(&mut self, talk: &mut Talk<'_>, error: DeviceError) -> Result<(), DeviceError> {
        self.tries += 1;
        if self.tries >= TRIES {
            return Err(error);
        }
        self.go(talk);
        Ok(())
    }

    fn arrived(&mut self, talk: &mut Talk<'_>, board: u32) -> Turn<()> {
        let ours = self.blob_crc();
        if board != ours {
            return Err(DeviceError::OtherWeights { board, ours });
        }
        self.patience.end();
        talk.journal(format!(
            "weights {ours:08x}, {} bytes, work in the board's memory until it restarts",
            self.blob.len()
        ));
        Ok(Some(()))
    }
}
