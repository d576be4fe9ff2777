//! A small ROM loader and a port on virtual time: only what these tests script. The whole board,
//! with faults, pacing and an application, is `csi_lab::sim`.

use std::collections::BTreeMap;

use esp_flasher::command::Reply;
use esp_flasher::line::BAUD;
use esp_flasher::slip::{self, Decoder};
use esp_flasher::{Action, Chip, Event, Job, Lines, Loader, LoaderConfig, Plan};
use md5::{Digest, Md5};

/// Bytes of the flash, as its id says.
pub const FLASH: usize = 0x8_0000;

/// What a ROM's answer becomes on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives.
    Deaf,
    /// The request is carried out and the reply lost.
    Mute,
    /// The reply comes twice.
    Twice,
    /// Refused with this reason, not carried out.
    Refuse(u8),
    /// The port goes away before the request arrives, and comes back 1 s later.
    Unplug,
}

pub struct Rom {
    pub flash: Vec<u8>,
    pub registers: BTreeMap<u32, u32>,
    /// The reply to security info, without status; refused when empty.
    pub security: Vec<u8>,
    pub in_loader: bool,
    /// Which lines, from the first not released on, bring it into its loader; `None` is never.
    pub enters_by: Option<Vec<(bool, bool)>>,
    /// Whether RTS reaches EN.
    pub restarts: bool,
    pub boot_text: &'static str,
    /// The highest speed at which bytes arrive.
    pub top_baud: u32,
    /// The fault of the request of this number.
    pub faults: BTreeMap<usize, Fault>,
    pub requests: Vec<Vec<u8>>,
    pub baud: u32,
    pub rom_baud: u32,
    pub lines: Vec<(bool, bool)>,
    pub slip: Decoder,
    pub write: Option<(usize, Vec<u8>, usize)>,
    pub md5_lies: bool,
}

impl Rom {
    pub fn new() -> Self {
        let registers = BTreeMap::from([
            (0x4000_1000, 9),
            (0x6000_7044, 0x3344_5566),
            (0x6000_7048, 0x1122),
            (0x6000_7050, 2 << 18),
            (0x6000_7058, 1 << 24),
            (0x6000_2018, 0x8000_0000),
            (0x6000_2020, 0x7000_0000),
        ]);
        let mut security = vec![0; 20];
        security[12] = 9;
        Self {
            flash: vec![0xFF; FLASH],
            registers,
            security,
            in_loader: false,
            enters_by: Some(vec![(true, true), (false, true), (true, false), (false, false)]),
            restarts: true,
            boot_text: "ESP-ROM:esp32s3-20210327\r\nrst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n",
            top_baud: 921_600,
            faults: BTreeMap::new(),
            requests: Vec::new(),
            baud: BAUD,
            rom_baud: BAUD,
            lines: Vec::new(),
            slip: Decoder::new(),
            write: None,
            md5_lies: false,
        }
    }

    pub fn lying(mut self) -> Self {
        self.md5_lies = true;
        self
    }

    fn set_lines(&mut self, Lines { dtr, rts }: Lines) -> Vec<u8> {
        self.lines.push((dtr, rts));
        if (dtr, rts) != (false, false) {
            return Vec::new();
        }
        let moved: Vec<_> = self.lines.drain(..).skip_while(|&l| l == (false, false)).collect();
        let enters = !moved.is_empty() && self.enters_by.as_ref() == Some(&moved);
        let restarts = self.restarts && moved == [(false, true), (false, false)];
        if enters || restarts {
            (self.in_loader, self.rom_baud) = (enters, BAUD);
        }
        if restarts { self.boot_text.into() } else { Vec::new() }
    }

    /// Takes what the host wrote; returns what it reads, and whether the port is still there.
    fn bytes(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut answer = Vec::new();
        if !self.in_loader || self.baud != self.rom_baud || self.baud > self.top_baud {
            return (answer, true);
        }
        for frame in bytes.iter().filter_map(|&byte| self.slip.push(byte)).collect::<Vec<_>>() {
            let fault = self.faults.get(&self.requests.len()).copied();
            self.requests.push(frame.clone());
            let reply = match fault {
                Some(Fault::Unplug) => return (Vec::new(), false),
                Some(Fault::Deaf) => continue,
                Some(Fault::Refuse(reason)) => reply(frame[1], 0, &[], Some(reason)),
                _ => self.carry_out(&frame),
            };
            let times = match fault {
                Some(Fault::Mute) => 0,
                Some(Fault::Twice) => 2,
                _ => 1,
            };
            answer.extend(reply.repeat(times));
        }
        (answer, true)
    }

    fn carry_out(&mut self, frame: &[u8]) -> Vec<u8> {
        let op = frame[1];
        let data = &frame[8..];
        let word = |n: usize| u32::from_le_bytes(data[4 * n..4 * n + 4].try_into().unwrap());
        let range = |at: u32, len: u32| at as usize..(at + len) as usize;
        match op {
            0x08 => return reply(op, 0x2012_0707, &[], None).repeat(8),
            0x14 if self.security.is_empty() => return reply(op, 0, &[], Some(5)),
            0x14 => return reply(op, 0, &self.security, None),
            0x0A => {
                let value = self.registers.get(&word(0)).copied().unwrap_or_default();
                return reply(op, value, &[], None);
            }
            0x09 => self.write_register(word(0), word(1), word(2)),
            0x0F => {
                let answer = reply(op, 0, &[], None);
                self.rom_baud = word(0);
                return answer;
            }
            0x0E => return reply(op, 0, &self.flash[range(word(0), 64)], None),
            0x13 => {
                let mut digest = Md5::digest(&self.flash[range(word(0), word(1))]);
                digest[0] ^= u8::from(self.md5_lies);
                let digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
                return reply(op, 0, digits.as_bytes(), None);
            }
            0x02 | 0x10 => {
                let (size, blocks, at) = (word(0), word(1), word(3));
                let end = (at + size).next_multiple_of(0x1000);
                self.flash[at as usize..end as usize].fill(0xFF);
                self.write = Some((at as usize, Vec::new(), blocks as usize));
            }
            0x03 | 0x11 => {
                let payload = &data[16..];
                let sum = payload.iter().fold(0xEF, |sum, b| sum ^ b);
                let Some((at, bytes, left)) = self.write.as_mut().filter(|w| w.2 > 0) else {
                    return reply(op, 0, &[], Some(6));
                };
                if u32::from(sum) != u32::from_le_bytes(frame[4..8].try_into().unwrap()) {
                    return reply(op, 0, &[], Some(7));
                }
                bytes.extend(payload);
                *left -= 1;
                if *left == 0 {
                    let plain = match op {
                        0x03 => bytes.clone(),
                        _ => match miniz_oxide::inflate::decompress_to_vec_zlib(bytes) {
                            Ok(plain) => plain,
                            Err(_) => return reply(op, 0, &[], Some(0xB)),
                        },
                    };
                    self.flash[*at..*at + plain.len()].copy_from_slice(&plain);
                }
            }
            0x0B | 0x0D => {}
            _ => return reply(op, 0, &[], Some(5)),
        }
        reply(op, 0, &[], None)
    }

    fn write_register(&mut self, address: u32, value: u32, mask: u32) {
        if address == 0x6000_2000 {
            self.registers.insert(0x6000_2058, 0x0013_40C8);
            return;
        }
        let old = self.registers.get(&address).copied().unwrap_or_default();
        self.registers.insert(address, old & !mask | value & mask);
    }

    /// The ops of the requests that arrived, syncs left out.
    pub fn ops(&self) -> Vec<u8> {
        self.requests.iter().map(|request| request[1]).filter(|&op| op != 8).collect()
    }
}

fn reply(op: u8, value: u32, payload: &[u8], refused: Option<u8>) -> Vec<u8> {
    let mut frame = vec![1, op];
    frame.extend((payload.len() as u16 + 4).to_le_bytes());
    frame.extend(value.to_le_bytes());
    frame.extend(payload);
    frame.extend([u8::from(refused.is_some()), refused.unwrap_or_default(), 0, 0]);
    assert!(Reply::parse(&frame).is_some());
    slip::encode(&frame)
}

/// A loader and a ROM with a port in between.
pub struct Bench {
    pub loader: Loader,
    pub rom: Rom,
    pub now: u64,
    pub events: Vec<Event>,
    pub actions: Vec<Action>,
    comes_back: Option<u64>,
}

impl Bench {
    pub fn new(config: LoaderConfig, rom: Rom) -> Self {
        let loader = Loader::new(config);
        Self { loader, rom, now: 0, events: Vec::new(), actions: Vec::new(), comes_back: None }
    }

    /// Starts a job and lets it run to its end.
    pub fn run(&mut self, job: Job) -> &Event {
        self.start(job);
        while self.step() {}
        self.events.last().expect("an end")
    }

    pub fn start(&mut self, job: Job) {
        self.events.clear();
        self.loader.start(self.now, job);
    }

    /// Does the next thing that is due. `false` when the job has ended.
    pub fn step(&mut self) -> bool {
        if let Some(action) = self.loader.poll_action() {
            self.actions.push(action.clone());
            self.act(action);
        } else if self.loader.is_busy() {
            let due = self.loader.poll_timeout().expect("a running job waits for a time");
            match self.comes_back.filter(|&at| at <= due) {
                Some(at) => {
                    (self.now, self.comes_back) = (self.now.max(at), None);
                    self.loader.handle_opened(self.now);
                }
                None => {
                    self.now = self.now.max(due);
                    self.loader.handle_timeout(self.now);
                }
            }
        } else {
            self.events.extend(std::iter::from_fn(|| self.loader.poll_event()));
            return false;
        }
        self.events.extend(std::iter::from_fn(|| self.loader.poll_event()));
        assert!(self.now < 3_600_000_000, "a job ends within an hour: {:?}", self.events.last());
        true
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::SetBaud(baud) => {
                self.rom.baud = baud;
                self.loader.handle_opened(self.now);
            }
            Action::SetLines(lines) => {
                let text = self.rom.set_lines(lines);
                self.loader.handle_bytes(self.now, &text);
            }
            Action::Write(bytes) => {
                self.now += bytes.len() as u64 * 10_000_000 / u64::from(self.rom.baud);
                let (answer, there) = self.rom.bytes(&bytes);
                if !there {
                    self.lose();
                }
                self.now += answer.len() as u64 * 10_000_000 / u64::from(self.rom.baud);
                // A port hands bytes over as it likes.
                for chunk in answer.chunks(5) {
                    self.loader.handle_bytes(self.now, chunk);
                }
            }
            Action::Reopen => {
                self.rom.baud = BAUD;
                self.comes_back = Some(self.now + 1_000_000);
            }
        }
    }

    /// Cuts the board's power. It comes back with its application when the port is asked for.
    pub fn lose(&mut self) {
        self.rom.in_loader = false;
        self.rom.slip = Decoder::new();
        self.rom.lines.clear();
        self.comes_back = None;
        self.loader.handle_lost(self.now);
    }

    pub fn chip(&self) -> Option<Chip> {
        self.events.iter().find_map(|event| match event {
            Event::Identified(chip) => Some(*chip),
            _ => None,
        })
    }
}

/// Bytes that hardly pack, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

pub fn plan(parts: &[(u32, Vec<u8>)]) -> Plan {
    let mut plan = Plan::new(FLASH as u32);
    for (offset, bytes) in parts {
        plan.write("part", *offset, bytes.clone()).unwrap();
    }
    plan
}
