//! After the first time, neither a decode step, nor a step of the head's stream, nor a forward pass
//! with its own workspace takes memory.
//! Alone in its binary, because it replaces the allocator by one that counts per thread.

mod support;

use csi_temporal::attention::decode::{KvCache, decode_step_into};
use csi_temporal::attention::{BackendKind, SparsePattern, Weighting, Workspace, dense, sparse};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape, WeightBlob};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::bits;
use support::random::Random;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
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

#[test]
fn steps_allocate_nothing_after_the_first() {
    let pattern = SparsePattern { window: 300, block_size: 3, ..SparsePattern::default() };
    let mut cache = KvCache::new(1000, 2, 4, 3).unwrap();
    let (row, mut out) = ([0.25; 8], [0.0; 16]);
    let mut step = || {
        cache.append(&row, &row).unwrap();
        decode_step_into(&[0.5; 16], &mut cache, &pattern, Weighting::LnCount, &[], &mut out)
            .unwrap();
    };
    step();
    let before = ALLOCATIONS.get();
    (1..1000).for_each(|_| step());
    assert_eq!(ALLOCATIONS.get(), before, "decode step");

    let blob = WeightBlob::seeded(HeadShape::default(), DEFAULT_SEED, Dtype::F32).unwrap();
    let head = TemporalHead::from_blob(&blob).unwrap();
    let mut stream = head.start_stream(BackendKind::Sparse, 200).unwrap();
    stream.step(&head, &[0.5; 16]).unwrap();
    let before = ALLOCATIONS.get();
    assert!(before > 0, "the counter counts");
    for _ in 1..200 {
        stream.step(&head, &[0.5; 16]).unwrap();
    }
    assert_eq!(ALLOCATIONS.get(), before, "stream step");
}

/// Equal to the pass that takes its own memory, whatever the workspace held before.
#[test]
fn forward_with_a_workspace_allocates_nothing_and_changes_nothing() {
    let mut workspace = Workspace::new();
    let pattern = SparsePattern { window: 5, block_size: 4, ..SparsePattern::default() };
    for (round, kv_heads) in [4, 2, 1, 4, 2, 1].into_iter().enumerate() {
        let inputs = Random::new(kv_heads as u64).inputs(61, 4, kv_heads, 12, 1.0);
        let mut out = vec![0.0; 61 * 4 * 12];
        let weighting = Weighting::LnCount;
        let before = ALLOCATIONS.get();
        sparse::forward_into(&inputs.view(), &pattern, weighting, &mut workspace, &mut out)
            .unwrap();
        let sparse = out.clone();
        let cloned = ALLOCATIONS.get();
        dense::forward_into(&inputs.view(), true, &mut workspace, &mut out).unwrap();
        if round > 2 {
            assert_eq!((ALLOCATIONS.get(), cloned), (before + 1, before + 1), "{kv_heads}");
        }
        let expected = sparse::forward(&inputs.view(), &pattern, weighting).unwrap();
        assert_eq!(bits(&sparse), bits(expected.data()), "sparse, {kv_heads}");
        let expected = dense::forward(&inputs.view(), true).unwrap();
        assert_eq!(bits(&out), bits(expected.data()), "dense, {kv_heads}");
    }
}
