//! What the decoder finds does not depend on how the stream was cut, and damage costs only what it
//! hit.

use csi_node::protocol::{Decoder, Event, MAX_FRAME, MAX_PAYLOAD, Numbers, ProtocolError, Request};
use quickcheck::{QuickCheck, quickcheck};

#[derive(Clone, Debug, PartialEq)]
enum Found {
    Frame(u8, Vec<u8>),
    Skipped(Vec<u8>),
    Damaged(ProtocolError),
}

fn drain(decoder: &mut Decoder, found: &mut Vec<Found>) {
    while let Some(event) = decoder.next_event() {
        match (event, found.last_mut()) {
            (Event::Frame { kind, payload }, _) => found.push(Found::Frame(kind, payload.to_vec())),
            (Event::Damaged(error), _) => found.push(Found::Damaged(error)),
            (Event::Skipped(bytes), Some(Found::Skipped(before))) => {
                before.extend_from_slice(bytes)
            }
            (Event::Skipped(bytes), _) => found.push(Found::Skipped(bytes.to_vec())),
        }
    }
}

fn decode(stream: &[u8], mut cut: impl FnMut() -> usize) -> Vec<Found> {
    let (mut decoder, mut found, mut rest) = (Decoder::new(), Vec::new(), stream);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cut().clamp(1, rest.len()));
        let mut now = now;
        while !now.is_empty() {
            let before = now.len();
            now = decoder.push(now);
            assert!(now.len() < before, "a drained decoder takes at least one byte");
            drain(&mut decoder, &mut found);
        }
        rest = later;
    }
    found
}

fn row(sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let values = [sequence as f32; 3];
    let request = Request::Row { sequence, time_micros: 0, values: Numbers::Floats(&values) };
    request.write(&mut bytes).unwrap();
    bytes
}

fn frames(found: &[Found]) -> usize {
    found.iter().filter(|found| matches!(found, Found::Frame(..))).count()
}

/// A boot log, frames, a broken frame with a whole one inside, noise that looks like a start.
fn stream() -> Vec<u8> {
    let mut stream = b"ets boot \x55\x55\xAA\xFF\xFF\xFF log\n".to_vec();
    (0..3).for_each(|sequence| stream.extend(row(sequence)));
    let mut nest = Vec::new();
    let inner = row(99);
    Request::WeightsChunk { offset: 0, bytes: &inner }.write(&mut nest).unwrap();
    let last = nest.len() - 1;
    nest[last] ^= 1;
    stream.extend(nest);
    stream.push(0x55);
    stream.extend(row(3));
    stream
}

#[test]
fn chunking_never_changes_events() {
    let stream = stream();
    let whole = decode(&stream, || usize::MAX);
    assert_eq!(frames(&whole), 5, "{whole:?}");
    for chunk_bytes in 1..=64 {
        assert_eq!(decode(&stream, || chunk_bytes), whole, "chunk_bytes = {chunk_bytes}");
    }
}

#[test]
fn random_streams_decode_the_same_however_they_are_cut() {
    fn property(pieces: Vec<(u8, Vec<u8>)>, cuts: Vec<u8>) -> bool {
        let mut stream = Vec::new();
        for (what, bytes) in pieces {
            match what % 5 {
                0 => stream.extend(row(u32::from(what))),
                1 => stream.extend_from_slice(&[0x55, 0xAA, what, bytes.len() as u8, 0]),
                2 => {
                    let mut frame = row(7);
                    let at = usize::from(what) % frame.len();
                    frame[at] ^= 1 << (what % 8);
                    stream.extend(frame);
                }
                _ => stream.extend(bytes),
            }
        }
        let whole = decode(&stream, || usize::MAX);
        let mut cuts = cuts.iter().cycle().map(|&cut| usize::from(cut));
        decode(&stream, || cuts.next().unwrap_or(1)) == whole
    }
    QuickCheck::new().tests(1000).quickcheck(property as fn(Vec<(u8, Vec<u8>)>, Vec<u8>) -> bool);
}

/// Every single flipped bit is noticed, and the frame behind it arrives, at the latest when the
/// damaged one is given up.
#[test]
fn one_flipped_bit_costs_one_frame() {
    let (first, second) = (row(1), row(2));
    for bit in 0..8 * first.len() {
        let mut stream = first.clone();
        stream[bit / 8] ^= 1 << (bit % 8);
        stream.extend_from_slice(&second);
        let (mut decoder, mut found) = (Decoder::new(), Vec::new());
        assert!(decoder.push(&stream).is_empty());
        drain(&mut decoder, &mut found);
        while decoder.is_waiting() {
            decoder.expire();
            drain(&mut decoder, &mut found);
        }
        let payload = second[5..second.len() - 4].to_vec();
        assert_eq!(frames(&found), 1, "bit {bit}: {found:?}");
        assert!(found.contains(&Found::Frame(second[2], payload)), "bit {bit}: {found:?}");
    }
}

#[test]
fn a_length_beyond_the_limit_is_damage_at_once() {
    let len = MAX_PAYLOAD + 1;
    let mut stream = vec![0x55, 0xAA, 3];
    stream.extend_from_slice(&(len as u16).to_le_bytes());
    stream.extend(row(1));
    let found = decode(&stream, || 1);
    assert_eq!(found[0], Found::Damaged(ProtocolError::TooLong { len }));
    assert_eq!(frames(&found), 1);
}

#[test]
fn the_longest_frame_passes_between_others() {
    let mut stream = row(1);
    let bytes = vec![0xAB; MAX_PAYLOAD - 4];
    Request::WeightsChunk { offset: 0, bytes: &bytes }.write(&mut stream).unwrap();
    assert_eq!(stream.len(), row(1).len() + MAX_FRAME);
    stream.extend(row(2));
    for chunk_bytes in [1, 63, 5000, usize::MAX] {
        assert_eq!(frames(&decode(&stream, || chunk_bytes)), 3, "chunk_bytes = {chunk_bytes}");
    }
}

/// The CRC is the one of another implementation.
#[test]
fn the_crc_is_the_reference_crate_s() {
    let frame = row(5);
    let reference = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let (body, stored) = frame.split_at(frame.len() - 4);
    assert_eq!(reference.checksum(&body[2..]).to_le_bytes(), *stored);
}

quickcheck! {
    /// Skipped and framed bytes together are the stream; nothing is invented or lost.
    fn no_byte_is_lost(noise: Vec<u8>) -> bool {
        let mut stream = noise;
        stream.extend(row(1));
        let (mut decoder, mut found) = (Decoder::new(), Vec::new());
        let mut rest = &stream[..];
        while !rest.is_empty() {
            rest = decoder.push(rest);
            drain(&mut decoder, &mut found);
        }
        while decoder.is_waiting() {
            decoder.expire();
            drain(&mut decoder, &mut found);
        }
        let mut back = Vec::new();
        for found in &found {
            match found {
                Found::Skipped(bytes) => back.extend_from_slice(bytes),
                Found::Frame(kind, payload) => {
                    let start = back.len();
                    back.extend_from_slice(&stream[start..start + 5]);
                    assert_eq!(back[start + 2], *kind);
                    back.extend_from_slice(payload);
                    let crc = back.len();
                    back.extend_from_slice(&stream[crc..crc + 4]);
                }
                Found::Damaged(_) => {}
            }
        }
        back == stream && frames(&found) == 1
    }
}
