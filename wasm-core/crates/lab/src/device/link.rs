//! What comes from a board, taken apart: text lines, lines with CSI, frames of the protocol.

use csi_node::FRAME_GAP_MICROS;
use csi_node::protocol::{Decoder, Event, ProtocolError};

/// Text without a line end is shown after this silence, so that a prompt is seen.
const PROMPT_MICROS: u64 = 200_000;
/// What a line with CSI holds.
const MARK: &[u8] = b"CSI_DATA,";
/// A longer line is cut: noise at a wrong speed has no line ends.
const MAX_LINE: usize = 8 * 1024;

/// A piece of what a board sent, in its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Heard<'a> {
    /// A line of text without its end; what is no UTF-8 is left as it is.
    Line(&'a [u8]),
    /// A line with CSI as other firmware prints it, with its end.
    CsiLine(&'a [u8]),
    /// A whole frame.
    Frame {
        /// Its kind.
        kind: u8,
        /// Its payload.
        payload: &'a [u8],
    },
    /// What looked like a frame and is none; its bytes come as text.
    Damaged(ProtocolError),
}

/// Takes bytes apart that are cut anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    decoder: Decoder,
    line: Vec<u8>,
    heard_micros: u64,
}

impl Link {
    /// Takes bytes and hands every piece that is complete to `take`.
    pub fn push(&mut self, now_micros: u64, bytes: &[u8], take: &mut dyn FnMut(Heard<'_>)) {
        self.handle_timeout(now_micros, take);
        let mut rest = bytes;
        while !rest.is_empty() {
            self.heard_micros = now_micros;
            rest = self.decoder.push(rest);
            self.drain(take);
        }
    }

    /// Gives up a frame that is not completed, and shows a line that is not ended.
    pub fn handle_timeout(&mut self, now_micros: u64, take: &mut dyn FnMut(Heard<'_>)) {
        let silent_micros = now_micros.saturating_sub(self.heard_micros);
        if self.decoder.is_waiting() && silent_micros >= FRAME_GAP_MICROS {
            self.decoder.expire();
            self.drain(take);
        }
        if self.holds_prompt() && silent_micros >= PROMPT_MICROS {
            end_line(&mut self.line, take);
        }
    }

    /// When [`Link::handle_timeout`] is to be called; `None` while nothing is unfinished.
    pub fn poll_timeout(&self) -> Option<u64> {
        let frame = self.decoder.is_waiting().then_some(FRAME_GAP_MICROS);
        let line = self.holds_prompt().then_some(PROMPT_MICROS);
        let gap = frame.into_iter().chain(line).min()?;
        Some(self.heard_micros.saturating_add(gap))
    }

    /// Whether the unfinished line may be a prompt: one with CSI goes on, however late its rest comes.
    fn holds_prompt(&self) -> bool {
        let may_go_on = (1..MARK.len()).any(|n| self.line.ends_with(&MARK[..n]));
        !self.line.is_empty() && !may_go_on && !is_csi(&self.line)
    }

    /// Forgets what is unfinished, as after a loader spoke on the same line.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn drain(&mut self, take: &mut dyn FnMut(Heard<'_>)) {
        while let Some(event) = self.decoder.next_event() {
            match event {
                Event::Frame { kind, payload } => take(Heard::Frame { kind, payload }),
                Event::Damaged(error) => take(Heard::Damaged(error)),
                Event::Skipped(bytes) => text(&mut self.line, bytes, take),
            }
        }
    }
}

fn text(line: &mut Vec<u8>, bytes: &[u8], take: &mut dyn FnMut(Heard<'_>)) {
    for &byte in bytes {
        match byte {
            b'\n' => end_line(line, take),
            _ => line.push(byte),
        }
        if line.len() >= MAX_LINE {
            end_line(line, take);
        }
    }
}

fn end_line(line: &mut Vec<u8>, take: &mut dyn FnMut(Heard<'_>)) {
    while line.last() == Some(&b'\r') {
        line.pop();
    }
    if is_csi(line) {
        line.push(b'\n');
        take(Heard::CsiLine(line));
    } else if !line.is_empty() {
        take(Heard::Line(line));
    }
    line.clear();
}

/// A glued prompt or log line before it is usual; the readers deal with it.
fn is_csi(line: &[u8]) -> bool {
    line.windows(MARK.len()).any(|window| window == MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use csi_node::protocol::Request;

    fn pieces(chunks: &[&[u8]]) -> Vec<String> {
        let (mut link, mut all) = (Link::default(), Vec::new());
        for chunk in chunks {
            link.push(0, chunk, &mut |heard| all.push(format!("{heard:?}")));
        }
        link.handle_timeout(FRAME_GAP_MICROS, &mut |heard| all.push(format!("{heard:?}")));
        all
    }

    #[test]
    fn frames_are_kept_out_of_the_text_wherever_the_bytes_are_cut() {
        let mut bytes = b"boot: 1\r\nCSI_DATA,1,[2]\nhal".to_vec();
        Request::Hello.write(&mut bytes).unwrap();
        bytes.extend_from_slice(b"f\nprompt>");
        let whole = pieces(&[&bytes]);
        assert_eq!(whole.len(), 5, "{whole:?}");
        for cut in 0..bytes.len() {
            assert_eq!(pieces(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(pieces(&single), whole);
    }

    #[test]
    fn a_frame_whose_end_never_comes_is_text_after_a_second() {
        let mut link = Link::default();
        let mut lines = 0;
        link.push(5, b"\x55\xAA\x01\xFF\x00ab", &mut |_| lines += 1);
        assert_eq!((lines, link.poll_timeout()), (0, Some(5 + FRAME_GAP_MICROS)));
        link.handle_timeout(5 + FRAME_GAP_MICROS, &mut |heard| {
            assert!(matches!(heard, Heard::Line(_)), "{heard:?}");
            lines += 1;
        });
        assert_eq!((lines, link.poll_timeout()), (1, None));
    }

    /// A page that was busy for a while reads late: what came is whole all the same.
    #[test]
    fn a_line_with_csi_is_never_cut_by_silence_and_a_prompt_is() {
        let line = b"CSI_DATA,1,[2 3 4]\n";
        for cut in 1..line.len() {
            let (mut link, mut heard) = (Link::default(), Vec::new());
            let mut take = |piece: Heard<'_>| heard.push(format!("{piece:?}"));
            link.push(5, &line[..cut], &mut take);
            assert_eq!(link.poll_timeout(), None, "nothing is due, cut at {cut}");
            link.handle_timeout(5 + 10 * PROMPT_MICROS, &mut take);
            link.push(5 + 20 * PROMPT_MICROS, &line[cut..], &mut take);
            assert_eq!(heard, [format!("{:?}", Heard::CsiLine(line))], "cut at {cut}");
        }
        let (mut link, mut heard) = (Link::default(), 0);
        link.push(5, b"esp32>", &mut |_| heard += 1);
        assert_eq!(link.poll_timeout(), Some(5 + PROMPT_MICROS));
        link.handle_timeout(5 + PROMPT_MICROS, &mut |_| heard += 1);
        assert_eq!(heard, 1);
    }

    #[test]
    fn noise_without_line_ends_is_cut_and_never_kept() {
        let mut link = Link::default();
        let (mut lines, mut bytes) = (0, 0);
        for _ in 0..100 {
            link.push(0, &[0xF0; 1000], &mut |heard| match heard {
                Heard::Line(line) => (lines, bytes) = (lines + 1, bytes + line.len()),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!((lines, bytes), (12, 12 * MAX_LINE));
    }
}
