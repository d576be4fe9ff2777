//! How a device holds a conversation with the node.

use csi_node::protocol::{Request, Settings};

use super::check::Check;
use super::follow_view::Rows;
use super::following::Follow;
use super::parity::Parity;
use super::state::{Job, State};
use super::talk::{Said, Talk, Turn};
use super::upload::Upload;
use super::{DeviceEvent, Task};

/// A conversation with the node.
pub(super) enum Conversation {
    Upload(Upload),
    Parity(Box<Parity>),
    Follow(Box<Follow>),
    Check(Check),
}

/// What happens to a conversation.
#[derive(Clone, Copy)]
pub(super) enum Cue<'a> {
    Begin,
    Hear(Said<'a>),
    Timeout,
    /// Of a recording that is followed: where its cursor is.
    Cursor(i64),
    /// Of one: the rows that the question of this number asked for.
    Rows(u32, &'a Rows),
    /// Of one: no more.
    End,
}

/// What is told when a conversation came to its end.
type Outcome = Option<DeviceEvent>;

impl Conversation {
    pub const fn task(&self) -> Task {
        match self {
            Self::Upload(_) => Task::Upload,
            Self::Parity(_) => Task::Parity,
            Self::Follow(_) => Task::Follow,
            Self::Check(_) => Task::Check,
        }
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        match self {
            Self::Upload(upload) => upload.poll_timeout(),
            Self::Parity(parity) => parity.poll_timeout(),
            Self::Follow(follow) => follow.poll_timeout(),
            Self::Check(check) => check.poll_timeout(),
        }
    }

    fn take(&mut self, talk: &mut Talk<'_>, cue: Cue<'_>) -> Turn<Outcome> {
        match self {
            Self::Upload(upload) => {
                let turn = match cue {
                    Cue::Begin => upload.begin(talk),
                    Cue::Hear(said) => upload.hear(talk, said),
                    Cue::Timeout => upload.handle_timeout(talk),
                    Cue::Cursor(_) | Cue::Rows(..) | Cue::End => Ok(None),
                };
                turn.map(|end| end.map(|()| None))
            }
            Self::Parity(parity) => {
                let turn = match cue {
                    Cue::Begin => parity.begin(talk),
                    Cue::Hear(said) => parity.hear(talk, said),
                    Cue::Timeout => parity.handle_timeout(talk),
                    Cue::Cursor(_) | Cue::Rows(..) | Cue::End => Ok(None),
                };
                turn.map(|end| end.map(|report| Some(DeviceEvent::Parity { report })))
            }
            Self::Follow(follow) => {
                let turn = match cue {
                    Cue::Begin => follow.begin(talk),
                    Cue::Hear(said) => follow.hear(talk, said),
                    Cue::Timeout => follow.handle_timeout(talk),
                    Cue::Cursor(time_micros) => follow.cursor(talk, time_micros),
                    Cue::Rows(ask, rows) => follow.rows(talk, ask, rows),
                    Cue::End => Ok(Some(())),
                };
                turn.map(|end| end.map(|()| None))
            }
            Self::Check(check) => {
                let turn = match cue {
                    Cue::Begin => check.begin(talk),
                    Cue::Hear(said) => check.hear(talk, said),
                    Cue::Timeout => check.handle_timeout(talk),
                    Cue::Cursor(_) | Cue::Rows(..) | Cue::End => Ok(None),
                };
                turn.map(|end| end.map(|report| Some(DeviceEvent::Checked { report })))
            }
        }
    }
}

impl State {
    pub fn converse(&mut self, now_micros: u64, conversation: Conversation) {
        self.job = Job::Talk(conversation);
        self.changed();
        self.cue(now_micros, Cue::Begin);
    }

    /// Lets a conversation, if there is one, take what was said.
    pub fn said(&mut self, now_micros: u64, said: Said<'_>) {
        self.cue(now_micros, Cue::Hear(said));
    }

    pub fn conversation_timeout(&mut self, now_micros: u64) {
        self.cue(now_micros, Cue::Timeout);
    }

    /// Tells the conversation that follows a recording, if there is one.
    pub fn follow(&mut self, now_micros: u64, cue: Cue<'_>) {
        self.cue(now_micros, cue);
    }

    fn cue(&mut self, now_micros: u64, cue: Cue<'_>) {
        let Job::Talk(conversation) = &mut self.job else { return };
        let mut out = Vec::new();
        let mut talk = Talk { now_micros, out: &mut out, events: &mut self.events };
        let turn = conversation.take(&mut talk, cue);
        let acknowledged =
            matches!(conversation, Conversation::Parity(_) | Conversation::Follow(_));
        self.put_bytes(out);
        match turn {
            Ok(None) => return,
            Ok(Some(outcome)) => {
                if let Some(DeviceEvent::Parity { report }) = &outcome {
                    self.journal(format!("parity: {}; {}", report.sentence(), report.source));
                }
                outcome.into_iter().for_each(|event| self.tell(event));
                self.done();
            }
            Err(error) => self.fail(error),
        }
        if acknowledged {
            // Nobody else waits for acknowledgements.
            self.send(&Request::Configure(Settings { send_logits: true, ..Settings::default() }));
        }
    }
}
