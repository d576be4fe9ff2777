//! Rasters and series of the selected stream.
//!
//! Every view touches only frames in its range, found by binary search, and at most
//! [`FRAMES_A_COLUMN`] of them for one pixel column, evenly spread: a whole hour costs as much
//! as a minute. What is seen is a mean over those, not over all.

use core::cell::OnceCell;
use core::ops::Range;

use csi_temporal::frame::CsiValues;

use super::{LabError, Open, Result, Session};
use crate::colour::ColourMap;
use crate::raster::{Raster, Thinned, quantiles, thin};
use crate::recording::{Role, StreamKind};

/// The most frames that one pixel column of a raster is made of.
pub const FRAMES_A_COLUMN: usize = 16;
/// The most columns of a view: more than any screen.
const MAX_COLUMNS: usize = 8192;
/// Length of the moving variance in seconds.
const VARIANCE_S: f64 = 0.5;
/// A column shows the frame before it until the next one comes, so that an uneven rate shows steps
/// and not stripes; before a gap and at the end only for this many median periods.
const HELD_PERIODS: f64 = 1.5;

/// What a waterfall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaterfallKind {
    /// The mean amplitude.
    Amplitude,
    /// The last phase in radians.
    Phase,
    /// The variance of the amplitude over half a second, or the column if that is longer.
    Variance,
}

/// What a series of one subcarrier shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The amplitude.
    Amplitude,
    /// The phase in radians.
    Phase,
}

/// Which waterfall is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaterfallAsk {
    /// Left end in seconds.
    pub start_s: f64,
    /// Right end in seconds.
    pub end_s: f64,
    /// Pixel columns.
    pub columns: usize,
    /// What is shown.
    pub kind: WaterfallKind,
    /// Whether each frame is divided by its mean over the useful pairs.
    pub gain: bool,
    /// Whether only useful pairs get a row.
    pub useful_only: bool,
    /// Theme.
    pub dark: bool,
}

/// One frame over its subcarriers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpectrumView {
    /// Subcarrier index, or position in the frame where that is unknown.
    pub k: Vec<f64>,
    /// Amplitude.
    pub amplitude: Vec<f32>,
    /// What each is good for.
    pub role: Vec<Role>,
}

/// Colour scales of a whole stream, so that colours do not change while one scrolls.
#[derive(Default)]
pub(super) struct Scales {
    amplitude: [OnceCell<(f32, f32)>; 2],
    variance: [OnceCell<(f32, f32)>; 2],
}

impl Session {
    /// Time from left to right, subcarriers with the highest index at the top.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::NoPhase`].
    pub fn waterfall(&self, ask: &WaterfallAsk) -> Result<Raster> {
        let open = self.opened()?;
        open.need_phase(ask.kind == WaterfallKind::Phase)?;
        let rows = open.rows(ask.useful_only);
        let columns = ask.columns.min(MAX_COLUMNS);
        let mut values = vec![f32::NAN; rows.len() * columns];
        let column_s = (ask.end_s - ask.start_s) / columns.max(1) as f64;
        if column_s > 0.0 && column_s.is_finite() {
            let mut scratch = Scratch::new(&rows);
            for column in 0..columns {
                let from = ask.start_s + column as f64 * column_s;
                if open.fill_column(ask.kind, ask.gain, (from, from + column_s), &mut scratch) {
                    for (row, value) in scratch.result.iter().enumerate() {
                        values[row * columns + column] = *value;
                    }
                }
            }
        }
        let (range, map) = match ask.kind {
            WaterfallKind::Phase => {
                ((-core::f32::consts::PI, core::f32::consts::PI), ColourMap::Twilight)
            }
            WaterfallKind::Amplitude => (open.amplitude_scale(ask.gain), ColourMap::Cividis),
            WaterfallKind::Variance => (open.variance_scale(ask.gain), ColourMap::Cividis),
        };
        Ok(Raster::paint(&values, columns, range, map, ask.dark))
    }

    /// One subcarrier over time, thinned to pixel columns.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Pair`]; [`LabError::NoPhase`].
    pub fn subcarrier_series(
        &self,
        pair: usize,
        (start_s, end_s): (f64, f64),
        columns: usize,
        quantity: Quantity,
        gain: bool,
    ) -> Result<Thinned> {
        let open = self.opened()?;
        open.need_phase(quantity == Quantity::Phase)?;
        let count = open.map.subcarriers.len();
        if pair >= count {
            return Err(LabError::Pair { index: pair, count });
        }
        let stream = open.stream();
        let points = open.frames_between(start_s, end_s).map(|frame| {
            let values = stream.frame(frame).values;
            let value = match quantity {
                Quantity::Phase => phase(&values, pair),
                Quantity::Amplitude if gain => {
                    amplitude(&values, pair) / open.mean_amplitude(&values)
                }
                Quantity::Amplitude => amplitude(&values, pair),
            };
            (open.times_s[frame], value)
        });
        Ok(thin(points, start_s, end_s, columns.min(MAX_COLUMNS), open.gap_s()))
    }

    /// RSSI over time in dBm; empty where it is unknown.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn rssi_series(&self, (start_s, end_s): (f64, f64), columns: usize) -> Result<Thinned> {
        let open = self.opened()?;
        let stream = open.stream();
        let points = open
            .frames_between(start_s, end_s)
            .filter_map(|frame| Some((open.times_s[frame], f32::from(stream.rssi_dbm(frame)?))));
        Ok(thin(points, start_s, end_s, columns.min(MAX_COLUMNS), open.gap_s()))
    }

    /// Frames per second in the second around each pixel column; at the ends of the recording
    /// in the part of that second that lies inside.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn rate_series(&self, (start_s, end_s): (f64, f64), columns: usize) -> Result<Thinned> {
        let open = self.opened()?;
        let columns = columns.min(MAX_COLUMNS);
        let (first, last) = (0.0, open.times_s.last().copied().unwrap_or(0.0));
        let points = (0..columns).filter_map(|column| {
            let at = start_s + (end_s - start_s) * (column as f64 + 0.5) / columns as f64;
            let (from, to) = ((at - 0.5).max(first), (at + 0.5).min(last));
            let rate = open.frames_between(from, to).len() as f64 / (to - from);
            ((first..=last).contains(&at) && to > from).then_some((at, rate as f32))
        });
        Ok(thin(points, start_s, end_s, columns, f64::INFINITY))
    }

    /// Motion over the whole recording: the mean absolute change of the useful amplitudes, each
    /// frame divided by its mean, from one frame to the next.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn overview(&self, columns: usize) -> Result<Thinned> {
        let open = self.opened()?;
        let columns = columns.clamp(1, MAX_COLUMNS);
        let end_s = open.times_s.last().copied().unwrap_or(0.0);
        let useful: Vec<usize> = open.useful.iter().map(|pair| usize::from(*pair)).collect();
        let (mut last, mut now) = (vec![0.0; useful.len()], vec![0.0; useful.len()]);
        let mut points = Vec::new();
        for column in 0..columns {
            let part = |column: usize| end_s * column as f64 / columns as f64;
            for frame in
                spread(open.frames_between(part(column), part(column + 1)), FRAMES_A_COLUMN)
            {
                if frame == 0 || points.last().is_some_and(|(at, _)| *at >= open.times_s[frame]) {
                    continue;
                }
                open.amplitudes(frame - 1, &useful, true, &mut last);
                open.amplitudes(frame, &useful, true, &mut now);
                let change: f32 = last.iter().zip(&now).map(|(last, now)| (now - last).abs()).sum();
                points.push((open.times_s[frame], change / useful.len().max(1) as f32));
            }
        }
        Ok(thin(points.into_iter(), 0.0, end_s, columns, open.gap_s()))
    }

    /// One frame over its subcarriers, in ascending frequency.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Frame`].
    pub fn spectrum(&self, frame: usize, gain: bool) -> Result<SpectrumView> {
        let open = self.opened()?;
        let count = open.stream().len();
        if frame >= count {
            return Err(LabError::Frame { index: frame, count });
        }
        let mut pairs = open.rows(false);
        pairs.reverse();
        let mut view =
            SpectrumView { amplitude: vec![0.0; pairs.len()], ..SpectrumView::default() };
        open.amplitudes(frame, &pairs, gain, &mut view.amplitude);
        for pair in pairs {
            let subcarrier = &open.map.subcarriers[pair];
            view.k.push(subcarrier.index.map_or(pair as f64, f64::from));
            view.role.push(subcarrier.role);
        }
        Ok(view)
    }
}

/// The sums of one column.
struct Scratch<'a> {
    rows: &'a [usize],
    one: Vec<f32>,
    mean: Vec<f32>,
    squares: Vec<f32>,
    result: Vec<f32>,
}

impl<'a> Scratch<'a> {
    fn new(rows: &'a [usize]) -> Self {
        let zeros = || vec![0.0; rows.len()];
        Self { rows, one: zeros(), mean: zeros(), squares: zeros(), result: zeros() }
    }
}

impl Open {
    fn need_phase(&self, needed: bool) -> Result<()> {
        if needed && self.stream().kind != StreamKind::Iq { Err(LabError::NoPhase) } else { Ok(()) }
    }

    /// Pair positions from the highest subcarrier index to the lowest; training fields of the
    /// same frame follow each other.
    fn rows(&self, useful_only: bool) -> Vec<usize> {
        if useful_only {
            return self.useful.iter().rev().map(|pair| usize::from(*pair)).collect();
        }
        let subcarriers = &self.map.subcarriers;
        let mut block = 0;
        let mut keys: Vec<(usize, Option<i16>, usize)> = Vec::with_capacity(subcarriers.len());
        for (pair, subcarrier) in subcarriers.iter().enumerate() {
            block += usize::from(pair > 0 && subcarriers[pair - 1].field != subcarrier.field);
            keys.push((block, subcarrier.index, pair));
        }
        keys.sort_unstable();
        keys.into_iter().rev().map(|(_, _, pair)| pair).collect()
    }

    /// The frames with `start <= time < end`; the very last frame also at `end`.
    fn frames_between(&self, start_s: f64, end_s: f64) -> Range<usize> {
        let from = self.times_s.partition_point(|time| *time < start_s);
        let last = self.times_s.last().is_some_and(|last| *last == end_s);
        let to = if last {
            self.times_s.len()
        } else {
            self.times_s.partition_point(|time| *time < end_s)
        };
        from..to.max(from)
    }

    /// A break in a line or picture: eight median periods, at least half a second.
    fn gap_s(&self) -> f64 {
        (self.median_period_s * 8.0).max(0.5)
    }

    fn mean_amplitude(&self, values: &CsiValues<'_>) -> f32 {
        let sum: f32 = self.useful.iter().map(|pair| amplitude(values, usize::from(*pair))).sum();
        sum / self.useful.len().max(1) as f32
    }

    /// Amplitudes of some pairs of one frame; NaN where the frame has no such pair, or no mean.
    fn amplitudes(&self, frame: usize, pairs: &[usize], gain: bool, out: &mut [f32]) {
        let values = self.stream().frame(frame).values;
        let scale = if gain { 1.0 / self.mean_amplitude(&values) } else { 1.0 };
        for (out, pair) in out.iter_mut().zip(pairs) {
            *out = amplitude(&values, *pair) * scale;
        }
    }

    /// Fills `scratch.result` with one column's values; false where the column has no frame.
    fn fill_column(
        &self,
        kind: WaterfallKind,
        gain: bool,
        (from, to): (f64, f64),
        scratch: &mut Scratch<'_>,
    ) -> bool {
        let mut frames = self.frames_between(from, to);
        if frames.is_empty() {
            let before = frames.start.checked_sub(1).filter(|frame| {
                let since = self.times_s[*frame];
                let next = self.times_s.get(frames.start);
                next.is_some_and(|next| {
                    next - since <= self.gap_s()
                        || from - since <= self.median_period_s * HELD_PERIODS
                })
            });
            match before {
                Some(frame) => frames = frame..frame + 1,
                None => return false,
            }
        }
        if kind == WaterfallKind::Phase {
            let values = self.stream().frame(frames.end - 1).values;
            for (result, pair) in scratch.result.iter_mut().zip(scratch.rows) {
                *result = phase(&values, *pair);
            }
            return true;
        }
        if kind == WaterfallKind::Variance && to - from < VARIANCE_S {
            let middle = (from + to) / 2.0;
            frames = self.frames_between(middle - VARIANCE_S / 2.0, middle + VARIANCE_S / 2.0);
        }
        scratch.mean.fill(0.0);
        scratch.squares.fill(0.0);
        let mut count = 0.0f32;
        for frame in spread(frames, FRAMES_A_COLUMN) {
            self.amplitudes(frame, scratch.rows, gain, &mut scratch.one);
            count += 1.0;
            // Welford's update: no difference of large sums.
            for ((mean, squares), value) in
                scratch.mean.iter_mut().zip(&mut scratch.squares).zip(&scratch.one)
            {
                let away = value - *mean;
                *mean += away / count;
                *squares += away * (value - *mean);
            }
        }
        match kind {
            WaterfallKind::Variance if count < 2.0 => return false,
            WaterfallKind::Variance => {
                for (result, squares) in scratch.result.iter_mut().zip(&scratch.squares) {
                    *result = squares / (count - 1.0);
                }
            }
            _ => scratch.result.copy_from_slice(&scratch.mean),
        }
        count > 0.0
    }

    /// From the 1st to the 99.5th percentile of the useful amplitudes of 400 frames.
    fn amplitude_scale(&self, gain: bool) -> (f32, f32) {
        *self.scales.amplitude[usize::from(gain)].get_or_init(|| {
            let useful: Vec<usize> = self.useful.iter().map(|pair| usize::from(*pair)).collect();
            let mut values = Vec::new();
            let mut one = vec![0.0; useful.len()];
            for frame in spread(0..self.stream().len(), 400) {
                self.amplitudes(frame, &useful, gain, &mut one);
                values.extend_from_slice(&one);
            }
            widened(quantiles(&mut values, 0.01, 0.995))
        })
    }

    /// From 0 to the 98th percentile of the variance in 100 places.
    fn variance_scale(&self, gain: bool) -> (f32, f32) {
        *self.scales.variance[usize::from(gain)].get_or_init(|| {
            let rows = self.rows(true);
            let mut scratch = Scratch::new(&rows);
            let mut values = Vec::new();
            for frame in spread(0..self.stream().len(), 100) {
                let at = self.times_s[frame];
                if self.fill_column(WaterfallKind::Variance, gain, (at, at), &mut scratch) {
                    values.extend_from_slice(&scratch.result);
                }
            }
            widened((0.0, quantiles(&mut values, 0.0, 0.98).1))
        })
    }
}

/// A range that is not empty.
fn widened((min, max): (f32, f32)) -> (f32, f32) {
    if max > min { (min, max) } else { (min, min + 1.0) }
}

/// At most `most` numbers of a range, evenly spread, in order, first and last included.
fn spread(range: Range<usize>, most: usize) -> impl Iterator<Item = usize> {
    let (start, len) = (range.start, range.len());
    let count = len.min(most);
    (0..count).map(move |i| start + if count > 1 { i * (len - 1) / (count - 1) } else { len / 2 })
}

/// [`CsiValues::amplitude`] with NaN beyond the end. The square root is correctly rounded in
/// either library, so the bits are the same; this one is an instruction.
fn amplitude(values: &CsiValues<'_>, pair: usize) -> f32 {
    let at = 2 * pair;
    let of = |imag: f32, real: f32| (real * real + imag * imag).sqrt();
    match values {
        CsiValues::Iq8(v) => v.get(at..at + 2).map(|v| of(f32::from(v[0]), f32::from(v[1]))),
        CsiValues::Iq16(v) => v.get(at..at + 2).map(|v| of(f32::from(v[0]), f32::from(v[1]))),
        CsiValues::IqF32(v) => v.get(at..at + 2).map(|v| of(v[0], v[1])),
        CsiValues::Amplitude(v) | CsiValues::FeatureState(v) => v.get(pair).copied(),
    }
    .unwrap_or(f32::NAN)
}

/// [`CsiValues::phase_rad`] with NaN beyond the end and without pairs.
fn phase(values: &CsiValues<'_>, pair: usize) -> f32 {
    if pair < values.pairs() { values.phase_rad(pair).unwrap_or(f32::NAN) } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn spreading_is_even_in_order_and_inside(start: u16, len: u16, most: u8) -> bool {
            let (start, len, most) = (usize::from(start), usize::from(len), usize::from(most));
            let picked: Vec<usize> = spread(start..start + len, most).collect();
            assert_eq!(picked.len(), len.min(most));
            if most >= 2 && len >= 2 {
                assert_eq!((picked[0], picked[picked.len() - 1]), (start, start + len - 1));
            }
            picked.windows(2).all(|pair| pair[0] < pair[1]) && picked.iter().all(|i| (start..start + len).contains(i))
        }

        fn amplitudes_have_the_bits_of_the_core(values: Vec<i8>, pair: u8) -> bool {
            let (values, pair) = (CsiValues::Iq8(&values), usize::from(pair));
            let expected = if pair < values.pairs() { values.amplitude(pair) } else { f32::NAN };
            amplitude(&values, pair).to_bits() == expected.to_bits()
        }
    }
}
