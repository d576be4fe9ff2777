//! Heap and stack: where they are and how much of them was ever used.

use core::fmt::{self, Write};

use crate::board::Board;

unsafe extern "C" {
    static mut _heap_start: u8;
    static mut _heap_end: u8;
    static _stack_low: u32;
    static _stack_high: u32;
}

/// What `start.S` fills the stack with.
const PAINT: u32 = 0xA5A5_A5A5;

/// Hands the memory behind the stack to the allocator. To be called once.
pub fn start_heap() {
    let start = &raw mut _heap_start;
    let size = &raw const _heap_end as usize - start as usize;
    let capabilities = esp_alloc::MemoryCapability::Internal.into();
    // SAFETY: the linker script keeps everything else out of this region.
    unsafe { esp_alloc::HEAP.add_region(esp_alloc::HeapRegion::new(start, size, capabilities)) };
}

/// Bytes of heap: all, in use, and the most that were.
#[derive(Clone, Copy)]
pub struct Heap {
    pub size: usize,
    pub used: usize,
    pub peak: usize,
}

pub fn heap() -> Heap {
    let (used, free) = (esp_alloc::HEAP.used(), esp_alloc::HEAP.free());
    let mut peak = Peak::default();
    // Only a total lack of memory could stop it, and it takes none.
    let _ = write!(peak, "{}", esp_alloc::HEAP.stats());
    Heap { size: used + free, used, peak: peak.bytes }
}

/// Reads the most bytes in use from the allocator's own report, the only place that tells.
#[derive(Default)]
struct Peak {
    follows: bool,
    bytes: usize,
}

impl Write for Peak {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.follows {
            self.bytes = text.parse().unwrap_or(self.bytes);
        }
        self.follows = text.ends_with("Max usage: ");
        Ok(())
    }
}

/// Bytes of stack: all, and the most that were in use.
pub fn stack() -> (usize, usize) {
    let (low, high) = (&raw const _stack_low, &raw const _stack_high);
    let words = (high as usize - low as usize) / size_of::<u32>();
    // SAFETY: both ends are the linker script's. Words at the end of the scan are in use while
    // they are read, which can only make the answer larger.
    let painted = (0..words).take_while(|&word| unsafe { low.add(word).read_volatile() } == PAINT);
    let free = painted.count() * size_of::<u32>();
    (words * size_of::<u32>(), words * size_of::<u32>() - free)
}

/// Panics when the stack has grown beyond its end, into what lies below.
pub fn check_stack() {
    // SAFETY: the linker script's own word, that nothing else uses.
    assert!(unsafe { (&raw const _stack_low).read_volatile() } == PAINT, "the stack is too small");
}

/// No interrupt is ever enabled and one core runs: nothing can come between.
struct Alone;
critical_section::set_impl!(Alone);
// SAFETY: see `Alone`.
unsafe impl critical_section::Impl for Alone {
    unsafe fn acquire() -> critical_section::RawRestoreState {}
    unsafe fn release(_: critical_section::RawRestoreState) {}
}

/// The node's view of both.
pub fn platform(board: Board, image_hash: [u8; 8]) -> csi_node::Platform {
    let heap = heap();
    let bytes = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    csi_node::Platform {
        image_hash,
        reset_cause: board.reset_cause(),
        board: board.number(),
        heap_used: bytes(heap.used),
        heap_peak: bytes(heap.peak),
        stack_peak: bytes(stack().1),
    }
}
