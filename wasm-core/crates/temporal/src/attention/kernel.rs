//! Attention over checked input: which bank, which rows together, and what to do on overflow.

use super::bank::{self, Bank, Element};
use super::lanes::{F32x4, IS_VECTOR};
use super::plan::{Over, Plan};
use super::tile::{self, Scratch};
use super::{AttentionError, Operand, Qkv, row};
use crate::tensor::Tensor3;
use alloc::vec::Vec;
use core::ops::Range;

/// Memory that forward passes work in. A pass that is no larger than an earlier one takes none.
#[derive(Clone, Debug)]
pub struct Workspace {
    one: Bank<f32>,
    lanes: Bank<F32x4>,
    rows: Rows,
}

impl Workspace {
    /// Makes one without memory.
    pub fn new() -> Self {
        Self { one: Bank::new(), lanes: Bank::new(), rows: Rows::default() }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

/// What is reused from row to row.
#[derive(Clone, Debug, Default)]
struct Rows {
    plan: Plan,
    scratch: Scratch,
}

/// Computes attention over a whole window of input of checked shape, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// [`AttentionError::NotFinite`], [`AttentionError::Overflow`].
pub(super) fn forward(input: &Qkv<'_>, over: Over<'_>) -> Result<Tensor3, AttentionError> {
    let [seq, q_heads, dim] = input.q.shape();
    let mut out = Tensor3::zeros(seq, q_heads, dim);
    forward_into(input, over, &mut Workspace::new(), out.data_mut())?;
    Ok(out)
}

/// As [`forward`], into the caller's memory.
///
/// # Errors
///
/// [`AttentionError::RowLength`] for `out`; as [`forward`].
pub(super) fn forward_into(
    input: &Qkv<'_>,
    over: Over<'_>,
    workspace: &mut Workspace,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    rows_into(input, over, 0..input.q.seq(), workspace, out)
}

/// As [`forward_into`], for the rows `rows` of the window alone: `out` is
/// `[rows.len() * q_heads * dim]`.
///
/// # Errors
///
/// [`AttentionError::RowOutOfRange`]; as [`forward_into`].
pub(super) fn rows_into(
    input: &Qkv<'_>,
    over: Over<'_>,
    rows: Range<usize>,
    workspace: &mut Workspace,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    let [seq, q_heads, dim] = input.q.shape();
    if rows.start > rows.end || rows.end > seq {
        return Err(AttentionError::RowOutOfRange { row: rows.start.max(rows.end), seq });
    }
    let (which, expected, got) = (Operand::Q, rows.len() * q_heads * dim, out.len());
    if got != expected {
        return Err(AttentionError::RowLength { which, expected, got });
    }
    let Workspace { one, lanes, rows: work } = workspace;
    if bank::is_plain(q_heads, input.k.heads()) {
        one.fill(input, over.blocks(seq));
        forward_over(one, work, input, over, rows.start, out)
    } else {
        lanes.fill(input, over.blocks(seq));
        forward_over(lanes, work, input, over, rows.start, out)
    }
}

/// Computes rows from `first` on, as many as `out` has.
fn forward_over<E: Element>(
    bank: &mut Bank<E>,
    Rows { plan, scratch }: &mut Rows,
    input: &Qkv<'_>,
    over: Over<'_>,
    first: usize,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    push_means(bank, over);
    let [seq, q_heads, dim] = input.q.shape();
    let at_once = rows_at_once(bank);
    let width = at_once * q_heads * dim;
    let q = &input.q.data()[first * q_heads * dim..][..out.len()];
    let tiles = q.chunks(width).zip(out.chunks_mut(width));
    for (tile, (q, out)) in tiles.enumerate() {
        let rows = at_once * q.len() / width;
        let advances = match over {
            Over::Sparse { pattern, .. } => {
                tile > 0 && rows == at_once && plan.advance(pattern, bank.first_block)
            }
            _ => false,
        };
        if !advances {
            plan.fill(over, first + at_once * tile, rows, seq, bank.first_block);
        }
        if !attend_tile(bank, plan, q, input.slopes, scratch, out) {
            // Every row looks at its own token: what is not finite in the input shows here.
            input.validate_numbers()?;
            attend_rows(bank, plan, q, input.slopes, out)?;
        }
    }
    Ok(())
}

/// Appends the block means that `over` looks at to a bank with the tokens of a window.
pub(super) fn push_means<E: Element>(bank: &mut Bank<E>, over: Over<'_>) {
    match over {
        Over::Sparse { pattern, .. } if pattern.landmarks => bank.push_means(pattern.block_size),
        Over::Pyramid(_) => bank.push_pyramid(),
        _ => {}
    }
}

/// Computes the rows of a plan: `q` and `out` are `[rows][q_heads * dim]`.
///
/// A tile with numbers that left the range of `f32` is done again row by row and head by head: the
/// other row of a pair may have seen what this one does not, and the error names the head.
pub(super) fn attend<E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    if attend_tile(bank, plan, q, slopes, scratch, out) {
        Ok(())
    } else {
        attend_rows(bank, plan, q, slopes, out)
    }
}

/// As [`attend`], for a plan of one row over a bank that has its heads in lanes on every target.
pub(super) fn attend_lanes(
    bank: &Bank<F32x4>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    let attend = if IS_VECTOR {
        tile::attend::<true, 1, SINGLE, SINGLE, F32x4>
    } else {
        tile::attend::<false, 1, 4, 4, F32x4>
    };
    if attend(bank, plan, q, slopes, scratch, out) {
        Ok(())
    } else {
        attend_rows(bank, plan, q, slopes, out)
    }
}

/// Computes the rows of a plan together; `false` when a number left the range of `f32`.
fn attend_tile<E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> bool {
    attend_tile_for::<IS_VECTOR, E>(bank, plan, q, slopes, scratch, out)
}

/// How many keys one row takes at once, lanes together: eight sums in registers, or what V8's
/// allocator keeps there beside the keys.
const SINGLE: usize = if cfg!(target_arch = "wasm32") { 4 } else { 8 };

/// Keys of a tile of two rows, one lane at a time. V8 has a register less to give than Xtensa, where
/// four take a tenth fewer instructions than three.
const PAIR: usize = if cfg!(target_arch = "wasm32") { 3 } else { 4 };

/// As [`attend_tile`], in the tiles that suit registers of four lanes, or of one. There are about 15
/// of either kind, which sums or weights, and what a step of a sum reads, share; V8 reads all of
/// that before it adds. Four lanes that read one number make a tile of their own.
fn attend_tile_for<const VECTOR: bool, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> bool {
    let attend = match (VECTOR, plan.rows, bank.is_shared()) {
        (true, 2, _) => tile::attend::<true, 2, 4, 3, E>,
        (true, ..) => tile::attend::<true, 1, SINGLE, SINGLE, E>,
        (false, 2, _) => tile::attend::<false, 2, PAIR, 2, E>,
        (false, _, false) => tile::attend::<false, 1, 4, 4, E>,
        (false, _, true) => tile::attend::<true, 1, 2, 2, E>,
    };
    attend(bank, plan, q, slopes, scratch, out)
}

/// Computes the weights of the one row of a plan for a group of heads: see [`tile::weights`].
pub(super) fn weights<'s, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    group: usize,
    q: &[f32],
    slopes: &[f32],
    scratch: &'s mut Scratch,
) -> Option<(&'s [F32x4], F32x4)> {
    if IS_VECTOR {
        tile::weights::<true, 8, E>(bank, plan, group, (q, slopes), scratch)
    } else {
        tile::weights::<false, 4, E>(bank, plan, group, (q, slopes), scratch)
    }
}

/// Tells how many rows are best planned together.
pub(super) fn rows_at_once<E: Element>(bank: &Bank<E>) -> usize {
    if IS_VECTOR || !bank.is_shared() { 2 } else { 1 }
}

/// Computes the rows of a plan row by row and head by head.
#[cold]
fn attend_rows<E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    out: &mut [f32],
) -> Result<(), AttentionError> {
    let mut weights = Vec::new();
    let width = q.len() / plan.rows;
    let rows = q.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate();
    for (at, (q, out)) in rows {
        row::attend(bank, plan, at, q, slopes, &mut weights, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::{Pyramid, SparsePattern, Weighting};
    use alloc::vec;

    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
        }

        fn tensor(&mut self, seq: usize, heads: usize, dim: usize) -> Tensor3 {
            let numbers = (0..seq * heads * dim).map(|_| self.below(4001) as f32 / 1000.0 - 2.0);
            Tensor3::from_vec(numbers.collect(), seq, heads, dim).unwrap()
        }
    }

    /// Every row planned alone and computed one head after the other.
    fn one_by_one<E: Element>(bank: &mut Bank<E>, input: &Qkv<'_>, over: Over<'_>) -> Vec<u32> {
        push_means(bank, over);
        let [seq, q_heads, dim] = input.q.shape();
        let (mut plan, mut weights, mut bits) = (Plan::default(), Vec::new(), Vec::new());
        let mut out = vec![0.0; q_heads * dim];
        for row in 0..seq {
            plan.fill(over, row, 1, seq, bank.first_block);
            let q = &input.q.data()[row * q_heads * dim..][..q_heads * dim];
            row::attend(bank, &plan, 0, q, input.slopes, &mut weights, &mut out).unwrap();
            bits.extend(out.iter().map(|number| number.to_bits()));
        }
        bits
    }

    /// Pairs and single rows, by the tiles of registers of four lanes and of one.
    fn every_shape<E: Element>(
        bank: &mut Bank<E>,
        input: &Qkv<'_>,
        over: Over<'_>,
    ) -> [Vec<u32>; 8] {
        [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (3, 1), (4, 2), (5, 2)]
            .map(|(kind, at_once)| in_shape(bank, input, over, kind, at_once))
    }

    /// `at_once` rows at once, by the tiles of one kind: 1, 4 and 5 take lanes one after the other.
    fn in_shape<E: Element>(
        bank: &mut Bank<E>,
        input: &Qkv<'_>,
        over: Over<'_>,
        kind: usize,
        at_once: usize,
    ) -> Vec<u32> {
        push_means(bank, over);
        let [seq, q_heads, dim] = input.q.shape();
        let (mut plan, mut scratch) = (Plan::default(), Scratch::default());
        let attend = [
            attend_tile_for::<true, E>,
            attend_tile_for::<false, E>,
            tile::attend::<true, 1, 4, 4, E>,
            tile::attend::<true, 1, 8, 8, E>,
            tile::attend::<false, 2, 3, 2, E>,
            tile::attend::<false, 2, 4, 4, E>,
        ];
        let mut out = vec![f32::NAN; seq * q_heads * dim];
        let width = at_once * q_heads * dim;
        let tiles = input.q.data().chunks(width).zip(out.chunks_mut(width));
        for (tile, (q, out)) in tiles.enumerate() {
            let rows = at_once * q.len() / width;
            // A last row alone takes a tile of its own.
            let kind = if rows < at_once { 1 } else { kind };
            plan.fill(over, at_once * tile, rows, seq, bank.first_block);
            assert!(attend[kind](bank, &plan, q, input.slopes, &mut scratch, out));
        }
        out.iter().map(|number| number.to_bits()).collect()
    }

    fn bits(tensor: Tensor3) -> Vec<u32> {
        tensor.data().iter().map(|number| number.to_bits()).collect()
    }

    /// Heads from 1 to 17, dims up to 130, every bank that serves them, pairs and single rows.
    #[test]
    fn tiles_equal_one_head_after_the_other_bit_for_bit() {
        let mut random = Random(88);
        let mut shared = 0;
        for case in 0..150 {
            let kv_heads = 1 + random.below(4);
            let q_heads = kv_heads * (1 + random.below(17 / kv_heads));
            let dim = 1 + random.below([8, 40, 130][case % 3]);
            let seq = 1 + random.below(40);
            let q = random.tensor(seq, q_heads, dim);
            let (k, v) = (random.tensor(seq, kv_heads, dim), random.tensor(seq, kv_heads, dim));
            let has_slopes = random.below(2) == 0;
            let slopes: Vec<f32> = (0..if has_slopes { q_heads } else { 0 })
                .map(|_| random.below(64) as f32 / 128.0)
                .collect();
            let input = Qkv { q: &q, k: &k, v: &v, slopes: &slopes };
            let mut flip = || random.below(2) == 0;
            let pattern = SparsePattern {
                log_stride: flip(),
                landmarks: flip(),
                global_token: flip(),
                causal: flip(),
                window: [0, 1, 2, 7, 99][case % 5],
                block_size: [1, 2, 3, 8, 99][case / 5 % 5],
            };
            let weighting = [Weighting::Plain, Weighting::LnCount][case % 2];
            for over in [
                Over::Sparse { pattern: &pattern, weighting },
                Over::Dense { causal: pattern.causal },
                Over::Pyramid(Pyramid { window: pattern.window, per_level: 1 + case % 3 }),
            ] {
                let tiles = bits(forward(&input, over).unwrap());
                let lanes = || {
                    let mut bank = Bank::<F32x4>::new();
                    bank.fill(&input, 0);
                    bank
                };
                let in_lanes = one_by_one(&mut lanes(), &input, over);
                let shapes = every_shape(&mut lanes(), &input, over);
                assert!(shapes.iter().all(|bits| *bits == in_lanes), "{q_heads} heads, {over:?}");
                assert!(tiles == in_lanes, "{q_heads}/{kv_heads} heads, dim {dim}, {over:?}");
                // As the tensors have it, whichever heads read what: targets without vectors do so.
                let plain = || {
                    let mut bank = Bank::<f32>::new();
                    bank.fill(&input, 0);
                    bank
                };
                assert!(one_by_one(&mut plain(), &input, over) == in_lanes, "plain, one by one");
                for (kind, at_once) in [(1, 1), (1, 2), (4, 2), (5, 2)] {
                    let got = in_shape(&mut plain(), &input, over, kind, at_once);
                    assert!(got == in_lanes, "plain: {q_heads}/{kv_heads}, {kind}, {over:?}");
                }
                if bank::is_shared(q_heads, kv_heads) {
                    shared += 1;
                    let mut out = Tensor3::zeros(seq, q_heads, dim);
                    let (bank, rows) = (&mut lanes(), &mut Rows::default());
                    forward_over(bank, rows, &input, over, 0, out.data_mut()).unwrap();
                    assert!(bits(out) == in_lanes, "shared: {q_heads}/{kv_heads}, {over:?}");
                    let shapes = every_shape(&mut plain(), &input, over);
                    assert!(shapes.iter().all(|bits| *bits == in_lanes), "shared: {over:?}");
                }
            }
        }
        assert!(shared > 50, "both banks were compared: {shared}");
    }

    /// Scores below that of what a row does not look at, finite all the same.
    #[test]
    fn scores_far_below_zero_keep_their_bits() {
        let mut random = Random(5);
        for (size, seq) in [(1e14, 2), (1e15, 9), (2e15, 40), (1e16, 40), (1e17, 40)] {
            let mut sized = |sign: f32| {
                let mut tensor = random.tensor(seq, 4, 8);
                for number in tensor.data_mut() {
                    *number = number.abs() * sign * size;
                }
                tensor
            };
            let (q, k) = (sized(1.0), sized(-1.0));
            let v = random.tensor(seq, 4, 8);
            let input = Qkv { q: &q, k: &k, v: &v, slopes: &[] };
            let pattern = SparsePattern { window: 3, block_size: 4, ..SparsePattern::default() };
            let over = Over::Sparse { pattern: &pattern, weighting: Weighting::Plain };
            let mut bank = Bank::<F32x4>::new();
            bank.fill(&input, 0);
            let expected = one_by_one(&mut bank, &input, over);
            assert!(bits(forward(&input, over).unwrap()) == expected, "{size}, {seq} tokens");
        }
    }
}
