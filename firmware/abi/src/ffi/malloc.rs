//! Memory from the integrator's malloc.

use crate::error::{EspErr, NOT_SUPPORTED};

/// Regions are for the other build.
///
/// # Safety
///
/// None is needed.
pub unsafe fn add(_: *mut u8, _: usize) -> EspErr {
    NOT_SUPPORTED
}

/// Not known here.
pub fn used_and_free() -> (u32, u32) {
    (0, 0)
}

#[cfg(not(test))]
mod allocator {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ffi::c_void;

    unsafe extern "C" {
        fn malloc(size: usize) -> *mut c_void;
        fn free(pointer: *mut c_void);
    }

    /// What every malloc aligns to; nothing in the library asks for more.
    const ALIGNMENT: usize = 8;

    struct Malloc;

    #[global_allocator]
    static MALLOC: Malloc = Malloc;

    // SAFETY: malloc gives memory that is aligned to `ALIGNMENT` and belongs to nobody else, or
    // NULL, which is what a larger alignment gets.
    unsafe impl GlobalAlloc for Malloc {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.align() > ALIGNMENT {
                return core::ptr::null_mut();
            }
            // SAFETY: any size may be asked for.
            unsafe { malloc(layout.size()) }.cast()
        }

        unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
            // SAFETY: it came from `alloc`.
            unsafe { free(pointer.cast()) }
        }
    }
}
