//! Rasters and series show what is in the frames, compared with the frames themselves.

mod session_support;

use csi_lab::colour::ColourMap;
use csi_lab::raster::Raster;
use csi_lab::recording::Order;
use csi_lab::session::{Quantity, Session, WaterfallAsk, WaterfallKind};
use quickcheck::quickcheck;
use session_support::{fixture, opened, walking};

const ASK: WaterfallAsk = WaterfallAsk {
    start_s: 0.0,
    end_s: 10.0,
    columns: 200,
    kind: WaterfallKind::Amplitude,
    gain: false,
    useful_only: true,
    dark: false,
};

/// Subcarriers of the recordings made here.
const PAIRS: usize = 40;

/// A recording of amplitudes at 100 Hz: pair `p` of frame `f` has the value `amplitude(f, p)`.
fn made(frames: usize, amplitude: impl Fn(usize, usize) -> f32) -> Session {
    made_at(frames, |frame| frame * 10_000, amplitude)
}

/// The same at times of one's own, in microseconds.
fn made_at(
    frames: usize,
    micros: impl Fn(usize) -> usize,
    amplitude: impl Fn(usize, usize) -> f32,
) -> Session {
    let names: Vec<String> = (0..PAIRS).map(|pair| format!("sc_{pair}")).collect();
    let mut text = format!("time_us,{}\n", names.join(","));
    for frame in 0..frames {
        let values: Vec<String> =
            (0..PAIRS).map(|pair| amplitude(frame, pair).to_string()).collect();
        text.push_str(&format!("{},{}\n", micros(frame), values.join(",")));
    }
    opened("made.csv", text.as_bytes())
}

fn ramp(frame: usize, pair: usize) -> f32 {
    (frame + 100 * pair) as f32
}

/// The number behind a pixel, from its colour; `None` where it is transparent.
fn number(raster: &Raster, column: usize, row: usize) -> Option<f32> {
    let table = raster.map.table(false);
    let pixel = &raster.rgba[(row * raster.width + column) * 4..][..4];
    let index = table.iter().position(|colour| *colour == pixel[..3])?;
    (pixel[3] == 255).then(|| raster.min + (raster.max - raster.min) * index as f32 / 255.0)
}

#[test]
fn a_column_of_the_waterfall_is_the_mean_of_its_frames() {
    let session = made(100, ramp);
    // Ten frames a column.
    let ask = WaterfallAsk { end_s: 1.0, columns: 10, useful_only: false, ..ASK };
    let raster = session.waterfall(&ask).expect("a raster");
    assert_eq!((raster.width, raster.height, raster.map), (10, PAIRS, ColourMap::Cividis));
    for column in 0..10 {
        for row in 0..PAIRS {
            let expected = column as f32 * 10.0 + 4.5 + 100.0 * (PAIRS - 1 - row) as f32;
            let step = (raster.max - raster.min) / 255.0;
            let clamped = expected.clamp(raster.min, raster.max);
            let got = number(&raster, column, row).expect("an opaque pixel");
            assert!(
                (got - clamped).abs() <= step * 1.01,
                "column {column}, row {row}: {got}, not {expected}"
            );
        }
    }
}

/// A column shows the frames in it, or else the one before until the next comes: an uneven rate
/// makes no stripes. Across a gap, and after the end, it soon shows nothing.
#[test]
fn columns_are_transparent_in_gaps_alone() {
    let walking = walking();
    let gap = |frame: usize| frame * 10_000 + if frame >= 100 { 1_000_000 } else { 0 };
    let with_gap = made_at(200, gap, ramp);
    for (session, start_s, end_s) in
        [(&walking, 0.0, 1.3), (&walking, 5.0, 6.3), (&walking, 21.5, 22.8), (&with_gap, 0.5, 2.5)]
    {
        let times: Vec<f64> =
            session.times_micros(0).expect("times").iter().map(|micros| micros / 1e6).collect();
        let mut periods: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        periods.sort_by(f64::total_cmp);
        let period = periods[periods.len() / 2];
        let raster =
            session.waterfall(&WaterfallAsk { start_s, end_s, columns: 400, ..ASK }).expect("one");
        let mut counts = [0, 0];
        for column in 0..400 {
            let from = start_s + f64::from(column) * (end_s - start_s) / 400.0;
            let to = from + (end_s - start_s) / 400.0;
            let inside = times.iter().any(|time| *time >= from && *time < to);
            let before = times.iter().rev().find(|time| **time < from);
            let after = times.iter().find(|time| **time >= from);
            let held = before.zip(after).is_some_and(|(before, after)| {
                after - before <= (8.0 * period).max(0.5) || from - before <= 1.5 * period
            });
            let opaque = raster.rgba[column as usize * 4 + 3] > 0;
            assert_eq!(opaque, inside || held, "start {start_s}, column {column}");
            counts[usize::from(opaque)] += 1;
        }
        let whole = end_s < times[times.len() - 1] && times.len() != 200;
        assert_eq!(counts[0] == 0, whole, "start {start_s}: {counts:?}");
        assert!(counts[1] > 100, "start {start_s}: {counts:?}");
    }
}

/// The scale is the stream's, so colours do not change while one scrolls.
#[test]
fn scrolling_keeps_the_colours() {
    let session = walking();
    for kind in [WaterfallKind::Amplitude, WaterfallKind::Variance, WaterfallKind::Phase] {
        for gain in [false, true] {
            let at = |start_s: f64| {
                let raster = session.waterfall(&WaterfallAsk {
                    start_s,
                    end_s: start_s + 5.0,
                    kind,
                    gain,
                    ..ASK
                });
                let raster = raster.expect("a raster");
                (raster.min, raster.max)
            };
            assert_eq!(at(0.0), at(12.0), "{kind:?} {gain}");
        }
    }
}

#[test]
fn the_highest_subcarrier_is_at_the_top() {
    let session = walking();
    let subcarriers = session.subcarriers().expect("open");
    let spectrum = session.spectrum(500, false).expect("a frame");
    assert_eq!(spectrum.k.len(), subcarriers.len());
    assert!(spectrum.k.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", spectrum.k);
    let time = session.times_micros(0).expect("times")[500] / 1e6;
    let ask =
        WaterfallAsk { start_s: time, end_s: time + 1e-7, columns: 1, useful_only: false, ..ASK };
    let raster = session.waterfall(&ask).expect("a raster");
    let step = (raster.max - raster.min) / 255.0;
    for (row, amplitude) in spectrum.amplitude.iter().rev().enumerate() {
        let got = number(&raster, 0, row).expect("an opaque pixel");
        assert!((got - amplitude.clamp(raster.min, raster.max)).abs() <= step * 1.01, "row {row}");
    }
}

#[test]
fn a_series_keeps_every_extreme_of_its_subcarrier() {
    let session = walking();
    let span = session.recording().expect("open").span_s;
    let frames = session.times_micros(0).expect("times").len();
    let whole = session
        .subcarrier_series(20, (0.0, span), 40, Quantity::Amplitude, false)
        .expect("a series");
    let k = session.subcarriers().expect("open")[20].k.map_or(20.0, f64::from);
    let amplitudes: Vec<f32> = (0..frames)
        .map(|frame| {
            let spectrum = session.spectrum(frame, false).expect("a frame");
            let place = spectrum.k.iter().position(|at| *at == k).expect("the subcarrier");
            spectrum.amplitude[place]
        })
        .collect();
    let most = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let least = |values: &[f32]| values.iter().copied().fold(f32::INFINITY, f32::min);
    assert_eq!((least(&whole.min), most(&whole.max)), (least(&amplitudes), most(&amplitudes)));
    assert!(whole.x.len() <= 40 + whole.min.iter().filter(|value| value.is_nan()).count());
}

#[test]
fn the_rate_is_the_recordings_own() {
    let session = walking();
    let info = session.recording().expect("open");
    let rate = session.rate_series((0.0, info.span_s), 100).expect("a series");
    let mean = rate.min.iter().map(|value| f64::from(*value)).sum::<f64>() / rate.min.len() as f64;
    let expected = info.rate_hz.expect("a clock");
    assert!((mean - expected).abs() < 0.03 * expected, "{mean} {expected}");
    let rssi = session.rssi_series((0.0, info.span_s), 100).expect("a series");
    assert!(rssi.min.iter().all(|dbm| (-100.0..0.0).contains(dbm)));
}

/// With the gain taken out, a frame that is louder as a whole is no motion.
#[test]
fn the_motion_strip_ignores_gain() {
    let amplitude = |frame: usize, pair: usize| {
        let gain = if frame.is_multiple_of(2) { 1.0 } else { 3.0 };
        let bump = if (100..150).contains(&frame) && pair == 7 { (frame % 3) as f32 } else { 0.0 };
        (10.0 * (pair + 1) as f32 + bump) * gain
    };
    let strip = made(200, amplitude).overview(20).expect("a strip");
    // Columns are 0.1 s wide: the first and the last one of the motion hold still frames too.
    let most = |from: f64, to: f64| {
        let inside = strip.x.iter().zip(&strip.max).filter(|(x, _)| (from..to).contains(*x));
        inside.map(|(_, max)| *max).fold(0.0, f32::max)
    };
    assert!(most(1.0, 1.5) > 1e-4, "{strip:?}");
    assert!(most(0.0, 0.9) < 1e-6 && most(1.6, 2.0) < 1e-6, "{strip:?}");
}

#[test]
fn order_and_mask_change_what_is_useful() {
    let mut session = walking();
    let before = session.recording().expect("open");
    let useful = |session: &Session| {
        session.subcarriers().expect("open").iter().filter(|s| s.useful).count()
    };
    assert_eq!((before.order, useful(&session)), ("centred", 52));
    let fft = session.set_order(Some(Order::Fft)).expect("an order");
    assert_eq!((fft.order, fft.order_decided_by), ("fft", "chosen by the user"));
    session.set_mask(Some(&[40, 10, 10])).expect("a mask");
    assert_eq!(useful(&session), 2);
    assert_eq!(session.pipeline().expect("a pipeline").useful_count, 2);
    session.set_order(None).expect("automatic");
    assert_eq!((session.recording().expect("open"), useful(&session)), (before, 52));
}

/// Where frames are missing for a second, lines have a gap; a single missing frame has none.
#[test]
fn lines_are_not_drawn_across_gaps() {
    let micros = |frame: usize| frame * 10_000 + if frame >= 100 { 1_000_000 } else { 0 };
    let later = |frame: usize| micros(frame) + if frame >= 50 { 10_000 } else { 0 };
    let session = made_at(200, later, ramp);
    let range = (0.0, 3.5);
    let amplitude =
        session.subcarrier_series(3, range, 500, Quantity::Amplitude, false).expect("a series");
    let gaps: Vec<f64> = amplitude
        .x
        .iter()
        .zip(&amplitude.min)
        .filter(|(_, y)| y.is_nan())
        .map(|(x, _)| *x)
        .collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!((1.0..2.02).contains(&gaps[0]), "{gaps:?}");
    let strip = session.overview(300).expect("a strip");
    assert_eq!(strip.min.iter().filter(|y| y.is_nan()).count(), 1);
}

/// Every committed recording answers every view without a panic.
#[test]
fn every_fixture_can_be_looked_at() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/recordings");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("fixtures") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            continue;
        }
        let mut session = opened(&name, &fixture(&format!("recordings/{name}")));
        for stream in 0..session.recording().expect("open").streams.len() {
            let info = session.select_stream(stream).expect("a stream");
            let (span, frames) = (info.span_s, info.frames);
            for kind in [WaterfallKind::Amplitude, WaterfallKind::Variance, WaterfallKind::Phase] {
                let raster = session.waterfall(&WaterfallAsk {
                    end_s: span + 0.1,
                    kind,
                    useful_only: false,
                    ..ASK
                });
                assert_eq!(
                    raster.is_ok(),
                    info.has_phase || kind != WaterfallKind::Phase,
                    "{name} {kind:?}"
                );
            }
            assert!(session.overview(100).is_ok() && session.rate_series((0.0, span), 10).is_ok());
            assert!(
                session.subcarrier_series(0, (0.0, span), 10, Quantity::Amplitude, true).is_ok()
            );
            assert!(session.spectrum(frames - 1, true).is_ok());
            session.pipeline().unwrap_or_else(|error| panic!("{name}: {error}"));
            session
                .feature_window(frames - 1, 16, true)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} streams");
}

/// Columns of half a second and more: the variance of sixteen of their frames, evenly spread.
#[test]
fn the_variance_is_that_of_the_columns_frames() {
    let amplitude = |frame: usize, pair: usize| ((frame * (pair + 3)) % 17) as f32;
    let session = made(16 * 8, amplitude);
    let ask = WaterfallAsk {
        end_s: 1.28,
        columns: 2,
        kind: WaterfallKind::Variance,
        useful_only: false,
        ..ASK
    };
    let raster = session.waterfall(&ask).expect("a raster");
    for column in 0..2 {
        let frames: Vec<usize> = (0..16).map(|i| column * 64 + i * 63 / 15).collect();
        for row in 0..PAIRS {
            let pair = PAIRS - 1 - row;
            let values: Vec<f32> = frames.iter().map(|frame| amplitude(*frame, pair)).collect();
            let mean = values.iter().sum::<f32>() / 16.0;
            let expected = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 15.0;
            let step = (raster.max - raster.min) / 255.0;
            let got = number(&raster, column, row).expect("an opaque pixel");
            let clamped = expected.clamp(raster.min, raster.max);
            assert!((got - clamped).abs() <= step * 1.01, "{column} {row}: {got}, not {expected}");
        }
    }
}

/// The last frame of a column, as `atan2(imag, real)` of the bytes in the file.
#[test]
fn the_phase_is_that_of_the_columns_last_frame() {
    let line = |time: u32, real: i32| {
        let pairs: Vec<String> = (0..64).map(|pair| format!("{} {real}", pair - 32)).collect();
        let head = "CSI_DATA,AP,20:50:0D:2A:A2:E4,-68,11,1,0,1,1,1,0,0,0,0,-96,0,1,0";
        format!("{head},{time},0,84,0,0,1.0,128,[{} ]\n", pairs.join(" "))
    };
    let reals = [40, -40, 7, -3, 90];
    let text: String = (0..5).map(|i| line(i * 10_000, reals[i as usize])).collect();
    let session = opened("phase.csv", text.as_bytes());
    // Columns of 20 ms: frames 0 and 1, 2 and 3, 4.
    let ask = WaterfallAsk {
        start_s: -0.005,
        end_s: 0.055,
        columns: 3,
        kind: WaterfallKind::Phase,
        useful_only: true,
        ..ASK
    };
    let raster = session.waterfall(&ask).expect("a raster");
    let subcarriers = session.subcarriers().expect("open");
    let mut useful: Vec<_> = subcarriers.iter().filter(|s| s.useful).collect();
    useful.sort_by_key(|s| core::cmp::Reverse(s.k));
    let table = ColourMap::Twilight.table(false);
    for (column, real) in [(0, -40.0f32), (1, -3.0), (2, 90.0)] {
        for (row, subcarrier) in useful.iter().enumerate() {
            let phase = (subcarrier.pair as f32 - 32.0).atan2(real);
            let part = (phase / core::f32::consts::PI + 1.0) / 2.0;
            let pixel = &raster.rgba[(row * 3 + column) * 4..][..3];
            let index = (part * 255.0 + 0.5) as usize;
            let near = index.saturating_sub(1)..=(index + 1).min(255);
            assert!(near.into_iter().any(|i| table[i] == pixel), "{column} {row}");
        }
    }
    assert_eq!(raster.height, useful.len());
}

quickcheck! {
    fn no_range_makes_a_view_panic(start: f64, end: f64, columns: u16, pair: u8) -> bool {
        let session = made(30, ramp);
        let ask = WaterfallAsk { start_s: start, end_s: end, columns: usize::from(columns % 64), ..ASK };
        for kind in [WaterfallKind::Amplitude, WaterfallKind::Variance] {
            let raster = session.waterfall(&WaterfallAsk { kind, ..ask }).expect("a raster");
            assert_eq!(raster.rgba.len(), raster.width * raster.height * 4);
        }
        let columns = usize::from(columns);
        session.rssi_series((start, end), columns).expect("a series");
        session.rate_series((start, end), columns).expect("a series");
        session.subcarrier_series(usize::from(pair), (start, end), columns, Quantity::Amplitude, true).is_ok() == (usize::from(pair) < PAIRS)
    }
}
