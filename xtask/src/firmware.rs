//! The firmware: built, looked at and run on machines that are not there.

mod literals;
mod tools;
mod xtensa;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::project::Project;
use crate::sys::{self, Result, at, capture};

use tools::Tools;
pub use tools::are_possible;

/// The core as a program of qemu's user mode.
const USER: &str = "csi-user";

/// Where the results are.
fn folder(project: &Project) -> Result<PathBuf> {
    let folder = project.target.join("firmware");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    Ok(folder)
}

fn lock(project: &Project) -> Result<fs::File> {
    sys::lock(&project.target.join("xtask-firmware.lock"))
}

/// Builds the program of qemu's user mode.
fn build_user(project: &Project, tools: &Tools) -> Result<PathBuf> {
    let source = project.root.join("firmware/user");
    let objects = xtensa::compile(project, tools, USER)?;
    let start = xtensa::assemble(project, tools, &source.join("start.S"))?;
    let out = folder(project)?.join("user.elf");
    let files = [start.as_path(), &objects.package, &objects.builtins];
    xtensa::link(tools, &source.join("link.ld"), &files, &out)?;
    Ok(out)
}

/// Builds everything.
///
/// # Errors
///
/// When the tools are missing or anything does not build.
pub fn build(project: &Project) -> Result<()> {
    let tools = tools::find()?;
    let _lock = lock(project)?;
    build_user(project, &tools).map(|_| ())
}

/// Returns the table of hashes that Xtensa code computes, as it prints it.
///
/// # Errors
///
/// When the tools are missing, or the program does not build or ends with an error.
pub fn bits(project: &Project) -> Result<String> {
    let tools = tools::find()?;
    let _lock = lock(project)?;
    let program = build_user(project, &tools)?;
    capture(Command::new(&tools.user).args(["-cpu", "de233_fpu"]).arg(program).arg("bits"))
}
