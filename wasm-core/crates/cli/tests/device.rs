//! `csi flash`, `monitor` and `parity` as processes, against `csi board` at a pseudo terminal. No
//! serial device of this machine is opened.
#![cfg(unix)]

#[path = "../../lab/tests/device_support/mod.rs"]
mod device_support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const CSI: &str = env!("CARGO_BIN_EXE_csi");

/// A simulated board, until it is dropped.
struct Board {
    process: Child,
    port: String,
}

impl Board {
    fn start(options: &[&str]) -> Self {
        let mut process = Command::new(CSI)
            .arg("board")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("csi board starts");
        let mut port = String::new();
        let out = process.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut port).expect("where the board is");
        Self { process, port: port.trim().to_owned() }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // The end of its standard input is no end for the board.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn csi(args: &[&str]) -> Output {
    Command::new(CSI).args(args).output().expect("csi starts")
}

fn ok(args: &[&str]) -> String {
    let output = csi(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "csi {args:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command that must fail, and returns the last line of its errors.
fn refused(args: &[&str]) -> String {
    let output = csi(args);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "csi {args:?}: {errors}");
    errors.lines().last().unwrap_or_default().to_owned()
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("scratch folder");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn fixture(name: &str) -> String {
    format!("{}/../../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Writes a firmware folder as `cargo xtask firmware` does.
fn firmware(folder: &Path) {
    let (manifest, files) = device_support::files("csi-node");
    std::fs::write(folder.join("manifest.json"), manifest).expect("manifest");
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file of the firmware");
    }
}

#[test]
fn a_board_at_a_pty_is_flashed_and_proves_parity() {
    let folder = scratch("device_story");
    firmware(&folder);
    let board = Board::start(&["--pty", "--loader", "--quiet"]);
    let (port, weights) = (board.port.as_str(), fixture("models/aether_seeded.rvne"));
    let said = ok(&["flash", "--port", port, "--firmware", text(&folder), "--weights", &weights]);
    assert!(said.starts_with("written and proved: plan "), "{said}");
    assert!(said.contains("SIMULATED BOARD runs csi-node"), "{said}");
    assert!(said.contains("dc807956"), "{said}");

    let recording = fixture("recordings/walking_esp32_107hz.csv");
    let parity = ["parity", "--port", port, "--recording", &recording, "--count", "4"];
    let said = ok(&[&parity[..], &["--blob", &weights]].concat());
    assert!(said.starts_with("4 of 4 identical\n"), "{said}");
    assert!(said.contains("RECORDED walking_esp32_107hz.csv"), "{said}");

    // Other weights are not compared, unless they may be sent.
    let other = folder.join("other.rvne");
    ok(&["blob", "new", "--seed", "1", text(&other)]);
    let other = [&parity[..], &["--blob", text(&other), "--json"]].concat();
    let sentence = refused(&other);
    assert!(sentence.contains("the board's weights end in dc807956"), "{sentence}");
    let said = ok(&[&other[..], &["--send-weights"]].concat());
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&report["identical"], &report["total"]), (&4.into(), &4.into()), "{report}");
    assert_eq!(report["board"], "SIMULATED BOARD");

    let said = ok(&["monitor", "--port", port, "--json", "--seconds", "1"]);
    let events: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let greeting = events.iter().find(|event| event["type"] == "greeting").expect("a greeting");
    assert_eq!(greeting["node"]["boardName"], "SIMULATED BOARD");
}

#[test]
fn a_plan_file_says_what_goes_where() {
    let folder = scratch("device_plan");
    firmware(&folder);
    std::fs::write(folder.join("w.rvne"), device_support::blob(5)).expect("weights");
    let plan = folder.join("plan.json");
    let put = |json: &str| std::fs::write(&plan, json).expect("a plan");
    put(r#"{"files": [{"file": "app.bin", "offset": "0x10000"},
                      {"file": "w.rvne", "partition": "rvne"}]}"#);
    let dry = ["flash", "--plan", text(&plan), "--firmware", text(&folder), "--dry-run"];
    let said = ok(&dry);
    assert!(said.contains("write 0x00110000..0x001102c4 w.rvne"), "{said}");
    assert!(said.contains("keep  0x00009000..0x0000d000 nvs"), "{said}");
    put(r#"{"erase": [{"partition": "nvs"}, {"offset": 1114112, "bytes": "0x1000"}]}"#);
    let said = ok(&dry);
    assert!(said.contains("erase 0x00009000..0x0000d000 nvs"), "{said}");
    for (json, what) in [
        ("{}", "one of"),
        (r#"{"files": [{"file": "app.bin"}]}"#, "either an offset or a partition"),
        (r#"{"files": [{"file": "gone.bin", "offset": 0}]}"#, "gone.bin"),
        (r#"{"files": [{"file": "app.bin", "offset": "0x8000"}]}"#, "settings"),
        (r#"{"erase": [{"offset": 0}]}"#, "offset and bytes"),
        (r#"{"erase": [{"offset": 5, "bytes": 4096}]}"#, "multiple"),
        (r#"{"erase": [{"partition": "none"}]}"#, "no partition"),
        (r#"{"fiels": []}"#, "unknown field"),
    ] {
        put(json);
        let sentence = refused(&dry);
        assert!(sentence.contains(what), "{json}: {sentence}");
    }
    assert!(refused(&["flash", "--dry-run"]).contains("flash what?"));
    let sentence = refused(&["monitor", "--port", text(&folder.join("no-such-port"))]);
    assert!(sentence.contains("cannot open the port"), "{sentence}");
    assert!(refused(&["parity", "--port", "x"]).contains("--blob is missing"));
}
