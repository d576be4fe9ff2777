//! `vendor/`, filled so that everything builds and is tested with the network off.
//!
//! It holds then: every crate of Cargo.lock, of the firmware's images and of Rust's own library (where
//! Debian's package has its source), esptool, the wasm standard library for the compiler that
//! filled it, and npm's cache of the page's development packages. cargo, [`crate::toolchain`] and
//! [`crate::page`] look there by themselves. Compilers, node and Chromium are not among it.

use std::fs;
use std::process::Stdio;

use crate::esptool;
use crate::firmware;
use crate::page;
use crate::project::Project;
use crate::sys::{self, Result, at, run};
use crate::toolchain;

/// Included by .cargo/config.toml where it exists; the path counts from the root.
const CARGO_CONFIG: &str = "\
# Written by `cargo xtask vendor`. Delete this file to build from the registry again.
[source.crates-io]
replace-with = \"vendored\"
[source.vendored]
directory = \"vendor/crates\"
";

/// Fills the folder, replacing what an earlier run put there.
///
/// # Errors
///
/// When anything cannot be downloaded or written. The crates are switched on last, so a run that
/// failed leaves builds as they were.
pub fn fill(project: &Project) -> Result<()> {
    let vendor = project.vendor();
    let config = vendor.join("cargo.toml");
    if config.exists() {
        fs::remove_file(&config).map_err(at(&config))?;
    }

    println!("crates: vendor/crates");
    let crates = vendor.join("crates");
    let mut cargo = project.cargo();
    cargo.args(["vendor", "--quiet", "--locked", "--versioned-dirs"]).arg(&crates);
    // Workspaces of their own: what makes images of programs, and `core` and `alloc` for Xtensa.
    cargo.arg("--sync").arg(project.root.join(firmware::MAKER).join("Cargo.toml"));
    if let Some(library) = firmware::library() {
        // It uses what stable cargo knows and does not let others use.
        cargo.arg("--sync").arg(library).env("RUSTC_BOOTSTRAP", "1");
    }
    run(cargo.stdout(Stdio::null()))?;

    let toolchain = toolchain::wasm_rustc(project)?;
    let libs = toolchain::vendored_libs(project, &toolchain.commit);
    println!("wasm standard library: {}", project.short(&libs).display());
    sys::remove_folder(&libs)?;
    toolchain::copy_files(&toolchain.libs, &libs)?;

    println!("esptool: vendor/pip");
    if let Err(why) = esptool::vendor(project) {
        println!("esptool is left out: {why}");
    }

    println!("npm packages: vendor/npm");
    let cache = page::npm_cache(project);
    sys::remove_folder(&cache)?;
    // In a folder of its own, so that the page's installed packages stay as they are.
    let work = project.target.join("xtask-npm");
    sys::remove_folder(&work)?;
    fs::create_dir_all(&work).map_err(at(&work))?;
    for file in ["package.json", "package-lock.json"] {
        let from = project.root.join("web").join(file);
        fs::copy(&from, work.join(file)).map_err(at(&from))?;
    }
    page::npm_ci(&work, Some(&cache), false)?;
    sys::remove_folder(&work)?;

    sys::write_atomically(&config, CARGO_CONFIG.as_bytes())
}
