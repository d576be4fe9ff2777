//! A panic means a fault of the library. It goes to the integrator, who does not come back.
//!
//! On Xtensa a panic is a call of `abort` where it happens, and this is never called.

use core::panic::PanicInfo;

unsafe extern "C" {
    fn ruv_port_panic(file: *const u8, len: usize, line: u32) -> !;
}

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
    // SAFETY: pointer and length are those of a text that lives as long as the program.
    unsafe { ruv_port_panic(file.as_ptr(), file.len(), line) }
}
