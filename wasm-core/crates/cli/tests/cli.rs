//! The command line as scripts see it: bytes, JSON keys, exit codes and sentences.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn csi(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csi")).args(args).output().expect("csi starts")
}

fn ok(args: &[&str]) -> String {
    let output = csi(args);
    assert!(output.status.success(), "csi {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&ok(args)).expect("output is JSON")
}

/// Runs a command that must fail, and returns its sentence.
fn refused(args: &[&str]) -> String {
    let output = csi(args);
    let sentence = String::from_utf8(output.stderr).expect("sentence is UTF-8");
    assert_eq!(output.status.code(), Some(2), "csi {args:?}: {sentence}");
    assert!(output.stdout.is_empty(), "csi {args:?} printed although it failed");
    assert_eq!(sentence.lines().count(), 1, "csi {args:?}: {sentence}");
    assert!(sentence.starts_with("csi: "), "{sentence}");
    sentence
}

/// A folder of its own for one test, emptied at the start.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("scratch folder");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("path is UTF-8")
}

fn fixture(name: &str) -> String {
    format!("{}/../../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn write_floats(path: &Path, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(path, bytes).expect("tensor written");
}

fn read_floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("tensor read");
    assert_eq!(bytes.len() % 4, 0);
    bytes.chunks(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
}

/// Values in [-1, 1) from a fixed linear congruential sequence.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// Causal or full softmax attention in f64, straight from its definition.
fn dense_f64(q: &[f32], k: &[f32], v: &[f32], shape: [usize; 4], causal: bool) -> Vec<f64> {
    let [n, q_heads, kv_heads, dim] = shape;
    let mut out = vec![0.0; n * q_heads * dim];
    for i in 0..n {
        for h in 0..q_heads {
            let kv = h / (q_heads / kv_heads);
            let last = if causal { i } else { n - 1 };
            let score = |j: usize| -> f64 {
                let dot: f64 = (0..dim)
                    .map(|d| {
                        f64::from(q[(i * q_heads + h) * dim + d])
                            * f64::from(k[(j * kv_heads + kv) * dim + d])
                    })
                    .sum();
                dot / (dim as f64).sqrt()
            };
            let weights: Vec<f64> = (0..=last).map(|j| score(j).exp()).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..dim {
                out[(i * q_heads + h) * dim + d] = (0..=last)
                    .map(|j| weights[j] / total * f64::from(v[(j * kv_heads + kv) * dim + d]))
                    .sum();
            }
        }
    }
    out
}

struct Tensors {
    folder: PathBuf,
    shape: [usize; 4],
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Tensors {
    fn new(name: &str, shape: [usize; 4]) -> Self {
        let [n, q_heads, kv_heads, dim] = shape;
        let folder = scratch(name);
        let q = values(n * q_heads * dim, 1);
        let k = values(n * kv_heads * dim, 2);
        let v = values(n * kv_heads * dim, 3);
        write_floats(&folder.join("q"), &q);
        write_floats(&folder.join("k"), &k);
        write_floats(&folder.join("v"), &v);
        Self { folder, shape, q, k, v }
    }

    /// The arguments of `csi attend` on these files.
    fn args(&self, shape: &str, pattern: &str) -> Vec<String> {
        let file = |name: &str| text(&self.folder.join(name)).to_owned();
        let options = [
            ("--q", file("q")),
            ("--k", file("k")),
            ("--v", file("v")),
            ("--out", file("out")),
            ("--shape", shape.to_owned()),
            ("--pattern", pattern.to_owned()),
        ];
        let pairs = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        std::iter::once("attend".to_owned()).chain(pairs).collect()
    }

    fn attend(&self, pattern: &str, more: &[&str]) -> Vec<f32> {
        let shape = self.shape.map(|n| n.to_string()).join(",");
        let args = self.args(&shape, pattern);
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.extend(more);
        ok(&args);
        read_floats(&self.folder.join("out"))
    }

    /// The refusal of a call on these files with more options.
    fn refused_with(&self, pattern: &str, more: &[&str]) -> String {
        let args = self.args(&self.shape.map(|n| n.to_string()).join(","), pattern);
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.extend(more);
        refused(&args)
    }

    fn refused(&self, shape: &str, pattern: &str) -> String {
        let args = self.args(shape, pattern);
        refused(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn max_abs(a: &[f32], b: impl IntoIterator<Item = f64>) -> f64 {
    let mut count = 0;
    let worst = a.iter().zip(b).fold(0.0_f64, |worst, (x, y)| {
        count += 1;
        worst.max((f64::from(*x) - y).abs())
    });
    assert_eq!(count, a.len());
    worst
}

#[test]
fn attend_dense_equals_the_definition_in_f64() {
    for (shape, causal) in
        [([33, 4, 4, 8], true), ([33, 4, 2, 5], true), ([20, 6, 1, 3], false), ([1, 1, 1, 1], true)]
    {
        let t = Tensors::new("attend_dense", shape);
        let got = t.attend("dense", if causal { &[] } else { &["--non-causal"] });
        let expected = dense_f64(&t.q, &t.k, &t.v, shape, causal);
        assert!(max_abs(&got, expected) < 1e-6, "{shape:?} causal {causal}");
    }
}

#[test]
fn attend_upstream_equals_the_upstream_crate() {
    for shape in [[130, 4, 4, 8], [130, 4, 1, 7], [257, 2, 2, 16]] {
        let t = Tensors::new("attend_upstream", shape);
        for more in [
            &["--window", "8", "--block", "16"][..],
            &["--window", "0", "--block", "5", "--no-log-stride"],
            &["--window", "9", "--block", "8", "--no-landmarks"],
            &["--window", "4", "--block", "8", "--non-causal"],
            &[],
        ] {
            let ours = t.attend("upstream", more);
            let theirs = t.attend("upstream-crate", more);
            let difference = max_abs(&ours, theirs.into_iter().map(f64::from));
            assert!(difference <= 2.5e-7, "{shape:?} {more:?}: {difference:e}");
        }
    }
}

#[test]
fn attend_switches_change_the_output() {
    let t = Tensors::new("attend_switches", [96, 2, 2, 8]);
    let base = ["--window", "4", "--block", "8"];
    let plain = t.attend("upstream", &base);
    for switch in ["--no-log-stride", "--no-landmarks", "--non-causal"] {
        let mut more = base.to_vec();
        more.push(switch);
        assert_ne!(plain, t.attend("upstream", &more), "{switch}");
    }
}

#[test]
fn attend_refuses_wrong_lengths_ratios_and_numbers() {
    let t = Tensors::new("attend_refused", [4, 2, 2, 2]);
    let run = |shape: &str, pattern: &str| t.refused(shape, pattern);
    assert!(run("5,2,2,2", "dense").contains("64 bytes, but [5][2][2] f32 needs 80"));
    assert!(run("4,2,2", "dense").contains("N,q,kv,dim"));
    assert!(run("4,2,0,2", "dense").contains("at least 1"));
    assert!(run("4,2,2,2", "flash").contains("`flash`"));
    assert!(run("18446744073709551615,2,2,2", "dense").contains("needs"));
    // 4 rows, 2 query heads, 3 key heads: no whole group.
    write_floats(&t.folder.join("k"), &[0.0; 24]);
    write_floats(&t.folder.join("v"), &[0.0; 24]);
    assert!(run("4,2,3,2", "upstream").contains("3"));
    assert!(!t.folder.join("out").exists(), "nothing is written after a refusal");
}

/// Attention from its definition in f64: the weights of what each row looks at.
fn over_f64(t: &Tensors, edges: impl Fn(usize) -> Vec<Vec<usize>>, slopes: &[f64]) -> Vec<f64> {
    let [n, q_heads, kv_heads, dim] = t.shape;
    let mut out = vec![0.0; n * q_heads * dim];
    for i in 0..n {
        for h in 0..q_heads {
            let kv = h / (q_heads / kv_heads);
            let mean = |x: &[f32], tokens: &[usize], d: usize| {
                let sum: f64 =
                    tokens.iter().map(|j| f64::from(x[(j * kv_heads + kv) * dim + d])).sum();
                sum / tokens.len() as f64
            };
            let edges = edges(i);
            let weights: Vec<f64> = edges
                .iter()
                .map(|tokens| {
                    let q = |d: usize| f64::from(t.q[(i * q_heads + h) * dim + d]);
                    let dot: f64 = (0..dim).map(|d| q(d) * mean(&t.k, tokens, d)).sum();
                    let age = i as f64 - tokens.iter().sum::<usize>() as f64 / tokens.len() as f64;
                    let score = dot / (dim as f64).sqrt() - slopes[h] * age;
                    score.exp() * tokens.len() as f64
                })
                .collect();
            let total: f64 = weights.iter().sum();
            for d in 0..dim {
                let values = edges.iter().zip(&weights);
                let sum: f64 = values.map(|(tokens, w)| w * mean(&t.v, tokens, d)).sum();
                out[(i * q_heads + h) * dim + d] = sum / total;
            }
        }
    }
    out
}

/// What row `i` of a pyramid looks at, from the rule that makes it: a token that leaves the window
/// becomes a block of one; of more than `per_level` blocks of a size the two oldest become one.
fn pyramid_edges(i: usize, window: usize, per_level: usize) -> Vec<Vec<usize>> {
    let mut levels: Vec<Vec<Vec<usize>>> = Vec::new();
    for token in 0..i.saturating_sub(window) {
        let (mut block, mut level) = (vec![token], 0);
        loop {
            if levels.len() == level {
                levels.push(Vec::new());
            }
            levels[level].push(block);
            if levels[level].len() <= per_level {
                break;
            }
            block = levels[level].remove(0);
            block.extend(levels[level].remove(0));
            level += 1;
        }
    }
    let near = (i.saturating_sub(window)..=i).map(|token| vec![token]);
    near.chain(levels.into_iter().flatten()).collect()
}

#[test]
fn attend_pyramid_equals_the_definition_in_f64() {
    for shape in [[90, 4, 4, 8], [65, 4, 2, 5], [3, 1, 1, 1]] {
        let t = Tensors::new("attend_pyramid", shape);
        let plain = vec![0.0; shape[1]];
        for (window, per_level) in [(16, 4), (8, 3), (0, 1), (200, 2)] {
            let numbers = [window.to_string(), per_level.to_string()];
            let got = t.attend("pyramid", &["--window", &numbers[0], "--per-level", &numbers[1]]);
            let edges = |i| pyramid_edges(i, window, per_level);
            let error = max_abs(&got, over_f64(&t, edges, &plain));
            assert!(error < 1e-6, "{shape:?} window {window}, {per_level} a level: {error:e}");
        }
        assert_eq!(
            t.attend("pyramid", &[]),
            t.attend("pyramid", &["--window", "16", "--per-level", "4"])
        );
    }
}

#[test]
fn attend_slopes_let_old_rows_fade() {
    let t = Tensors::new("attend_slopes", [70, 4, 2, 8]);
    let slopes = ["--slopes", "0,0.03125, 0.25,1.5"];
    let steep = [0.0, 0.03125, 0.25, 1.5];
    let got = t.attend("dense", &slopes);
    let tokens = |i: usize| (0..=i).map(|token| vec![token]).collect();
    assert!(max_abs(&got, over_f64(&t, tokens, &steep)) < 1e-6);
    let got = t.attend("pyramid", &[&slopes[..], &["--window", "8", "--per-level", "3"]].concat());
    assert!(max_abs(&got, over_f64(&t, |i| pyramid_edges(i, 8, 3), &steep)) < 1e-6);
    assert_ne!(t.attend("upstream", &slopes), t.attend("upstream", &[]));
    for (bad, about) in [("1,2", "4"), ("1,2,3,x", "`1,2,3,x`"), ("0,0,0,-1", "slope")] {
        let sentence = t.refused_with("upstream", &["--slopes", bad]);
        assert!(sentence.contains(about), "{bad}: {sentence}");
    }
    t.refused_with("upstream-crate", &slopes);
}

/// Groups are what the keys make them; that they hold every token once is the core's to show. Here:
/// with a group for every token nothing is left out, and with few the numbers differ from the pyramid's.
#[test]
fn attend_salient_with_a_group_for_each_token_is_dense() {
    let t = Tensors::new("attend_salient", [60, 4, 2, 8]);
    let all = t.attend("salient", &["--window", "3", "--salient", "60"]);
    assert!(max_abs(&all, dense_f64(&t.q, &t.k, &t.v, t.shape, true)) < 1e-6);
    let few = t.attend("salient", &["--window", "3", "--salient", "5"]);
    let error = max_abs(&few, dense_f64(&t.q, &t.k, &t.v, t.shape, true));
    assert!(error > 1e-4 && error < 0.5, "{error:e}");
}

#[test]
fn attend_ln_differs_from_upstream_by_its_blocks_alone() {
    let t = Tensors::new("attend_ln", [96, 2, 2, 8]);
    let base = ["--window", "4", "--block", "8"];
    assert_ne!(t.attend("ln", &base), t.attend("upstream", &base));
    let without = [&base[..], &["--no-landmarks"]].concat();
    assert_eq!(t.attend("ln", &without), t.attend("upstream", &without));
}

/// Row by row gives the bits of all at once.
#[test]
fn attend_by_stream_writes_the_same_bytes() {
    for shape in [[130, 4, 1, 8], [75, 4, 2, 7], [40, 3, 3, 4]] {
        let t = Tensors::new("attend_stream", shape);
        let slopes = ["0.5", "0", "0.01", "0.125"][..shape[1]].join(",");
        for pattern in ["upstream", "ln", "pyramid", "salient"] {
            for more in [&["--window", "9"][..], &["--window", "3", "--slopes", &slopes], &[]] {
                let whole: Vec<u32> =
                    t.attend(pattern, more).into_iter().map(f32::to_bits).collect();
                let stream = t.attend(pattern, &[more, &["--stream"]].concat());
                let stream: Vec<u32> = stream.into_iter().map(f32::to_bits).collect();
                assert_eq!(stream, whole, "{shape:?} {pattern} {more:?}");
            }
        }
    }
}

#[test]
fn attend_refuses_options_that_make_no_sense_together() {
    let t = Tensors::new("attend_combinations", [20, 2, 2, 4]);
    for (pattern, more, about) in [
        ("dense", &["--stream"][..], "--stream"),
        ("upstream-crate", &["--stream"], "--stream"),
        ("upstream", &["--stream", "--non-causal"], "--non-causal"),
        ("pyramid", &["--non-causal"], "--non-causal"),
        ("salient", &["--non-causal"], "--non-causal"),
        ("pyramid", &["--block", "8"], "--block"),
        ("pyramid", &["--no-landmarks"], "--no-landmarks"),
        ("pyramid", &["--salient", "8"], "--salient"),
        ("pyramid", &["--per-level", "0"], "0 blocks"),
        ("salient", &["--per-level", "8"], "--per-level"),
        ("salient", &["--salient", "0"], "group"),
        ("upstream", &["--per-level", "2"], "--per-level"),
        ("ln", &["--block", "0"], "block"),
        ("dense", &["--salient", "2"], "--salient"),
    ] {
        let sentence = t.refused_with(pattern, more);
        assert!(sentence.contains(about), "{pattern} {more:?}: {sentence}");
    }
    assert!(!t.folder.join("out").exists(), "nothing is written after a refusal");
}

#[test]
fn attend_refuses_a_nan_and_says_where() {
    let t = Tensors::new("attend_nan", [4, 1, 1, 2]);
    let mut q = t.q.clone();
    q[5] = f32::NAN;
    write_floats(&t.folder.join("q"), &q);
    let sentence = t.refused("4,1,1,2", "upstream");
    assert!(sentence.contains('q') && sentence.contains('2'), "{sentence}");
}

#[test]
fn blob_new_writes_the_reference_bytes() {
    let folder = scratch("blob_new");
    let (a, b, c, half) =
        (folder.join("a"), folder.join("b"), folder.join("c"), folder.join("half"));
    ok(&["blob", "new", text(&a)]);
    ok(&["blob", "new", "--seed", "C5110007DEADBEEF", "--shape", "16,4,1,32,2,4", text(&b)]);
    ok(&["blob", "new", "--seed", "0x1", text(&c)]);
    ok(&["blob", "new", "--f16", text(&half)]);
    let bytes = std::fs::read(&a).expect("blob");
    assert_eq!(bytes.len(), 41_244);
    assert_eq!(bytes[..8], [0x45, 0x4E, 0x56, 0x52, 1, 0, 0, 0]);
    assert_eq!(bytes, std::fs::read(&b).expect("blob"), "the defaults are the reference recipe");
    assert_ne!(bytes, std::fs::read(&c).expect("blob"), "another seed, other weights");
    assert_eq!(std::fs::read(&half).expect("blob").len(), 28 + 2 * 10_304);

    // The first weight, from the recipe: xorshift64* (13, 7, 17), high 32 bits, all in f32.
    let mut x = 0xC511_0007_DEAD_BEEF_u64;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    let high = (x.wrapping_mul(2_685_821_657_736_338_717) >> 32) as u32;
    let first = (high as f32 / 4_294_967_296.0 - 0.5) * 0.2;
    assert_eq!(bytes[0x18..0x1C], first.to_le_bytes());
}

#[test]
fn blob_show_names_what_the_header_says() {
    let folder = scratch("blob_show");
    let path = folder.join("model.rvne");
    ok(&["blob", "new", "--shape", "9,2,1,8,1,3", text(&path)]);
    let shown = json(&["blob", "show", text(&path), "--json"]);
    assert_eq!(shown["shape"]["inputDim"], 9);
    assert_eq!(shown["shape"]["classes"], 3);
    assert_eq!(shown["dtype"], "f32");
    assert!(ok(&["blob", "show", text(&path)]).contains("layer0.Wq"));
}

#[test]
fn blob_show_says_why_a_file_is_refused() {
    let folder = scratch("blob_refused");
    let good = folder.join("good");
    ok(&["blob", "new", text(&good)]);
    let bytes = std::fs::read(&good).expect("blob");
    let refuse = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("bad blob");
        refused(&["blob", "show", text(&path)])
    };
    let crc = refuse("crc", &|b| b[100] ^= 1);
    let stored = u32::from_le_bytes(*bytes.last_chunk().expect("crc"));
    assert!(crc.to_lowercase().contains(&format!("{stored:08x}")), "{crc}");
    assert!(refuse("big-endian", &|b| b[..4].reverse()).contains("big-endian"));
    assert!(refuse("short", &|b| b.truncate(100)).contains("100"));
    assert!(refuse("empty", &|b| b.clear()).contains('0'));
    assert!(refuse("version", &|b| b[4] = 7).contains('7'));
}

#[test]
fn blob_new_refuses_impossible_shapes() {
    let out = scratch("blob_shapes").join("x");
    for (shape, about) in [
        ("16,4,3,32,2,4", "3"),
        ("0,4,1,32,2,4", "input_dim"),
        ("16,4,1,32,2,1", "class"),
        ("16,4,1", "D,q,kv,head_dim,layers,classes"),
        ("70000,4,1,32,2,4", "70000"),
    ] {
        let sentence = refused(&["blob", "new", "--shape", shape, text(&out)]);
        assert!(sentence.contains(about), "{shape}: {sentence}");
    }
    assert!(refused(&["blob", "new", "--seed", "xyz", text(&out)]).contains("xyz"));
    assert!(!out.exists());
}

#[test]
fn doctor_reports_the_promised_keys() {
    let report = json(&["doctor", &fixture("recordings/walking_esp32_107hz.csv"), "--json"]);
    assert_eq!(report["format"], "esp32-csi-tool-csv");
    let frames = report["frames"].as_u64().expect("frames");
    assert!(frames > 1_000);
    let rate = report["rate_hz"].as_f64().expect("rate_hz");
    assert!((rate - 108.0).abs() < 2.0, "{rate}");
    let span = report["span_s"].as_f64().expect("span_s");
    assert!((span * rate / frames as f64 - 1.0).abs() < 0.1, "{span} s");
    assert!(report["skipped"].is_object());
    assert!(report["labels"].is_object());
    assert_eq!(report["subcarrier_order"], "centred");
    let streams = report["streams"].as_array().expect("streams");
    assert_eq!(streams[0]["values"], 128);
    assert!(streams[0]["name"].is_string() && streams[0]["rate_hz"].is_number());
    assert_eq!(streams.iter().map(|s| s["frames"].as_u64().expect("n")).sum::<u64>(), frames);
}

#[test]
fn doctor_speaks_sentences_without_json() {
    let said = ok(&["doctor", &fixture("recordings/walking_esp32_107hz.csv")]);
    assert!(said.lines().count() >= 3, "{said}");
    assert!(!said.contains('{'), "{said}");
}

#[test]
fn doctor_reads_the_label_file_beside_a_recording() {
    let folder = scratch("doctor_labels");
    let path = folder.join("walk.csv");
    std::fs::copy(fixture("recordings/walking_esp32_107hz.csv"), &path).expect("copied");
    assert!(json(&["doctor", text(&path), "--json"])["marks"].is_null());
    let labels = folder.join("walk.csv.labels.json");
    let file = |frames: u32| {
        format!(
            r#"{{"format":"csi-lab.labels","version":1,"recording":"walk.csv","frames":{frames},"intervals":[
            {{"start_micros":0,"end_micros":1000000,"label":"still"}},
            {{"start_micros":1000000,"end_micros":999999999,"label":"walking"}}]}}"#
        )
    };
    std::fs::write(&labels, file(2400)).expect("written");
    let marks = &json(&["doctor", text(&path), "--json"])["marks"];
    assert_eq!((marks["intervals"].as_u64(), marks["fits"].as_bool()), (Some(2), Some(true)));
    let frames = |name: &str| marks["frames"][name].as_u64().expect("frames");
    assert_eq!(frames("still") + frames("walking"), 2400);
    std::fs::write(&labels, file(7)).expect("written");
    assert!(ok(&["doctor", text(&path)]).contains("another number of frames"));
    std::fs::write(&labels, "{").expect("written");
    assert!(refused(&["doctor", text(&path)]).contains("walk.csv.labels.json: line 1"));
}

#[test]
fn doctor_refuses_what_is_no_recording() {
    let folder = scratch("doctor_refused");
    for (name, bytes) in [
        ("empty.csv", &b""[..]),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0"),
        ("prose.txt", b"Dear diary,\nno frames today.\n"),
        ("header.csv", b"type,id,mac,rssi,rate,data\n"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        assert!(refused(&["doctor", text(&path), "--json"]).contains(name));
    }
    assert!(refused(&["doctor", "no/such/file"]).contains("cannot read"));
}

#[test]
fn compare_measures_divergence_on_a_recording() {
    let file = fixture("recordings/walking_esp32_107hz.csv");
    let near = json(&["compare", &file, "--window", "64", "--block", "32", "--json"]);
    let far = json(&["compare", &file, "--window", "4", "--block", "32", "--json"]);
    let number =
        |v: &serde_json::Value, key: &str| v[key].as_f64().unwrap_or_else(|| panic!("{key}"));
    assert!(number(&near, "mean_abs") > 0.0);
    assert!(number(&near, "mean_abs") <= number(&near, "max_abs"));
    assert!(number(&far, "edges_sparse") < number(&near, "edges_sparse"));
    assert!(number(&near, "edges_sparse") < number(&near, "edges_dense"));
    assert!(ok(&["compare", &file]).contains("RECORDED"));
}

#[test]
fn compare_sets_a_pattern_beside_upstreams_edges() {
    let file = fixture("recordings/walking_esp32_107hz.csv");
    let of = |more: &[&str]| {
        let base = ["compare", &file, "--magnitude", "1", "--json"];
        json(&[&base[..], more].concat())
    };
    let upstream = of(&[]);
    assert_eq!(upstream["pattern"], "upstream edges, window 32, block 16");
    assert!(upstream["upstream"].is_null(), "it is upstream's pattern");
    for (name, says) in [
        ("ln", "upstream edges + ln(count), window 32, block 16"),
        ("pyramid", "pyramid, window 16, 4 per level"),
        ("salient", "salient, window 16, 18 groups"),
    ] {
        let report = of(&["--pattern", name]);
        assert_eq!(report["pattern"], says);
        assert_eq!(report["upstream"]["edges"], upstream["edges_sparse"]);
        assert_eq!(report["upstream"]["mean_abs"], upstream["mean_abs"]);
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let times = number(&upstream["mean_abs"]) / number(&report["mean_abs"]);
        assert!((number(&report["upstream"]["times_closer"]) / times - 1.0).abs() < 1e-5);
        assert!(times > 1.0, "{name} is closer to dense: {times}");
        assert!(number(&report["edges_sparse"]) <= number(&upstream["edges_sparse"]), "{name}");
    }
    assert_eq!(of(&["--ln-count"])["ln_count"], true);
    assert!(ok(&["compare", &file, "--pattern", "pyramid"]).contains(" times closer to dense"));
    assert!(
        refused(&["compare", &file, "--pattern", "pyramid", "--ln-count"]).contains("--ln-count")
    );
    assert!(refused(&["compare", &file, "--pattern", "dense"]).contains("`dense`"));
}

/// A blob says what it looks at, in its bytes, to `show`, and to `compare`.
#[test]
fn a_blob_made_with_a_pattern_is_compared_with_it() {
    let folder = scratch("blob_pattern");
    let path = folder.join("pyramid.rvne");
    ok(&["blob", "new", "--pattern", "pyramid", "--window", "8", "--per-level", "3", text(&path)]);
    let shown = json(&["blob", "show", text(&path), "--json"]);
    assert_eq!(shown["attention"]["kind"], "pyramid");
    assert_eq!(
        (&shown["attention"]["window"], &shown["attention"]["perLevel"]),
        (&8.into(), &3.into())
    );
    assert!(
        ok(&["blob", "show", text(&path)]).contains("pyramid, window 8, 3 per level, mean pooling")
    );
    let file = fixture("recordings/walking_esp32_107hz.csv");
    let report = json(&["compare", &file, "--model", text(&path), "--json"]);
    assert_eq!(report["pattern"], "pyramid, window 8, 3 per level");
    let other = json(&["compare", &file, "--model", text(&path), "--per-level", "5", "--json"]);
    assert_eq!(other["pattern"], "pyramid, window 8, 5 per level");
    assert!(
        refused(&["blob", "new", "--pattern", "pyramid", "--per-level", "256", text(&path)])
            .contains("255")
    );
    assert!(refused(&["blob", "new", "--per-level", "3", text(&path)]).contains("--per-level"));
}

/// Choices for a node are said by `show`; the error of f16 rows is measured by `compare`, and is the
/// difference of two runs, with and without them.
#[test]
fn a_blob_made_for_a_node_says_so_and_shows_the_error_of_f16_rows() {
    let folder = scratch("blob_node");
    let (half, full) = (folder.join("half.rvne"), folder.join("full.rvne"));
    let node = ["blob", "new", "--window-len", "80", "--pooling", "last", "--streaming"];
    ok(&[&node[..], &["--rows", "f16", text(&half)]].concat());
    ok(&[&node[..], &["--rows", "f32", text(&full)]].concat());
    let shown = json(&["blob", "show", text(&half), "--json"]);
    // The page's test makes the same blob and knows it by the same sum.
    assert_eq!(shown["crc32Hex"], "6aa8723f");
    let says = &shown["attention"];
    assert_eq!((&says["windowLen"], &says["rows"]), (&80.into(), &"f16".into()));
    assert_eq!((&says["streaming"], &says["pooling"]), (&true.into(), &"last".into()));
    assert!(ok(&["blob", "show", text(&half)]).contains("rows kept as f16"));
    let recording = fixture("recordings/walking_esp32_107hz.csv");
    let of = |model: &Path| json(&["compare", &recording, "--model", text(model), "--json"]);
    let (rounded, exact) = (of(&half), of(&full));
    let logits = |report: &serde_json::Value| -> Vec<f64> {
        let logits = report["logits_sparse"].as_array().expect("logits");
        logits.iter().map(|logit| logit.as_f64().expect("a number")).collect()
    };
    let pairs = logits(&rounded).into_iter().zip(logits(&exact));
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let said = rounded["f16_rows_max_abs"].as_f64().expect("an error");
    assert!(said > 0.0 && (said - apart).abs() <= 1e-6 * apart.max(1.0), "{said}, {apart}");
    assert!(exact["f16_rows_max_abs"].is_null());
    for wrong in [["--rows", "f8"], ["--pooling", "max"], ["--window-len", "0"]] {
        assert!(refused(&["blob", "new", wrong[0], wrong[1], text(&half)]).contains(wrong[0]));
    }
}

#[test]
fn wrong_usage_is_one_sentence() {
    refused(&["frobnicate"]);
    refused(&["doctor"]);
    refused(&["doctor", "a", "b"]);
    refused(&["doctor", "--verbose", "a"]);
    refused(&["blob"]);
    refused(&["blob", "show"]);
    refused(&["compare", "--window", "minus one", "x"]);
    refused(&["compare", "--frames", "0", "x"]);
    assert!(ok(&["doctor", "--help"]).contains("csi attend"));
    assert!(ok(&["blob", "show", "-h"]).contains("csi attend"));
    assert!(ok(&["--help"]).contains("csi attend"));
    assert!(ok(&[]).contains("usage"));
}

/// Output that is lost is an error; a reader that has seen enough is not.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_but_a_closed_pipe_is_none() {
    let file = fixture("recordings/walking_esp32_107hz.csv");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let csi = || {
        let mut csi = Command::new(env!("CARGO_BIN_EXE_csi"));
        csi.args(["doctor", &file]).stderr(std::process::Stdio::piped());
        csi
    };
    let output = csi().stdout(full).output().expect("csi starts");
    let sentence = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert!(sentence.starts_with("csi: cannot write the output"), "{sentence}");
    let mut child = csi().stdout(std::process::Stdio::piped()).spawn().expect("csi starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("csi ends").code(), Some(0));
}
