//! What reading costs in memory, measured at the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use csi_lab::recording::{Decoder, Limits, Recording, Refusal};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the counters touch no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(held, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time: the counters are the process's.
static TURN: Mutex<()> = Mutex::new(());

/// Decodes a stream of pieces; returns the outcome and the most bytes held beyond the start.
fn measure<'a>(mut pieces: impl Iterator<Item = &'a [u8]>) -> (Result<Recording, Refusal>, usize) {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut decoder = Decoder::new("test", Limits::default());
    let pushed = pieces.try_for_each(|piece| decoder.push(piece));
    let outcome = pushed.and_then(|()| decoder.finish());
    (outcome, PEAK.load(Relaxed) - before)
}

#[test]
fn twenty_megabytes_without_a_line_end_are_not_held() {
    let _turn = TURN.lock();
    let piece = vec![b'7'; 64 << 10];
    let (outcome, peak) = measure((0..320).map(|_| &piece[..]));
    assert_eq!(outcome.err().map(|refusal| refusal.code()), Some("recording/nothing-usable"));
    assert!(peak < 4 << 20, "{peak} bytes");
}

#[test]
fn a_line_of_ten_megabytes_is_skipped_and_the_rest_is_read() {
    let _turn = TURN.lock();
    let values = vec!["5"; 128].join(" ");
    let line = format!(
        "CSI_DATA,AP,20:50:0D:2A:A2:E4,-60,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,7,0,84,0,0,1.5,384,[{values} ]\n"
    );
    let long = [b"CSI_DATA,AP,".repeat(1 << 20), b"\n".to_vec()].concat();
    let pieces = [line.as_bytes(), &long, line.as_bytes()];
    let (outcome, peak) = measure(pieces.into_iter());
    let report = outcome.unwrap().report;
    assert_eq!((report.frames, report.skipped["line-too-long"]), (2, 1));
    assert_eq!(report.skipped_at["line-too-long"], ["line 2"]);
    assert!(peak < 4 << 20, "{peak} bytes");
}

#[test]
fn a_deep_or_long_json_line_costs_a_bounded_amount() {
    let _turn = TURN.lock();
    let deep = [b"{\"a\":".to_vec(), vec![b'['; 900 << 10]].concat();
    let wide = [b"{\"a\":[0".to_vec(), b",0".repeat(450 << 10), b"]}".to_vec()].concat();
    for line in [deep, wide] {
        let (outcome, peak) = measure(core::iter::once(&line[..]));
        assert!(outcome.is_err());
        // A number of two characters becomes a JSON value of some 32 bytes; lines end at 1 MiB.
        assert!(peak < 64 << 20, "{peak} bytes");
    }
}

#[test]
fn sixty_megabytes_of_csv_take_less_than_half_of_that() {
    let _turn = TURN.lock();
    let values: Vec<String> = (0..128).map(|v| (v % 90 - 45).to_string()).collect();
    let values = values.join(" ");
    let lines: Vec<String> = (0..1000)
        .map(|n| {
            format!("CSI_DATA,AP,20:50:0D:2A:A2:E4,-60,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,{n},0,84,0,0,1.5,384,[{values} ]\n")
        })
        .collect();
    let thousand = lines.concat();
    let rounds = (60 << 20) / thousand.len();
    let (outcome, peak) = measure((0..rounds).map(|_| thousand.as_bytes()));
    let report = outcome.unwrap().report;
    assert_eq!(report.frames, rounds as u64 * 1000);
    assert!(peak < 30 << 20, "{peak} bytes");
}
