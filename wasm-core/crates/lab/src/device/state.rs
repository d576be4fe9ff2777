//! What a device knows and what it is at; [`super::Device`] is its outside.

use std::collections::VecDeque;

use csi_node::protocol::Request;
use esp_flasher::partition::Table;
use esp_flasher::{Action, Loader};

use super::catalogue::Firmware;
use super::conversing::Conversation;
use super::flashing::{Boot, Expect, Flashing};
use super::planning::{self, PlanAsk, PlanView, Planned};
use super::talk::Patience;
use super::{
    ChipView, DeviceConfig, DeviceError, DeviceEvent, DeviceView, FirmwareView, Found, NodeView,
    ProgressView, Step, StepState, StepView, Task,
};

/// How long a lost port may take to come back.
const REOPEN_MICROS: u64 = 15_000_000;
pub(super) struct State {
    pub config: DeviceConfig,
    pub is_open: bool,
    pub found: Found,
    pub firmware: Option<Firmware>,
    pub chip: Option<ChipView>,
    pub events: VecDeque<DeviceEvent>,
    pub show_bytes: bool,
    /// What the link has not finished is from before a loader ran.
    pub link_is_stale: bool,
    /// There while the chip runs its loader.
    pub(super) loader: Option<Box<Loader>>,
    pub(super) job: Job,
    pub(super) plan: Option<(Planned, Expect)>,
    pub(super) progress: Option<ProgressView>,
    pub(super) wants_reset: bool,
    pub(super) baud: u32,
    /// The board's own partition table, once it was read.
    pub(super) table: Option<Table>,
    /// What the board said while the loader still listened.
    pub(super) heard_after_restart: Vec<u8>,
    actions: VecDeque<Action>,
    pub(super) node: Option<NodeView>,
    steps: [StepState; Step::ALL.len()],
    /// Until when a lost port has to be back.
    back_until: Option<u64>,
    /// When bytes were handed in last; for events without a time of their own.
    now_micros: u64,
}

/// What goes on.
pub(super) enum Job {
    Idle,
    Probe { tries: u8, patience: Patience },
    Talk(Conversation),
    Flash(Flashing),
    Boot(Boot),
}

impl State {
    pub fn new(config: DeviceConfig) -> Self {
        Self {
            baud: config.console_baud,
            config,
            is_open: false,
            found: Found::Silence,
            firmware: None,
            chip: None,
            events: VecDeque::new(),
            show_bytes: false,
            link_is_stale: false,
            loader: None,
            job: Job::Idle,
            plan: None,
            progress: None,
            wants_reset: false,
            table: None,
            heard_after_restart: Vec::new(),
            actions: VecDeque::new(),
            node: None,
            steps: Default::default(),
            back_until: None,
            now_micros: 0,
        }
    }

    // What may begin.

    pub fn task(&self) -> Option<Task> {
        match &self.job {
            Job::Idle => None,
            Job::Probe { .. } => Some(Task::Connect),
            Job::Talk(conversation) => Some(conversation.task()),
            Job::Flash(flashing) => Some(flashing.task),
            Job::Boot(boot) => Some(boot.task),
        }
    }

    pub fn free(&self) -> Result<(), DeviceError> {
        self.task().map_or(Ok(()), |task| Err(DeviceError::Busy { task }))
    }

    pub fn ready(&self) -> Result<(), DeviceError> {
        if self.is_open { self.free() } else { Err(DeviceError::NotConnected) }
    }

    /// Whether an application may be listening.
    pub fn ready_to_talk(&self) -> Result<(), DeviceError> {
        self.ready()?;
        if self.is_flashing() { Err(DeviceError::InLoader) } else { Ok(()) }
    }

    pub fn is_flashing(&self) -> bool {
        self.loader.is_some()
    }

    // The port.

    pub fn opened(&mut self) {
        self.is_open = true;
        self.baud = self.config.console_baud;
        (self.found, self.node, self.chip, self.loader) = (Found::Silence, None, None, None);
        self.table = None;
        (self.progress, self.wants_reset, self.back_until) = (None, false, None);
        self.actions.clear();
        let planned = self.steps[Step::Plan as usize];
        self.steps = Default::default();
        self.steps[Step::Plan as usize] = planned;
        self.set_step(Step::Connect, StepState::Done);
    }

    pub fn closed(&mut self) {
        self.is_open = false;
        self.loader = None;
        self.back_until = None;
        self.actions.clear();
        self.fail(DeviceError::Lost);
        self.set_step(Step::Connect, StepState::Open);
    }

    pub fn reopened(&mut self, now_micros: u64) {
        let was_lost = self.back_until.take().is_some();
        self.is_open = true;
        self.set_step(Step::Connect, StepState::Done);
        if let Some(loader) = &mut self.loader {
            loader.handle_opened(now_micros);
            self.drain_loader(now_micros);
        } else if was_lost && matches!(self.job, Job::Idle) {
            self.probe(now_micros);
        }
    }

    pub fn lost(&mut self, now_micros: u64) {
        self.actions.clear();
        if let Some(loader) = self.loader.as_mut().filter(|loader| loader.is_busy()) {
            loader.handle_lost(now_micros);
            return self.drain_loader(now_micros);
        }
        // A loader without a job does not know that the chip has left it.
        self.loader = None;
        if self.back_until.is_some() {
            return;
        }
        // A board on the chip's own USB goes away with every restart.
        self.back_until = Some(now_micros.saturating_add(REOPEN_MICROS));
        self.baud = self.config.console_baud;
        self.actions.push_back(Action::Reopen);
        if !matches!(self.job, Job::Boot(_)) {
            self.set_step(Step::Connect, StepState::Now);
            self.fail(DeviceError::Lost);
        }
    }

    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front()?;
        if let Action::Write(bytes) = &action {
            self.note_bytes(self.now_micros, false, bytes);
        }
        Some(action)
    }

    pub fn act(&mut self, action: Action) {
        if let Action::SetBaud(baud) = action {
            self.baud = baud;
        }
        self.actions.push_back(action);
    }

    pub fn put_bytes(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.act(Action::Write(bytes));
        }
    }

    pub fn send(&mut self, request: &Request<'_>) {
        let mut bytes = Vec::new();
        // What is too long for a frame is not sent.
        if request.write(&mut bytes).is_ok() {
            self.put_bytes(bytes);
        }
    }

    pub fn use_console_baud(&mut self) {
        if self.baud != self.config.console_baud {
            self.act(Action::SetBaud(self.config.console_baud));
        }
    }

    pub fn note_bytes(&mut self, now_micros: u64, from_board: bool, bytes: &[u8]) {
        self.now_micros = now_micros;
        if self.show_bytes {
            let bytes = bytes.to_vec();
            self.tell(DeviceEvent::Bytes { time_micros: now_micros, from_board, bytes });
        }
    }

    // What is told.

    pub fn tell(&mut self, event: DeviceEvent) {
        self.events.push_back(event);
    }

    pub fn journal(&mut self, text: String) {
        self.tell(DeviceEvent::Journal { text });
    }

    pub fn changed(&mut self) {
        if self.events.back() != Some(&DeviceEvent::Changed) {
            self.tell(DeviceEvent::Changed);
        }
    }

    pub fn set_step(&mut self, step: Step, state: StepState) {
        self.steps[step as usize] = state;
        self.changed();
    }

    pub fn find(&mut self, found: Found) {
        if self.found != found {
            self.found = found;
            self.tell(DeviceEvent::Found { found });
            self.changed();
        }
    }

    /// The task is done.
    pub fn done(&mut self) {
        if let Some(task) = self.task() {
            self.job = Job::Idle;
            self.wants_reset = false;
            self.tell(DeviceEvent::Done { task });
            self.changed();
        }
    }

    /// The task ends without success.
    pub fn fail(&mut self, error: DeviceError) {
        let Some(task) = self.task() else { return self.changed() };
        let left = self.left();
        self.job = Job::Idle;
        self.wants_reset = false;
        for state in &mut self.steps {
            if *state == StepState::Now {
                *state = StepState::Failed;
            }
        }
        let (code, message) = (error.code(), error.to_string());
        self.journal(format!("{task:?} failed: {message}. {left}"));
        self.tell(DeviceEvent::Failed { task, code, message, left, error });
        self.changed();
    }

    // Time.

    pub fn handle_timeout(&mut self, now_micros: u64) {
        self.now_micros = now_micros;
        if self.back_until.is_some_and(|until| now_micros >= until) {
            self.is_open = false;
            self.back_until = None;
            self.set_step(Step::Connect, StepState::Failed);
            self.fail(DeviceError::Lost);
        }
        if let Some(loader) = &mut self.loader {
            loader.handle_timeout(now_micros);
            return self.drain_loader(now_micros);
        }
        match &mut self.job {
            Job::Probe { patience, .. } => {
                if patience.is_over(now_micros).is_some() {
                    self.probe_again(now_micros);
                }
            }
            Job::Boot(_) => self.boot_timeout(now_micros),
            _ => self.conversation_timeout(now_micros),
        }
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        let loader = self.loader.as_ref().and_then(|loader| loader.poll_timeout());
        let job = match &self.job {
            Job::Probe { patience, .. } => patience.poll_timeout(),
            Job::Boot(boot) => boot.poll_timeout(),
            Job::Talk(conversation) => conversation.poll_timeout(),
            Job::Idle | Job::Flash(_) => None,
        };
        loader.into_iter().chain(job).chain(self.back_until).min()
    }

    // The plan, and what is shown.

    pub fn planned(&mut self, planned: Planned, ask: &PlanAsk) -> &PlanView {
        self.journal(format!(
            "planned: {} bytes over the line, plan {}",
            planned.view.payload_bytes, planned.view.hash
        ));
        for range in planned.view.ranges.iter().filter(|range| !range.sha256.is_empty()) {
            self.events.push_back(DeviceEvent::Journal {
                text: format!(
                    "planned: {} at {:#x}, {} bytes, sha256 {}",
                    range.name, range.offset, range.bytes, range.sha256
                ),
            });
        }
        self.set_step(Step::Plan, StepState::Done);
        for step in [Step::Write, Step::Verify] {
            self.set_step(step, StepState::Open);
        }
        self.progress = None;
        &self.plan.insert((planned, Expect::of(ask))).0.view
    }

    pub fn forget_plan(&mut self) {
        self.plan = None;
        self.set_step(Step::Plan, StepState::Open);
    }

    pub fn forget_node(&mut self) {
        (self.node, self.found) = (None, Found::Silence);
        self.changed();
    }

    pub fn view(&self) -> DeviceView {
        let firmware = self.firmware.as_ref();
        let states = Step::ALL.iter().zip(self.steps);
        let runs = |firmware: &Firmware| {
            let node = self.node.as_ref().filter(|node| !node.image_hash.is_empty())?;
            Some(node.image_hash == firmware.image_hash())
        };
        DeviceView {
            is_open: self.is_open,
            task: self.task(),
            found: self.found,
            steps: states.map(|(&step, state)| StepView { step, state }).collect(),
            chip: self.chip.clone(),
            node: self.node.clone(),
            runs_catalogue: firmware.and_then(runs),
            firmware: firmware.map(|firmware| FirmwareView {
                manifest: firmware.manifest().clone(),
                image_hash: firmware.image_hash().to_owned(),
            }),
            partitions: planning::partitions(self.table.as_ref().or(firmware.map(Firmware::table))),
            plan: self.plan.as_ref().map(|(planned, _)| planned.view.clone()),
            progress: self.progress.clone(),
            baud: self.baud,
            wants_reset: self.wants_reset,
        }
    }
}
