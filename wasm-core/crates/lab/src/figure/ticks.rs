//! Where an axis has its ticks, and how their numbers are written.

/// A tick: where it is, and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The value on the axis; on a logarithmic axis its decimal logarithm.
    pub at: f64,
    /// The number as it is written.
    pub label: String,
}

/// Ticks at multiples of 1, 2 or 5 times a power of ten, at most `most` of them.
///
/// Both ends belong to the range. A range that is empty, reversed or not finite has no ticks.
pub fn linear(min: f64, max: f64, most: usize) -> Vec<Tick> {
    let span = max - min;
    if !span.is_finite() || span <= 0.0 || most == 0 {
        return Vec::new();
    }
    let rough = span / most as f64;
    let decade = 10f64.powi(rough.log10().floor() as i32);
    const FACTORS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];
    let fits = |factor: &f64| *factor >= 1.0 && factor * decade >= rough * (1.0 - 1e-9);
    let Some(chosen) = FACTORS.iter().position(fits) else { return Vec::new() };
    let within = |step: f64| ((min / step - 1e-9).ceil(), (max / step + 1e-9).floor());
    let mut step = FACTORS[chosen] * decade;
    let (mut first, mut last) = within(step);
    if last <= first {
        // One number alone gives no scale: the next finer step, if there is room for its ticks.
        let finer = FACTORS[chosen - 1] * decade;
        let (from, to) = within(finer);
        if to - from < most as f64 {
            (step, first, last) = (finer, from, to);
        }
    }
    if last - first > most as f64 + 1.0 {
        return Vec::new();
    }
    let count = (last - first) as i64;
    (0..=count)
        .map(|i| (first + i as f64) * step)
        .map(|at| Tick { at, label: number(at, step) })
        .collect()
}

/// Ticks at whole powers of ten for a range of decimal logarithms, thinned to at most `most`;
/// a range that holds fewer than two of them gets 2 and 5 times a power too.
pub fn logarithmic(min: f64, max: f64, most: usize) -> Vec<Tick> {
    if !(max - min).is_finite() || max <= min || max - min > 700.0 {
        return Vec::new();
    }
    let (first, last) = ((min - 1e-9).ceil() as i32, (max + 1e-9).floor() as i32);
    if last > first {
        let stride = ((last - first) as usize / most.max(1) + 1) as i32;
        return (first..=last).filter(|power| power % stride == 0).map(power_of_ten).collect();
    }
    (first - 1..=last)
        .flat_map(|power| [1.0f64, 2.0, 5.0].map(|factor| (power, factor)))
        .map(|(power, factor)| (f64::from(power) + factor.log10(), factor * 10f64.powi(power)))
        .filter(|(at, _)| (min - 1e-9..=max + 1e-9).contains(at))
        .map(|(at, value)| Tick { at, label: number(value, value) })
        .collect()
}

fn power_of_ten(power: i32) -> Tick {
    let value = 10f64.powi(power);
    Tick { at: f64::from(power), label: number(value, value) }
}

/// Writes a number with the decimals that `step` needs; very large and very small steps in
/// scientific form. The minus sign is the typographic one.
pub fn number(value: f64, step: f64) -> String {
    let value = if value.abs() < step.abs() * 1e-6 { 0.0 } else { value };
    let magnitude = (step.abs().max(f64::MIN_POSITIVE).log10() + 1e-9).floor() as i32;
    let text = if value == 0.0 && magnitude < -4 {
        "0".to_string()
    } else if magnitude < -4 || value.abs() >= 1e6 {
        let digits = (value.abs().log10().floor() as i32 - magnitude).clamp(0, 3) as usize;
        format!("{value:.digits$e}")
    } else {
        let decimals = (-magnitude).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{TestResult, quickcheck};

    fn labels(ticks: Vec<Tick>) -> Vec<String> {
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(linear(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(linear(-28.0, 28.0, 6)), ["−20", "−10", "0", "10", "20"]);
        assert_eq!(labels(linear(0.0, 0.0023, 3)), ["0.000", "0.001", "0.002"]);
        assert_eq!(labels(linear(0.0, 2e-6, 2)), ["0", "1e−6", "2e−6"]);
        assert_eq!(labels(logarithmic(-3.0, 0.0, 5)), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(logarithmic(0.2, 0.8, 5)), ["2", "5"]);
    }

    #[test]
    fn a_range_just_inside_its_round_ends_has_a_scale() {
        let labels: Vec<String> =
            linear(-0.0998, 0.0996, 3).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["−0.05", "0.00", "0.05"]);
    }

    #[test]
    fn impossible_ranges_have_no_ticks() {
        for (min, max) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(linear(min, max, 5).is_empty() && logarithmic(min, max, 5).is_empty());
        }
    }

    quickcheck! {
        fn ticks_grow_stay_inside_and_are_few(min: f64, span: f64, most: u8) -> TestResult {
            let (span, most) = (span.abs(), usize::from(most % 12) + 1);
            if !min.is_finite() || !span.is_finite() || min.abs() > 1e12 || !(1e-9..1e12).contains(&span)
                || span < min.abs() * 1e-6 { return TestResult::discard(); }
            let ticks = linear(min, min + span, most);
            assert!(ticks.len() <= most + 1, "{ticks:?}");
            assert!(ticks.windows(2).all(|pair| pair[1].at > pair[0].at));
            TestResult::from_bool(ticks.iter().all(|tick| {
                tick.at >= min - span * 1e-6 && tick.at <= min + span * (1.0 + 1e-6)
            }))
        }
    }
}
