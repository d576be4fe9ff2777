//! `csi monitor`: what a board says, as text or as JSON lines.

use std::io::Write;

use csi_lab::device::DeviceEvent;

use super::open;
use crate::args::{Args, Item, required, unknown_option};
use crate::error::CliError;

const BAUD: u32 = 115_200;

/// Prints until the port is gone for good, or the time is over.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut port, mut json, mut seconds, mut baud) = (None, false, f64::INFINITY, BAUD);
    while let Some(item) = args.next()? {
        let Item::Option(name) = item else {
            return Err(CliError::usage("csi monitor takes options only; see `csi help`"));
        };
        match name.as_str() {
            "port" => port = Some(args.text(&name)?),
            "json" => json = true,
            "seconds" => seconds = args.value(&name)?,
            "baud" => baud = args.value(&name)?,
            _ => return Err(unknown_option(&name)),
        }
    }
    let mut drive = open(&required(port, "--port")?, baud)?;
    let failed = |e| CliError::usage(format!("monitor: {e}"));
    drive.device.attach();
    drive.device.set_console_baud(baud).map_err(failed)?;
    let now = drive.now();
    drive.device.connect(now).map_err(failed)?;
    let until = if seconds.is_finite() { (seconds.max(0.0) * 1e6) as u64 } else { u64::MAX };
    let mut out = std::io::stdout().lock();
    let mut result = Ok(());
    drive.run_until(until, |event| {
        if let DeviceEvent::Failed { error, .. } = &event {
            result = Err(failed(*error));
            return false;
        }
        let line = if json { in_json(&event) } else { in_words(event) };
        // A closed pipe (`csi monitor … | head`) is the reader's choice.
        line.is_empty() || out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_ok()
    });
    result.map(|()| String::new())
}

fn in_json(event: &DeviceEvent) -> String {
    match event {
        DeviceEvent::Changed => String::new(),
        DeviceEvent::Csi { time_micros, bytes } => {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.lines().map(|line| {
                serde_json::json!({"type": "csi", "timeMicros": time_micros, "text": line})
                    .to_string()
                    + "\n"
            });
            lines.collect()
        }
        event => serde_json::to_string(event).map_or_else(|_| String::new(), |text| text + "\n"),
    }
}

fn in_words(event: DeviceEvent) -> String {
    match event {
        DeviceEvent::Line { text, .. } => text + "\n",
        DeviceEvent::Csi { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
        DeviceEvent::Journal { text } => format!("* {text}\n"),
        DeviceEvent::Classified { classified } => format!(
            "* classification {}: class {} of {}, logit {}, margin {}\n",
            classified.sequence,
            classified.class,
            classified.classes,
            classified.top_logit,
            classified.margin
        ),
        _ => String::new(),
    }
}
