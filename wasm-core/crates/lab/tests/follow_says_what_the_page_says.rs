//! A recording is played, its rows go to a simulated board, and what the board says about each
//! window is held against the head itself, on virtual time.

mod device_support;

use csi_lab::device::{
    DeviceError, DeviceEvent, FollowAsk, FollowView, FollowedView, Rows, RowsWanted, Task,
};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::WeightBlob;
use device_support::{DIM, Story, WINDOW, blob, flashed, numbers};
use esp_flasher::Cable;

/// From one row to the next, and from one place of the cursor to the next.
const ROW_MICROS: i64 = 10_000;
const TICK_MICROS: u64 = 16_000;

/// A recording, what plays it, and what came of it.
struct Played {
    story: Story,
    weights: Vec<u8>,
    times: Vec<i64>,
    values: Vec<f32>,
    /// Rows at which the clock broke.
    breaks: Vec<usize>,
    followed: Vec<FollowedView>,
    view: FollowView,
    failed: Option<DeviceError>,
}

impl Played {
    fn new(rows: usize, cable: Cable, faults: &str) -> Self {
        let weights = blob(3);
        let mut story = Story::new(flashed(Some(&blob(9))), cable, faults).connected();
        let ask = FollowAsk { blob: weights.clone(), period_rows: 5, send_weights: true };
        let now = story.now();
        story.device.follow(now, ask).unwrap();
        Self {
            story,
            weights,
            times: (0..rows as i64).map(|row| row * ROW_MICROS).collect(),
            values: numbers(rows * DIM),
            breaks: Vec::new(),
            followed: Vec::new(),
            view: FollowView::default(),
            failed: None,
        }
    }

    /// What whoever has the recording answers.
    fn rows(&self, wanted: &RowsWanted) -> Rows {
        let first = match wanted.from {
            Some(from) => from as usize,
            None => {
                let end = self.times.partition_point(|time| *time <= wanted.time_micros);
                let oldest = self.breaks.iter().copied().filter(|at| *at < end).max().unwrap_or(0);
                end.saturating_sub(wanted.before).max(oldest)
            }
        };
        let next = self.breaks.iter().copied().find(|at| *at > first).unwrap_or(self.times.len());
        let end = next.min(first + wanted.most);
        Rows {
            first: first as u32,
            starts: self.breaks.contains(&first),
            times_micros: self.times[first..end].to_vec(),
            values: self.values[first * DIM..end * DIM].to_vec(),
        }
    }

    /// Lets the cable work for a while.
    fn wait(&mut self, micros: u64) {
        let until = self.story.now() + micros;
        loop {
            let mut events = Vec::new();
            let Story { device, board, link, .. } = &mut self.story;
            link.run(device, board, until, |device| {
                events.extend(std::iter::from_fn(|| device.poll_event()));
                events.iter().any(|event| matches!(event, DeviceEvent::RowsWanted { .. }))
            });
            let now = link.now_micros;
            let mut is_over = true;
            for event in events {
                match event {
                    DeviceEvent::RowsWanted { wanted } => {
                        let rows = self.rows(&wanted);
                        self.story.device.follow_rows(now, wanted.ask, &rows);
                        is_over = false;
                    }
                    DeviceEvent::Followed { followed } => self.followed.push(followed),
                    DeviceEvent::Following { following } => self.view = following,
                    DeviceEvent::Failed { error, .. } => self.failed = Some(error),
                    _ => {}
                }
            }
            if is_over {
                break;
            }
        }
        self.story.link.now_micros = until;
    }

    /// Plays from one second to another at this speed; returns how far the last classification
    /// was behind the cursor, in seconds.
    fn play(&mut self, from_s: f64, to_s: f64, speed: f64) -> f64 {
        let mut seconds = from_s;
        while seconds < to_s {
            self.cursor(seconds);
            self.wait(TICK_MICROS);
            seconds += TICK_MICROS as f64 / 1e6 * speed;
        }
        let newest = self.followed.last().map_or(0.0, |newest| newest.time_micros as f64 / 1e6);
        seconds - newest
    }

    fn cursor(&mut self, seconds: f64) {
        let now = self.story.now();
        self.story.device.follow_to(now, (seconds * 1e6) as i64);
    }

    /// Every one of them, against the head on the rows of the recording.
    fn check(&self) {
        assert_eq!(self.failed, None);
        let head = TemporalHead::from_blob(&WeightBlob::parse(&self.weights).unwrap()).unwrap();
        for followed in &self.followed {
            let end = followed.row as usize + 1;
            assert_eq!(followed.time_micros, self.times[end - 1]);
            let window = &self.values[(end - WINDOW) * DIM..end * DIM];
            let said = head.forward(window, head.backend()).unwrap().logits;
            let bits = |logits: &[f32]| logits.iter().map(|l| l.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&followed.logits), bits(&said), "row {}", followed.row);
            assert_eq!(bits(&followed.ours), bits(&said));
            assert!(followed.is_identical && followed.class == followed.our_class);
        }
        assert_eq!(self.view.classified as usize, self.followed.len());
        assert_eq!(self.view.identical, self.view.classified);
        assert_eq!(self.view.missing, 0);
    }

    fn numbers(&self) -> Vec<u32> {
        self.followed.iter().map(|followed| followed.row).collect()
    }
}

#[test]
fn a_board_that_keeps_up_classifies_every_period_of_the_recording() {
    let mut played = Played::new(600, Cable::SerialJtag, "");
    played.play(0.0, 5.0, 1.0);
    played.check();
    // Until the weights are sent, the cursor goes on: the board begins where it is by then.
    let numbers = played.numbers();
    assert!(numbers.len() > 50, "{numbers:?}");
    assert!(numbers.windows(2).all(|two| two[1] - two[0] == 5), "{numbers:?}");
    assert_eq!((played.view.left_out, played.view.behind, played.view.restarts), (0, 0, 0));
    let first = &played.followed[0];
    assert_eq!(first.since_micros, first.time_micros);
    assert_eq!(played.followed[1].since_micros, first.time_micros);
    // Nothing is sent beyond the cursor, nor while it stands.
    let (rows, newest) = (played.view.rows, played.followed.last().unwrap().time_micros);
    assert!(newest <= 5_000_000 && newest > 4_900_000, "{newest}");
    played.wait(30_000_000);
    assert!(played.view.rows - rows <= 5);
    played.check();
}

#[test]
fn a_cursor_that_goes_back_or_far_ahead_begins_with_an_empty_window() {
    let mut played = Played::new(6000, Cable::SerialJtag, "");
    played.play(0.0, 3.0, 1.0);
    for to_s in [1.0, 40.0, 20.0] {
        let before = played.followed.len();
        played.play(to_s, to_s + 0.5, 1.0);
        let rows = &played.numbers()[before..];
        // The window up to the cursor is sent at once: no time is lost until it is full.
        assert_eq!(rows[0], (to_s * 100.0) as u32, "{rows:?}");
        assert!(rows.len() >= 9, "{rows:?}");
    }
    played.check();
    assert_eq!((played.view.left_out, played.view.behind), (0, 0));
}

#[test]
fn a_slow_line_falls_behind_says_so_and_still_classifies_near_the_cursor() {
    // 115,200 baud carry some 250 of these rows a second; eight times 100 are wanted.
    let mut played = Played::new(12_000, Cable::Bridge, "");
    let late_s = played.play(0.0, 60.0, 8.0);
    played.check();
    let view = played.view;
    assert!(view.behind > 3 && view.left_out > 1000, "{view:?}");
    assert!(view.classified > 50, "{view:?}");
    assert!(late_s < 4.0, "{late_s}");
    // What is left out is what was neither sent nor lies ahead.
    assert!(view.rows + view.left_out <= 6000, "{view:?}");
    // Every row that was sent was sent once, in one piece after each leap.
    let numbers = played.numbers();
    assert!(numbers.windows(2).all(|two| two[1] > two[0]), "{numbers:?}");
    // At the recording's own speed it keeps up.
    let (before, at_s) = (played.view.behind, 70.0);
    let late_s = played.play(at_s, at_s + 5.0, 1.0);
    assert_eq!(played.view.behind, before);
    assert!(late_s < 0.3, "{late_s}");
    played.check();
}

#[test]
fn damage_on_the_line_begins_anew_and_no_window_has_a_hole() {
    let mut played = Played::new(1500, Cable::Bridge, "flip-out@9000,lose-out@14000,flip-in@9000");
    played.play(0.0, 12.0, 1.0);
    played.check();
    assert!(played.view.restarts > 0, "{:?}", played.view);
    assert!(played.followed.len() > 100);
}

#[test]
fn a_break_of_the_recordings_clock_is_in_no_window() {
    let mut played = Played::new(1000, Cable::SerialJtag, "");
    played.breaks = vec![303, 607];
    played.play(0.0, 9.0, 1.0);
    played.check();
    let rows = played.numbers();
    for at in &played.breaks {
        let spans = |row: &&u32| **row as usize >= *at && (**row as usize) < at + WINDOW - 1;
        assert_eq!(rows.iter().find(spans), None, "a window across row {at}");
        assert!(rows.contains(&((at + WINDOW - 1) as u32)), "{at} {rows:?}");
    }
}

#[test]
fn rows_that_do_not_fit_and_rows_nobody_wants_do_no_harm() {
    let mut played = Played::new(600, Cable::SerialJtag, "");
    played.play(0.0, 1.0, 1.0);
    let stale = played.rows(&RowsWanted { ask: 0, from: None, time_micros: 0, before: 1, most: 9 });
    for ask in [0, 1, u32::MAX] {
        let now = played.story.now();
        played.story.device.follow_rows(now, ask, &stale);
    }
    played.play(1.0, 2.0, 1.0);
    played.check();
    let now = played.story.now();
    played.story.device.unfollow(now);
    played.story.until(|event| matches!(event, DeviceEvent::Done { task: Task::Follow }));
    // A task that ended takes nothing, and the next one may begin.
    played.story.device.follow_to(now, 5);
    played.story.device.follow_rows(now, 7, &stale);
    let ask = FollowAsk { blob: played.weights.clone(), period_rows: 0, send_weights: false };
    played.story.device.follow(now, ask).unwrap();
    assert_eq!(
        played.story.device.restart(now),
        Err(DeviceError::Busy { task: Task::Follow }),
        "one thing at a time"
    );
    played.story.device.follow_to(now, 1_000_000);
    let mut wanted = None;
    played.story.until(|event| {
        if let DeviceEvent::RowsWanted { wanted: rows } = event {
            wanted = Some(*rows);
        }
        wanted.is_some()
    });
    let wide = Rows { times_micros: vec![0], values: vec![0.0; DIM + 1], ..Rows::default() };
    let now = played.story.now();
    played.story.device.follow_rows(now, wanted.unwrap().ask, &wide);
    assert_eq!(played.story.finish(), Err(DeviceError::Width { got: DIM + 1, expected: DIM }));
}

#[test]
fn an_unplugged_board_ends_it() {
    let mut played = Played::new(600, Cable::SerialJtag, "");
    played.play(0.0, 1.0, 1.0);
    let now = played.story.now();
    played.story.board.unplug(now);
    assert_eq!(played.story.finish(), Err(DeviceError::Lost));
}
