//! What a board has to say about rows and frames, computed here: the head of `csi_temporal` over
//! the same window, no part of the node's code.

use csi_temporal::feature::Extractor;
use csi_temporal::head::{HeadStream, TemporalHead};
use csi_temporal::packet::RawCsi;
use csi_temporal::rvne::WeightBlob;

use super::DeviceError;

/// What goes in, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum ParityInput {
    /// Feature rows, `[n][feature_dim]`, taken as they come.
    Rows {
        /// All numbers, oldest row first.
        values: Vec<f32>,
    },
    /// Wire packets `0xC511_0001`, with their times in microseconds of a fixed clock. The board
    /// makes rows of them by the pipeline that its blob states.
    Packets {
        /// Times and packets.
        packets: Vec<(i64, Vec<u8>)>,
    },
}

/// The same model here.
pub(super) struct Twin {
    head: TemporalHead,
    blob: WeightBlob,
    extractor: Option<Extractor>,
    stream: Option<HeadStream>,
    window_rows: usize,
    period_rows: usize,
    /// The newest rows, oldest first, at most a window.
    rows: Vec<f32>,
    /// Logits of a stream's last row.
    logits: Vec<f32>,
    since: usize,
    /// Whether only what is due is wanted, and logits are not computed.
    is_dry: bool,
    /// Rows since the window was empty.
    entered: usize,
}

/// What came of one row or frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    /// It entered the window, and no classification is due.
    Nothing,
    /// A classification is due, with these logits.
    Logits(Vec<f32>),
    /// The board would refuse it: it is not to be sent.
    Refused,
}

impl Twin {
    /// Starts with an empty window, as a node after RESET.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Head`]; [`DeviceError::Feature`]; `node/no-pipeline` for CSI and a blob that
    /// does not say what becomes of it.
    pub fn new(blob: &WeightBlob, period_rows: u16, wants_csi: bool) -> Result<Self, DeviceError> {
        let head = TemporalHead::from_blob(blob)?;
        let window_rows = usize::from(head.record().window_len);
        let stream = match head.is_streaming() {
            true => Some(head.start_stream(head.backend(), window_rows)?),
            false => None,
        };
        let extractor = match (&blob.trailer.pipeline, wants_csi) {
            (Some(pipeline), true) => Some(Extractor::new(pipeline.clone())?),
            (None, true) => {
                let code = "node/no-pipeline";
                return Err(DeviceError::Refused { request: csi_node::protocol::kind::CSI, code });
            }
            (_, false) => None,
        };
        let period_rows = usize::from(period_rows.max(1));
        Ok(Self {
            head,
            blob: blob.clone(),
            extractor,
            stream,
            window_rows,
            period_rows,
            rows: Vec::new(),
            logits: Vec::new(),
            since: period_rows,
            is_dry: false,
            entered: 0,
        })
    }

    /// Empties the window, as RESET does.
    pub fn reset(&mut self) {
        self.rows.clear();
        self.stream.iter_mut().for_each(HeadStream::reset);
        self.entered = 0;
        self.since = self.period_rows;
    }

    /// Computes no logits: says only what is due, with empty logits.
    pub fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.head.feature_dim()
    }

    /// Rows that the first classification needs.
    pub fn needed(&self) -> usize {
        if self.stream.is_some() { 1 } else { self.window_rows }
    }

    /// Takes a row.
    pub fn take_row(&mut self, row: &[f32]) -> Result<Made, DeviceError> {
        self.enter(row)?;
        self.made()
    }

    /// Takes a packet with CSI.
    pub fn take_packet(&mut self, time_micros: i64, packet: &[u8]) -> Result<Made, DeviceError> {
        let mut csi = RawCsi::default();
        let Some(mut extractor) = self.extractor.take() else { return Ok(Made::Refused) };
        if csi.decode_into(packet).is_err() {
            self.extractor = Some(extractor);
            return Ok(Made::Refused);
        }
        let mut made: Vec<(bool, Vec<f32>)> = Vec::new();
        let pushed = extractor
            .push(&csi.frame(time_micros), &mut |row| made.push((row.starts, row.values.to_vec())));
        self.extractor = Some(extractor);
        if pushed.is_err() {
            return Ok(Made::Refused);
        }
        for (starts, row) in made {
            if starts {
                self.rows.clear();
                self.stream.iter_mut().for_each(HeadStream::reset);
                self.entered = 0;
            }
            self.enter(&row)?;
        }
        self.made()
    }

    fn enter(&mut self, row: &[f32]) -> Result<(), DeviceError> {
        self.since = self.since.saturating_add(1);
        self.entered = self.entered.saturating_add(1);
        if self.is_dry {
            return Ok(());
        }
        if let Some(stream) = &mut self.stream {
            self.logits = stream.step(&self.head, row)?.to_vec();
            return Ok(());
        }
        self.rows.extend_from_slice(row);
        let most = self.window_rows * self.dim();
        let more = self.rows.len().saturating_sub(most);
        self.rows.drain(..more);
        Ok(())
    }

    /// At most one classification for each row or frame that comes in.
    fn made(&mut self) -> Result<Made, DeviceError> {
        if self.entered < self.needed() || self.since < self.period_rows {
            return Ok(Made::Nothing);
        }
        self.since = 0;
        if self.is_dry || self.stream.is_some() {
            return Ok(Made::Logits(self.logits.clone()));
        }
        let mut window = self.rows.clone();
        if let Some(pipeline) = &self.blob.trailer.pipeline {
            pipeline.finish_window(&mut window);
        }
        Ok(Made::Logits(self.head.forward(&window, self.head.backend())?.logits))
    }
}
