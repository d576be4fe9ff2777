//! The figures of [`csi_lab::figure`] on an HTML canvas.
//!
//! [`Canvas`] puts two things right that plotters-canvas leaves to the defaults: text is measured
//! by the canvas itself (the default inserts an element into the document, which costs a layout,
//! needs a document and is refused by a strict style policy), and a bitmap is one `putImageData`
//! (the default draws each pixel as a rectangle).

use js_sys::{Array, Float32Array, Float64Array};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use plotters_canvas::CanvasBackend;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use csi_lab::colour::ColourMap;
use csi_lab::figure::palette::{self, Token};
use csi_lab::figure::{
    self, AxesSpec, BarsSpec, ColourBarSpec, FigureError, LineSpec, Look, Marker, Series,
};

use crate::dto::{flag, get, number, object, optional_number, text};
use crate::error::{Result, bad_argument, thrown};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export type ColorName = "sparse" | "dense" | "accent" | "text" | "secondary" | "ok" | "warning" | "error"
  | "series1" | "series2" | "series3" | "series4" | "series5" | "series6";
/** Where the plot lies inside its canvas, in CSS pixels. */
export interface PlotArea { left: number; top: number; width: number; height: number }
/** A line; with `yMax` a band from `y` to `yMax`; with `dots` a cloud. NaN makes a gap. */
export interface Series { name: string; color: ColorName; x: Float64Array; y: Float32Array; yMax?: Float32Array; dots?: boolean }
export interface MarkerSpec { x: number; y: number; color: ColorName; label?: string }
export interface LineSpec {
  xLabel: string; yLabel: string; xMin: number; xMax: number;
  /** Found from the values when absent. */
  yMin?: number; yMax?: number;
  yLog?: boolean; series: Series[]; markers?: MarkerSpec[];
}
export interface BarsSpec {
  xLabel: string; yLabel: string; values: Float32Array; color: ColorName;
  /** One name for each bar. */
  labels?: string[];
  /** Edges of a histogram, one more than bars. */
  edges?: Float64Array;
  yLog?: boolean;
}
export interface AxesSpec {
  xLabel: string; yLabel: string; xMin: number; xMax: number; yMin: number; yMax: number;
  yTicksAt?: number[]; yReversed?: boolean;
}
/** With `log`, `min` and `max` are decimal logarithms. */
export interface ColorBarSpec { map: "cividis" | "twilight" | "vik" | "magma"; min: number; max: number; label: string; log?: boolean }
"#;

#[wasm_bindgen]
extern "C" {
    /// `PlotArea` as JavaScript sees it.
    #[wasm_bindgen(typescript_type = "PlotArea")]
    pub type PlotAreaJs;

    /// A specification of a figure, as JavaScript sees it.
    #[wasm_bindgen(typescript_type = "LineSpec")]
    pub type LineSpecJs;
    /// A specification of a figure, as JavaScript sees it.
    #[wasm_bindgen(typescript_type = "BarsSpec")]
    pub type BarsSpecJs;
    /// A specification of a figure, as JavaScript sees it.
    #[wasm_bindgen(typescript_type = "AxesSpec")]
    pub type AxesSpecJs;
    /// A specification of a figure, as JavaScript sees it.
    #[wasm_bindgen(typescript_type = "ColorBarSpec")]
    pub type ColorBarSpecJs;
}

/// A `Float64Array` property that may be absent.
fn doubles(object: &JsValue, name: &str) -> Option<Vec<f64>> {
    get(object, name).dyn_into::<Float64Array>().ok().map(|array| array.to_vec())
}

/// A `Float32Array` property that may be absent.
fn floats(object: &JsValue, name: &str) -> Option<Vec<f32>> {
    get(object, name).dyn_into::<Float32Array>().ok().map(|array| array.to_vec())
}

/// The entries of an array property; none where it is absent.
fn list(object: &JsValue, name: &str) -> Vec<JsValue> {
    get(object, name).dyn_into::<Array>().map(|array| array.to_vec()).unwrap_or_default()
}

fn colour(object: &JsValue) -> Result<Token> {
    let name = text(object, "color")?;
    palette::token(&name).ok_or_else(|| bad_argument(format_args!("no colour is called {name}")))
}

/// Draws lines, bands and dots over common axes.
#[wasm_bindgen(js_name = drawLines)]
pub fn draw_lines(
    canvas: HtmlCanvasElement,
    ratio: f64,
    dark: bool,
    spec: &LineSpecJs,
) -> Result<PlotAreaJs> {
    let series = list(spec, "series").into_iter().map(|series| {
        let series = &series;
        Ok(Series {
            name: text(series, "name")?,
            colour: colour(series)?,
            x: doubles(series, "x")
                .ok_or_else(|| bad_argument("x of a series is no Float64Array"))?,
            y: floats(series, "y")
                .ok_or_else(|| bad_argument("y of a series is no Float32Array"))?,
            y_max: floats(series, "yMax"),
            dots: flag(series, "dots"),
        })
    });
    let markers = list(spec, "markers").into_iter().map(|marker| {
        let marker = &marker;
        Ok(Marker {
            x: number(marker, "x")?,
            y: number(marker, "y")?,
            colour: colour(marker)?,
            label: get(marker, "label").as_string().unwrap_or_default(),
        })
    });
    let spec = LineSpec {
        x_label: text(spec, "xLabel")?,
        y_label: text(spec, "yLabel")?,
        x: (number(spec, "xMin")?, number(spec, "xMax")?),
        y_min: optional_number(spec, "yMin"),
        y_max: optional_number(spec, "yMax"),
        y_log: flag(spec, "yLog"),
        series: series.collect::<Result<_>>()?,
        markers: markers.collect::<Result<_>>()?,
    };
    drawn(figure::draw_lines(Canvas::new(canvas)?, Look { ratio, dark }, &spec))
}

/// Draws bars or a histogram.
#[wasm_bindgen(js_name = drawBars)]
pub fn draw_bars(
    canvas: HtmlCanvasElement,
    ratio: f64,
    dark: bool,
    spec: &BarsSpecJs,
) -> Result<PlotAreaJs> {
    let spec = BarsSpec {
        x_label: text(spec, "xLabel")?,
        y_label: text(spec, "yLabel")?,
        labels: list(spec, "labels")
            .iter()
            .map(|label| label.as_string().unwrap_or_default())
            .collect(),
        edges: doubles(spec, "edges").unwrap_or_default(),
        values: floats(spec, "values").ok_or_else(|| bad_argument("values is no Float32Array"))?,
        colour: colour(spec)?,
        y_log: flag(spec, "yLog"),
    };
    drawn(figure::draw_bars(Canvas::new(canvas)?, Look { ratio, dark }, &spec))
}

/// Draws the frame, ticks and labels of a raster, and says where the raster belongs.
#[wasm_bindgen(js_name = drawAxes)]
pub fn draw_axes(
    canvas: HtmlCanvasElement,
    ratio: f64,
    dark: bool,
    spec: &AxesSpecJs,
) -> Result<PlotAreaJs> {
    let ticks = list(spec, "yTicksAt").iter().filter_map(JsValue::as_f64).collect();
    let spec = AxesSpec {
        x_label: text(spec, "xLabel")?,
        y_label: text(spec, "yLabel")?,
        x: (number(spec, "xMin")?, number(spec, "xMax")?),
        y: (number(spec, "yMin")?, number(spec, "yMax")?),
        y_ticks_at: ticks,
        y_reversed: flag(spec, "yReversed"),
    };
    drawn(figure::draw_axes(Canvas::new(canvas)?, Look { ratio, dark }, &spec))
}

/// Draws the bar that says what a raster's colours mean.
#[wasm_bindgen(js_name = colorBar)]
pub fn color_bar(
    canvas: HtmlCanvasElement,
    ratio: f64,
    dark: bool,
    spec: &ColorBarSpecJs,
) -> Result<PlotAreaJs> {
    let map = text(spec, "map")?;
    let map = ColourMap::by_name(&map)
        .ok_or_else(|| bad_argument(format_args!("no colour map is called {map}")))?;
    let spec = ColourBarSpec {
        map,
        min: number(spec, "min")?,
        max: number(spec, "max")?,
        label: text(spec, "label")?,
        log: flag(spec, "log"),
    };
    drawn(figure::draw_colour_bar(Canvas::new(canvas)?, Look { ratio, dark }, &spec))
}

fn drawn(area: core::result::Result<figure::PlotArea, FigureError>) -> Result<PlotAreaJs> {
    let area = area.map_err(|error| thrown(error.code(), error))?;
    Ok(object([
        ("left", area.left.into()),
        ("top", area.top.into()),
        ("width", area.width.into()),
        ("height", area.height.into()),
    ])
    .unchecked_into())
}

/// plotters-canvas with text measured and bitmaps put by the canvas itself.
struct Canvas {
    inner: CanvasBackend,
    context: CanvasRenderingContext2d,
}

impl Canvas {
    fn new(canvas: HtmlCanvasElement) -> Result<Self> {
        let refused = || thrown(FigureError::Backend.code(), FigureError::Backend);
        let context = canvas.get_context("2d")?.ok_or_else(refused)?;
        let context: CanvasRenderingContext2d = context.unchecked_into();
        context.set_line_join("round");
        let inner = CanvasBackend::with_canvas_object(canvas).ok_or_else(refused)?;
        Ok(Self { inner, context })
    }
}

type Drawn<T> =
    core::result::Result<T, DrawingErrorKind<<CanvasBackend as DrawingBackend>::ErrorType>>;

impl DrawingBackend for Canvas {
    type ErrorType = <CanvasBackend as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.inner.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn<()> {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<()> {
        self.inner.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn<()> {
        self.inner.draw_pixel(point, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn<()> {
        self.inner.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn<()> {
        self.inner.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn<()> {
        self.inner.draw_path(path, style)
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn<()> {
        self.inner.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn<()> {
        self.inner.fill_polygon(path, style)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        at: BackendCoord,
    ) -> Drawn<()> {
        self.inner.draw_text(text, style, at)
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, style: &S) -> Drawn<(u32, u32)> {
        let (style_name, size) = (style.style(), style.size());
        self.context.set_font(&format!(
            "{} {size}px {}",
            style_name.as_str(),
            style.family().as_str()
        ));
        let width = self.context.measure_text(text).map_or(0.0, |metrics| metrics.width());
        Ok((width.ceil() as u32, size.ceil() as u32))
    }

    fn blit_bitmap(
        &mut self,
        at: BackendCoord,
        (width, height): (u32, u32),
        rgb: &[u8],
    ) -> Drawn<()> {
        let rgba: Vec<u8> =
            rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
        // A canvas that refuses an image of these sizes shows none; the figure around it stands.
        if let Ok(image) =
            ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), width, height)
        {
            let _ = self.context.put_image_data(&image, at.0, at.1);
        }
        Ok(())
    }
}
