//! What is asked of following a recording, and what it tells. Plain data.

use serde::Serialize;

/// How a recording is followed.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowAsk {
    /// The blob, as a file.
    pub blob: Vec<u8>,
    /// Rows from one classification to the next; 0 counts as 1.
    pub period_rows: u16,
    /// Whether a board with other weights gets these over the line. Else that is an error,
    /// [`DeviceError::OtherWeights`].
    pub send_weights: bool,
}

/// Consecutive feature rows of a recording, without a break of its clock inside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The first one's number in the recording.
    pub first: u32,
    /// Whether the recording's clock breaks before it: what was before has no part in its window.
    pub starts: bool,
    /// Times in microseconds of the recording, one a row.
    pub times_micros: Vec<i64>,
    /// `[n][feature_dim]`.
    pub values: Vec<f32>,
}

/// Which rows are wanted. An answer carries the number of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsWanted {
    /// The question's number.
    pub ask: u32,
    /// From this row on; `None` = from `before` rows before the newest one at `time_micros`.
    pub from: Option<u32>,
    /// The cursor, in microseconds of the recording.
    pub time_micros: i64,
    /// Rows up to the cursor's, that one included.
    pub before: usize,
    /// Rows at most.
    pub most: usize,
}

/// What board and page say about one window.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedView {
    /// The newest row's number in the recording.
    pub row: u32,
    /// Its time, in microseconds of the recording.
    pub time_micros: i64,
    /// The row before, of the classification before in the same window; else this row's.
    pub since_micros: i64,
    /// The class with the board's highest logit.
    pub class: u16,
    /// The board's logits.
    pub logits: Vec<f32>,
    /// The class with our highest logit.
    pub our_class: u16,
    /// Our logits.
    pub ours: Vec<f32>,
    /// Whether all bits of all logits are equal.
    pub is_identical: bool,
}

/// How it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowView {
    /// Rows that the board acknowledged.
    pub rows: u32,
    /// Classifications that came.
    pub classified: u32,
    /// Of these, equal in every bit.
    pub identical: u32,
    /// Classifications that were due and did not come.
    pub missing: u32,
    /// Rows that were left out because the board fell behind.
    pub left_out: u32,
    /// How often it fell behind.
    pub behind: u32,
    /// How often it was begun anew after damage on the line.
    pub restarts: u32,
}
