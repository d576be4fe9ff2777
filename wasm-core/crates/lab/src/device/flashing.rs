//! The part of a device that runs the loader, and waits for the board to boot after it.

use csi_node::protocol::Request;
use esp_flasher::partition::{self, Table};
use esp_flasher::{Event, FlashError, Job as Order, Loader, LoaderConfig};

use super::event::hex;
use super::planning::PlanAsk;
use super::state::{Job, State};
use super::talk::Patience;
use super::{ChipView, DeviceError, DeviceEvent, Found, ProgressView, Step, StepState, Task};

/// How often HELLO is said while a board boots.
const HELLO_MICROS: u64 = 1_000_000;
/// After this many silent ones somebody has to press RESET.
const HELLOS_BEFORE_RESET: u32 = 4;
/// After this many a board that prints text is taken for one that runs something else.
const HELLOS_BEFORE_FOREIGN: u32 = 8;
/// After this many it is given up: two minutes.
const HELLOS: u32 = 120;

/// What is expected of a board once a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// Our node.
    Node,
    /// Anything at all.
    Something,
    /// Nothing: there may be no application left.
    Nothing,
}

impl Expect {
    pub const fn of(ask: &PlanAsk) -> Self {
        match ask {
            PlanAsk::Weights { .. } | PlanAsk::Firmware { .. } => Self::Node,
            PlanAsk::Files { .. } => Self::Something,
            PlanAsk::Erase { .. } | PlanAsk::EraseAll => Self::Nothing,
        }
    }
}

/// A job of the loader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flashing {
    pub task: Task,
    stage: Stage,
    began_micros: u64,
    expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Identify,
    /// Reads the board's partition table; a board without one is no failure.
    ReadTable,
    Write,
    Restart,
}

/// A board that boots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub task: Task,
    expect: Expect,
    hellos: u32,
    patience: Patience,
}

impl Boot {
    pub fn poll_timeout(&self) -> Option<u64> {
        self.patience.poll_timeout()
    }
}

impl State {
    pub fn identify(&mut self, now_micros: u64) {
        self.set_step(Step::Identify, StepState::Now);
        self.order(now_micros, Task::Identify, Stage::Identify, Expect::Nothing, Order::Identify);
    }

    pub fn write(&mut self, now_micros: u64) -> Result<(), DeviceError> {
        let (planned, expect) = self.plan.as_ref().ok_or(DeviceError::NoPlan)?;
        let (plan, expect) = (planned.plan.clone(), *expect);
        let hash = planned.view.hash.clone();
        self.journal(format!("writing plan {hash}"));
        for step in [Step::Verify, Step::Boot, Step::Listen] {
            self.set_step(step, StepState::Open);
        }
        self.set_step(Step::Write, StepState::Now);
        self.progress = None;
        self.order(now_micros, Task::Write, Stage::Write, expect, Order::Write(plan));
        Ok(())
    }

    pub fn restart(&mut self, now_micros: u64) {
        for step in [Step::Boot, Step::Listen] {
            self.set_step(step, StepState::Open);
        }
        if self.found == Found::Node && self.loader.is_none() {
            self.send(&Request::Reset { restart: true });
            self.forget_node();
            return self.boot(now_micros, Task::Restart, Expect::Node);
        }
        self.set_step(Step::Boot, StepState::Now);
        let order = Order::Restart;
        self.order(now_micros, Task::Restart, Stage::Restart, Expect::Something, order);
    }

    fn order(&mut self, now: u64, task: Task, stage: Stage, expect: Expect, order: Order) {
        let config = LoaderConfig {
            cable: self.config.cable,
            baud_wanted: self.config.flash_baud,
            ..LoaderConfig::default()
        };
        if self.loader.is_none() {
            // A loader begins at its own speed, whatever the console's was.
            if self.baud != esp_flasher::line::BAUD {
                self.act(esp_flasher::Action::SetBaud(esp_flasher::line::BAUD));
            }
            self.forget_node();
            self.link_is_stale = true;
        }
        if stage == Stage::Restart {
            self.find(Found::Silence);
        }
        self.job = Job::Flash(Flashing { task, stage, began_micros: now, expect });
        let loader = self.loader.get_or_insert_with(|| Box::new(Loader::new(config)));
        loader.start(now, order);
        self.drain_loader(now);
    }

    pub fn flash_bytes(&mut self, now_micros: u64, bytes: &[u8]) {
        if let Some(loader) = &mut self.loader {
            loader.handle_bytes(now_micros, bytes);
        }
        self.drain_loader(now_micros);
    }

    /// Takes over what the loader wants and tells.
    pub fn drain_loader(&mut self, now_micros: u64) {
        while let Some(action) = self.loader.as_mut().and_then(|loader| loader.poll_action()) {
            self.act(action);
        }
        while let Some(event) = self.loader.as_mut().and_then(|loader| loader.poll_event()) {
            self.loader_event(now_micros, event);
        }
    }

    fn loader_event(&mut self, now: u64, event: Event) {
        let Job::Flash(flashing) = self.job else { return };
        match event {
            Event::Trying { strategy, attempt } => {
                self.journal(format!("into the loader, attempt {attempt}: {strategy:?}"));
            }
            Event::NeedsBoot => self.want_boot(),
            Event::Connected { strategy } => {
                self.wants_reset = false;
                self.find(Found::Loader);
                self.journal(format!("the loader answers: {strategy:?}"));
            }
            Event::Baud { wanted, used } if wanted == used => {
                self.journal(format!("{used} bits a second"));
            }
            Event::Baud { wanted, used } => {
                self.journal(format!("{wanted} bits a second do not hold: goes on at {used}"));
            }
            Event::Identified(chip) => self.identified(&chip),
            Event::Progress { region, done_bytes, .. } => {
                self.progressed(now, flashing.began_micros, region, done_bytes);
            }
            Event::Verified { region, md5, written_bytes } => {
                self.verified(region, &md5, written_bytes);
            }
            Event::Read { bytes, .. } => self.took_table(&bytes),
            Event::Retrying(error) => self.journal(format!("once more: {error}")),
            Event::Lost => self.journal("the port went away".into()),
            Event::Back => self.journal("the port is back".into()),
            Event::Heard(bytes) => self.heard_after_restart.extend_from_slice(&bytes),
            Event::NeedsReset => self.want_reset(),
            Event::Unfinished { offset, len, .. } => {
                self.journal(format!("{len} bytes at {offset:#x} were begun and not proved"));
            }
            Event::Done => self.ordered(now, flashing),
            Event::Failed(error) => self.order_failed(flashing, error),
            _ => {}
        }
    }

    fn identified(&mut self, chip: &esp_flasher::Chip) {
        let (major, minor) = chip.revision;
        let chip = ChipView {
            name: "ESP32-S3".into(),
            revision: format!("v{major}.{minor}"),
            flash_bytes: Some(chip.flash_bytes),
            mac: chip.mac.to_string(),
        };
        // The address stays out of the log: problem reports are copied from there.
        self.journal(format!(
            "{} {}, {} bytes of flash",
            chip.name,
            chip.revision,
            chip.flash_bytes.unwrap_or(0)
        ));
        if let (Some((planned, _)), Some(flash_bytes)) = (&mut self.plan, chip.flash_bytes) {
            planned.view.meets(flash_bytes);
        }
        self.chip = Some(chip.clone());
        self.tell(DeviceEvent::Identified { chip });
        self.set_step(Step::Identify, StepState::Done);
    }

    fn progressed(&mut self, now: u64, began: u64, region: usize, done_bytes: u32) {
        let Some((planned, _)) = &self.plan else { return };
        let regions = planned.plan.regions();
        let before: u64 = regions.iter().take(region).map(|r| u64::from(r.len())).sum();
        let total_bytes: u64 = regions.iter().map(|r| u64::from(r.len())).sum();
        let done_bytes = before + u64::from(done_bytes);
        let seconds = now.saturating_sub(began) as f64 / 1e6;
        let bytes_per_second = if seconds > 0.0 { done_bytes as f64 / seconds } else { 0.0 };
        let left = total_bytes.saturating_sub(done_bytes) as f64;
        let progress = ProgressView {
            region: regions.get(region).map_or("", |r| r.name()).to_owned(),
            done_bytes,
            total_bytes,
            bytes_per_second,
            seconds_left: (bytes_per_second > 0.0).then(|| left / bytes_per_second),
        };
        self.progress = Some(progress.clone());
        self.tell(DeviceEvent::Progress { progress });
    }

    fn verified(&mut self, region: usize, md5: &[u8], written_bytes: u32) {
        let Some((planned, _)) = &self.plan else { return };
        let regions = planned.plan.regions();
        let Some(named) = regions.get(region) else { return };
        let (name, offset, len) = (named.name().to_owned(), named.offset(), named.len());
        let is_last = region + 1 == regions.len();
        let md5 = hex(md5);
        self.journal(format!(
            "{name} at {offset:#x}: {written_bytes} of {len} bytes sent, the board's MD5 {md5} \
             equals ours"
        ));
        self.tell(DeviceEvent::Verified { region: name, md5 });
        if is_last {
            self.set_step(Step::Write, StepState::Done);
            self.set_step(Step::Verify, StepState::Done);
        }
    }

    /// A table that cannot be read is a board without one.
    fn took_table(&mut self, bytes: &[u8]) {
        self.table = Table::parse(bytes).ok();
        let text = match &self.table {
            Some(table) => format!("the board has {} partitions", table.partitions().len()),
            None => "the board has no partition table".into(),
        };
        self.journal(text);
        self.changed();
    }

    /// The loader did what it was told: what comes next.
    fn ordered(&mut self, now: u64, flashing: Flashing) {
        let Flashing { task, expect, .. } = flashing;
        match flashing.stage {
            Stage::Identify => {
                let (offset, len) = (partition::OFFSET, partition::MAX_LEN as u32);
                let order = Order::Read { offset, len };
                self.order(now, task, Stage::ReadTable, expect, order);
            }
            Stage::ReadTable => self.done(),
            Stage::Write => {
                self.set_step(Step::Boot, StepState::Now);
                self.order(now, task, Stage::Restart, expect, Order::Restart);
            }
            Stage::Restart => {
                self.leave_loader();
                self.use_console_baud();
                self.boot(now, task, expect);
            }
        }
    }

    fn order_failed(&mut self, flashing: Flashing, error: FlashError) {
        let is_table = flashing.stage == Stage::ReadTable;
        let is_over = matches!(error, FlashError::Lost | FlashError::NotConnected { .. });
        if is_table && !is_over && error != FlashError::Cancelled {
            self.journal(format!("the partition table was not read: {error}"));
            return self.done();
        }
        self.fail(DeviceError::Flash(error));
        if is_over {
            self.leave_loader();
            self.use_console_baud();
            if error == FlashError::Lost {
                self.is_open = false;
                self.set_step(Step::Connect, StepState::Failed);
            }
        }
    }

    /// From here on the application is spoken to.
    fn leave_loader(&mut self) {
        while let Some(action) = self.loader.as_mut().and_then(|loader| loader.poll_action()) {
            self.act(action);
        }
        self.loader = None;
        if self.found == Found::Loader {
            self.find(Found::Silence);
        }
    }

    // Booting.

    fn boot(&mut self, now_micros: u64, task: Task, expect: Expect) {
        self.wants_reset = false;
        if expect == Expect::Nothing {
            self.set_step(Step::Boot, StepState::Open);
            self.job = Job::Boot(Boot { task, expect, hellos: 0, patience: Patience::default() });
            return self.done();
        }
        self.set_step(Step::Boot, StepState::Now);
        let mut patience = Patience::default();
        // It takes a moment to come up; what it hears before is lost.
        patience.begin(now_micros, Request::Hello.kind(), HELLO_MICROS / 2);
        self.job = Job::Boot(Boot { task, expect, hellos: 0, patience });
    }

    pub fn boot_timeout(&mut self, now_micros: u64) {
        let Job::Boot(boot) = &mut self.job else { return };
        let Some(error) = boot.patience.is_over(now_micros) else { return };
        boot.hellos += 1;
        boot.patience.begin(now_micros, Request::Hello.kind(), HELLO_MICROS);
        let Boot { expect, hellos, .. } = *boot;
        let says_something = !matches!(self.found, Found::Silence | Found::Loader);
        if expect == Expect::Something && says_something && hellos >= HELLOS_BEFORE_RESET {
            self.set_step(Step::Boot, StepState::Done);
            return self.done();
        }
        if hellos >= HELLOS || (says_something && hellos >= HELLOS_BEFORE_FOREIGN) {
            return self.fail(error);
        }
        if hellos == HELLOS_BEFORE_RESET && !says_something {
            self.want_reset();
        }
        self.send(&Request::Hello);
    }

    pub fn want_reset(&mut self) {
        if !self.wants_reset {
            self.wants_reset = true;
            self.journal("press RESET once: listening".into());
            self.tell(DeviceEvent::PressReset);
            self.changed();
        }
    }

    fn want_boot(&mut self) {
        self.journal("hold BOOT, press RESET, release both: listening".into());
        self.tell(DeviceEvent::HoldBoot);
        self.changed();
    }

    // Ending early.

    pub fn cancel(&mut self, now_micros: u64) {
        if matches!(self.job, Job::Flash(_)) {
            if let Some(loader) = &mut self.loader {
                loader.cancel(now_micros);
            }
            self.drain_loader(now_micros);
        }
        self.fail(DeviceError::Cancelled);
    }

    /// In what state the board is left when the task ends now.
    pub fn left(&self) -> &'static str {
        match (&self.job, &self.progress) {
            (Job::Flash(Flashing { stage: Stage::Write, expect, .. }), Some(progress))
                if progress.done_bytes < progress.total_bytes =>
            {
                match expect {
                    Expect::Nothing => "The flash is partly erased; the board is in its loader",
                    _ => {
                        "The flash is partly written; the board may not start until a plan is \
                         written to its end"
                    }
                }
            }
            (Job::Flash(Flashing { stage: Stage::Restart, task: Task::Write, .. }), _)
            | (Job::Boot(Boot { task: Task::Write, .. }), _) => {
                "Everything is written and proved; the board was not heard since: press RESET once"
            }
            (Job::Flash(_), _) => {
                "Nothing was written; the board may wait in its loader: restart it, or press RESET"
            }
            (Job::Boot(_), _) => "Nothing was written; press RESET once if the board says nothing",
            (Job::Talk(_), _) => "The board runs on; its flash was not touched",
            (Job::Probe { .. } | Job::Idle, _) => "Nothing was changed on the board",
        }
    }
}
