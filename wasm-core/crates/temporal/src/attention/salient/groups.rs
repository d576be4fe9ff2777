//! Groups of like keys: which two become one when there is one too many.
//!
//! Every token has a mass for each query head: 1, or `exp(-slope * age)` with a recency slope. A
//! group's mass is the sum of its tokens', its key the mean of theirs by mass. Joining groups `a`
//! and `b` moves keys away from the means by, summed over the query heads,
//!
//! ```text
//! cost(a, b) = sum over heads of  m_a * m_b / (m_a + m_b) * |k_a - k_b|^2
//! ```
//!
//! and the cheapest pair is joined (of equal ones the first, older groups first). Only a newcomer's
//! costs are computed from keys. Those of a joined group follow from what is known, head by head:
//!
//! ```text
//! cost(ab, c) = ((m_a + m_c) cost(a, c) + (m_b + m_c) cost(b, c) - m_c cost(a, b)) / (m_a + m_b + m_c)
//! ```
//!
//! A token unlike all others is dear to join and so stays a group of one, seen exactly.
//!
//! Sources: J. H. Ward 1963, "Hierarchical grouping to optimize an objective function" (the cost);
//! G. N. Lance and W. T. Williams 1967 (the update).

use super::super::lanes::{F32x4, LANES};
use crate::math::{Numbers, exp};
use alloc::vec::Vec;

/// Masses and costs do not fall below this: they stay normal numbers, and sums of them positive.
const LEAST: f32 = 1e-30;

/// How many groups' distances from a newcomer are computed at once.
const TILE: usize = 8;

/// A group.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Where its mean, its mass and its costs are.
    pub slot: usize,
    /// How many tokens it has.
    pub count: u64,
    /// The row at which [`Groups::log_mass`] holds.
    pub row: u64,
}

/// Two groups, by their place in the order, of which the first took in the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The older one's place.
    pub into: usize,
    /// The place that the younger one had.
    pub from: usize,
}

/// At most `limit` groups, ascending by their first token.
#[derive(Clone, Debug)]
pub struct Groups {
    pub order: Vec<Group>,
    free: Vec<usize>,
    limit: usize,
    /// Query heads, and lanes for them.
    heads: usize,
    lanes: usize,
    /// `[slot][lanes]`.
    mass: Vec<F32x4>,
    log_mass: Vec<F32x4>,
    /// `[slot][slot][lanes]`, a cost for each head, and their sums `[slot][slot]`; symmetric.
    costs: Vec<F32x4>,
    cost: Vec<f32>,
    slopes: Vec<F32x4>,
    /// `exp(-slope)`; empty when every mass is a count.
    decay: Vec<F32x4>,
    newcomer: Vec<F32x4>,
}

impl Groups {
    /// Returns the memory taken, in bytes, without the struct itself.
    pub fn memory_bytes(&self) -> usize {
        let lanes =
            [&self.mass, &self.log_mass, &self.costs, &self.slopes, &self.decay, &self.newcomer];
        let lanes: usize = lanes.iter().map(|numbers| numbers.capacity()).sum();
        self.order.capacity() * size_of::<Group>()
            + self.free.capacity() * size_of::<usize>()
            + lanes * size_of::<F32x4>()
            + self.cost.capacity() * size_of::<f32>()
    }

    /// Makes room for `limit` groups of tokens that come in `age` rows after they were new. `None`
    /// when the memory cannot be had. `slopes` has one number per head or none.
    pub fn new(limit: usize, heads: usize, slopes: &[f32], age: usize) -> Option<Self> {
        let lanes = heads.div_ceil(LANES);
        let slots = limit.checked_add(1)?;
        let pairs = slots.checked_mul(slots)?;
        let per_lane = |f: &dyn Fn(f32) -> f32| -> Vec<F32x4> {
            let slope = |head: usize| slopes.get(head.min(heads - 1)).copied().unwrap_or(0.0);
            let one = |at: usize| [0, 1, 2, 3].map(|lane| f(slope(at * LANES + lane)));
            (0..lanes).map(|at| F32x4::from_array(one(at))).collect()
        };
        let has_slopes = slopes.iter().any(|slope| *slope > 0.0);
        let mut order = Vec::new();
        order.try_reserve_exact(slots).ok()?;
        let mut free = Vec::new();
        free.try_reserve_exact(slots).ok()?;
        free.extend((0..slots).rev());
        Some(Self {
            order,
            free,
            limit,
            heads,
            lanes,
            mass: filled(slots.checked_mul(lanes)?, F32x4::splat(0.0))?,
            log_mass: filled(slots.checked_mul(lanes)?, F32x4::splat(0.0))?,
            costs: filled(pairs.checked_mul(lanes)?, F32x4::splat(0.0))?,
            cost: filled(pairs, 0.0)?,
            slopes: per_lane(&|slope| slope),
            decay: if has_slopes { per_lane(&|slope| exp(-slope)) } else { Vec::new() },
            newcomer: per_lane(&|slope| exp(-slope * age as f32).max(LEAST)),
        })
    }

    /// Forgets all groups and keeps the memory.
    pub fn reset(&mut self) {
        self.order.clear();
        self.free.clear();
        self.free.extend((0..=self.limit).rev());
    }

    /// Lets one row pass: masses, and costs with them, shrink.
    pub fn age(&mut self) {
        if self.decay.is_empty() {
            return;
        }
        let least = F32x4::splat(LEAST);
        let shrink = |numbers: &mut [F32x4], decay: &[F32x4]| {
            for (number, decay) in numbers.iter_mut().zip(decay) {
                *number = (*number * *decay).max(least);
            }
        };
        for (at, a) in self.order.iter().enumerate() {
            shrink(&mut self.mass[a.slot * self.lanes..], &self.decay);
            for b in &self.order[at + 1..] {
                let pair = self.pair(a.slot, b.slot);
                shrink(&mut self.costs[pair * self.lanes..], &self.decay);
                let mirror = self.pair(b.slot, a.slot);
                self.costs
                    .copy_within(pair * self.lanes..(pair + 1) * self.lanes, mirror * self.lanes);
                self.cost[pair] = self.sum(pair);
                self.cost[mirror] = self.cost[pair];
            }
        }
    }

    /// Adds a group of one for `token` and returns its slot, whose mean the caller writes.
    pub fn admit(&mut self, token: u64) -> usize {
        let slot = self.free.pop().expect("one slot more than groups");
        self.mass[slot * self.lanes..][..self.lanes].copy_from_slice(&self.newcomer);
        self.log_mass[slot * self.lanes..][..self.lanes].fill(F32x4::splat(0.0));
        self.order.push(Group { slot, count: 1, row: token });
        slot
    }

    /// Computes the costs between the newest group and the others. `keys` holds the mean of slot
    /// `s` at `[s][lanes][dim]`.
    pub fn compare(&mut self, keys: &[F32x4], dim: usize) {
        let Some((newest, others)) = self.order.split_last() else { return };
        let (newest, width, lanes) = (newest.slot, self.lanes * dim, self.lanes);
        for tile in others.chunks(TILE) {
            for at in 0..lanes {
                let key = |slot: usize| &keys[slot * width + at * dim..][..dim];
                let tile_keys =
                    core::array::from_fn(|number| key(tile[number.min(tile.len() - 1)].slot));
                let squares = squared_distances(key(newest), tile_keys);
                for (group, squares) in tile.iter().zip(squares) {
                    let (a, b) = (self.mass[group.slot * lanes + at], self.newcomer[at]);
                    let pair = group.slot * (self.limit + 1) + newest;
                    self.costs[pair * lanes + at] =
                        (a * b / (a + b) * squares).max(F32x4::splat(LEAST));
                }
            }
        }
        for at in 0..self.order.len() - 1 {
            self.settle(self.order[at].slot, newest);
        }
    }

    /// Joins the cheapest pair if there is a group too many. `means` are the numbers whose means
    /// follow, `[slot][lanes][dim]` each; `row` is the row that comes next.
    pub fn join(&mut self, means: [&mut [F32x4]; 2], dim: usize, row: u64) -> Option<Joined> {
        if self.order.len() <= self.limit {
            return None;
        }
        let joined = self.cheapest();
        let (a, b) = (self.order[joined.into], self.order.remove(joined.from));
        self.update_costs(a.slot, b.slot);
        let count = a.count + b.count;
        let width = self.lanes * dim;
        for numbers in means {
            for at in 0..self.lanes {
                let (mass_a, mass_b) =
                    (self.mass[a.slot * self.lanes + at], self.mass[b.slot * self.lanes + at]);
                let share = mass_b / (mass_a + mass_b);
                for d in at * dim..(at + 1) * dim {
                    let (to, from) = (a.slot * width + d, b.slot * width + d);
                    numbers[to] = numbers[to] + (numbers[from] - numbers[to]) * share;
                }
            }
        }
        for at in 0..self.lanes {
            let mass = self.mass[a.slot * self.lanes + at] + self.mass[b.slot * self.lanes + at];
            // Counts beyond 2^24 would no longer grow one by one.
            let (sums, slopes) = (mass.to_array(), self.slopes[at].to_array());
            let exact =
                core::array::from_fn(
                    |lane| if slopes[lane] == 0.0 { count as f32 } else { sums[lane] },
                );
            self.mass[a.slot * self.lanes + at] = F32x4::from_array(exact);
            self.log_mass[a.slot * self.lanes + at] = F32x4::from_array(exact.map(libm::logf));
        }
        self.order[joined.into] = Group { slot: a.slot, count, row };
        self.free.push(b.slot);
        Some(joined)
    }

    /// Returns what the scores of `group` get on top at `row`, for the heads in lanes `at`: the
    /// logarithm of its mass as it is then.
    pub fn bias(&self, group: &Group, at: usize, row: u64) -> F32x4 {
        let log_mass = self.log_mass[group.slot * self.lanes + at];
        if self.decay.is_empty() {
            log_mass
        } else {
            log_mass - self.slopes[at] * F32x4::splat((row - group.row) as f32)
        }
    }

    fn cheapest(&self) -> Joined {
        let (mut best, mut least) = (Joined { into: 0, from: 1 }, f32::INFINITY);
        for (into, a) in self.order.iter().enumerate() {
            let costs = &self.cost[a.slot * (self.limit + 1)..][..self.limit + 1];
            for (from, b) in self.order.iter().enumerate().skip(into + 1) {
                if costs[b.slot] < least {
                    (best, least) = (Joined { into, from }, costs[b.slot]);
                }
            }
        }
        best
    }

    /// Makes the costs of slot `a` those of `a` and `b` joined.
    fn update_costs(&mut self, a: usize, b: usize) {
        let lanes = self.lanes;
        for at in 0..self.order.len() {
            let c = self.order[at].slot;
            if c == a {
                continue;
            }
            for at in 0..lanes {
                let mass = |slot: usize| self.mass[slot * lanes + at];
                let cost =
                    |one: usize, other: usize| self.costs[self.pair(one, other) * lanes + at];
                let (mass_a, mass_b, mass_c) = (mass(a), mass(b), mass(c));
                let inverse = F32x4::splat(1.0) / (mass_a + mass_b + mass_c);
                let joined = cost(a, c) * ((mass_a + mass_c) * inverse)
                    + cost(b, c) * ((mass_b + mass_c) * inverse)
                    - cost(a, b) * (mass_c * inverse);
                let pair = self.pair(c, a);
                self.costs[pair * lanes + at] = joined.max(F32x4::splat(LEAST));
            }
            self.settle(c, a);
        }
    }

    /// Mirrors the costs between two slots and sums them.
    fn settle(&mut self, a: usize, b: usize) {
        let (pair, mirror, lanes) = (self.pair(a, b), self.pair(b, a), self.lanes);
        self.costs.copy_within(pair * lanes..(pair + 1) * lanes, mirror * lanes);
        self.cost[pair] = self.sum(pair);
        self.cost[mirror] = self.cost[pair];
    }

    /// Sums a pair's costs, head by head.
    fn sum(&self, pair: usize) -> f32 {
        let costs = &self.costs[pair * self.lanes..][..self.lanes];
        let mut sum = 0.0;
        for (at, costs) in costs.iter().enumerate() {
            let heads = (self.heads - at * LANES).min(LANES);
            costs.to_array()[..heads].iter().for_each(|cost| sum += cost);
        }
        sum
    }

    fn pair(&self, a: usize, b: usize) -> usize {
        a * (self.limit + 1) + b
    }
}

/// Sums the squared differences between `key` and each of `others`, left to right.
#[inline(never)]
fn squared_distances(key: &[F32x4], others: [&[F32x4]; TILE]) -> [F32x4; TILE] {
    let others = others.map(|other| &other[..key.len()]);
    let mut sums = [F32x4::splat(0.0); TILE];
    for (d, number) in key.iter().enumerate() {
        for (sum, other) in sums.iter_mut().zip(others) {
            let difference = *number - other[d];
            *sum = *sum + difference * difference;
        }
    }
    sums
}

/// Makes `len` copies of `number`, if there is memory for them.
fn filled<N: Clone>(len: usize, number: N) -> Option<Vec<N>> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(len).ok()?;
    numbers.resize(len, number);
    Some(numbers)
}
