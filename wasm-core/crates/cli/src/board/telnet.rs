//! RFC 2217: a serial port over telnet, with speed and lines. The board's end of it.
//!
//! `FF` starts a telnet command, `FF FF` is the byte. `FF FA 2C` command, value, `FF F0` sets
//! something of the port: 1 the speed (u32, big-endian), 5 the lines (8 DTR on, 9 off, 11 RTS on,
//! 12 off). Everything is answered as done, by the command's number plus 100. All options that
//! the host asks for are agreed to; data size, parity and stop bits change nothing.

use esp_flasher::line::Lines;

use super::port::Happened;

const IAC: u8 = 0xFF;
const SB: u8 = 0xFA;
const SE: u8 = 0xF0;
const WILL: u8 = 0xFB;
const DO: u8 = 0xFD;
const COM_PORT: u8 = 44;
const SET_BAUD: u8 = 1;
const SET_CONTROL: u8 = 5;
/// The longest command that is kept.
const MOST: usize = 64;

/// The state of one connection.
pub struct Telnet {
    state: State,
    command: Vec<u8>,
    answers: Vec<u8>,
    /// Options that were answered; once each, or both sides would answer for ever.
    agreed: Vec<(u8, u8)>,
    lines: Lines,
}

#[derive(Clone, Copy)]
enum State {
    Data,
    Command,
    Option(u8),
    Inside,
    InsideCommand,
}

impl Telnet {
    /// Starts.
    pub fn new() -> Self {
        let lines = Lines { dtr: false, rts: false };
        Self {
            state: State::Data,
            command: Vec::new(),
            answers: Vec::new(),
            agreed: Vec::new(),
            lines,
        }
    }

    /// Takes bytes of the connection.
    pub fn take(&mut self, bytes: &[u8], happened: &mut Vec<Happened>) {
        let mut data = Vec::new();
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Data, IAC) => State::Command,
                (State::Command, IAC) | (State::Data, _) => {
                    data.push(byte);
                    State::Data
                }
                (State::Command, SB) => {
                    self.command.clear();
                    State::Inside
                }
                (State::Command, 0xFB..=0xFE) => State::Option(byte),
                (State::Command, _) => State::Data,
                (State::Option(verb), option) => {
                    self.agree(verb, option);
                    State::Data
                }
                (State::Inside, IAC) => State::InsideCommand,
                (State::InsideCommand, SE) => {
                    // Bytes and lines stay in their order.
                    if !data.is_empty() {
                        happened.push(Happened::Bytes(std::mem::take(&mut data)));
                    }
                    happened.extend(self.set());
                    State::Data
                }
                (State::Inside | State::InsideCommand, _) => {
                    if self.command.len() < MOST {
                        self.command.push(byte);
                    }
                    State::Inside
                }
            };
        }
        if !data.is_empty() {
            happened.push(Happened::Bytes(data));
        }
    }

    /// Returns what is to be sent to the host.
    pub fn answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    fn agree(&mut self, verb: u8, option: u8) {
        let answer = match verb {
            DO => WILL,
            WILL => DO,
            // WONT and DONT need none.
            _ => return,
        };
        if !self.agreed.contains(&(verb, option)) && self.agreed.len() < 512 {
            self.agreed.push((verb, option));
            self.answers.extend([IAC, answer, option]);
        }
    }

    fn set(&mut self) -> Option<Happened> {
        let [COM_PORT, command, value @ ..] = &self.command[..] else { return None };
        self.answers.extend([IAC, SB, COM_PORT, command.wrapping_add(100)]);
        for &byte in value {
            self.answers.push(byte);
            if byte == IAC {
                self.answers.push(byte);
            }
        }
        self.answers.extend([IAC, SE]);
        match (*command, value) {
            (SET_BAUD, value) => {
                let baud = value.try_into().map(u32::from_be_bytes).ok()?;
                (baud > 0).then_some(Happened::Baud(baud))
            }
            (SET_CONTROL, [control]) => {
                match control {
                    8 => self.lines.dtr = true,
                    9 => self.lines.dtr = false,
                    11 => self.lines.rts = true,
                    12 => self.lines.rts = false,
                    _ => return None,
                }
                Some(Happened::Lines(self.lines))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], chunk: usize) -> (Vec<Happened>, Vec<u8>) {
        let (mut telnet, mut happened) = (Telnet::new(), Vec::new());
        bytes.chunks(chunk).for_each(|piece| telnet.take(piece, &mut happened));
        (happened, telnet.answers())
    }

    #[test]
    fn speed_lines_and_bytes_come_in_their_order() {
        let line = b"ab\xFF\xFA\x2C\x01\x00\x0E\x10\x00\xFF\xF0\xFF\xFFc\
                     \xFF\xFA\x2C\x05\x08\xFF\xF0\xFF\xFA\x2C\x05\x0B\xFF\xF0";
        let (happened, answers) = all(line, usize::MAX);
        let lines = |dtr, rts| Happened::Lines(Lines { dtr, rts });
        assert_eq!(
            happened,
            [
                Happened::Bytes(b"ab".to_vec()),
                Happened::Baud(921_600),
                Happened::Bytes(b"\xFFc".to_vec()),
                lines(true, false),
                lines(true, true),
            ]
        );
        assert_eq!(answers, b"\xFF\xFA\x2C\x65\x00\x0E\x10\x00\xFF\xF0\xFF\xFA\x2C\x69\x08\xFF\xF0\xFF\xFA\x2C\x69\x0B\xFF\xF0");
        assert_eq!(all(line, 1).1, answers);
    }

    #[test]
    fn options_are_agreed_to_once() {
        let (happened, answers) = all(b"\xFF\xFD\x00\xFF\xFB\x2C\xFF\xFD\x00\xFF\xFE\x01", 2);
        assert_eq!(happened, []);
        assert_eq!(answers, [IAC, WILL, 0, IAC, DO, COM_PORT]);
    }
}
