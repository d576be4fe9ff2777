//! Timing on the host: samples in turns, medians. `schedule.mjs` does the same for wasm.

use crate::group::{Group, plan};

/// A sample runs its subject so often that it takes about this long, in seconds.
const SAMPLE: f64 = 2e-3;

/// How long a measurement may take.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Samples of each subject.
    pub rounds: usize,
    /// Seconds for one subject; slow ones get fewer samples, three at least.
    pub seconds: f64,
}

impl Effort {
    /// For figures, or to see that everything runs.
    pub fn of(quick: bool) -> Self {
        if quick { Self { rounds: 5, seconds: 0.2 } } else { Self { rounds: 31, seconds: 1.5 } }
    }
}

/// Measures the whole plan; hands over one line of JSON per subject.
pub fn measure(quick: bool, mut tell: impl FnMut(String)) {
    for group in plan(quick) {
        measure_group(&group, Effort::of(quick), &mut tell);
    }
}

fn measure_group(group: &Group, effort: Effort, tell: &mut impl FnMut(String)) {
    let mut open = group.open();
    let mut sample = |at: usize, times: usize| {
        let subject = &mut open.subjects[at].1;
        subject.rewind();
        let start = cpu_seconds();
        (0..times).for_each(|_| subject.run());
        (cpu_seconds() - start) / times as f64
    };
    let plans: Vec<(usize, usize)> = (0..group.names.len())
        .map(|at| {
            let once = sample(at, 1).min(sample(at, 1)).max(1e-8);
            let times = ((SAMPLE / once) as usize).clamp(1, 1000);
            let samples = effort.seconds / (once * times as f64);
            (times, (samples as usize).clamp(3, effort.rounds))
        })
        .collect();
    let mut taken = vec![Vec::new(); plans.len()];
    for round in 0..effort.rounds {
        for (at, &(times, samples)) in plans.iter().enumerate() {
            // Spread over the rounds, so that a slow subject sees the same hours as a quick one.
            if (round + 1) * samples / effort.rounds > round * samples / effort.rounds {
                taken[at].push(sample(at, times));
            }
        }
    }
    for (at, mut seconds) in taken.into_iter().enumerate() {
        seconds.sort_by(f64::total_cmp);
        let (median, least) = (median(&seconds) * 1e6, seconds[0] * 1e6);
        let difference = open.difference(at);
        let difference =
            if difference.is_nan() { "null".to_string() } else { format!("{difference:e}") };
        tell(format!(
            "{{\"place\":\"native\",\"build\":\"native\",\"name\":\"{}\",\"size\":{},\
             \"median_micros\":{median},\"least_micros\":{least},\"samples\":{},\"flops\":{},\
             \"memory_bytes\":{},\"bits\":{},\"difference\":{difference}}}",
            group.names[at],
            group.size,
            seconds.len(),
            open.subjects[at].1.flops(),
            open.subjects[at].1.memory_bytes(),
            open.bits(at),
        ));
    }
}

/// Returns the middle of sorted numbers, of two middle ones the mean.
///
/// # Panics
///
/// When there is none.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// Returns what this thread has computed so far, in seconds: time that others had does not count.
#[cfg(unix)]
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "this system has a clock per thread");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Returns seconds by the wall: there is no clock per thread.
#[cfg(not(unix))]
fn cpu_seconds() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_middles() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0, 100.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 100.0]), 3.0);
    }

    #[test]
    fn the_clock_counts_work_and_not_sleep() {
        let start = cpu_seconds();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let slept = cpu_seconds() - start;
        let mut x = 1.0_f64;
        let work = std::time::Instant::now();
        while work.elapsed().as_millis() < 20 {
            x = std::hint::black_box(x * 1.000_001);
        }
        assert!(cpu_seconds() > start + slept, "work counts");
        assert!(!cfg!(unix) || slept < 0.1, "sleep does not: {slept} s");
    }

    #[test]
    fn every_subject_of_a_group_is_told_once() {
        let group = Group { size: 32, names: vec!["sparse", "dense", "peak"] };
        let mut lines = Vec::new();
        let effort = Effort { rounds: 4, seconds: 0.01 };
        measure_group(&group, effort, &mut |line| lines.push(line));
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("\"name\":\"sparse\",\"size\":32,\"median_micros\":"));
    }
}
