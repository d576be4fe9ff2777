//! SLIP, RFC 1055, as the loader speaks it: `C0` before and after a packet, `DB DC` for `C0` in it,
//! `DB DD` for `DB`.
//!
//! A reading of its own, not the flasher's, so that each checks the other.

/// Takes bytes, gives packets. What comes before the first `C0` is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unslip {
    packet: Vec<u8>,
    is_inside: bool,
    is_escaped: bool,
}

/// The longest packet: a stub's block of 16 KB with its head.
const MOST: usize = 0x4000 + 64;

impl Unslip {
    /// Takes a byte; returns the packet that it ends. What is too long, or escaped wrongly, is
    /// dropped whole.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        let is_escaped = std::mem::take(&mut self.is_escaped);
        match byte {
            0xC0 => {
                let packet = std::mem::take(&mut self.packet);
                let was_inside = std::mem::replace(&mut self.is_inside, packet.is_empty());
                return (was_inside && !packet.is_empty()).then_some(packet);
            }
            _ if !self.is_inside => {}
            0xDB if !is_escaped => self.is_escaped = true,
            0xDC if is_escaped => self.packet.push(0xC0),
            0xDD if is_escaped => self.packet.push(0xDB),
            _ if is_escaped || self.packet.len() >= MOST => *self = Self::default(),
            _ => self.packet.push(byte),
        }
        None
    }
}

/// Appends a packet.
pub(crate) fn slip(packet: &[u8], out: &mut Vec<u8>) {
    out.push(0xC0);
    for &byte in packet {
        match byte {
            0xC0 => out.extend([0xDB, 0xDC]),
            0xDB => out.extend([0xDB, 0xDD]),
            _ => out.push(byte),
        }
    }
    out.push(0xC0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = Unslip::default();
        bytes.iter().filter_map(|byte| reader.push(*byte)).collect()
    }

    #[test]
    fn packets_are_found_among_noise() {
        let line = b"boot\xC0\x01\xDB\xDC\xDB\xDD\xC0noise\xC0\xC0\x02\xC0";
        assert_eq!(packets(line), [vec![1, 0xC0, 0xDB], vec![2]]);
    }

    #[test]
    fn what_is_escaped_wrongly_or_too_long_is_dropped_whole() {
        assert_eq!(packets(b"\xC0\x01\xDB\x02\x03\xC0\xC0\x04\xC0"), [vec![4]]);
        let long = [&[0xC0][..], &[7; MOST + 1], &[0xC0, 0xC0, 5, 0xC0]].concat();
        assert_eq!(packets(&long), [vec![5]]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let packet: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        slip(&packet, &mut line);
        assert_eq!(packets(&line), [packet]);
    }
}
