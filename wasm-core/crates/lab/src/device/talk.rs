//! What all conversations with a node have in common: requests out, replies in, and a patience.

use std::collections::VecDeque;

use csi_node::protocol::{ProtocolError, Reply, Request};

use super::{DeviceError, DeviceEvent};

/// How long a request is waited for that a node answers at once.
pub(super) const SOON_MICROS: u64 = 2_000_000;
/// How long one is waited for that computes first.
pub(super) const LATER_MICROS: u64 = 10_000_000;

/// What came from the node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Said<'a> {
    /// A reply.
    Reply(Reply<'a>),
    /// A reply that was damaged on the way.
    Damaged(ProtocolError),
}

impl Said<'_> {
    /// Whether something was lost on the line, in either direction.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Reply(Reply::Error { request: 0, .. }))
    }
}

/// What a conversation may do: send requests and tell what happened.
pub(super) struct Talk<'a> {
    pub now_micros: u64,
    /// Bytes for the line.
    pub out: &'a mut Vec<u8>,
    pub events: &'a mut VecDeque<DeviceEvent>,
}

impl Talk<'_> {
    /// Sends a request. One that is too long for a frame never comes here: callers cut.
    pub fn send(&mut self, request: &Request<'_>) {
        let sent = request.write(self.out);
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    pub fn tell(&mut self, event: DeviceEvent) {
        self.events.push_back(event);
    }

    pub fn journal(&mut self, text: String) {
        self.tell(DeviceEvent::Journal { text });
    }
}

/// Bytes under way at most, beyond one row: what the queue of the chip's UART holds while the
/// node computes.
const UNDER_WAY_BYTES: usize = 128;

/// Rows that are sent and not acknowledged: number, and bytes on the line.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(VecDeque<(u32, usize)>);

impl UnderWay {
    /// Writes the request, unless enough is under way; returns its bytes.
    pub fn write(&self, talk: &mut Talk<'_>, request: &Request<'_>) -> Option<usize> {
        let before = talk.out.len();
        talk.send(request);
        let len = talk.out.len() - before;
        let waiting: usize = self.0.iter().map(|(_, bytes)| bytes).sum();
        if !self.0.is_empty() && waiting + len > UNDER_WAY_BYTES {
            talk.out.truncate(before);
            return None;
        }
        Some(len)
    }

    /// What was written is to be answered.
    pub fn push(&mut self, number: u32, bytes: usize) {
        self.0.push_back((number, bytes));
    }

    /// The number of the row that is answered next.
    pub fn oldest(&self) -> Option<u32> {
        self.0.front().map(|(number, _)| *number)
    }

    /// The oldest one was answered.
    pub fn pop(&mut self) {
        self.0.pop_front();
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The request that is waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    request: u8,
    since_micros: u64,
    until_micros: Option<u64>,
}

impl Patience {
    /// Waits for the answer to `request` from now on.
    pub fn begin(&mut self, now_micros: u64, request: u8, micros: u64) {
        let until_micros = Some(now_micros.saturating_add(micros));
        *self = Self { request, since_micros: now_micros, until_micros };
    }

    /// Waits no more.
    pub fn end(&mut self) {
        self.until_micros = None;
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        self.until_micros
    }

    /// The error, once it was waited long enough.
    pub fn is_over(&self, now_micros: u64) -> Option<DeviceError> {
        let until_micros = self.until_micros?;
        let waited = now_micros.saturating_sub(self.since_micros) / 1000;
        let waited_millis = u32::try_from(waited).unwrap_or(u32::MAX);
        (now_micros >= until_micros)
            .then_some(DeviceError::NoAnswer { request: self.request, waited_millis })
    }
}

/// What a conversation came to.
pub(super) type Turn<T> = Result<Option<T>, DeviceError>;
