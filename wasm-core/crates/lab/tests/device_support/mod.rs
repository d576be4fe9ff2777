//! A device at one end of a cable, a simulated board at the other, and small firmware for it.
#![allow(dead_code, reason = "each test binary uses its part")]

use csi_lab::device::{
    Device, DeviceConfig, DeviceError, DeviceEvent, Firmware, Manifest, ParityAsk, ParityInput,
    PlanAsk, StepState, Task,
};
use csi_lab::sim::drive::Link;
use csi_lab::sim::{Board, BoardConfig, Flash, FlashSize};
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};
use esp_flasher::Cable;
use sha2::{Digest, Sha256};

pub const DIM: usize = 6;
pub const WINDOW: usize = 12;

/// An image for the ESP32-S3: header, one segment, checksum, hash.
pub fn image(segment: &[u8]) -> Vec<u8> {
    let mut image = vec![0xE9, 1, 2, 0x2F, 0, 0, 0x37, 0x40, 0xEE, 0, 0, 0, 9];
    image.resize(23, 0);
    image.push(1);
    image.extend_from_slice(&0x3C00_0020_u32.to_le_bytes());
    image.extend_from_slice(&(segment.len() as u32).to_le_bytes());
    image.extend_from_slice(segment);
    let checksum = segment.iter().fold(0xEF_u8, |sum, byte| sum ^ byte);
    image.resize(image.len() / 16 * 16 + 15, 0);
    image.push(checksum);
    let hash: [u8; 32] = Sha256::digest(&image).into();
    image.extend_from_slice(&hash);
    image
}

/// An application's description, and some bytes after it that do not pack well.
pub fn application(project: &str, len: usize) -> Vec<u8> {
    let mut segment = vec![0; 256];
    segment[..4].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    segment[16..16 + 5].copy_from_slice(b"0.1.0");
    segment[48..48 + project.len()].copy_from_slice(project.as_bytes());
    for (index, byte) in segment[144..176].iter_mut().enumerate() {
        *byte = index as u8 + 1;
    }
    let mut state = 1_u32;
    segment.extend((0..len).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    image(&segment)
}

/// The rows of `firmware/image/partitions.csv`, as ESP-IDF stores them.
pub fn partitions() -> Vec<u8> {
    let text = include_str!("../../../../../firmware/image/partitions.csv");
    let mut table = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let number = |text: &str| u32::from_str_radix(&text[2..], 16).unwrap();
        let (kind, subtype) = match (cells[1], cells[2]) {
            ("app", "factory") => (0, 0),
            ("app", "ota_0") => (0, 0x10),
            ("app", "ota_1") => (0, 0x11),
            ("data", "ota") => (1, 0),
            ("data", "phy") => (1, 1),
            ("data", "nvs") => (1, 2),
            ("data", "undefined") => (1, 6),
            other => panic!("{other:?}"),
        };
        let mut row = vec![0xAA, 0x50, kind, subtype];
        row.extend_from_slice(&number(cells[3]).to_le_bytes());
        row.extend_from_slice(&number(cells[4]).to_le_bytes());
        row.extend_from_slice(cells[0].as_bytes());
        row.resize(32, 0);
        table.extend(row);
    }
    table.resize(0xC00, 0xFF);
    table
}

/// A catalogue's firmware with an application of this name.
pub fn files(project: &str) -> (String, Vec<(String, Vec<u8>)>) {
    let files = [
        ("bootloader.bin", 0_u32, image(&[0x55; 4000])),
        ("partitions.bin", 0x8000, partitions()),
        ("app.bin", 0x1_0000, application(project, 20_000)),
    ];
    let parts: Vec<_> = files
        .iter()
        .map(|(file, offset, bytes)| {
            let sha256: String =
                Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            serde_json::json!({"file": file, "offset": offset, "bytes": bytes.len(), "sha256": sha256})
        })
        .collect();
    let manifest = serde_json::json!({
        "chip": "esp32s3", "version": "0.1.0", "flash": {"bytes": 0x40_0000}, "parts": parts,
    });
    let files = files.into_iter().map(|(name, _, bytes)| (name.to_owned(), bytes)).collect();
    (manifest.to_string(), files)
}

pub fn firmware() -> Firmware {
    let (manifest, files) = files("csi-node");
    Firmware::new(Manifest::parse(manifest.as_bytes()).unwrap(), &files).unwrap()
}

/// Weights for rows of [`DIM`] numbers, [`WINDOW`] rows each.
pub fn blob(seed: u64) -> Vec<u8> {
    let shape = HeadShape {
        input_dim: DIM as u16,
        q_heads: 2,
        kv_heads: 1,
        head_dim: 4,
        layers: 1,
        classes: 3,
    };
    let mut blob = WeightBlob::seeded(shape, seed, Dtype::F32).unwrap();
    let record = AttentionRecord { window_len: WINDOW as u16, ..AttentionRecord::default() };
    blob.trailer.attention = Some(record);
    blob.encode().unwrap()
}

pub fn crc_of(blob: &[u8]) -> u32 {
    u32::from_le_bytes(*blob.last_chunk().unwrap())
}

/// Numbers in -1 .. 1, the same in every run.
pub fn numbers(count: usize) -> Vec<f32> {
    let mut state = 7_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A comparison of so many rows.
pub fn parity(blob: &[u8], rows: usize) -> ParityAsk {
    ParityAsk {
        source: "numbers of a test".into(),
        blob: blob.to_vec(),
        input: ParityInput::Rows { values: numbers(rows * DIM) },
        period_rows: 1,
        send_weights: false,
    }
}

/// A flash with our firmware and these weights.
pub fn flashed(weights: Option<&[u8]>) -> Flash {
    let mut flash = Flash::new(FlashSize::Mb8);
    for (part, bytes) in firmware().parts() {
        flash.store(part.offset, bytes);
    }
    if let Some(weights) = weights {
        flash.store(0x11_0000, weights);
    }
    flash
}

/// Both ends of a cable, on a time of their own.
pub struct Story {
    pub device: Device,
    pub board: Board,
    pub link: Link,
    pub events: Vec<DeviceEvent>,
}

impl Story {
    pub fn new(flash: Flash, cable: Cable, faults: &str) -> Self {
        let faults = if faults.is_empty() { Default::default() } else { faults.parse().unwrap() };
        let config = BoardConfig { cable, faults, ..BoardConfig::new(flash) };
        let device = Device::new(DeviceConfig { cable, ..DeviceConfig::default() });
        let board = Board::new(0, config);
        Self { device, board, link: Link::open(0), events: Vec::new() }
    }

    /// Opens the port and waits for what is found.
    pub fn connected(mut self) -> Self {
        self.device.set_firmware(Some(firmware()));
        self.device.connect(0).unwrap();
        assert_eq!(self.finish(), Ok(Task::Connect));
        self
    }

    pub fn now(&self) -> u64 {
        self.link.now_micros
    }

    /// Runs until the task ended, a minute at most; `Err` is how it failed.
    pub fn finish(&mut self) -> Result<Task, DeviceError> {
        let (mut end, events) = (None, &mut self.events);
        let until = self.link.now_micros + 200_000_000;
        self.link.run(&mut self.device, &mut self.board, until, |device| {
            while let Some(event) = device.poll_event() {
                match &event {
                    DeviceEvent::Done { task } => end = Some(Ok(*task)),
                    DeviceEvent::Failed { error, .. } => end = Some(Err(*error)),
                    _ => {}
                }
                events.push(event);
            }
            end.is_some()
        });
        end.unwrap_or_else(|| panic!("nothing happens any more: {:#?}", self.device.view()))
    }

    /// Runs until an event is told that `is_it`.
    pub fn until(&mut self, mut is_it: impl FnMut(&DeviceEvent) -> bool) {
        let (mut found, events) = (false, &mut self.events);
        let until = self.link.now_micros + 200_000_000;
        self.link.run(&mut self.device, &mut self.board, until, |device| {
            while let Some(event) = device.poll_event() {
                found |= is_it(&event);
                events.push(event);
            }
            found
        });
        assert!(found, "it did not happen: {:#?}", self.events);
    }

    /// Makes a plan and carries it out.
    pub fn write(&mut self, ask: &PlanAsk) -> Result<Task, DeviceError> {
        self.device.plan(ask).unwrap();
        self.device.write(self.link.now_micros).unwrap();
        self.finish()
    }

    pub fn steps(&self) -> Vec<StepState> {
        self.device.view().steps.iter().map(|step| step.state).collect()
    }

    pub fn journal(&self) -> String {
        let lines = self.events.iter().filter_map(|event| match event {
            DeviceEvent::Journal { text } => Some(text.as_str()),
            _ => None,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What the board printed.
    pub fn console(&self) -> String {
        let lines = self.events.iter().filter_map(|event| match event {
            DeviceEvent::Line { text, .. } => Some(text.as_str()),
            _ => None,
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
