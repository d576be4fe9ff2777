//! Replay: which frame is shown at which moment, paced by the recording's own clock.
//!
//! [`Replay`] owns no clock. The caller passes the time that its own clock shows, in
//! milliseconds, to [`Replay::play`] and [`Replay::advance`]; everything else follows from the
//! times of the frames. It knows nothing of what a frame holds, and draws nothing.
//!
//! ```text
//!            play(now)                advance(now) at the end, not looping
//!  stopped ────────────> playing ────────────────────────────────────────> stopped
//!            pause()        │ ^
//!  stopped <────────────────┘ └── advance(now): position += (now - last now) * speed
//! ```

/// The slowest and the fastest speed, as factors of real time.
pub const SPEED_RANGE: (f64, f64) = (0.25, 8.0);

/// The replay clock of one stream. Positions are microseconds on the stream's own time axis.
#[derive(Clone, Debug)]
pub struct Replay {
    times_micros: Vec<f64>,
    position_micros: f64,
    frame: usize,
    speed: f64,
    looping: bool,
    /// The caller's clock at the last movement; `None` while stopped.
    last_now_ms: Option<f64>,
}

impl Replay {
    /// Starts stopped at the first frame, at speed 1, not looping.
    ///
    /// `times_micros` holds one time for each frame. A time that is smaller than the one before
    /// it, or not finite, is taken as equal to the one before it, so that positions only grow.
    pub fn new(mut times_micros: Vec<f64>) -> Self {
        let mut last = times_micros.iter().copied().find(|t| t.is_finite()).unwrap_or(0.0);
        for time in &mut times_micros {
            if time.is_finite() && *time > last {
                last = *time;
            } else {
                *time = last;
            }
        }
        let position_micros = times_micros.first().copied().unwrap_or(0.0);
        Self {
            times_micros,
            position_micros,
            frame: 0,
            speed: 1.0,
            looping: false,
            last_now_ms: None,
        }
    }

    /// Appends the times of frames that came since; position and speed stay. Times are taken as
    /// [`Replay::new`] takes them.
    pub fn append(&mut self, times_micros: &[f64]) {
        let mut last = self.times_micros.last().copied();
        for time in times_micros {
            let before = last.unwrap_or(if time.is_finite() { *time } else { 0.0 });
            let time = if time.is_finite() { time.max(before) } else { before };
            if last.is_none() {
                self.position_micros = time;
            }
            self.times_micros.push(time);
            last = Some(time);
        }
    }

    /// Plays from the position, or from the start when the position is the end.
    ///
    /// `now_ms` is the caller's clock. Without at least two different times there is nothing to
    /// play, and the replay stays stopped.
    pub fn play(&mut self, now_ms: f64) {
        if self.span_micros() <= 0.0 || !now_ms.is_finite() {
            return;
        }
        if self.position_micros >= self.end_micros() {
            self.home();
        }
        self.last_now_ms = Some(now_ms);
    }

    /// Stops at the position.
    pub fn pause(&mut self) {
        self.last_now_ms = None;
    }

    /// Plays when stopped, pauses when playing.
    pub fn toggle(&mut self, now_ms: f64) {
        if self.is_playing() { self.pause() } else { self.play(now_ms) }
    }

    /// Sets the speed, clamped to [`SPEED_RANGE`]. It holds from the last `advance` on.
    /// A speed that is not finite changes nothing.
    pub fn set_speed(&mut self, speed: f64) {
        if speed.is_finite() {
            self.speed = speed.clamp(SPEED_RANGE.0, SPEED_RANGE.1);
        }
    }

    /// Chooses what happens at the end: start again, or stop.
    pub fn set_looping(&mut self, looping: bool) {
        self.looping = looping;
    }

    /// Goes to a frame; one behind the last is taken as the last.
    pub fn seek_frame(&mut self, frame: usize) {
        self.frame = frame.min(self.times_micros.len().saturating_sub(1));
        self.position_micros = self.times_micros.get(self.frame).copied().unwrap_or(0.0);
    }

    /// Goes to a time in seconds after the first frame, clamped to the recording.
    pub fn seek_seconds(&mut self, seconds: f64) {
        if !seconds.is_finite() {
            return;
        }
        let (start, end) = (self.start_micros(), self.end_micros());
        self.position_micros = (start + seconds * 1e6).clamp(start, end);
        self.frame = self.frame_at(self.position_micros);
    }

    /// Moves by frames, backwards when negative, and stays inside the recording.
    pub fn step_frames(&mut self, frames: i64) {
        let last = self.times_micros.len().saturating_sub(1);
        let steps = usize::try_from(frames.unsigned_abs()).unwrap_or(usize::MAX);
        let target = if frames < 0 {
            self.frame.saturating_sub(steps)
        } else {
            self.frame.saturating_add(steps)
        };
        self.seek_frame(target.min(last));
    }

    /// Moves by seconds, backwards when negative, and stays inside the recording.
    pub fn step_seconds(&mut self, seconds: f64) {
        self.seek_seconds(self.seconds() + seconds);
    }

    /// Goes to the first frame.
    pub fn home(&mut self) {
        self.seek_frame(0);
    }

    /// Goes to the last frame.
    pub fn end(&mut self) {
        self.seek_frame(usize::MAX);
    }

    /// Moves the position to what the caller's clock shows. Returns whether the frame changed.
    ///
    /// At the end it stops there, or wraps when looping; one round of a loop lasts the span plus
    /// one mean frame period, so that the last frame is seen too. A clock that goes backwards
    /// moves nothing.
    pub fn advance(&mut self, now_ms: f64) -> bool {
        let Some(last_now_ms) = self.last_now_ms else {
            return false;
        };
        if !now_ms.is_finite() {
            return false;
        }
        self.last_now_ms = Some(now_ms);
        let moved = (now_ms - last_now_ms).max(0.0) * 1e3 * self.speed;
        let (start, end) = (self.start_micros(), self.end_micros());
        let mut position = self.position_micros + moved;
        if self.looping {
            let round = self.span_micros() + self.mean_period_micros();
            if position >= start + round {
                position = start + (position - start) % round;
            }
        } else if position >= end {
            position = end;
            self.last_now_ms = None;
        }
        self.position_micros = position;
        let frame = self.frame_at(position);
        core::mem::replace(&mut self.frame, frame) != frame
    }

    /// The index of the frame that is shown; 0 in an empty stream.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// The position in seconds after the first frame, never beyond the last one.
    pub fn seconds(&self) -> f64 {
        (self.position_micros.min(self.end_micros()) - self.start_micros()) / 1e6
    }

    /// Whether the clock runs.
    pub fn is_playing(&self) -> bool {
        self.last_now_ms.is_some()
    }

    /// The speed as a factor of real time.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Whether the end leads back to the start.
    pub fn is_looping(&self) -> bool {
        self.looping
    }

    /// The number of frames.
    pub fn frame_count(&self) -> usize {
        self.times_micros.len()
    }

    /// The time from the first frame to the last in seconds.
    pub fn span_seconds(&self) -> f64 {
        self.span_micros() / 1e6
    }

    fn start_micros(&self) -> f64 {
        self.times_micros.first().copied().unwrap_or(0.0)
    }

    fn end_micros(&self) -> f64 {
        self.times_micros.last().copied().unwrap_or(0.0)
    }

    fn span_micros(&self) -> f64 {
        self.end_micros() - self.start_micros()
    }

    fn mean_period_micros(&self) -> f64 {
        self.span_micros() / (self.times_micros.len().saturating_sub(1).max(1)) as f64
    }

    /// The last frame whose time is not after `position`.
    fn frame_at(&self, position: f64) -> usize {
        self.times_micros.partition_point(|time| *time <= position).saturating_sub(1)
    }
}
