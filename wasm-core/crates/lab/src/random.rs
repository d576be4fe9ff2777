//! Random numbers of splits and training: the same for a seed on every target.

/// Xorshift64*, shifts 12, 25, 27. Source: Vigna 2016, doi 10.1145/2845077.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from any seed; neighbouring seeds give unrelated numbers.
    pub fn new(seed: u64) -> Self {
        // One round of splitmix64, which also keeps the state from being 0.
        let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((z ^ (z >> 31)).max(1))
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// Returns a number in `0 .. 1`, of 24 bits.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 8) as f32 / 16_777_216.0
    }

    /// Returns a number in `-1 .. 1`.
    pub fn signed(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }

    /// Returns a whole number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u64::from(self.next()) * end as u64) >> 32) as usize
    }

    /// Returns a number of mean 0 and variance 1, nearly normal: a sum of four uniform ones.
    pub fn normal(&mut self) -> f32 {
        let sum = self.signed() + self.signed() + self.signed() + self.signed();
        sum * 0.866_025_4
    }

    /// Shuffles a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}
