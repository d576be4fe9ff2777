//! Puts the literals of Xtensa assembly where the linker can use them.
//!
//! LLVM 22 writes `.literal` into sections that are aligned to 1, and after a jump table even
//! into the wrong section. Each group gets a section of its own here, aligned to 4 and created
//! before the code that follows: `l32r` reaches backwards only, and the linker drops a group with
//! the function that used it.

/// Returns the assembly with every `.literal` in a section `.literal.rN`, one for each
/// `.literal_position`.
pub fn moved(assembly: &str) -> String {
    let mut group = 0;
    let mut out = String::with_capacity(assembly.len() + assembly.len() / 4);
    for line in assembly.lines() {
        if line.starts_with("\t.literal_position") {
            group += 1;
            continue;
        }
        let literal = line.strip_prefix("\t.literal ").and_then(|rest| rest.split_once(", "));
        match literal {
            Some((label, value)) => {
                out += &format!(
                    "\t.pushsection\t.literal.r{group},\"ax\",@progbits\n\t.p2align\t2\n\
                     {label}:\t.long\t{value}\n\t.popsection\n"
                );
            }
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_an_aligned_section_before_its_code() {
        let from = "\t.section\t.text.f,\"ax\",@progbits\n\t.literal_position\n\
            \t.literal .LCPI0_0, 1065353216\n\t.literal .LCPI0_1, g+4\nf:\n\tl32r\ta2, .LCPI0_0\n\
            \t.literal_position\n\t.literal .LCPI1_0, f\n";
        let to = "\t.section\t.text.f,\"ax\",@progbits\n\
            \t.pushsection\t.literal.r1,\"ax\",@progbits\n\t.p2align\t2\n\
            .LCPI0_0:\t.long\t1065353216\n\t.popsection\n\
            \t.pushsection\t.literal.r1,\"ax\",@progbits\n\t.p2align\t2\n\
            .LCPI0_1:\t.long\tg+4\n\t.popsection\nf:\n\tl32r\ta2, .LCPI0_0\n\
            \t.pushsection\t.literal.r2,\"ax\",@progbits\n\t.p2align\t2\n\
            .LCPI1_0:\t.long\tf\n\t.popsection\n";
        assert_eq!(moved(from), to);
    }

    #[test]
    fn all_else_stays() {
        let text = "start:\n\tnop\n# .literal x, y\n";
        assert_eq!(moved(text), text);
    }
}
