//! Rewrites what LLVM's Xtensa back-end cannot do: a choice between two `f32` constants.
//!
//! It would put both into a constant pool and index it, and ends with `Cannot select ...
//! TargetConstantPool`. A choice between the same bits as integers has no such trouble. It is made
//! in the text of LLVM's intermediate language, so that no source has to know.

/// Returns the module with every `select` between two `float` constants made one of integers.
pub fn rewritten(module: &str) -> String {
    let mut out = String::with_capacity(module.len() + 4096);
    for (index, line) in module.lines().enumerate() {
        match parse(line) {
            Some(Select { result, condition, bits: [a, b] }) => {
                let whole = format!("%select.bits.{index}");
                out += &format!(
                    "  {whole} = select {condition}, i32 {a}, i32 {b}\n  \
                     {result} = bitcast i32 {whole} to float\n"
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

struct Select<'a> {
    result: &'a str,
    /// With its type: `i1 %4`.
    condition: &'a str,
    bits: [u32; 2],
}

/// Reads `%72 = select nnan i1 %4, float 0x3FF921FB40000000, float -5.000000e-01, !prof !1`.
fn parse(line: &str) -> Option<Select<'_>> {
    let (result, rest) = line.trim_start().split_once(" = select ")?;
    let mut parts = rest[rest.find("i1 ")?..].split(", ");
    let condition = parts.next()?;
    let mut constant = || constant(parts.next()?.strip_prefix("float ")?);
    let bits = [constant()?, constant()?];
    Some(Select { result, condition, bits })
}

/// Reads a constant as LLVM writes it: decimal where that is exact, else the bits of an f64.
fn constant(text: &str) -> Option<u32> {
    let double = match text.strip_prefix("0x") {
        Some(digits) => f64::from_bits(u64::from_str_radix(digits, 16).ok()?),
        None => text.parse().ok()?,
    };
    Some((double as f32).to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_between_constants_is_made_between_their_bits() {
        let from = "define float @f(i1 %c) {\n  \
            %1 = select i1 %c, float 0x3FF921FB60000000, float -5.000000e-01\n  \
            %2 = select nnan nsz i1 %c, float 1.000000e+00, float 0.000000e+00, !prof !7\n}\n";
        let to = "define float @f(i1 %c) {\n  \
            %select.bits.1 = select i1 %c, i32 1070141403, i32 3204448256\n  \
            %1 = bitcast i32 %select.bits.1 to float\n  \
            %select.bits.2 = select i1 %c, i32 1065353216, i32 0\n  \
            %2 = bitcast i32 %select.bits.2 to float\n}\n";
        assert_eq!(rewritten(from), to);
        assert_eq!(f32::from_bits(1_070_141_403), core::f32::consts::FRAC_PI_2);
    }

    #[test]
    fn other_choices_stay() {
        for line in [
            "  %1 = select i1 %c, float %a, float 1.000000e+00\n",
            "  %1 = select i1 %c, float 1.000000e+00, float %b\n",
            "  %1 = select i1 %c, i32 1, i32 2\n",
            "  %1 = select i1 %c, double 1.000000e+00, double 2.000000e+00\n",
            "  store float 1.000000e+00, ptr %p\n",
        ] {
            assert_eq!(rewritten(line), line);
        }
    }
}
