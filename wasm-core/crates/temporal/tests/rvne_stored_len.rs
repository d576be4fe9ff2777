//! A blob in a partition is found to its last byte, whatever follows it.

mod support;

use csi_temporal::rvne::{BlobError, WeightBlob, stored_len};
use support::blob::{SMALL, with_records};
use support::random::Random;

#[test]
fn blobs_end_where_they_end() {
    let mut random = Random::new(5);
    for switches in 0..128 {
        let mut blob = with_records(SMALL, switches, &mut random);
        blob.trailer.name = random.flip().then(|| "n".repeat(random.between(0, 9)));
        let mut bytes = blob.encode().unwrap();
        let len = bytes.len();
        assert_eq!(stored_len(&bytes), Ok(len), "{switches:#b}");
        for filler in [0x00, 0xFF] {
            bytes.truncate(len);
            bytes.resize(len + random.between(1, 5000), filler);
            assert_eq!(stored_len(&bytes), Ok(len), "{switches:#b}");
            WeightBlob::parse(&bytes[..len]).unwrap();
        }
        for cut in 0..len {
            assert!(stored_len(&bytes[..cut]).is_err(), "{switches:#b} cut at {cut}");
        }
    }
    assert_eq!(stored_len(&[0xFF; 4096]), Err(BlobError::Magic { got: u32::MAX }));
}

#[test]
fn damaged_headers_and_records_never_panic() {
    let mut random = Random::new(6);
    let bytes = with_records(SMALL, 0b111_1111, &mut random).encode().unwrap();
    for _ in 0..5000 {
        let mut damaged = bytes.clone();
        for _ in 0..random.between(1, 3) {
            let at = random.between(0, damaged.len() - 1);
            damaged[at] = random.next() as u8;
        }
        damaged.truncate(random.between(0, damaged.len()));
        if let Ok(len) = stored_len(&damaged) {
            assert!(len <= damaged.len());
        }
    }
}
