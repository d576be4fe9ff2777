//! RuView's packets as a recording: dumps of them back to back (`.bin`), and what becomes of
//! each one wherever it was captured.
//!
//! The packets themselves are [`csi_temporal::packet`]'s. Raw CSI becomes a frame of its node,
//! further antennas streams of their own; a feature state, alone, gated or in a mesh envelope,
//! becomes a frame of the node's feature stream. The other types are counted.
//!
//! Compressed CSI is counted and **not** decoded. It is the difference from a buffer that only
//! the node knows for certain, has no number and no checksum, and would stand unmarked among
//! measured frames.
//!
//! Raw CSI carries no time. In a dump it gets one from the stamps of its node's other packets
//! (see [`super::node_clock`]); without any, [`ASSUMED_RATE_HZ`] is assumed and reported.

use std::collections::BTreeMap;

use csi_temporal::frame::CsiValues;
use csi_temporal::packet::{Packet, PacketError, RawCsi, StateValues, StreamDecoder, StreamEvent};

use super::node_clock::NodeClock;
use super::{
    Chain, FrameMeta, FrameTime, Layout, Position, Reader, Sender, Sink, SkipReason, SubcarrierRule,
};

/// The port that nodes send to unless told otherwise.
pub(super) const PORT: u16 = 5005;
/// Frames a second that a node typically sends; the gate in its firmware lets 50 pass.
const ASSUMED_RATE_HZ: f32 = 20.0;
/// Bytes handed to the stream decoder at once, so that it never holds a second copy of a file.
const CHUNK_BYTES: usize = 64 * 1024;

/// Turns why bytes are no packet into why they were left out.
pub(super) const fn skip_reason(error: PacketError) -> SkipReason {
    match error {
        PacketError::Magic { .. } => SkipReason::Garbage,
        PacketError::Incomplete { .. } => SkipReason::CutShort,
        PacketError::Crc { .. } => SkipReason::BadChecksum,
        _ => SkipReason::BadLength,
    }
}

/// Counts a packet that arrived at `time`, and hands over the frames it holds.
pub(super) fn hand_over(packet: &Packet, time: FrameTime, position: Position, sink: &mut Sink) {
    sink.packet(packet.kind());
    match packet {
        Packet::CompressedCsi(_) => {
            sink.note(
                "Compressed CSI packets are counted and not decoded: one lost packet before them \
                 makes the result wrong without a trace.",
            );
            sink.skip(SkipReason::NotDecodable, position);
        }
        Packet::RawCsi(raw) => raw_frames(raw, time, position, sink),
        _ => {
            if let Some(state) = state(packet) {
                let meta = FrameMeta {
                    time,
                    sender: Sender::Node(state.node),
                    layout: Layout { rule: SubcarrierRule::Features, ..Layout::default() },
                    ..FrameMeta::default()
                };
                sink.frame(meta, CsiValues::FeatureState(&state.values), position);
            }
        }
    }
}

/// Hands over raw CSI: a frame, and a further chain for each antenna after the first.
fn raw_frames(raw: &RawCsi, time: FrameTime, position: Position, sink: &mut Sink) {
    let antennas = raw.values.chunks_exact((2 * raw.pairs_per_antenna()).max(1));
    for (antenna, values) in (0..raw.antennas).zip(antennas) {
        let meta = FrameMeta {
            time,
            sender: Sender::Node(raw.node),
            chain: (raw.antennas > 1).then_some(Chain { rx: antenna, tx: 0 }),
            rssi_dbm: Some(raw.rssi_dbm),
            sequence: Some(raw.sequence),
            ..FrameMeta::default()
        };
        match antenna {
            0 => sink.frame(meta, CsiValues::Iq8(values), position),
            _ => sink.further_chain(meta, CsiValues::Iq8(values), position),
        }
    }
}

/// The feature state in a packet, if that is what it is or passes on.
fn state(packet: &Packet) -> Option<StateValues> {
    match packet {
        Packet::FeatureState(packet) => Some(packet.state),
        Packet::GatedFeatureState(packet) => Some(packet.state),
        Packet::Mesh(envelope) => match envelope.inner()?.ok()? {
            Packet::FeatureState(packet) => Some(packet.state),
            _ => None,
        },
        _ => None,
    }
}

/// Who sent a packet, and when by the sender's clock in microseconds since its boot.
fn stamp(packet: &Packet) -> (Option<u8>, Option<i64>) {
    let since_boot = |micros: u64| i64::try_from(micros).ok();
    let (node, micros) = match packet {
        Packet::Vitals(vitals) => (vitals.node, Some(i64::from(vitals.uptime_millis) * 1000)),
        Packet::FeatureVector(vector) => (vector.node, Some(vector.time_micros)),
        Packet::Classification(class) => (class.node, since_boot(class.time_micros)),
        _ => match state(packet) {
            Some(state) => (state.node, since_boot(state.time_micros)),
            None => return (packet.node(), None),
        },
    };
    (Some(node), micros)
}

/// A packet waiting for its time.
type Held = (Packet, Position);

/// Reads a dump of packets back to back.
#[derive(Debug, Default)]
pub(super) struct DumpReader {
    packets: StreamDecoder,
    clocks: BTreeMap<u8, NodeClock<Held>>,
}

impl DumpReader {
    /// Deals with what the packet decoder has found so far.
    fn drain(&mut self, sink: &mut Sink) {
        while let Some(event) = self.packets.next_event() {
            match event {
                StreamEvent::Packet { position, packet, .. } => {
                    self.packet(packet, Position::Byte(position), sink);
                }
                StreamEvent::Skipped { position, reason, .. } => {
                    sink.skip(skip_reason(reason), Position::Byte(position));
                }
            }
        }
    }

    /// Takes one packet: at once if it needs no time, else through its node's clock.
    fn packet(&mut self, packet: Packet, position: Position, sink: &mut Sink) {
        let (Some(node), micros) = stamp(&packet) else {
            return hand_over(&packet, FrameTime::None, position, sink);
        };
        let clock = self.clocks.entry(node).or_default();
        let emit = &mut |time, held| emit(time, held, sink);
        match micros.map(|micros| clock.stamp(micros, emit)) {
            Some(now) => clock.timed(now, (packet, position), emit),
            None if matches!(packet, Packet::RawCsi(_)) => clock.frame((packet, position), emit),
            None => emit(None, (packet, position)),
        }
    }
}

/// Hands over a packet that has waited, with its time if there is one.
fn emit(time: Option<i64>, (packet, position): Held, sink: &mut Sink) {
    if matches!(packet, Packet::RawCsi(_)) {
        match time {
            Some(_) => sink.note(
                "Raw CSI packets carry no time. Their times are spread evenly between the time \
                 stamps of the same node's other packets.",
            ),
            None => sink.assume_rate_hz(ASSUMED_RATE_HZ),
        }
    }
    let time = time.map_or(FrameTime::None, FrameTime::Micros);
    hand_over(&packet, time, position, sink);
}

impl Reader for DumpReader {
    fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            self.packets.push(chunk);
            self.drain(sink);
        }
    }

    fn finish(&mut self, sink: &mut Sink) {
        self.packets.finish();
        self.drain(sink);
        for clock in self.clocks.values_mut() {
            clock.finish(&mut |time, held| emit(time, held, sink));
        }
    }
}
