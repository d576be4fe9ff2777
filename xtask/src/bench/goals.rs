//! What the kernel shall reach, and how far it got.

use super::records::{Place, Records, Subject};
use super::table;

/// One goal and its figure.
struct Goal {
    what: String,
    wanted: Wanted,
    measured: Option<f64>,
}

/// A bound, with the unit that follows the number.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64, &'static str),
    AtMost(f64, &'static str),
}

impl Goal {
    fn cells(&self) -> Vec<String> {
        let (sign, bound, unit, shortfall) = match self.wanted {
            Wanted::AtLeast(bound, unit) => (">=", bound, unit, self.measured.map(|m| bound / m)),
            Wanted::AtMost(bound, unit) => ("<=", bound, unit, self.measured.map(|m| m / bound)),
        };
        let number = |value: f64| {
            let small = value != 0.0 && value.abs() < 1e-3;
            if small { format!("{value:.1e}{unit}") } else { format!("{}{unit}", rounded(value)) }
        };
        let verdict = match shortfall {
            None => "not measured".to_string(),
            // Nothing wanted and nothing there: 0 / 0.
            Some(ratio) if ratio <= 1.0 || ratio.is_nan() => "reached".to_string(),
            Some(ratio) if ratio.is_finite() => format!("short by × {ratio:.2}"),
            Some(_) => "not reached".to_string(),
        };
        let measured = self.measured.map_or_else(|| "–".to_string(), number);
        vec![self.what.clone(), format!("{sign} {}", number(bound)), measured, verdict]
    }
}

fn rounded(value: f64) -> String {
    let text = if value.abs() < 99.5 { format!("{value:.2}") } else { format!("{value:.0}") };
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        None => text,
    }
}

/// Returns the table of goals.
pub fn goals(records: &Records) -> String {
    let mut cells = vec![["goal", "wanted", "measured", ""].map(str::to_string).to_vec()];
    cells.extend(all(records).iter().map(Goal::cells));
    table(&cells)
}

const WINDOWS: [usize; 3] = [256, 512, 1024];
const NATIVE_WINDOWS: [usize; 5] = [64, 128, 256, 512, 1024];

fn all(records: &Records) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut at_least = |what: String, bound: f64, unit: &'static str, measured: Option<f64>| {
        goals.push(Goal { what, wanted: Wanted::AtLeast(bound, unit), measured });
    };
    let worst = |place, slow: Subject<'_>, quick: Subject<'_>, sizes: &[usize]| {
        let ratios = sizes.iter().filter_map(|&size| records.ratio(place, slow, quick, size));
        ratios.reduce(f64::min)
    };
    for (place, words) in [(Place::Node, "node"), (Place::Chromium, "Chromium")] {
        for (what, bound, slow, quick) in [
            ("sparse : upstream default", 10.0, ("scalar", "upstream-sparse"), ("simd", "sparse")),
            ("gqa : upstream gqa default", 12.0, ("scalar", "upstream-gqa"), ("simd", "gqa")),
            ("sparse : upstream simd128", 8.0, ("simd", "upstream-sparse"), ("simd", "sparse")),
            ("scalar : upstream default", 2.5, ("scalar", "upstream-sparse"), ("scalar", "sparse")),
            (
                "scalar gqa : upstream gqa default",
                4.0,
                ("scalar", "upstream-gqa"),
                ("scalar", "gqa"),
            ),
            ("dense : upstream dense simd128", 12.0, ("simd", "upstream-dense"), ("simd", "dense")),
        ] {
            let what = format!("{what}, N = 256..1024, {words}");
            at_least(what, bound, "x", worst(place, slow, quick, &WINDOWS));
        }
        let against_ort = |name, size| {
            let theirs = records.best(place, "peer", "ort-", size)?;
            Some(theirs / records.micros(place, ("simd", name), size)?)
        };
        for (size, bound) in [(256, 15.0), (1024, 50.0), (4096, 150.0)] {
            let what = format!("sparse : best ort operator, N = {size}, {words}");
            at_least(what, bound, "x", against_ort("sparse", size));
        }
        let dense = [256, 1024, 4096].into_iter().filter_map(|size| against_ort("dense", size));
        let what = format!("dense : best ort operator, N = 256..4096, {words}");
        at_least(what, 3.0, "x", dense.reduce(f64::min));
        for name in ["sparse", "gqa"] {
            let rate = |name| records.gigaflops(place, ("simd", name), 1024);
            let share = rate(name).zip(rate("peak")).map(|(rate, most)| 100.0 * rate / most);
            let what = format!("{name}: share of the 4-lane peak, N = 1024, {words}");
            at_least(what, 60.0, " %", share);
        }
        let step = |name| records.ratio(place, ("scalar", "upstream-step"), ("simd", name), 60_000);
        let what = format!("best stream : upstream default, step at T = 60000, {words}");
        let best = ["stream-step", "pyramid-step", "salient-step"]
            .into_iter()
            .filter_map(step)
            .reduce(f64::max);
        at_least(what, 20.0, "x", best);
        let ort = records.ratio(place, ("peer", "ort-step"), ("simd", "stream-step"), 8000);
        at_least(format!("stream : ort, step at T = 8000, {words}"), 1000.0, "x", ort);
    }
    for (what, bound, slow, quick) in [
        ("sparse : upstream", 6.0, "upstream-sparse", "sparse"),
        ("gqa : upstream gqa", 7.0, "upstream-gqa", "gqa"),
    ] {
        let measured = worst(Place::Native, ("native", slow), ("native", quick), &NATIVE_WINDOWS);
        at_least(format!("{what}, N = 64..1024, native"), bound, "x", measured);
    }

    let mut at_most = |what: String, bound: f64, unit: &'static str, measured: Option<f64>| {
        goals.push(Goal { what, wanted: Wanted::AtMost(bound, unit), measured });
    };
    for (place, words) in [(Place::Node, "node"), (Place::Chromium, "Chromium")] {
        for (name, label) in
            [("stream-step", "bounded"), ("pyramid-step", "pyramid"), ("salient-step", "salient")]
        {
            for past in [1000, 1_000_000] {
                let what = format!("{label} stream, step at T = {past}, {words}");
                at_most(what, 1.0, " µs", records.micros(place, ("simd", name), past));
            }
        }
    }
    for (name, label) in [("pyramid-step", "pyramid"), ("salient-step", "salient")] {
        let bytes = records.memory_bytes(Place::Native, ("native", name), 1_000_000);
        let what = format!("{label} stream, memory kept at T = 1000000");
        at_most(what, 0.2, " MB", bytes.map(|bytes| bytes / 1e6));
    }
    at_most("largest difference to upstream".into(), 2.5e-7, "", records.largest_difference());
    let (compared, different) = records.bits();
    let what = format!("of {compared} windows, those whose bits differ between builds");
    at_most(what, 0.0, "", (compared > 0).then_some(different as f64));
    goals
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::line;
    use super::*;

    fn verdict(wanted: Wanted, measured: Option<f64>) -> String {
        Goal { what: String::new(), wanted, measured }.cells().pop().unwrap_or_default()
    }

    #[test]
    fn verdicts_say_how_far_it_is() {
        assert_eq!(verdict(Wanted::AtLeast(10.0, "x"), Some(10.0)), "reached");
        assert_eq!(verdict(Wanted::AtLeast(10.0, "x"), Some(8.0)), "short by × 1.25");
        assert_eq!(verdict(Wanted::AtMost(1.0, " µs"), Some(1.5)), "short by × 1.50");
        assert_eq!(verdict(Wanted::AtMost(0.0, ""), Some(0.0)), "reached");
        assert_eq!(verdict(Wanted::AtMost(0.0, ""), Some(2.0)), "not reached");
        assert_eq!(verdict(Wanted::AtLeast(10.0, "x"), None), "not measured");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            ["1", "2.5", "0.25", "312"].map(String::from),
            [1.0, 2.5, 0.25, 312.2].map(rounded)
        );
    }

    #[test]
    fn a_range_of_sizes_counts_as_its_worst() {
        let mut records = Records::default();
        let lines = line("scalar", "upstream-sparse", 256, 110.0)
            + &line("simd", "sparse", 256, 10.0)
            + &line("scalar", "upstream-sparse", 1024, 900.0)
            + &line("simd", "sparse", 1024, 100.0);
        records.read(Place::Node, &lines).unwrap();
        let goal = &all(&records)[0];
        assert_eq!(goal.measured, Some(9.0), "{}", goal.what);
    }
}
