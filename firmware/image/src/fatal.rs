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

/// Called by the exception vectors, on an empty stack.
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
        _ => "exception",
    };
    end(format_args!("\r\nfatal: {name} ({cause}) at {address:#010x}, data {data:#010x}\r\n"))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(format_args!("\r\nfatal: {info}\r\n"))
}

/// What compiled code calls where it can go no further.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    end(format_args!("\r\nfatal: abort\r\n"))
}
