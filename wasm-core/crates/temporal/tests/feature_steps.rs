//! What each step of the pipeline does, on inputs whose result is known without computing it.

use csi_temporal::feature::*;
use csi_temporal::frame::{CsiFrame, CsiValues};

fn config(useful: &[u16]) -> PipelineConfig {
    PipelineConfig { useful: useful.to_vec(), ..PipelineConfig::default() }
}

/// Time, values, held, starts.
type Row = (i64, Vec<f32>, bool, bool);

/// Pushes amplitudes.
fn run(config: PipelineConfig, frames: &[(i64, &[f32])]) -> (Vec<Row>, Counts) {
    let mut extractor = Extractor::new(config).unwrap();
    let mut rows = Vec::new();
    for &(time_micros, values) in frames {
        let frame = CsiFrame { time_micros, values: CsiValues::Amplitude(values), rssi_dbm: None };
        let mut emit = |row: FeatureRow<'_>| {
            rows.push((row.time_micros, row.values.to_vec(), row.held, row.starts));
        };
        extractor.push(&frame, &mut emit).unwrap();
    }
    (rows, extractor.counts())
}

#[test]
fn a_constant_signal_divided_by_its_mean_is_one() {
    let config = PipelineConfig {
        divide_by_mean: true,
        bands: 3,
        rate_hz: 30.0,
        ..config(&[0, 1, 2, 3, 4, 5, 6])
    };
    let frames: Vec<(i64, &[f32])> = (0..50).map(|i| (i * 12_345, &[3.7; 7][..])).collect();
    let (rows, _) = run(config, &frames);
    assert_eq!(rows.len(), 19, "0.605 s at 30 Hz");
    assert!(rows.iter().all(|(_, values, ..)| values.iter().all(|v| (v - 1.0).abs() < 1e-6)));
}

#[test]
fn useful_pairs_are_taken_in_their_order_and_pooled_in_runs() {
    let frame: &[f32] = &[10.0, 20.0, 30.0, 40.0, 50.0];
    let (rows, _) = run(config(&[4, 0, 2]), &[(0, frame)]);
    assert_eq!(rows[0].1, [50.0, 10.0, 30.0]);
    // Five into two: floor(5 / 2) = 2 and the other 3.
    let (rows, _) = run(PipelineConfig { bands: 2, ..config(&[4, 3, 2, 1, 0]) }, &[(0, frame)]);
    assert_eq!(rows[0].1, [45.0, 20.0]);
}

#[test]
fn a_line_sampled_irregularly_is_resampled_onto_the_line() {
    let times = [0, 7_000, 9_000, 31_000, 44_000, 80_000, 81_000, 140_000, 141_500, 200_000];
    let values: Vec<[f32; 2]> =
        times.iter().map(|&t| [t as f32 / 1000.0, 7.0 - t as f32 / 500.0]).collect();
    let start = 1_700_000_000_000_000;
    let frames: Vec<(i64, &[f32])> =
        times.iter().zip(&values).map(|(t, v)| (start + t, &v[..])).collect();
    let (rows, counts) = run(PipelineConfig { rate_hz: 100.0, ..config(&[0, 1]) }, &frames);
    assert_eq!(rows.len(), 21, "0 to 200 ms every 10 ms, both ends");
    for (n, (time, values, ..)) in rows.iter().enumerate() {
        assert_eq!(*time, start + 10_000 * n as i64);
        let millis = 10.0 * n as f32;
        assert!(
            (values[0] - millis).abs() < 1e-4 && (values[1] - (7.0 - 2.0 * millis)).abs() < 1e-4
        );
    }
    assert_eq!(counts.breaks, 0);
}

#[test]
fn the_grid_does_not_drift() {
    // A day at 30 Hz: a period of 33,333 us would be 0.86 s late by the end.
    let config = PipelineConfig { rate_hz: 30.0, ..config(&[0]) };
    let mut extractor = Extractor::new(config).unwrap();
    let (mut last, mut count) = (0, 0_i64);
    for second in 0..=86_400_i64 {
        let values = CsiValues::Amplitude(&[1.0]);
        let frame = CsiFrame { time_micros: second * 1_000_000, values, rssi_dbm: None };
        extractor
            .push(&frame, &mut |row| {
                last = row.time_micros;
                count += 1;
            })
            .unwrap();
    }
    assert_eq!((last, count), (86_400_000_000, 30 * 86_400 + 1));
}

#[test]
fn a_frame_on_the_grid_is_passed_on_unchanged() {
    let config = PipelineConfig { rate_hz: 10.0, ..config(&[0]) };
    let frames: [(i64, &[f32]); 3] = [(0, &[0.1]), (100_000, &[16_777_216.0]), (200_000, &[0.3])];
    let (rows, _) = run(config, &frames);
    let values: Vec<f32> = rows.iter().map(|row| row.1[0]).collect();
    assert_eq!(values, [0.1, 16_777_216.0, 0.3]);
    assert!(rows.iter().all(|row| !row.2));
}

#[test]
fn a_break_of_the_clock_starts_anew_and_invents_nothing() {
    let config = PipelineConfig { rate_hz: 10.0, lags: vec![1], ..config(&[0]) };
    let limit = BREAK_MICROS;
    let frames: [(i64, &[f32]); 6] = [
        (0, &[1.0]),
        (100_000, &[2.0]),
        (100_000 + limit, &[3.0]),
        (200_001 + 2 * limit, &[50.0]),
        (300_001 + 2 * limit, &[51.0]),
        (-5 * limit, &[9.0]),
    ];
    let (rows, counts) = run(config, &frames);
    assert_eq!(counts.breaks, 2);
    let starts: Vec<i64> = rows.iter().filter(|row| row.3).map(|row| row.0).collect();
    assert_eq!(starts, [0, 200_001 + 2 * limit, -5 * limit]);
    assert_eq!(rows.len(), 2 + 100 + 2 + 1, "a gap of exactly the limit is filled");
    assert_eq!(rows[102].1, [50.0, 0.0], "no difference across the break");
    assert_eq!(rows[103].1, [51.0, 1.0]);

    let config = PipelineConfig { rate_hz: 1000.0, ..self::config(&[0]) };
    let (rows, counts) = run(config, &[(i64::MIN, &[1.0]), (i64::MAX, &[2.0]), (i64::MIN, &[1.0])]);
    assert_eq!((rows.len(), counts.breaks), (3, 2));
}

#[test]
fn without_resampling_nothing_is_skipped() {
    let frames: [(i64, &[f32]); 4] = [(5, &[1.0]), (5, &[2.0]), (3, &[3.0]), (i64::MIN, &[4.0])];
    let exponential = MeanRemoval::Exponential { time_constant_s: 1.0 };
    for mean_removal in [MeanRemoval::None, exponential] {
        let (rows, counts) = run(PipelineConfig { mean_removal, ..config(&[0]) }, &frames);
        assert_eq!(rows.len(), 4);
        assert_eq!(counts, Counts { frames: 4, rows: 4, ..Counts::default() });
    }
}

#[test]
fn a_step_decays_to_37_percent_in_a_time_constant() {
    let mean_removal = MeanRemoval::Exponential { time_constant_s: 2.0 };
    let config = PipelineConfig { mean_removal, ..config(&[0]) };
    let frames: Vec<(i64, &[f32])> =
        (0..=2001).map(|i| (i * 1000, if i == 0 { &[5.0][..] } else { &[6.0][..] })).collect();
    let (rows, _) = run(config, &frames);
    assert_eq!(rows[0].1, [0.0]);
    assert!((rows[1].1[0] - 1.0).abs() < 1e-3);
    assert!((rows[2001].1[0] - libm::expf(-2001.0 / 2000.0)).abs() < 1e-4);
}

#[test]
fn a_frame_of_zeros_gives_zeros_and_is_counted() {
    let config = PipelineConfig { divide_by_mean: true, ..config(&[0, 1]) };
    let (rows, counts) = run(config, &[(0, &[0.0, 0.0]), (1, &[1.0, 3.0])]);
    assert_eq!((&rows[0].1[..], &rows[1].1[..]), (&[0.0, 0.0][..], &[0.5, 1.5][..]));
    assert_eq!(counts.zero_means, 1);
}

#[test]
fn lag_differences_look_back_and_start_at_zero() {
    let config = PipelineConfig { lags: vec![2, 1], lag_absolute: true, ..config(&[0]) };
    assert_eq!(config.feature_dim(), 5);
    let frames: [(i64, &[f32]); 4] = [(0, &[1.0]), (1, &[4.0]), (2, &[2.0]), (3, &[1.5])];
    let (rows, _) = run(config, &frames);
    let values: Vec<&[f32]> = rows.iter().map(|row| &row.1[..]).collect();
    let expected: [&[f32]; 4] = [
        &[1.0, 0.0, 0.0, 0.0, 0.0],
        &[4.0, 0.0, 0.0, 3.0, 3.0],
        &[2.0, 1.0, 1.0, -2.0, 2.0],
        &[1.5, -2.5, 2.5, -0.5, 0.5],
    ];
    assert_eq!(values, expected);
}

#[test]
fn the_window_mean_leaves_the_base_and_spares_the_differences() {
    let mut config = PipelineConfig { lags: vec![1], ..config(&[0]) };
    let rows = [1.0, 9.0, 3.0, 8.0, 8.0, 7.0];
    let mut untouched = rows;
    config.finish_window(&mut untouched);
    assert_eq!(untouched, rows);
    config.mean_removal = MeanRemoval::Window;
    let mut finished = rows;
    config.finish_window(&mut finished);
    assert_eq!(finished, [-3.0, 9.0, -1.0, 8.0, 4.0, 7.0]);
    let mut all = rows;
    remove_window_mean(&mut all, 2);
    assert_eq!(all, [-3.0, 1.0, -1.0, 0.0, 4.0, -1.0]);
    remove_window_mean(&mut [], 3);
    remove_window_mean(&mut all, 0);
}

#[test]
fn the_nine_numbers_of_a_feature_state_pass_through() {
    let config =
        PipelineConfig { source: FeatureSource::FeatureState, ..PipelineConfig::default() };
    assert_eq!(config.feature_dim(), 9);
    let mut extractor = Extractor::new(config).unwrap();
    let state = [0.5, 1.5, 12.0, 2.0, 70.0, 0.1, 0.0, -1.0, 0.9];
    let mut rows = Vec::new();
    let frame =
        CsiFrame { time_micros: 4, values: CsiValues::FeatureState(&state), rssi_dbm: None };
    extractor.push(&frame, &mut |row| rows.push((row.time_micros, row.values.to_vec()))).unwrap();
    assert_eq!(rows, [(4, state.to_vec())]);

    let mut refused = |values| {
        extractor
            .push(&CsiFrame { time_micros: 5, values, rssi_dbm: None }, &mut |_| panic!())
            .unwrap_err()
    };
    assert_eq!(refused(CsiValues::Iq8(&[1; 18])), FeatureError::WrongSource { frame: 1 });
    let short = FeatureError::FeatureStateLength { frame: 2, got: 8 };
    assert_eq!(refused(CsiValues::FeatureState(&[0.0; 8])), short);
    let mut bad = state;
    bad[6] = f32::INFINITY;
    assert_eq!(
        refused(CsiValues::FeatureState(&bad)),
        FeatureError::NotFinite { frame: 3, pair: 6 }
    );
}

#[test]
fn bad_frames_are_named_and_left_out() {
    let mut extractor =
        Extractor::new(PipelineConfig { divide_by_mean: true, ..config(&[2, 1]) }).unwrap();
    let mut rows = 0;
    let mut push = |values| {
        let frame = CsiFrame { time_micros: 0, values, rssi_dbm: None };
        extractor.push(&frame, &mut |_| rows += 1)
    };
    push(CsiValues::Amplitude(&[f32::NAN, 1.0, 2.0])).expect("pair 0 is not used");
    let nan = FeatureError::NotFinite { frame: 1, pair: 1 };
    assert_eq!(push(CsiValues::Amplitude(&[1.0, f32::NAN, 2.0])), Err(nan));
    let short = FeatureError::ShortFrame { frame: 2, pairs: 2, needed: 3 };
    assert_eq!(push(CsiValues::Iq8(&[1; 5])), Err(short));
    let wrong = FeatureError::WrongSource { frame: 3 };
    assert_eq!(push(CsiValues::FeatureState(&[1.0; 9])), Err(wrong));
    let overflow = push(CsiValues::Amplitude(&[0.0, f32::MAX, f32::MAX]));
    assert_eq!(overflow, Err(FeatureError::NotFinite { frame: 4, pair: 2 }));
    push(CsiValues::Iq16(&[1, 2, 3, 4, 5, 6])).expect("it goes on");
    assert_eq!(rows, 2);
    assert_eq!(extractor.counts().frames, 6);
    assert_eq!(nan.code(), "feature/not-finite");
    assert_eq!(nan.to_string(), "frame 1 has no finite value at pair 1");
}

#[test]
fn impossible_pipelines_are_refused() {
    let error = |config: PipelineConfig| Extractor::new(config).err().unwrap();
    let good = config(&[1, 2]);
    assert_eq!(error(config(&[])).code(), "feature/useful-count");
    assert_eq!(error(config(&[0; MAX_USEFUL + 1])).code(), "feature/useful-count");
    let bands = PipelineConfig { bands: 3, ..good.clone() };
    assert_eq!(error(bands), FeatureError::Bands { bands: 3, useful: 2 });
    for rate_hz in [-1.0, f32::NAN, 1000.1, f32::INFINITY] {
        assert_eq!(error(PipelineConfig { rate_hz, ..good.clone() }).code(), "feature/rate");
    }
    for time_constant_s in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mean_removal = MeanRemoval::Exponential { time_constant_s };
        let config = PipelineConfig { mean_removal, ..good.clone() };
        assert_eq!(error(config).code(), "feature/time-constant");
    }
    for lag in [0, MAX_LAG + 1] {
        let config = PipelineConfig { lags: vec![1, lag], ..good.clone() };
        assert_eq!(error(config), FeatureError::Lag { lag, limit: MAX_LAG });
    }
    let wide = PipelineConfig { lags: vec![1; 16], ..config(&[0; MAX_USEFUL]) };
    assert_eq!(error(wide), FeatureError::Width { features: 4096 * 17, limit: 65_535 });
    for config in [good, PipelineConfig { bands: 1, ..PipelineConfig::default() }] {
        let config = PipelineConfig { source: FeatureSource::FeatureState, ..config };
        assert_eq!(error(config), FeatureError::NotForFeatureState);
    }
}
