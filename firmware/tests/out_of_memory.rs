//! Whatever memory there is, it suffices or the node says that it does not; it never breaks off.
//! Alone in its binary, because it replaces the allocator by one with a limit.

mod support;

use csi_node::{Config, Model, Node, NodeError, kernel_works};
use csi_temporal::attention::AttentionError;
use csi_temporal::feature::MeanRemoval;
use csi_temporal::half::Storage;
use csi_temporal::head::HeadError;
use csi_temporal::rvne::{AttentionPattern, AttentionRecord, Dtype, HeadShape, WeightBlob};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::csi_blob;

struct Limited;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
    static LIMIT: Cell<usize> = const { Cell::new(usize::MAX) };
}

// SAFETY: every call that does not fail goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.get() + layout.size();
        if used > LIMIT.get() {
            return std::ptr::null_mut();
        }
        USED.set(used);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.set(USED.get().saturating_sub(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;

/// Runs with `bytes` more than what is in use.
fn with_memory<T>(bytes: usize, run: impl FnOnce() -> T) -> T {
    LIMIT.set(USED.get() + bytes);
    let result = run();
    LIMIT.set(usize::MAX);
    result
}

fn blobs() -> Vec<(String, Vec<u8>)> {
    let mut blobs = Vec::new();
    let shapes = [
        HeadShape { input_dim: 6, q_heads: 4, kv_heads: 2, head_dim: 4, layers: 1, classes: 3 },
        HeadShape { input_dim: 1, q_heads: 1, kv_heads: 1, head_dim: 1, layers: 9, classes: 2 },
        HeadShape { input_dim: 2, q_heads: 8, kv_heads: 8, head_dim: 16, layers: 2, classes: 200 },
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 },
    ];
    use AttentionPattern::{Dense, LnCount, Pyramid, Salient, UpstreamEdges};
    for shape in shapes {
        for pattern in [UpstreamEdges, LnCount, Dense, Pyramid, Salient] {
            for (storage, streaming) in
                [(Storage::F32, false), (Storage::F16, false), (Storage::F32, true)]
            {
                if pattern == Dense && streaming {
                    continue;
                }
                let mut blob = WeightBlob::seeded(shape, 3, Dtype::F16).unwrap();
                blob.trailer.attention = Some(AttentionRecord {
                    pattern,
                    storage,
                    streaming,
                    per_level: 4,
                    salient: 8,
                    window: 4,
                    block_size: 3,
                    window_len: 70,
                    ..AttentionRecord::default()
                });
                let name = format!("{shape:?} {pattern:?} {storage:?} {streaming}");
                blobs.push((name, blob.encode().unwrap()));
            }
        }
    }
    let mut mean = csi_blob(1, 50.0);
    mean.trailer.pipeline.as_mut().unwrap().mean_removal = MeanRemoval::Window;
    blobs.push(("window mean".to_string(), mean.encode().unwrap()));
    blobs
}

fn is_lack_of_memory(error: NodeError) -> bool {
    let too_large = HeadError::Attention(AttentionError::CacheTooLarge);
    matches!(error, NodeError::Memory { .. } | NodeError::Window(_))
        || error == NodeError::Head(too_large)
}

/// Loads with ever more memory; once it suffices, nothing that follows wants more.
#[test]
fn a_model_loads_with_enough_memory_or_says_that_there_is_too_little() {
    for (name, bytes) in blobs() {
        let mut memory = 0;
        loop {
            let done = with_memory(memory, || match Model::load(&bytes, 0) {
                Err(error) => {
                    assert!(is_lack_of_memory(error), "{name}: {error:?}");
                    false
                }
                Ok(mut model) => {
                    let row = [0.25; 64];
                    let row = &row[..model.info().feature_dim];
                    LIMIT.set(USED.get());
                    for step in 0..75 {
                        model.push(row, false).unwrap();
                        if step >= 72 {
                            model.classify().unwrap();
                        }
                    }
                    true
                }
            });
            if done {
                break;
            }
            memory += 301 + memory / 20;
        }
        assert!(memory > 1000, "{name}: the limit was felt");
    }
}

/// A swap for which there is too little memory leaves a node that works.
#[test]
fn a_swap_without_memory_keeps_the_old_weights() {
    let blobs = blobs();
    let (_, old) = &blobs[0];
    let mut refused = 0;
    for (name, bytes) in blobs[1..].iter().rev().step_by(5) {
        for memory in (0..60_000).step_by(7001) {
            let mut node = Node::new(Config::default());
            node.load_weights(old).unwrap();
            let before = node.model().unwrap().info();
            let result = with_memory(memory, || node.load_weights(bytes));
            let model = node.model().unwrap();
            match result {
                Ok(()) => assert_ne!(model.info(), before, "{name}"),
                Err(error) => {
                    assert!(is_lack_of_memory(error), "{name}: {error:?}");
                    assert_eq!(model.info(), before, "{name}");
                    refused += 1;
                }
            }
            let row = vec![0.5; model.info().feature_dim];
            (0..80).for_each(|step| node.handle_row(0, step * 20_000, &row).unwrap());
            assert!(node.stats(0).classifications > 0, "{name}");
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn the_kernel_test_runs_or_says_that_there_is_too_little_memory() {
    for memory in (0..140 * 1024).step_by(8 * 1024) {
        match with_memory(memory, kernel_works) {
            Ok(works) => assert!(works),
            Err(error) => assert!(is_lack_of_memory(error) && memory < 100 * 1024, "{memory}"),
        }
    }
}
