//! Puts the literals of Xtensa assembly where the linker can use them.
//!
//! LLVM 22 writes `.literal` into sections that are aligned to 1, and after a jump table even
//! into the wrong section. Each group gets a section of its own here, aligned to 4 and created
//! before the code that follows: `l32r` reaches backwards only, and the linker drops a group with
//! the function that used it. It carries the name of the code's section, so that linker scripts can
//! put both in the same memory.

/// Returns the assembly with every `.literal` in a section `.literal.NAME.rN`, one for each
/// `.literal_position`, where NAME is the function that follows.
pub fn moved(assembly: &str) -> String {
    let lines: Vec<&str> = assembly.lines().collect();
    let (mut group, mut name) = (0, "");
    let mut out = String::with_capacity(assembly.len() + assembly.len() / 4);
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with("\t.literal_position") {
            group += 1;
            name = lines[index..].iter().find_map(|line| function(line)).unwrap_or_default();
            continue;
        }
        let literal = line.strip_prefix("\t.literal ").and_then(|rest| rest.split_once(", "));
        match literal {
            Some((label, value)) => {
                out += &format!(
                    "\t.pushsection\t.literal.{name}.r{group},\"ax\",@progbits\n\t.p2align\t2\n\
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

/// Reads `.type name,@function`, which stands before the function's code.
fn function(line: &str) -> Option<&str> {
    line.strip_prefix("\t.type\t")?.strip_suffix(",@function")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_an_aligned_section_before_its_code() {
        let from = "\t.literal_position\n\t.literal .LCPI0_0, 1065353216\n\
            \t.literal .LCPI0_1, g+4\n\t.type\tf,@function\nf:\n\tl32r\ta2, .LCPI0_0\n\
            \t.literal_position\n\t.literal .LCPI1_0, f\n\t.type\tg,@function\n";
        let to = "\t.pushsection\t.literal.f.r1,\"ax\",@progbits\n\t.p2align\t2\n\
            .LCPI0_0:\t.long\t1065353216\n\t.popsection\n\
            \t.pushsection\t.literal.f.r1,\"ax\",@progbits\n\t.p2align\t2\n\
            .LCPI0_1:\t.long\tg+4\n\t.popsection\n\t.type\tf,@function\nf:\n\tl32r\ta2, .LCPI0_0\n\
            \t.pushsection\t.literal.g.r2,\"ax\",@progbits\n\t.p2align\t2\n\
            .LCPI1_0:\t.long\tf\n\t.popsection\n\t.type\tg,@function\n";
        assert_eq!(moved(from), to);
    }

    #[test]
    fn all_else_stays() {
        let text = "start:\n\tnop\n# .literal x, y\n";
        assert_eq!(moved(text), text);
    }
}
