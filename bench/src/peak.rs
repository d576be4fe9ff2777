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

const ROWS: usize = 2;
const KEYS: usize = 4;
const DIM: usize = 32;
/// 16 KB of keys, which stay in the first cache.
const BLOCKS: usize = 8;
const ROUNDS: usize = 64;

/// Lanes of every number of a row or key.
type Numbers = [[f32; LANES]; DIM];

/// Products of two rows with four keys at once, the keys from the first cache: what loads leave of
/// the peak to the loop that our kernels spend their time in.
pub struct Tile {
    rows: [Numbers; ROWS],
    keys: Vec<[Numbers; KEYS]>,
    out: [f32; LANES],
}

impl Default for Tile {
    fn default() -> Self {
        let numbers = |seed: usize| -> Numbers {
            from_fn(|d| from_fn(|lane| ((seed + 5 * d + 3 * lane) % 16) as f32 / 16.0))
        };
        let keys = (0..BLOCKS).map(|block| from_fn(|key| numbers(KEYS * block + key))).collect();
        Self { rows: from_fn(|row| numbers(7 * row)), keys, out: [0.0; LANES] }
    }
}

impl Subject for Tile {
    fn run(&mut self) {
        self.out = [0.0; LANES];
        for _ in 0..ROUNDS {
            for keys in &self.keys {
                for products in tile(black_box(&self.rows), keys).iter().flatten() {
                    self.out = from_fn(|lane| self.out[lane] + products[lane]);
                }
            }
        }
    }

    fn output(&self) -> &[f32] {
        &self.out
    }

    fn flops(&self) -> u64 {
        (ROUNDS * BLOCKS * ROWS * KEYS * DIM * LANES * 2) as u64
    }
}

#[inline(never)]
fn tile(rows: &[Numbers; ROWS], keys: &[Numbers; KEYS]) -> [[[f32; LANES]; KEYS]; ROWS] {
    let mut sums = [[[0.0; LANES]; KEYS]; ROWS];
    for d in 0..DIM {
        for (row, sums) in rows.iter().zip(&mut sums) {
            for (key, sum) in keys.iter().zip(sums) {
                *sum = from_fn(|lane| sum[lane] + row[d][lane] * key[d][lane]);
            }
        }
    }
    sums
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

    #[test]
    fn tiles_are_products() {
        let subject = Tile::default();
        let sums = tile(&subject.rows, &subject.keys[3]);
        for (row, key, lane) in [(0, 0, 0), (1, 2, 3)] {
            let (a, b) = (&subject.rows[row], &subject.keys[3][key]);
            let product: f64 = (0..DIM).map(|d| f64::from(a[d][lane] * b[d][lane])).sum();
            assert!((f64::from(sums[row][key][lane]) - product).abs() < 1e-5, "{product}");
        }
    }
}
