//! A board on the browser's serial interface.
//!
//! Objects are taken for what they are used as, never asked for their class: a port may come from
//! another realm, or from a test. Chromium hands out a new handle when a device re-appears on the
//! bus, Firefox keeps the old one, so both are tried.

use std::cell::{Cell, RefCell};
use std::future::IntoFuture;
use std::pin::Pin;

use js_sys::futures::spawn_local;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    ReadableStream, ReadableStreamDefaultReader, Serial, SerialOptions, SerialOutputSignals,
    SerialPort, WritableStream, WritableStreamDefaultWriter,
};

use esp_flasher::line::Lines;

use super::clock::within;
use super::{Doing, Port, PortError};

/// Bytes that the browser keeps while the page is busy; its own default is 255.
const BUFFER_BYTES: u32 = 1 << 16;
/// A write that nothing takes for so long is given up. 4 KiB take 0.36 s at 115,200 baud.
const WRITE_SECONDS: u8 = 4;

/// A port that the user chose.
pub struct WebPort {
    port: RefCell<SerialPort>,
    usb: Option<(u16, u16)>,
    reader: RefCell<Option<ReadableStreamDefaultReader>>,
    line_errors: Cell<u32>,
}

impl WebPort {
    /// Takes what `navigator.serial.requestPort()` or `getPorts()` gave.
    pub fn new(port: JsValue) -> Self {
        let port: SerialPort = port.unchecked_into();
        Self {
            usb: usb_of(&port),
            port: RefCell::new(port),
            reader: RefCell::default(),
            line_errors: Cell::new(0),
        }
    }

    async fn open_handle(&self, port: SerialPort, baud: u32) -> Result<(), PortError> {
        let options = SerialOptions::new(baud);
        options.set_buffer_size(BUFFER_BYTES);
        port.open(&options).await.map_err(|error| why_not_open(&error))?;
        self.line_errors.set(0);
        self.port.replace(port);
        Ok(())
    }

    async fn open_any(&self, baud: u32) -> Result<(), PortError> {
        self.let_go().await;
        let old = self.port.borrow().clone();
        let mut error = PortError::Lost;
        for port in self.handles_of_this_device().await {
            match self.open_handle(port, baud).await {
                Ok(()) => return Ok(()),
                Err(why) => error = why,
            }
        }
        self.open_handle(old, baud).await.map_err(|_| error)
    }

    /// Other handles that lead to a device with the same ids, the newest first.
    async fn handles_of_this_device(&self) -> Vec<SerialPort> {
        let (Some(serial), Some(_)) = (serial(), self.usb) else { return Vec::new() };
        let Ok(ports) = serial.get_ports().await else { return Vec::new() };
        let old = self.port.borrow().clone();
        let ports = ports.iter().map(JsCast::unchecked_into::<SerialPort>);
        let mut fresh: Vec<_> =
            ports.filter(|port| usb_of(port) == self.usb && *port != old).collect();
        fresh.reverse();
        fresh
    }

    /// Ends a waiting read and closes the handle. What fails here was closed already.
    async fn let_go(&self) {
        let reader = self.reader.take();
        if let Some(reader) = reader {
            let _ = reader.cancel().await;
            reader.release_lock();
        }
        let port = self.port.borrow().clone();
        let _ = port.close().await;
    }

    async fn read_some(&self) -> Result<Vec<u8>, PortError> {
        loop {
            let reader = self.reader()?;
            match reader.read().await {
                Ok(result) => {
                    let part = |name: &str| {
                        Reflect::get(&result, &name.into()).unwrap_or(JsValue::UNDEFINED)
                    };
                    if part("done").is_truthy() {
                        reader.release_lock();
                        return Err(self.ended(&reader));
                    }
                    let bytes = Uint8Array::new(&part("value")).to_vec();
                    if !bytes.is_empty() {
                        return Ok(bytes);
                    }
                }
                Err(error) => {
                    reader.release_lock();
                    let ended = self.ended(&reader);
                    let transient =
                        ["BufferOverrunError", "BreakError", "FramingError", "ParityError"];
                    if ended == PortError::Closed || !transient.contains(&name_of(&error).as_str())
                    {
                        return Err(ended);
                    }
                    // The port goes on with a new stream.
                    self.line_errors.set(self.line_errors.get() + 1);
                }
            }
        }
    }

    /// Forgets a reader; where the page closed the port it was taken before, and may have a
    /// successor.
    fn ended(&self, reader: &ReadableStreamDefaultReader) -> PortError {
        match self.reader.take() {
            Some(kept) if kept == *reader => PortError::Lost,
            kept => {
                self.reader.replace(kept);
                PortError::Closed
            }
        }
    }

    fn reader(&self) -> Result<ReadableStreamDefaultReader, PortError> {
        if let Some(reader) = &*self.reader.borrow() {
            return Ok(reader.clone());
        }
        let stream = self.stream("readable")?.unchecked_into::<ReadableStream>();
        let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
        self.reader.replace(Some(reader.clone()));
        Ok(reader)
    }

    /// `null` where the port is closed or has broken.
    fn stream(&self, name: &str) -> Result<JsValue, PortError> {
        let stream = Reflect::get(&self.port.borrow(), &name.into());
        stream.ok().filter(JsValue::is_object).ok_or(PortError::Lost)
    }

    async fn write_all(&self, bytes: Vec<u8>) -> Result<(), PortError> {
        let stream = self.stream("writable")?.unchecked_into::<WritableStream>();
        let writer: WritableStreamDefaultWriter =
            stream.get_writer().map_err(|_| PortError::Lost)?;
        let chunk = Uint8Array::from(bytes.as_slice());
        let limit = u64::from(WRITE_SECONDS) * 1_000_000;
        let written = within(limit, writer.write_with_chunk(&chunk).into_future()).await;
        if written.is_none() {
            // This renews the stream. That it was broken off is known here already.
            let abort = writer.abort();
            spawn_local(async { drop(abort.await) });
        }
        writer.release_lock();
        match written {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) => Err(PortError::Lost),
            None => Err(PortError::Stalled(WRITE_SECONDS)),
        }
    }
}

impl Port for WebPort {
    fn open(&self, baud: u32) -> Doing<'_, ()> {
        Box::pin(async move {
            self.let_go().await;
            let port = self.port.borrow().clone();
            self.open_handle(port, baud).await
        })
    }

    fn open_again(&self, baud: u32) -> Doing<'_, ()> {
        Box::pin(self.open_any(baud))
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self.let_go())
    }

    fn read(&self) -> Doing<'_, Vec<u8>> {
        Box::pin(self.read_some())
    }

    fn write(&self, bytes: Vec<u8>) -> Doing<'_, ()> {
        Box::pin(self.write_all(bytes))
    }

    fn set_lines(&self, lines: Lines) -> Doing<'_, ()> {
        Box::pin(async move {
            let signals = SerialOutputSignals::new();
            signals.set_data_terminal_ready(lines.dtr);
            signals.set_request_to_send(lines.rts);
            let port = self.port.borrow().clone();
            port.set_signals_with_signals(&signals).await.map(drop).map_err(|_| PortError::Lost)
        })
    }

    fn usb(&self) -> Option<(u16, u16)> {
        self.usb
    }

    fn line_errors(&self) -> u32 {
        self.line_errors.get()
    }
}

/// `navigator.serial`, where there is one.
fn serial() -> Option<Serial> {
    let part =
        |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok().filter(JsValue::is_object);
    let navigator = part(&js_sys::global(), "navigator")?;
    part(&navigator, "serial").map(JsCast::unchecked_into)
}

fn usb_of(port: &SerialPort) -> Option<(u16, u16)> {
    let info = port.get_info();
    Some((info.get_usb_vendor_id()?, info.get_usb_product_id()?))
}

fn name_of(error: &JsValue) -> String {
    Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}

fn why_not_open(error: &JsValue) -> PortError {
    match name_of(error).as_str() {
        "NetworkError" => PortError::Busy,
        "InvalidStateError" => PortError::OpenHere,
        "SecurityError" | "NotAllowedError" => PortError::Forbidden,
        "NotFoundError" => PortError::Lost,
        _ => PortError::Refused,
    }
}
