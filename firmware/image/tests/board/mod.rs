//! The board behind `CSI_LAB_QEMU` and a node on this host, asked the same.
//!
//! `CSI_LAB_QEMU` names a serial line, as `host:port`; `cargo verify --only firmware` starts a board
//! in QEMU for each test binary and sets it. Without it nothing is tested.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use csi_node::protocol::{Decoder, Event, Reply, Request, kind};
use csi_node::{Config, Node, Stats};
use csi_temporal::crc32::crc32;

/// Reads a file of `fixtures`.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the flash of the emulated board holds.
pub fn stored() -> Vec<u8> {
    fixture("models/aether_seeded.rvne")
}

/// A whole frame, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
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
pub struct Pair {
    line: TcpStream,
    frames: Frames,
    pub host: Node,
    now_micros: u64,
}

impl Pair {
    /// Connects to the board that `CSI_LAB_QEMU` names, and gives both the weights `stored`, which
    /// the board has in its flash; `None` where no board is named.
    pub fn start(stored: &[u8]) -> Option<Self> {
        let Ok(address) = std::env::var("CSI_LAB_QEMU") else {
            println!("skipped: CSI_LAB_QEMU names no board");
            return None;
        };
        let mut pair = Self::connect(&address);
        pair.greeted(stored);
        Some(pair)
    }

    /// Waits for the greeting that follows a start, and starts the host's node as well.
    pub fn greeted(&mut self, stored: &[u8]) {
        let greeting = self.frame();
        self.host = Node::new(Config::default());
        self.host.load_weights(stored).unwrap();
        match Reply::read(greeting.kind, &greeting.payload).unwrap() {
            Reply::Greeting(greeting) => {
                assert!(greeting.has_weights);
                assert_eq!(greeting.blob_crc.to_le_bytes(), *stored.last_chunk().unwrap());
                assert_ne!(greeting.image_hash, [0; 8], "the image knows its hash");
            }
            other => panic!("{other:?} is no greeting"),
        }
    }

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
                Err(error) if start.elapsed().as_secs() >= 30 => self.give_up(&error),
                Err(_) => {}
            }
        }
    }

    /// Tells what the board made of the bytes that it did not answer.
    fn give_up(&mut self, error: &std::io::Error) -> ! {
        let mut bytes = Vec::new();
        Request::Stats.write(&mut bytes).unwrap();
        self.line.write_all(&bytes).unwrap();
        std::thread::sleep(Duration::from_secs(2));
        let mut bytes = [0; 256];
        let count = self.line.read(&mut bytes).unwrap_or(0);
        self.frames.bytes.extend_from_slice(&bytes[..count]);
        let last = self.frames.next();
        let last = last.as_ref().map(|frame| Reply::read(frame.kind, &frame.payload));
        panic!("no frame: {error}; now: {last:?}; printed: {}", self.frames.text);
    }

    /// Sends bytes to both and compares what both say. Returns the board's frames.
    pub fn exchange(&mut self, bytes: &[u8]) -> Vec<Frame> {
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

    pub fn ask(&mut self, request: &Request<'_>) -> Vec<Frame> {
        let mut bytes = Vec::new();
        request.write(&mut bytes).unwrap();
        self.exchange(&bytes)
    }

    pub fn send_weights(&mut self, blob: &[u8]) {
        let (len, crc) = (blob.len() as u32, crc32(blob));
        self.ask(&Request::WeightsBegin { len, crc });
        for (index, bytes) in blob.chunks(900).enumerate() {
            self.ask(&Request::WeightsChunk { offset: index as u32 * 900, bytes });
        }
        let done = self.ask(&Request::WeightsEnd);
        assert_eq!(done[0].kind, kind::DONE);
    }

    /// Asks the board for its counters, once it has measured heap and stack, which it does every
    /// second.
    pub fn counters(&mut self) -> Stats {
        std::thread::sleep(Duration::from_millis(1500));
        let frames = self.ask(&Request::Stats);
        match Reply::read(frames[0].kind, &frames[0].payload).unwrap() {
            Reply::Counters(stats) => stats,
            other => panic!("{other:?} is no counters"),
        }
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
pub fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

pub fn rows(dim: usize, seed: u64, count: usize) -> Vec<Vec<f32>> {
    let mut numbers = numbers(seed);
    (0..count).map(|_| numbers.by_ref().take(dim).collect()).collect()
}
