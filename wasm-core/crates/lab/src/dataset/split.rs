//! Splits of a set of recordings: an honest one, and the one that everybody is tempted by.

use super::Windows;
use crate::random::Random;

/// Chooses recordings to test on: about `share` of all windows, at least one recording, never all.
///
/// Recordings are drawn by the seed; one is taken only if every class that it has is left to train
/// on. Returns the numbers of the tapes, ascending; nothing where no recording can be spared.
pub fn by_recording(all: &Windows, share: f32, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..all.tapes.len()).collect();
    Random::new(seed).shuffle(&mut order);
    let wanted = (all.cuts.len() as f32 * share) as usize;
    let (mut left, mut taken, mut chosen) = (all.counts(), 0, Vec::new());
    for tape in order {
        let counts = all.counts_of(tape);
        let windows: usize = counts.iter().sum();
        let spares = left.iter().zip(&counts).all(|(left, count)| *count == 0 || left > count);
        if windows > 0 && spares && (chosen.is_empty() || taken + windows <= wanted) {
            left.iter_mut().zip(&counts).for_each(|(left, count)| *left -= count);
            taken += windows;
            chosen.push(tape);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Proposes recordings to test on, from the last one backwards: first those with a class that none
/// before them brings, then any, up to about `share` of all windows.
///
/// One is taken only if every class that it has is left to train on. Returns the numbers of the
/// tapes, ascending; nothing where no recording can be spared.
pub fn last_recordings(all: &Windows, share: f32) -> Vec<usize> {
    let wanted = (all.cuts.len() as f32 * share) as usize;
    let (mut left, mut taken, mut chosen) = (all.counts(), vec![0; all.classes.len()], Vec::new());
    for new_classes in [true, false] {
        for tape in (0..all.tapes.len()).rev() {
            let counts = all.counts_of(tape);
            let windows: usize = counts.iter().sum();
            let spares = left.iter().zip(&counts).all(|(left, count)| *count == 0 || left > count);
            let brings = taken.iter().zip(&counts).any(|(taken, count)| *taken == 0 && *count > 0);
            let fits = taken.iter().sum::<usize>() + windows <= wanted;
            let takes = if new_classes { brings } else { fits };
            if windows == 0 || !spares || !takes || chosen.contains(&tape) {
                continue;
            }
            left.iter_mut().zip(&counts).for_each(|(left, count)| *left -= count);
            taken.iter_mut().zip(&counts).for_each(|(taken, count)| *taken += count);
            chosen.push(tape);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Parts a set by recording: the windows of `test` tapes go to the second.
pub fn part(all: &Windows, test: &[usize]) -> (Windows, Windows) {
    let of = |in_test: bool| {
        let tapes = all.tapes.iter().enumerate();
        let tapes = tapes.filter(|(tape, _)| test.contains(tape) == in_test);
        Windows::cut_for(tapes.map(|(_, tape)| tape.clone()).collect(), all.spec, &all.classes)
    };
    (of(false), of(true))
}

/// Parts single windows at random, `share` of them to the second.
///
/// This is how not to do it: neighbours of a test window, which share half of its rows with it, are
/// trained on, and so is every recording. It is here to show by how much that overstates accuracy.
pub fn at_random(all: &Windows, share: f32, seed: u64) -> (Windows, Windows) {
    let mut random = Random::new(seed);
    let (mut train, mut test) = (all.clone(), all.clone());
    (train.cuts, test.cuts) = (Vec::new(), Vec::new());
    for cut in &all.cuts {
        let to = if random.unit() < share { &mut test } else { &mut train };
        to.cuts.push(cut.clone());
    }
    // A shift in time would even train on the test windows themselves.
    for cut in &mut train.cuts {
        cut.room = cut.start..cut.start + 1;
    }
    (train, test)
}
