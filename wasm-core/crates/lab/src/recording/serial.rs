//! The serial output of an ESP32: `CSI_DATA` lines between anything else.
//!
//! A log may hold boot messages, prompts, a header line anywhere (also behind a prompt), lines
//! cut off in front or merged with the next one, and columns that a host script added. Each
//! `CSI_DATA,` is judged by what follows it: `AP`, `STA` or `PASSIVE` is the ESP32-CSI-Tool's
//! line, a number is Espressif's.

use csi_temporal::frame::CsiValues;

use super::line::LineFormat;
use super::subcarrier::{Layout, Secondary, SubcarrierRule};
use super::{
    Format, FrameMeta, FrameTime, Position, Sender, Sink, SkipReason, esp32_csi_tool, espressif,
};

const MARK: &[u8] = b"CSI_DATA,";
/// How the names of the columns begin.
const HEADERS: [&[u8]; 3] = [b"type,role,mac", b"type,id,mac", b"type,seq,mac"];

/// What one line says, its values apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scalars {
    pub(super) sender: Sender,
    pub(super) rssi_dbm: Option<i8>,
    pub(super) time: FrameTime,
    pub(super) sequence: Option<u32>,
    pub(super) layout: Layout,
    pub(super) first_word_invalid: bool,
    /// The values are one amplitude a subcarrier, not pairs.
    pub(super) amplitudes: bool,
}

/// The line's format and where its first frame was recognised, from the beginning of a text.
pub(super) fn recognise(text: &[u8]) -> Option<(Format, &'static str)> {
    for at in marks(text) {
        match flavour(&text[at + MARK.len()..]) {
            Some(Format::Esp32CsiToolCsv) => {
                let reason = "CSI_DATA is followed by the role AP, STA or PASSIVE";
                return Some((Format::Esp32CsiToolCsv, reason));
            }
            Some(format) => return Some((format, "CSI_DATA is followed by a running number")),
            None => {}
        }
    }
    if contains(text, b"type,role,mac") {
        return Some((Format::Esp32CsiToolCsv, "the header begins with type,role,mac"));
    }
    let espressif = contains(text, b"type,id,mac") || contains(text, b"type,seq,mac");
    espressif
        .then_some((Format::EspressifCsv, "the header begins with type,id,mac or type,seq,mac"))
}

/// Where the first line with CSI begins in a text, or the names of its columns.
pub(super) fn begin(text: &[u8]) -> Option<usize> {
    let mark = marks(text).find(|at| flavour(&text[at + MARK.len()..]).is_some());
    let names = HEADERS.iter().filter_map(|names| find(text, names)).min();
    mark.into_iter().chain(names).min()
}

/// Which of the two formats the text after a mark belongs to.
fn flavour(after: &[u8]) -> Option<Format> {
    let role = [&b"AP,"[..], b"STA,", b"PASSIVE,"].iter().any(|role| after.starts_with(role));
    let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    if role {
        Some(Format::Esp32CsiToolCsv)
    } else {
        (digits > 0 && after.get(digits) == Some(&b',')).then_some(Format::EspressifCsv)
    }
}

/// Positions of every `CSI_DATA,`.
fn marks(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    core::iter::from_fn(move || {
        let found = find(text.get(from..)?, MARK)? + from;
        from = found + MARK.len();
        Some(found)
    })
}

pub(super) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = what.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|b| b == first) {
        if text[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    find(text, what).is_some()
}

/// Reads the serial output of an ESP32: buffers that outlive a line, and what the header said.
#[derive(Default)]
pub(super) struct SerialText {
    wide: Vec<i16>,
    narrow: Vec<i8>,
    floats: Vec<f32>,
    /// Which cell after the array is the label, from 0.
    label_cell: Option<usize>,
    seen: Option<Format>,
}

impl LineFormat for SerialText {
    fn line(&mut self, text: &[u8], last: bool, at: Position, sink: &mut Sink) {
        let mut frames = marks(text).filter_map(|mark| {
            let rest = &text[mark + MARK.len()..];
            flavour(rest).map(|format| (format, rest))
        });
        let Some(mut frame) = frames.next() else {
            return self.other_line(text, at, sink);
        };
        // Of merged lines only the last can be whole.
        for next in frames {
            sink.skip(SkipReason::MergedLines, at);
            frame = next;
        }
        let (format, rest) = frame;
        if let Err(reason) = self.frame(format, rest, at, sink) {
            // The end of the file is where a recording is cut.
            let cut = last && reason != SkipReason::ValueBeyondI8;
            sink.skip(if cut { SkipReason::CutShort } else { reason }, at);
        }
    }
}

impl SerialText {
    fn frame(
        &mut self,
        format: Format,
        rest: &[u8],
        at: Position,
        sink: &mut Sink,
    ) -> Result<(), SkipReason> {
        let (scalars, after) = match format {
            Format::Esp32CsiToolCsv => esp32_csi_tool::parse(rest, &mut self.wide)?,
            _ => espressif::parse(rest, &mut self.wide)?,
        };
        if self.seen.is_none() {
            self.seen = Some(format);
            sink.refine_format(
                format,
                match format {
                    Format::Esp32CsiToolCsv => {
                        "CSI_DATA is followed by the role AP, STA or PASSIVE"
                    }
                    _ => "CSI_DATA is followed by a running number",
                },
            );
        }
        let label = self.label_cell.and_then(|cell| after.split(|b| *b == b',').nth(cell + 1));
        let label = label.and_then(|cell| core::str::from_utf8(cell).ok());
        let meta = FrameMeta {
            time: scalars.time,
            sender: scalars.sender,
            layout: scalars.layout,
            first_word_invalid: scalars.first_word_invalid,
            rssi_dbm: scalars.rssi_dbm,
            sequence: scalars.sequence,
            label: label.map(|text| text.trim_matches(['"', ' '])),
            ..FrameMeta::default()
        };
        if scalars.amplitudes {
            sink.note("The firmware printed amplitudes in place of pairs, so there is no phase.");
            self.floats.clear();
            self.floats.extend(self.wide.iter().map(|&v| f32::from(v)));
            sink.frame(meta, CsiValues::Amplitude(&self.floats), at);
            return Ok(());
        }
        self.narrow.clear();
        self.narrow.extend(self.wide.iter().map(|&v| v as i8));
        let fits =
            self.wide.iter().zip(&self.narrow).all(|(&wide, &narrow)| wide == i16::from(narrow));
        if fits {
            sink.frame(meta, CsiValues::Iq8(&self.narrow), at);
        } else if format == Format::Esp32CsiToolCsv {
            return Err(SkipReason::ValueBeyondI8);
        } else {
            sink.note("Some values lie beyond -128..127: newer firmware scales them by its gain.");
            sink.frame(meta, CsiValues::Iq16(&self.wide), at);
        }
        Ok(())
    }

    /// A line without a frame: blank, a header, or something else.
    fn other_line(&mut self, text: &[u8], at: Position, sink: &mut Sink) {
        if let Some(start) = HEADERS.iter().find_map(|names| find(text, names)) {
            let mut names = text[start..].split(|b| *b == b',');
            let data = names.position(|name| matches!(name, b"data" | b"CSI_DATA"));
            if data.is_some() {
                let label =
                    |name: &[u8]| matches!(name.trim_ascii(), b"label" | b"class" | b"activity");
                self.label_cell = names.position(label);
            }
            sink.header();
        } else if !text.trim_ascii().is_empty() {
            sink.skip(SkipReason::OtherLine, at);
        }
    }
}

/// Splits the scalars before an array at their commas; `None` if there are not exactly `N`.
pub(super) fn cells<const N: usize>(text: &[u8]) -> Option<[&[u8]; N]> {
    let mut cells = [&b""[..]; N];
    let mut parts = text.split(|b| *b == b',');
    for cell in &mut cells {
        *cell = parts.next()?.trim_ascii();
    }
    parts.next().is_none().then_some(cells)
}

/// A whole cell as an integer.
pub(super) fn integer(cell: &[u8]) -> Option<i64> {
    let (negative, digits) = match cell {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        value = value * 10 + i64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
    }
    Some(if negative { -value } else { value })
}

/// A MAC address of twelve hex digits with colons.
pub(super) fn mac(cell: &[u8]) -> Sender {
    let digit = |b: u8| char::from(b).to_digit(16);
    let mut bytes = [0u8; 6];
    let mut octets = cell.split(|b| *b == b':');
    for byte in &mut bytes {
        match octets.next() {
            Some(&[high, low]) => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => *byte = (high * 16 + low) as u8,
                _ => return Sender::Unknown,
            },
            _ => return Sender::Unknown,
        }
    }
    Sender::Mac(bytes)
}

/// A receiver's 32-bit microseconds, printed signed or unsigned.
pub(super) fn micros_32(cell: &[u8]) -> Option<FrameTime> {
    let micros = integer(cell)?;
    Some(match u32::try_from(micros).or_else(|_| i32::try_from(micros).map(|m| m as u32)) {
        Ok(micros) => FrameTime::WrappingMicros32(micros),
        Err(_) => FrameTime::Micros(micros),
    })
}

/// The layout that Espressif's radio header tells.
pub(super) fn layout(secondary: &[u8], bandwidth: &[u8], stbc: &[u8]) -> Layout {
    Layout {
        rule: SubcarrierRule::Espressif,
        secondary: match secondary {
            b"0" => Some(Secondary::None),
            b"1" => Some(Secondary::Above),
            b"2" => Some(Secondary::Below),
            _ => None,
        },
        bandwidth_mhz: match bandwidth {
            b"0" => Some(20),
            b"1" => Some(40),
            _ => None,
        },
        stbc: integer(stbc).map(|stbc| stbc != 0),
    }
}

/// Received power in dBm, if the cell is one that a receiver can report.
pub(super) fn rssi(cell: &[u8]) -> Option<i8> {
    integer(cell).and_then(|dbm| i8::try_from(dbm).ok()).filter(|dbm| *dbm < 20)
}

/// Reads integers between `[` and `]`, separated by `separator` and spaces, into `out`.
///
/// # Errors
///
/// [`SkipReason::NotFinite`] for `nan` and `inf`, [`SkipReason::ValueBeyondI16`], and
/// [`SkipReason::NotANumber`] for anything else.
pub(super) fn integers(text: &[u8], separator: u8, out: &mut Vec<i16>) -> Result<(), SkipReason> {
    out.clear();
    let mut at = 0;
    loop {
        while at < text.len() && (text[at] == b' ' || text[at] == b'\t') {
            at += 1;
        }
        let Some(&first) = text.get(at) else {
            return Ok(());
        };
        let negative = first == b'-';
        at += usize::from(negative);
        let digits = at;
        let mut value = 0i32;
        while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            value = (value * 10 + i32::from(digit)).min(100_000);
            at += 1;
        }
        if at == digits {
            let word = text[at..].first_chunk::<3>().map(|w| w.map(|b| b.to_ascii_lowercase()));
            let not_finite = matches!(word.as_ref(), Some(b"nan" | b"inf"));
            return Err(if not_finite { SkipReason::NotFinite } else { SkipReason::NotANumber });
        }
        let value = if negative { -value } else { value };
        out.push(i16::try_from(value).map_err(|_| SkipReason::ValueBeyondI16)?);
        if out.len() > super::sink::MAX_VALUES {
            return Err(SkipReason::TooManyValues);
        }
        match text.get(at) {
            None => return Ok(()),
            Some(b) if *b == separator || *b == b' ' => at += 1,
            Some(_) => return Err(SkipReason::NotANumber),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, separator: u8) -> Result<Vec<i16>, SkipReason> {
        let mut out = Vec::new();
        integers(text.as_bytes(), separator, &mut out).map(|()| out)
    }

    #[test]
    fn integer_lists() {
        assert_eq!(numbers("84 -64 4 0 ", b' '), Ok(vec![84, -64, 4, 0]));
        assert_eq!(numbers("1,-2, 3", b','), Ok(vec![1, -2, 3]));
        assert_eq!(numbers("", b','), Ok(vec![]));
        assert_eq!(numbers("1 nan", b' '), Err(SkipReason::NotFinite));
        assert_eq!(numbers("1 -INF", b' '), Err(SkipReason::NotFinite));
        assert_eq!(numbers("1.5 2", b' '), Err(SkipReason::NotANumber));
        assert_eq!(numbers("32767 -32768", b' '), Ok(vec![32767, -32768]));
        assert_eq!(numbers("32768", b' '), Err(SkipReason::ValueBeyondI16));
        assert_eq!(numbers("99999999999999999999", b' '), Err(SkipReason::ValueBeyondI16));
    }

    #[test]
    fn time_stamps_printed_signed_are_the_same_clock() {
        assert_eq!(micros_32(b"-1"), Some(FrameTime::WrappingMicros32(u32::MAX)));
        assert_eq!(micros_32(b"4294967295"), Some(FrameTime::WrappingMicros32(u32::MAX)));
        assert_eq!(micros_32(b"4294967296"), Some(FrameTime::Micros(1 << 32)));
        assert_eq!(micros_32(b"12x"), None);
    }
}
