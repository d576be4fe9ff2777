//! What a moving window costs in memory, and that rows and classifications cost none.
//! Alone in its binary, because it replaces the allocator by one that counts per thread.

mod support;

use csi_temporal::half::Storage;
use csi_temporal::head::{HeadWindow, TemporalHead};
use csi_temporal::rvne::{AttentionPattern, AttentionRecord, HeadShape, WeightBlob};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::blob;
use support::random::Random;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        HELD.set(HELD.get() + layout.size() as isize);
        PEAK.set(PEAK.get().max(HELD.get()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A node's model: 60 features, one layer of four heads of eight, 256 rows a window.
fn node_model(storage: Storage) -> WeightBlob {
    let shape =
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 };
    let mut blob = blob::bare(shape, &mut Random::new(1));
    let record = AttentionRecord { window: 16, block_size: 32, storage, ..Default::default() };
    blob.trailer.attention = Some(record);
    blob
}

/// The bytes at the worst moment from an empty window to the classification of a full one that has
/// moved on.
fn working_set(head: &TemporalHead, capacity: usize) -> usize {
    let rows = Random::new(2).numbers(2 * capacity * head.feature_dim(), 1.0);
    let held = HELD.get();
    PEAK.set(held);
    let mut window = HeadWindow::new(head, capacity).unwrap();
    for row in rows.chunks(head.feature_dim()) {
        window.push(head, row).unwrap();
    }
    window.classify(head).unwrap();
    let heap = (HELD.get() - held) as usize;
    assert_eq!(window.memory_bytes(), heap + size_of::<HeadWindow>(), "as the window counts it");
    (PEAK.get() - held) as usize + size_of::<HeadWindow>()
}

#[test]
fn a_nodes_window_fits_its_budget() {
    for (storage, budget) in [(Storage::F32, 128 * 1024), (Storage::F16, 64 * 1024)] {
        let head = TemporalHead::from_blob(&node_model(storage)).unwrap();
        let bytes = working_set(&head, 256);
        println!("256 rows of {storage:?}: {bytes} bytes");
        assert!(bytes <= budget, "{storage:?}: {bytes}");
    }
}

#[test]
fn rows_and_classifications_allocate_nothing_after_the_first() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let shape = HeadShape { layers: random.between(1, 2) as u16, ..blob::SMALL };
        let switches = random.between(0, blob::ALL as usize) as u32;
        let mut blob = blob::with_records(shape, switches, &mut random);
        if let Some(record) = &mut blob.trailer.attention {
            record.storage = random.pick(&[Storage::F32, Storage::F16]);
            if random.between(0, 4) == 0 {
                (record.pattern, record.salient) = (AttentionPattern::Salient, 3);
            }
        }
        let head = TemporalHead::from_blob(&blob).unwrap();
        let rows = random.numbers(70 * head.feature_dim(), 1.0);
        let mut rows = rows.chunks(head.feature_dim());
        let mut window = HeadWindow::new(&head, 30).unwrap();
        window.push(&head, rows.next().unwrap()).unwrap();
        window.classify(&head).unwrap();
        let before = ALLOCATIONS.get();
        for (index, row) in rows.enumerate() {
            window.push(&head, row).unwrap();
            if index % 5 == 0 {
                window.classify(&head).unwrap();
            }
        }
        assert_eq!(ALLOCATIONS.get(), before, "seed {seed}");
    }
    assert!(ALLOCATIONS.get() > 0, "the counter counts");
}
