//! Seeded blobs and rows, and a line to a node.
#![allow(dead_code, reason = "each test binary uses its part")]

use csi_node::protocol::{Decoder, Event, Reply, Request};
use csi_node::{Config, Node};
use csi_temporal::feature::PipelineConfig;
use csi_temporal::rvne::{
    AttentionPattern, AttentionRecord, Dtype, Embedding, HeadShape, Normalisation, Trailer,
    WeightBlob,
};

/// Seeded randomness, xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// In `low ..= high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() >> 33) as usize % (high - low + 1)
    }

    pub fn numbers(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| ((self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale).collect()
    }
}

pub const SHAPE: HeadShape =
    HeadShape { input_dim: 6, q_heads: 4, kv_heads: 2, head_dim: 4, layers: 1, classes: 3 };

/// Windows of 12 rows, no rate stated: rows enter as they come.
pub fn record() -> AttentionRecord {
    AttentionRecord { window: 5, block_size: 4, window_len: 12, ..AttentionRecord::default() }
}

pub fn blob_of(seed: u64, trailer: Trailer) -> WeightBlob {
    let mut blob = WeightBlob::seeded(SHAPE, seed, Dtype::F32).unwrap();
    blob.weights.iter_mut().for_each(|weight| *weight *= 5.0);
    blob.trailer = trailer;
    blob
}

pub fn blob(seed: u64) -> WeightBlob {
    blob_of(seed, Trailer { attention: Some(record()), ..Trailer::default() })
}

/// With an embedding of nine features and their normalisation, a bias and ln(count).
pub fn rich_blob(seed: u64) -> WeightBlob {
    let mut random = Random(seed | 1);
    blob_of(
        seed,
        Trailer {
            name: Some("rich".to_string()),
            attention: Some(AttentionRecord { pattern: AttentionPattern::LnCount, ..record() }),
            normalisation: Some(Normalisation {
                mean: random.numbers(9, 1.0),
                inv_std: random.numbers(9, 2.0),
            }),
            embedding: Some(Embedding { feature_dim: 9, matrix: random.numbers(54, 0.5) }),
            bias: Some(random.numbers(3, 1.0)),
            ..Trailer::default()
        },
    )
}

/// Takes CSI: six bands of 24 pairs.
pub fn csi_blob(seed: u64, rate_hz: f32) -> WeightBlob {
    let pipeline = PipelineConfig {
        useful: (2..26).collect(),
        bands: 6,
        divide_by_mean: true,
        rate_hz,
        ..PipelineConfig::default()
    };
    let attention = Some(AttentionRecord { frame_rate_hz: rate_hz, ..record() });
    blob_of(seed, Trailer { attention, pipeline: Some(pipeline), ..Trailer::default() })
}

pub fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// A reply, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Packet(Vec<u8>),
    Logits { sequence: u32, time_micros: i64, rows: u16, held: u16, bits: Vec<u32> },
    Done(u8, u32),
    Error(u8, String),
    Other(String),
}

/// Decodes everything a node said.
pub fn heard(decoder: &mut Decoder, mut bytes: &[u8]) -> Vec<Heard> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        bytes = decoder.push(bytes);
        while let Some(event) = decoder.next_event() {
            let Event::Frame { kind, payload } = event else {
                panic!("a node sends frames only, not {event:?}");
            };
            all.push(match Reply::read(kind, payload).unwrap() {
                Reply::Packet(packet) => Heard::Packet(packet.to_vec()),
                Reply::Logits(l) => Heard::Logits {
                    sequence: l.sequence,
                    time_micros: l.time_micros,
                    rows: l.rows,
                    held: l.held,
                    bits: l.logits.iter().map(f32::to_bits).collect(),
                },
                Reply::Done { request, value } => Heard::Done(request, value),
                Reply::Error { request, code } => Heard::Error(request, code.to_string()),
                other => Heard::Other(format!("{other:?}")),
            });
        }
    }
    all
}

pub fn framed(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.write(&mut bytes).unwrap();
    bytes
}

/// A node and both ends of its line.
pub struct Line {
    pub node: Node,
    decoder: Decoder,
    pub now_micros: u64,
}

impl Line {
    pub fn new(config: Config) -> Self {
        Self { node: Node::new(config), decoder: Decoder::new(), now_micros: 1000 }
    }

    pub fn with(config: Config, blob: &WeightBlob) -> Self {
        let mut line = Self::new(config);
        line.node.load_weights(&blob.encode().unwrap()).unwrap();
        line
    }

    pub fn send(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.node.handle_bytes(self.now_micros, bytes);
        self.listen()
    }

    pub fn ask(&mut self, request: &Request<'_>) -> Vec<Heard> {
        self.send(&framed(request))
    }

    pub fn listen(&mut self) -> Vec<Heard> {
        self.node.poll_output().map_or(Vec::new(), |bytes| heard(&mut self.decoder, bytes))
    }
}
