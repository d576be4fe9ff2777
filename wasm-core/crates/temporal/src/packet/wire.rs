//! Fields one after another, and the CRC at the end.

use alloc::vec::Vec;

use super::PacketError;
use crate::crc32::crc32;

/// The u32 at `at`, which the caller has checked to be there.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads fields from left to right, out of a slice that is long enough for all of them.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts after the magic of a packet of `len` bytes, if so many are there.
    pub fn of_packet(bytes: &'a [u8], len: usize) -> Result<Self, PacketError> {
        match bytes.get(4..len) {
            Some(rest) => Ok(Self { rest }),
            None => Err(PacketError::Incomplete { needed: len, got: bytes.len() }),
        }
    }

    /// As [`Fields::of_packet`], for a packet whose last four bytes are its CRC.
    pub fn of_checked_packet(bytes: &'a [u8], len: usize) -> Result<Self, PacketError> {
        let fields = Self::of_packet(bytes, len)?;
        let (stored, computed) = (u32_at(bytes, len - 4), crc32(&bytes[..len - 4]));
        match stored == computed {
            true => Ok(fields),
            false => Err(PacketError::Crc { stored, computed }),
        }
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.rest.split_at(N);
        self.rest = rest;
        core::array::from_fn(|index| head[index])
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        head
    }

    /// Leaves out `N` reserved bytes.
    pub fn skip<const N: usize>(&mut self) {
        self.array::<N>();
    }

    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub fn i8(&mut self) -> i8 {
        i8::from_le_bytes(self.array())
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    pub fn f32(&mut self) -> f32 {
        f32::from_le_bytes(self.array())
    }

    pub fn floats<const N: usize>(&mut self) -> [f32; N] {
        core::array::from_fn(|_| self.f32())
    }
}

/// Appends fields, or their bytes, one after another.
macro_rules! put {
    ($out:expr, $($field:expr),+ $(,)?) => {
        { $( $out.extend_from_slice(&$field.to_le_bytes()); )+ }
    };
}
pub(super) use put;

/// Appends floats.
pub fn put_floats(out: &mut Vec<u8>, values: &[f32]) {
    values.iter().for_each(|value| put!(out, value));
}

/// Appends the CRC of everything so far.
pub fn put_crc(out: &mut Vec<u8>) {
    put!(out, crc32(out));
}
