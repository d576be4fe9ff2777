//! Last words: the cause and the address, then a restart.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::board::Board;
use crate::clock;
use crate::console::Console;

/// Set while words are printed: what fails then restarts without any.
static SPEAKING: AtomicBool = AtomicBool::new(false);

fn end(words: core::fmt::Arguments<'_>) -> ! {
    let board = Board::find();
    // Two steps, which nothing can come between: one would be S32C1I, which not every memory does.
    if !SPEAKING.load(Relaxed) {
        SPEAKING.store(true, Relaxed);
        let _ = Console(board).write_fmt(words);
        // A node that fails at every start does not flood the line.
        clock::wait(500_000);
    }
    board.restart()
}

/// Stands for `abort`, beside the causes of the processor.
const ABORT: u32 = 64;

/// Called by the exception vectors on an empty stack, and by `abort` with where it was called.
#[unsafe(no_mangle)]
extern "C" fn fatal(cause: u32, address: u32, data: u32) -> ! {
    let name = match cause {
        0 => "illegal instruction",
        2 => "instruction not fetched",
        3 => "load or store error",
        4 => "interrupt",
        6 => "division by zero",
        9 => "unaligned access",
        20 => "instruction from forbidden memory",
        28 => "load from forbidden memory",
        29 => "store to forbidden memory",
        ABORT => "panic",
        _ => "exception",
    };
    // Return addresses have the size of a window in their upper bits, where code has 1; the call that
    // does not return, three bytes before, may be the last of its function.
    let address =
        if cause == ABORT { (address << 2 >> 2 | 0x4000_0000).wrapping_sub(3) } else { address };
    end(format_args!("\r\nfatal: {name} ({cause}) at {address:#010x}, data {data:#010x}\r\n"))
}

/// A panic ends in `abort`, at the place of the fault and without a word (`panic` in
/// `firmware/xtensa.toml`): nothing calls this, and every program has to have it.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    end(format_args!("\r\nfatal: panic\r\n"))
}
