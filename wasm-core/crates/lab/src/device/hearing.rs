//! What a device makes of what the board says.

use csi_node::protocol::{Reply, Request};
use csi_temporal::packet::{Packet, decode_datagram};

use super::event::{self, ClassifiedView, LogitsView};
use super::link::Heard;
use super::state::{Job, State};
use super::talk::{Patience, Said};
use super::{DeviceError, DeviceEvent, Found, NodeView, Step, StepState};

/// How long each HELLO of a probe is waited for: a board that the opened port restarted boots
/// meanwhile.
const PROBE_MICROS: u64 = 1_000_000;
const PROBES: u8 = 3;
/// The most bytes of CSI in one event.
const CSI_BYTES: usize = 64 * 1024;

impl State {
    pub fn probe(&mut self, now_micros: u64) {
        self.set_step(Step::Listen, StepState::Now);
        self.job = Job::Probe { tries: 0, patience: Patience::default() };
        self.probe_again(now_micros);
    }

    pub fn probe_again(&mut self, now_micros: u64) {
        let Job::Probe { tries, patience } = &mut self.job else { return };
        if *tries < PROBES {
            *tries += 1;
            patience.begin(now_micros, Request::Hello.kind(), PROBE_MICROS);
            return self.send(&Request::Hello);
        }
        self.set_step(Step::Listen, StepState::Open);
        let found = self.found;
        self.tell(DeviceEvent::Found { found });
        self.done();
    }

    /// Takes a piece of what the board sent.
    pub fn hear(&mut self, now_micros: u64, heard: Heard<'_>) {
        match heard {
            Heard::Line(line) => self.hear_line(now_micros, line),
            Heard::CsiLine(line) => {
                self.find(Found::CsiLines);
                match self.events.back_mut() {
                    Some(DeviceEvent::Csi { time_micros, bytes })
                        if *time_micros == now_micros && bytes.len() < CSI_BYTES =>
                    {
                        bytes.extend_from_slice(line);
                    }
                    _ => self
                        .tell(DeviceEvent::Csi { time_micros: now_micros, bytes: line.to_vec() }),
                }
            }
            Heard::Frame { kind, payload } => {
                // Kinds that later versions add are nothing to us.
                if let Ok(reply) = Reply::read(kind, payload) {
                    self.hear_reply(now_micros, &reply);
                }
            }
            Heard::Damaged(error) => self.said(now_micros, Said::Damaged(error)),
        }
    }

    fn hear_line(&mut self, now_micros: u64, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        let is_loader = text.contains("waiting for download");
        // The ROM tries again and again, with its own words around.
        let is_empty = text.contains("invalid header: 0xffffffff");
        match self.found {
            _ if is_loader => self.find(Found::Loader),
            _ if is_empty => self.find(Found::Empty),
            Found::Silence | Found::Loader => self.find(Found::Text),
            // A node prints its boot log beside its frames, other firmware beside its CSI.
            _ => {}
        }
        self.tell(DeviceEvent::Line { time_micros: now_micros, text });
        if is_loader && matches!(self.job, Job::Boot(_)) {
            self.want_reset();
        }
    }

    fn hear_reply(&mut self, now_micros: u64, reply: &Reply<'_>) {
        match reply {
            Reply::Greeting(greeting) => self.greeted(NodeView::of(greeting)),
            Reply::Packet(packet) => {
                if let Ok(Packet::Classification(packet)) = decode_datagram(packet) {
                    let classified = ClassifiedView::of(&packet);
                    self.tell(DeviceEvent::Classified { classified });
                }
            }
            Reply::Logits(logits) => {
                self.tell(DeviceEvent::Logits { logits: LogitsView::of(logits) });
            }
            Reply::Counters(stats) => {
                self.tell(DeviceEvent::Counters { counters: event::counters(stats) });
            }
            Reply::Error { request, code } => {
                let error = DeviceError::refused(*request, code);
                self.journal(error.to_string());
            }
            _ => {}
        }
        self.said(now_micros, Said::Reply(*reply));
    }

    fn greeted(&mut self, node: NodeView) {
        self.find(Found::Node);
        let is_new = self.node.as_ref() != Some(&node);
        if is_new {
            let blob = node.blob_crc.map_or("without weights".into(), |crc| format!("{crc:08x}"));
            let said = format!(
                "{}: csi-node {} image {}, weights {blob} {}",
                node.board_name, node.version, node.image_hash, node.model
            );
            self.journal(said.trim_end().to_owned());
            self.node = Some(node.clone());
            self.tell(DeviceEvent::Greeting { node });
        }
        self.set_step(Step::Boot, StepState::Done);
        self.set_step(Step::Listen, StepState::Done);
        if matches!(self.job, Job::Probe { .. } | Job::Boot(_)) {
            self.done();
        }
    }
}
