//! No input makes the blob parser panic, and what it accepts it writes back byte for byte.

use csi_temporal::crc32::crc32;
use csi_temporal::rvne::*;
use quickcheck::{QuickCheck, quickcheck};

fn round_trips_if_accepted(bytes: &[u8]) -> bool {
    match WeightBlob::parse(bytes) {
        Ok(blob) => blob.encode().as_deref() == Ok(bytes),
        Err(error) => !error.to_string().is_empty(),
    }
}

fn seal(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() - 4);
    bytes.extend_from_slice(&crc32(bytes).to_le_bytes());
}

quickcheck! {
    fn random_bytes(bytes: Vec<u8>) -> bool {
        round_trips_if_accepted(&bytes)
    }

    fn random_bytes_after_the_magic(bytes: Vec<u8>) -> bool {
        round_trips_if_accepted(&[b"ENVR\x01\x00", &bytes[..]].concat())
    }
}

/// Sound blobs with a few bytes changed and the CRC made right, so that every check behind the
/// CRC is reached.
#[test]
fn changed_bytes_with_a_right_crc() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/models/tiny_f16_every_record.rvne");
    let sound = std::fs::read(path).unwrap();
    fn property(sound: &[u8], changes: Vec<(u16, u8)>) -> bool {
        let mut bytes = sound.to_vec();
        for (at, value) in changes.into_iter().take(3) {
            let at = 24 + usize::from(at) % (bytes.len() - 24);
            bytes[at] = value;
        }
        seal(&mut bytes);
        round_trips_if_accepted(&bytes)
    }
    for at in 0..sound.len() - 4 {
        for value in [0, 1, 2, 0x7F, 0x80, 0xFF] {
            let mut bytes = sound.clone();
            bytes[at] = value;
            seal(&mut bytes);
            assert!(round_trips_if_accepted(&bytes), "byte {at} = {value}");
        }
    }
    let shared: &'static [u8] = sound.leak();
    SOUND.set(shared).unwrap();
    fn with_sound(changes: Vec<(u16, u8)>) -> bool {
        property(SOUND.get().unwrap(), changes)
    }
    QuickCheck::new().tests(5_000).quickcheck(with_sound as fn(Vec<(u16, u8)>) -> bool);
}

static SOUND: std::sync::OnceLock<&'static [u8]> = std::sync::OnceLock::new();

/// Cut anywhere, with and without a right CRC.
#[test]
fn cut_anywhere() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/models/tiny_f16_every_record.rvne");
    let sound = std::fs::read(path).unwrap();
    for len in 0..sound.len() {
        let mut bytes = sound[..len].to_vec();
        assert!(WeightBlob::parse(&bytes).is_err());
        if len >= 4 {
            seal(&mut bytes);
            assert!(WeightBlob::parse(&bytes).is_err(), "{len}");
        }
    }
}
