//! What a running job sees of the world: it acts, tells, and waits.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;

use crate::chip::Chip;
use crate::command::{Command, Reply};
use crate::error::FlashError;
use crate::line::{Action, BAUD, Lines};
use crate::loader::Event;
use crate::reset::Step;
use crate::slip::{self, Decoder};

/// A loader's far end, shared by the job and the calls from outside. Nothing holds it over a wait.
#[derive(Clone, Default)]
pub(super) struct Io(Rc<RefCell<Wire>>);

#[derive(Default)]
struct Wire {
    now: u64,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    /// When the running job wants to be asked again.
    deadline: Option<u64>,
    slip: Decoder,
    frames: VecDeque<Vec<u8>>,
    /// While someone listens to the board's own words: what it said.
    heard: Option<Vec<u8>>,
    opened: bool,
    lost: bool,
    /// The speed of the port; `None` until it was changed.
    baud: Option<u32>,
    /// What the lines were set to last.
    lines: Lines,
    /// The chip, while its loader is thought to be running.
    chip: Option<Chip>,
    /// Number, offset and length of the region that was begun and not proved.
    unfinished: Option<(usize, u32, u32)>,
}

/// A reply that outlives its frame.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    frame: Vec<u8>,
}

impl Answer {
    pub fn reply(&self) -> Option<Reply<'_>> {
        Reply::parse(&self.frame)
    }
}

impl Io {
    pub fn set_now(&self, now: u64) {
        let mut wire = self.0.borrow_mut();
        wire.now = now.max(wire.now);
    }

    pub fn take_bytes(&self, bytes: &[u8]) {
        let wire = &mut *self.0.borrow_mut();
        if let Some(heard) = &mut wire.heard {
            heard.extend(bytes);
            wire.events.push_back(Event::Heard(bytes.to_vec()));
            return;
        }
        let frames = bytes.iter().filter_map(|&byte| wire.slip.push(byte));
        wire.frames.extend(frames.filter(|frame| Reply::parse(frame).is_some()));
    }

    pub fn set_opened(&self) {
        let wire = &mut *self.0.borrow_mut();
        (wire.opened, wire.lost) = (true, false);
    }

    pub fn set_lost(&self) {
        let wire = &mut *self.0.borrow_mut();
        (wire.opened, wire.lost) = (false, true);
        wire.actions.clear();
        wire.frames.clear();
        wire.slip.clear();
        wire.chip = None;
    }

    pub fn next_action(&self) -> Option<Action> {
        self.0.borrow_mut().actions.pop_front()
    }

    pub fn next_event(&self) -> Option<Event> {
        self.0.borrow_mut().events.pop_front()
    }

    pub fn deadline(&self) -> Option<u64> {
        self.0.borrow().deadline
    }

    pub fn chip(&self) -> Option<Chip> {
        self.0.borrow().chip
    }

    pub fn set_chip(&self, chip: Option<Chip>) {
        self.0.borrow_mut().chip = chip;
    }

    pub fn now(&self) -> u64 {
        self.0.borrow().now
    }

    pub fn act(&self, action: Action) {
        self.0.borrow_mut().actions.push_back(action);
    }

    pub fn tell(&self, event: Event) {
        self.0.borrow_mut().events.push_back(event);
    }

    /// Remembers what is begun, or, with `None`, that it is proved.
    pub fn set_unfinished(&self, begun: Option<(usize, u32, u32)>) {
        self.0.borrow_mut().unfinished = begun;
    }

    /// Tells how a job ended. Lines that it had pulled are let go.
    pub fn end(&self, result: Result<(), FlashError>) {
        let wire = &mut *self.0.borrow_mut();
        let unfinished = wire.unfinished.take();
        (wire.deadline, wire.heard) = (None, None);
        match result {
            Ok(()) => wire.events.push_back(Event::Done),
            Err(error) => {
                if wire.lines != Lines::default() && !wire.lost {
                    wire.lines = Lines::default();
                    wire.actions.push_back(Action::SetLines(wire.lines));
                }
                let left = unfinished.map(|(region, offset, len)| Event::Unfinished {
                    region,
                    offset,
                    len,
                });
                wire.events.extend(left);
                wire.events.push_back(Event::Failed(error));
            }
        }
    }

    /// Sends a request. Replies that came before it are no answer to it.
    pub fn send(&self, command: &Command<'_>) {
        self.0.borrow_mut().frames.clear();
        self.act(Action::Write(slip::encode(&command.encode())));
    }

    /// Waits until `ready` has something, or until so many microseconds have passed.
    async fn wait<T>(
        &self,
        micros: u64,
        mut ready: impl FnMut(&mut Wire) -> Option<Result<T, FlashError>>,
    ) -> Result<Option<T>, FlashError> {
        let until = self.now().saturating_add(micros);
        poll_fn(|_| {
            let wire = &mut *self.0.borrow_mut();
            if let Some(result) = ready(wire) {
                wire.deadline = None;
                return Poll::Ready(result.map(Some));
            }
            if wire.now >= until {
                wire.deadline = None;
                return Poll::Ready(Ok(None));
            }
            wire.deadline = Some(until);
            Poll::Pending
        })
        .await
    }

    pub async fn sleep(&self, micros: u64) -> Result<(), FlashError> {
        self.wait::<()>(micros, |wire| wire.lost.then_some(Err(FlashError::Lost))).await.map(|_| ())
    }

    /// Waits for a reply to this op; replies to others are dropped.
    pub async fn answer(&self, op: u8, micros: u64) -> Result<Option<Answer>, FlashError> {
        self.wait(micros, |wire| {
            if wire.lost {
                return Some(Err(FlashError::Lost));
            }
            while let Some(frame) = wire.frames.pop_front() {
                if frame[1] == op {
                    return Some(Ok(Answer { frame }));
                }
            }
            None
        })
        .await
    }

    /// Moves the lines.
    pub async fn lines(&self, steps: &[Step]) -> Result<(), FlashError> {
        for &(lines, micros) in steps {
            self.0.borrow_mut().lines = lines;
            self.act(Action::SetLines(lines));
            if micros > 0 {
                self.sleep(micros).await?;
            }
        }
        Ok(())
    }

    pub fn baud(&self) -> u32 {
        self.0.borrow().baud.unwrap_or(BAUD)
    }

    /// Changes the speed of the port, unless it has it, and waits until it is open again.
    pub async fn set_baud(&self, baud: u32, micros: u64) -> Result<(), FlashError> {
        if self.baud() == baud {
            return Ok(());
        }
        {
            let wire = &mut *self.0.borrow_mut();
            (wire.baud, wire.opened) = (Some(baud), false);
        }
        self.act(Action::SetBaud(baud));
        let opened = self
            .wait(micros, |wire| match (wire.lost, wire.opened) {
                (true, _) => Some(Err(FlashError::Lost)),
                (false, opened) => opened.then_some(Ok(())),
            })
            .await?;
        opened.ok_or(FlashError::Lost)
    }

    pub fn is_lost(&self) -> bool {
        self.0.borrow().lost
    }

    /// Waits until the port is back.
    pub async fn reopen(&self, micros: u64) -> Result<(), FlashError> {
        self.tell(Event::Lost);
        let until = self.now().saturating_add(micros);
        loop {
            {
                let wire = &mut *self.0.borrow_mut();
                (wire.baud, wire.opened, wire.lost) = (None, false, false);
            }
            self.act(Action::Reopen);
            // Lost once more before it was open: once more.
            let left = until.saturating_sub(self.now());
            let back = self
                .wait(left, |wire| (wire.opened || wire.lost).then_some(Ok(wire.opened)))
                .await?;
            match back {
                Some(true) => {
                    self.tell(Event::Back);
                    return Ok(());
                }
                Some(false) if self.now() < until => {}
                Some(false) | None => {
                    self.0.borrow_mut().lost = true;
                    return Err(FlashError::Lost);
                }
            }
        }
    }

    /// From here on, what the board says is text.
    pub fn listen(&self) {
        self.0.borrow_mut().heard = Some(Vec::new());
    }

    /// From here on, what the board says are replies.
    pub fn stop_listening(&self) {
        let wire = &mut *self.0.borrow_mut();
        wire.heard = None;
        wire.slip.clear();
    }

    /// Waits until the board says something, and then a little more. Returns what it said since
    /// [`Io::listen`].
    pub async fn text(&self, micros: u64, more: u64) -> Result<Vec<u8>, FlashError> {
        let said = |wire: &Wire| wire.heard.as_ref().is_some_and(|heard| !heard.is_empty());
        let first = self
            .wait(micros, |wire| match wire.lost {
                true => Some(Err(FlashError::Lost)),
                false => said(wire).then_some(Ok(())),
            })
            .await?;
        if first.is_some() {
            self.sleep(more).await?;
        }
        Ok(self.0.borrow_mut().heard.as_mut().map(core::mem::take).unwrap_or_default())
    }
}
