//! Tells the binary formats apart: those with a magic number, and those known by a chain of
//! plausible records.

use csi_temporal::packet::{self, StreamDecoder, StreamEvent};

use super::carry::{RecordReader, u32_le};
use super::detect::Found;
use super::foreign::Foreign;
use super::{Format, Refusal, adr018, atheros, capture, intel5300, pcap};

/// Formats that begin with a magic number, or with a header that could hardly be anything else.
pub(super) fn with_magic(head: &[u8]) -> Option<Result<Found, Refusal>> {
    if let Some(foreign) = Foreign::recognise(head) {
        return Some(Err(foreign.refusal()));
    }
    let found = if capture::recognises(head) {
        let reason = "the first bytes are those of a packet capture";
        Found::new(Format::Adr018Pcap, reason, RecordReader::<pcap::Datagrams>::default())
    } else if u32_le(head, 0).is_some_and(packet::is_magic) {
        let reason = "the first four bytes are the magic of a RuView packet";
        Found::new(Format::Adr018, reason, adr018::DumpReader::default())
    } else if intel5300::recognises(head) {
        let reason = "it begins with a CSI record (0xBB) whose lengths agree";
        Found::new(Format::Intel5300, reason, RecordReader::<intel5300::IntelLog>::default())
    } else {
        return None;
    };
    Some(Ok(found))
}

/// Formats without a magic number, and dumps of packets whose beginning is damaged.
pub(super) fn without_magic(head: &[u8]) -> Option<Found> {
    if atheros::recognises(head) {
        let reason = "it begins with a chain of Atheros records whose lengths agree";
        return Some(Found::new(
            Format::Atheros,
            reason,
            RecordReader::<atheros::AtherosLog>::default(),
        ));
    }
    let mut packets = StreamDecoder::new();
    packets.push(head);
    let mut events = core::iter::from_fn(|| packets.next_event());
    events.any(|event| matches!(event, StreamEvent::Packet { .. })).then(|| {
        let reason = "RuView packets follow after bytes that belong to none";
        Found::new(Format::Adr018, reason, adr018::DumpReader::default())
    })
}
