//! Our CRC-32 against the `crc` crate and the check value of the standard.

use csi_temporal::crc32::crc32;
use quickcheck::quickcheck;

#[test]
fn the_check_value_is_right() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    assert_eq!(crc32(b""), 0);
}

quickcheck! {
    fn any_bytes_give_the_reference(bytes: Vec<u8>) -> bool {
        crc32(&bytes) == crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes)
    }
}
