//! What a node computes about people: vital signs, eight features, and the output of WASM modules.

use alloc::vec::Vec;

use super::wire::{Fields, put, put_floats, u32_at};
use super::{Field, PacketError, is_magic};

/// `0xC511_0002`, 32 bytes.
///
/// `04` node, `05` flags, `06` breathing u16, `08` heart u32, `0C` RSSI i8, `0D` persons u8, `0E`
/// reserved u16, `10` motion f32, `14` presence f32, `18` time u32, `1C` reserved u32.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Sender.
    pub node: u8,
    /// Bit 0 presence, 1 fall, 2 motion; in fused vitals, 3 a radar is present.
    pub flags: u8,
    /// Breaths a minute, times 100.
    pub breathing_bpm_e2: u16,
    /// Heart beats a minute, times 10,000.
    pub heart_bpm_e4: u32,
    /// Signal strength in dBm.
    pub rssi_dbm: i8,
    /// Persons counted.
    pub persons: u8,
    /// Motion energy, in the node's own unit.
    pub motion_energy: f32,
    /// Presence score; not limited to 1.
    pub presence_score: f32,
    /// Time since the node started, in ms.
    pub uptime_millis: u32,
}

impl Vitals {
    const LEN: usize = 32;

    /// Returns breaths a minute.
    pub fn breathing_bpm(&self) -> f32 {
        f32::from(self.breathing_bpm_e2) / 100.0
    }

    /// Returns heart beats a minute.
    pub fn heart_bpm(&self) -> f32 {
        self.heart_bpm_e4 as f32 / 10_000.0
    }

    /// The fields up to byte 13, which fused vitals share.
    fn read_head(fields: &mut Fields<'_>) -> Self {
        Self {
            node: fields.u8(),
            flags: fields.u8(),
            breathing_bpm_e2: fields.u16(),
            heart_bpm_e4: fields.u32(),
            rssi_dbm: fields.i8(),
            persons: fields.u8(),
            ..Self::default()
        }
    }

    /// The three fields from byte 16, which fused vitals share.
    fn read_tail(&mut self, fields: &mut Fields<'_>) {
        self.motion_energy = fields.f32();
        self.presence_score = fields.f32();
        self.uptime_millis = fields.u32();
    }

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::LEN)?;
        let mut packet = Self::read_head(&mut fields);
        fields.skip::<2>();
        packet.read_tail(&mut fields);
        Ok((packet, Self::LEN))
    }

    fn write_shared(&self, out: &mut Vec<u8>, between: [u8; 2]) {
        put!(out, self.node, self.flags, self.breathing_bpm_e2, self.heart_bpm_e4);
        put!(out, self.rssi_dbm, self.persons, between[0], between[1]);
        put!(out, self.motion_energy, self.presence_score, self.uptime_millis);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_shared(out, [0, 0]);
        put!(out, 0_u32);
    }
}

/// `0xC511_0004` with 48 bytes: vital signs fused with a millimetre-wave radar.
///
/// Up to `0E` as [`Vitals`]; `0E` radar type u8, `0F` fusion confidence u8, `10` motion f32, `14`
/// presence f32, `18` time u32, `1C` radar heart f32, `20` radar breathing f32, `24` distance
/// f32, `28` targets u8, `29` radar confidence u8, `2A` reserved to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FusedVitals {
    /// The fields that both packets have.
    pub vitals: Vitals,
    /// Which radar.
    pub radar_type: u8,
    /// Confidence in the fusion, 0 to 100.
    pub fusion_confidence: u8,
    /// Heart beats a minute by radar.
    pub radar_heart_bpm: f32,
    /// Breaths a minute by radar.
    pub radar_breathing_bpm: f32,
    /// Distance in cm.
    pub distance_cm: f32,
    /// Targets the radar sees.
    pub targets: u8,
    /// The radar's own confidence.
    pub radar_confidence: u8,
}

impl FusedVitals {
    const LEN: usize = 48;

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::LEN)?;
        let mut vitals = Vitals::read_head(&mut fields);
        let (radar_type, fusion_confidence) = (fields.u8(), fields.u8());
        vitals.read_tail(&mut fields);
        let packet = Self {
            vitals,
            radar_type,
            fusion_confidence,
            radar_heart_bpm: fields.f32(),
            radar_breathing_bpm: fields.f32(),
            distance_cm: fields.f32(),
            targets: fields.u8(),
            radar_confidence: fields.u8(),
        };
        Ok((packet, Self::LEN))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.vitals.write_shared(out, [self.radar_type, self.fusion_confidence]);
        put!(out, self.radar_heart_bpm, self.radar_breathing_bpm, self.distance_cm);
        put!(out, self.targets, self.radar_confidence, 0_u16, 0_u32);
    }
}

/// `0xC511_0003`, 48 bytes: eight features, each clipped to 0 to 1 by the node.
///
/// `04` node, `05` reserved, `06` sequence u16, `08` time i64, `10` f32\[8\]: presence / 10, motion
/// / 10, breathing / 30, heart / 120, mean phase variance, persons / 4, fall, (RSSI + 100) / 100.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FeatureVector {
    /// Sender.
    pub node: u8,
    /// Counts these packets.
    pub sequence: u16,
    /// Time since the node started.
    pub time_micros: i64,
    /// The features.
    pub values: [f32; 8],
}

impl FeatureVector {
    const LEN: usize = 48;

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::LEN)?;
        let node = fields.u8();
        fields.skip::<1>();
        let packet = Self {
            node,
            sequence: fields.u16(),
            time_micros: fields.i64(),
            values: fields.floats(),
        };
        Ok((packet, Self::LEN))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put!(out, self.node, 0_u8, self.sequence, self.time_micros);
        put_floats(out, &self.values);
    }
}

/// The most values that a WASM module may send at once.
pub const MAX_WASM_VALUES: usize = 16;

/// `0xC511_0004` with 8 + 5·n bytes: what a WASM module on the node computed.
///
/// `04` node, `05` module, `06` n u16, then n times type u8 and value f32.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WasmOutput {
    /// Sender.
    pub node: u8,
    /// Which module.
    pub module: u8,
    /// The module's own type codes, and values; at most [`MAX_WASM_VALUES`].
    pub values: Vec<(u8, f32)>,
}

impl WasmOutput {
    const HEADER_LEN: usize = 8;

    /// The packet's length if it is this one and not fused vitals: if it would end together with
    /// the input, or where a magic starts.
    pub(super) fn ends_at(bytes: &[u8], is_last: bool) -> Result<Option<usize>, PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::HEADER_LEN)?;
        fields.skip::<2>();
        let count = usize::from(fields.u16());
        if count > MAX_WASM_VALUES {
            return Ok(None);
        }
        let len = Self::HEADER_LEN + 5 * count;
        let got = bytes.len();
        if got >= len + 4 {
            return Ok(is_magic(u32_at(bytes, len)).then_some(len));
        }
        match is_last {
            true => Ok((got == len).then_some(len)),
            false => Err(PacketError::Incomplete { needed: len + 4, got }),
        }
    }

    /// Reads a packet whose length [`WasmOutput::ends_at`] has found.
    pub(super) fn read(packet: &[u8]) -> Self {
        let value = |b: &[u8]| (b[0], f32::from_le_bytes([b[1], b[2], b[3], b[4]]));
        Self {
            node: packet[4],
            module: packet[5],
            values: packet[Self::HEADER_LEN..].chunks_exact(5).map(value).collect(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        let count = self.values.len();
        if count > MAX_WASM_VALUES {
            return Err(PacketError::Field { field: Field::WasmValues, value: count as u32 });
        }
        put!(out, self.node, self.module, count as u16);
        self.values.iter().for_each(|(kind, value)| put!(out, kind, value));
        Ok(())
    }
}
