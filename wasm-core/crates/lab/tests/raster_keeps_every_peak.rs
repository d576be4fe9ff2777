//! Thinning to pixel columns loses no extreme, and painting puts colours where they belong.

use csi_lab::colour::ColourMap;
use csi_lab::raster::{Raster, finite_range, quantiles, thin};
use quickcheck::{TestResult, quickcheck};

/// Rows of a naive plot: for each pixel column the lowest and the highest value drawn in it.
fn naive(points: &[(f64, f32)], start: f64, end: f64, columns: usize) -> Vec<Option<(f32, f32)>> {
    (0..columns)
        .map(|column| {
            let inside: Vec<f32> = points
                .iter()
                .filter(|(x, value)| {
                    let at = ((x - start) / ((end - start) / columns as f64)) as usize;
                    *x >= start && *x <= end && value.is_finite() && at.min(columns - 1) == column
                })
                .map(|(_, value)| *value)
                .collect();
            let low = inside.iter().copied().reduce(f32::min)?;
            Some((low, inside.iter().copied().reduce(f32::max)?))
        })
        .collect()
}

quickcheck! {
    fn each_column_has_the_extremes_of_the_naive_plot(gaps: Vec<u8>, values: Vec<f32>, columns: u8) -> TestResult {
        let columns = usize::from(columns % 40) + 1;
        let mut x = 0.0;
        let points: Vec<(f64, f32)> = gaps.iter().zip(&values)
            .map(|(gap, value)| { x += f64::from(*gap); (x, *value) }).collect();
        if points.is_empty() { return TestResult::discard(); }
        let (start, end) = (0.0, x.max(1.0) * 0.8 + 1.0);
        let thinned = thin(points.iter().copied(), start, end, columns, f64::INFINITY);
        let expected = naive(&points, start, end, columns);
        let got: Vec<(f32, f32)> = thinned.min.iter().copied().zip(thinned.max.iter().copied()).collect();
        assert!(thinned.x.windows(2).all(|pair| pair[0] <= pair[1]));
        TestResult::from_bool(got == expected.into_iter().flatten().collect::<Vec<_>>())
    }

    fn gaps_split_and_never_swallow(gaps: Vec<u8>, columns: u8) -> bool {
        let mut x = 0.0;
        let points: Vec<(f64, f32)> = gaps.iter().enumerate()
            .map(|(i, gap)| { x += f64::from(*gap); (x, i as f32) }).collect();
        let thinned = thin(points.iter().copied(), 0.0, x + 1.0, usize::from(columns) + 1, 100.0);
        let breaks = points.windows(2).filter(|pair| pair[1].0 - pair[0].0 > 100.0).count();
        let top = thinned.max.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        thinned.min.iter().filter(|value| value.is_nan()).count() == breaks
            && (points.is_empty() || top == (points.len() - 1) as f32)
    }

    fn quantiles_agree_with_sorting(values: Vec<f32>) -> TestResult {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if sorted.is_empty() { return TestResult::discard(); }
        sorted.sort_by(f32::total_cmp);
        let last = (sorted.len() - 1) as f64;
        let expected = (sorted[(0.1 * last).round() as usize], sorted[(0.9 * last).round() as usize]);
        TestResult::from_bool(quantiles(&mut values.clone(), 0.1, 0.9) == expected)
    }
}

#[test]
fn ends_get_the_ends_of_the_table_and_nan_stays_transparent() {
    let table = ColourMap::Cividis.table(false);
    let raster = Raster::paint(
        &[-5.0, 0.0, 1.0, 9.0, f32::NAN, 0.5],
        3,
        (0.0, 1.0),
        ColourMap::Cividis,
        false,
    );
    assert_eq!((raster.width, raster.height), (3, 2));
    let pixel = |i: usize| &raster.rgba[i * 4..i * 4 + 4];
    let opaque = |i: usize| [table[i][0], table[i][1], table[i][2], 255];
    assert_eq!(pixel(0), opaque(0));
    assert_eq!(pixel(1), opaque(0));
    assert_eq!(pixel(2), opaque(255));
    assert_eq!(pixel(3), opaque(255));
    assert_eq!(pixel(4), [0; 4]);
    assert_eq!(pixel(5), opaque(128));
}

#[test]
fn nothing_to_draw_is_not_an_error() {
    assert_eq!(Raster::paint(&[], 0, (0.0, 1.0), ColourMap::Magma, true).height, 0);
    assert_eq!(finite_range([f32::NAN]), (0.0, 1.0));
    assert_eq!(quantiles(&mut vec![f32::INFINITY], 0.1, 0.9), (0.0, 1.0));
    assert!(thin([(1.0, 1.0)].into_iter(), 0.0, 1.0, 0, 1.0).x.is_empty());
    assert!(thin([(1.0, 1.0)].into_iter(), 1.0, 1.0, 5, 1.0).x.is_empty());
}
