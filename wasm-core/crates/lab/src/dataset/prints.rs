//! Near-duplicates: frames of one recording that are also in another, whatever their names are.
//!
//! A frame's print is eight bands of its useful amplitudes, divided by their mean. Four neighbours
//! in time are taken for a copy of four others when the prints differ by less than a tenth of what
//! neighbouring frames differ by, squared and summed over the four. That is far below the noise of
//! two frames that were received one after the other, so a still room is not taken for a copy of
//! itself, while a file that was renamed, cut or printed with fewer digits is. What was resampled or
//! got noise of its own is not found.

use csi_temporal::frame::{CsiFrame, CsiValues};

use super::Tape;

/// Numbers in a print.
const BANDS: usize = 8;
/// Neighbours that are compared at once.
const RUN: usize = 4;
/// How much closer than neighbours copies are, as a share of the squared difference.
const SHARE: f32 = 0.01;

/// What is kept of a frame.
pub(super) type Print = [f32; BANDS];

/// Returns the print of a frame; zeros for one that cannot be read.
pub(super) fn of(frame: &CsiFrame<'_>, useful: &[u16]) -> Print {
    let values = &frame.values;
    let amplitude = |pair: usize| -> f32 {
        let of_pair = |re: f32, im: f32| libm::sqrtf(re * re + im * im);
        let (at, next) = (2 * pair, 2 * pair + 1);
        match values {
            CsiValues::Iq8(v) if next < v.len() => of_pair(v[at].into(), v[next].into()),
            CsiValues::Iq16(v) if next < v.len() => of_pair(v[at].into(), v[next].into()),
            CsiValues::IqF32(v) if next < v.len() => of_pair(v[at], v[next]),
            CsiValues::Amplitude(v) | CsiValues::FeatureState(v) if pair < v.len() => v[pair],
            _ => 0.0,
        }
    };
    let count = if useful.is_empty() { values.pairs() } else { useful.len() };
    let pair = |index: usize| useful.get(index).map_or(index, |pair| usize::from(*pair));
    let mut print = [0.0; BANDS];
    for (band, print) in print.iter_mut().enumerate() {
        let range = band * count / BANDS..(band + 1) * count / BANDS;
        *print = range.map(|index| amplitude(pair(index))).sum::<f32>();
    }
    let sum: f32 = print.iter().sum();
    let print = print.map(|band| band / sum);
    if print.iter().all(|band| band.is_finite()) { print } else { [0.0; BANDS] }
}

fn distance(a: &Print, b: &Print) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Counts the labelled stretches of four frames in `tape`, and those of them that lie in `others`,
/// with the number of the first such other tape.
pub(super) fn copies(tape: &Tape, others: &[Tape]) -> (usize, usize, Option<usize>) {
    let mut steps: Vec<f32> =
        tape.prints.windows(2).map(|two| distance(&two[0], &two[1])).collect();
    if steps.is_empty() {
        return (0, 0, None);
    }
    let middle = steps.len() / 2;
    let median = *steps.select_nth_unstable_by(middle, f32::total_cmp).1;
    let limit = SHARE * median * RUN as f32;
    // Sorted by one number, so that most candidates are never looked at.
    let mut index: Vec<(f32, u32, u32)> = Vec::new();
    for (other, of) in others.iter().enumerate() {
        for range in &of.labelled_frames {
            let starts = range.start..range.end.saturating_sub(RUN - 1).max(range.start);
            index.extend(starts.map(|at| (of.prints[at][0], other as u32, at as u32)));
        }
    }
    index.sort_by(|a, b| a.0.total_cmp(&b.0));
    let reach = libm::sqrtf(limit);
    let (mut all, mut copied, mut first) = (0, 0, None);
    for range in &tape.labelled_frames {
        for at in (range.start..range.end.saturating_sub(RUN - 1).max(range.start)).step_by(RUN) {
            let mine = &tape.prints[at..at + RUN];
            if mine.iter().all(|print| *print == mine[0]) {
                continue; // A receiver that stands still says nothing about copies.
            }
            all += 1;
            let from = index.partition_point(|entry| entry.0 < mine[0][0] - reach);
            let near = index[from..].iter().take_while(|entry| entry.0 <= mine[0][0] + reach);
            let copy = near.into_iter().find(|(_, other, start)| {
                let theirs = &others[*other as usize].prints[*start as usize..][..RUN];
                let mut sum = 0.0;
                mine.iter().zip(theirs).all(|(a, b)| {
                    sum += distance(a, b);
                    sum <= limit
                })
            });
            if let Some((_, other, _)) = copy {
                copied += 1;
                first = first.or(Some(*other as usize));
            }
        }
    }
    (all, copied, first)
}
