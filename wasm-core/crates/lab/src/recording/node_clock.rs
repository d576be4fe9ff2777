//! Times for frames that carry none, from the stamps of other packets of the same node.
//!
//! A raw CSI packet has no clock, but the vitals and feature packets between them have: time
//! since the node's boot. [`NodeClock`] spreads the frames between two stamps evenly. It does not
//! know when a frame was really received: jitter inside a span is lost, the mean rate is not.

/// Stamps closer than this to the last one kept are left out: packets of one batch are stamped
/// at different moments of the node's work, and frames between them would be squeezed.
const MIN_SPAN_MICROS: i64 = 100_000;
/// Frames held for a stamp; a node that sends more of them without one has no clock.
const MAX_HELD: usize = 1024;

/// Spreads one node's frames of type `T` between its stamps.
#[derive(Debug)]
pub(super) struct NodeClock<T> {
    /// Frames without a time, and packets with their own, in order of arrival.
    held: Vec<(Option<i64>, T)>,
    /// How many of those held have no time.
    untimed: usize,
    /// How many of these came before the first stamp; 0 after the second one.
    before: usize,
    /// The last stamp kept, on the output's time line, in microseconds.
    anchor: Option<i64>,
    /// Time between frames as last seen, in microseconds.
    step: Option<f64>,
    /// What a stamp needs added to continue the time line after the node restarted.
    offset: i64,
    /// The latest time given out.
    latest: i64,
    hopeless: bool,
}

impl<T> Default for NodeClock<T> {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            untimed: 0,
            before: 0,
            anchor: None,
            step: None,
            offset: 0,
            latest: i64::MIN,
            hopeless: false,
        }
    }
}

impl<T> NodeClock<T> {
    /// Takes a frame; `emit` gets it, now or later, with its time in microseconds if it has one.
    ///
    /// Times given out never go backwards, and order of arrival is kept.
    pub(super) fn frame(&mut self, frame: T, emit: &mut impl FnMut(Option<i64>, T)) {
        self.untimed += 1;
        self.hold(None, frame, emit);
    }

    /// Takes a packet of the given time, which [`NodeClock::stamp`] returned.
    pub(super) fn timed(&mut self, micros: i64, packet: T, emit: &mut impl FnMut(Option<i64>, T)) {
        self.hold(Some(micros), packet, emit);
    }

    /// Takes a stamp in microseconds since the node's boot and lets go what came before it.
    ///
    /// Returns the stamp on the output's time line. A stamp earlier than the last one means that
    /// the node restarted: time then goes on from the last frame.
    pub(super) fn stamp(&mut self, micros: i64, emit: &mut impl FnMut(Option<i64>, T)) -> i64 {
        let mut now = micros.saturating_add(self.offset);
        let Some(anchor) = self.anchor else {
            self.anchor = Some(now);
            self.before = self.untimed;
            return now;
        };
        let between = self.untimed - self.before;
        if now < anchor {
            let end = anchor.saturating_add((self.step.unwrap_or(0.0) * between as f64) as i64);
            self.offset = self.offset.saturating_add(end.saturating_sub(now));
            now = end;
        }
        if now.saturating_sub(anchor) >= MIN_SPAN_MICROS {
            if between > 0 {
                let step = now.saturating_sub(anchor) as f64 / between as f64;
                self.step = Some(step);
                self.let_go(anchor, step, emit);
                self.anchor = Some(now);
            } else if self.untimed == 0 {
                self.let_go(anchor, 0.0, emit);
                self.anchor = Some(now);
            }
        }
        now
    }

    /// Lets go everything held: past the last stamp if a rate is known. Without a rate, frames
    /// have no time, now and later; a node that sent no frames needs none.
    pub(super) fn finish(&mut self, emit: &mut impl FnMut(Option<i64>, T)) {
        let anchor = self.anchor.unwrap_or(0);
        if let (None, 1..) = (self.step, self.untimed) {
            self.hopeless = true;
        }
        let step = self.step.unwrap_or(0.0);
        let end = anchor.saturating_add((step * self.untimed as f64) as i64);
        self.let_go(anchor, step, emit);
        self.anchor = self.anchor.map(|_| end);
    }

    fn hold(&mut self, time: Option<i64>, item: T, emit: &mut impl FnMut(Option<i64>, T)) {
        self.held.push((time, item));
        if self.hopeless || self.held.len() >= MAX_HELD {
            self.finish(emit);
        }
    }

    /// Emits what is held: frames half a step off the anchor on either side and a step apart.
    fn let_go(&mut self, anchor: i64, step: f64, emit: &mut impl FnMut(Option<i64>, T)) {
        let mut steps = 0.5 - self.before as f64;
        for (time, item) in self.held.drain(..) {
            let spread = anchor.saturating_add((step * steps) as i64);
            steps += f64::from(u8::from(time.is_none()));
            self.latest = self.latest.max(time.unwrap_or(spread));
            emit((!self.hopeless).then_some(self.latest), item);
        }
        (self.untimed, self.before) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays frames (`None`) and stamps; returns the frames' times in order.
    fn times(events: &[Option<i64>]) -> Vec<Option<i64>> {
        let (mut clock, mut out) = (NodeClock::default(), Vec::new());
        let mut emit = |time, ()| out.push(time);
        for event in events {
            match event {
                None => clock.frame((), &mut emit),
                Some(stamp) => {
                    clock.stamp(*stamp, &mut emit);
                }
            }
        }
        clock.finish(&mut emit);
        out
    }

    #[test]
    fn frames_are_spread_evenly_between_before_and_after_stamps() {
        let s = |t| Some(t);
        let got = times(&[None, s(1_000_000), None, None, s(2_000_000), None]);
        assert_eq!(got, [s(750_000), s(1_250_000), s(1_750_000), s(2_250_000)]);
    }

    #[test]
    fn stamps_of_one_batch_do_not_squeeze_the_frames_between_them() {
        let s = |t| Some(t);
        let got = times(&[s(0), None, s(6_000), None, s(1_000_000)]);
        assert_eq!(got, [s(250_000), s(750_000)]);
    }

    #[test]
    fn time_goes_on_when_the_node_restarts() {
        let s = |t| Some(t);
        let got = times(&[s(9_000_000), None, s(9_500_000), None, s(0), None, s(500_000)]);
        assert_eq!(got, [s(9_250_000), s(9_750_000), s(10_250_000)]);
    }

    #[test]
    fn packets_with_a_time_keep_it_and_their_place() {
        let (mut clock, mut out) = (NodeClock::default(), Vec::new());
        let mut emit = |time: Option<i64>, name| out.push((name, time));
        for (name, stamp) in [("a", 1_000_000), ("b", 1_200_000), ("c", 2_000_000)] {
            clock.frame("frame", &mut emit);
            let time = clock.stamp(stamp, &mut emit);
            clock.timed(time, name, &mut emit);
        }
        clock.finish(&mut emit);
        let times = [900_000, 1_000_000, 1_100_000, 1_200_000, 1_600_000, 2_000_000];
        let names = ["frame", "a", "frame", "b", "frame", "c"];
        let expected: Vec<_> = names.into_iter().zip(times.map(Some)).collect();
        assert_eq!(out, expected);
    }

    #[test]
    fn without_two_stamps_there_is_no_time() {
        assert_eq!(times(&[None, Some(5), None]), [None, None]);
        assert_eq!(times(&[None; 3000]), [None; 3000]);
    }
}
