//! `cargo xtask bench kernel [--quick] [--write]`: builds `bench/` for the host and twice for wasm,
//! runs it here, in node and in Chromium, and prints the tables or writes them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::records::{Place, Records};
use super::report::report;
use crate::page;
use crate::project::Project;
use crate::sys::{self, Result, at, capture, run};
use crate::toolchain::{self, TARGET};

const DOCUMENT: &str = "docs/benchmarks.md";
const CRATE: &str = "csi-bench";

/// Measures everything.
///
/// # Errors
///
/// For an unknown option; when anything cannot be built, started or written.
pub fn bench(project: &Project, options: &[&str]) -> Result<()> {
    if let Some(unknown) = options.iter().find(|option| !["--quick", "--write"].contains(option)) {
        return Err(format!("cargo xtask bench kernel does not know `{unknown}`"));
    }
    let (quick, write) = (options.contains(&"--quick"), options.contains(&"--write"));
    if quick && write {
        return Err("--quick shows that everything runs; its figures are not to be written".into());
    }
    let simd = wasm(project, "simd", "-Ctarget-feature=+simd128")?;
    let scalar = wasm(project, "scalar", "-Ctarget-feature=-simd128")?;
    run(project.cargo().args([
        "build",
        "--quiet",
        "--release",
        "--package",
        CRATE,
        "--bin",
        CRATE,
    ]))?;
    page::install_packages(project)?;
    page::install_packages_of(project, "bench", None)?;

    let mut records = Records::default();
    for place in Place::ALL {
        let mut program = match place {
            Place::Native => {
                let file = format!("{CRATE}{}", std::env::consts::EXE_SUFFIX);
                Command::new(project.target.join("release").join(file))
            }
            Place::Node | Place::Chromium => {
                let mut node = Command::new(page::node()?);
                node.arg(project.root.join("bench/run.mjs"));
                node.args([place.name().as_ref(), simd.as_os_str(), scalar.as_os_str()]);
                // One is that node's clock of WASI is experimental; errors still show.
                node.env("NODE_NO_WARNINGS", "1");
                node
            }
        };
        if place == Place::Chromium {
            program.env("CHROMIUM", page::chromium()?);
        }
        eprintln!("measuring: {}", place.name());
        let quick = quick.then_some("--quick");
        records.read(place, &capture(program.args(quick).stdin(Stdio::null()))?)?;
    }
    let text = format!("{}{}", head(project, &records)?, report(&records));
    print!("{text}");
    if write {
        sys::write_atomically(&project.root.join(DOCUMENT), text.as_bytes())?;
        println!("\nwritten: {DOCUMENT}");
    }
    Ok(())
}

/// Builds the module with one setting of simd128, in a target folder of its own, so that neither
/// setting builds the other's away. The page's profile: what is measured is what the page runs.
fn wasm(project: &Project, name: &str, flags: &str) -> Result<PathBuf> {
    let toolchain = toolchain::wasm_rustc(project)?;
    let target = project.target.join(format!("bench-{name}"));
    let mut cargo = project.cargo();
    cargo
        .args(["build", "--quiet", "--target", TARGET, "--profile", "wasm"])
        .args(["--package", CRATE, "--lib"])
        .env("CARGO_TARGET_DIR", &target)
        // Instead of the flags of .cargo/config.toml, which are the page's.
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env_remove("RUSTFLAGS");
    if let Some(rustc) = &toolchain.rustc {
        cargo.env("RUSTC", rustc);
    }
    run(&mut cargo)?;
    Ok(target.join(TARGET).join("wasm/csi_bench.wasm"))
}

/// What was measured, with what, on what and when.
fn head(project: &Project, records: &Records) -> Result<String> {
    let read = |file: &str| {
        let path = project.root.join(file);
        fs::read_to_string(&path).map_err(at(&path))
    };
    let peers: serde_json::Value =
        serde_json::from_str(&read("bench/package.json")?).map_err(|e| e.to_string())?;
    let peer = |name: &str| peers["dependencies"][name].as_str().unwrap_or("?").to_string();
    let rustc = capture(Command::new("rustc").current_dir(&project.root).arg("--version"))?;
    let commit = capture(Command::new("git").current_dir(&project.root).args([
        "rev-parse",
        "--short",
        "HEAD",
    ]));
    let date = capture(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_default();
    Ok(format!(
        "# What the kernels cost\n\n\
         Made by `cargo xtask bench kernel --write` on {}, {}, at commit {}.\n\n\
         - {}\n- native: CPU time of the thread\n{}\
         - upstream: ruvllm_sparse_attention {}; onnxruntime-web {}; tfjs {}\n\n\
         Causal, window 16, blocks of 32, token 0, log stride, landmarks; 4 heads of 32 numbers; \
         q, k and v uniform in [-1, 1). Samples in turns within one process per place; a figure is \
         the median of its samples, in Chromium, which has no clock but the wall's, their least. \
         The times are those of this machine and hour; ratios travel better.\n",
        machine(),
        date.trim(),
        commit.as_deref().unwrap_or("unknown").trim(),
        rustc.trim(),
        records.places.iter().map(|place| format!("- {place}\n")).collect::<String>(),
        upstream_version(&read("Cargo.lock")?),
        peer("onnxruntime-web"),
        peer("@tensorflow/tfjs-core"),
    ))
}

fn upstream_version(lock: &str) -> String {
    let after = lock.split("name = \"ruvllm_sparse_attention\"\nversion = \"").nth(1);
    after.and_then(|text| text.split('"').next()).unwrap_or("?").to_string()
}

/// Cores and model of the processor.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{cores} × {}", model.map_or(std::env::consts::ARCH, |(_, model)| model.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_before_anything_is_built() {
        let project = Project { root: "a".into(), target: "b".into(), cache: "c".into() };
        assert!(bench(&project, &["--wirte"]).unwrap_err().contains("`--wirte`"));
        assert!(
            bench(&project, &["--quick", "--write"]).unwrap_err().contains("not to be written")
        );
    }

    #[test]
    fn the_version_of_upstream_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"ruvllm_sparse_attention\"\nversion = \"0.1.1\"\n";
        assert_eq!(upstream_version(lock), "0.1.1");
        assert_eq!(upstream_version(""), "?");
    }
}
