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

    /// What every malloc aligns to.
    const ALIGNMENT: usize = 8;

    struct Malloc;

    #[global_allocator]
    static MALLOC: Malloc = Malloc;

    // SAFETY: malloc gives memory that is aligned to `ALIGNMENT` and belongs to nobody else. For a
    // larger alignment so much more is taken that an aligned block fits, with malloc's own pointer
    // in front of it, for which the distance of at least `ALIGNMENT` has room.
    unsafe impl GlobalAlloc for Malloc {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.align() <= ALIGNMENT {
                // SAFETY: any size may be asked for.
                return unsafe { malloc(layout.size()) }.cast();
            }
            let Some(size) = layout.size().checked_add(layout.align() + ALIGNMENT) else {
                return core::ptr::null_mut();
            };
            // SAFETY: any size may be asked for.
            let start: *mut u8 = unsafe { malloc(size) }.cast();
            if start.is_null() {
                return start;
            }
            let distance = ALIGNMENT + start.wrapping_add(ALIGNMENT).align_offset(layout.align());
            // SAFETY: the distance is below what was taken on top of the size.
            unsafe {
                let block = start.add(distance);
                block.cast::<*mut u8>().sub(1).write(start);
                block
            }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            let start = match layout.align() {
                ..=ALIGNMENT => pointer,
                // SAFETY: `alloc` put it there.
                _ => unsafe { pointer.cast::<*mut u8>().sub(1).read() },
            };
            // SAFETY: it came from malloc.
            unsafe { free(start.cast()) }
        }
    }
}
