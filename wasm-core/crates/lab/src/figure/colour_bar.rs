//! The labelled bar that says which number a raster's colour stands for.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};

use super::palette::{HAIRLINE, SECONDARY};
use super::{Axis, FigureError, Font, Look, Pen, PlotArea};
use crate::colour::ColourMap;

/// A horizontal colour bar.
#[derive(Clone, Debug, PartialEq)]
pub struct ColourBarSpec {
    /// The colours.
    pub map: ColourMap,
    /// The number of the leftmost colour; with `log`, its decimal logarithm.
    pub min: f64,
    /// The number of the rightmost colour; with `log`, its decimal logarithm.
    pub max: f64,
    /// Name and unit.
    pub label: String,
    /// Whether colours stand for logarithms.
    pub log: bool,
}

/// Draws the bar with ticks below it and the label above it.
///
/// # Errors
///
/// As [`super::draw_axes`].
pub fn draw_colour_bar<B: DrawingBackend>(
    backend: B,
    look: Look,
    spec: &ColourBarSpec,
) -> Result<PlotArea, FigureError> {
    let axis = Axis::new(spec.min, spec.max, spec.log)?;
    let mut pen = Pen::new(backend, look)?;
    let (width, height) = pen.size();
    let (left, right) = (pen.px(12.0), width - pen.px(12.0));
    let (top, bottom) = (pen.px(18.0), height - pen.px(20.0));
    if right - left < pen.px(8.0) || bottom - top < 1 {
        return Err(FigureError::TooSmall { width: width as u32, height: height as u32 });
    }
    let (columns, rows) = ((right - left) as usize, (bottom - top) as usize);
    let table = spec.map.table(pen.look.dark);
    let line: Vec<u8> =
        (0..columns).flat_map(|i| table[i * 255 / columns.max(2).saturating_sub(1)]).collect();
    pen.backend
        .blit_bitmap((left, top), (columns as u32, rows as u32), &line.repeat(rows))
        .map_err(|_| FigureError::Backend)?;
    for tick in axis.ticks((columns as f64 / (56.0 * pen.look.ratio)).max(2.0) as usize) {
        let at =
            left + ((tick.at - axis.min) / (axis.max - axis.min) * columns as f64).round() as i32;
        pen.line((at, bottom), (at, bottom + pen.px(3.0)), HAIRLINE, 1.0)?;
        // The number of an end stays inside, off the frame around the bar.
        let half = pen.text_width(&tick.label, Font::Number) / 2 + pen.px(3.0);
        let at = at.clamp(half.min(width - half), (width - half).max(half));
        pen.text(
            &tick.label,
            (at, bottom + pen.px(4.0)),
            Font::Number,
            SECONDARY,
            (HPos::Center, VPos::Top),
        )?;
    }
    pen.text(&spec.label, (left, pen.px(3.0)), Font::Text, SECONDARY, (HPos::Left, VPos::Top))?;
    let ratio = pen.look.ratio;
    pen.finish(PlotArea {
        left: f64::from(left) / ratio,
        top: f64::from(top) / ratio,
        width: columns as f64 / ratio,
        height: rows as f64 / ratio,
    })
}
