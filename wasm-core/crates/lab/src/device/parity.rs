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

use csi_node::protocol::{Logits, Numbers, Reply, Request, Settings, VERSION, kind};
use csi_temporal::head::HeadError;
use csi_temporal::rvne::WeightBlob;

use super::event::NodeView;
use super::parity_report::{Difference, ParityReport};
use super::talk::{LATER_MICROS, Patience, SOON_MICROS, Said, Talk, Turn};
use super::twin::{Made, ParityInput, Twin};
use super::upload::Upload;
use super::{DeviceError, DeviceEvent};

/// Bytes under way at most, beyond one row: what the queue of the chip's UART holds while the
/// node computes.
pub(super) const UNDER_WAY_BYTES: usize = 128;
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
    stage: Stage,
    patience: Patience,
    tries: u8,
    /// The next row or frame to send.
    next: usize,
    count: usize,
    /// Rows that are not answered yet: index and bytes on the line.
    under_way: VecDeque<(u32, usize)>,
    /// Classifications that are due, oldest first: row, logits.
    expected: VecDeque<(u32, Vec<f32>)>,
    report: ParityReport,
}

enum Stage {
    Hello,
    Upload(Upload),
    Configure,
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
        let report = ParityReport { source: ask.source.clone(), total, ..Default::default() };
        Ok(Self {
            ask,
            blob,
            twin,
            stage: Stage::Hello,
            patience: Patience::default(),
            tries: 0,
            next: 0,
            count,
            under_way: VecDeque::new(),
            expected: VecDeque::new(),
            report,
        })
    }

    fn go(&mut self, talk: &mut Talk<'_>) {
        self.stage = Stage::Hello;
        self.ask_for(talk, &Request::Hello, SOON_MICROS);
    }

    /// Begins; there is no end yet.
    pub fn begin(&mut self, talk: &mut Talk<'_>) -> Turn<ParityReport> {
        self.go(talk);
        Ok(None)
    }

    /// Takes what the node said; the report at the end.
    pub fn hear(&mut self, talk: &mut Talk<'_>, said: Said<'_>) -> Turn<ParityReport> {
        if let Stage::Upload(upload) = &mut self.stage {
            if upload.hear(talk, said)?.is_some() {
                self.configure(talk);
            }
            return Ok(None);
        }
        match said {
            Said::Damaged(_) | Said::Reply(Reply::Error { request: 0, .. }) => {
                self.again(talk, DeviceError::Damaged { tries: TRIES })?;
            }
            Said::Reply(Reply::Error { request, code }) => {
                return Err(DeviceError::refused(request, code));
            }
            Said::Reply(Reply::Greeting(greeting)) => match self.stage {
                Stage::Hello => self.greeted(talk, &NodeView::of(&greeting))?,
                // It started anew: its rows are gone, and its weights may be others.
                Stage::Rows => self.again(talk, DeviceError::Lost)?,
                _ => {}
            },
            Said::Reply(Reply::Done { request: kind::CONFIGURE, .. })
                if matches!(self.stage, Stage::Configure) =>
            {
                self.stage = Stage::Reset;
                self.ask_for(talk, &Request::Reset { restart: false }, SOON_MICROS);
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
            Said::Reply(_) => {}
        }
        Ok(None)
    }

    pub fn handle_timeout(&mut self, talk: &mut Talk<'_>) -> Turn<ParityReport> {
        if let Stage::Upload(upload) = &mut self.stage {
            upload.handle_timeout(talk)?;
        } else if let Some(error) = self.patience.is_over(talk.now_micros) {
            self.again(talk, error)?;
        }
        Ok(None)
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        match &self.stage {
            Stage::Upload(upload) => upload.poll_timeout(),
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

    fn greeted(&mut self, talk: &mut Talk<'_>, node: &NodeView) -> Result<(), DeviceError> {
        if node.protocol != VERSION {
            return Err(DeviceError::Version { board: node.protocol });
        }
        self.report.board = node.board_name.to_owned();
        self.report.image_hash.clone_from(&node.image_hash);
        let mut upload = Upload::new(self.ask.blob.clone());
        let (board, ours) = (node.blob_crc.unwrap_or(0), upload.blob_crc());
        self.report.blob_crc = ours;
        if node.blob_crc == Some(ours) {
            self.configure(talk);
        } else if self.ask.send_weights {
            upload.go(talk);
            self.stage = Stage::Upload(upload);
        } else {
            return Err(DeviceError::OtherWeights { board, ours });
        }
        Ok(())
    }

    fn configure(&mut self, talk: &mut Talk<'_>) {
        let settings = Settings {
            send_logits: true,
            acknowledge: true,
            rows_as_they_come: true,
            period_rows: self.ask.period_rows.max(1),
            ..Settings::default()
        };
        self.stage = Stage::Configure;
        self.ask_for(talk, &Request::Configure(settings), SOON_MICROS);
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
            let before = talk.out.len();
            let request = request(&self.ask.input, self.next, self.twin.dim());
            let request_kind = request.kind();
            talk.send(&request);
            let len = talk.out.len() - before;
            let waiting: usize = self.under_way.iter().map(|(_, bytes)| bytes).sum();
            if !self.under_way.is_empty() && waiting + len > UNDER_WAY_BYTES {
                talk.out.truncate(before);
                break;
            }
            self.next += 1;
            match take(&mut self.twin, &self.ask.input, index as usize)? {
                Made::Refused => {
                    talk.out.truncate(before);
                    continue;
                }
                Made::Logits(logits) => self.expected.push_back((index, logits)),
                Made::Nothing => {}
            }
            self.under_way.push_back((index, len));
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
        let Some(&(row, _)) = self.under_way.front() else { return Ok(None) };
        // A row's acknowledgement carries its number; a packet's its own sequence, which may be
        // anything. Both come in order.
        let is_row = matches!(self.ask.input, ParityInput::Rows { .. });
        if is_row && value != row {
            self.again(talk, DeviceError::Unexpected { kind: kind::DONE })?;
            return Ok(None);
        }
        self.under_way.pop_front();
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
