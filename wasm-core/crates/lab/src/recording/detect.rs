//! Which format a file has, told from its first bytes.
//!
//! The order matters and is that of the checks below: a file that begins with a line of a board's
//! serial output, binary magics, then JSON lines, then
//! text with `CSI_DATA`, then binary records without a magic, then plain tables. The file's name
//! decides nothing.

use super::binary;
use super::generic::{self, Table};
use super::jsonl::JsonLines;
use super::line::LineReader;
use super::line::{Line, Lines};
use super::serial::{self, SerialText};
use super::{Reader, Refusal};

/// Bytes that are looked at; a shorter file is looked at as a whole.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// A format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// RuView's `.csi.jsonl`, any kind.
    RuViewJsonl,
    /// RuView's wire packets, back to back.
    Adr018,
    /// RuView's wire packets in a network capture.
    Adr018Pcap,
    /// Nexmon's datagrams in a network capture.
    NexmonPcap,
    /// Espectre's datagrams in a network capture.
    EspectrePcap,
    /// A log of the Intel 5300 tool.
    Intel5300,
    /// A log of the Atheros tool.
    Atheros,
    /// Espressif's `CSI_DATA` lines.
    EspressifCsv,
    /// `CSI_DATA` lines of the ESP32-CSI-Tool.
    Esp32CsiToolCsv,
    /// A table with columns of subcarriers.
    GenericCsv,
}

impl Format {
    /// Returns the stable name used in reports.
    pub const fn id(self) -> &'static str {
        match self {
            Self::RuViewJsonl => "ruview-csi-jsonl",
            Self::Adr018 => "adr018-bin",
            Self::Adr018Pcap => "adr018-pcap",
            Self::NexmonPcap => "nexmon-pcap",
            Self::EspectrePcap => "espectre-pcap",
            Self::Intel5300 => "intel5300-dat",
            Self::Atheros => "atheros-dat",
            Self::EspressifCsv => "espressif-csv",
            Self::Esp32CsiToolCsv => "esp32-csi-tool-csv",
            Self::GenericCsv => "generic-csv",
        }
    }
}

/// What the first bytes say.
pub(super) struct Found {
    pub(super) format: Format,
    /// Why, as a sentence without its full stop.
    pub(super) reason: String,
    pub(super) reader: Box<dyn Reader>,
}

impl Found {
    pub(super) fn new(format: Format, reason: &str, reader: impl Reader + 'static) -> Self {
        Self { format, reason: reason.to_owned(), reader: Box::new(reader) }
    }
}

/// Chooses the reader for a file that begins with `head`.
pub(super) fn detect(head: &[u8], line_bytes: usize) -> Result<Found, Refusal> {
    if head.is_empty() {
        return Err(Refusal::Empty);
    }
    // What begins with CSI is the serial output of a board, whatever comes after: a live recording
    // that was saved begins so.
    if serial::begin(head) == Some(0)
        && let Some((format, reason)) = serial::recognise(head)
    {
        return Ok(Found::new(format, reason, LineReader::new(SerialText::default(), line_bytes)));
    }
    if let Some(found) = binary::with_magic(head) {
        return found;
    }
    if is_utf16(head) {
        return Err(Refusal::Utf16);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first = text.iter().find(|b| !b.is_ascii_whitespace());
    let mut lines = text.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let first_line = lines.find(|line| !line.is_empty());
    if matches!(first_line, Some(b"{" | b"["))
        || (first == Some(&b'[') && is_text(text) && has_key(text))
    {
        return Err(Refusal::JsonDocument);
    }
    if first == Some(&b'{') {
        let reason = "the first character is the brace of a JSON object";
        return Ok(Found::new(
            Format::RuViewJsonl,
            reason,
            LineReader::new(JsonLines::default(), line_bytes),
        ));
    }
    if let Some((format, reason)) = serial::recognise(text) {
        return Ok(Found::new(format, reason, LineReader::new(SerialText::default(), line_bytes)));
    }
    if let Some(found) = binary::without_magic(head) {
        return Ok(found);
    }
    if !is_text(text) {
        let mut first = [0; 4];
        first.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        return Err(Refusal::Unrecognised { first });
    }
    if has_json_line(text) {
        let reason = "lines of JSON stand between other lines";
        return Ok(Found::new(
            Format::RuViewJsonl,
            reason,
            LineReader::new(JsonLines::default(), line_bytes),
        ));
    }
    if let Some((columns, reason)) = generic::recognise(text) {
        let table = LineReader::new(Table::new(columns), line_bytes);
        return Ok(Found { format: Format::GenericCsv, reason, reader: Box::new(table) });
    }
    // A long log may have its first frame later.
    let reason = "text whose beginning holds no CSI; searched for CSI_DATA lines";
    Ok(Found::new(Format::EspressifCsv, reason, LineReader::new(SerialText::default(), line_bytes)))
}

/// UTF-16 by its byte order mark, or by every other byte being zero.
fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        // FF FE 00 00 would be UTF-32; it is as little wanted.
        return true;
    }
    let pairs = head.chunks_exact(2).take(512);
    let (mut low, mut high, mut count) = (0, 0, 0);
    for pair in pairs {
        count += 1;
        low += usize::from(pair[1] == 0 && (b' '..0x7f).contains(&pair[0]));
        high += usize::from(pair[0] == 0 && (b' '..0x7f).contains(&pair[1]));
    }
    count >= 4 && low.max(high) * 10 >= count * 9
}

/// Text has no zero bytes and hardly any control characters. Some noise is allowed: serial logs
/// begin with it.
fn is_text(head: &[u8]) -> bool {
    let control =
        |b: &&u8| (**b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x1b)) || **b == 0x7f;
    let strange = head.iter().filter(control).count();
    let high = head.iter().filter(|b| **b >= 0x80).count();
    strange * 50 <= head.len() && high * 3 <= head.len()
}

/// Whether an object begins somewhere in the text.
fn has_key(text: &[u8]) -> bool {
    serial::find(text, b"{\"").is_some()
}

fn has_json_line(text: &[u8]) -> bool {
    let mut seen = false;
    let mut lines = Lines::new(HEAD_BYTES);
    lines.push(text, &mut |line, _| {
        if let Line::Whole(line) = line {
            seen |= line.starts_with(b"{\"");
        }
    });
    seen
}
