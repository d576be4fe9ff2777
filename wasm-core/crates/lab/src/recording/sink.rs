//! What readers pour frames into: sorts them into parts, keeps the budget, counts the rest.

use std::collections::HashMap;
use std::sync::Arc;

use csi_temporal::frame::CsiValues;

use super::assemble::{Family, PartKey, Who, assemble};
use super::clock::Clock;
use super::doctor::{self, LengthUnit, Tally};
use super::store::{NO_LABEL, Part, Stream, StreamKind, ValueType};
use super::subcarrier::LayoutKey;
use super::{
    Format, FrameMeta, FrameTime, Position, Recording, Refusal, Sender, SkipReason, numbers,
};

/// Values that a frame may have: more than any card delivers.
pub(super) const MAX_VALUES: usize = 4096;
/// Combinations of sender, antennas, layout and type that are kept.
const MAX_PARTS: usize = 256;
/// Different labels kept.
const MAX_LABELS: usize = 1024;
/// Bytes of a label kept.
const MAX_LABEL_BYTES: usize = 64;
/// Notes kept.
const MAX_NOTES: usize = 32;
/// A step in the running number up to this is taken as lost frames; beyond, as a restart.
const MAX_LOST: u32 = 1000;
/// First places kept for each reason.
const MAX_POSITIONS: usize = 5;

/// Takes what a [`super::Reader`] finds.
#[derive(Debug)]
pub struct Sink {
    budget_bytes: usize,
    stored_bytes: usize,
    full: bool,
    /// Shared with the streams of a recording that grows, but for the time that frames come in.
    parts: Vec<(PartKey, Arc<Part>)>,
    part_of: HashMap<PartKey, usize>,
    last_part: usize,
    families: HashMap<Who, Family>,
    clocks: HashMap<Sender, Clock>,
    /// The last running number of each sender.
    running: HashMap<Sender, u32>,
    labels: Vec<String>,
    label_of: HashMap<String, u16>,
    last_label: u16,
    assumed_rate_hz: f32,
    header_seen: bool,
    lines: u64,
    /// When frames come in, in microseconds since the first, for recordings that grow.
    arrived: Option<i64>,
    tally: Tally,
}

impl Sink {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            stored_bytes: 0,
            full: false,
            parts: Vec::new(),
            part_of: HashMap::new(),
            last_part: 0,
            families: HashMap::new(),
            clocks: HashMap::new(),
            running: HashMap::new(),
            labels: Vec::new(),
            label_of: HashMap::new(),
            last_label: NO_LABEL,
            assumed_rate_hz: 100.0,
            header_seen: false,
            lines: 0,
            arrived: None,
            tally: Tally::default(),
        }
    }

    pub(super) fn set_format(&mut self, format: Format, reason: String) {
        self.tally.format = Some(format);
        self.tally.format_reason = reason;
    }

    /// Replaces the format once a reader knows it better than the first bytes did.
    pub fn refine_format(&mut self, format: Format, reason: &str) {
        self.set_format(format, reason.to_owned());
    }

    /// Takes one CSI frame (or one feature state, which is not counted as a frame).
    ///
    /// A frame with NaN or infinity, without values or with more than 4096 is skipped with
    /// its reason; `position` is where it stands.
    pub fn frame(&mut self, meta: FrameMeta<'_>, values: CsiValues<'_>, position: Position) {
        self.store(&meta, values, position, true);
    }

    /// Takes a further antenna pair of the frame that came last: it gets a stream of its own and
    /// is not counted again.
    pub fn further_chain(
        &mut self,
        meta: FrameMeta<'_>,
        values: CsiValues<'_>,
        position: Position,
    ) {
        self.store(&meta, values, position, false);
    }

    fn store(
        &mut self,
        meta: &FrameMeta<'_>,
        values: CsiValues<'_>,
        position: Position,
        counted: bool,
    ) {
        if self.full {
            return;
        }
        let count = numbers(&values);
        let reason = match values {
            _ if count == 0 => Some(SkipReason::NoValues),
            _ if count > MAX_VALUES => Some(SkipReason::TooManyValues),
            CsiValues::Iq8(_) | CsiValues::Iq16(_) if count % 2 == 1 => Some(SkipReason::OddCount),
            CsiValues::IqF32(v) if v.len() % 2 == 1 => Some(SkipReason::OddCount),
            CsiValues::IqF32(v) | CsiValues::Amplitude(v) | CsiValues::FeatureState(v) => {
                v.iter().any(|x| !x.is_finite()).then_some(SkipReason::NotFinite)
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return self.skip(reason, position);
        }
        let Some(part) = self.part(meta, &values) else {
            return self.skip(SkipReason::TooManyStreams, position);
        };
        let label = self.label_number(meta.label);
        let time = self.time(meta);
        let family = self.families.entry((meta.sender, meta.chain)).or_default();
        family.clocked |= meta.time != FrameTime::None;
        family.arrive(part);
        // Nobody else holds a part while frames come in.
        let Some(stored) = self.parts.get_mut(part).and_then(|(_, part)| Arc::get_mut(part)) else {
            return;
        };
        stored.evidence.garbage |= meta.first_word_invalid;
        let bytes = stored.push(values, time, self.arrived, meta.rssi_dbm, meta.sequence, label);
        self.stored_bytes += bytes + size_of::<u16>();
        if counted && ValueType::of(&values).kind() != StreamKind::FeatureState {
            self.tally.frames += 1;
            *self.tally.lengths.entry(count).or_default() += 1;
            self.count_lost(meta);
        }
        if self.stored_bytes > self.budget_bytes {
            self.full = true;
            let kept = self.budget_bytes >> 20;
            self.note(format!(
                "Reading stopped at {position}: the {kept} MiB for frames are full. What was read \
                 before is shown; cut the file to see the rest."
            ));
        }
    }

    /// Reports a line, packet or record that was left out.
    pub fn skip(&mut self, reason: SkipReason, position: Position) {
        if self.full {
            return;
        }
        *self.tally.skipped.entry(reason.code()).or_default() += 1;
        let first = self.tally.skipped_first.entry(reason.code()).or_insert((reason, Vec::new()));
        if first.1.len() < MAX_POSITIONS {
            first.1.push(position);
        }
        self.tally.first_skip.get_or_insert((reason, position));
    }

    /// Adds a sentence to the doctor's report; the same sentence is added once.
    pub fn note(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if self.tally.notes.len() < MAX_NOTES && !self.tally.notes.contains(&sentence) {
            self.tally.notes.push(sentence);
        }
    }

    /// Says that frames were made up, not measured: everything shown of the file says so too.
    pub fn synthetic(&mut self, sentence: &'static str) {
        self.tally.synthetic = true;
        self.note(sentence);
    }

    /// Counts a packet or line by its type, CSI or not. `kind` must come from a short list.
    pub fn packet(&mut self, kind: &'static str) {
        if self.full {
            return;
        }
        *self.tally.packets.entry(kind).or_default() += 1;
    }

    /// Sets the rate that times are made from if the source has no clock. Default: 100 Hz.
    pub fn assume_rate_hz(&mut self, rate_hz: f32) {
        self.assumed_rate_hz = rate_hz;
    }

    /// Says that frame lengths are told as this source counts them: in subcarriers.
    pub fn count_lengths_in_subcarriers(&mut self) {
        self.tally.length_unit = LengthUnit::Subcarriers;
    }

    /// Says that the columns' names were seen.
    pub(super) fn header(&mut self) {
        self.header_seen = true;
    }

    /// Says how many lines the file has so far.
    pub(super) fn lines(&mut self, lines: u64) {
        self.lines = lines;
    }

    /// Whether the store is full: further frames are not kept.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// CSI frames kept.
    pub fn frames(&self) -> u64 {
        self.tally.frames
    }

    /// What was left out so far, by the code of the reason.
    pub(super) fn skipped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.tally.skipped.iter().map(|(code, count)| (*code, *count))
    }

    pub(super) fn skipped_total(&self) -> u64 {
        self.tally.skipped.values().sum()
    }

    fn part(&mut self, meta: &FrameMeta<'_>, values: &CsiValues<'_>) -> Option<usize> {
        let key = PartKey {
            sender: meta.sender,
            chain: meta.chain,
            layout: LayoutKey::new(&meta.layout, values.pairs()),
            value_type: ValueType::of(values),
        };
        if self.parts.get(self.last_part).is_some_and(|(last, _)| *last == key) {
            return Some(self.last_part);
        }
        let part = match self.part_of.get(&key) {
            Some(&part) => part,
            None if self.parts.len() == MAX_PARTS => return None,
            None => {
                self.parts.push((key, Arc::new(Part::new(values))));
                self.part_of.insert(key, self.parts.len() - 1);
                self.parts.len() - 1
            }
        };
        self.last_part = part;
        Some(part)
    }

    /// Counts the numbers between a frame's running number and its sender's last one.
    ///
    /// A sender's frames of all layouts are numbered together.
    fn count_lost(&mut self, meta: &FrameMeta<'_>) {
        let Some(number) = meta.sequence else {
            return;
        };
        let lost = self.tally.lost_frames.get_or_insert(0);
        if let Some(before) = self.running.insert(meta.sender, number) {
            let step = number.wrapping_sub(before);
            if (2..=MAX_LOST).contains(&step) {
                *lost += u64::from(step - 1);
            }
        }
    }

    /// The repaired time: one clock for the file, but one a node for the nodes' own clocks.
    fn time(&mut self, meta: &FrameMeta<'_>) -> i64 {
        let own_clock = matches!((meta.time, meta.sender), (FrameTime::Micros(_), Sender::Node(_)));
        let owner = if own_clock { meta.sender } else { Sender::Unknown };
        self.clocks.entry(owner).or_default().advance(meta.time)
    }

    fn label_number(&mut self, label: Option<&str>) -> u16 {
        let Some(label) = label.map(str::trim).filter(|label| !label.is_empty()) else {
            return NO_LABEL;
        };
        let mut end = label.len().min(MAX_LABEL_BYTES);
        while !label.is_char_boundary(end) {
            end -= 1;
        }
        let label = &label[..end];
        if self.labels.get(usize::from(self.last_label)).is_some_and(|last| last == label) {
            return self.last_label;
        }
        let known = self.label_of.get(label).copied();
        self.last_label = known.unwrap_or_else(|| {
            if self.labels.len() == MAX_LABELS {
                self.note(format!(
                    "More than {MAX_LABELS} different labels: the others are left out."
                ));
                return NO_LABEL;
            }
            let number = self.labels.len() as u16;
            self.labels.push(label.to_owned());
            self.label_of.insert(label.to_owned(), number);
            number
        });
        self.last_label
    }

    /// Examines what came in and makes the recording; its streams share the parts with the sink.
    ///
    /// `growing` keeps the times of arrival of streams without a clock that runs.
    pub(super) fn recording(
        &self,
        name: &str,
        bytes: u64,
        growing: bool,
    ) -> Result<Recording, Refusal> {
        if self.parts.is_empty() {
            return Err(self.refusal());
        }
        let mut tally = self.tally();
        let label_names = Arc::new(self.labels.clone());
        let mut streams = assemble(&self.parts, &self.families, &label_names);
        for stream in &mut streams {
            stream.assumed_rate_hz = self.assumed_rate_hz;
            let frozen = stream.len() > 1 && stream.span_s() == Some(0.0);
            let note = if growing && (frozen || !stream.has_clock) {
                stream.time_by_arrival();
                "The lines have no clock that runs, so times are those of arrival here."
            } else if frozen {
                stream.has_clock = false;
                "All frames carry the same time, so times are made from a rate."
            } else {
                continue;
            };
            if !tally.notes.iter().any(|known| known == note) {
                tally.notes.push(note.to_owned());
            }
        }
        let Some(main) = streams.first() else {
            return Err(Refusal::Empty);
        };
        let report = doctor::examine(tally, main, &streams, bytes);
        Ok(Recording { name: name.to_owned(), report, streams, default_stream: 0 })
    }

    /// What was counted so far, over all clocks.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        for clock in self.clocks.values() {
            tally.clock_wraps += clock.wraps;
            tally.clock_restarts += clock.restarts;
            tally.clock_reordered += clock.reordered;
        }
        tally
    }

    /// Says when the next frames come in, in microseconds since the first; never goes back.
    pub(super) fn arrive_at(&mut self, micros: i64) {
        self.arrived = Some(self.arrived.map_or(micros, |before| before.max(micros)));
    }

    /// Combinations of sender, antennas, layout and type so far.
    pub(super) fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// Gives the streams of [`Sink::recording`] what came in since.
    pub(super) fn extend(&self, streams: &mut [Stream]) {
        let renamed = streams.iter().any(|stream| stream.label_names.len() != self.labels.len());
        let names = renamed.then(|| Arc::new(self.labels.clone()));
        for stream in streams {
            let part = |number: &u16| self.parts.get(usize::from(*number)).map(|p| p.1.clone());
            stream.parts = stream.origin.parts.iter().filter_map(part).collect();
            if let Some(family) = self.families.get(&stream.origin.who) {
                stream.extend(family);
            }
            if let Some(names) = &names {
                stream.label_names = names.clone();
            }
        }
    }

    fn refusal(&self) -> Refusal {
        let skipped = self.skipped_total();
        let only_other =
            skipped == self.tally.skipped.get(SkipReason::OtherLine.code()).copied().unwrap_or(0);
        match self.tally.first_skip {
            _ if self.header_seen && only_other => Refusal::HeaderOnly,
            // Formats of lines have a line at least; the others have packets or records.
            _ if only_other && (self.lines == 0 || !self.tally.packets.is_empty()) => {
                Refusal::NoCsiPackets { packets: self.tally.packets.values().sum() }
            }
            _ if only_other => Refusal::NoCsi { lines: self.lines },
            Some((SkipReason::UnknownJson, _)) if self.lines == 1 => Refusal::JsonDocument,
            Some(_) => {
                // The first place whose reason is about CSI.
                let reasons = self.tally.skipped_first.values();
                let about_csi = reasons.filter(|(reason, _)| *reason != SkipReason::OtherLine);
                let firsts = about_csi.filter_map(|(reason, at)| Some((*reason, *at.first()?)));
                let first = firsts.min_by_key(|(_, at)| match at {
                    Position::Line(at) | Position::Byte(at) => *at,
                });
                let (reason, position) =
                    first.unwrap_or((SkipReason::OtherLine, Position::Byte(0)));
                Refusal::NothingUsable { skipped, reason, position }
            }
            None => Refusal::NoCsi { lines: self.lines },
        }
    }
}
