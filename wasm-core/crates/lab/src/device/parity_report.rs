//! What a comparison of a board's logits with ours came to.

use serde::Serialize;

/// Where board and page part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which comparison, from 0.
    pub classification: u32,
    /// The newest row or frame of its window, from 0.
    pub row: u32,
    /// The class.
    pub class: u16,
    /// The board's logit.
    pub board: f32,
    /// Ours.
    pub ours: f32,
    /// The bits of the board's logit.
    pub board_bits: u32,
    /// The bits of ours.
    pub our_bits: u32,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParityReport {
    /// Where the rows came from.
    pub source: String,
    /// The board that computed.
    pub board: String,
    /// Its image, as in its greeting.
    pub image_hash: String,
    /// The CRC that closes both blobs.
    pub blob_crc: u32,
    /// Rows or frames that were sent.
    pub rows: u32,
    /// Classifications that were due.
    pub total: u32,
    /// Of these, equal in every bit of every logit.
    pub identical: u32,
    /// Of these, different in at least one.
    pub different: u32,
    /// Of these, those that never came.
    pub missing: u32,
    /// Classifications that came and were not due.
    pub extra: u32,
    /// Logits that were compared.
    pub logits: u32,
    /// The largest difference of a logit.
    pub max_abs: f32,
    /// The first difference.
    pub first_difference: Option<Difference>,
    /// Runs that damage on the line ended.
    pub restarts: u8,
}

impl ParityReport {
    /// Whether everything that was due came, and is equal.
    pub fn is_identical(&self) -> bool {
        self.total > 0 && self.identical == self.total && self.extra == 0
    }

    /// Says it in a sentence: `256 of 256 identical`, or where the first difference is.
    pub fn sentence(&self) -> String {
        let mut text = format!("{} of {} identical", self.identical, self.total);
        if let Some(first) = self.first_difference {
            text += &format!(
                "; first difference: classification {}, row {}, class {}: board {:e} ({:08x}), \
                 ours {:e} ({:08x})",
                first.classification,
                first.row,
                first.class,
                first.board,
                first.board_bits,
                first.ours,
                first.our_bits,
            );
        }
        if self.missing > 0 {
            text += &format!("; {} never came", self.missing);
        }
        if self.extra > 0 {
            text += &format!("; {} came that were not due", self.extra);
        }
        text
    }
}
