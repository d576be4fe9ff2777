//! The device: one object behind the Device room and behind `csi flash`, `monitor` and `parity`.
//!
//! ```text
//!                       ┌─ loader runs ──> esp_flasher::Loader ─┐
//!  bytes, times ─> Device                                       ├─> actions, events, view
//!                       └─ else ─> Link ─> text, CSI, frames ───┘
//!                                             └─> Probe, Upload, Parity, Follow, Check
//! ```
//!
//! Whoever holds the port hands in bytes and times, carries out actions in their order, and calls
//! [`Device::handle_timeout`] when [`Device::poll_timeout`] says so. Times are microseconds of a
//! clock that never goes back. One [`Task`] goes on at a time; a request that comes meanwhile is
//! refused and changes nothing. It opens no port, owns no clock, and asks nobody for confirmation:
//! that a plan was looked at, and an erase typed, is the page's and the command line's business.

mod catalogue;
mod check;
mod conversing;
mod error;
mod event;
mod flashing;
mod follow_view;
mod following;
mod hearing;
mod link;
mod parity;
mod parity_report;
mod planning;
mod preparing;
mod source;
mod state;
mod talk;
mod twin;
mod upload;

use csi_node::protocol::{Request, Settings};
use esp_flasher::{Action, Cable};
use serde::Serialize;

pub use catalogue::{Firmware, Flash, Manifest, Part};
pub use check::{CheckAsk, CheckReport, LINKS, LinkState, LinkView};
pub use error::DeviceError;
pub use event::{
    ChipView, ClassifiedView, CounterView, DeviceEvent, Found, LogitsView, NodeView, ProgressView,
    Step, StepState, Task,
};
pub use follow_view::{FollowAsk, FollowView, FollowedView, Rows, RowsWanted};
pub use parity::ParityAsk;
pub use parity_report::{Difference, ParityReport};
pub use planning::{
    FateView, OwnFile, PartitionView, Place, PlanAsk, PlanView, RangeView, WEIGHTS, WEIGHTS_OFFSET,
    WEIGHTS_ROOM,
};
pub use source::{packet_of, rows_of};
pub use twin::ParityInput;

use check::Check;
use conversing::{Conversation, Cue};
use following::Follow;
use link::Link;
use parity::Parity;
use planning::Ground;
use state::State;
use upload::Upload;

/// What a device starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// What is known of the cable.
    pub cable: Cable,
    /// Bits a second while the application runs, and when the port is first opened.
    pub console_baud: u32,
    /// Bits a second that writing is tried at.
    pub flash_baud: u32,
}

impl Default for DeviceConfig {
    /// Returns an unknown cable, 115,200 bits a second, and 921,600 for writing.
    fn default() -> Self {
        Self { cable: Cable::Unknown, console_baud: 115_200, flash_baud: 921_600 }
    }
}

/// One step of the way, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepView {
    /// Which.
    pub step: Step,
    /// How far.
    pub state: StepState,
}

/// Firmware of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirmwareView {
    /// Its manifest.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// What a node that runs it says in its greeting.
    pub image_hash: String,
}

/// All there is to show.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// Whether a port is open.
    pub is_open: bool,
    /// What goes on.
    pub task: Option<Task>,
    /// What runs on the board.
    pub found: Found,
    /// The way from a cable to classifications.
    pub steps: Vec<StepView>,
    /// The chip, once it was identified.
    pub chip: Option<ChipView>,
    /// The node, once it greeted.
    pub node: Option<NodeView>,
    /// Whether the node runs the catalogue's firmware; `None` where one of both is not known.
    pub runs_catalogue: Option<bool>,
    /// The catalogue's firmware.
    pub firmware: Option<FirmwareView>,
    /// Its partitions; of no catalogue, that of the weights alone.
    pub partitions: Vec<PartitionView>,
    /// The plan.
    pub plan: Option<PlanView>,
    /// How much of it is written.
    pub progress: Option<ProgressView>,
    /// Bits a second now.
    pub baud: u32,
    /// Whether the RESET button has to be pressed.
    pub wants_reset: bool,
}

/// A device. See the module's documentation.
pub struct Device {
    link: Link,
    state: State,
}

impl Device {
    /// Starts without a port.
    pub fn new(config: DeviceConfig) -> Self {
        Self { link: Link::default(), state: State::new(config) }
    }

    /// The port was opened, at [`DeviceConfig::console_baud`]: finds out what runs there. Ends with
    /// [`DeviceEvent::Done`], whatever was found; [`DeviceEvent::Found`] tells what.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Busy`].
    pub fn connect(&mut self, now_micros: u64) -> Result<(), DeviceError> {
        self.state.free()?;
        self.link.forget();
        self.state.opened();
        self.state.probe(now_micros);
        Ok(())
    }

    /// The port was opened, as for [`Device::connect`], and nobody asks what runs there.
    pub fn attach(&mut self) {
        self.link.forget();
        self.state.opened();
    }

    /// The port was closed for good. What goes on fails.
    pub fn disconnect(&mut self) {
        self.state.closed();
        self.link.forget();
    }

    /// Takes the catalogue's firmware, for plans and for comparisons.
    pub fn set_firmware(&mut self, firmware: Option<Firmware>) {
        self.state.firmware = firmware;
        self.state.changed();
    }

    /// The catalogue's firmware.
    pub fn firmware(&self) -> Option<&Firmware> {
        self.state.firmware.as_ref()
    }

    /// Brings the chip into its loader and asks what it is. It stays there, until a plan is
    /// written or [`Device::restart`] is called.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`].
    pub fn identify(&mut self, now_micros: u64) -> Result<(), DeviceError> {
        self.state.ready()?;
        self.state.identify(now_micros);
        Ok(())
    }

    /// Makes a plan and keeps it for [`Device::write`]. Nothing is sent; it needs no port.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Busy`] while a plan is written; [`DeviceError::NoFirmware`];
    /// [`DeviceError::NoPartition`]; [`DeviceError::WeightsRoom`]; [`DeviceError::Blob`];
    /// [`DeviceError::Plan`]. The plan before stays.
    pub fn plan(&mut self, ask: &PlanAsk) -> Result<&PlanView, DeviceError> {
        let state = &mut self.state;
        state.free()?;
        let ground = Ground {
            firmware: state.firmware.as_ref(),
            table: state.table.as_ref(),
            flash_bytes: state.chip.as_ref().and_then(|chip| chip.flash_bytes),
            node_answered: state.found == Found::Node,
        };
        let planned = planning::make(ask, &ground, state.config.flash_baud)?;
        Ok(state.planned(planned, ask))
    }

    /// Forgets the plan.
    pub fn forget_plan(&mut self) {
        self.state.forget_plan();
    }

    /// Carries the plan out: connects to the loader if that was not done, writes, has the board's
    /// own hash of each region compared, restarts the board, and listens until it answers.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`]; [`DeviceError::NoPlan`].
    pub fn write(&mut self, now_micros: u64) -> Result<(), DeviceError> {
        self.state.ready()?;
        self.state.write(now_micros)
    }

    /// Restarts the board, by a request where our node answers, else by the cable's lines, and
    /// listens until it answers.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`].
    pub fn restart(&mut self, now_micros: u64) -> Result<(), DeviceError> {
        self.state.ready()?;
        self.state.restart(now_micros);
        Ok(())
    }

    /// Sends weights over the line, into the board's memory, where they work until it restarts.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`]; [`DeviceError::Blob`].
    pub fn upload(&mut self, now_micros: u64, blob: Vec<u8>) -> Result<(), DeviceError> {
        self.state.ready_to_talk()?;
        csi_temporal::rvne::WeightBlob::parse(&blob)?;
        self.state.converse(now_micros, Conversation::Upload(Upload::new(blob)));
        Ok(())
    }

    /// Compares the board's logits with ours, bit by bit; ends with [`DeviceEvent::Parity`].
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`]; [`DeviceError::Width`];
    /// [`DeviceError::TooFewRows`]; [`DeviceError::Blob`]; [`DeviceError::Head`];
    /// [`DeviceError::Feature`].
    pub fn parity(&mut self, now_micros: u64, ask: ParityAsk) -> Result<(), DeviceError> {
        self.state.ready_to_talk()?;
        let parity = Parity::new(ask)?;
        self.state.converse(now_micros, Conversation::Parity(Box::new(parity)));
        Ok(())
    }

    /// Sends the rows of a recording to the board while it is played, from where
    /// [`Device::follow_to`] says that the cursor is, until [`Device::unfollow`].
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`]; [`DeviceError::Blob`];
    /// [`DeviceError::Head`].
    pub fn follow(&mut self, now_micros: u64, ask: FollowAsk) -> Result<(), DeviceError> {
        self.state.ready_to_talk()?;
        let follow = Follow::new(ask)?;
        self.state.converse(now_micros, Conversation::Follow(Box::new(follow)));
        Ok(())
    }

    /// The cursor is at this time of the recording that is followed, in microseconds; nothing
    /// where none is.
    pub fn follow_to(&mut self, now_micros: u64, time_micros: i64) {
        self.state.follow(now_micros, Cue::Cursor(time_micros));
    }

    /// Hands in the rows that [`DeviceEvent::RowsWanted`] asked for by `ask`; none where there are
    /// no more. Rows that do not fit end the task with [`DeviceError::Width`] or
    /// [`DeviceError::Head`].
    pub fn follow_rows(&mut self, now_micros: u64, ask: u32, rows: &Rows) {
        self.state.follow(now_micros, Cue::Rows(ask, rows));
    }

    /// Ends following; the board goes back to answering without acknowledgements.
    pub fn unfollow(&mut self, now_micros: u64) {
        self.state.follow(now_micros, Cue::End);
    }

    /// Looks for the first broken link from port to classifications, for a few seconds; ends with
    /// [`DeviceEvent::Checked`]. Without a port, or while the chip is in its loader, it says so at
    /// once.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Busy`].
    pub fn check(&mut self, now_micros: u64, ask: CheckAsk) -> Result<(), DeviceError> {
        self.state.free()?;
        match (self.state.is_open, self.state.is_flashing()) {
            (true, false) => {
                let check = Check::new(ask, self.state.found);
                self.state.converse(now_micros, Conversation::Check(check));
            }
            (is_open, _) => {
                let report = if is_open { Check::in_loader() } else { Check::without_port() };
                self.state.tell(DeviceEvent::Checked { report });
            }
        }
        Ok(())
    }

    /// Sends one request to the node, such as CONFIGURE, STATS or a row; what comes back is told as
    /// events.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotConnected`]; [`DeviceError::Busy`].
    pub fn send(&mut self, request: &Request<'_>) -> Result<(), DeviceError> {
        self.state.ready_to_talk()?;
        self.state.send(request);
        Ok(())
    }

    /// Says how the node is to answer from now on. Parity leaves its own settings behind.
    ///
    /// # Errors
    ///
    /// As [`Device::send`].
    pub fn configure(&mut self, settings: Settings) -> Result<(), DeviceError> {
        self.send(&Request::Configure(settings))
    }

    /// Sends bytes as they are, such as what was typed into the console.
    ///
    /// # Errors
    ///
    /// As [`Device::send`].
    pub fn type_bytes(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.state.ready_to_talk()?;
        self.state.put_bytes(bytes.to_vec());
        Ok(())
    }

    /// Changes the console's speed, in bits a second.
    ///
    /// # Errors
    ///
    /// As [`Device::send`].
    pub fn set_console_baud(&mut self, baud: u32) -> Result<(), DeviceError> {
        self.state.ready_to_talk()?;
        self.state.config.console_baud = baud;
        self.state.use_console_baud();
        Ok(())
    }

    /// Whether [`DeviceEvent::Bytes`] are told.
    pub fn show_bytes(&mut self, show: bool) {
        self.state.show_bytes = show;
    }

    /// Ends what goes on. [`DeviceEvent::Failed`] says in what state the board is left.
    pub fn cancel(&mut self, now_micros: u64) {
        self.state.cancel(now_micros);
    }

    /// Takes bytes from the port, cut anywhere.
    pub fn handle_bytes(&mut self, now_micros: u64, bytes: &[u8]) {
        self.state.note_bytes(now_micros, true, bytes);
        if self.state.is_flashing() {
            self.state.flash_bytes(now_micros, bytes);
            self.refresh(now_micros);
        } else {
            let Self { link, state } = self;
            link.push(now_micros, bytes, &mut |heard| state.hear(now_micros, heard));
        }
    }

    /// The port is open again, after [`Action::SetBaud`] or [`Action::Reopen`].
    pub fn handle_opened(&mut self, now_micros: u64) {
        self.link.forget();
        self.state.reopened(now_micros);
        self.refresh(now_micros);
    }

    /// The port was lost: unplugged, or its USB device is enumerated anew.
    pub fn handle_lost(&mut self, now_micros: u64) {
        self.link.forget();
        self.state.lost(now_micros);
        self.refresh(now_micros);
    }

    /// Time has gone on.
    pub fn handle_timeout(&mut self, now_micros: u64) {
        let Self { link, state } = self;
        if !state.is_flashing() {
            link.handle_timeout(now_micros, &mut |heard| state.hear(now_micros, heard));
        }
        state.handle_timeout(now_micros);
        self.refresh(now_micros);
    }

    /// What to do next on the port.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.state.poll_action()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.state.events.pop_front()
    }

    /// When [`Device::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<u64> {
        let link = if self.state.is_flashing() { None } else { self.link.poll_timeout() };
        link.into_iter().chain(self.state.poll_timeout()).min()
    }

    /// All there is to show.
    pub fn view(&self) -> DeviceView {
        self.state.view()
    }

    /// What the link kept from before a loader ran means nothing any more; what the board said while
    /// it restarted, and the loader still listened, belongs to the link.
    fn refresh(&mut self, now_micros: u64) {
        let Self { link, state } = self;
        if core::mem::take(&mut state.link_is_stale) {
            link.forget();
        }
        let heard = core::mem::take(&mut state.heard_after_restart);
        link.push(now_micros, &heard, &mut |heard| state.hear(now_micros, heard));
    }
}
