//! One clock of a recording: wraps repaired, restarts bridged, never backwards.

use super::FrameTime;

/// A backward step up to this is two frames in the wrong order, not a restart. Microseconds.
const REORDER_MICROS: i64 = 100_000;
/// A 32-bit clock that goes backwards has wrapped if it then reads at most this much more than
/// before, counted through the wrap. Microseconds.
const WRAP_GAP_MICROS: i64 = 300_000_000;
/// Recent periods kept to bridge a restart.
const RECENT: usize = 32;
/// Period assumed for a restart after a single frame. Microseconds.
const DEFAULT_PERIOD_MICROS: i64 = 10_000;

/// Turns a source's time stamps into microseconds since its first one.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// The last time stamp as it was given.
    raw: Option<i64>,
    /// The same since the first one, repaired.
    pub(super) now: i64,
    recent: [i64; RECENT],
    seen: usize,
    pub(super) wraps: u64,
    pub(super) restarts: u64,
    pub(super) reordered: u64,
}

impl Clock {
    /// Returns the repaired time of the next frame, in microseconds since the first; never less
    /// than before.
    ///
    /// A 32-bit clock that jumps backwards wrapped if no more than five minutes passed through
    /// the wrap. Any other jump backwards of more than 0.1 s is a restart: time goes on by the
    /// median of the last periods. A smaller step backwards keeps the last time.
    pub(super) fn advance(&mut self, time: FrameTime) -> i64 {
        let (raw, wraps) = match time {
            FrameTime::None => {
                self.now =
                    self.now.saturating_add(if self.raw.is_some() { self.period() } else { 0 });
                return self.now;
            }
            FrameTime::Micros(micros) | FrameTime::EpochMicros(micros) => (micros, false),
            FrameTime::WrappingMicros32(micros) => (i64::from(micros), true),
        };
        let Some(before) = self.raw.replace(raw) else {
            return self.now;
        };
        let mut step = raw.saturating_sub(before);
        if step < 0 {
            let through_wrap = step + (1 << 32);
            if wraps && (0..=WRAP_GAP_MICROS).contains(&through_wrap) {
                self.wraps += 1;
                step = through_wrap;
            } else if step >= -REORDER_MICROS {
                self.reordered += 1;
                self.raw = Some(before);
                return self.now;
            } else {
                self.restarts += 1;
                self.now = self.now.saturating_add(self.period());
                return self.now;
            }
        }
        if step > 0 {
            self.recent[self.seen % RECENT] = step;
            self.seen += 1;
        }
        self.now = self.now.saturating_add(step);
        self.now
    }

    /// The median of the last periods in microseconds.
    fn period(&self) -> i64 {
        let mut recent = self.recent;
        let known = &mut recent[..self.seen.min(RECENT)];
        known.sort_unstable();
        known.get(known.len() / 2).copied().unwrap_or(DEFAULT_PERIOD_MICROS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FrameTime::{Micros, WrappingMicros32 as W};

    fn times(stamps: impl IntoIterator<Item = FrameTime>) -> (Vec<i64>, Clock) {
        let mut clock = Clock::default();
        let times = stamps.into_iter().map(|stamp| clock.advance(stamp)).collect();
        (times, clock)
    }

    #[test]
    fn a_32_bit_wrap_is_repaired() {
        let (times, clock) = times([W(u32::MAX - 999), W(0), W(1000)]);
        assert_eq!(times, [0, 1000, 2000]);
        assert_eq!((clock.wraps, clock.restarts), (1, 0));
    }

    #[test]
    fn a_restart_goes_on_with_the_median_period() {
        let (times, clock) =
            times([W(9_000_000), W(9_010_000), W(9_030_000), W(9_040_000), W(7), W(107)]);
        assert_eq!(times, [0, 10_000, 30_000, 40_000, 50_000, 50_100]);
        assert_eq!((clock.wraps, clock.restarts), (0, 1));
    }

    #[test]
    fn two_swapped_frames_do_not_go_back_in_time() {
        let (times, clock) = times([Micros(100), Micros(300), Micros(200), Micros(400)]);
        assert_eq!(times, [0, 200, 200, 300]);
        assert_eq!(clock.reordered, 1);
    }

    #[test]
    fn extreme_stamps_never_overflow() {
        let (times, _) =
            times([Micros(i64::MIN), Micros(i64::MAX), Micros(i64::MIN), Micros(i64::MAX)]);
        assert!(times.is_sorted());
    }
}
