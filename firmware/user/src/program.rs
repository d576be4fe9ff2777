//! What the program does, by its first argument.

use core::fmt::{Error, Write};

use crate::system::{Arguments, Out};

pub fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.get(1) {
        Some("bits") => bits(),
        _ => writeln!(Out, "arguments: bits").and(Err(Error)),
    }
}

/// Prints the golden table, as `fixtures/golden/bits.txt` has it.
fn bits() -> Result<(), Error> {
    let mut table = csi_temporal::selftest::bits().into_iter();
    table.try_for_each(|(name, hash)| writeln!(Out, "{name} {hash:016x}"))
}
