//! Memory from regions that the integrator hands in, through esp-alloc.

use crate::error::{EspErr, INVALID_ARG, INVALID_SIZE, INVALID_STATE, OK};
use core::sync::atomic::{AtomicU32, Ordering};
use enumset::EnumSet;
use esp_alloc::{HEAP, HeapRegion};

/// The most regions that esp-alloc takes.
const MAX_REGIONS: u32 = 3;
/// The least bytes that are worth a region; the allocator's own bookkeeping needs some.
const MIN_BYTES: usize = 256;

/// Bytes at a region's end that are left out. Where one region ends at the address at which the
/// next begins, esp-alloc 0.8 frees the first block of the latter into both.
const GAP_BYTES: usize = 16;

static REGIONS: AtomicU32 = AtomicU32::new(0);

/// Adds a region.
///
/// # Safety
///
/// `start` is NULL, or points to `len` bytes that belong to the heap from now on.
pub unsafe fn add(start: *mut u8, len: usize) -> EspErr {
    if start.is_null() {
        return INVALID_ARG;
    }
    if len < MIN_BYTES || isize::try_from(len).is_err() {
        return INVALID_SIZE;
    }
    if REGIONS.fetch_add(1, Ordering::Relaxed) >= MAX_REGIONS {
        REGIONS.store(MAX_REGIONS, Ordering::Relaxed);
        return INVALID_STATE;
    }
    // SAFETY: the caller's promise; the length is above zero, as `MIN_BYTES` is above the gap.
    unsafe { HEAP.add_region(HeapRegion::new(start, len - GAP_BYTES, EnumSet::empty())) };
    OK
}

/// Bytes in use, and bytes that are left.
pub fn used_and_free() -> (u32, u32) {
    (HEAP.used() as u32, HEAP.free() as u32)
}

unsafe extern "C" {
    fn ruv_port_lock();
    fn ruv_port_unlock();
}

struct Lock;

critical_section::set_impl!(Lock);

// SAFETY: between the two calls the integrator lets no other task in; they nest, which
// `ruv_port.c` promises.
unsafe impl critical_section::Impl for Lock {
    unsafe fn acquire() -> critical_section::RawRestoreState {
        // SAFETY: it takes no argument and has no condition.
        unsafe { ruv_port_lock() }
    }

    unsafe fn release(_: critical_section::RawRestoreState) {
        // SAFETY: it follows `acquire`.
        unsafe { ruv_port_unlock() }
    }
}
