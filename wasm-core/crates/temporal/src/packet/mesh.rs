//! The envelope in which nodes pass packets on.

use alloc::vec::Vec;

use super::wire::{Fields, put, put_crc};
use super::{Field, Packet, PacketError, decode_datagram};

/// The longest payload.
pub const MAX_MESH_PAYLOAD: usize = 256;

/// `0xC511_8100`, 20 + P bytes.
///
/// `04` version u8 = 1, `05` type, `06` role, `07` authentication, `08` epoch u32, `0C` P u16,
/// `0E` reserved u16, `10` payload, then the CRC. The authentication is carried, not verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshEnvelope {
    /// What the payload is; [`MeshEnvelope::FEATURE_STATE`] is a packet of its own.
    pub kind: u8,
    /// The sender's role.
    pub role: u8,
    /// Which authentication was used.
    pub auth: u8,
    /// Epoch of the mesh.
    pub epoch: u32,
    /// At most [`MAX_MESH_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

impl MeshEnvelope {
    /// The kind whose payload is a feature-state packet.
    pub const FEATURE_STATE: u8 = 5;
    const VERSION: u8 = 1;
    const HEADER_LEN: usize = 16;

    /// Reads the packet inside, where the kind says that there is one.
    ///
    /// # Errors
    ///
    /// As [`decode_datagram`].
    pub fn inner(&self) -> Option<Result<Packet, PacketError>> {
        (self.kind == Self::FEATURE_STATE).then(|| decode_datagram(&self.payload))
    }

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::HEADER_LEN)?;
        let version = fields.u8();
        if version != Self::VERSION {
            let field = Field::MeshVersion;
            return Err(PacketError::Field { field, value: u32::from(version) });
        }
        let (kind, role, auth, epoch) = (fields.u8(), fields.u8(), fields.u8(), fields.u32());
        let payload_len = usize::from(fields.u16());
        if payload_len > MAX_MESH_PAYLOAD {
            return Err(PacketError::Field {
                field: Field::MeshPayload,
                value: payload_len as u32,
            });
        }
        let len = Self::HEADER_LEN + payload_len + 4;
        let mut fields = Fields::of_checked_packet(bytes, len)?;
        fields.skip::<12>();
        let payload = fields.bytes(payload_len).to_vec();
        Ok((Self { kind, role, auth, epoch, payload }, len))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        let len = self.payload.len();
        if len > MAX_MESH_PAYLOAD {
            return Err(PacketError::Field { field: Field::MeshPayload, value: len as u32 });
        }
        put!(out, Self::VERSION, self.kind, self.role, self.auth, self.epoch, len as u16, 0_u16);
        out.extend_from_slice(&self.payload);
        put_crc(out);
        Ok(())
    }
}
