//! The axes around a raster that is drawn elsewhere.

use plotters::prelude::DrawingBackend;

use super::ticks::{self, Tick};
use super::{Axis, FigureError, FrameLabels, Look, Pen, PlotArea, draw_frame};

/// The axes of a raster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AxesSpec {
    /// Name and unit of the horizontal axis.
    pub x_label: String,
    /// Name and unit of the vertical axis.
    pub y_label: String,
    /// Left and right end.
    pub x: (f64, f64),
    /// Lower and upper end, or upper and lower when reversed.
    pub y: (f64, f64),
    /// Where the vertical axis has ticks; empty chooses round numbers.
    pub y_ticks_at: Vec<f64>,
    /// Whether values grow downwards.
    pub y_reversed: bool,
}

/// Draws frame, ticks and labels, without a grid, and returns where the raster belongs.
///
/// # Errors
///
/// [`FigureError`] when the canvas is too small, a range is empty, or the canvas refuses.
pub fn draw_axes<B: DrawingBackend>(
    backend: B,
    look: Look,
    spec: &AxesSpec,
) -> Result<PlotArea, FigureError> {
    let x = Axis::new(spec.x.0, spec.x.1, false)?;
    let y = Axis::new(spec.y.0, spec.y.1, false)?;
    let mut pen = Pen::new(backend, look)?;
    let y_ticks = (!spec.y_ticks_at.is_empty()).then(|| {
        let step =
            spec.y_ticks_at.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
        let step = if step.is_finite() && step > 0.0 { step } else { 1.0 };
        spec.y_ticks_at.iter().map(|at| Tick { at: *at, label: ticks::number(*at, step) }).collect()
    });
    let labels = FrameLabels {
        x_label: &spec.x_label,
        y_label: &spec.y_label,
        x_ticks: None,
        y_ticks,
        grid: false,
    };
    let frame = draw_frame(&mut pen, (x, y, spec.y_reversed), labels)?;
    let area = frame.area(pen.look.ratio);
    pen.finish(area)
}
