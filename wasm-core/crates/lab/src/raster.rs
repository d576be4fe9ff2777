//! Rasters and thinned series: many numbers as few pixels.
//!
//! A [`Raster`] is what the page puts on a canvas as it is; a [`Thinned`] series has a minimum
//! and a maximum for each pixel column, so that no peak is lost however long the recording.
//! Both are filled in one pass and know nothing of what the numbers mean.

use crate::colour::ColourMap;

/// Pixels with the range of numbers that their colours stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Raster {
    /// `[height][width]` pixels of red, green, blue and opacity; row 0 is the top.
    pub rgba: Vec<u8>,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The number of the first colour.
    pub min: f32,
    /// The number of the last colour.
    pub max: f32,
    /// The colours.
    pub map: ColourMap,
}

impl Raster {
    /// Colours `values`, shape `[height][width]`, row 0 at the top.
    ///
    /// `range` holds the numbers of the first and the last colour; what lies beyond gets the
    /// nearer one. What is not finite stays transparent. A length that is not a multiple of
    /// `width` loses its last, unfinished row.
    pub fn paint(
        values: &[f32],
        width: usize,
        (min, max): (f32, f32),
        map: ColourMap,
        dark: bool,
    ) -> Self {
        let table = map.table(dark);
        let height = values.len().checked_div(width).unwrap_or(0);
        let scale = if max > min { 255.0 / (max - min) } else { 0.0 };
        let mut rgba = vec![0; width * height * 4];
        for (pixel, value) in rgba.chunks_exact_mut(4).zip(values) {
            if value.is_finite() {
                let index = ((value - min) * scale + 0.5).clamp(0.0, 255.0) as usize;
                let [r, g, b] = table[index];
                pixel.copy_from_slice(&[r, g, b, 255]);
            }
        }
        Self { rgba, width, height, min, max, map }
    }
}

/// A square map with fewer cells than it has numbers, row by row.
///
/// A cell stands for `per_cell` rows and as many columns. It shows the last one of its rows, and of
/// that row's numbers in its columns the one of the largest size, so that no edge of a row that is
/// shown gets lost. Rows in between are not looked at: that is what keeps a long window cheap.
#[derive(Clone, Debug, PartialEq)]
pub struct ThinMap {
    /// `[side][side]` numbers, row 0 first.
    pub cells: Vec<f32>,
    /// Cells in a row.
    pub side: usize,
    /// Rows and columns that a cell stands for.
    pub per_cell: usize,
    seq: usize,
}

impl ThinMap {
    /// Makes a map of zeros for `seq` rows, with at most `most` cells a side.
    pub fn new(seq: usize, most: usize) -> Self {
        let per_cell = seq.div_ceil(most.max(1)).max(1);
        let side = seq.div_ceil(per_cell);
        Self { cells: vec![0.0; side * side], side, per_cell, seq }
    }

    /// Returns the row that row `cell` of the cells shows.
    pub fn shown(&self, cell: usize) -> usize {
        ((cell + 1) * self.per_cell).min(self.seq).saturating_sub(1)
    }

    /// Fills the cells that show `row` from its numbers; a row beyond the last one is dropped.
    pub fn fill(&mut self, row: usize, numbers: &[f32]) {
        let mut cells = self.cells.chunks_exact_mut(self.side.max(1));
        let cells = cells.nth(row / self.per_cell).unwrap_or_default();
        for (cell, numbers) in cells.iter_mut().zip(numbers.chunks(self.per_cell)) {
            let larger = |a: f32, b: &f32| if b.abs() > a.abs() { *b } else { a };
            *cell = numbers.iter().fold(0.0, larger);
        }
    }
}

/// The smallest and the largest finite value; `(0, 1)` when there is none.
pub fn finite_range(values: impl IntoIterator<Item = f32>) -> (f32, f32) {
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    for value in values {
        if value.is_finite() {
            (min, max) = (min.min(value), max.max(value));
        }
    }
    if min > max { (0.0, 1.0) } else { (min, max) }
}

/// The values below which a part `low` and a part `high` of all finite ones lie; `(0, 1)` when
/// there is none. Reorders `values`.
pub fn quantiles(values: &mut Vec<f32>, low: f64, high: f64) -> (f32, f32) {
    values.retain(|value| value.is_finite());
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let last = values.len() - 1;
    let mut at = |part: f64| {
        let index = (part.clamp(0.0, 1.0) * last as f64).round() as usize;
        *values.select_nth_unstable_by(index, f32::total_cmp).1
    };
    (at(low), at(high))
}

/// A series with at most one entry for each pixel column, beside the gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thinned {
    /// Where the column's points lie: the position of a single point, or the column's middle.
    pub x: Vec<f64>,
    /// The smallest value in the column; NaN is a gap.
    pub min: Vec<f32>,
    /// The largest value in the column; NaN is a gap.
    pub max: Vec<f32>,
}

/// Thins `points` with positions that do not decrease to `columns` between `start` and `end`.
///
/// Points outside are left out, as are values that are not finite. Where two neighbours are
/// further apart than `gap`, an entry of NaN keeps them from being joined.
pub fn thin(
    points: impl Iterator<Item = (f64, f32)>,
    start: f64,
    end: f64,
    columns: usize,
    gap: f64,
) -> Thinned {
    let mut thinned = Thinned::default();
    let width = (end - start) / columns.max(1) as f64;
    if columns == 0 || !width.is_finite() || width <= 0.0 {
        return thinned;
    }
    let mut open: Option<(usize, f64)> = None;
    for (x, value) in points {
        if !(start..=end).contains(&x) || !value.is_finite() {
            continue;
        }
        let column = (((x - start) / width) as usize).min(columns - 1);
        match open {
            Some((last_column, last_x)) if last_column == column && x - last_x <= gap => {
                thinned.widen(start + (column as f64 + 0.5) * width, value);
            }
            _ => {
                if let Some((_, last_x)) = open
                    && x - last_x > gap
                {
                    thinned.push((last_x + x) / 2.0, f32::NAN);
                }
                thinned.push(x, value);
            }
        }
        open = Some((column, x));
    }
    thinned
}

impl Thinned {
    fn push(&mut self, x: f64, value: f32) {
        self.x.push(x);
        self.min.push(value);
        self.max.push(value);
    }

    fn widen(&mut self, x: f64, value: f32) {
        if let (Some(last), Some(min), Some(max)) =
            (self.x.last_mut(), self.min.last_mut(), self.max.last_mut())
        {
            (*last, *min, *max) = (x, min.min(value), max.max(value));
        }
    }
}
