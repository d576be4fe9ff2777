//! CSI out of packet captures: RuView's, Nexmon's and espectre's datagrams by UDP port or magic.
//!
//! The containers and protocol layers are [`super::capture`]'s, the datagrams' own formats
//! [`super::adr018`]'s, [`super::nexmon`]'s and [`super::espectre`]'s. Time is that of the
//! capture. Other traffic is counted and left out.

use csi_temporal::frame::CsiValues;
use csi_temporal::packet;

use super::adr018;
use super::capture::{Capture, Record, udp};
use super::carry::{RecordFormat, Step, u32_le};
use super::{Format, FrameTime, Position, Sink, SkipReason, espectre, nexmon};

/// Reads a capture record by record.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    capture: Option<Capture>,
    nexmon: nexmon::Frames,
    /// Whose datagrams the capture was found to hold.
    format: Option<Format>,
}

impl RecordFormat for Datagrams {
    fn record(&mut self, position: u64, bytes: &[u8], lost: bool, sink: &mut Sink) -> Step {
        let Some(capture) = &mut self.capture else {
            let Some((capture, header_bytes)) = Capture::open(bytes) else {
                return Step::More;
            };
            self.capture = Some(capture);
            return match header_bytes {
                0 => self.record(position, bytes, lost, sink),
                _ => Step::Take(header_bytes),
            };
        };
        match capture.record(bytes, lost) {
            Record::More => Step::More,
            Record::Damage => Step::Damage,
            Record::Other { bytes } => Step::Take(bytes),
            Record::Frame { bytes, micros, link, frame } => {
                let time = micros.map_or(FrameTime::None, FrameTime::EpochMicros);
                let position = Position::Byte(position);
                if let Err(reason) = self.frame(link, frame, time, position, sink) {
                    sink.skip(reason, position);
                }
                Step::Take(bytes)
            }
        }
    }
}

impl Datagrams {
    /// Takes one captured frame; says why if it holds no CSI or packet.
    fn frame(
        &mut self,
        link: i32,
        frame: &[u8],
        time: FrameTime,
        position: Position,
        sink: &mut Sink,
    ) -> Result<(), SkipReason> {
        let udp = udp(link, frame).ok_or(SkipReason::ForeignPacket)?;
        if udp.port == adr018::PORT || u32_le(udp.payload, 0).is_some_and(packet::is_magic) {
            let packet = packet::decode_datagram(udp.payload).map_err(adr018::skip_reason)?;
            self.found(Format::Adr018Pcap, "RuView packets", sink);
            adr018::hand_over(&packet, time, position, sink);
            return Ok(());
        }
        if let Some(datagram) = nexmon::Datagram::parse(udp.payload) {
            self.found(Format::NexmonPcap, "Nexmon datagrams", sink);
            sink.packet("nexmon");
            self.nexmon.frame(&datagram, time, position, sink);
            return Ok(());
        }
        if let Some((meta, csi)) = espectre::parse(udp.payload, time) {
            self.found(Format::EspectrePcap, "espectre datagrams", sink);
            sink.packet("espectre");
            sink.frame(meta, CsiValues::Iq8(&csi), position);
            return Ok(());
        }
        let known = [nexmon::PORT, espectre::PORT].contains(&udp.port);
        Err(if known { SkipReason::UnknownPacket } else { SkipReason::ForeignPacket })
    }

    /// Names the format after the first kind of CSI found, and says when there is another.
    fn found(&mut self, format: Format, what: &str, sink: &mut Sink) {
        let container = self.capture.as_ref().map_or("", Capture::name);
        match self.format {
            None => {
                self.format = Some(format);
                sink.refine_format(format, &format!("a {container} capture that holds {what}"));
            }
            Some(known) if known != format => sink.note(format!("The capture also holds {what}.")),
            Some(_) => {}
        }
    }
}
