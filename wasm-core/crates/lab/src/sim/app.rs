//! The application, once it runs: the node's own code, compiled with the lab.
//!
//! The image's Xtensa code is not run. Whether the image is the node's is told by the name in its
//! description; another one gets a sentence and stays silent. Weights come from the `rvne`
//! partition as on the node, and so do banner, greeting and `board-report`.

use std::fmt::Write;

use csi_node::{Config, Node, Platform, Stats};

use super::boot::{Application, Cause};
use super::flash::Flash;

/// The number of a simulated board in greetings; see `docs/protocol.md`.
pub const BOARD: u8 = 3;
/// How often a node looks after frames that stay incomplete, in microseconds.
pub(crate) const TICK_MICROS: u64 = 1_000_000;
/// How long a node waits between a restart that was asked for and the restart.
pub(crate) const RESTART_MICROS: u64 = 100_000;

const OUR_PROJECT: &str = "csi-node";
const REPORT: &[u8] = b"board-report\n";

/// An application at work.
#[derive(Debug)]
pub(crate) struct App {
    node: Option<Box<Node>>,
    started_micros: u64,
    banner: String,
    /// What was typed of [`REPORT`].
    typed: usize,
    weights: Option<(u32, u32)>,
}

impl App {
    /// Starts it. Returns it and what it says at the start.
    pub fn start(now: u64, flash: &Flash, image: &Application, cause: Cause) -> (Self, Vec<u8>) {
        let weights = image.weights;
        let mut app =
            Self { node: None, started_micros: now, banner: String::new(), typed: 0, weights };
        if image.project != OUR_PROJECT {
            let name =
                if image.project.is_empty() { "without a description" } else { &image.project };
            let text = format!(
                "\r\nSIMULATED BOARD: this image ({name}) is not ours: the simulator cannot run Xtensa code\r\n"
            );
            return (app, text.into_bytes());
        }
        let mut node = Box::new(Node::new(Config::default()));
        let reset_cause = cause.number();
        node.set_platform(Platform {
            image_hash: image.hash,
            reset_cause,
            board: BOARD,
            ..Platform::default()
        });
        let text = &mut app.banner;
        let _ = write!(text, "\r\ncsi-node {} image ", env!("CARGO_PKG_VERSION"));
        for byte in image.hash {
            let _ = write!(text, "{byte:02x}");
        }
        let _ = write!(text, " reset cause {reset_cause} on SIMULATED BOARD\r\n");
        if image.version != env!("CARGO_PKG_VERSION") {
            let _ = write!(
                text,
                "the image is version {}, what runs here is this lab's\r\n",
                image.version
            );
        }
        let stored = weights.map(|(offset, len)| flash.read(offset, len)).unwrap_or_default();
        match csi_node::stored_len(&stored).and_then(|len| stored.get(..len)) {
            None => text.push_str("no weights in flash: send some\r\n"),
            Some(blob) => match node.load_weights(blob) {
                Ok(()) => {
                    let crc = blob.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
                    let _ = write!(text, "weights crc32 {crc:08x}, {} bytes\r\n", blob.len());
                }
                Err(error) => {
                    let _ = write!(text, "weights refused: {error}\r\n");
                }
            },
        }
        node.greet();
        let mut out = app.banner.clone().into_bytes();
        drain(&mut node, &mut out);
        app.node = Some(node);
        (app, out)
    }

    /// Tells whether it is the node's.
    pub const fn is_ours(&self) -> bool {
        self.node.is_some()
    }

    /// Takes bytes, none of them for a look at the clock. Returns what it says, and whether it
    /// wants to start again.
    pub fn handle_bytes(&mut self, now: u64, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let Some(node) = &mut self.node else { return (out, false) };
        let uptime = now.saturating_sub(self.started_micros);
        node.handle_bytes(uptime, bytes);
        for &byte in bytes {
            self.typed = match byte == REPORT[self.typed] {
                true => self.typed + 1,
                false => usize::from(byte == REPORT[0]),
            };
            if self.typed == REPORT.len() {
                self.typed = 0;
                out.extend(report(node, uptime, &self.banner, self.weights).into_bytes());
            }
        }
        drain(node, &mut out);
        (out, node.wants_restart())
    }
}

fn drain(node: &mut Node, out: &mut Vec<u8>) {
    while let Some(bytes) = node.poll_output() {
        out.extend_from_slice(bytes);
    }
}

fn report(node: &Node, uptime: u64, banner: &str, weights: Option<(u32, u32)>) -> String {
    let mut text = format!("{banner}board-report\r\n microseconds since the start {uptime}\r\n");
    if let Some((offset, len)) = weights {
        let _ = write!(text, " rvne at {offset:#x}, {len:#x} bytes\r\n");
    }
    let stats = node.stats(uptime);
    for (name, value) in Stats::NAMES.iter().zip(stats.values()) {
        let _ = write!(text, " {name} {value}\r\n");
    }
    text + "end of board-report\r\n"
}
