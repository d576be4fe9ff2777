//! Parity: the board's logits beside ours, bit by bit.
//!
//! ```text
//! HELLO ─> weights, if they differ ─> CONFIGURE ─> RESET ─> rows, few under way ─> compare
//!   ^                                                          │ damage on the line
//!   └──────────────────────────────────────────────────────────┘ at most three times
//! ```
//!
//! Every row is acknowledged. A run that lost something starts again from the first row, because
//! what a node looks at depends on every row before. It never compares what it did not send, and
//! a classification that did not come is counted as missing, never left out.

use std::collections::VecDeque;

use csi_node::protocol::{Logits, Numbers, Reply, Request, kind};
use csi_temporal::head::HeadError;
use csi_temporal::rvne::WeightBlob;

use super::parity_report::{Difference, ParityReport};
use super::preparing::Prepare;
use super::talk::{LATER_MICROS, Patience, SOON_MICROS, Said, Talk, Turn, UnderWay};
use super::twin::{Made, ParityInput, Twin};
use super::{DeviceError, DeviceEvent};

/// How often a run is begun.
const TRIES: u8 = 3;

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ParityAsk {
    /// Where the rows come from, such as `RECORDED walking.csv`; it stands in the report.
    pub source: String,
    /// The blob, as a file.
    pub blob: Vec<u8>,
    /// What is sent.
    pub input: ParityInput,
    /// Rows from one classification to the next; 0 counts as 1.
    pub period_rows: u16,
    /// Whether a board with other weights gets these over the line. Else that is an error,
    /// [`DeviceError::OtherWeights`].
    pub send_weights: bool,
}

/// A comparison under way.
pub(super) struct Parity {
    ask: ParityAsk,
    blob: WeightBlob,
    twin: Twin,
    prepare: Prepare,
    stage: Stage,
    patience: Patience,
    tries: u8,
    /// The next row or frame to send.
    next: usize,
    count: usize,
    under_way: UnderWay,
    /// Classifications that are due, oldest first: row, logits.
    expected: VecDeque<(u32, Vec<f32>)>,
    report: ParityReport,
}

enum Stage {
    Prepare,
    Reset,
    Rows,
}

impl Parity {
    /// Looks at what is asked, before anything is sent.
    pub fn new(ask: ParityAsk) -> Result<Self, DeviceError> {
        let blob = WeightBlob::parse(&ask.blob)?;
        let wants_csi = matches!(ask.input, ParityInput::Packets { .. });
        let mut twin = Twin::new(&blob, ask.period_rows, wants_csi)?.dry();
        let (dim, needed) = (twin.dim(), twin.needed());
        let count = match &ask.input {
            ParityInput::Rows { values } if values.len() % dim != 0 => {
                return Err(DeviceError::Width { got: values.len() % dim, expected: dim });
            }
            ParityInput::Rows { values } => {
                if let Some(at) = values.iter().position(|number| !number.is_finite()) {
                    return Err(HeadError::RowNotFinite { row: at / dim, column: at % dim }.into());
                }
                values.len() / dim
            }
            ParityInput::Packets { packets } => packets.len(),
        };
        let mut total = 0;
        for index in 0..count {
            total += u32::from(matches!(take(&mut twin, &ask.input, index)?, Made::Logits(_)));
        }
        if total == 0 {
            return Err(DeviceError::TooFewRows { rows: count, needed });
        }
        let twin = Twin::new(&blob, ask.period_rows, wants_csi)?;
        let prepare = Prepare::new(ask.blob.clone(), ask.period_rows, ask.send_weights);
        let (source, blob_crc) = (ask.source.clone(), prepare.blob_crc());
        let report = ParityReport { source, blob_crc, total, ..Default::default() };
        Ok(Self {
            ask,
            blob,
            twin,
            prepare,
            stage: Stage::Prepare,
            patience: Patience::default(),
            tries: 0,
            next: 0,
            count,
            under_way: UnderWay::default(),
            expected: VecDeque::new(),
            report,
        })
    }

    fn go(&mut self, talk: &mut Talk<'_>) {
        self.stage = Stage::Prepare;
        self.prepare.begin(talk);
    }

    /// Begins; there is no end yet.
    pub fn begin(&mut self, talk: &mut Talk<'_>) -> Turn<ParityReport> {
        self.go(talk);
        Ok(None)
    }

    /// Takes what the node said; the report at the end.
    pub fn hear(&mut self, talk: &mut Talk<'_>, said: Said<'_>) -> Turn<ParityReport> {
        let is_preparing = matches!(self.stage, Stage::Prepare);
        if said.is_damage() && !(is_preparing && self.prepare.is_uploading()) {
            self.again(talk, DeviceError::Damaged { tries: TRIES })?;
            return Ok(None);
        }
        if is_preparing {
            if let Some(node) = self.prepare.hear(talk, said)? {
                self.report.board = node.board_name.to_owned();
                self.report.image_hash = node.image_hash;
                self.stage = Stage::Reset;
                self.ask_for(talk, &Request::Reset { restart: false }, SOON_MICROS);
            }
            return Ok(None);
        }
        match said {
            Said::Reply(Reply::Error { request, code }) => {
                return Err(DeviceError::refused(request, code));
            }
            // It started anew: its rows are gone, and its weights may be others.
            Said::Reply(Reply::Greeting(_)) if matches!(self.stage, Stage::Rows) => {
                self.again(talk, DeviceError::Lost)?;
            }
            Said::Reply(Reply::Done { request: kind::RESET, .. })
                if matches!(self.stage, Stage::Reset) =>
            {
                self.begin_rows()?;
                return self.send_rows(talk);
            }
            Said::Reply(Reply::Logits(logits)) if matches!(self.stage, Stage::Rows) => {
                self.compare(talk, &logits);
            }
            Said::Reply(Reply::Done { request: kind::ROW | kind::CSI, value })
                if matches!(self.stage, Stage::Rows) =>
            {
                return self.acknowledged(talk, value);
            }
            Said::Reply(_) | Said::Damaged(_) => {}
        }
        Ok(None)
    }

    pub fn handle_timeout(&mut self, talk: &mut Talk<'_>) -> Turn<ParityReport> {
        let is_over = match self.stage {
            Stage::Prepare => self.prepare.handle_timeout(talk)?,
            _ => self.patience.is_over(talk.now_micros),
        };
        if let Some(error) = is_over {
            self.again(talk, error)?;
        }
        Ok(None)
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        match self.stage {
            Stage::Prepare => self.prepare.poll_timeout(),
            _ => self.patience.poll_timeout(),
        }
    }

    fn ask_for(&mut self, talk: &mut Talk<'_>, request: &Request<'_>, micros: u64) {
        talk.send(request);
        self.patience.begin(talk.now_micros, request.kind(), micros);
    }

    fn again(&mut self, talk: &mut Talk<'_>, error: DeviceError) -> Result<(), DeviceError> {
        self.tries += 1;
        if self.tries >= TRIES {
            return Err(error);
        }
        talk.journal(format!("parity begins anew: {error}"));
        self.go(talk);
        Ok(())
    }

    fn begin_rows(&mut self) -> Result<(), DeviceError> {
        let wants_csi = matches!(self.ask.input, ParityInput::Packets { .. });
        self.twin = Twin::new(&self.blob, self.ask.period_rows, wants_csi)?;
        self.stage = Stage::Rows;
        self.next = 0;
        self.under_way.clear();
        self.expected.clear();
        let ParityReport { source, board, image_hash, blob_crc, total, .. } =
            core::mem::take(&mut self.report);
        let restarts = self.tries;
        self.report = ParityReport {
            source,
            board,
            image_hash,
            blob_crc,
            total,
            restarts,
            ..Default::default()
        };
        Ok(())
    }

    /// Sends as many rows as may be under way.
    fn send_rows(&mut self, talk: &mut Talk<'_>) -> Turn<ParityReport> {
        while self.next < self.count {
            let index = self.next as u32;
            let request = request(&self.ask.input, self.next, self.twin.dim());
            let request_kind = request.kind();
            let Some(len) = self.under_way.write(talk, &request) else { break };
            self.next += 1;
            match take(&mut self.twin, &self.ask.input, index as usize)? {
                Made::Refused => {
                    talk.out.truncate(talk.out.len() - len);
                    continue;
                }
                Made::Logits(logits) => self.expected.push_back((index, logits)),
                Made::Nothing => {}
            }
            self.under_way.push(index, len);
            self.patience.begin(talk.now_micros, request_kind, LATER_MICROS);
        }
        if self.under_way.is_empty() && self.next == self.count {
            self.patience.end();
            return Ok(Some(core::mem::take(&mut self.report)));
        }
        Ok(None)
    }

    /// A row was taken; what it made due came before.
    fn acknowledged(&mut self, talk: &mut Talk<'_>, value: u32) -> Turn<ParityReport> {
        let Some(row) = self.under_way.oldest() else { return Ok(None) };
        // A row's acknowledgement carries its number; a packet's its own sequence, which may be
        // anything. Both come in order.
        let is_row = matches!(self.ask.input, ParityInput::Rows { .. });
        if is_row && value != row {
            self.again(talk, DeviceError::Unexpected { kind: kind::DONE })?;
            return Ok(None);
        }
        self.under_way.pop();
        self.report.rows += 1;
        while self.expected.front().is_some_and(|(due, _)| *due <= row) {
            self.expected.pop_front();
            self.report.missing += 1;
        }
        self.patience.begin(talk.now_micros, kind::ROW, LATER_MICROS);
        self.send_rows(talk)
    }

    fn compare(&mut self, talk: &mut Talk<'_>, logits: &Logits<'_>) {
        let input = &self.ask.input;
        let is_due = |(row, _): &(u32, Vec<f32>)| time_of(input, *row) == logits.time_micros;
        if !self.expected.front().is_some_and(is_due) {
            self.report.extra += 1;
            return;
        }
        let Some((row, ours)) = self.expected.pop_front() else { return };
        let report = &mut self.report;
        let classification = report.identical + report.missing + report.different;
        let mut is_identical = logits.logits.len() == ours.len();
        let board = logits.logits.iter().map(Some).chain(core::iter::repeat(None));
        for (class, (board, ours)) in (0..).zip(board.zip(ours)) {
            let board = board.unwrap_or(f32::NAN);
            report.logits += 1;
            if board.to_bits() == ours.to_bits() {
                continue;
            }
            is_identical = false;
            report.max_abs = report.max_abs.max((board - ours).abs());
            let (board_bits, our_bits) = (board.to_bits(), ours.to_bits());
            report.first_difference.get_or_insert(Difference {
                classification,
                row,
                class,
                board,
                ours,
                board_bits,
                our_bits,
            });
        }
        if is_identical {
            report.identical += 1;
        } else {
            report.different += 1;
        }
        let (compared, total) = (classification + 1, report.total);
        talk.tell(DeviceEvent::ParityProgress { compared, total });
    }
}

/// Hands a row or frame to our model.
fn take(twin: &mut Twin, input: &ParityInput, index: usize) -> Result<Made, DeviceError> {
    match input {
        ParityInput::Rows { values } => {
            let dim = twin.dim();
            twin.take_row(&values[index * dim..(index + 1) * dim])
        }
        ParityInput::Packets { packets } => {
            let (time_micros, packet) = &packets[index];
            twin.take_packet(*time_micros, packet)
        }
    }
}

/// The time that a row or frame is sent with, which its logits carry.
fn time_of(input: &ParityInput, row: u32) -> i64 {
    match input {
        ParityInput::Rows { .. } => i64::from(row) * 10_000,
        ParityInput::Packets { packets } => packets[row as usize].0,
    }
}

/// The request that brings a row or frame. Rows are taken as they come: their times mean nothing.
fn request(input: &ParityInput, index: usize, dim: usize) -> Request<'_> {
    match input {
        ParityInput::Rows { values } => Request::Row {
            sequence: index as u32,
            time_micros: time_of(input, index as u32),
            values: Numbers::Floats(&values[index * dim..(index + 1) * dim]),
        },
        ParityInput::Packets { packets } => {
            let (time_micros, packet) = &packets[index];
            Request::Csi { time_micros: *time_micros, packet }
        }
    }
}
