//! Bars: one for each class, or a histogram.

use plotters::prelude::DrawingBackend;

use super::palette::Token;
use super::ticks::Tick;
use super::{Axis, FigureError, FrameLabels, Look, Pen, PlotArea, draw_frame};

/// Bars that stand on zero, or on the lower end of a logarithmic axis.
#[derive(Clone, Debug, PartialEq)]
pub struct BarsSpec {
    /// Name and unit of the horizontal axis.
    pub x_label: String,
    /// Name and unit of the vertical axis.
    pub y_label: String,
    /// One name for each bar; empty when `edges` is given, or for numbers.
    pub labels: Vec<String>,
    /// The edges of a histogram, one more than bars; empty for bars of equal width.
    pub edges: Vec<f64>,
    /// The height of each bar. What is not finite, or not positive on a logarithmic axis, has
    /// no bar.
    pub values: Vec<f32>,
    /// The colour of all bars.
    pub colour: Token,
    /// Whether heights are shown on a logarithmic axis.
    pub y_log: bool,
}

/// Draws the bars and returns where the plot lies.
///
/// # Errors
///
/// [`FigureError::Lengths`] when labels or edges do not fit the bars, and what
/// [`super::draw_axes`] refuses.
pub fn draw_bars<B: DrawingBackend>(
    backend: B,
    look: Look,
    spec: &BarsSpec,
) -> Result<PlotArea, FigureError> {
    let count = spec.values.len();
    if !spec.edges.is_empty() && spec.edges.len() != count + 1 {
        return Err(FigureError::Lengths { x: spec.edges.len(), y: count });
    }
    if !spec.labels.is_empty() && spec.labels.len() != count {
        return Err(FigureError::Lengths { x: spec.labels.len(), y: count });
    }
    let edge = |i: usize| spec.edges.get(i).copied().unwrap_or(i as f64);
    let x = Axis::new(edge(0), edge(count).max(edge(0) + f64::MIN_POSITIVE), false)
        .or_else(|_| Axis::new(0.0, 1.0, false))?;
    let heights: Vec<Option<f64>> =
        spec.values.iter().map(|value| height(*value, spec.y_log)).collect();
    let y = vertical_axis(&heights, spec.y_log)?;
    let x_ticks = (!spec.labels.is_empty()).then(|| {
        let names = spec.labels.iter().enumerate();
        names.map(|(i, label)| Tick { at: i as f64 + 0.5, label: label.clone() }).collect()
    });
    let mut pen = Pen::new(backend, look)?;
    let labels = FrameLabels {
        x_label: &spec.x_label,
        y_label: &spec.y_label,
        x_ticks,
        y_ticks: None,
        grid: false,
    };
    let frame = draw_frame(&mut pen, (x, y, false), labels)?;
    let base = if spec.y_log { y.min } else { 0.0 };
    let gap = if spec.edges.is_empty() { 0.1 } else { 0.0 };
    for (i, top) in heights.into_iter().enumerate() {
        let Some(top) = top else { continue };
        let width = edge(i + 1) - edge(i);
        let left = frame.x_px(edge(i) + width * gap).round() as i32;
        let right = (frame.x_px(edge(i + 1) - width * gap).round() as i32).max(left + 1);
        let (from, to) = (frame.y_px(top).round() as i32, frame.y_px(base).round() as i32);
        pen.fill((left, from.min(to)), (right, from.max(to)), spec.colour, 1.0)?;
    }
    let area = frame.area(pen.look.ratio);
    pen.finish(area)
}

fn height(value: f32, logarithmic: bool) -> Option<f64> {
    let value = f64::from(value);
    if logarithmic {
        (value > 0.0 && value.is_finite()).then(|| value.log10())
    } else {
        value.is_finite().then_some(value)
    }
}

/// From zero to a little above the tallest bar; on a logarithmic axis from the decade below the
/// shortest.
fn vertical_axis(heights: &[Option<f64>], logarithmic: bool) -> Result<Axis, FigureError> {
    let known = || heights.iter().flatten().copied();
    let (low, high) =
        (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return Axis::new(0.0, 1.0, logarithmic);
    }
    if logarithmic {
        return Axis::new((low - 0.3).floor(), high + 0.1, true);
    }
    let (low, high) = (low.min(0.0), high.max(0.0));
    let span = if high > low { high - low } else { 1.0 };
    let below = if low < 0.0 { low - span * 0.05 } else { 0.0 };
    Axis::new(below, high + span * 0.05, false)
}
