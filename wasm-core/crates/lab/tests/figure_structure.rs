//! Figures as SVG: what is in them, not which pixel is where.

use csi_lab::colour::ColourMap;
use csi_lab::figure::palette::{TOKENS, Token, token};
use csi_lab::figure::{
    AxesSpec, BarsSpec, Clip, ColourBarSpec, FigureError, LineSpec, Look, Marker, PlotArea, Series,
    draw_axes, draw_bars, draw_colour_bar, draw_lines,
};
use plotters::prelude::SVGBackend;
use quickcheck::quickcheck;

const LIGHT: Look = Look { ratio: 1.0, dark: false };

fn colour(name: &str) -> Token {
    token(name).expect("a colour of the palette")
}

/// The SVG of a figure and where its plot lies.
fn svg(
    size: (u32, u32),
    draw: impl FnOnce(SVGBackend<'_>) -> Result<PlotArea, FigureError>,
) -> (String, PlotArea) {
    let mut text = String::new();
    let area = draw(SVGBackend::with_string(&mut text, size)).expect("a figure");
    (text, area)
}

fn lines(spec: &LineSpec) -> String {
    svg((640, 240), |backend| draw_lines(backend, LIGHT, spec)).0
}

/// The texts of a figure, in drawing order.
fn texts(svg: &str) -> Vec<String> {
    let parts = svg.split("<text").skip(1);
    parts
        .map(|part| {
            part.split_once('>')
                .expect("a start tag")
                .1
                .split_once("</text>")
                .expect("an end")
                .0
                .trim()
                .to_string()
        })
        .collect()
}

fn count(svg: &str, element: &str, colour: Token) -> usize {
    let [r, g, b] = colour.light;
    let hex = format!("#{r:02X}{g:02X}{b:02X}");
    svg.split('<').filter(|part| part.starts_with(element) && part.contains(&hex)).count()
}

fn series(name: &str, colour_name: &str, y: &[f32]) -> Series {
    let x = (0..y.len()).map(|i| i as f64).collect();
    Series {
        name: name.into(),
        colour: colour(colour_name),
        x,
        y: y.to_vec(),
        y_max: None,
        dots: false,
    }
}

fn spec(series: Vec<Series>) -> LineSpec {
    LineSpec {
        x_label: "time (s)".into(),
        y_label: "RSSI (dBm)".into(),
        x: (0.0, 4.0),
        series,
        ..LineSpec::default()
    }
}

#[test]
fn each_series_is_one_line_and_a_gap_makes_two() {
    let figure = lines(&spec(vec![
        series("sparse", "sparse", &[1.0, 2.0, 1.0, 3.0, 2.0]),
        series("dense", "dense", &[1.0, 2.0, f32::NAN, 3.0, 2.0]),
    ]));
    assert_eq!(count(&figure, "polyline", colour("sparse")), 1);
    assert_eq!(count(&figure, "polyline", colour("dense")), 2);
    let texts = texts(&figure);
    for expected in ["sparse", "dense", "time (s)", "RSSI (dBm)", "0.0", "4.0"] {
        assert!(texts.iter().any(|text| text == expected), "{expected} in {texts:?}");
    }
}

#[test]
fn one_series_needs_no_name_in_the_plot() {
    let figure = lines(&spec(vec![series("alone", "accent", &[1.0, 2.0, 3.0])]));
    assert!(!texts(&figure).iter().any(|text| text == "alone"));
}

#[test]
fn a_band_is_filled_and_edged() {
    let mut band = series("band", "series1", &[1.0, 1.5, 1.0, 0.5]);
    band.y_max = Some(vec![2.0, 2.5, 2.0, 1.5]);
    let figure = lines(&spec(vec![band]));
    assert_eq!(count(&figure, "polygon", colour("series1")), 1);
    assert_eq!(count(&figure, "polyline", colour("series1")), 2);
}

/// The points of every line and polygon of one colour.
fn points(svg: &str, colour: Token) -> Vec<(f64, f64)> {
    let [r, g, b] = colour.light;
    let hex = format!("#{r:02X}{g:02X}{b:02X}");
    let elements = svg.split('<').filter(|part| part.starts_with("poly") && part.contains(&hex));
    let lists = elements.filter_map(|part| part.split_once("points=\"")?.1.split_once('"'));
    let pairs = lists.flat_map(|(list, _)| list.split_whitespace());
    pairs
        .map(|pair| pair.split_once(',').expect("x,y"))
        .map(|(x, y)| (x.parse().expect("x"), y.parse().expect("y")))
        .collect()
}

#[test]
fn larger_values_are_higher_and_later_ones_further_right() {
    let figure = lines(&spec(vec![series("up", "ok", &[1.0, 2.0, 3.0, 4.0, 5.0])]));
    let points = points(&figure, colour("ok"));
    assert_eq!(points.len(), 5);
    for pair in points.windows(2) {
        assert!(pair[1].0 > pair[0].0 && pair[1].1 < pair[0].1, "{points:?}");
    }
}

/// What lies outside a given range is cut at the frame and drawn nowhere else.
#[test]
fn nothing_is_drawn_outside_the_frame() {
    let mut band = series("band", "series1", &[-50.0, 0.2, 0.4, -50.0]);
    band.y_max = Some(vec![0.5, 70.0, 0.6, 70.0]);
    let mut spec = spec(vec![series("line", "ok", &[-9.0, 9.0, -9.0, 0.5]), band]);
    (spec.y_min, spec.y_max) = (Some(0.0), Some(1.0));
    let (figure, area) = svg((640, 240), |backend| draw_lines(backend, LIGHT, &spec));
    for name in ["ok", "series1"] {
        let points = points(&figure, colour(name));
        assert!(points.len() >= 4, "{name}");
        for (x, y) in points {
            assert!(x >= area.left - 1.0 && x <= area.left + area.width + 1.0, "{name}: x {x}");
            assert!(y >= area.top - 1.0 && y <= area.top + area.height + 1.0, "{name}: y {y}");
        }
    }
}

#[test]
fn dots_and_markers_inside_are_drawn_and_others_are_not() {
    let mut dots = series("sweep", "text", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    dots.dots = true;
    let mut spec = spec(vec![dots]);
    let marker = |x: f64| Marker { x, y: 2.0, colour: colour("accent"), label: format!("at {x}") };
    spec.markers = vec![marker(1.0), marker(9.0)];
    let figure = lines(&spec);
    assert_eq!(count(&figure, "circle", colour("text")), 5, "the sixth lies beyond x = 4");
    assert_eq!(count(&figure, "circle", colour("accent")), 1);
    assert!(texts(&figure).contains(&"at 1".to_string()));
}

#[test]
fn a_logarithmic_axis_has_powers_of_ten_and_leaves_zero_out() {
    let mut spec = spec(vec![series("error", "error", &[1e-4, 1e-3, 0.0, 1e-1, 1.0])]);
    spec.y_log = true;
    let figure = lines(&spec);
    let texts = texts(&figure);
    for power in ["0.0001", "0.01", "1"] {
        assert!(texts.iter().any(|text| text == power), "{power} in {texts:?}");
    }
    assert_eq!(count(&figure, "polyline", colour("error")), 2);
}

#[test]
fn bars_stand_on_zero_and_carry_their_labels() {
    let bars = BarsSpec {
        x_label: "class".into(),
        y_label: "probability".into(),
        labels: vec!["empty".into(), "walking".into(), "sitting".into()],
        edges: vec![],
        values: vec![0.2, 0.7, f32::NAN],
        colour: colour("sparse"),
        y_log: false,
    };
    let (figure, _) = svg((400, 200), |backend| draw_bars(backend, LIGHT, &bars));
    assert_eq!(count(&figure, "rect", colour("sparse")), 2);
    assert!(texts(&figure).contains(&"walking".to_string()));
    let edges = BarsSpec { edges: vec![0.0, 1.0], ..bars.clone() };
    let refused = draw_bars(SVGBackend::with_string(&mut String::new(), (400, 200)), LIGHT, &edges);
    assert_eq!(refused, Err(FigureError::Lengths { x: 2, y: 3 }));
}

#[test]
fn axes_put_the_asked_ticks_and_tell_where_the_raster_belongs() {
    let axes = AxesSpec {
        x_label: "time (s)".into(),
        y_label: "subcarrier".into(),
        x: (0.0, 60.0),
        y: (-28.5, 28.5),
        y_ticks_at: vec![-28.0, 0.0, 28.0],
        y_reversed: false,
    };
    let (figure, area) = svg((800, 300), |backend| draw_axes(backend, LIGHT, &axes));
    let texts = texts(&figure);
    for tick in ["−28", "0", "28"] {
        assert!(texts.iter().any(|text| text == tick), "{tick} in {texts:?}");
    }
    assert!(area.left >= 40.0 && area.left + area.width <= 800.0);
    assert!(area.top >= 10.0 && area.top + area.height <= 300.0 && area.height > 200.0);
}

/// A denser screen has more pixels for the same CSS size: the plot stays where it is.
#[test]
fn the_plot_lies_at_the_same_css_pixels_at_every_ratio() {
    let axes = AxesSpec { x: (0.0, 1.0), y: (0.0, 1.0), ..AxesSpec::default() };
    let area = |ratio: f64| {
        let size = ((500.0 * ratio) as u32, (300.0 * ratio) as u32);
        svg(size, |backend| draw_axes(backend, Look { ratio, dark: true }, &axes)).1
    };
    let one = area(1.0);
    for ratio in [1.5, 2.0, 3.0] {
        let other = area(ratio);
        for (a, b) in [
            (one.left, other.left),
            (one.top, other.top),
            (one.width, other.width),
            (one.height, other.height),
        ] {
            assert!((a - b).abs() <= 1.0, "ratio {ratio}: {one:?} {other:?}");
        }
    }
}

#[test]
fn a_colour_bar_runs_from_the_first_colour_to_the_last() {
    let bar = ColourBarSpec {
        map: ColourMap::Magma,
        min: -4.0,
        max: 0.0,
        label: "weight".into(),
        log: true,
    };
    let (figure, area) = svg((300, 48), |backend| draw_colour_bar(backend, LIGHT, &bar));
    let texts = texts(&figure);
    assert!(
        texts.contains(&"weight".to_string()) && texts.contains(&"0.01".to_string()),
        "{texts:?}"
    );
    assert!(figure.contains("#000004") && figure.contains("#FCFDBF"), "both ends of magma");
    assert!(area.width > 250.0);
}

#[test]
fn what_cannot_be_drawn_is_refused_and_nothing_panics() {
    let mut odd = series("odd", "text", &[1.0, 2.0]);
    odd.x.pop();
    let draw = |size, spec: &LineSpec| {
        draw_lines(SVGBackend::with_string(&mut String::new(), size), LIGHT, spec)
    };
    assert_eq!(draw((640, 240), &spec(vec![odd])), Err(FigureError::Lengths { x: 1, y: 2 }));
    assert_eq!(draw((20, 20), &spec(vec![])), Err(FigureError::TooSmall { width: 20, height: 20 }));
    let empty = LineSpec { x: (1.0, 1.0), ..LineSpec::default() };
    assert_eq!(draw((640, 240), &empty), Err(FigureError::Range));
    for values in [
        vec![],
        vec![f32::NAN; 3],
        vec![f32::INFINITY, 1.0],
        vec![7.0; 4],
        vec![f32::MAX, f32::MIN],
    ] {
        assert!(
            draw((640, 240), &spec(vec![series("odd", "text", &values)])).is_ok(),
            "{values:?}"
        );
    }
    for (low, high) in [(Some(5.0), None), (None, Some(-5.0)), (Some(0.0), Some(1.0))] {
        let mut spec = spec(vec![series("far", "text", &[1.0, 2.0])]);
        (spec.y_min, spec.y_max) = (low, high);
        assert!(draw((640, 240), &spec).is_ok(), "{low:?} {high:?}");
    }
}

quickcheck! {
    /// Against the definition, sampled: a point of a segment is drawn if and only if it is inside.
    fn clipping_keeps_exactly_what_is_inside(points: Vec<(i16, i16)>) -> bool {
        let clip = Clip { left: -5000.0, top: -3000.0, right: 6000.0, bottom: 4000.0 };
        let points: Vec<(f64, f64)> = points.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).collect();
        let pieces = clip.pieces(points.iter().copied());
        let on = |(x, y): (f64, f64)| pieces.iter().flat_map(|piece| piece.windows(2)).any(|pair| {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let (dx, dy) = (x1 - x0, y1 - y0);
            let length = dx * dx + dy * dy;
            let t = if length > 0.0 { (((x - x0) * dx + (y - y0) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
            (x0 + t * dx - x).hypot(y0 + t * dy - y) < 1e-6
        });
        let inside = Clip { left: clip.left + 1e-3, top: clip.top + 1e-3, right: clip.right - 1e-3, bottom: clip.bottom - 1e-3 };
        let sampled = points.windows(2).flat_map(|pair| (0..=20).map(|i| {
            let t = f64::from(i) / 20.0;
            (pair[0].0 + t * (pair[1].0 - pair[0].0), pair[0].1 + t * (pair[1].1 - pair[0].1))
        })).all(|point| !inside.contains(point) || on(point));
        let slack = Clip { left: clip.left - 1e-6, top: clip.top - 1e-6, right: clip.right + 1e-6, bottom: clip.bottom + 1e-6 };
        sampled && pieces.iter().flatten().all(|point| slack.contains(*point))
    }
}

/// Rust draws in the colours of the style sheet.
#[test]
fn the_palette_is_that_of_the_page() {
    let sheet =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../web/styles/tokens.css");
    let sheet =
        std::fs::read_to_string(&sheet).expect("the page's style sheet").to_ascii_uppercase();
    let hex = |[r, g, b]: [u8; 3]| format!("#{r:02X}{g:02X}{b:02X}");
    let mut compared = 0;
    for token in TOKENS {
        let Some(place) = sheet.find(&format!("--{}:", token.name.to_ascii_uppercase())) else {
            continue;
        };
        let value = sheet[place..].split(';').next().expect("a declaration");
        let expected = format!("LIGHT-DARK({}, {})", hex(token.light), hex(token.dark));
        assert!(value.contains(&expected), "{}: {value}, not {expected}", token.name);
        compared += 1;
    }
    assert!(compared >= 11, "only {compared} colours are in the style sheet");
}
