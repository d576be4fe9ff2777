//! Division, which the processor has no instruction for.

/// What compiled code calls to divide, in place of the compiler's own: from SRAM, by `flash.ld`.
#[unsafe(no_mangle)]
extern "C" fn __divsf3(a: f32, b: f32) -> f32 {
    csi_temporal::division::divide(a, b)
}
