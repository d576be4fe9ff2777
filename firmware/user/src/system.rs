//! What a program needs: arguments, output, an end, memory.

use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

unsafe extern "C" {
    fn user_write(bytes: *const u8, len: usize) -> isize;
    fn user_exit(status: i32) -> !;
    #[cfg(not(feature = "soak"))]
    fn user_mark();
}

const HEAP_BYTES: usize = 8 << 20;
static mut HEAP: [u8; HEAP_BYTES] = [0; HEAP_BYTES];

/// Standard output.
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // SAFETY: the pointer and length are those of a slice, which the call only reads.
            let written = unsafe { user_write(rest.as_ptr(), rest.len()) };
            let written = usize::try_from(written).ok().filter(|&n| n > 0).ok_or(fmt::Error)?;
            rest = rest.get(written..).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}

/// Tells whoever counts instructions that something begins or ends.
#[cfg(not(feature = "soak"))]
pub fn mark() {
    // SAFETY: does nothing.
    unsafe { user_mark() }
}

/// Returns the bytes of heap in use.
#[cfg(feature = "soak")]
pub fn heap_used() -> usize {
    esp_alloc::HEAP.used()
}

/// The words of the command line.
#[derive(Clone, Copy)]
pub struct Arguments {
    count: usize,
    first: *const *const c_char,
}

impl Arguments {
    /// Returns one word, the program's name being the first; `None` behind the last one and for
    /// a word that is not UTF-8.
    pub fn get(self, index: usize) -> Option<&'static str> {
        if index >= self.count {
            return None;
        }
        // SAFETY: Linux puts `count` pointers to texts that end with a zero there, for good.
        unsafe { CStr::from_ptr(*self.first.add(index)) }.to_str().ok()
    }
}

#[unsafe(no_mangle)]
extern "C" fn user_main(stack: *const usize) -> ! {
    // SAFETY: the program has one thread, this runs once, and nothing else names HEAP.
    let heap = unsafe {
        esp_alloc::HeapRegion::new(
            (&raw mut HEAP).cast(),
            HEAP_BYTES,
            esp_alloc::MemoryCapability::Internal.into(),
        )
    };
    // SAFETY: the region is a static's.
    unsafe { esp_alloc::HEAP.add_region(heap) };
    // SAFETY: at its entry a program finds the count at the stack pointer and the words after it.
    let arguments = unsafe { Arguments { count: *stack, first: stack.add(1).cast() } };
    exit(if crate::run(arguments).is_ok() { 0 } else { 1 })
}

fn exit(status: i32) -> ! {
    // SAFETY: ends the program.
    unsafe { user_exit(status) }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Out, "{info}");
    exit(101)
}

/// What compiled code calls where it can go no further.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    exit(102)
}

/// What compiled code calls to divide, in place of the compiler's own.
#[unsafe(no_mangle)]
extern "C" fn __divsf3(a: f32, b: f32) -> f32 {
    csi_temporal::division::divide(a, b)
}

/// One thread and no interrupt: nothing can come between.
struct Alone;
critical_section::set_impl!(Alone);
// SAFETY: see `Alone`.
unsafe impl critical_section::Impl for Alone {
    unsafe fn acquire() -> critical_section::RawRestoreState {}
    unsafe fn release(_: critical_section::RawRestoreState) {}
}
