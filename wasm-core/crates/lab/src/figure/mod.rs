//! Figures: lines, bars, axes and colour bars, drawn through any plotters backend.
//!
//! The page draws them on a canvas, tests as SVG. Sizes are in CSS pixels and multiplied by
//! [`Look::ratio`], so that text and strokes keep their size on a dense screen. The backend's
//! own methods are used and no chart builder of plotters: its captions, legends and right-hand
//! labels measure text through the document of a page, and the place of the plot inside the
//! canvas has to be known to lay rasters and cursors on it.
//!
//! Nothing here computes what is shown, and rasters are not drawn here (see [`crate::raster`]).

mod axes;
mod bars;
mod colour_bar;
mod lines;
pub mod palette;
pub mod ticks;

use core::fmt;

use plotters::prelude::{
    Color, DrawingBackend, FontDesc, FontFamily, FontStyle, ShapeStyle, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub use axes::{AxesSpec, draw_axes};
pub use bars::{BarsSpec, draw_bars};
pub use colour_bar::{ColourBarSpec, draw_colour_bar};
pub use lines::{Clip, LineSpec, Marker, Series, draw_lines};
use palette::{HAIRLINE, PANEL, SECONDARY, Token};

/// What all figures of one screen share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Device pixels in one CSS pixel.
    pub ratio: f64,
    /// Whether the panel is dark.
    pub dark: bool,
}

/// Where the plot lies inside its canvas, in CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlotArea {
    /// From the left edge of the canvas.
    pub left: f64,
    /// From the upper edge of the canvas.
    pub top: f64,
    /// The plot without its labels.
    pub width: f64,
    /// The plot without its labels.
    pub height: f64,
}

/// Why a figure was not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FigureError {
    /// The canvas has no room for a plot beside its labels, in device pixels.
    TooSmall {
        /// Width of the canvas.
        width: u32,
        /// Height of the canvas.
        height: u32,
    },
    /// Two arrays that belong together differ in length.
    Lengths {
        /// Entries on the horizontal axis.
        x: usize,
        /// Entries on the vertical axis.
        y: usize,
    },
    /// The range of an axis is empty or not finite.
    Range,
    /// The canvas refused to draw.
    Backend,
}

impl FigureError {
    /// Every code that [`FigureError::code`] returns.
    pub const ALL_CODES: &[&str] =
        &["figure/too-small", "figure/lengths", "figure/range", "figure/backend"];

    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooSmall { .. } => "figure/too-small",
            Self::Lengths { .. } => "figure/lengths",
            Self::Range => "figure/range",
            Self::Backend => "figure/backend",
        }
    }
}

impl fmt::Display for FigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { width, height } => {
                write!(f, "a canvas of {width} x {height} pixels has no room for a plot")
            }
            Self::Lengths { x, y } => write!(f, "a series has {x} positions and {y} values"),
            Self::Range => f.write_str("the range of an axis is empty or not finite"),
            Self::Backend => f.write_str("the canvas refused to draw"),
        }
    }
}

impl core::error::Error for FigureError {}

const TEXT_FONT: FontFamily<'_> =
    FontFamily::Name("system-ui, Segoe UI, Roboto, Noto Sans, sans-serif");
const NUMBER_FONT: FontFamily<'_> =
    FontFamily::Name("ui-monospace, Cascadia Mono, Menlo, Consolas, monospace");
const FONT_PX: f64 = 11.0;
/// Room for tick labels and their distance from the plot, in CSS pixels.
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 20.0;
const RIGHT: f64 = 12.0;

/// Which font a text is written in.
#[derive(Clone, Copy, PartialEq)]
enum Font {
    /// Words.
    Text,
    /// Numbers: every digit has the same width.
    Number,
}

/// A backend with the look of the page; all positions are device pixels.
struct Pen<B: DrawingBackend> {
    backend: B,
    look: Look,
}

impl<B: DrawingBackend> Pen<B> {
    /// Clears the canvas to the panel's colour.
    fn new(backend: B, look: Look) -> Result<Self, FigureError> {
        let ratio = if look.ratio.is_finite() { look.ratio.clamp(0.25, 8.0) } else { 1.0 };
        let mut pen = Self { backend, look: Look { ratio, ..look } };
        pen.backend.ensure_prepared().map_err(|_| FigureError::Backend)?;
        let (width, height) = pen.size();
        pen.fill((0, 0), (width, height), PANEL, 1.0)?;
        Ok(pen)
    }

    fn finish(mut self, area: PlotArea) -> Result<PlotArea, FigureError> {
        self.backend.present().map_err(|_| FigureError::Backend)?;
        Ok(area)
    }

    fn size(&self) -> (i32, i32) {
        let (width, height) = self.backend.get_size();
        (i32::try_from(width).unwrap_or(i32::MAX), i32::try_from(height).unwrap_or(i32::MAX))
    }

    /// CSS pixels to device pixels.
    fn px(&self, css: f64) -> i32 {
        (css * self.look.ratio).round() as i32
    }

    fn stroke(&self, colour: Token, css_width: f64) -> ShapeStyle {
        let width = (css_width * self.look.ratio).round().max(1.0) as u32;
        colour.with_alpha(self.look.dark, 1.0).stroke_width(width)
    }

    fn fill(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        colour: Token,
        alpha: f64,
    ) -> Result<(), FigureError> {
        let style = colour.with_alpha(self.look.dark, alpha).filled();
        self.backend.draw_rect(from, to, &style, true).map_err(|_| FigureError::Backend)
    }

    fn line(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        colour: Token,
        css_width: f64,
    ) -> Result<(), FigureError> {
        let style = self.stroke(colour, css_width);
        self.backend.draw_line(from, to, &style).map_err(|_| FigureError::Backend)
    }

    fn path(
        &mut self,
        points: Vec<(i32, i32)>,
        colour: Token,
        css_width: f64,
    ) -> Result<(), FigureError> {
        let style = self.stroke(colour, css_width);
        self.backend.draw_path(points, &style).map_err(|_| FigureError::Backend)
    }

    fn polygon(
        &mut self,
        points: Vec<(i32, i32)>,
        colour: Token,
        alpha: f64,
    ) -> Result<(), FigureError> {
        let style = colour.with_alpha(self.look.dark, alpha).filled();
        self.backend.fill_polygon(points, &style).map_err(|_| FigureError::Backend)
    }

    fn dot(&mut self, at: (i32, i32), css_radius: f64, colour: Token) -> Result<(), FigureError> {
        let style = colour.with_alpha(self.look.dark, 1.0).filled();
        let radius = (css_radius * self.look.ratio).round().max(1.0) as u32;
        self.backend.draw_circle(at, radius, &style, true).map_err(|_| FigureError::Backend)
    }

    fn text_style(&self, font: Font, colour: Token, anchor: (HPos, VPos)) -> TextStyle<'static> {
        let family = if font == Font::Number { NUMBER_FONT } else { TEXT_FONT };
        TextStyle {
            font: FontDesc::new(family, FONT_PX * self.look.ratio, FontStyle::Normal),
            color: colour.with_alpha(self.look.dark, 1.0).to_backend_color(),
            pos: Pos::new(anchor.0, anchor.1),
        }
    }

    fn text(
        &mut self,
        text: &str,
        at: (i32, i32),
        font: Font,
        colour: Token,
        anchor: (HPos, VPos),
    ) -> Result<(), FigureError> {
        let style = self.text_style(font, colour, anchor);
        self.backend.draw_text(text, &style, at).map_err(|_| FigureError::Backend)
    }

    fn text_width(&self, text: &str, font: Font) -> i32 {
        let style = self.text_style(font, SECONDARY, (HPos::Left, VPos::Top));
        self.backend.estimate_text_size(text, &style).map_or(0, |(width, _)| width as i32)
    }
}

/// One axis in data units: on a logarithmic axis these are decimal logarithms.
#[derive(Clone, Copy, Debug)]
struct Axis {
    min: f64,
    max: f64,
    logarithmic: bool,
}

impl Axis {
    fn new(min: f64, max: f64, logarithmic: bool) -> Result<Self, FigureError> {
        if min.is_finite() && max.is_finite() && max > min {
            Ok(Self { min, max, logarithmic })
        } else {
            Err(FigureError::Range)
        }
    }

    /// A range around the values given, which may be none or all equal; 5 % are added on both
    /// sides of a linear axis.
    fn around(values: impl Iterator<Item = f64>, logarithmic: bool) -> Result<Self, FigureError> {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (min, max) = (min.min(value), max.max(value));
        }
        if min > max {
            return Self::new(0.0, 1.0, logarithmic);
        }
        let pad = if max > min { (max - min) * 0.05 } else { (min.abs() * 0.05).max(0.5) };
        Self::new(min - pad, max + pad, logarithmic)
    }

    fn ticks(&self, most: usize) -> Vec<ticks::Tick> {
        if self.logarithmic {
            ticks::logarithmic(self.min, self.max, most)
        } else {
            ticks::linear(self.min, self.max, most)
        }
    }
}

/// The plot's rectangle in device pixels and the two axes that span it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
    x: Axis,
    y: Axis,
    y_reversed: bool,
}

impl Frame {
    fn x_px(&self, x: f64) -> f64 {
        f64::from(self.left)
            + (x - self.x.min) / (self.x.max - self.x.min) * f64::from(self.right - self.left)
    }

    fn y_px(&self, y: f64) -> f64 {
        let part = (y - self.y.min) / (self.y.max - self.y.min);
        let part = if self.y_reversed { part } else { 1.0 - part };
        f64::from(self.top) + part * f64::from(self.bottom - self.top)
    }

    fn area(&self, ratio: f64) -> PlotArea {
        PlotArea {
            left: f64::from(self.left) / ratio,
            top: f64::from(self.top) / ratio,
            width: f64::from(self.right - self.left) / ratio,
            height: f64::from(self.bottom - self.top) / ratio,
        }
    }
}

/// What is written around a frame.
struct FrameLabels<'a> {
    x_label: &'a str,
    y_label: &'a str,
    /// Instead of numbers on the horizontal axis.
    x_ticks: Option<Vec<ticks::Tick>>,
    /// Instead of the ticks that the range suggests.
    y_ticks: Option<Vec<ticks::Tick>>,
    /// Whether lines cross the plot at the ticks.
    grid: bool,
}

/// Draws a frame with ticks and labels that fills the canvas.
fn draw_frame<B: DrawingBackend>(
    pen: &mut Pen<B>,
    (x, y, y_reversed): (Axis, Axis, bool),
    labels: FrameLabels<'_>,
) -> Result<Frame, FigureError> {
    let (width, height) = pen.size();
    let (top, bottom) = (pen.px(TOP), height - pen.px(BOTTOM));
    let y_ticks = labels.y_ticks.unwrap_or_else(|| {
        y.ticks((f64::from(bottom - top) / (28.0 * pen.look.ratio)).max(2.0) as usize)
    });
    let widest =
        y_ticks.iter().map(|tick| pen.text_width(&tick.label, Font::Number)).max().unwrap_or(0);
    let left = pen.px(LEFT).max(widest + pen.px(10.0));
    let right = width - pen.px(RIGHT);
    if right - left < pen.px(8.0) || bottom - top < pen.px(8.0) {
        return Err(FigureError::TooSmall { width: width as u32, height: height as u32 });
    }
    let frame = Frame { left, top, right, bottom, x, y, y_reversed };
    let x_ticks = labels.x_ticks.unwrap_or_else(|| {
        x.ticks((f64::from(right - left) / (56.0 * pen.look.ratio)).max(2.0) as usize)
    });
    let tick_px = pen.px(4.0);
    for tick in &y_ticks {
        let at = frame.y_px(tick.at).round() as i32;
        if !(top..=bottom).contains(&at) {
            continue;
        }
        let from = if labels.grid { right } else { left };
        pen.line((from, at), (left - tick_px, at), HAIRLINE, 1.0)?;
        pen.text(
            &tick.label,
            (left - tick_px * 2, at),
            Font::Number,
            SECONDARY,
            (HPos::Right, VPos::Center),
        )?;
    }
    for tick in &x_ticks {
        let at = frame.x_px(tick.at).round() as i32;
        if !(left..=right).contains(&at) {
            continue;
        }
        let from = if labels.grid { top } else { bottom };
        pen.line((at, from), (at, bottom + tick_px), HAIRLINE, 1.0)?;
        // The outermost labels stay on the canvas.
        let half = pen.text_width(&tick.label, Font::Number) / 2;
        let at = at.clamp(half.min(width - half), (width - half).max(half));
        pen.text(
            &tick.label,
            (at, bottom + tick_px + pen.px(1.0)),
            Font::Number,
            SECONDARY,
            (HPos::Center, VPos::Top),
        )?;
    }
    let style = pen.stroke(HAIRLINE, 1.0);
    pen.backend
        .draw_rect((left, top), (right, bottom), &style, false)
        .map_err(|_| FigureError::Backend)?;
    pen.text(
        labels.y_label,
        (pen.px(4.0), pen.px(3.0)),
        Font::Text,
        SECONDARY,
        (HPos::Left, VPos::Top),
    )?;
    let below = (right, height - pen.px(3.0));
    pen.text(labels.x_label, below, Font::Text, SECONDARY, (HPos::Right, VPos::Bottom))?;
    Ok(frame)
}
