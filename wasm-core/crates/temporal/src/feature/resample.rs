//! Rows at irregular times to rows at a fixed rate.

use alloc::vec;
use alloc::vec::Vec;

/// A step of the clock longer than this, forward or backward, breaks the stream: interpolating
/// across it would invent data. 10 s.
pub const BREAK_MICROS: i64 = 10_000_000;

/// What became of a pushed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first row, or the first after a break: a new grid starts at its time.
    Start,
    /// Grid points up to its time can be taken with [`Resampler::next_point`].
    Forward,
    /// Its time is that of the row before: skipped.
    Duplicate,
    /// Its time lies before that of the row before: skipped.
    Backward,
}

/// A point of the grid.
pub(super) struct Point {
    pub time_micros: i64,
    pub held: bool,
}

/// Linear interpolation onto the grid `start + n / rate`.
///
/// Point `n` is computed from `n`, in `f64`, and rounded to whole microseconds: the grid does
/// not drift. It keeps the last two rows.
#[derive(Clone, Debug)]
pub(super) struct Resampler {
    period_micros: f64,
    start_micros: i64,
    points: u64,
    left: (i64, Vec<f32>),
    right: (i64, Vec<f32>),
    started: bool,
}

impl Resampler {
    pub fn new(rate_hz: f32, dim: usize) -> Self {
        Self {
            period_micros: 1e6 / f64::from(rate_hz),
            start_micros: 0,
            points: 0,
            left: (0, vec![0.0; dim]),
            right: (0, vec![0.0; dim]),
            started: false,
        }
    }

    pub fn reset(&mut self) {
        self.started = false;
    }

    pub fn push(&mut self, time_micros: i64, row: &[f32]) -> Step {
        let gap = i128::from(time_micros) - i128::from(self.right.0);
        if !self.started || gap.abs() > i128::from(BREAK_MICROS) {
            self.started = true;
            self.start_micros = time_micros;
            self.points = 0;
            self.right.0 = time_micros;
            self.right.1.copy_from_slice(row);
            // The first point lies on this row: an empty interval to its left.
            self.left.0 = time_micros;
            self.left.1.copy_from_slice(row);
            return Step::Start;
        }
        match gap {
            0 => return Step::Duplicate,
            ..0 => return Step::Backward,
            _ => {}
        }
        core::mem::swap(&mut self.left, &mut self.right);
        self.right.0 = time_micros;
        self.right.1.copy_from_slice(row);
        Step::Forward
    }

    /// Writes the next grid point that is not later than the last row into `out`.
    pub fn next_point(&mut self, out: &mut [f32]) -> Option<Point> {
        let offset = libm::round(self.points as f64 * self.period_micros) as i64;
        let time_micros = self.start_micros.checked_add(offset)?;
        let (left, right) = (&self.left, &self.right);
        if !self.started || time_micros > right.0 {
            return None;
        }
        self.points += 1;
        if time_micros == right.0 {
            out.copy_from_slice(&right.1);
            return Some(Point { time_micros, held: false });
        }
        // Differences stay below BREAK_MICROS, so they are exact in f64.
        let gap = (right.0 - left.0) as f64;
        let fraction = ((time_micros - left.0) as f64 / gap) as f32;
        for ((out, &a), &b) in out.iter_mut().zip(&left.1).zip(&right.1) {
            *out = a + (b - a) * fraction;
        }
        let on_a_frame = time_micros == left.0;
        Some(Point { time_micros, held: !on_a_frame && gap > 2.0 * self.period_micros })
    }
}
