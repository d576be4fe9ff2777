//! Feature windows are what the pipeline makes of the frames up to the cursor.

mod session_support;

use csi_lab::session::{LabError, PipelineAsk, Removal};
use session_support::{default_model, first_ask, fixture, opened, ticking, walking, walking_rows};

/// The first twelve of the window's values, from the colours' range and the extractor itself.
#[test]
fn the_window_is_the_extractors_last_rows_with_their_mean_removed() {
    let frame = 1500;
    let (expected, times) = walking_rows(frame, 100);

    let mut session = walking();
    let window = session.feature_window(frame, 100, false).expect("a window");
    assert_eq!((window.rows, window.dim), (100, 16));
    assert_eq!((window.first_s, window.last_s), (times[0], times[99]));
    let most = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    assert_eq!((window.raster.min, window.raster.max), (-most, most));
    let table = window.raster.map.table(false);
    for (row, values) in expected.chunks_exact(16).enumerate() {
        for (feature, value) in values.iter().enumerate() {
            let pixel = &window.raster.rgba[((15 - feature) * 100 + row) * 4..][..3];
            let index = ((value + most) / (2.0 * most) * 255.0 + 0.5) as usize;
            let near = index.saturating_sub(1)..=(index + 1).min(255);
            assert!(near.into_iter().any(|i| table[i] == pixel), "row {row}, feature {feature}");
        }
    }
}

/// A window asked for out of order is the one asked for in order: rows are kept, not remade.
#[test]
fn the_order_of_questions_does_not_matter() {
    let frames = [1200, 10, 700, 1200, 1, 699];
    let mut together = walking();
    for frame in frames {
        let mut alone = walking();
        let expected = alone.feature_window(frame, 64, true).expect("a window");
        assert_eq!(
            together.feature_window(frame, 64, true).expect("a window"),
            expected,
            "frame {frame}"
        );
    }
}

#[test]
fn no_row_is_later_than_the_cursor() {
    let mut session = walking();
    let times = session.times_micros(0).expect("times");
    for frame in [0, 1, 50, 555, 2399] {
        let window = session.feature_window(frame, 64, false).expect("a window");
        let cursor = times[frame] / 1e6;
        assert!(
            window.last_s <= cursor + 1e-9 && window.last_s > cursor - 0.021,
            "{} {cursor}",
            window.last_s
        );
        assert!(window.rows <= 64 && window.first_s >= 0.0);
    }
}

#[test]
fn steps_say_what_the_pipeline_does() {
    let mut session = walking();
    let default = session.pipeline().expect("a pipeline");
    assert_eq!((default.feature_dim, default.ask.rate_hz, default.matches), (16, 50.0, false));
    session.blob_new(&default_model()).expect("a blob");
    assert!(session.pipeline().expect("a pipeline").matches);
    let ask = PipelineAsk {
        bands: 0,
        rate_hz: 0.0,
        mean_removal: Removal::Exponential,
        lags: vec![2],
        lag_absolute: true,
        ..default.ask
    };
    let view = session.set_pipeline(ask).expect("a pipeline");
    assert_eq!((view.feature_dim, view.model_input_dim, view.matches), (156, 16, false));
    for words in [
        "52 subcarriers",
        "frame's mean",
        "not resampled",
        "time constant of 2 s",
        "2 rows before and its absolute",
    ] {
        assert!(view.steps.iter().any(|step| step.contains(words)), "{words} in {:?}", view.steps);
    }
    let error = session.attention(&first_ask(500), &ticking()).expect_err("156 features");
    assert_eq!(error, LabError::Features { got: 156, expected: 16 });
}

/// A feature state has no subcarriers; its nine numbers are the row.
#[test]
fn feature_states_are_rows_of_nine() {
    let mut session = opened("packets.bin", &fixture("recordings/ruview_packets.bin"));
    let streams = session.recording().expect("open").streams;
    let states =
        streams.iter().position(|s| s.kind == csi_lab::recording::StreamKind::FeatureState);
    let Some(states) = states else {
        panic!("the fixture has feature states: {streams:?}");
    };
    session.select_stream(states).expect("a stream");
    let view = session.pipeline().expect("a pipeline");
    assert_eq!(view.feature_dim, 9);
    let last = session.recording().expect("open").frames - 1;
    assert_eq!(session.feature_window(last, 8, false).expect("a window").dim, 9);
}

/// A mask too small for the chosen bands gives the default pipeline, and the choice comes back.
#[test]
fn a_pipeline_that_no_longer_fits_waits() {
    let mut session = walking();
    let ask = PipelineAsk { bands: 20, ..session.pipeline().expect("a pipeline").ask };
    assert_eq!(session.set_pipeline(ask.clone()).expect("52 pairs").feature_dim, 20);
    session.set_mask(Some(&[10, 11, 12, 13, 14])).expect("a mask");
    assert_eq!(session.pipeline().expect("the default").feature_dim, 5);
    assert!(session.feature_window(100, 8, true).is_ok());
    session.set_mask(None).expect("automatic");
    assert_eq!(session.pipeline().expect("the choice").ask, ask);
}

/// After a break of the clock the window starts anew: it never joins what is minutes apart.
#[test]
fn no_window_reaches_across_a_break() {
    let names: Vec<String> = (0..40).map(|pair| format!("sc_{pair}")).collect();
    let mut text = format!("time_us,{}\n", names.join(","));
    for frame in 0..400 {
        let micros = frame * 10_000 + if frame >= 200 { 60_000_000 } else { 0 };
        let values: Vec<String> = (0..40).map(|pair| (frame % 7 + pair + 1).to_string()).collect();
        text.push_str(&format!("{micros},{}\n", values.join(",")));
    }
    let mut session = opened("break.csv", text.as_bytes());
    let ask = PipelineAsk { rate_hz: 50.0, ..session.pipeline().expect("a pipeline").ask };
    session.set_pipeline(ask).expect("a pipeline");
    let before = session.feature_window(199, 64, false).expect("a window");
    assert_eq!((before.rows, before.last_s < 2.0), (64, true));
    let after = session.feature_window(219, 64, false).expect("a window");
    assert_eq!(after.rows, 10, "0.19 s at 50 Hz");
    assert!(after.first_s >= 62.0);
}
