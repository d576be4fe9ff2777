//! Eight windows side by side: every number of the model is eight, one per window.
//!
//! Nothing sums across lanes but the gradients of weights, once per batch and in a fixed order. So
//! plain loops over eight numbers become vector instructions wherever there are any, whatever the
//! sizes of the model are, and give the same bits where there are none.

/// Windows side by side.
pub const LANES: usize = 8;

/// One number of each window.
pub type Lanes = [f32; LANES];

/// Zeros.
pub const ZERO: Lanes = [0.0; LANES];

/// Inputs or outputs whose sums run side by side.
const TILE: usize = 4;

/// `sum += a * b`, lane by lane.
#[inline(always)]
pub fn add_product(sum: &mut Lanes, a: &Lanes, b: &Lanes) {
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        *sum += a * b;
    }
}

/// `sum += a * b` with one `b` for all lanes.
#[inline(always)]
pub fn add_scaled(sum: &mut Lanes, a: &Lanes, b: f32) {
    for (sum, a) in sum.iter_mut().zip(a) {
        *sum += a * b;
    }
}

/// `a + b`, lane by lane, and so on: the map of two.
#[inline(always)]
pub fn both(a: &Lanes, b: &Lanes, of: impl Fn(f32, f32) -> f32) -> Lanes {
    core::array::from_fn(|lane| of(a[lane], b[lane]))
}

/// `a += b`, number by number.
pub fn add(a: &mut [Lanes], b: &[Lanes]) {
    for (a, b) in a.iter_mut().zip(b) {
        for (a, b) in a.iter_mut().zip(b) {
            *a += b;
        }
    }
}

/// The dot product of two rows, left to right.
#[inline(always)]
pub fn dot(a: &[Lanes], b: &[Lanes]) -> Lanes {
    let mut sum = ZERO;
    for (a, b) in a.iter().zip(b) {
        add_product(&mut sum, a, b);
    }
    sum
}

/// Sums the lanes, in a fixed order.
#[inline(always)]
pub fn total(a: &Lanes) -> f32 {
    ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
}

/// `y = x W`: `x` is `[rows][ins]`, `W` is `[ins][outs]`, `y` is `[rows][outs]`. Each sum runs over
/// the inputs in ascending order, as in the core.
pub fn apply(w: &[f32], outs: usize, x: &[Lanes], y: &mut [Lanes]) {
    let ins = w.len() / outs;
    for (x, y) in x.chunks_exact(ins).zip(y.chunks_exact_mut(outs)) {
        let (tiles, rest) = y.as_chunks_mut::<TILE>();
        for (tile, y) in tiles.iter_mut().enumerate() {
            *y = forward_tile(w, outs, tile * TILE, x);
        }
        for (out, y) in rest.iter_mut().enumerate() {
            [*y] = forward_tile(w, outs, tiles.len() * TILE + out, x);
        }
    }
}

#[inline(always)]
fn forward_tile<const T: usize>(w: &[f32], outs: usize, first: usize, x: &[Lanes]) -> [Lanes; T] {
    let mut sums = [ZERO; T];
    for (x, w) in x.iter().zip(w.chunks_exact(outs)) {
        let w: &[f32; T] = w[first..].first_chunk().expect("a tile lies within a row");
        for (sum, w) in sums.iter_mut().zip(w) {
            add_scaled(sum, x, *w);
        }
    }
    sums
}

/// `dx += dy W^T`.
pub fn apply_back(w: &[f32], outs: usize, dy: &[Lanes], dx: &mut [Lanes]) {
    let ins = w.len() / outs;
    for (dy, dx) in dy.chunks_exact(outs).zip(dx.chunks_exact_mut(ins)) {
        let (tiles, rest) = dx.as_chunks_mut::<TILE>();
        let done = tiles.len() * TILE;
        for (dx, w) in tiles.iter_mut().zip(w.chunks_exact(TILE * outs)) {
            back_tile(w, outs, dy, dx);
        }
        for (dx, w) in rest.iter_mut().zip(w[done * outs..].chunks_exact(outs)) {
            back_tile(w, outs, dy, core::array::from_mut(dx));
        }
    }
}

#[inline(always)]
fn back_tile<const T: usize>(w: &[f32], outs: usize, dy: &[Lanes], dx: &mut [Lanes; T]) {
    let rows: [&[f32]; T] = core::array::from_fn(|at| &w[at * outs..][..outs]);
    let mut sums = [ZERO; T];
    for (out, dy) in dy.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            add_scaled(sum, dy, row[out]);
        }
    }
    for (dx, sum) in dx.iter_mut().zip(sums) {
        for (dx, sum) in dx.iter_mut().zip(sum) {
            *dx += sum;
        }
    }
}

/// `dW += x^T dy`, summed over rows, then over lanes.
pub fn apply_grad(outs: usize, x: &[Lanes], dy: &[Lanes], dw: &mut [f32]) {
    const T: usize = 2;
    let ins = dw.len() / outs;
    let mut first = 0;
    while first < ins {
        let mut out = 0;
        let wide = ins - first >= T;
        while out < outs {
            match (wide, outs - out >= T) {
                (true, true) => grad_tile::<T, T>(ins, outs, first, out, x, dy, dw),
                (true, false) => grad_tile::<T, 1>(ins, outs, first, out, x, dy, dw),
                (false, true) => grad_tile::<1, T>(ins, outs, first, out, x, dy, dw),
                (false, false) => grad_tile::<1, 1>(ins, outs, first, out, x, dy, dw),
            }
            out += if outs - out >= T { T } else { 1 };
        }
        first += if wide { T } else { 1 };
    }
}

#[inline(always)]
fn grad_tile<const I: usize, const O: usize>(
    ins: usize,
    outs: usize,
    first: usize,
    out: usize,
    x: &[Lanes],
    dy: &[Lanes],
    dw: &mut [f32],
) {
    let mut sums = [[ZERO; O]; I];
    for (x, dy) in x.chunks_exact(ins).zip(dy.chunks_exact(outs)) {
        let x: &[Lanes; I] = x[first..].first_chunk().expect("a tile lies within a row");
        let dy: &[Lanes; O] = dy[out..].first_chunk().expect("a tile lies within a row");
        for (sums, x) in sums.iter_mut().zip(x) {
            for (sum, dy) in sums.iter_mut().zip(dy) {
                add_product(sum, x, dy);
            }
        }
    }
    for (at, sums) in sums.iter().enumerate() {
        for (column, sum) in sums.iter().enumerate() {
            dw[(first + at) * outs + out + column] += total(sum);
        }
    }
}
