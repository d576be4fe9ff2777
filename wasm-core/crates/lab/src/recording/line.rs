//! Lines of a byte stream: `\n`, `\r\n` and lone `\r`, in pieces of any size; and the reader
//! that every format of lines shares.

use super::{Position, Reader, Sink, SkipReason};

/// What a format does with one line.
pub(super) trait LineFormat {
    /// Takes a line without its line end. `last` says that nothing closed it: it may be cut.
    fn line(&mut self, text: &[u8], last: bool, at: Position, sink: &mut Sink);
}

/// Reads a format of lines in pieces.
pub(super) struct LineReader<F> {
    lines: Lines,
    format: F,
}

impl<F: LineFormat> LineReader<F> {
    /// `line_bytes` is the length beyond which a line is thrown away.
    pub(super) fn new(format: F, line_bytes: usize) -> Self {
        Self { lines: Lines::new(line_bytes), format }
    }

    /// Hands a line over, or reports one that was too long.
    fn line(format: &mut F, line: Line<'_>, number: u64, sink: &mut Sink) {
        let at = Position::Line(number);
        sink.lines(number);
        match line {
            Line::Whole(text) => format.line(text, false, at, sink),
            Line::Last(text) => format.line(text, true, at, sink),
            Line::TooLong => sink.skip(SkipReason::LineTooLong, at),
        }
    }
}

impl<F: LineFormat> Reader for LineReader<F> {
    fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        let Self { lines, format } = self;
        lines.push(bytes, &mut |line, number| Self::line(format, line, number, sink));
    }

    fn finish(&mut self, sink: &mut Sink) {
        let Self { lines, format } = self;
        lines.finish(&mut |line, number| Self::line(format, line, number, sink));
    }
}

/// What [`Lines`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line that ended, without its line end.
    Whole(&'a [u8]),
    /// The last line of the file, which no line end closes.
    Last(&'a [u8]),
    /// A line longer than the limit; it was not kept.
    TooLong,
}

/// Splits bytes into lines and keeps only the unfinished one, up to a limit.
#[derive(Debug)]
pub(super) struct Lines {
    held: Vec<u8>,
    limit: usize,
    /// The unfinished line is beyond the limit and is being thrown away.
    discarding: bool,
    /// `\r`s since the last line ended: a `\n` now belongs to them. Windows consoles write
    /// `\r\r\n`; that is one line end.
    returns: u64,
    /// Lines that ended.
    number: u64,
    /// A byte order mark may still come.
    at_start: bool,
}

impl Lines {
    /// `limit` is the length in bytes beyond which a line is thrown away.
    pub(super) fn new(limit: usize) -> Self {
        Self { held: Vec::new(), limit, discarding: false, returns: 0, number: 0, at_start: true }
    }

    /// Shows `each` every line that ends within `bytes`, with its number from 1. A UTF-8 byte
    /// order mark before the first line is left out.
    pub(super) fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Line<'_>, u64)) {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n' || b == b'\r') {
            let (piece, rest) = bytes.split_at(end);
            let end_byte = rest[0];
            bytes = &rest[1..];
            if piece.is_empty() && self.returns > 0 {
                // Between line ends: either one of them, or blank lines.
                self.returns = if end_byte == b'\r' { self.returns + 1 } else { 0 };
                continue;
            }
            self.count_blank_lines(piece);
            self.end_line(piece, each);
            self.returns = u64::from(end_byte == b'\r');
        }
        if !bytes.is_empty() {
            self.count_blank_lines(bytes);
            self.hold(bytes);
        }
    }

    /// Shows `each` the last line, if the file does not end with a line end.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Line<'_>, u64)) {
        self.number += 1;
        if self.discarding {
            each(Line::TooLong, self.number);
        } else if !self.held.is_empty() {
            let held = core::mem::take(&mut self.held);
            each(Line::Last(self.without_mark(&held)), self.number);
        }
    }

    /// A line begins: what looked like the beginning of `\r\r\n` were lines of their own.
    fn count_blank_lines(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            self.number += self.returns.saturating_sub(1);
            self.returns = 0;
        }
    }

    fn end_line(&mut self, piece: &[u8], each: &mut dyn FnMut(Line<'_>, u64)) {
        self.number += 1;
        if self.discarding || self.held.len() + piece.len() > self.limit {
            self.discarding = false;
            self.held.clear();
            self.at_start = false;
            each(Line::TooLong, self.number);
        } else if self.held.is_empty() {
            each(Line::Whole(self.without_mark(piece)), self.number);
        } else {
            let mut held = core::mem::take(&mut self.held);
            held.extend_from_slice(piece);
            each(Line::Whole(self.without_mark(&held)), self.number);
            held.clear();
            self.held = held;
        }
    }

    fn hold(&mut self, piece: &[u8]) {
        if self.discarding || self.held.len() + piece.len() > self.limit {
            self.discarding = true;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }

    fn without_mark<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let first = core::mem::take(&mut self.at_start);
        if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8], size: usize, limit: usize) -> Vec<(String, u64)> {
        let mut lines = Lines::new(limit);
        let mut seen = Vec::new();
        let mut each = |line: Line<'_>, number| {
            let text = match line {
                Line::Whole(b) => String::from_utf8_lossy(b).into_owned(),
                Line::Last(b) => format!("last {}", String::from_utf8_lossy(b)),
                Line::TooLong => "too long".to_owned(),
            };
            seen.push((text, number));
        };
        bytes.chunks(size).for_each(|piece| lines.push(piece, &mut each));
        lines.finish(&mut each);
        seen
    }

    #[test]
    fn mixed_line_ends_and_a_mark_survive_any_chunking() {
        let text = b"\xef\xbb\xbfa\r\nbb\rc\n\nd\r\r\n\r\n\r\re";
        let whole = split(text, text.len(), 100);
        let names: Vec<&str> = whole.iter().map(|(t, _)| t.as_str()).collect();
        assert_eq!(names, ["a", "bb", "c", "", "d", "", "", "last e"]);
        assert_eq!(whole.last().map(|l| l.1), Some(9), "two blank lines end with \\r");
        for size in 1..text.len() {
            assert_eq!(split(text, size, 100), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_reported_once_and_not_kept() {
        let text = b"ab\n0123456789\ncd\n0123456789";
        for size in 1..text.len() {
            let seen: Vec<String> = split(text, size, 9).into_iter().map(|(t, _)| t).collect();
            assert_eq!(seen, ["ab", "too long", "cd", "too long"], "pieces of {size}");
        }
    }
}
