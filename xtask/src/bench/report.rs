//! The tables of `docs/benchmarks.md`.

use super::goals::goals;
use super::records::{Place, Records, Subject};
use super::table;

/// Rows of the windows' tables: heading and subject.
const NATIVE: [(&str, Subject<'static>); 9] = [
    ("upstream", ("native", "upstream-sparse")),
    ("upstream gqa", ("native", "upstream-gqa")),
    ("upstream dense", ("native", "upstream-dense")),
    ("sparse", ("native", "sparse")),
    ("sparse, fresh memory", ("native", "sparse-fresh")),
    ("gqa", ("native", "gqa")),
    ("pyramid", ("native", "pyramid")),
    ("salient", ("native", "salient")),
    ("dense", ("native", "dense")),
];

const WASM: [(&str, Subject<'static>); 13] = [
    ("upstream, default build", ("scalar", "upstream-sparse")),
    ("upstream, simd128 build", ("simd", "upstream-sparse")),
    ("upstream gqa, default build", ("scalar", "upstream-gqa")),
    ("upstream dense, default build", ("scalar", "upstream-dense")),
    ("upstream dense, simd128 build", ("simd", "upstream-dense")),
    ("sparse, scalar", ("scalar", "sparse")),
    ("gqa, scalar", ("scalar", "gqa")),
    ("sparse", ("simd", "sparse")),
    ("sparse, fresh memory", ("simd", "sparse-fresh")),
    ("gqa", ("simd", "gqa")),
    ("pyramid", ("simd", "pyramid")),
    ("salient", ("simd", "salient")),
    ("dense", ("simd", "dense")),
];

/// Slow, quick.
type Pair = (Subject<'static>, Subject<'static>);

const NATIVE_RATIOS: [(&str, Pair); 4] = [
    ("sparse : upstream", (("native", "upstream-sparse"), ("native", "sparse"))),
    ("gqa : upstream gqa", (("native", "upstream-gqa"), ("native", "gqa"))),
    ("dense : upstream dense", (("native", "upstream-dense"), ("native", "dense"))),
    ("sparse : our dense", (("native", "dense"), ("native", "sparse"))),
];

const WASM_RATIOS: [(&str, Pair); 8] = [
    ("sparse : upstream default", (("scalar", "upstream-sparse"), ("simd", "sparse"))),
    ("sparse : upstream simd128", (("simd", "upstream-sparse"), ("simd", "sparse"))),
    ("fresh memory : upstream default", (("scalar", "upstream-sparse"), ("simd", "sparse-fresh"))),
    ("gqa : upstream gqa default", (("scalar", "upstream-gqa"), ("simd", "gqa"))),
    ("scalar sparse : upstream default", (("scalar", "upstream-sparse"), ("scalar", "sparse"))),
    ("scalar gqa : upstream gqa default", (("scalar", "upstream-gqa"), ("scalar", "gqa"))),
    ("dense : upstream dense simd128", (("simd", "upstream-dense"), ("simd", "dense"))),
    ("sparse : our dense", (("simd", "dense"), ("simd", "sparse"))),
];

const STEPS: [(&str, &str); 7] = [
    ("upstream", "upstream-step"),
    ("stream, exact edges", "exact-step"),
    ("stream, bounded ring", "stream-step"),
    ("stream, bounded ring, f16", "stream-half-step"),
    ("pyramid stream", "pyramid-step"),
    ("pyramid stream, f16", "pyramid-half-step"),
    ("salient stream", "salient-step"),
];

const PEERS: [(&str, Subject<'static>); 9] = [
    ("ort MatMul, mask, Softmax, MatMul", ("peer", "ort-softmax")),
    ("ort Attention (opset 23, is_causal)", ("peer", "ort-attention")),
    ("ort MultiHeadAttention, unidirectional", ("peer", "ort-multi-head")),
    ("ort GroupQueryAttention", ("peer", "ort-group-query")),
    ("tfjs wasm", ("peer", "tfjs")),
    ("upstream dense, simd128 build", ("simd", "upstream-dense")),
    ("our dense", ("simd", "dense")),
    ("our sparse", ("simd", "sparse")),
    ("our sparse, gqa", ("simd", "gqa")),
];

/// Returns the document after its heading.
pub fn report(records: &Records) -> String {
    let sizes = records.sizes("sparse");
    let mut text = section("Goals", GOALS, &goals(records));
    let milliseconds = |rows, place| windows(records, place, rows, &sizes);
    text += &section("Edges", EDGES_NOTE, &edges(records, &sizes));
    text += &section("Windows, native", NATIVE_NOTE, &milliseconds(&NATIVE, Place::Native));
    text += &format!("\n{}", ratios(records, Place::Native, &NATIVE_RATIOS, &sizes));
    for (place, heading) in [(Place::Node, "node"), (Place::Chromium, "Chromium")] {
        text += &section(
            &format!("Windows, wasm in {heading}"),
            "Milliseconds, then ratios.",
            &milliseconds(&WASM, place),
        );
        text += &format!("\n{}", ratios(records, place, &WASM_RATIOS, &sizes));
    }
    text += &section("Slopes and weighting", EXTRAS_NOTE, &extras(records));
    text += &section("Decode steps", STEPS_NOTE, &steps(records));
    text += &section("Other people's kernels", PEERS_NOTE, &peers(records));
    text + &section("Share of the peak", PEAK_NOTE, &peak(records))
}

const GOALS: &str = "Ratios within one process. A range of sizes stands for its worst.";
const EDGES_NOTE: &str = "Products of a query with a key, for one head of a window: upstream's \
    edges, the pyramid of 8 tokens and 3 blocks a level, 8 tokens and 18 groups of like keys, all.";
const NATIVE_NOTE: &str = "Milliseconds, then ratios. `fresh memory` makes its workspace and its \
    output anew each time, as upstream does with its output; all others keep theirs.";
const EXTRAS_NOTE: &str = "Time against the plain pass over the same edges.";
const STEPS_NOTE: &str = "Appending a token and attending with it, nanoseconds, after T tokens; then the \
    kilobytes kept. \
    Upstream's cache takes 1 KB a token and ends at its capacity. `ort` has its keys and values \
    given and appends nothing.";
const PEERS_NOTE: &str = "Causal, 4 heads of 32 numbers, one thread, milliseconds. Each peer's \
    output was within 1e-5 of our dense attention before it was timed. The last rows are ratios: \
    the quickest `ort` operator against ours.";
const PEAK_NOTE: &str = "Multiplications and additions at N = 1024, exps not counted, against four \
    lanes that stay in registers, measured in the same run. `tile` is two rows by four keys from \
    the first cache, nothing else: what loads leave of the peak.";

fn section(heading: &str, note: &str, body: &str) -> String {
    format!("\n## {heading}\n\n{note}\n\n{body}")
}

fn milliseconds(micros: f64) -> String {
    let digits = if micros < 99.5 {
        4
    } else if micros < 9_995.0 {
        3
    } else {
        1
    };
    format!("{:.digits$}", micros / 1e3)
}

/// Rows of subjects, columns of sizes; subjects that were not measured are left out.
fn grid<T: Copy>(
    first: &str,
    rows: &[(&str, T)],
    columns: &[(String, usize)],
    cell: impl Fn(T, usize) -> Option<String>,
) -> String {
    let header = std::iter::once(first.to_string()).chain(columns.iter().map(|c| c.0.clone()));
    let mut cells = vec![header.collect::<Vec<_>>()];
    for (label, row) in rows {
        let values: Vec<_> = columns.iter().map(|&(_, column)| cell(*row, column)).collect();
        if values.iter().any(Option::is_some) {
            let shown = values.into_iter().map(|value| value.unwrap_or_else(|| "–".to_string()));
            cells.push(std::iter::once(label.to_string()).chain(shown).collect());
        }
    }
    table(&cells)
}

fn by_size(sizes: &[usize]) -> Vec<(String, usize)> {
    sizes.iter().map(|&size| (format!("N = {size}"), size)).collect()
}

fn edges(records: &Records, sizes: &[usize]) -> String {
    // Two sums of 32 products in each of 4 heads.
    let of_an_edge = 4.0 * 2.0 * 32.0 * 2.0;
    let rows = ["sparse", "pyramid", "salient", "dense"].map(|name| (name, ("native", name)));
    grid("edges", &rows, &by_size(sizes), |subject, size| {
        let flops = records.flops(Place::Native, subject, size)?;
        Some(format!("{:.0}", flops / of_an_edge))
    })
}

fn windows(
    records: &Records,
    place: Place,
    rows: &[(&str, Subject<'static>)],
    sizes: &[usize],
) -> String {
    grid("ms", rows, &by_size(sizes), |subject, size| {
        records.micros(place, subject, size).map(milliseconds)
    })
}

fn ratios(records: &Records, place: Place, rows: &[(&str, Pair)], sizes: &[usize]) -> String {
    grid("times quicker", rows, &by_size(sizes), |(slow, quick), size| {
        records.ratio(place, slow, quick, size).map(|ratio| format!("{ratio:.2}"))
    })
}

fn extras(records: &Records) -> String {
    let sizes = by_size(&records.sizes("sparse"));
    let mut rows = Vec::new();
    for (place, build) in
        [(Place::Native, "native"), (Place::Node, "simd"), (Place::Chromium, "simd")]
    {
        for (extra, plain, words) in [
            ("sparse-slopes", "sparse", "sparse with slopes"),
            ("sparse-ln", "sparse", "sparse with ln(count)"),
            ("dense-slopes", "dense", "dense with slopes"),
        ] {
            rows.push((format!("{words}, {}", place.name()), (place, build, extra, plain)));
        }
    }
    let rows: Vec<_> = rows.iter().map(|(label, row)| (label.as_str(), *row)).collect();
    grid("time", &rows, &sizes, |(place, build, extra, plain), size| {
        let ratio = records.ratio(place, (build, extra), (build, plain), size)?;
        Some(format!("× {ratio:.2}"))
    })
}

fn steps(records: &Records) -> String {
    let columns: Vec<_> = STEPS
        .iter()
        .flat_map(|(_, name)| records.sizes(name))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(|past| (format!("T = {past}"), past))
        .collect();
    let builds = [
        (Place::Native, "native", "native"),
        (Place::Node, "scalar", "node, no simd128"),
        (Place::Node, "simd", "node"),
        (Place::Chromium, "scalar", "Chromium, no simd128"),
        (Place::Chromium, "simd", "Chromium"),
    ];
    let mut rows = Vec::new();
    for (label, name) in STEPS {
        for (place, build, words) in builds {
            rows.push((format!("{label}; {words}"), (place, build, name)));
        }
    }
    rows.push(("ort Attention; node".to_string(), (Place::Node, "peer", "ort-step")));
    rows.push(("ort Attention; Chromium".to_string(), (Place::Chromium, "peer", "ort-step")));
    let rows: Vec<_> = rows.iter().map(|(label, row)| (label.as_str(), *row)).collect();
    let times = grid("ns a step", &rows, &columns, |(place, build, name), past| {
        records.micros(place, (build, name), past).map(|micros| format!("{:.0}", micros * 1e3))
    });
    format!("{times}\n{}", memory(records, &columns))
}

/// Kilobytes, as the native build has them.
fn memory(records: &Records, columns: &[(String, usize)]) -> String {
    let rows = STEPS.map(|(label, name)| (label, ("native", name)));
    grid("kB", &rows, columns, |subject, past| {
        let bytes = records.memory_bytes(Place::Native, subject, past)?;
        Some(format!("{:.0}", bytes / 1e3))
    })
}

fn peers(records: &Records) -> String {
    let sizes = records.sizes("ort-attention");
    let mut cells = vec![vec!["ms".to_string()]];
    let columns: Vec<(Place, usize)> = [Place::Node, Place::Chromium]
        .into_iter()
        .flat_map(|place| sizes.iter().map(move |&size| (place, size)))
        .collect();
    cells[0].extend(columns.iter().map(|(place, size)| format!("{}, N = {size}", place.name())));
    let mut row = |label: &str, cell: &dyn Fn(Place, usize) -> Option<String>| {
        let values = columns.iter().map(|&(place, size)| cell(place, size));
        let shown = values.map(|value| value.unwrap_or_else(|| "–".to_string()));
        cells.push(std::iter::once(label.to_string()).chain(shown).collect());
    };
    for (label, subject) in PEERS {
        row(label, &|place, size| records.micros(place, subject, size).map(milliseconds));
    }
    for (label, name) in [("dense", "dense"), ("sparse", "sparse"), ("gqa", "gqa")] {
        row(&format!("{label}, times quicker than ort"), &|place, size| {
            let theirs = records.best(place, "peer", "ort-", size)?;
            Some(format!("{:.1}", theirs / records.micros(place, ("simd", name), size)?))
        });
    }
    table(&cells)
}

fn peak(records: &Records) -> String {
    let mut cells = vec![["", "GFlop/s", "share of the peak"].map(str::to_string).to_vec()];
    for (place, build) in
        [(Place::Native, "native"), (Place::Node, "simd"), (Place::Chromium, "simd")]
    {
        let Some(most) = records.gigaflops(place, (build, "peak"), 1024) else { continue };
        cells.push(vec![format!("peak, {}", place.name()), format!("{most:.1}"), String::new()]);
        for name in ["tile", "upstream-sparse", "sparse", "gqa", "upstream-dense", "dense"] {
            if let Some(rate) = records.gigaflops(place, (build, name), 1024) {
                let share = format!("{:.0} %", 100.0 * rate / most);
                cells.push(vec![format!("{name}, {}", place.name()), format!("{rate:.1}"), share]);
            }
        }
    }
    table(&cells)
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::line;
    use super::*;

    fn records() -> Records {
        let mut records = Records::default();
        let native = line("native", "sparse", 64, 10.0)
            + &line("native", "upstream-sparse", 64, 75.0)
            + &line("native", "dense", 64, 20.0);
        records.read(Place::Native, &native).unwrap();
        let node = line("simd", "dense", 256, 1000.0)
            + &line("peer", "ort-attention", 256, 3000.0)
            + &line("peer", "ort-softmax", 256, 4000.0)
            + &line("simd", "upstream-step", 1000, 5.0);
        records.read(Place::Node, &node).unwrap();
        records
    }

    #[test]
    fn tables_hold_what_was_measured_and_leave_out_the_rest() {
        let text = report(&records());
        let row = |first: &str| -> Vec<&str> {
            let mut rows =
                text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim));
            let row = rows.find(|row| row.clone().next() == Some(first));
            row.unwrap_or_else(|| panic!("{first} is missing in {text}")).collect()
        };
        assert_eq!(row("sparse : upstream")[1], "7.50");
        assert_eq!(row("sparse : our dense")[1], "2.00");
        assert_eq!(row("dense, times quicker than ort")[1..], ["3.0", "–"]);
        assert_eq!(row("upstream; node")[1], "5000");
        assert!(!text.contains("| pyramid stream;"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("| gqa  ")), "{text}");
    }

    #[test]
    fn small_times_keep_their_digits() {
        assert_eq!(milliseconds(23.61), "0.0236");
        assert_eq!(milliseconds(796.5), "0.796");
        assert_eq!(milliseconds(88_500.0), "88.5");
    }
}
