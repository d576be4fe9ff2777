//! The node behind a serial line answers as the same node on this host, bit for bit.
//!
//! `CSI_LAB_QEMU` names the line, as `host:port`; `cargo verify --only firmware` starts a board in
//! QEMU and sets it. Without it nothing is tested here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use csi_node::protocol::{Decoder, Event, Numbers, Reply, Request, Settings, kind};
use csi_node::{Config, Node};
use csi_temporal::crc32::crc32;
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};

/// What the stack may hold at most, loading weights included; a task of ESP-IDF has 16 KB.
const STACK_BYTES: u32 = 10 * 1024;

/// A whole frame, as it came.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

/// Frames out of bytes.
#[derive(Default)]
struct Frames {
    decoder: Decoder,
    bytes: Vec<u8>,
    /// What was between frames: the banner, last words.
    text: String,
}

impl Frames {
    fn next(&mut self) -> Option<Frame> {
        loop {
            match self.decoder.next_event() {
                Some(Event::Frame { kind, payload }) => {
                    return Some(Frame { kind, payload: payload.to_vec() });
                }
                Some(Event::Damaged(error)) => panic!("damaged on the way: {error:?}"),
                Some(Event::Skipped(bytes)) => self.text += &String::from_utf8_lossy(bytes),
                None if self.bytes.is_empty() => return None,
                None => {
                    let left = self.decoder.push(&self.bytes).len();
                    self.bytes.drain(..self.bytes.len() - left);
                }
            }
        }
    }
}

/// Both nodes, asked the same.
struct Pair {
    line: TcpStream,
    frames: Frames,
    host: Node,
    now_micros: u64,
}

impl Pair {
    fn connect(address: &str) -> Self {
        let start = Instant::now();
        let line = loop {
            match TcpStream::connect(address) {
                Ok(line) => break line,
                Err(_) if start.elapsed() < Duration::from_secs(20) => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("{address}: {error}"),
            }
        };
        line.set_nodelay(true).unwrap();
        line.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self { line, frames: Frames::default(), host: Node::new(Config::default()), now_micros: 0 }
    }

    /// Waits for one frame of the board.
    fn frame(&mut self) -> Frame {
        let start = Instant::now();
        loop {
            if let Some(frame) = self.frames.next() {
                return frame;
            }
            let mut bytes = [0; 256];
            match self.line.read(&mut bytes) {
                Ok(0) => panic!("the board closed the line"),
                Ok(count) => self.frames.bytes.extend_from_slice(&bytes[..count]),
                Err(error) => {
                    let text = &self.frames.text;
                    assert!(start.elapsed().as_secs() < 30, "no frame: {error}; printed: {text}");
                }
            }
        }
    }

    /// Sends bytes to both and compares what both say. Returns the board's frames.
    fn exchange(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.line.write_all(bytes).unwrap();
        self.now_micros += 1000;
        self.host.handle_bytes(self.now_micros, bytes);
        let mut frames = Frames::default();
        while let Some(bytes) = self.host.poll_output() {
            frames.bytes.extend_from_slice(bytes);
        }
        let expected: Vec<_> = std::iter::from_fn(|| frames.next()).collect();
        let got: Vec<_> = expected.iter().map(|_| self.frame()).collect();
        for (got, expected) in got.iter().zip(&expected) {
            let text = &self.frames.text;
            assert_eq!(got.kind, expected.kind, "the board printed: {text}");
            assert_same(got, expected);
        }
        got
    }

    fn ask(&mut self, request: &Request<'_>) -> Vec<Frame> {
        let mut bytes = Vec::new();
        request.write(&mut bytes).unwrap();
        self.exchange(&bytes)
    }

    fn send_weights(&mut self, blob: &[u8]) {
        let (len, crc) = (blob.len() as u32, crc32(blob));
        self.ask(&Request::WeightsBegin { len, crc });
        for (index, bytes) in blob.chunks(900).enumerate() {
            self.ask(&Request::WeightsChunk { offset: index as u32 * 900, bytes });
        }
        let done = self.ask(&Request::WeightsEnd);
        assert_eq!(done[0].kind, kind::DONE);
    }
}

/// All but times and the board's own numbers must be equal.
fn assert_same(got: &Frame, expected: &Frame) {
    match expected.kind {
        // Bytes 8 to 16 of a classification are the node's clock, the last four a CRC.
        kind::PACKET => {
            let but_time = |bytes: &[u8]| [&bytes[..8], &bytes[16..bytes.len() - 4]].concat();
            assert_eq!(but_time(&got.payload), but_time(&expected.payload));
        }
        kind::GREETING | kind::COUNTERS => {}
        _ => assert_eq!(got.payload, expected.payload),
    }
}

/// Numbers in -1 .. 1, the same in every run.
fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

fn rows(dim: usize, seed: u64, count: usize) -> Vec<Vec<f32>> {
    let mut numbers = numbers(seed);
    (0..count).map(|_| numbers.by_ref().take(dim).collect()).collect()
}

#[test]
fn the_board_answers_as_the_host() {
    let Ok(address) = std::env::var("CSI_LAB_QEMU") else {
        println!("skipped: CSI_LAB_QEMU names no board");
        return;
    };
    let mut pair = Pair::connect(&address);

    // It starts with the weights of its flash.
    let greeting = pair.frame();
    let stored =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/aether_seeded.rvne");
    let stored = std::fs::read(stored).unwrap();
    pair.host.load_weights(&stored).unwrap();
    match Reply::read(greeting.kind, &greeting.payload).unwrap() {
        Reply::Greeting(greeting) => {
            assert!(greeting.has_weights);
            assert_eq!(greeting.blob_crc.to_le_bytes(), *stored.last_chunk().unwrap());
            assert_ne!(greeting.image_hash, [0; 8], "the image knows its hash");
        }
        other => panic!("{other:?} is no greeting"),
    }

    // Rows, acknowledged one by one; every logit is compared.
    let settings =
        Settings { send_logits: true, acknowledge: true, period_rows: 16, ..Settings::default() };
    pair.ask(&Request::Configure(settings));
    let dim = usize::from(WeightBlob::parse(&stored).unwrap().shape.input_dim);
    let mut classified = 0;
    for (index, row) in rows(dim, 1, 120).iter().enumerate() {
        let frames = pair.ask(&Request::Row {
            sequence: index as u32,
            time_micros: index as i64 * 25_000,
            values: Numbers::Floats(row),
        });
        classified += frames.iter().filter(|frame| frame.kind == kind::LOGITS).count();
    }
    assert!(classified >= 2, "{classified} classifications");
    pair.ask(&Request::Classify);

    // Damage on the line is refused and forgotten.
    let mut damaged = Vec::new();
    Request::Classify.write(&mut damaged).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    let frames = pair.exchange(&damaged);
    assert_eq!(frames[0].kind, kind::ERROR);
    pair.exchange(b"noise \x55\xAA and more of it that means nothing, long enough to be given up");
    pair.ask(&Request::Classify);

    // Other weights, while it runs, and back to rows.
    let shape =
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 };
    let mut other = WeightBlob::seeded(shape, 7, Dtype::F16).unwrap();
    other.trailer.attention =
        Some(AttentionRecord { window_len: 32, ..AttentionRecord::default() });
    let other = other.encode().unwrap();
    pair.send_weights(&other);
    for (index, row) in rows(60, 2, 40).iter().enumerate() {
        pair.ask(&Request::Row {
            sequence: 300 + index as u32,
            time_micros: index as i64 * 25_000,
            values: Numbers::Floats(row),
        });
    }
    let frames = pair.ask(&Request::Classify);
    assert!(frames.iter().any(|frame| frame.kind == kind::LOGITS));

    // The self-test's rows are the golden table's.
    let frames = pair.ask(&Request::SelfTest);
    assert!(frames.iter().all(|frame| frame.kind == kind::BITS) && !frames.is_empty());

    // All of that fits the stack of a task. The board measures once a second.
    std::thread::sleep(Duration::from_millis(1500));
    pair.exchange(b"noise long enough to be given up, so that the board looks at its clock again");
    let frames = pair.ask(&Request::Stats);
    match Reply::read(frames[0].kind, &frames[0].payload).unwrap() {
        Reply::Counters(stats) => {
            println!("{} bytes of stack at most", stats.stack_peak);
            assert!((1..=STACK_BYTES).contains(&stats.stack_peak), "{} bytes", stats.stack_peak);
        }
        other => panic!("{other:?} is no counters"),
    }

    // A restart brings the weights of the flash back.
    pair.ask(&Request::Reset { restart: true });
    pair.host = Node::new(Config::default());
    pair.host.load_weights(&stored).unwrap();
    let greeting = pair.frame();
    assert_eq!(greeting.kind, kind::GREETING);
    pair.ask(&Request::Configure(settings));
    for (index, row) in rows(dim, 3, 40).iter().enumerate() {
        pair.ask(&Request::Row {
            sequence: index as u32,
            time_micros: index as i64 * 25_000,
            values: Numbers::Floats(row),
        });
    }
    let frames = pair.ask(&Request::Classify);
    assert!(!frames.is_empty());
}
