//! Frames through a node for as long as one likes: what must hold then, and what came out.
//!
//! The same file is a program for Xtensa and, as `firmware/examples/soak.rs`, one for the host.

use alloc::vec::Vec;
use core::fmt::{self, Display};

use csi_node::protocol::{Decoder, Event, Numbers, Request, Settings, kind};
use csi_node::{Config, Node, Stats};
use csi_temporal::feature::PipelineConfig;
use csi_temporal::packet::{Packet, RawCsi};
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};

const DIM: usize = 16;
/// Of this many frames one is damaged.
const DAMAGED: u32 = 1000;
/// Times that the weights are loaded anew, over the run.
const PARTS: u32 = 10;

/// What came out. As text it is the same on every machine.
pub struct Soaked {
    frames: u32,
    stats: Stats,
    replies: Replies,
}

impl Display for Soaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, stats, replies } = self;
        write!(f, "{frames} frames, {} damaged, {} rows", stats.crc_errors, stats.rows)?;
        write!(f, ", {} classifications, ", stats.classifications)?;
        write!(f, "{} bytes out, hash {:016x}", replies.bytes, replies.hash)
    }
}

/// What is wrong, with what was found and what was expected.
pub type Wrong = (&'static str, [u32; 2]);

/// Everything that a node said, counted and hashed.
#[derive(Default)]
struct Replies {
    decoder: Decoder,
    bytes: u64,
    hash: u64,
    done: u32,
    logits: u32,
    errors: u32,
}

impl Replies {
    fn take(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        // FNV-1a, 64 bits.
        let basis = if self.hash == 0 { 0xCBF2_9CE4_8422_2325 } else { self.hash };
        let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        self.hash = bytes.iter().fold(basis, mix);
        while !bytes.is_empty() {
            bytes = self.decoder.push(bytes);
            while let Some(event) = self.decoder.next_event() {
                match event {
                    Event::Frame { kind: kind::DONE, .. } => self.done += 1,
                    Event::Frame { kind: kind::LOGITS, .. } => self.logits += 1,
                    Event::Frame { kind: kind::PACKET, .. } => {}
                    _ => self.errors += 1,
                }
            }
        }
    }
}

fn blob() -> Option<Vec<u8>> {
    let shape =
        HeadShape { input_dim: 16, q_heads: 4, kv_heads: 2, head_dim: 8, layers: 1, classes: 4 };
    let mut blob = WeightBlob::seeded(shape, 3, Dtype::F32).ok()?;
    blob.trailer.attention = Some(AttentionRecord { window_len: 32, ..AttentionRecord::default() });
    let useful = (0..64).collect();
    blob.trailer.pipeline = Some(PipelineConfig { useful, bands: 16, ..PipelineConfig::default() });
    blob.encode().ok()
}

/// Sends frames: of four one CSI packet and three rows, each acknowledged; some damaged. Ten times
/// the weights are loaded anew. `heap_used` tells the bytes of heap in use.
///
/// # Errors
///
/// When a frame was lost or refused that was whole, a reply is missing, or more heap is in use at
/// the end of a tenth than at the end of the first.
pub fn soak(frames: u32, heap_used: fn() -> usize) -> Result<Soaked, Wrong> {
    let settings =
        Settings { send_logits: true, acknowledge: true, period_rows: 16, ..Settings::default() };
    let mut node = Node::new(Config { settings, ..Config::default() });
    let blob = blob().ok_or(("blob", [0, 1]))?;
    let mut state = 1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 40
    };
    let mut csi = RawCsi { antennas: 1, values: alloc::vec![0; 128], ..RawCsi::default() };
    let (mut row, mut bytes, mut replies) = ([0.0_f32; DIM], Vec::new(), Replies::default());
    let (mut sequence, mut damaged, mut heap) = (0, 0, None);
    for index in 0..frames {
        if index % (frames / PARTS).max(1) == 0 {
            if index > 0 {
                let used = heap_used();
                let first = *heap.get_or_insert(used);
                expect("heap", used as u32, first as u32)?;
            }
            node.load_weights(&blob).map_err(|_| ("weights", [0, 1]))?;
        }
        let time_micros = i64::from(index) * 9_400;
        bytes.clear();
        let is_written = if index % 4 == 0 {
            csi.values.iter_mut().for_each(|value| *value = random() as i8);
            csi.sequence = index / 4;
            let packet = Packet::RawCsi(csi.clone()).encode().map_err(|_| ("packet", [0, 1]))?;
            Request::Csi { time_micros, packet: &packet }.write(&mut bytes)
        } else {
            row.iter_mut().for_each(|number| *number = random() as f32 / 8_388_608.0 - 1.0);
            let values = Numbers::Floats(&row);
            Request::Row { sequence, time_micros, values }.write(&mut bytes)
        };
        is_written.map_err(|_| ("request", [0, 1]))?;
        if index % DAMAGED == DAMAGED / 2 + 1 {
            // A row; it is sent again under the same number.
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            damaged += 1;
        } else if index % 4 != 0 {
            sequence += 1;
        }
        node.handle_bytes(time_micros.unsigned_abs(), &bytes);
        while let Some(bytes) = node.poll_output() {
            replies.take(bytes);
        }
    }
    let stats = node.stats(0);
    expect("acknowledged", replies.done, frames - damaged)?;
    expect("arrived", stats.arrived, frames - damaged)?;
    expect("refused", stats.refused, 0)?;
    expect("lost", stats.lost, 0)?;
    expect("replies dropped", stats.output_dropped, 0)?;
    expect("damaged", stats.crc_errors, damaged)?;
    expect("errors", replies.errors, damaged)?;
    expect("logits", replies.logits, stats.classifications)?;
    Ok(Soaked { frames, stats, replies })
}

fn expect(what: &'static str, found: u32, expected: u32) -> Result<(), Wrong> {
    if found == expected { Ok(()) } else { Err((what, [found, expected])) }
}
