//! From the banner to the main loop.

use core::fmt::Write;

use csi_node::{Config, Node, NodeError};

use crate::board::{self, Board, FLASH_PAGE, PORTS, Port};
use crate::console::Console;
use crate::partition::{self, TABLE_LEN, TABLE_OFFSET};
use crate::{clock, descriptor, memory};

/// How often heap and stack are measured.
const MEASURE_MICROS: u64 = 1_000_000;

/// Between two looks at lines that had nothing, far less than a queue of 128 bytes takes to fill.
/// A board that asks without a pause leaves QEMU no time to bring it bytes, for seconds on a busy
/// machine, and gives up frames that are on their way.
const IDLE_MICROS: u32 = 20;

/// What a person types, outside of frames, to get the report.
const REPORT: &[u8] = b"board-report\n";

#[unsafe(no_mangle)]
extern "C" fn image_main() -> ! {
    let board = Board::find();
    board.start();
    memory::start_heap();
    let mut node = Node::new(Config { clock: Some(clock::micros), ..Config::default() });
    node.set_platform(memory::platform(board, descriptor::image_hash()));
    let stored = Stored::find(board);
    let loaded = stored.blob.map(|blob| node.load_weights(blob));
    let _ = banner(board, &stored, loaded);
    node.greet();
    run(board, &mut node, &stored)
}

/// The weights in flash.
struct Stored {
    partition: Option<partition::Partition>,
    blob: Option<&'static [u8]>,
}

impl Stored {
    /// Looks the partition up, maps it and leaves it mapped.
    fn find(board: Board) -> Self {
        let table = board.map_flash(TABLE_OFFSET / FLASH_PAGE, 1).get(TABLE_OFFSET..);
        let table = table.and_then(|table| table.get(..TABLE_LEN));
        let partition = table.and_then(|table| partition::find(table, "rvne"));
        let blob = partition.and_then(|partition| {
            let (offset, size) = (partition.offset as usize, partition.size as usize);
            let pages = (offset % FLASH_PAGE + size).div_ceil(FLASH_PAGE);
            let mapped = board.map_flash(offset / FLASH_PAGE, pages).get(offset % FLASH_PAGE..)?;
            let stored = &mapped[..size.min(mapped.len())];
            stored.get(..csi_node::stored_len(stored)?)
        });
        Self { partition, blob }
    }
}

fn banner(
    board: Board,
    stored: &Stored,
    loaded: Option<Result<(), NodeError>>,
) -> core::fmt::Result {
    let out = &mut Console(board);
    write!(out, "\r\ncsi-node {} image ", env!("CARGO_PKG_VERSION"))?;
    descriptor::image_hash().iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
    write!(out, " reset cause {} on {}\r\n", board.reset_cause(), board.name())?;
    match (stored.blob, loaded) {
        (Some(blob), Some(Ok(()))) => {
            write!(out, "weights crc32 {:08x}, {} bytes\r\n", crc_of(blob), blob.len())
        }
        (Some(_), Some(Err(error))) => write!(out, "weights refused: {error}\r\n"),
        _ => write!(out, "no weights in flash: send some\r\n"),
    }
}

/// The CRC-32 that ends a blob.
fn crc_of(blob: &[u8]) -> u32 {
    blob.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Moves bytes until a restart is asked for.
fn run(board: Board, node: &mut Node, stored: &Stored) -> ! {
    let image_hash = descriptor::image_hash();
    let mut bytes = [0; 128];
    // Replies go where bytes came from last.
    let mut port = Port::Uart;
    let mut measured_micros = 0;
    let mut typed = Typed::default();
    loop {
        let now = clock::micros();
        if now - measured_micros >= MEASURE_MICROS {
            measured_micros = now;
            node.set_platform(memory::platform(board, image_hash));
            node.handle_bytes(now, &[]);
        }
        let mut is_idle = true;
        for from in PORTS {
            let count = board.read(from, &mut bytes);
            if count > 0 {
                (port, is_idle) = (from, false);
                node.handle_bytes(now, &bytes[..count]);
                if typed.ends(&bytes[..count]) {
                    let _ = report(board, node, stored);
                }
            }
        }
        memory::check_stack();
        while let Some(bytes) = node.take_output(64) {
            board.write(port, bytes);
        }
        if is_idle {
            clock::wait(IDLE_MICROS);
        }
        if node.wants_restart() {
            clock::wait(100_000);
            board.restart();
        }
    }
}

/// Waits for [`REPORT`].
#[derive(Default)]
struct Typed {
    matched: usize,
}

impl Typed {
    fn ends(&mut self, bytes: &[u8]) -> bool {
        let mut ended = false;
        for &byte in bytes {
            self.matched = match byte == REPORT[self.matched] {
                true => self.matched + 1,
                false => usize::from(byte == REPORT[0]),
            };
            if self.matched == REPORT.len() {
                (self.matched, ended) = (0, true);
            }
        }
        ended
    }
}

/// What whoever tries a board sends to the project.
fn report(board: Board, node: &Node, stored: &Stored) -> core::fmt::Result {
    let out = &mut Console(board);
    let now = clock::micros();
    banner(board, stored, None.or(stored.blob.map(|_| Ok(()))))?;
    write!(out, "board-report\r\n processor {:#010x}\r\n", board::processor())?;
    write!(out, " cycles a microsecond {}\r\n", board.cycles_per_micro())?;
    write!(out, " microseconds since the start {now}\r\n")?;
    if let Some(partition) = stored.partition {
        write!(out, " rvne at {:#x}, {:#x} bytes\r\n", partition.offset, partition.size)?;
    }
    let (heap, (stack, stack_peak)) = (memory::heap(), memory::stack());
    write!(out, " heap {} bytes, {} used, {} at most\r\n", heap.size, heap.used, heap.peak)?;
    write!(out, " stack {stack} bytes, {stack_peak} at most\r\n")?;
    let stats = node.stats(now);
    for (name, value) in csi_node::Stats::NAMES.iter().zip(stats.values()) {
        write!(out, " {name} {value}\r\n")?;
    }
    write!(out, "end of board-report\r\n")
}
