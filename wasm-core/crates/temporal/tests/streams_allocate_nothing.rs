//! Pushing into a stream takes no memory; after the first time, neither does a step of the head's
//! stream, nor a forward pass with its own workspace.
//! Alone in its binary, because it replaces the allocator by one that counts per thread.

mod support;

use csi_temporal::attention::salient::{Salient, SalientStream};
use csi_temporal::attention::{
    AttentionError, BackendKind, Pyramid, PyramidStream, SparsePattern, Stream, StreamShape,
    Weighting, Workspace, dense, pyramid, sparse,
};
use csi_temporal::half::Storage;
use csi_temporal::head::{HeadError, HeadWindow, TemporalHead};
use csi_temporal::rvne::{
    AttentionPattern, AttentionRecord, DEFAULT_SEED, Dtype, HeadShape, WeightBlob,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::bits;
use support::random::Random;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    /// The largest piece that may be had.
    static LARGEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

// SAFETY: every call goes to the system's allocator unchanged, or finds no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST.get() {
            return core::ptr::null_mut();
        }
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// For ever: 10^6 tokens in release builds. The ring turns, the pyramid grows 17 levels high.
#[test]
fn pushes_allocate_nothing_and_memory_stays() {
    let tokens = if cfg!(debug_assertions) { 5_000 } else { 1_000_000 };
    let pattern = SparsePattern { window: 16, block_size: 3, ..SparsePattern::default() };
    let pyramid = Pyramid { window: 8, per_level: 3 };
    let salient = Salient { window: 8, groups: 9 };
    let (k, v, mut out) = ([0.25; 8], [0.5; 8], [0.0; 16]);
    for storage in [Storage::F32, Storage::F16] {
        let shape = StreamShape { q_heads: 4, kv_heads: 2, dim: 4, slopes: &[0.1; 4], storage };
        let mut ring = Stream::new(&shape, &pattern, Weighting::LnCount, 1000).unwrap();
        let mut endless = PyramidStream::new(&shape, pyramid).unwrap();
        let mut groups = SalientStream::new(&salient, 4, 2, 4, &[0.1; 4]).unwrap();
        let bytes = (ring.memory_bytes(), endless.memory_bytes(), groups.memory_bytes());
        let before = ALLOCATIONS.get();
        for token in 0..tokens {
            let q = [(token % 7) as f32; 16];
            ring.push(&q, &k, &v, &mut out).unwrap();
            endless.push(&q, &k, &v, &mut out).unwrap();
            groups.push(&q, &[(token % 11) as f32; 8], &v, &mut out).unwrap();
        }
        assert_eq!(ALLOCATIONS.get(), before);
        let now = (ring.memory_bytes(), endless.memory_bytes(), groups.memory_bytes());
        assert_eq!(now, bytes);
    }
}

/// All of its memory, plan and scratch included: 4 heads of 32, for 2^32 tokens.
#[test]
fn an_endless_stream_takes_a_fifth_of_a_megabyte() {
    let shape =
        |kv_heads, storage| StreamShape { q_heads: 4, kv_heads, dim: 32, slopes: &[], storage };
    let pyramid = Pyramid { window: 8, per_level: 3 };
    let bytes = |kv_heads, storage| {
        let before = BYTES.get();
        let stream = PyramidStream::new(&shape(kv_heads, storage), pyramid).unwrap();
        let bytes = BYTES.get().wrapping_sub(before);
        assert!(bytes >= stream.memory_bytes());
        println!("{kv_heads} key heads, {storage:?}: {bytes} bytes");
        bytes
    };
    assert!(bytes(4, Storage::F32) <= 200_000);
    assert!(bytes(4, Storage::F16) <= 110_000);
    assert!(bytes(1, Storage::F32) <= 64_000);
    assert!(bytes(1, Storage::F16) <= 44_000);
}

#[test]
fn steps_of_a_head_allocate_nothing_after_the_first() {
    let blob = WeightBlob::seeded(HeadShape::default(), DEFAULT_SEED, Dtype::F32).unwrap();
    let head = TemporalHead::from_blob(&blob).unwrap();
    for backend in [
        BackendKind::Sparse,
        BackendKind::Pyramid { per_level: 3 },
        BackendKind::Salient { groups: 5 },
    ] {
        let mut stream = head.start_stream(backend, 50).unwrap();
        stream.step(&head, &[0.5; 16]).unwrap();
        let before = ALLOCATIONS.get();
        assert!(before > 0, "the counter counts");
        for _ in 1..200 {
            stream.step(&head, &[0.5; 16]).unwrap();
        }
        assert_eq!(ALLOCATIONS.get(), before, "{backend:?}");
    }
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
        let pyramid = Pyramid { window: 5, per_level: 2 };
        pyramid::forward_into(&inputs.view(), &pyramid, &mut workspace, &mut out).unwrap();
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

/// Rows of one number are small beside the plan over them: that, too, is refused and aborts nothing.
#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let shape = StreamShape { q_heads: 1, kv_heads: 1, dim: 1, slopes: &[], storage: Storage::F16 };
    let window = 3000;
    let pattern = SparsePattern { window, ..SparsePattern::default() };
    let salient = Salient { window, groups: 2 };
    let shape_of_head =
        HeadShape { input_dim: 1, q_heads: 1, kv_heads: 1, head_dim: 1, layers: 1, classes: 2 };
    let mut blob = WeightBlob::seeded(shape_of_head, DEFAULT_SEED, Dtype::F32).unwrap();
    let pattern_of_head = AttentionPattern::Dense;
    blob.trailer.attention =
        Some(AttentionRecord { pattern: pattern_of_head, ..AttentionRecord::default() });
    let head = TemporalHead::from_blob(&blob).unwrap();
    // Pieces too small for the rows, too small for a plan, and large enough.
    for (largest, expected) in [
        (1 << 10, Err(AttentionError::CacheTooLarge)),
        (1 << 16, Err(AttentionError::CacheTooLarge)),
        (1 << 20, Ok(())),
    ] {
        LARGEST.set(largest);
        let made = [
            Stream::new(&shape, &pattern, Weighting::Plain, window + 1).map(|_| ()),
            PyramidStream::new(&shape, Pyramid { window, per_level: 2 }).map(|_| ()),
            SalientStream::new(&salient, 1, 1, 1, &[]).map(|_| ()),
        ];
        let made_of_head = HeadWindow::new(&head, window).map(|_| ());
        LARGEST.set(usize::MAX);
        assert_eq!(made, [expected; 3], "{largest} bytes");
        assert_eq!(made_of_head, expected.map_err(HeadError::Attention), "{largest} bytes");
    }
}
