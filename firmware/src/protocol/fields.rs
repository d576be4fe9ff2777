//! Fields of a payload, one after another.

use super::ProtocolError;
use alloc::vec::Vec;

/// Floats in a payload: the bytes that arrived, or the numbers to be sent.
///
/// Compared by their bits, so that a NaN equals itself.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// Four little-endian bytes each; a rest of one to three is left out.
    Bytes(&'a [u8]),
    /// The numbers.
    Floats(&'a [f32]),
}

impl Numbers<'_> {
    /// Returns how many there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len() / 4,
            Self::Floats(numbers) => numbers.len(),
        }
    }

    /// Tells whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Walks over them.
    pub fn iter(&self) -> impl Iterator<Item = f32> {
        let (bytes, floats) = match self {
            Self::Bytes(bytes) => (*bytes, &[][..]),
            Self::Floats(floats) => (&[][..], *floats),
        };
        let from_bytes =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        from_bytes.chain(floats.iter().copied())
    }

    /// Replaces the contents of `out`. Allocates only while `out` has too little capacity.
    pub fn copy_into(&self, out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.iter());
    }
}

impl PartialEq for Numbers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(f32::to_bits).eq(other.iter().map(f32::to_bits))
    }
}

/// Reads fields from left to right; every read fails once the payload is used up.
pub(super) struct Fields<'a> {
    kind: u8,
    len: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(kind: u8, payload: &'a [u8]) -> Self {
        Self { kind, len: payload.len(), rest: payload }
    }

    /// The error that every misfit of this payload gives.
    pub fn misfit(&self) -> ProtocolError {
        ProtocolError::Payload { kind: self.kind, len: self.len }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.misfit())?;
        self.rest = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, ProtocolError> {
        self.array::<1>().map(|byte| byte[0])
    }

    pub fn u16(&mut self) -> Result<u16, ProtocolError> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, ProtocolError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text after its length, a u8.
    pub fn text(&mut self) -> Result<&'a str, ProtocolError> {
        let len = usize::from(self.u8()?);
        let (text, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.misfit())?;
        self.rest = rest;
        core::str::from_utf8(text).map_err(|_| self.misfit())
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// Everything that is left, as floats.
    pub fn floats(&mut self) -> Result<Numbers<'a>, ProtocolError> {
        match self.rest.len().is_multiple_of(4) {
            true => Ok(Numbers::Bytes(self.rest())),
            false => Err(self.misfit()),
        }
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.misfit()) }
    }
}

/// Appends integers and floats.
macro_rules! put {
    ($out:expr, $($field:expr),+ $(,)?) => {
        { $( $out.extend_from_slice(&$field.to_le_bytes()); )+ }
    };
}
pub(super) use put;

pub(super) fn put_numbers(out: &mut Vec<u8>, numbers: Numbers<'_>) {
    match numbers {
        Numbers::Bytes(bytes) => out.extend_from_slice(&bytes[..bytes.len() / 4 * 4]),
        Numbers::Floats(floats) => floats.iter().for_each(|number| put!(out, number)),
    }
}

/// Appends a text after its length; of a longer one the first 255 bytes, in whole characters.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(usize::from(u8::MAX));
    out.push(end as u8);
    out.extend_from_slice(&text.as_bytes()[..end]);
}
