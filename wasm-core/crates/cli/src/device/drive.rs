//! Lets a device and a port talk: actions, bytes and the clock of this machine.

use std::time::{Duration, Instant};

use csi_lab::device::{Device, DeviceConfig, DeviceError, DeviceEvent, Task};
use esp_flasher::line::Action;

use super::port::Port;

/// The longest that nothing is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often a port that went away is looked for.
const AGAIN: Duration = Duration::from_millis(100);

/// A device at a port.
pub struct Drive {
    pub device: Device,
    port: Port,
    start: Instant,
    /// Whether the port is waited for.
    is_lost: bool,
}

impl Drive {
    pub fn new(port: Port, config: DeviceConfig) -> Self {
        Self { device: Device::new(config), port, start: Instant::now(), is_lost: false }
    }

    /// Microseconds since the port was opened.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Runs until the task that was begun has ended; every event goes through `take`.
    pub fn finish(&mut self, mut take: impl FnMut(DeviceEvent)) -> Result<Task, DeviceError> {
        let mut end = None;
        while end.is_none() {
            self.step(u64::MAX, &mut |event| {
                match &event {
                    DeviceEvent::Done { task } => end = Some(Ok(*task)),
                    DeviceEvent::Failed { error, .. } => end = Some(Err(*error)),
                    _ => {}
                }
                take(event);
            });
        }
        // What was to be sent at the end is sent.
        self.act();
        end.unwrap_or(Err(DeviceError::NotConnected))
    }

    /// Runs until a time, in microseconds of [`Drive::now`], or until `take` says `false`.
    pub fn run_until(&mut self, until_micros: u64, mut take: impl FnMut(DeviceEvent) -> bool) {
        let mut goes_on = true;
        while goes_on && self.now() < until_micros {
            self.step(until_micros, &mut |event| goes_on &= take(event));
        }
    }

    fn step(&mut self, until_micros: u64, take: &mut dyn FnMut(DeviceEvent)) {
        self.act();
        while let Some(event) = self.device.poll_event() {
            take(event);
        }
        if self.is_lost {
            std::thread::sleep(AGAIN);
            self.look_for_port();
        } else {
            self.listen(until_micros);
        }
        let now = self.now();
        if self.device.poll_timeout().is_some_and(|at| at <= now) {
            self.device.handle_timeout(now);
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.device.poll_action() {
            let done = match action {
                _ if self.is_lost && action != Action::Reopen => Ok(()),
                Action::Write(bytes) => self.port.write(&bytes),
                Action::SetLines(lines) => {
                    self.port.set_lines(lines);
                    Ok(())
                }
                Action::SetBaud(baud) => self.port.set_baud(baud).map(|()| {
                    self.device.handle_opened(self.now());
                }),
                Action::Reopen => {
                    self.is_lost = true;
                    Ok(())
                }
            };
            if done.is_err() {
                self.device.handle_lost(self.now());
            }
        }
    }

    fn listen(&mut self, until_micros: u64) {
        let now = self.now();
        let due = self.device.poll_timeout().unwrap_or(u64::MAX).min(until_micros);
        let wait = Duration::from_micros(due.saturating_sub(now)).min(LOOK);
        let mut buffer = [0; 4096];
        match self.port.read(&mut buffer, wait) {
            Ok(Some(count)) => self.device.handle_bytes(self.now(), &buffer[..count]),
            Ok(None) => {}
            Err(_) => self.device.handle_lost(self.now()),
        }
    }

    fn look_for_port(&mut self) {
        if self.port.reopen().is_ok() {
            self.is_lost = false;
            self.device.handle_opened(self.now());
        }
    }
}
