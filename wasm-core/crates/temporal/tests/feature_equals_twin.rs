//! The streaming extractor against a plain f64 pipeline over the whole recording at once.

use csi_temporal::feature::*;
use csi_temporal::frame::{CsiFrame, CsiValues};

/// Frames of eight pairs with irregular times: bursts, pauses, now and then a repeated time or a
/// step back.
fn recording(seed: u64, frames: usize) -> Vec<(i64, Vec<i8>)> {
    let mut state = seed;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) % below
    };
    let mut time_micros = 5_000_000;
    let frame = |_| {
        time_micros += match random(20) {
            0 => 0,
            1 => -(random(3000) as i64),
            2 => 150_000 + random(100_000) as i64,
            _ => 300 + random(40_000) as i64,
        };
        let values = (0..16).map(|_| random(255) as i8).collect();
        (time_micros, values)
    };
    (0..frames).map(frame).collect()
}

struct Row {
    time_micros: i64,
    values: Vec<f32>,
    held: bool,
}

fn extract(config: &PipelineConfig, frames: &[(i64, Vec<i8>)]) -> (Vec<Row>, Counts) {
    let mut extractor = Extractor::new(config.clone()).unwrap();
    let mut rows = Vec::new();
    for (time_micros, values) in frames {
        let frame =
            CsiFrame { time_micros: *time_micros, values: CsiValues::Iq8(values), rssi_dbm: None };
        let mut emit = |row: FeatureRow<'_>| {
            assert_eq!(row.starts, rows.is_empty());
            rows.push(Row {
                time_micros: row.time_micros,
                values: row.values.to_vec(),
                held: row.held,
            });
        };
        extractor.push(&frame, &mut emit).unwrap();
    }
    (rows, extractor.counts())
}

/// The twin: every step over the whole recording, in f64.
fn twin(config: &PipelineConfig, frames: &[(i64, Vec<i8>)]) -> Vec<(i64, Vec<f64>)> {
    let base = |values: &[i8]| -> Vec<f64> {
        let amplitude = |&pair: &u16| {
            let at = 2 * usize::from(pair);
            f64::from(values[at]).hypot(f64::from(values[at + 1]))
        };
        let mut row: Vec<f64> = config.useful.iter().map(amplitude).collect();
        if config.divide_by_mean {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            row.iter_mut().for_each(|value| *value /= mean);
        }
        let (n, bands) = (row.len(), usize::from(config.bands));
        if bands == 0 {
            return row;
        }
        let edge = |band: usize| (band as f64 * n as f64 / bands as f64).floor() as usize;
        let band = |b: usize| &row[edge(b)..edge(b + 1)];
        (0..bands).map(|b| band(b).iter().sum::<f64>() / band(b).len() as f64).collect()
    };
    let mut rows: Vec<(i64, Vec<f64>)> = Vec::new();
    for (time_micros, values) in frames {
        let is_later = rows.last().is_none_or(|(last, _)| time_micros > last);
        if config.rate_hz == 0.0 || is_later {
            rows.push((*time_micros, base(values)));
        }
    }
    if config.rate_hz > 0.0 {
        let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
        let mut grid = Vec::new();
        for n in 0.. {
            let time = first + (f64::from(n) * 1e6 / f64::from(config.rate_hz)).round() as i64;
            if time > last {
                break;
            }
            let right = rows.iter().position(|(t, _)| *t >= time).unwrap();
            let left = if rows[right].0 == time { right } else { right - 1 };
            let span = (rows[right].0 - rows[left].0).max(1) as f64;
            let fraction = (time - rows[left].0) as f64 / span;
            let mix = |(a, b): (&f64, &f64)| a * (1.0 - fraction) + b * fraction;
            grid.push((time, rows[left].1.iter().zip(&rows[right].1).map(mix).collect()));
        }
        rows = grid;
    }
    if let MeanRemoval::Exponential { time_constant_s } = config.mean_removal {
        let mut mean = rows[0].1.clone();
        let mut last = rows[0].0;
        for (time, row) in &mut rows {
            let step_s = ((*time - last).max(0)) as f64 / 1e6;
            last = *time;
            let alpha = 1.0 - (-step_s / f64::from(time_constant_s)).exp();
            for (mean, value) in mean.iter_mut().zip(row) {
                *mean += alpha * (*value - *mean);
                *value -= *mean;
            }
        }
    }
    let plain: Vec<Vec<f64>> = rows.iter().map(|(_, row)| row.clone()).collect();
    for (index, (_, row)) in rows.iter_mut().enumerate() {
        for &lag in &config.lags {
            let then = index.checked_sub(usize::from(lag)).map(|then| &plain[then]);
            let difference = |(i, now): (usize, &f64)| then.map_or(0.0, |then| now - then[i]);
            let differences: Vec<f64> = plain[index].iter().enumerate().map(difference).collect();
            row.extend(&differences);
            if config.lag_absolute {
                row.extend(differences.iter().map(|d| d.abs()));
            }
        }
    }
    rows
}

/// Every combination of the steps.
fn configs() -> Vec<PipelineConfig> {
    let mut configs = Vec::new();
    let removals =
        [MeanRemoval::None, MeanRemoval::Window, MeanRemoval::Exponential { time_constant_s: 0.7 }];
    for (bands, rate_hz) in [(0, 0.0), (3, 0.0), (0, 50.0), (7, 33.3), (3, 100.0)] {
        for divide_by_mean in [false, true] {
            for mean_removal in removals {
                for (lags, lag_absolute) in [(vec![], false), (vec![2], false), (vec![1, 5], true)]
                {
                    let useful = vec![5, 6, 7, 1, 2, 3, 4];
                    let source = FeatureSource::Csi;
                    configs.push(PipelineConfig {
                        source,
                        useful,
                        bands,
                        divide_by_mean,
                        mean_removal,
                        rate_hz,
                        lags,
                        lag_absolute,
                    });
                }
            }
        }
    }
    configs
}

#[test]
fn every_combination_of_steps_equals_the_twin() {
    let frames = recording(0x5EED, 400);
    for config in configs() {
        let (rows, _) = extract(&config, &frames);
        let expected = twin(&config, &frames);
        assert_eq!(rows.len(), expected.len(), "{config:?}");
        // Amplitudes reach 181; sums of seven and a recursive mean keep six digits of that.
        let tolerance = if config.divide_by_mean { 2e-5 } else { 2e-3 };
        for (row, (time_micros, values)) in rows.iter().zip(&expected) {
            assert_eq!(row.time_micros, *time_micros, "{config:?}");
            assert_eq!(row.values.len(), config.feature_dim());
            for (ours, naive) in row.values.iter().zip(values) {
                let error = (f64::from(*ours) - naive).abs();
                assert!(error < tolerance, "{ours} against {naive} with {config:?}");
            }
        }
    }
}

#[test]
fn held_rows_are_those_in_gaps_of_more_than_two_periods() {
    let frames = recording(77, 600);
    let config = PipelineConfig { useful: vec![1], rate_hz: 50.0, ..PipelineConfig::default() };
    let (rows, counts) = extract(&config, &frames);
    let mut kept: Vec<i64> = Vec::new();
    for (time, _) in &frames {
        if kept.last().is_none_or(|last| time > last) {
            kept.push(*time);
        }
    }
    let skipped = counts.duplicate_times + counts.backward_times;
    assert_eq!(skipped as usize, frames.len() - kept.len());
    assert!(counts.duplicate_times > 0 && counts.backward_times > 0);
    for row in &rows {
        let right = kept.iter().position(|t| *t >= row.time_micros).unwrap();
        let on_a_frame = kept[right] == row.time_micros;
        let held = !on_a_frame && kept[right] - kept[right - 1] > 40_000;
        assert_eq!(row.held, held, "at {}", row.time_micros);
    }
    assert!(rows.iter().any(|row| row.held) && rows.iter().any(|row| !row.held));
    assert_eq!(counts.held as usize, rows.iter().filter(|row| row.held).count());
    assert_eq!(counts.rows as usize, rows.len());
}

/// After a reset the same frames give the same bits.
#[test]
fn reset_forgets_everything() {
    let frames = recording(3, 200);
    for config in configs() {
        let mut extractor = Extractor::new(config).unwrap();
        let mut run = || {
            extractor.reset();
            let mut bits = Vec::new();
            for (time_micros, values) in &frames {
                let values = CsiValues::Iq8(values);
                let frame = CsiFrame { time_micros: *time_micros, values, rssi_dbm: None };
                let mut emit =
                    |row: FeatureRow<'_>| bits.extend(row.values.iter().map(|v| v.to_bits()));
                extractor.push(&frame, &mut emit).unwrap();
            }
            bits
        };
        assert_eq!(run(), run());
    }
}
