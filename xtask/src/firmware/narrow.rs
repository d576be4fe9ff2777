//! Writes instructions of three bytes as those of two that do the same.
//!
//! The ESP32-S3 has the density option of the Xtensa ISA, QEMU's core too, and every assembler of
//! Espressif's makes use of it; LLVM 22 does so for little. What an instruction does, how many there
//! are, and where functions start stays as it is; a sixth of the code goes.

/// Returns the assembly with short instructions where there are any. Lines that do not start
/// with a tab are a person's and stay.
pub fn narrowed(assembly: &str) -> String {
    let mut out = String::with_capacity(assembly.len());
    for line in assembly.lines() {
        match line.strip_prefix('\t').and_then(narrow) {
            Some(short) => {
                out.push('\t');
                out += &short;
            }
            None => out += line,
        }
        out.push('\n');
    }
    out
}

fn narrow(instruction: &str) -> Option<String> {
    let code = instruction.split('#').next()?.trim_end();
    let (name, operands) = code.split_once('\t')?;
    let words: Vec<&str> = operands.split(", ").collect();
    let fits = |word: &str, from: i32, to: i32, step: i32| {
        word.parse().is_ok_and(|n: i32| (from..=to).contains(&n) && n % step == 0)
    };
    let short = match (name, words.as_slice()) {
        // A copy of a register is an OR of it with itself.
        ("or", [to, a, b]) if a == b => return Some(format!("mov.n\t{to}, {a}")),
        ("l32i" | "s32i", [_, _, offset]) => fits(offset, 0, 60, 4),
        ("addi", [_, _, number]) => fits(number, -1, 15, 1) && *number != "0",
        ("movi", [_, number]) => fits(number, -32, 95, 1),
        ("add", [_, _, _]) => true,
        _ => false,
    };
    short.then(|| format!("{name}.n\t{operands}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_into_two_bytes_is_written_so() {
        let cases = [
            ("\tor\ta2, a3, a3", "\tmov.n\ta2, a3"),
            (
                "\tl32i\ta2, a1, 60                        # 4-byte Folded Reload",
                "\tl32i.n\ta2, a1, 60",
            ),
            ("\ts32i\ta2, a3, 0", "\ts32i.n\ta2, a3, 0"),
            ("\taddi\ta2, a3, -1", "\taddi.n\ta2, a3, -1"),
            ("\taddi\ta2, a3, 15", "\taddi.n\ta2, a3, 15"),
            ("\tmovi\ta2, -32", "\tmovi.n\ta2, -32"),
            ("\tmovi\ta2, 95", "\tmovi.n\ta2, 95"),
            ("\tadd\ta2, a3, a4", "\tadd.n\ta2, a3, a4"),
        ];
        for (long, short) in cases {
            assert_eq!(narrowed(long), format!("{short}\n"));
        }
    }

    #[test]
    fn all_else_stays() {
        for line in [
            "\tor\ta2, a3, a4",
            "\tl32i\ta2, a1, 64",
            "\ts32i\ta2, a1, 2",
            "\taddi\ta2, a3, 0",
            "\taddi\ta2, a3, -2",
            "\taddi\ta2, a3, 16",
            "\tmovi\ta2, 96",
            "\tmovi\ta2, -33",
            "\tmovi\ta2, label",
            "\tadd.s\tf1, f2, f3",
            "    movi    a0, 0",
            "add:",
            "# \tmovi\ta2, 1",
        ] {
            assert_eq!(narrowed(line), format!("{line}\n"));
        }
    }
}
