//! SLIP, the framing of the ROM loader: `C0` on both sides, `DB DC` for `C0`, `DB DD` for `DB`.
//!
//! The decoder takes every run of bytes between two `C0` for a possible frame, whether the first
//! of the two ended a frame or began one. So a lost delimiter costs one frame, never the rhythm,
//! and what a board prints between frames becomes a run that is no reply. Whether a run makes
//! sense is not judged here. Source: RFC 1055.

use alloc::vec::Vec;

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const ESCAPED_END: u8 = 0xDC;
const ESCAPED_ESCAPE: u8 = 0xDD;

/// The longest frame that a decoder keeps, in bytes. Longer ones are dropped as noise.
pub const MAX_FRAME: usize = 0x1_0000;

/// Returns these bytes as one frame, delimiters included.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + bytes.len() / 64 + 2);
    frame.push(END);
    for &byte in bytes {
        match byte {
            END => frame.extend([ESCAPE, ESCAPED_END]),
            ESCAPE => frame.extend([ESCAPE, ESCAPED_ESCAPE]),
            plain => frame.push(plain),
        }
    }
    frame.push(END);
    frame
}

/// Takes bytes as they arrive and gives frames.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    run: Vec<u8>,
    escaped: bool,
    /// The run broke a rule or grew too long, and lasts until the next delimiter.
    spoiled: bool,
}

impl Decoder {
    /// Makes an empty decoder.
    pub const fn new() -> Self {
        Self { run: Vec::new(), escaped: false, spoiled: false }
    }

    /// Takes one byte. Returns a frame when this byte ended one that is sound and not empty.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == END {
            let sound = !self.spoiled && !self.escaped && !self.run.is_empty();
            (self.escaped, self.spoiled) = (false, false);
            let run = core::mem::take(&mut self.run);
            return sound.then_some(run);
        }
        if self.spoiled {
            return None;
        }
        let plain = match (core::mem::take(&mut self.escaped), byte) {
            (true, ESCAPED_END) => END,
            (true, ESCAPED_ESCAPE) => ESCAPE,
            (false, ESCAPE) => {
                self.escaped = true;
                return None;
            }
            (false, plain) => plain,
            (true, _) => {
                self.spoil();
                return None;
            }
        };
        if self.run.len() == MAX_FRAME {
            self.spoil();
        } else {
            self.run.push(plain);
        }
        None
    }

    /// Forgets what has arrived of a frame.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    fn spoil(&mut self) {
        self.run = Vec::new();
        self.spoiled = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{QuickCheck, TestResult};

    fn decode(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::new();
        bytes.iter().filter_map(|&byte| decoder.push(byte)).collect()
    }

    #[test]
    fn frames_are_as_rfc_1055_says() {
        assert_eq!(encode(&[1, 0xC0, 2, 0xDB, 3]), [0xC0, 1, 0xDB, 0xDC, 2, 0xDB, 0xDD, 3, 0xC0]);
    }

    #[test]
    fn what_is_encoded_comes_back_between_any_noise() {
        fn holds(first: Vec<u8>, second: Vec<u8>, noise: Vec<u8>) -> TestResult {
            if first.is_empty() || second.is_empty() {
                return TestResult::discard();
            }
            let quiet: Vec<u8> =
                noise.iter().copied().filter(|b| ![END, ESCAPE].contains(b)).collect();
            let mut line = quiet.clone();
            line.extend(encode(&first));
            line.extend(&quiet);
            line.extend(encode(&second));
            let frames = decode(&line);
            TestResult::from_bool(frames.contains(&first) && frames.contains(&second))
        }
        QuickCheck::new().quickcheck(holds as fn(Vec<u8>, Vec<u8>, Vec<u8>) -> TestResult);
    }

    #[test]
    fn a_lost_delimiter_costs_one_frame_only() {
        let mut line = encode(&[1, 2]);
        line.pop();
        line.extend(encode(&[3]));
        assert_eq!(decode(&line), [[1, 2].as_slice(), &[3]], "the next frame's start ends it");
        let mut line = encode(&[1, 2])[1..].to_vec();
        line.extend(encode(&[3]));
        assert_eq!(decode(&line), [[1, 2].as_slice(), &[3]]);
    }

    #[test]
    fn an_endless_run_takes_no_endless_memory() {
        let mut decoder = Decoder::new();
        for _ in 0..3 * MAX_FRAME {
            assert_eq!(decoder.push(7), None);
            assert!(decoder.run.len() <= MAX_FRAME);
        }
        assert_eq!(decoder.push(END), None);
        assert_eq!(encode(&[5]).iter().find_map(|&b| decoder.push(b)), Some(alloc::vec![5]));
    }

    #[test]
    fn a_bad_escape_drops_the_frame() {
        assert_eq!(decode(&[0xC0, 1, 0xDB, 1, 0xC0, 9, 0xC0]), [[9]]);
        assert_eq!(decode(&[0xC0, 1, 0xDB, 0xC0, 9, 0xC0]), [[9]]);
    }
}
