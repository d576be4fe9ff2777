//! Which subjects run against each other, and how far their outputs are apart.

use std::fmt::Write as _;
use std::rc::Rc;

use crate::inputs::{HEADS, Inputs};
use crate::peak::{Peak, Tile};
use crate::{Subject, decode, window};

/// Subjects of one size, to be timed in turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Tokens of the window, or of the past that a step looks back on.
    pub size: usize,
    /// The subjects.
    pub names: Vec<&'static str>,
}

const WINDOWS: [&str; 12] = [
    "upstream-sparse",
    "upstream-gqa",
    "sparse",
    "sparse-fresh",
    "gqa",
    "sparse-ln",
    "sparse-slopes",
    "pyramid",
    "salient",
    "dense",
    "dense-slopes",
    "upstream-dense",
];

const STEPS: [&str; 7] = [
    "upstream-step",
    "exact-step",
    "stream-step",
    "stream-half-step",
    "pyramid-step",
    "pyramid-half-step",
    "salient-step",
];

/// Upstream's dense attention takes minutes beyond.
const UPSTREAM_DENSE_MAX: usize = 4096;
/// What remembers every token takes 1 KB for each.
const EXACT_STEP_MAX: usize = 60_000;

/// Returns all groups, or few and small ones to see that everything runs.
pub fn plan(quick: bool) -> Vec<Group> {
    let sizes: &[usize] =
        if quick { &[64, 256, 1024] } else { &[64, 128, 256, 512, 1024, 2048, 4096, 8192] };
    let windows = sizes.iter().map(|&size| {
        let fits = |name: &&&str| **name != "upstream-dense" || size <= UPSTREAM_DENSE_MAX;
        let peaks = if size == 1024 { &["peak", "tile"][..] } else { &[] };
        Group { size, names: WINDOWS.iter().filter(fits).chain(peaks).copied().collect() }
    });
    let pasts: &[usize] = if quick { &[1000, 8000] } else { &[1000, 8000, 60_000, 1_000_000] };
    let steps = pasts.iter().map(|&size| {
        let remembers_all = |name: &&str| ["upstream-step", "exact-step"].contains(name);
        let fits = |name: &&str| !remembers_all(name) || size <= EXACT_STEP_MAX;
        Group { size, names: STEPS.into_iter().filter(fits).collect() }
    });
    windows.chain(steps).collect()
}

/// Returns the groups, one a line: the size, then the names.
pub fn listed(groups: &[Group]) -> String {
    groups.iter().fold(String::new(), |mut text, group| {
        writeln!(text, "{} {}", group.size, group.names.join(" ")).expect("a String takes it");
        text
    })
}

/// The subjects of a group, made.
pub struct Open {
    /// Queries, keys and values that the windows share, `[seq, HEADS, DIM]`.
    pub inputs: Rc<Inputs>,
    /// By the group's names.
    pub subjects: Vec<(&'static str, Box<dyn Subject>)>,
}

impl Group {
    /// Makes the subjects.
    pub fn open(&self) -> Open {
        // Steps take their tokens in turns: a past of a million needs no million inputs.
        let seq = self.size.min(8192);
        let inputs = Rc::new(Inputs::new(seq, HEADS));
        let shared = Rc::new(Inputs::new(seq, 1));
        let make = |&name: &&'static str| {
            let peak = || -> Option<Box<dyn Subject>> {
                match name {
                    "peak" => Some(Box::<Peak>::default()),
                    "tile" => Some(Box::<Tile>::default()),
                    _ => None,
                }
            };
            let subject = window::make(name, &inputs, &shared)
                .or_else(|| decode::make(name, &inputs, self.size))
                .or_else(peak);
            (name, subject.expect("every planned name has a subject"))
        };
        let subjects = self.names.iter().map(make).collect();
        Open { inputs, subjects }
    }
}

impl Open {
    /// Returns the largest difference of a subject's output to upstream's for the same edges; NaN
    /// where there is none to compare.
    pub fn difference(&self, at: usize) -> f32 {
        let (name, subject) = &self.subjects[at];
        let reference = match *name {
            "sparse" | "sparse-fresh" => "upstream-sparse",
            "gqa" => "upstream-gqa",
            "dense" => "upstream-dense",
            _ => return f32::NAN,
        };
        let find = |(name, _): &&(&str, Box<dyn Subject>)| *name == reference;
        let Some((_, reference)) = self.subjects.iter().find(find) else { return f32::NAN };
        let pairs = subject.output().iter().zip(reference.output());
        pairs.fold(0.0, |most, (a, b)| f32::max(most, (a - b).abs()))
    }

    /// Returns the FNV-1a hash of the bits of a subject's output.
    pub fn bits(&self, at: usize) -> u32 {
        let bytes = self.subjects[at].1.output().iter().flat_map(|number| number.to_le_bytes());
        bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every subject of the plan exists, runs twice and gives finite numbers; those with the same
    /// edges as upstream give upstream's numbers.
    #[test]
    fn every_planned_subject_computes_what_it_is_named_after() {
        for quick in [true, false] {
            for mut group in plan(quick) {
                group.size = group.size.min(96);
                let mut open = group.open();
                let mut compared = 0;
                for (_, subject) in &mut open.subjects {
                    subject.rewind();
                    subject.run();
                    subject.run();
                }
                for (at, (name, subject)) in open.subjects.iter().enumerate() {
                    assert!(subject.output().iter().all(|n| n.is_finite()), "{name}");
                    assert!(subject.output().iter().any(|n| *n != 0.0), "{name}");
                    let difference = open.difference(at);
                    assert!(difference.is_nan() || difference <= 1e-6, "{name}: {difference}");
                    compared += usize::from(!difference.is_nan());
                }
                assert!(compared >= 3 || !group.names.contains(&"dense"), "{group:?}");
            }
        }
    }

    #[test]
    fn other_patterns_and_slopes_give_other_bits() {
        let names = vec!["sparse", "sparse-fresh", "sparse-ln", "sparse-slopes", "dense"];
        let mut open = Group { size: 80, names }.open();
        open.subjects.iter_mut().for_each(|(_, subject)| subject.run());
        let bits: Vec<u32> = (0..5).map(|at| open.bits(at)).collect();
        assert_eq!(bits[0], bits[1]);
        let mut others = bits[1..].to_vec();
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 4);
    }

    #[test]
    fn lists_name_every_group() {
        let groups = plan(true);
        let text = listed(&groups);
        assert_eq!(text.lines().count(), groups.len());
        assert!(text.starts_with("64 upstream-sparse upstream-gqa sparse "), "{text}");
    }
}
