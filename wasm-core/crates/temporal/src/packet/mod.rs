//! The packets that a node sends: one per UDP datagram, or back to back in a dump or on a
//! serial line.
//!
//! Integers and floats are little-endian. Every packet starts with its magic, a u32. Lengths
//! are in bytes, the magic included.
//!
//! | magic | length | packet | CRC |
//! |---|---|---|---|
//! | `0xC511_0001` | 20 + 2·A·N | [`RawCsi`] | |
//! | `0xC511_0002` | 32 | [`Vitals`] | |
//! | `0xC511_0003` | 48 | [`FeatureVector`] | |
//! | `0xC511_0004` | 48 | [`FusedVitals`] | |
//! | `0xC511_0004` | 8 + 5·n | [`WasmOutput`] | |
//! | `0xC511_0005` | 10 + C | [`CompressedCsi`] | |
//! | `0xC511_0006` | 60 | [`FeatureState`] | last 4 |
//! | `0xC511_0007` | 40 | [`Classification`] | last 4 |
//! | `0xC511_0007` | 60 | [`GatedFeatureState`] | last 4 |
//! | `0xC511_8100` | 20 + P | [`MeshEnvelope`] | last 4 |
//!
//! Two magics are shared. `0xC511_0004` is the output of a WASM module if a packet of `8 + 5·n`
//! bytes would end where the input ends or where another magic starts, else fused vitals.
//! `0xC511_0007` is whichever of the two has a right CRC; if neither, the one whose length the
//! input has.
//!
//! Reserved bytes are written as zero and ignored when read. Floats are not judged: a node may
//! send a NaN. Decoding takes untrusted bytes, never panics, and allocates no more than a packet
//! holds. What this module does not do: it opens no socket, and it does not verify the mesh
//! envelope's authentication.

mod csi;
mod error;
mod mesh;
mod state;
mod stream;
mod vitals;
mod wire;

pub use csi::{CompressedCsi, MAX_ANTENNAS, MAX_PAIRS, RawCsi};
pub use error::{Field, PacketError};
pub use mesh::{MAX_MESH_PAYLOAD, MeshEnvelope};
pub use state::{Classification, FeatureState, GatedFeatureState, StateValues};
pub use stream::{StreamDecoder, StreamEvent};
pub use vitals::{FeatureVector, FusedVitals, MAX_WASM_VALUES, Vitals, WasmOutput};

use alloc::vec::Vec;
use wire::u32_at;

/// The magics.
pub mod magic {
    /// Raw CSI.
    pub const RAW_CSI: u32 = 0xC511_0001;
    /// Vital signs.
    pub const VITALS: u32 = 0xC511_0002;
    /// Eight features.
    pub const FEATURE_VECTOR: u32 = 0xC511_0003;
    /// Fused vital signs, and the output of WASM modules.
    pub const FUSED_OR_WASM: u32 = 0xC511_0004;
    /// Compressed CSI.
    pub const COMPRESSED_CSI: u32 = 0xC511_0005;
    /// Feature state.
    pub const FEATURE_STATE: u32 = 0xC511_0006;
    /// Temporal classification, and the gated feature state.
    pub const CLASSIFICATION: u32 = 0xC511_0007;
    /// Mesh envelope.
    pub const MESH: u32 = 0xC511_8100;
}

/// Returns whether a packet starts with these four bytes.
pub const fn is_magic(magic: u32) -> bool {
    matches!(magic, magic::RAW_CSI..=magic::CLASSIFICATION | magic::MESH)
}

/// One packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    /// `0xC511_0001`.
    RawCsi(RawCsi),
    /// `0xC511_0002`.
    Vitals(Vitals),
    /// `0xC511_0003`.
    FeatureVector(FeatureVector),
    /// `0xC511_0004` with 48 bytes.
    FusedVitals(FusedVitals),
    /// `0xC511_0004` with 8 + 5·n bytes.
    WasmOutput(WasmOutput),
    /// `0xC511_0005`.
    CompressedCsi(CompressedCsi),
    /// `0xC511_0006`.
    FeatureState(FeatureState),
    /// `0xC511_0007` with 40 bytes.
    Classification(Classification),
    /// `0xC511_0007` with 60 bytes.
    GatedFeatureState(GatedFeatureState),
    /// `0xC511_8100`.
    Mesh(MeshEnvelope),
}

impl Packet {
    /// Returns a stable name for reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RawCsi(_) => "raw-csi",
            Self::Vitals(_) => "vitals",
            Self::FeatureVector(_) => "feature-vector",
            Self::FusedVitals(_) => "fused-vitals",
            Self::WasmOutput(_) => "wasm-output",
            Self::CompressedCsi(_) => "compressed-csi",
            Self::FeatureState(_) => "feature-state",
            Self::Classification(_) => "classification",
            Self::GatedFeatureState(_) => "gated-feature-state",
            Self::Mesh(_) => "mesh",
        }
    }

    /// Returns the packet's magic.
    pub const fn magic(&self) -> u32 {
        match self {
            Self::RawCsi(_) => magic::RAW_CSI,
            Self::Vitals(_) => magic::VITALS,
            Self::FeatureVector(_) => magic::FEATURE_VECTOR,
            Self::FusedVitals(_) | Self::WasmOutput(_) => magic::FUSED_OR_WASM,
            Self::CompressedCsi(_) => magic::COMPRESSED_CSI,
            Self::FeatureState(_) => magic::FEATURE_STATE,
            Self::Classification(_) | Self::GatedFeatureState(_) => magic::CLASSIFICATION,
            Self::Mesh(_) => magic::MESH,
        }
    }

    /// Returns the sender's number; a mesh envelope has none of its own.
    pub const fn node(&self) -> Option<u8> {
        Some(match self {
            Self::RawCsi(packet) => packet.node,
            Self::Vitals(packet) => packet.node,
            Self::FeatureVector(packet) => packet.node,
            Self::FusedVitals(packet) => packet.vitals.node,
            Self::WasmOutput(packet) => packet.node,
            Self::CompressedCsi(packet) => packet.node,
            Self::FeatureState(packet) => packet.state.node,
            Self::Classification(packet) => packet.node,
            Self::GatedFeatureState(packet) => packet.state.node,
            Self::Mesh(_) => return None,
        })
    }

    /// Writes the packet, with its CRC if it has one.
    ///
    /// # Errors
    ///
    /// [`PacketError::Field`] if a list is longer than its packet allows, or its length
    /// disagrees with a field.
    pub fn encode(&self) -> Result<Vec<u8>, PacketError> {
        let mut out = Vec::new();
        self.encode_into(&mut out).map(|()| out)
    }

    /// As [`Packet::encode`], in place of what `out` held, and in its memory.
    ///
    /// # Errors
    ///
    /// As [`Packet::encode`]; `out` then holds part of a packet.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        out.clear();
        out.extend_from_slice(&self.magic().to_le_bytes());
        match self {
            Self::RawCsi(packet) => packet.write(out)?,
            Self::Vitals(packet) => packet.write(out),
            Self::FeatureVector(packet) => packet.write(out),
            Self::FusedVitals(packet) => packet.write(out),
            Self::WasmOutput(packet) => packet.write(out)?,
            Self::CompressedCsi(packet) => packet.write(out)?,
            Self::FeatureState(packet) => packet.write(out),
            Self::Classification(packet) => packet.write(out),
            Self::GatedFeatureState(packet) => packet.write(out),
            Self::Mesh(packet) => packet.write(out)?,
        }
        Ok(())
    }
}

/// Reads the packet at the start of `bytes`, and returns it with its length.
///
/// # Errors
///
/// [`PacketError::Magic`], [`PacketError::Incomplete`], [`PacketError::Field`],
/// [`PacketError::Runs`] or [`PacketError::Crc`].
pub fn decode(bytes: &[u8]) -> Result<(Packet, usize), PacketError> {
    decode_prefix(bytes, true)
}

/// Reads a datagram, which is one packet and nothing else.
///
/// # Errors
///
/// As [`decode`]; [`PacketError::Length`] if bytes are left over.
pub fn decode_datagram(bytes: &[u8]) -> Result<Packet, PacketError> {
    match decode(bytes)? {
        (packet, used) if used == bytes.len() => Ok(packet),
        (_, expected) => Err(PacketError::Length { expected, got: bytes.len() }),
    }
}

/// As [`decode`]. Unless `is_last`, more bytes may follow, and [`PacketError::Incomplete`] asks
/// for as many as the decision needs: the result never depends on how many happen to be there.
fn decode_prefix(bytes: &[u8], is_last: bool) -> Result<(Packet, usize), PacketError> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Err(PacketError::Incomplete { needed: 4, got: bytes.len() });
    };
    Ok(match u32_at(head, 0) {
        magic::RAW_CSI => wrap(RawCsi::read(bytes)?, Packet::RawCsi),
        magic::VITALS => wrap(Vitals::read(bytes)?, Packet::Vitals),
        magic::FEATURE_VECTOR => wrap(FeatureVector::read(bytes)?, Packet::FeatureVector),
        magic::FUSED_OR_WASM => match WasmOutput::ends_at(bytes, is_last)? {
            Some(len) => (Packet::WasmOutput(WasmOutput::read(&bytes[..len])), len),
            None => wrap(FusedVitals::read(bytes)?, Packet::FusedVitals),
        },
        magic::COMPRESSED_CSI => wrap(CompressedCsi::read(bytes)?, Packet::CompressedCsi),
        magic::FEATURE_STATE => wrap(FeatureState::read(bytes)?, Packet::FeatureState),
        magic::CLASSIFICATION => match Classification::read(bytes) {
            Err(PacketError::Crc { .. }) if bytes.len() > Classification::LEN || !is_last => {
                wrap(GatedFeatureState::read(bytes)?, Packet::GatedFeatureState)
            }
            result => wrap(result?, Packet::Classification),
        },
        magic::MESH => wrap(MeshEnvelope::read(bytes)?, Packet::Mesh),
        got => return Err(PacketError::Magic { got }),
    })
}

fn wrap<T>((packet, len): (T, usize), variant: fn(T) -> Packet) -> (Packet, usize) {
    (variant(packet), len)
}
