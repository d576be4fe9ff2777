//! The application: requests in, replies out.

use crate::loaded::{Answers, Feeds, Loaded};
use crate::model::Weights;
use crate::protocol::{Decoder, Event, Greeting, Reply, Request, Settings, VERSION, write_bits};
use crate::stats::count;
use crate::upload::Upload;
use crate::{Model, NodeError, Stats};
use alloc::boxed::Box;
use alloc::vec::Vec;
use csi_temporal::frame::{CsiFrame, CsiValues};
use csi_temporal::packet::{self, Packet, RawCsi};

/// A frame that stays incomplete for this long is given up. 1 s: at 115,200 baud the longest
/// frame takes 0.4 s.
pub const FRAME_GAP_MICROS: u64 = 1_000_000;

/// What a node starts with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What a request can change later.
    pub settings: Settings,
    /// Rows that a classification looks at; 0 = as the blob says.
    pub window_rows: u16,
    /// The most bytes of weights that are taken over the line.
    pub max_blob_bytes: usize,
    /// Reads a clock in microseconds, to tell how long classifications take, and nothing else.
    pub clock: Option<fn() -> u64>,
}

impl Default for Config {
    /// Returns node 0, rows resampled, no logits, blobs of up to 128 KiB, no clock.
    fn default() -> Self {
        let settings = Settings::default();
        Self { settings, window_rows: 0, max_blob_bytes: 128 * 1024, clock: None }
    }
}

/// What only the board knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// The first eight bytes of the image's SHA-256; zeros = not known.
    pub image_hash: [u8; 8],
    /// Why the board started, in its own numbers; 0 = not known.
    pub reset_cause: u8,
    /// Which board: 0 not known, 1 ESP32-S3, 2 QEMU, 3 simulated.
    pub board: u8,
    /// Bytes of heap in use.
    pub heap_used: u32,
    /// The most bytes of heap that were in use.
    pub heap_peak: u32,
    /// The most bytes of stack that were in use.
    pub stack_peak: u32,
}

/// A node. See the crate's documentation for what goes in and what comes out.
///
/// All calls return soon but [`Node::handle_bytes`], [`Node::handle_row`] and
/// [`Node::handle_csi`], which classify when it is due; at most once for each row or frame.
/// They allocate nothing, except for weights, for the self-test, and what a classification needs
/// the first time. `now_micros` is the time since the node started and must not go back.
#[derive(Clone, Debug)]
pub struct Node {
    decoder: Decoder,
    /// When bytes came last.
    heard_micros: u64,
    application: Application,
}

impl Node {
    /// Starts without weights. Everything that does not depend on them is allocated here.
    pub fn new(config: Config) -> Self {
        let application = Application {
            config,
            platform: Platform::default(),
            loaded: None,
            answers: Answers::new(&config),
            upload: Upload::default(),
            csi: RawCsi::default(),
            row: Vec::new(),
            next_row: None,
            next_csi: None,
            wants_restart: false,
        };
        Self { decoder: Decoder::new(), heard_micros: 0, application }
    }

    /// Takes weights, at the start or later; the window is then empty. Refused weights leave the
    /// node as it was, but for a lack of memory that shows only once the old window was given up:
    /// then the old weights go on with an empty window.
    ///
    /// # Errors
    ///
    /// As [`Model::load`]; [`NodeError::Feature`].
    pub fn load_weights(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        self.application.load_weights(bytes)
    }

    /// Takes bytes of the serial protocol, cut anywhere. Call it without bytes now and then, so
    /// that a frame whose end never comes is given up.
    pub fn handle_bytes(&mut self, now_micros: u64, bytes: &[u8]) {
        let gap_micros = now_micros.saturating_sub(self.heard_micros);
        if self.decoder.is_waiting() && gap_micros > FRAME_GAP_MICROS {
            self.decoder.expire();
            self.drain(now_micros);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.heard_micros = now_micros;
            rest = self.decoder.push(rest);
            self.drain(now_micros);
        }
    }

    fn drain(&mut self, now_micros: u64) {
        while let Some(event) = self.decoder.next_event() {
            self.application.handle(now_micros, event);
        }
    }

    /// Takes a feature row, `[feature_dim]`, for which no protocol is needed. `time_micros` is
    /// the row's time in any fixed clock.
    ///
    /// # Errors
    ///
    /// [`NodeError::NoWeights`], [`NodeError::RowLength`], [`NodeError::RowNotFinite`];
    /// [`NodeError::Head`] from a classification. The row is then left out, or was taken but not
    /// classified.
    pub fn handle_row(
        &mut self,
        now_micros: u64,
        time_micros: i64,
        values: &[f32],
    ) -> Result<(), NodeError> {
        self.application.take_row(now_micros, time_micros, values)
    }

    /// Takes a wire packet with CSI, `0xC511_0001`, or a feature state, `0xC511_0006`.
    ///
    /// # Errors
    ///
    /// [`NodeError::NoWeights`], [`NodeError::NoPipeline`], [`NodeError::PacketKind`],
    /// [`NodeError::Packet`], [`NodeError::Feature`]; [`NodeError::Head`] from a classification.
    pub fn handle_csi(
        &mut self,
        now_micros: u64,
        time_micros: i64,
        packet: &[u8],
    ) -> Result<(), NodeError> {
        self.application.take_csi(now_micros, time_micros, packet)
    }

    /// Takes a CSI frame that is no packet.
    ///
    /// # Errors
    ///
    /// As [`Node::handle_csi`], but for the packet.
    pub fn handle_frame(&mut self, now_micros: u64, frame: &CsiFrame<'_>) -> Result<(), NodeError> {
        self.application.take_frame(now_micros, frame)
    }

    /// Returns all bytes that wait for the line; they count as sent. Who takes them too seldom
    /// loses replies: 4 KiB wait, more is dropped and counted.
    pub fn poll_output(&mut self) -> Option<&[u8]> {
        self.take_output(usize::MAX)
    }

    /// As [`Node::poll_output`], for lines that take no more than `most` bytes.
    pub fn take_output(&mut self, most: usize) -> Option<&[u8]> {
        self.application.answers.output.take(most)
    }

    /// Puts a greeting into the output, as nodes do when they have started.
    pub fn greet(&mut self) {
        self.application.greet();
    }

    /// Takes note of what only the board knows.
    pub fn set_platform(&mut self, platform: Platform) {
        self.application.platform = platform;
    }

    /// Returns the counters.
    pub fn stats(&self, now_micros: u64) -> Stats {
        self.application.stats(now_micros)
    }

    /// Returns the model, once there is one.
    pub fn model(&self) -> Option<&Model> {
        self.application.loaded.as_ref().map(|loaded| &loaded.model)
    }

    /// Tells whether a request asked for a restart. The reply may still wait for the line.
    pub fn wants_restart(&self) -> bool {
        self.application.wants_restart
    }
}

#[derive(Clone, Debug)]
struct Application {
    config: Config,
    platform: Platform,
    loaded: Option<Box<Loaded>>,
    answers: Answers,
    upload: Upload,
    /// The last CSI packet, kept for its memory.
    csi: RawCsi,
    /// The last row of a request, kept for its memory.
    row: Vec<f32>,
    next_row: Option<u32>,
    next_csi: Option<u32>,
    wants_restart: bool,
}

impl Application {
    fn handle(&mut self, now_micros: u64, event: Event<'_>) {
        match event {
            Event::Frame { kind, payload } => {
                count(&mut self.answers.stats.frames, 1);
                let result = Request::read(kind, payload)
                    .map_err(NodeError::Protocol)
                    .and_then(|request| self.answer(now_micros, &request));
                if let Err(error) = result {
                    self.refuse(kind, error);
                }
            }
            Event::Damaged(error) => {
                count(&mut self.answers.stats.crc_errors, 1);
                self.refuse(0, NodeError::Protocol(error));
            }
            Event::Skipped(bytes) => count(&mut self.answers.stats.skipped_bytes, bytes.len()),
        }
    }

    fn refuse(&mut self, request: u8, error: NodeError) {
        self.answers.send(&Reply::Error { request, code: error.code() });
    }

    #[inline(never)] // in one piece it is too long for Xtensa's compiler
    fn answer(&mut self, now_micros: u64, request: &Request<'_>) -> Result<(), NodeError> {
        let value = match *request {
            Request::Hello => {
                self.greet();
                return Ok(());
            }
            Request::Configure(settings) => {
                self.answers.settings = settings;
                self.loaded.as_mut().map_or(Ok(()), |loaded| loaded.configure(settings))?;
                0
            }
            Request::Row { sequence, time_micros, values } => {
                self.note_lost(sequence, |this| &mut this.next_row);
                let mut row = core::mem::take(&mut self.row);
                values.copy_into(&mut row);
                let result = self.take_row(now_micros, time_micros, &row);
                self.row = row;
                result?;
                return self.acknowledge(request.kind(), sequence);
            }
            Request::Csi { time_micros, packet } => {
                self.take_csi(now_micros, time_micros, packet)?;
                return self.acknowledge(request.kind(), self.csi.sequence);
            }
            Request::Classify => {
                let loaded = self.loaded.as_mut().ok_or(NodeError::NoWeights)?;
                return loaded.answer(now_micros, &mut self.answers);
            }
            Request::WeightsBegin { len, crc } => {
                self.upload.begin(len, crc, self.config.max_blob_bytes)?
            }
            Request::WeightsChunk { offset, bytes } => self.upload.take(offset, bytes)?,
            Request::WeightsEnd => {
                let blob = self.upload.end()?;
                self.load_weights(&blob)?;
                self.loaded.as_ref().map_or(0, |loaded| loaded.model.info().blob_crc)
            }
            Request::Stats => {
                let stats = self.stats(now_micros);
                self.answers.send(&Reply::Counters(stats));
                return Ok(());
            }
            Request::SelfTest => {
                let table = csi_temporal::selftest::node_bits();
                write_bits(&table, &mut |part| self.answers.send(&part));
                return Ok(());
            }
            Request::Reset { restart } => {
                self.wants_restart |= restart;
                self.loaded.iter_mut().for_each(|loaded| loaded.forget());
                (self.next_row, self.next_csi) = (None, None);
                0
            }
        };
        self.answers.send(&Reply::Done { request: request.kind(), value });
        Ok(())
    }

    fn acknowledge(&mut self, request: u8, value: u32) -> Result<(), NodeError> {
        if self.answers.settings.acknowledge {
            self.answers.send(&Reply::Done { request, value });
        }
        Ok(())
    }

    /// A sender that starts again at 0 has lost nothing.
    fn note_lost(&mut self, sequence: u32, next: fn(&mut Self) -> &mut Option<u32>) {
        let expected = next(self).replace(sequence.wrapping_add(1)).unwrap_or(sequence);
        let gap = sequence.wrapping_sub(expected);
        if sequence != 0 && gap < 1 << 31 {
            count(&mut self.answers.stats.lost, gap as usize);
        }
    }

    #[inline(never)]
    fn load_weights(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        let weights = Weights::parse(bytes, self.config.window_rows)?;
        let settings = self.answers.settings;
        let feeds = Feeds::new(&weights, settings)?;
        let features = weights.info.feature_dim;
        let mut row = Vec::new();
        let needed = features * size_of::<f32>();
        row.try_reserve_exact(features).map_err(|_| NodeError::Memory { needed })?;
        match &mut self.loaded {
            Some(loaded) => loaded.exchange(weights, feeds, settings)?,
            None => self.loaded = Some(Loaded::new(weights, feeds, settings)?),
        }
        self.row = row;
        count(&mut self.answers.stats.weights_loaded, 1);
        Ok(())
    }

    fn take_row(
        &mut self,
        now_micros: u64,
        time_micros: i64,
        values: &[f32],
    ) -> Result<(), NodeError> {
        let result = self.with_loaded(|loaded, answers| {
            loaded.take_row(now_micros, time_micros, values, answers)
        });
        self.note(result)
    }

    fn take_frame(&mut self, now_micros: u64, frame: &CsiFrame<'_>) -> Result<(), NodeError> {
        let result =
            self.with_loaded(|loaded, answers| loaded.take_frame(now_micros, frame, answers));
        self.note(result)
    }

    #[inline(never)] // in one piece it is too long for Xtensa's compiler
    fn take_csi(
        &mut self,
        now_micros: u64,
        time_micros: i64,
        bytes: &[u8],
    ) -> Result<(), NodeError> {
        match bytes.first_chunk().map(|magic| u32::from_le_bytes(*magic)) {
            Some(packet::magic::RAW_CSI) => {
                if let Err(error) = self.csi.decode_into(bytes) {
                    return self.note(Err(error.into()));
                }
                let csi = core::mem::take(&mut self.csi);
                self.note_lost(csi.sequence, |this| &mut this.next_csi);
                let result = self.take_frame(now_micros, &csi.frame(time_micros));
                self.csi = csi;
                result
            }
            Some(packet::magic::FEATURE_STATE) => match packet::decode_datagram(bytes) {
                Ok(Packet::FeatureState(packet)) => {
                    let values = CsiValues::FeatureState(&packet.state.values);
                    self.take_frame(now_micros, &CsiFrame { time_micros, values, rssi_dbm: None })
                }
                Ok(_) => self.note(Err(NodeError::PacketKind)),
                Err(error) => self.note(Err(error.into())),
            },
            _ => self.note(Err(NodeError::PacketKind)),
        }
    }

    fn with_loaded(
        &mut self,
        take: impl FnOnce(&mut Loaded, &mut Answers) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        take(self.loaded.as_mut().ok_or(NodeError::NoWeights)?, &mut self.answers)
    }

    /// Counts one that arrived, and whether it was refused.
    fn note(&mut self, result: Result<(), NodeError>) -> Result<(), NodeError> {
        count(&mut self.answers.stats.arrived, 1);
        count(&mut self.answers.stats.refused, usize::from(result.is_err()));
        result
    }

    fn stats(&self, now_micros: u64) -> Stats {
        let Platform { heap_used, heap_peak, stack_peak, .. } = self.platform;
        let uptime_seconds = u32::try_from(now_micros / 1_000_000).unwrap_or(u32::MAX);
        Stats { uptime_seconds, heap_used, heap_peak, stack_peak, ..self.answers.stats }
    }

    #[inline(never)] // in one piece it is too long for Xtensa's compiler
    fn greet(&mut self) {
        let mut greeting = Greeting {
            protocol: VERSION,
            node: self.answers.settings.node,
            reset_cause: self.platform.reset_cause,
            board: self.platform.board,
            image_hash: self.platform.image_hash,
            version: env!("CARGO_PKG_VERSION"),
            ..Greeting::default()
        };
        let Some(loaded) = &self.loaded else {
            return self.answers.send(&Reply::Greeting(greeting));
        };
        let info = loaded.model.info();
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        greeting.has_weights = true;
        greeting.is_streaming = info.is_streaming;
        greeting.takes_csi = loaded.takes_csi();
        greeting.feature_dim = short(info.feature_dim);
        greeting.classes = short(info.classes);
        greeting.window_rows = short(info.window_rows);
        greeting.period_rows = short(loaded.period_rows);
        greeting.rows = short(loaded.model.len());
        greeting.rate_hz = info.rate_hz;
        greeting.blob_crc = info.blob_crc;
        greeting.model = loaded.model.name();
        self.answers.send(&Reply::Greeting(greeting));
    }
}
