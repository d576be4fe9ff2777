//! What four lanes can do at most: multiplications and additions that stay in registers.

use std::array::from_fn;
use std::hint::black_box;

use crate::Subject;

/// Chains that do not wait for each other. Twelve hide the latency of both operations and leave
/// registers for the two constants where a wasm engine keeps one for itself.
const CHAINS: usize = 12;
const LANES: usize = 4;
const STEPS: usize = 4096;

/// [`CHAINS`] times [`LANES`] times `x * a + b`, not fused, [`STEPS`] times.
///
/// Plain numbers: the compiler puts them in lanes where the target has some, so a build without
/// lanes shows the peak without them.
#[derive(Default)]
pub struct Peak {
    out: [f32; LANES],
}

impl Subject for Peak {
    fn run(&mut self) {
        // Towards b / (1 - a) = 2, so that no number becomes tiny and slow.
        self.out = chains(black_box([0.75; LANES]), black_box([0.5; LANES]));
    }

    fn output(&self) -> &[f32] {
        &self.out
    }

    fn flops(&self) -> u64 {
        (STEPS * CHAINS * LANES * 2) as u64
    }
}

#[inline(never)]
fn chains(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
    let mut x: [[f32; LANES]; CHAINS] = from_fn(|chain| b.map(|b| b * chain as f32));
    for _ in 0..STEPS {
        for x in &mut x {
            *x = from_fn(|lane| x[lane] * a[lane] + b[lane]);
        }
    }
    x.iter().fold([0.0; LANES], |sum, x| from_fn(|lane| sum[lane] + x[lane]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_ends_at_its_limit() {
        let mut peak = Peak::default();
        peak.run();
        assert_eq!(peak.output(), [2.0 * CHAINS as f32; LANES]);
    }
}
