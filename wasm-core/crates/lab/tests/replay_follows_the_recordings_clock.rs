//! The replay clock shows the frame that the recording's own times demand.

use csi_lab::replay::Replay;
use quickcheck::{TestResult, quickcheck};

/// Times in microseconds from the gaps between frames.
fn times(gaps: &[u32]) -> Vec<f64> {
    let mut now = 0.0;
    gaps.iter()
        .map(|gap| {
            now += f64::from(*gap % 200_000);
            now
        })
        .collect()
}

/// The definition: the last frame whose time is not after the position.
fn naive_frame(times: &[f64], seconds: f64) -> usize {
    let position = times[0] + seconds * 1e6;
    (0..times.len()).rev().find(|i| times[*i] <= position + 1e-3).unwrap_or(0)
}

/// Milliseconds until a replay that is asked every `tick` ms has stopped at the end.
fn duration_ms(mut replay: Replay, tick: f64) -> f64 {
    replay.play(1000.0);
    let mut now = 1000.0;
    while replay.is_playing() {
        now += tick;
        replay.advance(now);
    }
    now - 1000.0
}

quickcheck! {
    fn playing_only_moves_forward_and_never_beyond_the_end(gaps: Vec<u32>, ticks: Vec<u16>) -> TestResult {
        if gaps.is_empty() { return TestResult::discard(); }
        let times = times(&gaps);
        let mut replay = Replay::new(times.clone());
        let (mut now, mut frame, mut seconds) = (5.0, 0, 0.0);
        replay.play(now);
        for tick in ticks {
            now += f64::from(tick % 500);
            let changed = replay.advance(now);
            assert!(replay.frame() >= frame && replay.frame() < times.len());
            assert!(replay.seconds() >= seconds && replay.seconds() <= replay.span_seconds());
            assert_eq!(changed, replay.frame() != frame);
            (frame, seconds) = (replay.frame(), replay.seconds());
        }
        TestResult::passed()
    }

    fn the_frame_is_the_last_one_not_after_the_clock(gaps: Vec<u32>, elapsed_ms: u32, speed: u8) -> TestResult {
        if gaps.len() < 2 { return TestResult::discard(); }
        let times = times(&gaps);
        let span_ms = (times[times.len() - 1] - times[0]) / 1e3;
        let speed = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0][usize::from(speed) % 6];
        let elapsed = f64::from(elapsed_ms) % (span_ms / speed + 1.0);
        if span_ms <= 0.0 { return TestResult::discard(); }
        let mut replay = Replay::new(times.clone());
        replay.set_speed(speed);
        replay.play(0.0);
        replay.advance(elapsed);
        let expected = naive_frame(&times, (elapsed * speed / 1e3).min(span_ms / 1e3));
        TestResult::from_bool(replay.frame() == expected)
    }

    fn seeking_to_a_frame_shows_exactly_that_frame(gaps: Vec<u32>, frame: usize) -> TestResult {
        if gaps.is_empty() { return TestResult::discard(); }
        let times = times(&gaps);
        let mut replay = Replay::new(times.clone());
        replay.seek_frame(frame);
        let expected = frame.min(times.len() - 1);
        assert_eq!(replay.frame(), expected);
        TestResult::from_bool((replay.seconds() - (times[expected] - times[0]) / 1e6).abs() < 1e-9)
    }

    fn seeking_to_a_time_agrees_with_the_definition(gaps: Vec<u32>, millis: i32) -> TestResult {
        if gaps.is_empty() { return TestResult::discard(); }
        let times = times(&gaps);
        let mut replay = Replay::new(times.clone());
        replay.seek_seconds(f64::from(millis) / 1e3);
        let clamped = (f64::from(millis) / 1e3).clamp(0.0, replay.span_seconds());
        TestResult::from_bool(replay.frame() == naive_frame(&times, clamped))
    }

    fn any_series_of_calls_stays_inside(times: Vec<f64>, calls: Vec<(u8, f64)>) -> bool {
        let count = times.len();
        let mut replay = Replay::new(times);
        for (call, number) in calls {
            match call % 10 {
                0 => replay.play(number),
                1 => replay.toggle(number),
                2 => replay.set_speed(number),
                3 => replay.set_looping(number > 0.0),
                4 => replay.seek_seconds(number),
                5 => replay.step_frames(number as i64),
                6 => replay.step_seconds(number),
                7 => replay.end(),
                8 => replay.seek_frame(number as usize),
                _ => { replay.advance(number); }
            }
            assert!(replay.frame() < count.max(1), "frame {} of {count}", replay.frame());
            assert!(replay.seconds() >= 0.0 && replay.seconds() <= replay.span_seconds());
        }
        true
    }
}

#[test]
fn twice_the_speed_takes_half_the_time() {
    let times: Vec<f64> = (0..200).map(|i| f64::from(i) * 9_346.0).collect();
    let span_ms = 199.0 * 9.346;
    for speed in [0.25, 0.5, 1.0, 2.0, 4.0, 8.0] {
        let mut replay = Replay::new(times.clone());
        replay.set_speed(speed);
        let took = duration_ms(replay, 1.0);
        assert!((took - span_ms / speed).abs() <= 1.0, "speed {speed}: {took} ms");
    }
}

#[test]
fn a_loop_wraps_and_shows_every_frame_again() {
    let mut replay = Replay::new(vec![0.0, 1e5, 2e5, 3e5]);
    replay.set_looping(true);
    replay.play(0.0);
    let mut seen = Vec::new();
    for step in 1..=10 {
        // Half a frame late, so that rounding cannot decide.
        replay.advance(f64::from(step) * 100.0 + 50.0);
        seen.push(replay.frame());
    }
    assert_eq!(seen, [1, 2, 3, 0, 1, 2, 3, 0, 1, 2]);
    assert!(replay.is_playing());
}

#[test]
fn at_the_end_it_stops_and_play_starts_again() {
    let mut replay = Replay::new(vec![0.0, 1e5, 2e5]);
    replay.play(0.0);
    replay.advance(10_000.0);
    assert!(!replay.is_playing());
    assert_eq!((replay.frame(), replay.seconds()), (2, 0.2));
    replay.play(20_000.0);
    assert_eq!(replay.frame(), 0);
    replay.advance(20_150.0);
    assert_eq!(replay.frame(), 1);
}

#[test]
fn a_pause_does_not_count() {
    let mut replay = Replay::new((0..100).map(|i| f64::from(i) * 1e5).collect());
    replay.play(0.0);
    replay.advance(250.0);
    replay.pause();
    assert!(!replay.advance(9_000.0));
    replay.play(10_000.0);
    replay.advance(10_100.0);
    assert_eq!(replay.frame(), 3);
}

#[test]
fn nothing_to_play_is_not_an_error() {
    for times in [vec![], vec![7.0], vec![7.0, 7.0], vec![f64::NAN, f64::INFINITY]] {
        let mut replay = Replay::new(times);
        replay.play(0.0);
        assert!(!replay.is_playing() && !replay.advance(1e9));
        assert_eq!(replay.seconds(), 0.0);
    }
}

/// A recording that grows is at the end the one that was whole from the start; the cursor stays.
#[test]
fn appended_times_are_those_of_a_replay_made_anew() {
    fn property(stamps: Vec<f64>, cut: usize, at: f64) -> bool {
        let cut = cut % (stamps.len() + 1);
        let mut grown = Replay::new(stamps[..cut].to_vec());
        grown.seek_seconds(at);
        let place = (grown.frame(), grown.seconds());
        grown.append(&stamps[cut..]);
        let stayed = cut == 0 || place == (grown.frame(), grown.seconds());
        let mut whole = Replay::new(stamps.clone());
        // What comes before the first time that can be is taken as that one, which is then unknown.
        if stamps.iter().take(cut).all(|stamp| !stamp.is_finite()) && cut > 0 {
            return stayed;
        }
        let same = |grown: &Replay, whole: &Replay| {
            (grown.frame(), grown.seconds(), grown.span_seconds())
                == (whole.frame(), whole.seconds(), whole.span_seconds())
        };
        let mut all = stayed && grown.frame_count() == whole.frame_count();
        for frame in 0..stamps.len() {
            grown.seek_frame(frame);
            whole.seek_frame(frame);
            all &= same(&grown, &whole);
        }
        all
    }
    quickcheck::QuickCheck::new().quickcheck(property as fn(Vec<f64>, usize, f64) -> bool);
}
