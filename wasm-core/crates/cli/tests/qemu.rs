//! The command line against the Xtensa firmware in QEMU.
//!
//! `CSI_LAB_QEMU` names its serial line, as `host:port`; `cargo verify --only firmware` starts it
//! and sets it. Without it nothing is tested.

use std::process::Command;

use csi_temporal::feature::{MeanRemoval, PipelineConfig};
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};

fn csi(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_csi")).args(args).output().expect("csi starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "csi {args:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_firmware_in_qemu_computes_what_this_machine_computes() {
    let Ok(address) = std::env::var("CSI_LAB_QEMU") else {
        println!("skipped: CSI_LAB_QEMU names no board");
        return;
    };
    let port = format!("tcp:{address}");
    let fixtures = format!("{}/../../../fixtures", env!("CARGO_MANIFEST_DIR"));
    let recording = format!("{fixtures}/recordings/walking_esp32_107hz.csv");
    let parity = |blob: &str, more: &[&str]| {
        let fixed = ["parity", "--port", &port, "--blob", blob, "--recording", &recording];
        let said = csi(&[&fixed[..], more, &["--json", "--count", "16"]].concat());
        let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        println!("{} of {} identical", report["identical"], report["total"]);
        assert_eq!(report["board"], "QEMU");
        assert_eq!(report["identical"], report["total"], "{report}");
        assert!(report["total"].as_u64().is_some_and(|total| total >= 16), "{report}");
    };
    // The weights of its flash, on rows that this machine makes.
    parity(&format!("{fixtures}/models/aether_seeded.rvne"), &[]);

    // Weights that are sent over the line and say how CSI becomes features: the frames themselves.
    let shape =
        HeadShape { input_dim: 16, q_heads: 4, kv_heads: 2, head_dim: 8, layers: 1, classes: 4 };
    let mut blob = WeightBlob::seeded(shape, 21, Dtype::F16).expect("a blob");
    let record = AttentionRecord { window_len: 32, frame_rate_hz: 50.0, ..Default::default() };
    blob.trailer.attention = Some(record);
    blob.trailer.pipeline = Some(PipelineConfig {
        useful: (6..32).chain(33..59).collect(),
        bands: 16,
        divide_by_mean: true,
        rate_hz: 50.0,
        mean_removal: MeanRemoval::Window,
        ..PipelineConfig::default()
    });
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("qemu.rvne");
    std::fs::write(&path, blob.encode().expect("bytes")).expect("a file");
    let path = path.to_str().expect("UTF-8");
    parity(path, &["--send-weights"]);
    parity(path, &["--packets"]);

    let said = csi(&["monitor", "--port", &port, "--json", "--seconds", "1"]);
    assert!(said.contains("\"boardName\":\"QEMU\""), "{said}");
}
