//! C's side: pointers in, numbers out. All unsafe code of the library is in this module.
//!
//! Every pointer is checked for NULL and for the alignment of what it points to. That it points
//! to as much memory as its length says, that a handle came from `init` and was not destroyed, and
//! that no other call uses it meanwhile, only the caller can know.
#![allow(unsafe_code, reason = "pointers from C")]

#[cfg(all(not(test), not(feature = "malloc")))]
#[path = "regions.rs"]
mod memory;
#[cfg(any(test, feature = "malloc"))]
#[path = "malloc.rs"]
mod memory;
#[cfg(target_os = "none")]
mod panic;

use crate::context::{self, Context, Counts, Promise};
use crate::error::{EspErr, FAIL, INVALID_ARG, INVALID_SIZE, NO_MEM, OK, esp_err};
use alloc::boxed::Box;
use alloc::vec::Vec;
use csi_node::{classification, kernel_works, stored_len};
use csi_temporal::packet::Packet;
use csi_temporal::rvne::MAGIC;

#[cfg(not(any(feature = "regions", feature = "malloc")))]
compile_error!("one of the features `regions` and `malloc` says where memory comes from");

/// `ruv_temporal_info_t`.
#[repr(C)]
pub struct Info {
    pub input_dim: u32,
    pub window_len: u32,
    pub n_classes: u32,
    pub frame_rate_hz: f32,
    pub is_streaming: u32,
    pub blob_crc: u32,
}

/// `ruv_temporal_stats_t`.
#[repr(C)]
pub struct Stats {
    pub counts: Counts,
    pub rows_now: u32,
    pub held_now: u32,
    pub blob_crc: u32,
    pub heap_used: u32,
    pub heap_free: u32,
}

/// Bytes of packet `0xC511_0007`.
const PACKET_LEN: usize = 40;

/// Borrows `len` numbers or bytes from C, if the pointer can be one.
///
/// # Safety
///
/// Unless it is NULL or misaligned, `pointer` points to `len` readable elements that stay as they
/// are during `'a`.
unsafe fn slice<'a, T>(pointer: *const T, len: usize) -> Option<&'a [T]> {
    let fits = len.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
    if pointer.is_null() || !pointer.is_aligned() || !fits {
        return None;
    }
    // SAFETY: checked above, or promised by the caller.
    Some(unsafe { core::slice::from_raw_parts(pointer, len) })
}

/// As [`slice`], to be written to.
///
/// # Safety
///
/// As [`slice`], and nobody else reads or writes them meanwhile.
unsafe fn slice_mut<'a, T>(pointer: *mut T, len: usize) -> Option<&'a mut [T]> {
    // SAFETY: promised by the caller.
    unsafe { slice(pointer, len) }?;
    // SAFETY: as above; exclusive by the caller's promise.
    Some(unsafe { core::slice::from_raw_parts_mut(pointer, len) })
}

/// Borrows one object from C.
///
/// # Safety
///
/// As [`slice_mut`] with one element.
unsafe fn object<'a, T>(pointer: *mut T) -> Option<&'a mut T> {
    // SAFETY: promised by the caller.
    unsafe { slice_mut(pointer, 1) }?.first_mut()
}

/// Turns a result into C's number; a missing argument is `INVALID_ARG`.
fn answer(call: impl FnOnce() -> Option<Result<(), EspErr>>) -> EspErr {
    match call() {
        None => INVALID_ARG,
        Some(Ok(())) => OK,
        Some(Err(error)) => error,
    }
}

/// # Safety
///
/// See the header.
unsafe fn init(
    weights: *const u8,
    weights_len: usize,
    promise: Promise,
    out_ctx: *mut *mut Context,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let out = unsafe { object(out_ctx) }?;
        *out = core::ptr::null_mut();
        // SAFETY: promised by the header.
        let weights = unsafe { slice(weights, weights_len) }?;
        let Promise { input_dim, window_len, classes } = promise;
        if input_dim == 0 || window_len == 0 || classes == Some(0) {
            return None;
        }
        Some(Context::new(weights, promise).and_then(|context| {
            *out = boxed(context).ok_or(NO_MEM)?;
            Ok(())
        }))
    })
}

/// Puts a context on the heap, where a full heap is no panic. [`ruv_temporal_destroy`] takes it
/// from there.
fn boxed(context: Context) -> Option<*mut Context> {
    let mut place = Vec::new();
    place.try_reserve_exact(1).ok()?;
    place.push(context);
    Some(Box::into_raw(place.into_boxed_slice()).cast::<Context>())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_init(
    weights: *const u8,
    weights_len: usize,
    input_dim: u32,
    window_len: u32,
    n_classes: u32,
    out_ctx: *mut *mut Context,
) -> EspErr {
    let promise = Promise { input_dim, window_len, classes: Some(n_classes) };
    // SAFETY: promised by the header.
    unsafe { init(weights, weights_len, promise, out_ctx) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_init_window(
    weights: *const u8,
    weights_len: usize,
    input_dim: u32,
    window_len: u32,
    out_ctx: *mut *mut Context,
) -> EspErr {
    let promise = Promise { input_dim, window_len, classes: None };
    // SAFETY: promised by the header.
    unsafe { init(weights, weights_len, promise, out_ctx) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_destroy(ctx: *mut Context) {
    if !ctx.is_null() && ctx.is_aligned() {
        let place = core::ptr::slice_from_raw_parts_mut(ctx, 1);
        // SAFETY: by the header's promise it came from `boxed` and is not used any more.
        drop(unsafe { Box::from_raw(place) });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_describe(
    weights: *const u8,
    weights_len: usize,
    out_info: *mut Info,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let (out, weights) = unsafe { (object(out_info)?, slice(weights, weights_len)?) };
        Some(context::describe(weights).map(|info| {
            *out = Info {
                input_dim: info.feature_dim as u32,
                window_len: info.window_rows as u32,
                n_classes: info.classes as u32,
                frame_rate_hz: info.rate_hz,
                is_streaming: u32::from(info.is_streaming),
                blob_crc: info.blob_crc,
            };
        }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_blob_len(
    bytes: *const u8,
    available: usize,
    out_len: *mut usize,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let (out, bytes) = unsafe { (object(out_len)?, slice(bytes, available)?) };
        if !bytes.starts_with(&MAGIC.to_le_bytes()) {
            return None;
        }
        Some(stored_len(bytes).map(|len| *out = len).ok_or(INVALID_SIZE))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_push(ctx: *mut Context, frame: *const f32) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let context = unsafe { object(ctx) }?;
        // SAFETY: promised by the header.
        let frame = unsafe { slice(frame, context.info().feature_dim) }?;
        Some(context.push(frame))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_push_at(
    ctx: *mut Context,
    frame: *const f32,
    time_us: i64,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let context = unsafe { object(ctx) }?;
        // SAFETY: promised by the header.
        let frame = unsafe { slice(frame, context.info().feature_dim) }?;
        Some(context.push_at(frame, time_us))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_classify(
    ctx: *mut Context,
    logits: *mut f32,
    n_classes: u32,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let (context, logits) = unsafe { (object(ctx)?, slice_mut(logits, n_classes as usize)?) };
        Some(context.classify(logits))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_step(
    ctx: *mut Context,
    frame: *const f32,
    logits: *mut f32,
    n_classes: u32,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let (context, logits) = unsafe { (object(ctx)?, slice_mut(logits, n_classes as usize)?) };
        // SAFETY: promised by the header.
        let frame = unsafe { slice(frame, context.info().feature_dim) }?;
        Some(context.step(frame, logits))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_clear(ctx: *mut Context) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        unsafe { object(ctx) }?.clear();
        Some(Ok(()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_set_weights(
    ctx: *mut Context,
    weights: *const u8,
    weights_len: usize,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let (context, weights) = unsafe { (object(ctx)?, slice(weights, weights_len)?) };
        Some(context.set_weights(weights))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_stats(ctx: *mut Context, out_stats: *mut Stats) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let (context, out) = unsafe { (object(ctx)?, object(out_stats)?) };
        let (heap_used, heap_free) = memory::used_and_free();
        *out = Stats {
            counts: context.counts(),
            rows_now: context.rows() as u32,
            held_now: context.held_now() as u32,
            blob_crc: context.info().blob_crc,
            heap_used,
            heap_free,
        };
        Some(Ok(()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_make_packet(
    logits: *const f32,
    n_classes: u32,
    node_id: u8,
    ts_us: u64,
    seq: u32,
    out_packet: *mut u8,
) -> EspErr {
    answer(|| {
        // SAFETY: promised by the header.
        let logits = unsafe { slice(logits, n_classes as usize) }?;
        // SAFETY: promised by the header.
        let out = unsafe { slice_mut(out_packet, PACKET_LEN) }?;
        let is_known = (2..=256).contains(&logits.len());
        if !is_known || !logits.iter().all(|logit| logit.is_finite()) {
            return None;
        }
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(PACKET_LEN).is_err() {
            return Some(Err(NO_MEM));
        }
        let packet = Packet::Classification(classification(logits, node_id, ts_us, seq));
        let is_written = packet.encode_into(&mut bytes).is_ok() && bytes.len() == PACKET_LEN;
        if !is_written {
            return Some(Err(FAIL));
        }
        out.copy_from_slice(&bytes);
        Some(Ok(()))
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn ruv_temporal_kernel_self_test() -> EspErr {
    match kernel_works() {
        Ok(true) => OK,
        Ok(false) => FAIL,
        Err(error) => esp_err(&error),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_temporal_add_heap(start: *mut u8, len: usize) -> EspErr {
    // SAFETY: promised by the header.
    unsafe { memory::add(start, len) }
}
