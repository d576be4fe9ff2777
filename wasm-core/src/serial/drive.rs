//! Carries bytes between a port and a device, and does what the device asks for, in its order.
//!
//! Nothing is decided here: a device says what to write and when it wants to be called, a port says
//! what came and when it is gone. A device that is to be opened again is looked for until it is
//! back, by its ids and without asking anyone.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::Function;
use js_sys::futures::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use csi_lab::device::{Device, DeviceConfig, Task};
use esp_flasher::line::{Action, BAUD};

use super::clock::{Timer, now_micros, sleep};
use super::{Port, PortError};

/// How often a device that went away is looked for.
const LOOK_MICROS: u64 = 200_000;
/// For how long: a cable is plugged in again within that, or the user connects anew.
const LOOKS: u32 = 5 * 120;
/// A port that was just closed may need a moment before it opens again.
const OPENINGS: u32 = 5;

/// A device and its port.
pub struct Drive {
    device: RefCell<Device>,
    port: RefCell<Option<Rc<dyn Port>>>,
    /// Grows whenever a port is opened or closed: what an older one still brings is nobody's.
    epoch: Cell<u32>,
    is_acting: Cell<bool>,
    is_open: Cell<bool>,
    timer: RefCell<Option<Timer>>,
    due: Closure<dyn FnMut()>,
    /// Called when something may be new; not again before [`Drive::taken`].
    wake: Function,
    is_woken: Cell<bool>,
    broken: Cell<Option<PortError>>,
}

impl Drive {
    /// Starts without a port. `wake` is called when something may be new.
    pub fn new(wake: Function) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| {
            let this = this.clone();
            let due = Closure::new(move || {
                if let Some(drive) = this.upgrade() {
                    drive.device.borrow_mut().handle_timeout(now_micros());
                    drive.settle();
                }
            });
            Self {
                device: RefCell::new(Device::new(DeviceConfig::default())),
                port: RefCell::default(),
                epoch: Cell::new(0),
                is_acting: Cell::new(false),
                is_open: Cell::new(false),
                timer: RefCell::default(),
                due,
                wake,
                is_woken: Cell::new(false),
                broken: Cell::new(None),
            }
        })
    }

    /// Opens a port for a new device, which then finds out what runs there. The firmware to compare
    /// with stays. A port before it is closed.
    ///
    /// # Errors
    ///
    /// When it does not open.
    pub async fn open(
        self: &Rc<Self>,
        port: Rc<dyn Port>,
        config: DeviceConfig,
    ) -> Result<(), PortError> {
        self.close().await;
        let mut device = Device::new(config);
        device.set_firmware(self.device.borrow().firmware().cloned());
        self.device.replace(device);
        let epoch = self.begin();
        self.port.replace(Some(Rc::clone(&port)));
        let opened = port.open(config.console_baud).await;
        if self.epoch.get() != epoch {
            port.close().await;
            return Err(PortError::Closed);
        }
        match opened {
            Ok(()) => {
                self.listen(&port);
                // A device that was just made is not busy.
                let _ = self.with(Device::connect);
            }
            Err(_) => drop(self.port.take()),
        }
        opened
    }

    /// Closes the port, if there is one; the device knows at once.
    pub async fn close(self: &Rc<Self>) {
        let Some(port) = self.port.take() else { return };
        self.gone();
        self.device.borrow_mut().disconnect();
        self.settle();
        port.close().await;
    }

    /// Gives the device something to do.
    pub fn with<T>(self: &Rc<Self>, act: impl FnOnce(&mut Device, u64) -> T) -> T {
        let result = act(&mut self.device.borrow_mut(), now_micros());
        self.settle();
        result
    }

    /// Looks at the device.
    pub fn look<T>(&self, see: impl FnOnce(&mut Device) -> T) -> T {
        see(&mut self.device.borrow_mut())
    }

    /// Tells that everything new was seen, and why the port broke, once.
    pub fn taken(&self) -> Option<PortError> {
        self.is_woken.set(false);
        self.broken.take()
    }

    /// Whether the port is open now.
    pub fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Damaged bytes that the port told of.
    pub fn line_errors(&self) -> u32 {
        self.port.borrow().as_ref().map_or(0, |port| port.line_errors())
    }

    fn begin(&self) -> u32 {
        self.epoch.set(self.epoch.get().wrapping_add(1));
        self.epoch.get()
    }

    /// Does what is due: actions, the timer, a word to the page.
    fn settle(self: &Rc<Self>) {
        if !self.is_acting.replace(true) {
            spawn_local(Rc::clone(self).act());
        }
        let wanted = self.device.borrow().poll_timeout();
        let timer = wanted.map(|at| {
            Timer::after(at.saturating_sub(now_micros()), self.due.as_ref().unchecked_ref())
        });
        self.timer.replace(timer);
        if !self.is_woken.replace(true) {
            // A page that does not want to hear it loses nothing but this.
            let _ = self.wake.call0(&wasm_bindgen::JsValue::UNDEFINED);
        }
    }

    async fn act(self: Rc<Self>) {
        loop {
            let Some(action) = self.device.borrow_mut().poll_action() else { break };
            // What was meant for a port that is gone is not meant for the next one.
            let Some(port) = self.port.borrow().clone() else { continue };
            let epoch = self.epoch.get();
            let done = match action {
                Action::Write(_) | Action::SetLines(_) if !self.is_open.get() => Ok(()),
                Action::Write(bytes) => port.write(bytes).await,
                Action::SetLines(lines) => port.set_lines(lines).await,
                Action::SetBaud(baud) => {
                    self.change_speed(&port, baud).await;
                    continue;
                }
                Action::Reopen => {
                    self.gone();
                    self.look_for(&port).await;
                    continue;
                }
            };
            match done {
                Err(error) if self.port_is(&port, epoch) => self.broke(error),
                _ => {}
            }
        }
        self.is_acting.set(false);
    }

    fn port_is(&self, port: &Rc<dyn Port>, epoch: u32) -> bool {
        self.epoch.get() == epoch
            && self.port.borrow().as_ref().is_some_and(|now| Rc::ptr_eq(now, port))
    }

    /// A port's speed is set where it is opened and nowhere else.
    async fn change_speed(self: &Rc<Self>, port: &Rc<dyn Port>, baud: u32) {
        self.gone();
        let epoch = self.epoch.get();
        port.close().await;
        for left in (0..OPENINGS).rev() {
            let opened = port.open(baud).await;
            if !self.port_is(port, epoch) {
                // Another's turn by now; whoever took over has closed it.
                return;
            }
            match opened {
                Ok(()) => return self.back(port),
                Err(_) if left > 0 => sleep(LOOK_MICROS / 2).await,
                Err(error) => {
                    self.is_open.set(true);
                    return self.broke(error);
                }
            }
        }
    }

    /// The port is open: what comes is for the device.
    fn listen(self: &Rc<Self>, port: &Rc<dyn Port>) {
        let epoch = self.begin();
        self.is_open.set(true);
        spawn_local(Rc::clone(self).read(Rc::clone(port), epoch));
    }

    /// The port is open again.
    fn back(self: &Rc<Self>, port: &Rc<dyn Port>) {
        self.listen(port);
        self.device.borrow_mut().handle_opened(now_micros());
        self.settle();
    }

    async fn read(self: Rc<Self>, port: Rc<dyn Port>, epoch: u32) {
        loop {
            let read = port.read().await;
            if !self.port_is(&port, epoch) {
                return;
            }
            match read {
                Ok(bytes) => {
                    self.device.borrow_mut().handle_bytes(now_micros(), &bytes);
                    self.settle();
                }
                Err(error) => return self.broke(error),
            }
        }
    }

    /// The port does not work: device and page are told.
    fn broke(self: &Rc<Self>, error: PortError) {
        self.broken.set(Some(error));
        // A device that wants it back asks for that.
        if !matches!(error, PortError::Stalled(_)) && self.gone() {
            self.device.borrow_mut().handle_lost(now_micros());
        }
        self.settle();
    }

    /// Marks the port as gone; false when it was already.
    fn gone(&self) -> bool {
        self.begin();
        self.is_open.replace(false)
    }

    /// Waits until the device is back, and opens it: for a loader at the loader's speed.
    async fn look_for(self: &Rc<Self>, port: &Rc<dyn Port>) {
        let (task, console) = self.look(|device| (device.view().task, device.view().baud));
        let flashes = matches!(task, Some(Task::Identify | Task::Write | Task::Restart));
        let baud = if flashes { BAUD } else { console };
        let epoch = self.epoch.get();
        for _ in 0..LOOKS {
            sleep(LOOK_MICROS).await;
            if !self.port_is(port, epoch) {
                return;
            }
            match port.open_again(baud).await {
                Ok(()) if self.port_is(port, epoch) => return self.back(port),
                Ok(()) => return port.close().await,
                Err(_) => {}
            }
        }
        self.close().await;
    }
}
