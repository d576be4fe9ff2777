//! What untrusted bytes cost in memory, and that frames cost none. Alone in its binary, because it
//! replaces the allocator by one that counts bytes per thread.

use csi_temporal::crc32::crc32;
use csi_temporal::feature::{Extractor, MeanRemoval, PipelineConfig};
use csi_temporal::frame::{CsiFrame, CsiValues};
use csi_temporal::packet::{StreamDecoder, decode};
use csi_temporal::rvne::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.set(BYTES.get() + layout.size());
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Every byte ever asked for, growth included, while `work` ran.
fn bytes_of(work: impl FnOnce()) -> usize {
    let before = BYTES.get();
    work();
    BYTES.get() - before
}

fn parse_cost(bytes: &[u8]) -> usize {
    bytes_of(|| drop(std::hint::black_box(WeightBlob::parse(bytes))))
}

/// `body` after a header of this shape, CRC right.
fn file(shape: [u16; 6], flags: u8, weights_len: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0x4E, 0x56, 0x52, 1, 0, flags, 0];
    bytes.extend(shape.iter().flat_map(|dimension| dimension.to_le_bytes()));
    bytes.extend(weights_len.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
    bytes
}

fn record(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, 0, 0, 0];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn a_header_that_claims_gigabytes_costs_nothing() {
    // 1024 * 2 * 128 * 128 * 8 + 128 * 1024 weights: just over a gigabyte of f32.
    let shape = [128, 4, 4, 128, 1024, 1024];
    let weights_len = 4 * (1024 * 2 * 128 * 128 * 8 + 128 * 1024);
    for flags in 0..4 {
        assert_eq!(parse_cost(&file(shape, flags, weights_len, &[0; 100])), 0);
    }
}

/// The most expensive records per byte: names of no letters, and layers of one number.
#[test]
fn a_trailer_costs_a_small_multiple_of_its_bytes() {
    let end = record(0, &[]);
    let names = [&[0; 12][..], &record(2, &[0; 1_000_000]), &end].concat();
    let names = file([1, 1, 1, 1, 1, 2], 3, 12, &names);
    assert_eq!(WeightBlob::parse(&names).unwrap_err().code(), "rvne/trailer-count");
    assert!(parse_cost(&names) < 1000, "{}", parse_cost(&names));

    // 60,000 layers of 4 weights, each with gains, w1 and w2 of one number.
    let layers = 60_000;
    let weights_len = layers * 8 + 4;
    let mut weights = vec![0; weights_len];
    weights.resize(weights_len.next_multiple_of(4), 0);
    let feed_forward = [&[1, 0, 0, 0], &vec![0; layers * 8][..]].concat();
    let body = [weights, record(0x86, &feed_forward), end].concat();
    let bytes = file([1, 1, 1, 1, layers as u16, 2], 3, weights_len as u32, &body);
    let blob = WeightBlob::parse(&bytes).unwrap();
    assert_eq!(blob.trailer.feed_forward.unwrap().layers.len(), layers);
    let cost = parse_cost(&bytes);
    assert!(cost < 32 * bytes.len(), "{cost} for {} bytes", bytes.len());
}

#[test]
fn a_packet_costs_no_more_than_it_holds() {
    for magic in [1, 2, 3, 4, 5, 6, 7] {
        let mut bytes = vec![0xFF; 70_000];
        bytes[..4].copy_from_slice(&(0xC511_0000_u32 | magic).to_le_bytes());
        let cost = bytes_of(|| assert!(decode(&bytes).map_or(0, |(_, len)| len) < 100));
        assert_eq!(cost, 0, "{magic}");
    }
    // A stream of noise, cut into datagrams, keeps what may still become a packet.
    let noise = vec![0x11; 1_500];
    let mut decoder = StreamDecoder::new();
    let cost = bytes_of(|| {
        for _ in 0..1000 {
            decoder.push(&noise);
            assert!(decoder.next_event().is_none());
        }
    });
    assert!(cost < 10_000, "{cost} for 1.5 MB");
}

#[test]
fn frames_cost_no_memory() {
    let mut extractor = Extractor::new(PipelineConfig {
        useful: (6..32).chain(33..59).collect(),
        bands: 16,
        divide_by_mean: true,
        mean_removal: MeanRemoval::Exponential { time_constant_s: 2.0 },
        rate_hz: 50.0,
        lags: vec![2, 7],
        lag_absolute: true,
        ..PipelineConfig::default()
    })
    .unwrap();
    let pairs = [5; 128];
    let mut rows = 0;
    let cost = bytes_of(|| {
        for frame in 0..1000 {
            let values = CsiValues::Iq8(&pairs);
            let frame = CsiFrame { time_micros: frame * 9_300, values, rssi_dbm: None };
            extractor.push(&frame, &mut |_| rows += 1).unwrap();
        }
    });
    assert_eq!((cost, rows), (0, 465));
}
