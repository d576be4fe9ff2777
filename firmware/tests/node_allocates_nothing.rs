//! Rows, CSI frames, damaged bytes and classifications take no memory once weights are there.
//! Alone in its binary, because it replaces the allocator by one that counts per thread.

mod support;

use csi_node::protocol::{Numbers, Request};
use csi_node::{Config, Model, Node};
use csi_temporal::half::Storage;
use csi_temporal::head::{HeadWindow, TemporalHead};
use csi_temporal::packet::{Packet, RawCsi};
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::{csi_blob, framed};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + layout.size());
        PEAK.set(PEAK.get().max(BYTES.get()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get().saturating_sub(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn rows_and_classifications_allocate_nothing() {
    let mut config = Config::default();
    config.settings.period_rows = 3;
    config.settings.send_logits = true;
    let mut node = Node::new(config);
    node.load_weights(&csi_blob(1, 100.0).encode().unwrap()).unwrap();
    let csi = RawCsi { antennas: 1, values: vec![3; 128], ..RawCsi::default() };
    let packet = Packet::RawCsi(csi).encode().unwrap();
    let values = Numbers::Floats(&[0.25; 6]);
    let frame = |time_micros| framed(&Request::Csi { time_micros, packet: &packet });
    let row = |time_micros| framed(&Request::Row { sequence: 0, time_micros, values });
    let mut damaged = row(0);
    damaged[9] ^= 1;
    let stats = framed(&Request::Stats);
    // The first CSI packet finds memory for the next.
    let rounds: Vec<[Vec<u8>; 2]> =
        (1..200).map(|t| [frame(t * 12_000), row(t * 12_000)]).collect();
    let mut run = |rounds: &[[Vec<u8>; 2]]| {
        for [frame, row] in rounds {
            node.handle_bytes(0, frame);
            node.handle_bytes(0, row);
            node.handle_bytes(0, &damaged);
            node.handle_bytes(0, &stats);
            while node.take_output(16).is_some() {}
        }
    };
    run(&rounds[..1]);
    let before = ALLOCATIONS.get();
    assert!(before > 0, "the counter counts");
    run(&rounds[1..]);
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(node.stats(0).arrived, 2 * 199);
    assert!(node.stats(0).classifications > 100);
}

/// The self-test asks for 96 KiB before it begins, because it could not fail politely later.
#[test]
fn the_kernel_test_takes_less_memory_than_it_asks_for() {
    csi_node::kernel_works().unwrap();
    let before = BYTES.get();
    csi_temporal::selftest::window_bits();
    PEAK.set(before);
    csi_temporal::selftest::window_bits();
    let taken = PEAK.get() - before;
    assert!(taken > 1024 && taken < 96 * 1024, "{taken} bytes");
}

/// 256 rows of 60 features, one layer of four heads of 8: everything that stays, weights included,
/// and what a classification takes on top. Head and window themselves, without their lists, are left
/// out: here they are larger than on the node, where `cargo xtask soak` holds the whole against the
/// same budget.
#[test]
fn the_working_set_is_within_its_budget() {
    let shape =
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 };
    for (storage, budget) in [(Storage::F32, 128 * 1024), (Storage::F16, 64 * 1024)] {
        let mut blob = WeightBlob::seeded(shape, 1, Dtype::F16).unwrap();
        let record = AttentionRecord { storage, window_len: 256, ..AttentionRecord::default() };
        blob.trailer.attention = Some(record);
        let bytes = blob.encode().unwrap();
        let before = BYTES.get();
        let mut model = Model::load(&bytes, 0).unwrap();
        PEAK.set(BYTES.get());
        (0..256).for_each(|_| model.push(&[0.5; 60], false).unwrap());
        model.classify().unwrap();
        let fixed = size_of::<TemporalHead>() + size_of::<HeadWindow>();
        let (weights, taken) = (4 * blob.weights.len(), PEAK.get() - before - fixed);
        println!("{storage:?}: {taken} bytes and {fixed}, {weights} of them weights");
        assert!(taken - weights <= budget, "{storage:?}: {taken} bytes, {weights} of weights");
    }
}
