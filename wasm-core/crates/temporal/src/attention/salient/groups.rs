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
//! and the cheapest pair is joined. Only a newcomer's costs are computed from keys. Those of a joined group follow from what is known, head by head:
//!
//! ```text
//! cost(ab, c) = ((m_a + m_c) cost(a, c) + (m_b + m_c) cost(b, c) - m_c cost(a, b)) / (m_a + m_b + m_c)
//! ```
//!
//! A pair whose cost left the range of `f32` is joined only when there is no other.
//!
//! A token unlike all others is dear to join and so stays a group of one, seen exactly.
//!
//! Sources: J. H. Ward 1963, "Hierarchical grouping to optimize an objective function" (the cost);
//! G. N. Lance and W. T. Williams 1967 (the update).

use super::super::bank::heads_of;
use super::super::lanes::{F32x4, LANES};
use crate::math::{Numbers, exp};
use alloc::vec::Vec;

/// Masses and costs do not fall below this: they stay normal numbers, and sums of them positive.
const LEAST: f32 = 1e-30;

/// How many groups' distances from a newcomer are computed at once.
const TILE: usize = 6;

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
    /// How far the entries of a slot lie apart in a table of pairs.
    stride: usize,
    /// A cost for each head, `[pair][lanes]`.
    costs: Vec<F32x4>,
    /// Minus the sum of a pair's costs, `[pair]`; minus infinity where there is no pair.
    nearness: Vec<f32>,
    has_slopes: bool,
    /// `[lanes]`, as are the next two.
    pub slopes: Vec<F32x4>,
    /// What a mass is after one row, as a share of what it was.
    decay: Vec<F32x4>,
    /// The mass of a token that comes in.
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
            + self.nearness.capacity() * size_of::<f32>()
    }

    /// Makes room for `limit` groups. `None` when the memory cannot be had.
    pub fn new(limit: usize, heads: usize) -> Option<Self> {
        let lanes = heads.div_ceil(LANES);
        let slots = limit.checked_add(1)?;
        let stride = slots.checked_next_multiple_of(LANES)?;
        let pairs = slots.checked_mul(stride)?;
        let zeros = |len: usize| filled(len.checked_mul(lanes)?, F32x4::splat(0.0));
        let costs = zeros(pairs)?;
        let mut order = Vec::new();
        order.try_reserve_exact(slots).ok()?;
        let mut free = Vec::new();
        free.try_reserve_exact(slots).ok()?;
        Some(Self {
            order,
            free,
            limit,
            heads,
            lanes,
            mass: zeros(slots)?,
            log_mass: zeros(slots)?,
            stride,
            costs,
            nearness: filled(pairs, f32::NEG_INFINITY)?,
            has_slopes: false,
            slopes: zeros(1)?,
            decay: zeros(1)?,
            newcomer: zeros(1)?,
        })
    }

    /// Forgets all groups and keeps the memory. Costs stay: before a pair is chosen every slot is
    /// taken, and a newcomer writes over all of its own.
    pub fn reset(&mut self) {
        self.order.clear();
        self.free.clear();
        self.free.extend((0..=self.limit).rev());
    }

    /// As [`Groups::reset`]; from now on heads have these slopes, one for each or none, and tokens
    /// come in `age` rows after they were new.
    pub fn restart(&mut self, slopes: &[f32], age: usize) {
        self.has_slopes = slopes.iter().any(|slope| *slope > 0.0);
        let age = F32x4::splat(age as f32);
        for at in 0..self.lanes {
            let slope = |head: usize| slopes.get(head).copied().unwrap_or(0.0);
            let slopes = F32x4::from_array(heads_of(at, self.heads).map(slope));
            let minus = F32x4::splat(0.0) - slopes;
            self.slopes[at] = slopes;
            self.decay[at] = exp(minus);
            self.newcomer[at] = at_least(exp(minus * age));
        }
        self.reset();
    }

    /// Lets one row pass: masses, and costs with them, shrink.
    pub fn age(&mut self) {
        if !self.has_slopes {
            return;
        }
        let shrink = |numbers: &mut [F32x4], decay: &[F32x4]| {
            for (number, decay) in numbers.iter_mut().zip(decay) {
                *number = at_least(*number * *decay);
            }
        };
        for (at, a) in self.order.iter().enumerate() {
            shrink(&mut self.mass[a.slot * self.lanes..], &self.decay);
            for b in &self.order[at + 1..] {
                let pair = self.pair(a.slot, b.slot);
                shrink(&mut self.costs[pair * self.lanes..], &self.decay);
                self.nearness[pair] = self.nearness_of(pair);
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
                let b = self.newcomer[at];
                for (group, squares) in tile.iter().zip(squares) {
                    let a = self.mass[group.slot * lanes + at];
                    let pair = pair(self.stride, group.slot, newest);
                    self.costs[pair * lanes + at] = at_least(a * b / (a + b) * squares);
                }
            }
        }
        for group in others {
            let pair = self.pair(group.slot, newest);
            self.nearness[pair] = self.nearness_of(pair);
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
        if !self.has_slopes {
            log_mass
        } else {
            log_mass - self.slopes[at] * F32x4::splat((row - group.row) as f32)
        }
    }

    /// Returns the nearest pair; of equal ones that of the lowest slots.
    fn cheapest(&self) -> Joined {
        let (mut nearest, mut found) = (f32::NEG_INFINITY, None);
        for (slot, row) in self.nearness.chunks_exact(self.stride).enumerate() {
            let mut largest = F32x4::splat(f32::NEG_INFINITY);
            for four in row[..slot.next_multiple_of(LANES)].as_chunks().0 {
                largest = F32x4::from_array(*four).max(largest);
            }
            for number in largest.to_array() {
                if number > nearest {
                    (nearest, found) = (number, Some((slot, row)));
                }
            }
        }
        let place = |slot| self.order.iter().position(|group| group.slot == slot);
        let pair = found.and_then(|(slot, row)| {
            let other = row.iter().position(|number| *number == nearest)?;
            Some((place(slot)?, place(other)?))
        });
        let (one, other) = pair.unwrap_or((0, 1));
        Joined { into: one.min(other), from: one.max(other) }
    }

    /// Makes the costs of slot `a` those of `a` and `b` joined. Those of `b` stay: before the next
    /// pair is chosen, a newcomer takes the slot and writes over all of them.
    fn update_costs(&mut self, a: usize, b: usize) {
        let lanes = self.lanes;
        for group in &self.order {
            let c = group.slot;
            if c == a {
                continue;
            }
            let [ac, bc, ab] = [(a, c), (b, c), (a, b)].map(|(one, other)| self.pair(one, other));
            for at in 0..lanes {
                let [mass_a, mass_b, mass_c] = [a, b, c].map(|slot| self.mass[slot * lanes + at]);
                let [cost_ac, cost_bc, cost_ab] =
                    [ac, bc, ab].map(|pair| self.costs[pair * lanes + at]);
                let inverse = F32x4::splat(1.0) / (mass_a + mass_b + mass_c);
                let joined = cost_ac * ((mass_a + mass_c) * inverse)
                    + cost_bc * ((mass_b + mass_c) * inverse)
                    - cost_ab * (mass_c * inverse);
                self.costs[ac * lanes + at] = at_least(joined);
            }
            self.nearness[ac] = self.nearness_of(ac);
        }
    }

    /// Sums a pair's costs, head by head, and turns the sign.
    fn nearness_of(&self, pair: usize) -> f32 {
        let costs = &self.costs[pair * self.lanes..][..self.lanes];
        let mut nearness = 0.0;
        for (at, costs) in costs.iter().enumerate() {
            let heads = (self.heads - at * LANES).min(LANES);
            costs.to_array()[..heads].iter().for_each(|cost| nearness -= cost);
        }
        nearness
    }

    fn pair(&self, a: usize, b: usize) -> usize {
        pair(self.stride, a, b)
    }
}

/// Returns the place of two slots in a table of pairs, whichever comes first.
fn pair(stride: usize, a: usize, b: usize) -> usize {
    a.max(b) * stride + a.min(b)
}

/// Keeps numbers from falling below [`LEAST`]; NaN stays.
fn at_least(numbers: F32x4) -> F32x4 {
    F32x4::splat(LEAST).max(numbers)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Adding 1 to an `f32` of 2^24 changes nothing; a count goes on.
    #[test]
    fn groups_grow_beyond_what_f32_counts_one_by_one() {
        let mut groups = Groups::new(1, 1).unwrap();
        groups.restart(&[], 1);
        let (mut keys, mut values) = ([F32x4::splat(0.5); 2], [F32x4::splat(0.5); 2]);
        groups.admit(0);
        groups.order[0].count = 1 << 24;
        groups.mass[groups.order[0].slot] = F32x4::splat(16_777_216.0);
        for token in 1..5 {
            groups.admit(token);
            groups.compare(&keys, 1);
            assert!(groups.join([&mut keys, &mut values], 1, token).is_some());
        }
        let [group] = groups.order[..] else { panic!("one group") };
        assert_eq!(group.count, (1 << 24) + 4);
        assert_eq!(groups.mass[group.slot].to_array()[0], 16_777_220.0);
    }
}
