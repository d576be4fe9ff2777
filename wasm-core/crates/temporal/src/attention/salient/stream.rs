//! One token at a time, endlessly, in memory that does not grow.

use super::super::bank::{Bank, lanes_width};
use super::super::lanes::{F32x4, LANES};
use super::super::plan::{Plan, make_room};
use super::super::tile::Scratch;
use super::super::{
    AttentionError, Operand, check_finite, check_heads, check_row, check_slopes, kernel,
};
use super::Salient;
use super::groups::{Groups, Joined};
use crate::math::Numbers;

/// Keys and values of the window, and the groups of everything older.
///
/// Rows of the bank: groups by slot, then the window as a ring. All heads lie in lanes, each query
/// head with its own means, because slopes weigh tokens differently for each.
#[derive(Clone, Debug)]
pub struct SalientStream {
    bank: Bank<F32x4>,
    groups: Groups,
    plan: Plan,
    scratch: Scratch,
    q_heads: usize,
    kv_heads: usize,
    /// Tokens in a full window, the row's own with them.
    window: usize,
    slots: usize,
    len: u64,
}

impl SalientStream {
    /// Makes an empty stream; all of its memory is taken here. `slopes` has one entry per query
    /// head or none.
    ///
    /// # Errors
    ///
    /// What [`Salient::validate`] refuses; [`AttentionError::ZeroDim`],
    /// [`HeadRatio`](AttentionError::HeadRatio), [`SlopeCount`](AttentionError::SlopeCount),
    /// [`BadSlope`](AttentionError::BadSlope); [`AttentionError::CacheTooLarge`] when the memory
    /// cannot be had.
    pub fn new(
        pattern: &Salient,
        q_heads: usize,
        kv_heads: usize,
        dim: usize,
        slopes: &[f32],
    ) -> Result<Self, AttentionError> {
        pattern.validate()?;
        check_heads(q_heads, kv_heads, dim)?;
        check_slopes(slopes, q_heads)?;
        let stream = Self::with_room(pattern, q_heads, kv_heads, dim);
        let mut stream = stream.ok_or(AttentionError::CacheTooLarge)?;
        stream.restart(slopes);
        Ok(stream)
    }

    fn with_room(pattern: &Salient, q_heads: usize, kv_heads: usize, dim: usize) -> Option<Self> {
        let (window, slots) = (pattern.window.checked_add(1)?, pattern.groups.checked_add(1)?);
        let (rows, width) = (window.checked_add(slots)?, lanes_width(q_heads, dim)?);
        // First what takes most, as nothing else matters when it cannot be had.
        let groups = Groups::new(pattern.groups, q_heads)?;
        let bank = Bank::<F32x4>::zeros(rows, 0, dim, width, LANES).ok()?;
        let longest = window + pattern.groups;
        let (mut plan, mut scratch) = (Plan::default(), Scratch::default());
        plan.reserve(longest).ok()?;
        make_room(&mut plan.bias, longest * width / dim).ok()?;
        scratch.reserve(dim, longest).ok()?;
        Some(Self { bank, groups, plan, scratch, q_heads, kv_heads, window, slots, len: 0 })
    }

    /// Returns how many tokens it has taken.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether it has taken no token.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the memory taken, in bytes, without the struct itself. It never changes.
    pub fn memory_bytes(&self) -> usize {
        self.bank.memory_bytes()
            + self.groups.memory_bytes()
            + self.plan.memory_bytes()
            + self.scratch.memory_bytes()
    }

    /// Forgets all tokens and keeps the memory.
    pub fn reset(&mut self) {
        self.len = 0;
        self.groups.reset();
    }

    /// As [`SalientStream::reset`]; from now on heads have these checked slopes.
    pub(crate) fn restart(&mut self, slopes: &[f32]) {
        self.len = 0;
        self.groups.restart(slopes, self.window);
    }

    /// Takes a checked token without computing what it attends to.
    pub(crate) fn append(&mut self, k: &[f32], v: &[f32]) {
        self.take(k, v);
    }

    /// Takes the newest token and computes its attention into `out`: `q` and `out` are
    /// `[q_heads * dim]`, `k` and `v` `[kv_heads * dim]`. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`AttentionError::RowLength`], [`AttentionError::NotFinite`]: the stream is unchanged.
    /// [`AttentionError::Overflow`]: it has taken the token, and later rows may overflow too.
    pub fn push(
        &mut self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let dim = self.bank.dim;
        let token = usize::try_from(self.len).unwrap_or(usize::MAX);
        let inputs = [
            (Operand::Q, q, self.q_heads),
            (Operand::K, k, self.kv_heads),
            (Operand::V, v, self.kv_heads),
        ];
        for (which, row, heads) in inputs {
            check_row(which, row, heads * dim)?;
            check_finite(which, row, heads, dim, token)?;
        }
        check_row(Operand::Q, out, self.q_heads * dim)?;
        self.take(k, v);
        self.attend(q, out)
    }

    /// Takes a checked token, and says which groups that made one.
    pub(super) fn take(&mut self, k: &[f32], v: &[f32]) -> Option<Joined> {
        let row = self.len;
        self.len += 1;
        self.groups.age();
        let (width, dim) = (self.bank.width, self.bank.dim);
        let ring = self.ring(row);
        let mut joined = None;
        if let Some(oldest) = row.checked_sub(self.window as u64) {
            // The token whose place in the ring the new one takes.
            let slot = self.groups.admit(oldest);
            for numbers in [&mut self.bank.keys, &mut self.bank.values] {
                numbers.copy_within(ring * width..(ring + 1) * width, slot * width);
            }
            self.groups.compare(&self.bank.keys, dim);
            joined = self.groups.join([&mut self.bank.keys, &mut self.bank.values], dim, row);
        }
        self.bank.write(ring, k, v, self.q_heads);
        joined
    }

    /// Plans the newest row: groups, oldest first, then the window.
    pub(super) fn plan(&mut self) -> (&Bank<F32x4>, &Plan) {
        let row = self.len - 1;
        let first = row.saturating_sub(self.window as u64 - 1);
        // Only an error names it; a stream may come to more tokens than 32 bits count.
        let named = usize::try_from(row).unwrap_or(usize::MAX).min(usize::MAX - 1);
        self.plan.start_one(named, false);
        for group in &self.groups.order {
            self.plan.visit(group.slot);
        }
        for token in first..=row {
            self.plan.visit(self.ring(token));
        }
        for (at, slopes) in self.groups.slopes.iter().enumerate() {
            for group in &self.groups.order {
                self.plan.bias.push(self.groups.bias(group, at, row));
            }
            for token in first..=row {
                let distance = F32x4::splat((row - token) as f32);
                self.plan.bias.push(F32x4::splat(0.0) - *slopes * distance);
            }
        }
        (&self.bank, &self.plan)
    }

    fn attend(&mut self, q: &[f32], out: &mut [f32]) -> Result<(), AttentionError> {
        self.plan();
        kernel::attend_lanes(&self.bank, &self.plan, q, &[], &mut self.scratch, out)
    }

    /// Returns the row of the bank where `token` is or was as one of the window.
    fn ring(&self, token: u64) -> usize {
        self.slots + (token % self.window as u64) as usize
    }
}
