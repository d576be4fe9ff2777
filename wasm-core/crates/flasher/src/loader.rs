//! The loader's far end: jobs in, actions and events out.
//!
//! The protocol itself is written in [`session`] as it runs, one step after the other, with
//! waits in between. There is no executor: each call from outside lets the running job go on
//! until it waits again.

mod identify;
mod io;
mod leave;
mod register;
mod session;
mod write;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::chip::Chip;
use crate::error::FlashError;
use crate::line::{Action, Cable};
use crate::plan::Plan;
use crate::reset::Strategy;
use io::Io;

/// What a loader should know beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderConfig {
    /// What is known of the cable.
    pub cable: Cable,
    /// The speed to change to once the chip answers, in bits a second. It is tried once; where it
    /// does not hold, the loader goes on at [`crate::line::BAUD`]. Of no meaning to
    /// [`Cable::SerialJtag`].
    pub baud_wanted: u32,
    /// How long a person is waited for who has to press a button, in microseconds.
    pub person_micros: u64,
    /// How long a port that went away is waited for, in microseconds.
    pub reopen_micros: u64,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            cable: Cable::Unknown,
            baud_wanted: 921_600,
            person_micros: 60_000_000,
            reopen_micros: 60_000_000,
        }
    }
}

/// What a loader is asked to do. Each ends with [`Event::Done`] or [`Event::Failed`], and connects
/// first where it has to. All but [`Job::Restart`] leave the chip in its loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Says which chip it is.
    Identify,
    /// Reads flash, slowly: some 6 KB a second. For tables and descriptors.
    Read {
        /// Where, in bytes.
        offset: u32,
        /// How many bytes.
        len: u32,
    },
    /// Carries out a plan. Erasing is a plan too.
    Write(Plan),
    /// Leaves the loader and starts what is in flash.
    Restart,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A way into the loader is being tried.
    Trying {
        /// Which.
        strategy: Strategy,
        /// The how many-th, from 1.
        attempt: u32,
    },
    /// No way into the loader helped: a person has to hold BOOT and press RESET. It is listening.
    NeedsBoot,
    /// The loader answers.
    Connected {
        /// What helped.
        strategy: Strategy,
    },
    /// The speed is settled, in bits a second.
    Baud {
        /// Which was wanted.
        wanted: u32,
        /// Which is used.
        used: u32,
    },
    /// The chip said what it is.
    Identified(Chip),
    /// Bytes of a region were sent, or found in flash already. The number falls when something has
    /// to be sent again.
    Progress {
        /// Number of the region in the plan.
        region: usize,
        /// Bytes done.
        done_bytes: u32,
        /// Bytes of the region.
        total_bytes: u32,
    },
    /// The chip's own MD5 of a region equals the plan's, with what fills up its last block.
    Verified {
        /// Number of the region in the plan.
        region: usize,
        /// The digest of the region's own bytes.
        md5: [u8; 16],
        /// Bytes of it that were sent in this job; the others were there already.
        written_bytes: u32,
    },
    /// The flash's bytes that were asked for.
    Read {
        /// Where they lie.
        offset: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Something failed and is tried again.
    Retrying(FlashError),
    /// The port went away. It is waited for.
    Lost,
    /// The port came back.
    Back,
    /// What the board said after its restart, as it came. It belongs to the console.
    Heard(Vec<u8>),
    /// The board did not restart by itself: a person has to press RESET once. It is listening.
    NeedsReset,
    /// The board left its loader.
    Restarted {
        /// Whether it said something since.
        heard: bool,
    },
    /// A region was begun and not proved: part of these bytes is neither old nor new. Comes before
    /// [`Event::Failed`].
    Unfinished {
        /// Number of the region in the plan.
        region: usize,
        /// Where it starts, in bytes.
        offset: u32,
        /// Bytes of it that may have changed.
        len: u32,
    },
    /// The job is done.
    Done,
    /// The job ended early.
    Failed(FlashError),
}

/// Carries out jobs over a port that somebody else holds.
///
/// The port is open at [`crate::line::BAUD`] when a loader is made. Whoever drives it hands in
/// bytes and times, then carries out every action, in order, and looks for events, after every
/// call. Times are microseconds that never fall. Not `Send`: one thread drives it.
pub struct Loader {
    config: LoaderConfig,
    io: Io,
    task: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Loader {
    /// Makes a loader for a port that is open.
    pub fn new(config: LoaderConfig) -> Self {
        Self { config, io: Io::default(), task: None }
    }

    /// Starts a job. One that is running is cancelled before.
    pub fn start(&mut self, now: u64, job: Job) {
        self.cancel(now);
        self.task = Some(Box::pin(session::run(self.io.clone(), self.config, job)));
        self.go_on();
    }

    /// Cancels the running job, if any: [`Event::Unfinished`] says what it leaves behind, and
    /// [`Event::Failed`] ends it. The chip stays in its loader; the next job finds it there.
    pub fn cancel(&mut self, now: u64) {
        self.io.set_now(now);
        if self.task.take().is_some() {
            self.io.end(Err(FlashError::Cancelled));
        }
    }

    /// Takes bytes that the port received.
    pub fn handle_bytes(&mut self, now: u64, bytes: &[u8]) {
        self.io.set_now(now);
        if self.task.is_some() {
            self.io.take_bytes(bytes);
        }
        self.go_on();
    }

    /// Is told that the port is open, after [`Action::SetBaud`] or [`Action::Reopen`].
    pub fn handle_opened(&mut self, now: u64) {
        self.io.set_now(now);
        self.io.set_opened();
        self.go_on();
    }

    /// Is told that the port is gone. Actions that were not polled are dropped.
    pub fn handle_lost(&mut self, now: u64) {
        self.io.set_now(now);
        self.io.set_lost();
        self.go_on();
    }

    /// Is told that [`Loader::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: u64) {
        self.io.set_now(now);
        self.go_on();
    }

    /// Returns what to do next with the port.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.io.next_action()
    }

    /// Returns what happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.io.next_event()
    }

    /// Returns when to call [`Loader::handle_timeout`], unless something else happens before.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.task.as_ref().and_then(|_| self.io.deadline())
    }

    /// Whether a job is running.
    pub const fn is_busy(&self) -> bool {
        self.task.is_some()
    }

    /// Returns the chip that was identified last, while it is in its loader.
    pub fn chip(&self) -> Option<Chip> {
        self.io.chip()
    }

    fn go_on(&mut self) {
        let Some(task) = &mut self.task else { return };
        if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.task = None;
        }
    }
}
