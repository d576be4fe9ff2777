//! Follow: while a recording is played, its rows go to the board, and what the board says about a
//! window is laid beside what this side computes of it.
//!
//! ```text
//! HELLO ─> weights, if they differ ─> CONFIGURE ─> rows wanted around the cursor ─> RESET ─> rows
//!                                        ^                                              │
//!                                        └─ cursor jumped, or the board fell behind ────┘
//! ```
//!
//! Rows are sent up to the cursor, few under way, each acknowledged. Whoever has the recording
//! hands rows in when [`DeviceEvent::RowsWanted`] asks for them. A board that falls behind is not
//! hurried: after at least one classification it is brought to the cursor again with an empty
//! window, and what was left out is counted. It has no speed of its own and no clock of the
//! recording: where the cursor is, it is told.

use std::collections::VecDeque;

use csi_node::protocol::{Logits, Numbers, Reply, Request, kind};
use csi_temporal::head::HeadError;
use csi_temporal::rvne::WeightBlob;

use super::follow_view::{FollowAsk, FollowView, FollowedView, Rows, RowsWanted};
use super::preparing::Prepare;
use super::talk::{LATER_MICROS, Patience, Said, Talk, Turn, UnderWay};
use super::twin::{Made, Twin};
use super::{DeviceError, DeviceEvent};

/// How far the cursor may be ahead of what is sent, beyond a window, in the recording's time.
const BEHIND_MICROS: i64 = 1_000_000;
/// A cursor that goes further at once was moved by hand.
const LEAP_MICROS: i64 = 2_000_000;
/// Rows wanted at once, beyond a window.
const CHUNK_ROWS: usize = 256;
/// How often it is tried without a classification in between.
const TRIES: u8 = 3;

/// A recording that is followed.
pub(super) struct Follow {
    twin: Twin,
    prepare: Prepare,
    stage: Stage,
    patience: Patience,
    tries: u8,
    cursor: Option<i64>,
    /// Rows to send; those before `at` are sent.
    held: Rows,
    at: usize,
    /// Rows after a break of the clock.
    after: Option<Rows>,
    /// The question under way.
    wanted: Option<RowsWanted>,
    asks: u32,
    /// The cursor of the last question that brought nothing more.
    dry_at: Option<i64>,
    /// The time that a window takes.
    span_micros: i64,
    under_way: UnderWay,
    /// Classifications that are due: number, time, logits.
    expected: VecDeque<(u32, i64, Vec<f32>)>,
    /// When the window was last classified.
    classified_at: Option<i64>,
    /// The row after the last one that was sent before the board fell behind.
    left_at: Option<u32>,
    view: FollowView,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Prepare,
    /// The window is being emptied; rows follow.
    Reset,
    Rows,
}

impl Follow {
    /// Looks at what is asked, before anything is sent.
    pub fn new(ask: FollowAsk) -> Result<Self, DeviceError> {
        let blob = WeightBlob::parse(&ask.blob)?;
        let twin = Twin::new(&blob, ask.period_rows, false)?;
        Ok(Self {
            twin,
            prepare: Prepare::new(ask.blob, ask.period_rows, ask.send_weights),
            stage: Stage::Prepare,
            patience: Patience::default(),
            tries: 0,
            cursor: None,
            held: Rows::default(),
            at: 0,
            after: None,
            wanted: None,
            asks: 0,
            dry_at: None,
            span_micros: 0,
            under_way: UnderWay::default(),
            expected: VecDeque::new(),
            classified_at: None,
            left_at: None,
            view: FollowView::default(),
        })
    }

    /// Begins; it goes on until [`Follow::end`].
    pub fn begin(&mut self, talk: &mut Talk<'_>) -> Turn<()> {
        self.stage = Stage::Prepare;
        self.forget_rows();
        self.prepare.begin(talk);
        Ok(None)
    }

    /// The cursor is at this time of the recording.
    pub fn cursor(&mut self, talk: &mut Talk<'_>, time_micros: i64) -> Turn<()> {
        let before = self.cursor.replace(time_micros);
        let is_back = self.sent_micros().is_some_and(|sent| time_micros < sent);
        let is_leap = before.is_some_and(|before| time_micros - before > LEAP_MICROS);
        if is_back || is_leap {
            self.go_to_cursor(talk);
        }
        self.proceed(talk)
    }

    /// Takes the rows that were wanted; an answer to an older question is left aside.
    pub fn rows(&mut self, talk: &mut Talk<'_>, ask: u32, rows: &Rows) -> Turn<()> {
        let Some(wanted) = self.wanted.take_if(|wanted| wanted.ask == ask) else { return Ok(None) };
        let (dim, count) = (self.twin.dim(), rows.times_micros.len());
        if rows.values.len() != count * dim {
            return Err(DeviceError::Width {
                got: rows.values.len() / count.max(1),
                expected: dim,
            });
        }
        if let Some(at) = rows.values.iter().position(|number| !number.is_finite()) {
            return Err(HeadError::RowNotFinite { row: at / dim, column: at % dim }.into());
        }
        self.dry_at = (count == 0).then_some(wanted.time_micros);
        if wanted.from.is_none() {
            // Meanwhile the cursor may have gone elsewhere.
            let newest = rows.times_micros.last().copied().unwrap_or(wanted.time_micros);
            let is_past = |cursor| cursor < wanted.time_micros || cursor - newest > LEAP_MICROS;
            if self.cursor.is_some_and(is_past) {
                self.want(talk, None);
                return Ok(None);
            }
            self.start(talk, rows.clone());
        } else if wanted.from != Some(rows.first) {
            self.want(talk, None);
            return Ok(None);
        } else if rows.starts {
            self.after = Some(rows.clone());
        } else {
            self.held.times_micros.drain(..self.at);
            self.held.values.drain(..self.at * dim);
            self.held.first += self.at as u32;
            self.at = 0;
            self.held.times_micros.extend_from_slice(&rows.times_micros);
            self.held.values.extend_from_slice(&rows.values);
        }
        self.proceed(talk)
    }

    /// Takes what the node said.
    pub fn hear(&mut self, talk: &mut Talk<'_>, said: Said<'_>) -> Turn<()> {
        let is_preparing = matches!(self.stage, Stage::Prepare);
        if said.is_damage() && !(is_preparing && self.prepare.is_uploading()) {
            return self.again(talk, DeviceError::Damaged { tries: TRIES });
        }
        if is_preparing {
            if self.prepare.hear(talk, said)?.is_none() {
                return Ok(None);
            }
            self.stage = Stage::Rows;
            return self.proceed(talk);
        }
        match said {
            Said::Reply(Reply::Error { request, code }) => Err(DeviceError::refused(request, code)),
            // It started anew: its rows are gone, and its weights may be others.
            Said::Reply(Reply::Greeting(_)) => self.again(talk, DeviceError::Lost),
            Said::Reply(Reply::Done { request: kind::RESET, .. })
                if matches!(self.stage, Stage::Reset) =>
            {
                self.patience.end();
                self.view.missing += self.expected.len() as u32;
                self.under_way.clear();
                self.expected.clear();
                self.twin.reset();
                self.stage = Stage::Rows;
                self.proceed(talk)
            }
            Said::Reply(Reply::Logits(logits)) => {
                self.compare(talk, &logits);
                Ok(None)
            }
            Said::Reply(Reply::Done { request: kind::ROW, value }) => {
                self.acknowledged(talk, value)
            }
            Said::Reply(_) | Said::Damaged(_) => Ok(None),
        }
    }

    pub fn handle_timeout(&mut self, talk: &mut Talk<'_>) -> Turn<()> {
        let is_over = match self.stage {
            Stage::Prepare => self.prepare.handle_timeout(talk)?,
            _ => self.patience.is_over(talk.now_micros),
        };
        is_over.map_or(Ok(None), |error| self.again(talk, error))
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        match self.stage {
            Stage::Prepare => self.prepare.poll_timeout(),
            _ => self.patience.poll_timeout(),
        }
    }

    /// Begins anew after damage: which rows the board has cannot be known.
    fn again(&mut self, talk: &mut Talk<'_>, error: DeviceError) -> Turn<()> {
        self.tries += 1;
        if self.tries >= TRIES {
            return Err(error);
        }
        talk.journal(format!("following begins anew: {error}"));
        self.view.restarts += 1;
        self.begin(talk)
    }

    fn forget_rows(&mut self) {
        (self.held, self.at, self.after, self.wanted) = (Rows::default(), 0, None, None);
        self.under_way.clear();
        self.expected.clear();
        (self.classified_at, self.dry_at, self.left_at) = (None, None, None);
    }

    /// The time of the newest row that was sent.
    fn sent_micros(&self) -> Option<i64> {
        Some(self.held.times_micros[self.at.checked_sub(1)?])
    }

    /// Leaves what is held and asks for rows around the cursor. What is under way is answered.
    fn go_to_cursor(&mut self, talk: &mut Talk<'_>) {
        (self.held, self.at, self.after) = (Rows::default(), 0, None);
        self.left_at = None;
        if self.wanted.is_none_or(|wanted| wanted.from.is_some()) {
            self.want(talk, None);
        }
    }

    fn want(&mut self, talk: &mut Talk<'_>, from: Option<u32>) {
        let Some(time_micros) = self.cursor else { return };
        self.asks = self.asks.wrapping_add(1);
        let before = self.twin.needed();
        let most = CHUNK_ROWS + if from.is_some() { 0 } else { before };
        let wanted = RowsWanted { ask: self.asks, from, time_micros, before, most };
        self.wanted = Some(wanted);
        talk.tell(DeviceEvent::RowsWanted { wanted });
    }

    /// Empties the board's window; these rows follow.
    fn start(&mut self, talk: &mut Talk<'_>, rows: Rows) {
        if let Some(left_at) = self.left_at.take() {
            self.view.left_out += rows.first.saturating_sub(left_at);
            talk.tell(DeviceEvent::Following { following: self.view });
        }
        (self.held, self.at) = (rows, 0);
        if self.held.times_micros.is_empty() {
            return;
        }
        let times = &self.held.times_micros;
        let last = times.len().min(self.twin.needed()) - 1;
        self.span_micros = times[last].saturating_sub(times[0]).max(0);
        self.classified_at = None;
        self.stage = Stage::Reset;
        let request = Request::Reset { restart: false };
        talk.send(&request);
        self.patience.begin(talk.now_micros, request.kind(), LATER_MICROS);
    }

    /// Sends what may be sent, and asks for more.
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn<()> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        if !matches!(self.stage, Stage::Rows) {
            return Ok(None);
        }
        let next = self.held.times_micros.get(self.at).copied();
        let behind = next.or(self.sent_micros()).map_or(0, |time| cursor.saturating_sub(time));
        let has_more = next.is_some_and(|time| time <= cursor);
        if has_more
            && self.classified_at.is_some()
            && behind > self.span_micros.saturating_add(BEHIND_MICROS)
        {
            let left_at = self.held.first + self.at as u32;
            self.view.behind += 1;
            self.go_to_cursor(talk);
            self.left_at = Some(left_at);
            return Ok(None);
        }
        while self.held.times_micros.get(self.at).is_some_and(|time| *time <= cursor) {
            if !self.send_row(talk)? {
                return Ok(None);
            }
        }
        if self.at == self.held.times_micros.len() {
            let is_time = |rows: &mut Rows| rows.times_micros.first().is_some_and(|t| *t <= cursor);
            if let Some(rows) = self.after.take_if(is_time) {
                self.start(talk, rows);
                return Ok(None);
            }
        }
        let left = self.held.times_micros.len() - self.at;
        let may_be_more = self.after.is_none() && self.dry_at != Some(cursor);
        if self.wanted.is_none() && left < CHUNK_ROWS / 2 && may_be_more {
            let end = self.held.first + self.held.times_micros.len() as u32;
            self.want(talk, (!self.held.times_micros.is_empty()).then_some(end));
        }
        Ok(None)
    }

    /// Sends the next row, unless enough is under way.
    fn send_row(&mut self, talk: &mut Talk<'_>) -> Result<bool, DeviceError> {
        let dim = self.twin.dim();
        let (number, time_micros) =
            (self.held.first + self.at as u32, self.held.times_micros[self.at]);
        let row = &self.held.values[self.at * dim..(self.at + 1) * dim];
        let request = Request::Row { sequence: number, time_micros, values: Numbers::Floats(row) };
        let Some(len) = self.under_way.write(talk, &request) else { return Ok(false) };
        if let Made::Logits(logits) = self.twin.take_row(row)? {
            self.expected.push_back((number, time_micros, logits));
        }
        self.at += 1;
        self.under_way.push(number, len);
        self.patience.begin(talk.now_micros, kind::ROW, LATER_MICROS);
        Ok(true)
    }

    /// A row was taken; what it made due came before.
    fn acknowledged(&mut self, talk: &mut Talk<'_>, value: u32) -> Turn<()> {
        let Some(row) = self.under_way.oldest() else { return Ok(None) };
        if value != row {
            return self.again(talk, DeviceError::Unexpected { kind: kind::DONE });
        }
        self.under_way.pop();
        self.view.rows += 1;
        while self.expected.front().is_some_and(|(due, ..)| *due <= row) {
            self.expected.pop_front();
            self.view.missing += 1;
        }
        if matches!(self.stage, Stage::Rows) {
            match self.under_way.is_empty() {
                true => self.patience.end(),
                false => self.patience.begin(talk.now_micros, kind::ROW, LATER_MICROS),
            }
        }
        self.proceed(talk)
    }

    fn compare(&mut self, talk: &mut Talk<'_>, logits: &Logits<'_>) {
        let is_due = |(_, time, _): &(u32, i64, Vec<f32>)| *time == logits.time_micros;
        if !self.expected.front().is_some_and(is_due) {
            return;
        }
        let Some((row, time_micros, ours)) = self.expected.pop_front() else { return };
        let board: Vec<f32> = logits.logits.iter().collect();
        let is_identical = board.len() == ours.len()
            && board.iter().zip(&ours).all(|(board, ours)| board.to_bits() == ours.to_bits());
        self.tries = 0;
        self.view.classified += 1;
        self.view.identical += u32::from(is_identical);
        let since_micros = self.classified_at.replace(time_micros).unwrap_or(time_micros);
        let followed = FollowedView {
            row,
            time_micros,
            since_micros,
            class: highest(&board),
            logits: board,
            our_class: highest(&ours),
            ours,
            is_identical,
        };
        talk.tell(DeviceEvent::Followed { followed });
        talk.tell(DeviceEvent::Following { following: self.view });
    }
}

/// The first of the highest logits.
fn highest(logits: &[f32]) -> u16 {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    u16::try_from(best).unwrap_or(u16::MAX)
}
