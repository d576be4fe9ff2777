//! No input makes the packet decoders panic; what they accept they write back.

use csi_temporal::packet::*;
use quickcheck::{QuickCheck, quickcheck};

fn check(bytes: &[u8]) -> bool {
    match decode(bytes) {
        Ok((packet, len)) => {
            assert!(len <= bytes.len());
            let again = packet.encode().unwrap();
            // Reserved bytes come back as zero, so compare what is decoded, by its bytes.
            let (second, used) = decode(&again).unwrap();
            used == len && second.encode().unwrap() == again
        }
        Err(error) => !error.to_string().is_empty(),
    }
}

fn drain(bytes: &[u8], chunk_bytes: usize) -> u64 {
    let mut decoder = StreamDecoder::new();
    let mut covered = 0;
    let mut take = |decoder: &mut StreamDecoder| {
        while let Some(event) = decoder.next_event() {
            covered += match event {
                StreamEvent::Packet { len, .. } => len as u64,
                StreamEvent::Skipped { len, .. } => len,
            };
        }
    };
    for chunk in bytes.chunks(chunk_bytes) {
        decoder.push(chunk);
        take(&mut decoder);
    }
    decoder.finish();
    take(&mut decoder);
    covered
}

quickcheck! {
    fn random_bytes(bytes: Vec<u8>) -> bool {
        check(&bytes)
    }

    fn random_streams_are_covered(bytes: Vec<u8>, chunk_bytes: u8) -> bool {
        drain(&bytes, usize::from(chunk_bytes).max(1)) == bytes.len() as u64
    }
}

/// Random bytes behind each magic; small numbers are frequent, so that lengths are often sound.
#[test]
fn random_bytes_after_each_magic() {
    fn property(kind: u8, bytes: Vec<u8>, are_small: bool) -> bool {
        let magic: u32 = match kind % 8 {
            0 => 0xC511_8100,
            kind => 0xC511_0000 | u32::from(kind),
        };
        let mut input = magic.to_le_bytes().to_vec();
        input.extend(bytes.iter().map(|byte| if are_small { byte % 3 } else { *byte }));
        input.resize(input.len() + 100, 0);
        check(&input) && drain(&input, 5) == input.len() as u64
    }
    QuickCheck::new().tests(20_000).quickcheck(property as fn(u8, Vec<u8>, bool) -> bool);
}
