//! What a device says of itself, as plain data for page and command line.

use csi_node::Stats;
use csi_node::protocol::{Greeting, Logits};
use csi_temporal::packet::Classification;
use serde::Serialize;

use super::DeviceError;
use super::check::CheckReport;
use super::follow_view::{FollowView, FollowedView, RowsWanted};
use super::parity_report::ParityReport;

/// What goes on, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Finds out what runs on the board.
    Connect,
    /// Asks the loader for chip, flash and address.
    Identify,
    /// Writes a plan, reads back, restarts.
    Write,
    /// Restarts the board.
    Restart,
    /// Sends weights over the line, into memory.
    Upload,
    /// Compares the board's logits with ours.
    Parity,
    /// Looks for the first broken link.
    Check,
    /// Sends the rows of a recording while it is played.
    Follow,
}

/// A step on the way from a cable to classifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// A port is open.
    Connect,
    /// Chip, flash and address are known.
    Identify,
    /// What is written, kept and erased is known.
    Plan,
    /// The regions are written.
    Write,
    /// The board's hashes of them equal ours.
    Verify,
    /// The application started.
    Boot,
    /// The application answers.
    Listen,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Identify,
        Self::Plan,
        Self::Write,
        Self::Verify,
        Self::Boot,
        Self::Listen,
    ];
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    /// Not reached.
    #[default]
    Open,
    /// Under way.
    Now,
    /// Done.
    Done,
    /// It failed; the last [`DeviceEvent::Failed`] says why.
    Failed,
}

/// What was heard on the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Found {
    /// Nothing yet.
    #[default]
    Silence,
    /// Our node.
    Node,
    /// Firmware that prints lines with CSI.
    CsiLines,
    /// The ROM's loader, which waits for a download.
    Loader,
    /// The ROM, which finds no image: nothing is installed.
    Empty,
    /// Some other text.
    Text,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// The protocol's version.
    pub protocol: u16,
    /// Its number in its packets.
    pub node: u8,
    /// Why it started, in the board's own numbers; 0 = not known.
    pub reset_cause: u8,
    /// Which board, see `docs/protocol.md`.
    pub board: u8,
    /// The board's name.
    pub board_name: &'static str,
    /// The firmware's version.
    pub version: String,
    /// First eight bytes of the image's SHA-256 in hexadecimal; empty = not known.
    pub image_hash: String,
    /// The model's name.
    pub model: String,
    /// The CRC that closes the blob; `None` without weights.
    pub blob_crc: Option<u32>,
    /// Whether it classifies row by row.
    pub is_streaming: bool,
    /// Whether it takes CSI.
    pub takes_csi: bool,
    /// Numbers in a row.
    pub feature_dim: u16,
    /// Classes.
    pub classes: u16,
    /// Rows that a classification looks at.
    pub window_rows: u16,
    /// Rows from one classification to the next.
    pub period_rows: u16,
    /// Rows there are.
    pub rows: u16,
    /// Rows a second that the weights were trained at; 0 = not stated.
    pub rate_hz: f32,
}

impl NodeView {
    pub(super) fn of(greeting: &Greeting<'_>) -> Self {
        let hash = greeting.image_hash;
        Self {
            protocol: greeting.protocol,
            node: greeting.node,
            reset_cause: greeting.reset_cause,
            board: greeting.board,
            board_name: board_name(greeting.board),
            version: greeting.version.to_owned(),
            image_hash: if hash == [0; 8] { String::new() } else { hex(&hash) },
            model: greeting.model.to_owned(),
            blob_crc: greeting.has_weights.then_some(greeting.blob_crc),
            is_streaming: greeting.is_streaming,
            takes_csi: greeting.takes_csi,
            feature_dim: greeting.feature_dim,
            classes: greeting.classes,
            window_rows: greeting.window_rows,
            period_rows: greeting.period_rows,
            rows: greeting.rows,
            rate_hz: greeting.rate_hz,
        }
    }
}

const fn board_name(board: u8) -> &'static str {
    match board {
        1 => "ESP32-S3",
        2 => "QEMU",
        3 => "SIMULATED BOARD",
        _ => "unknown board",
    }
}

/// Writes bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A classification that the board sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassifiedView {
    /// Its number.
    pub sequence: u32,
    /// The node's number.
    pub node: u8,
    /// Microseconds since the node started.
    pub node_micros: u64,
    /// The class with the highest logit.
    pub class: u8,
    /// Classes there are.
    pub classes: u16,
    /// That logit.
    pub top_logit: f32,
    /// By how much it beats the next one.
    pub margin: f32,
}

impl ClassifiedView {
    pub(super) fn of(packet: &Classification) -> Self {
        Self {
            sequence: packet.sequence,
            node: packet.node,
            node_micros: packet.time_micros,
            class: packet.class,
            classes: packet.classes,
            top_logit: packet.top_logit,
            margin: packet.margin,
        }
    }
}

/// All logits of a classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogitsView {
    /// The classification's number.
    pub sequence: u32,
    /// Time of the newest row, in the sender's clock.
    pub time_micros: i64,
    /// Rows that were looked at; 0 = all since the stream began.
    pub rows: u16,
    /// How many of them were interpolated across a gap.
    pub held: u16,
    /// One number a class.
    pub logits: Vec<f32>,
}

impl LogitsView {
    pub(super) fn of(logits: &Logits<'_>) -> Self {
        Self {
            sequence: logits.sequence,
            time_micros: logits.time_micros,
            rows: logits.rows,
            held: logits.held,
            logits: logits.logits.iter().collect(),
        }
    }
}

/// One of a node's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CounterView {
    /// Its name, as in `docs/protocol.md`.
    pub name: &'static str,
    /// Its value.
    pub value: u32,
}

pub(super) fn counters(stats: &Stats) -> Vec<CounterView> {
    let names = Stats::NAMES.iter().zip(stats.values());
    names.map(|(&name, value)| CounterView { name, value }).collect()
}

/// A chip, as its loader tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChipView {
    /// Its name.
    pub name: String,
    /// Its revision, such as `v0.2`.
    pub revision: String,
    /// Bytes of its flash; `None` = the flash chip did not tell.
    pub flash_bytes: Option<u32>,
    /// Its address; hide it until it is asked for.
    pub mac: String,
}

/// How much of a plan is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressView {
    /// The region that is being written.
    pub region: String,
    /// Bytes written of the whole plan.
    pub done_bytes: u64,
    /// Bytes of the whole plan.
    pub total_bytes: u64,
    /// Bytes a second so far; 0 at the start.
    pub bytes_per_second: f64,
    /// Seconds left at this rate; `None` at the start.
    pub seconds_left: Option<f64>,
}

/// What happened, in its order.
///
/// Lines, CSI and bytes carry the time that they were handed in at, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum DeviceEvent {
    /// [`super::Device::view`] says something new.
    Changed,
    /// A sentence for the log; blob and plan hashes among them.
    Journal {
        /// The sentence.
        text: String,
    },
    /// A line that the board printed, frames and CSI left out.
    Line {
        /// When.
        time_micros: u64,
        /// The line, without its end; bytes that are no UTF-8 are replaced.
        text: String,
    },
    /// Whole lines with CSI, as other firmware prints them, for a live recording. Line ends stay.
    Csi {
        /// When.
        time_micros: u64,
        /// The lines.
        bytes: Vec<u8>,
    },
    /// Bytes on the line, if [`super::Device::show_bytes`] asked for them.
    Bytes {
        /// When.
        time_micros: u64,
        /// Whether the board sent them.
        from_board: bool,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// What runs there was recognised, or changed.
    Found {
        /// What.
        found: Found,
    },
    /// A node said who it is.
    Greeting {
        /// What it said.
        node: NodeView,
    },
    /// A node classified.
    Classified {
        /// What.
        classified: ClassifiedView,
    },
    /// All logits of the classification before.
    Logits {
        /// The logits.
        logits: LogitsView,
    },
    /// A node's counters.
    Counters {
        /// All of them.
        counters: Vec<CounterView>,
    },
    /// A chip was identified.
    Identified {
        /// The chip.
        chip: ChipView,
    },
    /// More of a plan is written.
    Progress {
        /// How much.
        progress: ProgressView,
    },
    /// The board's hash of a region equals ours.
    Verified {
        /// The region.
        region: String,
        /// The hash in hexadecimal.
        md5: String,
    },
    /// The board does not restart by itself: its RESET button has to be pressed, once. Listening
    /// goes on, and so does the task.
    PressReset,
    /// No way into the loader helped: BOOT has to be held while RESET is pressed. It is tried
    /// meanwhile.
    HoldBoot,
    /// More of the weights are sent over the line.
    Uploaded {
        /// Bytes that arrived.
        done_bytes: u32,
        /// Bytes of the blob.
        total_bytes: u32,
    },
    /// More classifications are compared.
    ParityProgress {
        /// Compared so far.
        compared: u32,
        /// How many there will be.
        total: u32,
    },
    /// The comparison is complete.
    Parity {
        /// What came out.
        report: ParityReport,
    },
    /// Rows of the recording are wanted, for [`super::Device::follow_rows`].
    RowsWanted {
        /// Which.
        wanted: RowsWanted,
    },
    /// Board and page classified the same window of the recording that is followed.
    Followed {
        /// What both say.
        followed: FollowedView,
    },
    /// How following goes.
    Following {
        /// The counts so far.
        following: FollowView,
    },
    /// The chain was looked at.
    Checked {
        /// What was found.
        report: CheckReport,
    },
    /// A task is done.
    Done {
        /// Which.
        task: Task,
    },
    /// A task ended without success.
    Failed {
        /// Which.
        task: Task,
        /// The stable code, with advice in the page.
        code: &'static str,
        /// What happened.
        message: String,
        /// In what state the board is left.
        left: &'static str,
        /// The same as a value.
        #[serde(skip)]
        error: DeviceError,
    },
}
