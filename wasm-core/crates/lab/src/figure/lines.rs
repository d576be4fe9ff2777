//! Lines over a common axis, with bands between a minimum and a maximum, dots and markers.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};

use super::palette::Token;
use super::{Axis, FigureError, Font, Frame, FrameLabels, Look, Pen, PlotArea, draw_frame};

/// One line, band or cloud of dots. A value that is not finite makes a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is; written above the plot when there is more than one series.
    pub name: String,
    /// Its colour.
    pub colour: Token,
    /// Positions on the horizontal axis, not decreasing for lines and bands.
    pub x: Vec<f64>,
    /// Values; for a band the lower edge.
    pub y: Vec<f32>,
    /// The upper edge of a band.
    pub y_max: Option<Vec<f32>>,
    /// Whether points are drawn as dots and not joined.
    pub dots: bool,
}

/// A marked point.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// Position on the horizontal axis.
    pub x: f64,
    /// Position on the vertical axis.
    pub y: f64,
    /// Its colour.
    pub colour: Token,
    /// Written beside it; may be empty.
    pub label: String,
}

/// A plot of lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineSpec {
    /// Name and unit of the horizontal axis.
    pub x_label: String,
    /// Name and unit of the vertical axis.
    pub y_label: String,
    /// Left and right end.
    pub x: (f64, f64),
    /// Lower end; found from the values when absent.
    pub y_min: Option<f64>,
    /// Upper end; found from the values when absent.
    pub y_max: Option<f64>,
    /// Whether values are shown on a logarithmic axis; what is not positive makes a gap.
    pub y_log: bool,
    /// What is drawn, first to last.
    pub series: Vec<Series>,
    /// Drawn over the series.
    pub markers: Vec<Marker>,
}

/// Draws the lines and returns where the plot lies.
///
/// # Errors
///
/// [`FigureError::Lengths`] when a series' arrays differ in length, and what
/// [`super::draw_axes`] refuses.
pub fn draw_lines<B: DrawingBackend>(
    backend: B,
    look: Look,
    spec: &LineSpec,
) -> Result<PlotArea, FigureError> {
    for series in &spec.series {
        let upper = series.y_max.as_ref().map_or(series.y.len(), Vec::len);
        if series.x.len() != series.y.len() || upper != series.y.len() {
            return Err(FigureError::Lengths { x: series.x.len(), y: series.y.len().min(upper) });
        }
    }
    let x = Axis::new(spec.x.0, spec.x.1, false)?;
    let y = vertical_axis(spec)?;
    let mut pen = Pen::new(backend, look)?;
    let labels = FrameLabels {
        x_label: &spec.x_label,
        y_label: &spec.y_label,
        x_ticks: None,
        y_ticks: None,
        grid: true,
    };
    let frame = draw_frame(&mut pen, (x, y, false), labels)?;
    for series in &spec.series {
        draw_series(&mut pen, &frame, series)?;
    }
    draw_names(&mut pen, &frame, &spec.series)?;
    for marker in &spec.markers {
        let at = (frame.x_px(marker.x), frame.y_px(shown(marker.y, y.logarithmic)));
        let inside = Clip::of(&frame).contains(at);
        if inside {
            let at = round(at);
            pen.dot(at, 4.0, marker.colour)?;
            let beside = (at.0 + pen.px(7.0), at.1);
            pen.text(&marker.label, beside, Font::Text, marker.colour, (HPos::Left, VPos::Center))?;
        }
    }
    let area = frame.area(pen.look.ratio);
    pen.finish(area)
}

/// A value as the axis counts it.
fn shown(value: f64, logarithmic: bool) -> f64 {
    if !logarithmic {
        value
    } else if value > 0.0 {
        value.log10()
    } else {
        f64::NAN
    }
}

fn vertical_axis(spec: &LineSpec) -> Result<Axis, FigureError> {
    let visible = |series: &Series| {
        let (start, end) = spec.x;
        let from = series.x.iter().position(|x| *x >= start).unwrap_or(series.x.len());
        let to = series.x.iter().rposition(|x| *x <= end).map_or(from, |last| (last + 1).max(from));
        from..to
    };
    let values = spec.series.iter().flat_map(|series| {
        let range = visible(series);
        let upper = series.y_max.as_deref().unwrap_or(&[]);
        let upper = upper.get(range.clone()).unwrap_or(&[]);
        series.y[range].iter().chain(upper)
    });
    let found = Axis::around(values.map(|value| shown(f64::from(*value), spec.y_log)), spec.y_log)?;
    let end =
        |given: Option<f64>, found: f64| given.map_or(found, |value| shown(value, spec.y_log));
    let (min, max) = (end(spec.y_min, found.min), end(spec.y_max, found.max));
    // A given end may lie beyond all values: the other end then moves, so that a plot remains.
    match (spec.y_min, spec.y_max) {
        (Some(_), None) => Axis::new(min, max.max(min + 1e-9 + min.abs() * 1e-6), spec.y_log),
        (None, Some(_)) => Axis::new(min.min(max - 1e-9 - max.abs() * 1e-6), max, spec.y_log),
        _ => Axis::new(min, max, spec.y_log),
    }
}

fn round((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

fn draw_series<B: DrawingBackend>(
    pen: &mut Pen<B>,
    frame: &Frame,
    series: &Series,
) -> Result<(), FigureError> {
    let clip = Clip::of(frame);
    let log = frame.y.logarithmic;
    let at = |x: f64, y: f32| (frame.x_px(x), frame.y_px(shown(f64::from(y), log)));
    if let Some(upper) = &series.y_max {
        let points = series.x.iter().zip(&series.y).zip(upper);
        let points = points.map(|((x, low), high)| (at(*x, *low), at(*x, *high)));
        return draw_band(pen, &clip, points, series.colour);
    }
    let points = series.x.iter().zip(&series.y).map(|(x, y)| at(*x, *y));
    if series.dots {
        for point in points.filter(|point| clip.contains(*point)) {
            pen.dot(round(point), 2.0, series.colour)?;
        }
        return Ok(());
    }
    for piece in clip.pieces(points) {
        pen.path(piece.into_iter().map(round).collect(), series.colour, 1.25)?;
    }
    Ok(())
}

type Point = (f64, f64);

/// Fills between both edges and strokes both, so that a band without height is still a line.
/// Outside the plot the edges are cut off at its border.
fn draw_band<B: DrawingBackend>(
    pen: &mut Pen<B>,
    clip: &Clip,
    points: impl Iterator<Item = (Point, Point)>,
    colour: Token,
) -> Result<(), FigureError> {
    let mut run: Vec<(Point, Point)> = Vec::new();
    let drawable = |(low, high): &(Point, Point)| {
        low.1.is_finite() && high.1.is_finite() && (clip.left..=clip.right).contains(&low.0)
    };
    for pair in points.map(Some).chain([None]) {
        match pair {
            Some(pair) if drawable(&pair) => run.push(pair),
            _ if run.is_empty() => {}
            _ => {
                let cut = |(x, y): &Point| round((*x, y.clamp(clip.top, clip.bottom)));
                let low: Vec<_> = run.iter().map(|(low, _)| cut(low)).collect();
                let high: Vec<_> = run.iter().map(|(_, high)| cut(high)).collect();
                let around = low.iter().chain(high.iter().rev()).copied().collect();
                pen.polygon(around, colour, 0.35)?;
                pen.path(low, colour, 1.0)?;
                pen.path(high, colour, 1.0)?;
                run.clear();
            }
        }
    }
    Ok(())
}

/// Writes the names of several series above the plot, each in its own colour.
fn draw_names<B: DrawingBackend>(
    pen: &mut Pen<B>,
    frame: &Frame,
    series: &[Series],
) -> Result<(), FigureError> {
    if series.len() < 2 {
        return Ok(());
    }
    let mut right = frame.right;
    for series in series.iter().rev() {
        pen.text(
            &series.name,
            (right, pen.px(3.0)),
            Font::Text,
            series.colour,
            (HPos::Right, VPos::Top),
        )?;
        right -= pen.text_width(&series.name, Font::Text) + pen.px(12.0);
    }
    Ok(())
}

/// A rectangle that lines are cut to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// Left edge.
    pub left: f64,
    /// Upper edge, the smaller number.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Clip {
    fn of(frame: &Frame) -> Self {
        let edges = [frame.left, frame.top, frame.right, frame.bottom].map(f64::from);
        Self { left: edges[0], top: edges[1], right: edges[2], bottom: edges[3] }
    }

    /// Whether a point lies inside or on an edge.
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }

    /// Cuts a polyline to the rectangle. It ends at every point that is not finite.
    pub fn pieces(&self, points: impl Iterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
        let mut pieces: Vec<Vec<Point>> = Vec::new();
        let mut last: Option<Point> = None;
        for point in points {
            if !(point.0.is_finite() && point.1.is_finite()) {
                last = None;
                continue;
            }
            if let Some((from, to)) = last.and_then(|last| self.segment(last, point)) {
                match pieces.last_mut() {
                    Some(piece) if piece.last() == Some(&from) => piece.push(to),
                    _ => pieces.push(vec![from, to]),
                }
            }
            last = Some(point);
        }
        pieces
    }

    /// The part of a segment inside the rectangle (Liang and Barsky 1984).
    fn segment(&self, (x0, y0): Point, (x1, y1): Point) -> Option<(Point, Point)> {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        let edges = [
            (-dx, x0 - self.left),
            (dx, self.right - x0),
            (-dy, y0 - self.top),
            (dy, self.bottom - y0),
        ];
        for (towards, distance) in edges {
            if towards == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if towards < 0.0 {
                enter = enter.max(distance / towards);
            } else {
                leave = leave.min(distance / towards);
            }
        }
        let at = |part: f64| {
            if part <= 0.0 {
                (x0, y0)
            } else if part >= 1.0 {
                (x1, y1)
            } else {
                (x0 + part * dx, y0 + part * dy)
            }
        };
        (enter <= leave).then(|| (at(enter), at(leave)))
    }
}
