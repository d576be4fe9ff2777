//! A blob inside of something longer.

use super::bytes::u32_at;
use super::trailer::tag;
use super::{FLAG_TRAILER, FOOTER_LEN, HEADER_LEN, MAGIC};

const RECORD_HEADER_LEN: usize = 8;

/// Returns the length of the blob that starts where `bytes` start and may end before they do: in
/// a partition of flash, a length is written nowhere. `None` when no blob starts there or it does
/// not end within.
///
/// It follows lengths only; whether the blob is whole, [`super::WeightBlob::parse`] tells.
pub fn stored_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER_LEN>()?;
    if u32_at(header, 0) != MAGIC {
        return None;
    }
    let mut end = HEADER_LEN.checked_add(usize::try_from(u32_at(header, 0x14)).ok()?)?;
    if header[6] & FLAG_TRAILER != 0 {
        loop {
            let start = end.checked_next_multiple_of(4)?;
            let record = bytes.get(start..)?.first_chunk::<RECORD_HEADER_LEN>()?;
            let payload = usize::try_from(u32_at(record, 4)).ok()?;
            end = start.checked_add(RECORD_HEADER_LEN)?.checked_add(payload)?;
            if record[0] == tag::END {
                break;
            }
        }
    }
    end.checked_add(FOOTER_LEN).filter(|&len| len <= bytes.len())
}
