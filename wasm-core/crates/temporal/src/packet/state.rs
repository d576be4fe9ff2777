//! The nine-number feature state, and what a temporal head made of it. All have a CRC.

use alloc::vec::Vec;

use super::wire::{Fields, put, put_crc, put_floats};
use super::{Field, PacketError};
use crate::frame::{CsiFrame, CsiValues};

/// The nine numbers and what surrounds them in both feature-state packets.
///
/// `04` node, `05` mode, `06` sequence u16, `08` time u64, `10` f32\[9\].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StateValues {
    /// Sender.
    pub node: u8,
    /// 0 idle, 1 probe, 2 respiration, 3 fast motion, 4 calibration.
    pub mode: u8,
    /// Counts these packets.
    pub sequence: u16,
    /// Time since the node started.
    pub time_micros: u64,
    /// Motion, presence, breaths a minute and confidence, heart beats a minute and confidence,
    /// anomaly, shift of the environment, node coherence. Scores can exceed 1.
    pub values: [f32; 9],
}

impl StateValues {
    /// Returns the numbers as a frame for the feature pipeline.
    pub fn frame(&self) -> CsiFrame<'_> {
        let time_micros = i64::try_from(self.time_micros).unwrap_or(i64::MAX);
        CsiFrame { time_micros, values: CsiValues::FeatureState(&self.values), rssi_dbm: None }
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            node: fields.u8(),
            mode: fields.u8(),
            sequence: fields.u16(),
            time_micros: fields.u64(),
            values: fields.floats(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        put!(out, self.node, self.mode, self.sequence, self.time_micros);
        put_floats(out, &self.values);
    }
}

/// `0xC511_0006`, 60 bytes: [`StateValues`], then `34` quality u16, `36` reserved u16, `38` CRC.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FeatureState {
    /// The numbers.
    pub state: StateValues,
    /// Bit 0 presence valid, 1 respiration, 2 heart beat, 3 anomaly or fall, 4 shift, 5 degraded,
    /// 6 calibrating, 7 recalibration wanted.
    pub quality_flags: u16,
}

impl FeatureState {
    pub(super) const LEN: usize = 60;

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_checked_packet(bytes, Self::LEN)?;
        let state = StateValues::read(&mut fields);
        Ok((Self { state, quality_flags: fields.u16() }, Self::LEN))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.state.write(out);
        put!(out, self.quality_flags, 0_u16);
        put_crc(out);
    }
}

/// `0xC511_0007` with 60 bytes: a feature state that a gate let through. [`StateValues`], then
/// `34` quality u8, `35` gate version u8, `36` suppressed u16, `38` CRC.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GatedFeatureState {
    /// The numbers.
    pub state: StateValues,
    /// As the lower byte of [`FeatureState::quality_flags`].
    pub quality_flags: u8,
    /// Version of the gate.
    pub gate_version: u8,
    /// States that the gate held back since the last packet.
    pub suppressed: u16,
}

impl GatedFeatureState {
    pub(super) const LEN: usize = 60;

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_checked_packet(bytes, Self::LEN)?;
        let packet = Self {
            state: StateValues::read(&mut fields),
            quality_flags: fields.u8(),
            gate_version: fields.u8(),
            suppressed: fields.u16(),
        };
        Ok((packet, Self::LEN))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.state.write(out);
        put!(out, self.quality_flags, self.gate_version, self.suppressed);
        put_crc(out);
    }
}

/// `0xC511_0007` with 40 bytes: what the temporal head on the node says.
///
/// `04` version u16 = 1, `06` classes u16, `08` node u8, `09` reserved, `0C` time u64, `14`
/// sequence u32, `18` class u8, `19` reserved, `1C` top logit f32, `20` margin f32, `24` CRC.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Classification {
    /// Classes the head knows.
    pub classes: u16,
    /// Sender.
    pub node: u8,
    /// Time since the node started.
    pub time_micros: u64,
    /// Counts these packets; the first is 1.
    pub sequence: u32,
    /// The class with the highest logit.
    pub class: u8,
    /// Its logit.
    pub top_logit: f32,
    /// Its logit less the second highest.
    pub margin: f32,
}

impl Classification {
    pub(super) const LEN: usize = 40;
    const VERSION: u16 = 1;

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_checked_packet(bytes, Self::LEN)?;
        let version = fields.u16();
        if version != Self::VERSION {
            let field = Field::ClassificationVersion;
            return Err(PacketError::Field { field, value: u32::from(version) });
        }
        let (classes, node) = (fields.u16(), fields.u8());
        fields.skip::<3>();
        let (time_micros, sequence, class) = (fields.u64(), fields.u32(), fields.u8());
        fields.skip::<3>();
        let (top_logit, margin) = (fields.f32(), fields.f32());
        let packet = Self { classes, node, time_micros, sequence, class, top_logit, margin };
        Ok((packet, Self::LEN))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put!(out, Self::VERSION, self.classes, self.node, 0_u8, 0_u16);
        put!(out, self.time_micros, self.sequence, self.class, 0_u8, 0_u16);
        put!(out, self.top_logit, self.margin);
        put_crc(out);
    }
}
