//! The frames check: a chain of links from the port to classifications. It names the first that
//! is broken, and what to do.
//!
//! It looks for a few seconds and changes nothing on the board. It sends no frames: whether they
//! come is what it is asked.

use csi_node::Stats;
use csi_node::protocol::{Reply, Request, VERSION, kind};
use serde::Serialize;

use super::DeviceError;
use super::event::{Found, NodeView};
use super::talk::{Patience, SOON_MICROS, Said, Talk, Turn};

/// How long it looks for frames and classifications.
const LOOK_MICROS: u64 = 3_000_000;
/// How often it says HELLO.
const TRIES: u8 = 3;

/// What a board is checked against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckAsk {
    /// The image that the catalogue holds: eight bytes of its hash in hexadecimal; empty = there
    /// is no catalogue.
    pub image_hash: String,
    /// The CRC that closes the blob of the page; `None` = none is open.
    pub blob_crc: Option<u32>,
}

/// How one link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkState {
    /// It holds.
    Holds,
    /// It holds, but not as expected.
    Differs,
    /// It is broken.
    Broken,
    /// Not looked at, because one before is broken.
    NotReached,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkView {
    /// Its name.
    pub name: &'static str,
    /// How it is.
    pub state: LinkState,
    /// What was seen.
    pub detail: String,
    /// What to do; empty where it holds.
    pub advice: &'static str,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// All links, from the port on.
    pub links: Vec<LinkView>,
    /// The first that is broken.
    pub first_broken: Option<usize>,
}

/// The links' names, in their order.
pub const LINKS: [&str; 6] = ["port", "boot", "firmware", "weights", "frames", "classifications"];

impl CheckReport {
    fn holds(&mut self, detail: String) {
        self.put(LinkState::Holds, detail, "");
    }

    fn put(&mut self, state: LinkState, detail: String, advice: &'static str) {
        if state == LinkState::Broken {
            self.first_broken = Some(self.links.len());
        }
        self.links.push(LinkView { name: LINKS[self.links.len()], state, detail, advice });
    }

    fn end(mut self) -> Self {
        while let Some(&name) = LINKS.get(self.links.len()) {
            let state = LinkState::NotReached;
            self.links.push(LinkView { name, state, detail: String::new(), advice: "" });
        }
        self
    }
}

/// A check under way.
#[derive(Clone, Debug)]
pub(super) struct Check {
    ask: CheckAsk,
    /// What runs there, as far as the line told before.
    found: Found,
    report: CheckReport,
    stage: Stage,
    patience: Patience,
    tries: u8,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Hello,
    Before,
    /// Looking, with the counters from before.
    Look(Stats),
    After(Stats),
}

impl Check {
    pub fn new(ask: CheckAsk, found: Found) -> Self {
        let (report, stage, patience) = (CheckReport::default(), Stage::Hello, Patience::default());
        let mut check = Self { ask, found, report, stage, patience, tries: 0 };
        check.report.holds("it is open".into());
        check
    }

    /// The report when there is no port at all.
    pub fn without_port() -> CheckReport {
        let mut report = CheckReport::default();
        let advice = "Connect the board with a cable that carries data, and choose its port.";
        report.put(LinkState::Broken, "no port is open".into(), advice);
        report.end()
    }

    /// The report while the chip runs its loader on our behalf.
    pub fn in_loader() -> CheckReport {
        let mut check = Self::new(CheckAsk::default(), Found::Loader);
        check.no_greeting();
        check.report.end()
    }

    /// Begins; there is no end yet.
    pub fn begin(&mut self, talk: &mut Talk<'_>) -> Turn<CheckReport> {
        self.ask_for(talk, &Request::Hello);
        Ok(None)
    }

    pub fn hear(&mut self, talk: &mut Talk<'_>, said: Said<'_>) -> Turn<CheckReport> {
        let Said::Reply(reply) = said else { return Ok(None) };
        match (self.stage, reply) {
            (Stage::Hello, Reply::Greeting(greeting)) => {
                let node = NodeView::of(&greeting);
                if !self.greeted(&node) {
                    return Ok(Some(core::mem::take(&mut self.report).end()));
                }
                self.stage = Stage::Before;
                self.ask_for(talk, &Request::Stats);
            }
            (Stage::Before, Reply::Counters(stats)) => {
                self.stage = Stage::Look(stats);
                self.patience.begin(talk.now_micros, kind::STATS, LOOK_MICROS);
            }
            (Stage::After(before), Reply::Counters(after)) => {
                self.compare(&before, &after);
                return Ok(Some(core::mem::take(&mut self.report).end()));
            }
            (_, Reply::Error { request, code }) if matches!(request, kind::HELLO | kind::STATS) => {
                return Err(DeviceError::refused(request, code));
            }
            _ => {}
        }
        Ok(None)
    }

    pub fn handle_timeout(&mut self, talk: &mut Talk<'_>) -> Turn<CheckReport> {
        let Some(error) = self.patience.is_over(talk.now_micros) else { return Ok(None) };
        if let Stage::Look(before) = self.stage {
            self.stage = Stage::After(before);
            self.ask_for(talk, &Request::Stats);
            return Ok(None);
        }
        self.tries += 1;
        match self.stage {
            _ if self.tries < TRIES => {
                let is_hello = matches!(self.stage, Stage::Hello);
                self.ask_for(talk, if is_hello { &Request::Hello } else { &Request::Stats });
                Ok(None)
            }
            Stage::Hello => {
                self.no_greeting();
                Ok(Some(core::mem::take(&mut self.report).end()))
            }
            _ => Err(error),
        }
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        self.patience.poll_timeout()
    }

    fn ask_for(&mut self, talk: &mut Talk<'_>, request: &Request<'_>) {
        talk.send(request);
        self.patience.begin(talk.now_micros, request.kind(), SOON_MICROS);
    }

    fn no_greeting(&mut self) {
        let (detail, advice) = match self.found {
            Found::Silence => (
                "the board says nothing",
                "Press RESET once. If nothing comes, choose the board's other USB socket or \
                 another cable, then flash the firmware.",
            ),
            Found::Loader => (
                "the board waits in its loader",
                "Press RESET once, without BOOT. If it comes back here, flash the firmware.",
            ),
            Found::CsiLines => (
                "other firmware runs there: it prints lines with CSI",
                "Record it live as it is, or flash our firmware.",
            ),
            Found::Empty => {
                ("nothing is installed: the ROM finds no image", "Write firmware and weights.")
            }
            Found::Text => (
                "something else runs there: it prints text, and answers no HELLO",
                "Read the console, set its speed if the text is unreadable, or flash our firmware.",
            ),
            Found::Node => (
                "the node answered before and does not now",
                "Press RESET once. If it happens again, send a problem report.",
            ),
        };
        self.report.put(LinkState::Broken, detail.into(), advice);
    }

    /// Judges boot, firmware and weights; `false` when one is broken.
    fn greeted(&mut self, node: &NodeView) -> bool {
        let report = &mut self.report;
        report.holds(format!("{} answers, reset cause {}", node.board_name, node.reset_cause));
        let image = match node.image_hash.as_str() {
            "" => "without a hash",
            hash => hash,
        };
        let firmware = format!("csi-node {} image {image}", node.version);
        if node.protocol != VERSION {
            let advice = "Flash the firmware that came with this page.";
            report.put(LinkState::Broken, format!("{firmware} speaks another protocol"), advice);
            return false;
        }
        match (self.ask.image_hash.as_str(), node.image_hash.as_str()) {
            ("", _) | (_, "") => report.holds(firmware),
            (ours, theirs) if ours == theirs => report.holds(firmware),
            (ours, _) => report.put(
                LinkState::Differs,
                format!("{firmware}, the catalogue has {ours}"),
                "Flash the firmware if you need exactly that of the catalogue.",
            ),
        }
        match (node.blob_crc, self.ask.blob_crc) {
            (None, _) => {
                let advice = "Flash weights, or send them over the line.";
                report.put(LinkState::Broken, "the board has no weights".into(), advice);
                return false;
            }
            (Some(board), Some(ours)) if board != ours => report.put(
                LinkState::Differs,
                format!("the board has {board:08x}, open here is {ours:08x}"),
                "Flash weights, or send them over the line, to compare both.",
            ),
            (Some(board), _) => report.holds(format!("{board:08x} {}", node.model)),
        }
        true
    }

    fn compare(&mut self, before: &Stats, after: &Stats) {
        let more = |name: fn(&Stats) -> u32| name(after).saturating_sub(name(before));
        let (arrived, refused) = (more(|s| s.arrived), more(|s| s.refused));
        let report = &mut self.report;
        if arrived == 0 {
            let damaged = more(|s| s.crc_errors);
            let (detail, advice) = match damaged {
                0 => (
                    "no row and no CSI frame came in three seconds".to_owned(),
                    "Send frames: play a recording to the board, run Parity, or let the sender of \
                     your rows start.",
                ),
                _ => (
                    format!("{damaged} damaged frames in three seconds, no whole one"),
                    "The sender's bytes are damaged: check speed and cable.",
                ),
            };
            return report.put(LinkState::Broken, detail, advice);
        }
        if refused == arrived {
            return report.put(
                LinkState::Broken,
                format!("all of {arrived} frames were refused"),
                "The frames do not suit the weights: another width, or CSI and weights without \
                 a pipeline. The console names the refusals.",
            );
        }
        let lost = more(|s| s.lost);
        let detail = format!("{arrived} in three seconds, {refused} refused, {lost} lost");
        match refused + lost {
            0 => report.holds(detail),
            _ => report.put(
                LinkState::Differs,
                detail,
                "Send more slowly, or wait for acknowledgements.",
            ),
        }
        match (more(|s| s.classifications), more(|s| s.held_back), more(|s| s.rows)) {
            (0, 0, 0) => report.put(
                LinkState::Broken,
                "frames come in, and no row comes of them".into(),
                "Their times do not go on: every frame needs a later time than the one before.",
            ),
            (0, 0, _) => report.put(
                LinkState::Broken,
                "none in three seconds".into(),
                "The window may not be full yet: wait, and check again.",
            ),
            (0, held, _) => report.put(
                LinkState::Broken,
                format!("{held} held back, because the input is too slow"),
                "Send at least half as many rows a second as the weights were trained at.",
            ),
            (some, _, _) => report.holds(format!("{some} in three seconds")),
        }
    }
}
