//! Makes streams of what a [`super::Sink`] holds: one for each layout of each sender and antenna
//! pair, and one for the legacy training field that a sender's layouts share.
//!
//! A stream is a view of parts; no value is copied here.

use std::collections::HashMap;
use std::sync::Arc;

use super::blocks::Evidence;
use super::store::{Origin, Part, Stream, StreamKind, ValueType};
use super::subcarrier::{LayoutKey, SubcarrierMap};
use super::{Chain, Sender};

/// Numbers in an LLTF of 64 pairs.
const LLTF_VALUES: usize = 128;

/// What a part's frames have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PartKey {
    pub(super) sender: Sender,
    pub(super) chain: Option<Chain>,
    pub(super) layout: LayoutKey,
    pub(super) value_type: ValueType,
}

/// One sender's frames over one antenna pair, of any layout.
#[derive(Debug, Default)]
pub(super) struct Family {
    /// The part of each frame, in order of arrival.
    arrivals: Vec<Vec<u16>>,
    pub(super) clocked: bool,
}

/// Frames of a family are listed in pieces of this many, so that no list is ever copied whole.
const ARRIVALS_A_PIECE: usize = 1 << 18;

impl Family {
    pub(super) fn arrive(&mut self, part: usize) {
        if self.arrivals.last().is_none_or(|piece| piece.len() == ARRIVALS_A_PIECE) {
            self.arrivals.push(Vec::new());
        }
        if let Some(piece) = self.arrivals.last_mut() {
            piece.push(part as u16);
        }
    }

    /// The parts of the frames after the first `seen`.
    pub(super) fn since(&self, seen: usize) -> impl Iterator<Item = u16> {
        let (first, skip) = (seen / ARRIVALS_A_PIECE, seen % ARRIVALS_A_PIECE);
        self.arrivals.iter().skip(first).enumerate().flat_map(move |(later, piece)| {
            let from = if later == 0 { skip } else { 0 };
            piece.get(from..).unwrap_or(&[]).iter().copied()
        })
    }
}

/// One sender over one antenna pair.
pub(super) type Who = (Sender, Option<Chain>);

/// Makes the streams: CSI before features, most frames first.
pub(super) fn assemble(
    parts: &[(PartKey, Arc<Part>)],
    families: &HashMap<Who, Family>,
    label_names: &Arc<Vec<String>>,
) -> Vec<Stream> {
    let mut families: Vec<_> = families.iter().collect();
    families.sort_unstable_by_key(|(who, _)| **who);
    let mut streams = Vec::new();
    for (who, family) in &families {
        let mine = |key: &PartKey| (key.sender, key.chain) == **who;
        let mut makers: Vec<StreamMaker> = Vec::new();
        for (number, (key, part)) in parts.iter().enumerate().filter(|(_, (key, _))| mine(key)) {
            let kind = key.value_type.kind();
            match makers.iter_mut().find(|m| m.key == key.layout && m.kind == kind) {
                Some(maker) => maker.parts.push((number, part.clone())),
                None => makers.push(StreamMaker {
                    key: key.layout,
                    kind,
                    parts: vec![(number, part.clone())],
                }),
            }
        }
        let made: Vec<Stream> = makers.iter().map(|m| m.stream(who, family, label_names)).collect();
        streams.extend(combine(&makers, &made, who, family, label_names));
        streams.extend(made);
    }
    // CSI before features, most frames first; a combined stream before an equal one.
    streams.sort_by_key(|s: &Stream| {
        (s.kind == StreamKind::FeatureState, core::cmp::Reverse((s.len(), s.combined)))
    });
    rename_twins(&mut streams);
    streams
}

/// Parts of one layout on the way to a stream.
struct StreamMaker {
    key: LayoutKey,
    kind: StreamKind,
    parts: Vec<(usize, Arc<Part>)>,
}

impl StreamMaker {
    fn evidence(&self) -> Evidence {
        let mut sum = Evidence::default();
        for (_, part) in &self.parts {
            sum.alive.resize(part.evidence.alive.len(), 0);
            sum.alive.iter_mut().zip(&part.evidence.alive).for_each(|(a, b)| *a += b);
            sum.frames += part.evidence.frames;
            sum.garbage |= part.evidence.garbage;
        }
        sum
    }

    fn stream(&self, who: &Who, family: &Family, labels: &Arc<Vec<String>>) -> Stream {
        let map = SubcarrierMap::decide(&self.key, &self.evidence());
        let what = match self.kind {
            StreamKind::Iq => format!("{} subcarriers", self.key.pairs),
            StreamKind::Amplitude => format!("{} amplitudes", self.key.pairs),
            StreamKind::FeatureState => "feature state".to_owned(),
        };
        let values = self.parts.first().map_or(0, |(_, part)| part.width);
        view(&self.parts, who, self.key, &what, self.kind, map, values, family, labels)
    }
}

/// The legacy training field of all frames of a family whose layouts differ but share it.
fn combine(
    makers: &[StreamMaker],
    made: &[Stream],
    who: &Who,
    family: &Family,
    labels: &Arc<Vec<String>>,
) -> Vec<Stream> {
    let mut streams = Vec::new();
    let mut taken = vec![false; makers.len()];
    for first in 0..makers.len() {
        let alike = |other: usize| {
            makers[other].kind == StreamKind::Iq
                && made[other].map.starts_with_lltf()
                && makers[first].key.shares_lltf(&makers[other].key)
                && made[first].map.order == made[other].map.order
        };
        if taken[first] || !alike(first) {
            continue;
        }
        let group: Vec<usize> = (first..makers.len()).filter(|&m| !taken[m] && alike(m)).collect();
        group.iter().for_each(|&m| taken[m] = true);
        if group.len() < 2 {
            continue;
        }
        let parts: Vec<_> = group.iter().flat_map(|&m| makers[m].parts.iter().cloned()).collect();
        // The map of the layout with most frames, garbage if any frame has some.
        let widest = group.iter().copied().max_by_key(|&m| made[m].len()).unwrap_or(first);
        let garbage = group.iter().any(|&m| makers[m].evidence().garbage);
        let map = made[widest].map.first_64(garbage);
        let what = "64 subcarriers (LLTF of every frame)";
        let key = makers[first].key;
        let mut stream =
            view(&parts, who, key, what, StreamKind::Iq, map, LLTF_VALUES, family, labels);
        stream.combined = true;
        streams.push(stream);
    }
    streams
}

#[allow(clippy::too_many_arguments, reason = "one private constructor")]
fn view(
    parts: &[(usize, Arc<Part>)],
    who: &Who,
    layout: LayoutKey,
    what: &str,
    kind: StreamKind,
    map: SubcarrierMap,
    values_per_frame: usize,
    family: &Family,
    label_names: &Arc<Vec<String>>,
) -> Stream {
    let frames = parts.iter().map(|(_, part)| part.len()).sum();
    let origin = Origin {
        who: *who,
        layout,
        parts: parts.iter().map(|(number, _)| *number as u16).collect(),
        arrivals: 0,
        rows: vec![0; parts.len()],
    };
    let sender = who.0.to_string();
    let chain = who.1.map_or_else(String::new, |c| format!("rx {} tx {}", c.rx, c.tx));
    let name: Vec<&str> = [&*sender, &*chain, what].into_iter().filter(|s| !s.is_empty()).collect();
    let mut stream = Stream {
        name: name.join(", "),
        kind,
        map,
        combined: false,
        start_micros: 0,
        has_clock: family.clocked,
        assumed_rate_hz: 0.0,
        values_per_frame,
        parts: parts.iter().map(|(_, part)| part.clone()).collect(),
        order: (parts.len() > 1).then(|| Vec::with_capacity(frames)),
        label_names: label_names.clone(),
        origin,
        by_arrival: false,
    };
    stream.extend(family);
    stream.start_micros = if family.clocked { stream.time_micros(0) } else { 0 };
    stream
}

/// Numbers streams of equal names, so that a user can tell them apart.
fn rename_twins(streams: &mut [Stream]) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for stream in streams {
        let times = seen.entry(stream.name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            stream.name = format!("{}, layout {times}", stream.name);
        }
    }
}
