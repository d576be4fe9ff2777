//! RuView's `.csi.jsonl`: one JSON object a line, written by five different recorders.
//!
//! | kind | written by               | told by                                        | used as            |
//! |------|--------------------------|------------------------------------------------|--------------------|
//! | A    | the sensing server       | `subcarriers` is a list of 56 numbers          | amplitudes         |
//! | B    | the pretraining recorder | `iq_hex`, `timestamp` is a number              | I/Q                |
//! | C    | record-csi-udp.py        | `iq_hex`, `timestamp` is text or `ts_ns`       | I/Q after a repair |
//! | D    | collect-training-data.py | like A, 8 features or a wrong number of values | left out           |
//! | E    | test fixtures            | `amplitude`                                    | amplitudes, noted  |
//!
//! - A: rssi and noise floor come from wrong offsets and are ignored. The list is the first 56 of
//!   64 LLTF pairs in FFT order; k = -8..=-1 are lost.
//! - B: `rssi` of a raw frame is the antenna count and is ignored. There is no running number.
//! - C: the recorder takes an 8-byte header, so 12 more header bytes stand before the I/Q: frequency
//!   in MHz (u32), running number (u32), RSSI, noise floor (i8), two zeros; `rssi` and `channel` are
//!   the two bytes of the number of subcarriers. A line is a CSI frame only if that number fits
//!   the length and the frequency is a Wi-Fi channel; the recorder does not look at the magic.
//!
//! Blank lines, unknown keys and any order of keys are fine. NaN and infinity, which Python
//! writes and JSON forbids, cost the frame only where they stand among its values.

use csi_temporal::frame::CsiValues;
use serde_json::Value;

use super::line::LineFormat;
use super::subcarrier::{Layout, SubcarrierRule};
use super::{FrameMeta, FrameTime, Position, Sender, Sink, SkipReason, time_text};

/// Header bytes that kind C leaves in front of the I/Q.
const LEFTOVER_BYTES: usize = 12;

/// Reads `.csi.jsonl`; the buffers outlive a line.
#[derive(Default)]
pub(super) struct JsonLines {
    bytes: Vec<i8>,
    floats: Vec<f32>,
}

impl LineFormat for JsonLines {
    fn line(&mut self, text: &[u8], last: bool, at: Position, sink: &mut Sink) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        if !text.starts_with(b"{") {
            return sink.skip(SkipReason::OtherLine, at);
        }
        let outcome = match object(text) {
            Some(object) => self.object(&object, at, sink),
            None if last => Err(SkipReason::CutShort),
            None => Err(SkipReason::BadJson),
        };
        if let Err(reason) = outcome {
            sink.skip(reason, at);
        }
    }
}

impl JsonLines {
    fn object(&mut self, line: &Value, at: Position, sink: &mut Sink) -> Result<(), SkipReason> {
        if line.get("iq_hex").is_some() {
            return self.iq(line, at, sink);
        }
        if let Some(amplitudes) = line.get("amplitude").and_then(Value::as_array) {
            sink.packet("kind E (test fixture)");
            sink.synthetic("Some lines are RuView's synthetic test fixture, not a measurement.");
            return self.amplitudes(line, amplitudes, at, sink);
        }
        if let Some(amplitudes) = line.get("subcarriers").and_then(Value::as_array) {
            if amplitudes.len() == 8 {
                return Err(SkipReason::FeaturesNotCsi);
            }
            sink.packet("kind A (amplitudes)");
            return self.amplitudes(line, amplitudes, at, sink);
        }
        match (text_of(line, "type"), text_of(line, "magic")) {
            (Some("vitals"), _) => sink.packet("vitals"),
            (Some("feature"), _) => sink.packet("feature"),
            (_, Some(magic)) if magic.eq_ignore_ascii_case("0xC5110005") => {
                sink.packet("compressed CSI without payload");
                return Err(SkipReason::NoPayload);
            }
            (Some("raw_csi"), _) | (_, Some(_)) => return Err(SkipReason::NoPayload),
            _ => return Err(SkipReason::UnknownJson),
        }
        Ok(())
    }

    /// Kinds A and E, and the raw lines of kind D, which have an impossible number of values.
    fn amplitudes(
        &mut self,
        line: &Value,
        list: &[Value],
        at: Position,
        sink: &mut Sink,
    ) -> Result<(), SkipReason> {
        let rule = match list.len() {
            56 => SubcarrierRule::First56,
            52 | 64 | 114 | 128 => SubcarrierRule::Unordered,
            _ => return Err(SkipReason::WrongLayout),
        };
        self.floats.clear();
        for value in list {
            self.floats.push(match value {
                Value::Number(number) => number.as_f64().unwrap_or(f64::NAN) as f32,
                Value::Null => return Err(SkipReason::NotFinite),
                _ => return Err(SkipReason::NotANumber),
            });
        }
        let meta = FrameMeta {
            time: time(line),
            sender: node(line),
            layout: Layout { rule, ..Layout::default() },
            label: text_of(line, "label"),
            ..FrameMeta::default()
        };
        sink.frame(meta, CsiValues::Amplitude(&self.floats), at);
        Ok(())
    }

    /// Kinds B and C.
    fn iq(&mut self, line: &Value, at: Position, sink: &mut Sink) -> Result<(), SkipReason> {
        let hex = text_of(line, "iq_hex").ok_or(SkipReason::BadHex)?;
        unhex(hex.as_bytes(), &mut self.bytes)?;
        sink.count_lengths_in_subcarriers();
        let meta = FrameMeta {
            time: time(line),
            sender: node(line),
            label: text_of(line, "label"),
            ..FrameMeta::default()
        };
        let repaired =
            line.get("ts_ns").is_some() || line.get("timestamp").is_some_and(Value::is_string);
        if !repaired {
            let stated = line.get("subcarriers").and_then(Value::as_u64);
            if stated.is_some_and(|pairs| pairs != self.bytes.len() as u64 / 2) {
                return Err(SkipReason::LengthMismatch);
            }
            sink.packet("kind B (raw CSI)");
            sink.frame(meta, CsiValues::Iq8(&self.bytes), at);
            return Ok(());
        }
        let (header, iq) = leftover_header(line, &self.bytes).ok_or(SkipReason::NotCsiPacket)?;
        sink.packet("kind C (raw CSI, repaired)");
        sink.note(
            "The recorder left 12 header bytes before the I/Q of each frame; running number and \
             RSSI were taken from there, and the number of subcarriers was repaired.",
        );
        let meta = FrameMeta { rssi_dbm: header.rssi_dbm, sequence: Some(header.sequence), ..meta };
        sink.frame(meta, CsiValues::Iq8(iq), at);
        Ok(())
    }
}

struct LeftoverHeader {
    sequence: u32,
    rssi_dbm: Option<i8>,
}

/// Splits kind C's bytes into the rest of the packet's header and the I/Q; `None` if the bytes
/// are of another packet.
fn leftover_header<'a>(line: &Value, bytes: &'a [i8]) -> Option<(LeftoverHeader, &'a [i8])> {
    let byte_of = |key: &str| line.get(key).and_then(Value::as_i64).map(|v| (v & 255) as usize);
    let subcarriers = byte_of("rssi")? + 256 * byte_of("channel")?;
    let (header, iq) = bytes.split_first_chunk::<LEFTOVER_BYTES>()?;
    let [f0, f1, f2, f3, s0, s1, s2, s3, rssi, _noise, _, _] = header.map(|b| b as u8);
    let megahertz = u32::from_le_bytes([f0, f1, f2, f3]);
    let wifi = matches!(megahertz, 2412..=2484 | 5160..=5885);
    let header = LeftoverHeader {
        sequence: u32::from_le_bytes([s0, s1, s2, s3]),
        rssi_dbm: Some(rssi as i8).filter(|dbm| *dbm != 0),
    };
    (wifi && subcarriers > 0 && iq.len() == 2 * subcarriers).then_some((header, iq))
}

/// Parses a line; where it holds Python's NaN or Infinity, again with those as null.
fn object(text: &[u8]) -> Option<Value> {
    let parse = |text: &[u8]| serde_json::from_slice(text).ok().filter(Value::is_object);
    parse(text).or_else(|| parse(&without_nan(text)?))
}

/// The line with bare `NaN`, `Infinity` and `-Infinity` replaced by null; `None` without any.
fn without_nan(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut rest, mut in_text, mut found) = (text, false, false);
    while let Some((&first, after)) = rest.split_first() {
        let word =
            [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|w| rest.starts_with(w));
        match (word, in_text) {
            (Some(word), false) => {
                out.extend_from_slice(b"null");
                rest = &rest[word.len()..];
                found = true;
                continue;
            }
            _ if in_text && first == b'\\' && !after.is_empty() => {
                out.extend_from_slice(&rest[..2]);
                rest = &rest[2..];
                continue;
            }
            _ => in_text ^= first == b'"',
        }
        out.push(first);
        rest = after;
    }
    found.then_some(out)
}

fn text_of<'a>(line: &'a Value, key: &str) -> Option<&'a str> {
    line.get(key).and_then(Value::as_str)
}

fn node(line: &Value) -> Sender {
    let node = line.get("node_id").and_then(Value::as_u64);
    node.and_then(|node| u8::try_from(node).ok()).map_or(Sender::Unknown, Sender::Node)
}

/// `ts_ns`, or `timestamp` as seconds since 1970 or as text.
fn time(line: &Value) -> FrameTime {
    if let Some(nanos) = line.get("ts_ns").and_then(Value::as_i64) {
        return FrameTime::EpochMicros(nanos / 1000);
    }
    match line.get("timestamp") {
        Some(Value::Number(seconds)) => seconds.as_f64().map_or(FrameTime::None, |seconds| {
            // Beyond this, microseconds would not fit.
            let seconds = seconds.clamp(-9e12, 9e12);
            FrameTime::EpochMicros(libm::round(seconds * 1e6) as i64)
        }),
        Some(Value::String(text)) => {
            time_text::parse(text).map_or(FrameTime::None, FrameTime::EpochMicros)
        }
        _ => FrameTime::None,
    }
}

fn unhex(text: &[u8], out: &mut Vec<i8>) -> Result<(), SkipReason> {
    out.clear();
    if text.len() > 4 * super::sink::MAX_VALUES {
        return Err(SkipReason::TooManyValues);
    }
    if text.len() % 2 == 1 {
        return Err(SkipReason::BadHex);
    }
    let digit = |b: u8| char::from(b).to_digit(16).ok_or(SkipReason::BadHex);
    for pair in text.chunks_exact(2) {
        out.push((digit(pair[0])? * 16 + digit(pair[1])?) as u8 as i8);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_replaced_outside_of_text_only() {
        let line = br#"{"a":NaN,"b":"NaN \" NaN","c":[-Infinity,1]}"#;
        let fixed = without_nan(line).map(|b| String::from_utf8_lossy(&b).into_owned());
        assert_eq!(fixed.as_deref(), Some(r#"{"a":null,"b":"NaN \" NaN","c":[null,1]}"#));
        assert_eq!(without_nan(br#"{"a":1}"#), None);
    }

    #[test]
    fn hex() {
        let mut out = Vec::new();
        assert_eq!(unhex(b"00ff7F80", &mut out), Ok(()));
        assert_eq!(out, [0, -1, 127, -128]);
        assert_eq!(unhex(b"0", &mut out), Err(SkipReason::BadHex));
        assert_eq!(unhex(b"0g", &mut out), Err(SkipReason::BadHex));
    }
}
