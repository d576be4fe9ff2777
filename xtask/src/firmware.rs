//! The firmware: built, looked at and run on machines that are not there.

mod count;
mod images;
mod literals;
mod narrow;
mod qemu;
mod selects;
mod soak;
mod tools;
mod xtensa;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::Project;
use crate::sys::{self, Result, at, capture};

pub use images::MAKER;
use tools::Tools;
pub use tools::{are_possible, library};

/// The ESP32-S3 image.
const IMAGE: &str = "csi-node-image";
/// The command line, which talks to the image as well.
const CLI: &str = "csi-cli";
/// The model for C.
const LIBRARY: &str = "ruv-temporal";
const LIBRARIES: [(&str, &str); 2] =
    [("regions", "libruv_temporal.a"), ("malloc", "libruv_temporal_malloc.a")];
/// The core as a program of qemu's user mode.
const USER: &str = "csi-user";
/// Its two builds: for bits and counts, and with frames through the node.
const COUNTED: &str = "user.elf";
const SOAK: &str = "soak.elf";

/// Frames that every run of all checks sends through the node.
const SHORT_SOAK: u32 = 10_000;

/// What the flash of the emulated board holds in tests.
const MODEL: &str = "fixtures/models/aether_seeded.rvne";

/// Where the results are.
fn folder(project: &Project) -> Result<PathBuf> {
    let folder = project.target.join("firmware");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    Ok(folder)
}

fn lock(project: &Project) -> Result<fs::File> {
    sys::lock(&project.target.join("xtask-firmware.lock"))
}

/// Builds the library for C, once for each place that memory can come from. compiler_builtins stays
/// outside: a toolchain of C brings its own.
fn build_libraries(project: &Project, tools: &Tools) -> Result<()> {
    for (features, file) in LIBRARIES {
        let objects = xtensa::compile(project, tools, LIBRARY, Some(features))?;
        xtensa::archive(tools, &objects.package, &folder(project)?.join(file))?;
    }
    Ok(())
}

/// Builds the image, as ELF.
fn build_node(project: &Project, tools: &Tools) -> Result<PathBuf> {
    let source = project.root.join("firmware/image");
    let objects = xtensa::compile(project, tools, IMAGE, None)?;
    let start = xtensa::assemble(project, tools, "image-start", &source.join("start.S"))?;
    let out = folder(project)?.join("node.elf");
    let files = [start.as_path(), &objects.package, &objects.builtins];
    xtensa::link(tools, &source.join("flash.ld"), &files, &out)?;
    Ok(out)
}

/// Builds the program of qemu's user mode, into a file of that name.
fn build_user(
    project: &Project,
    tools: &Tools,
    features: Option<&str>,
    file: &str,
) -> Result<PathBuf> {
    let source = project.root.join("firmware/user");
    let objects = xtensa::compile(project, tools, USER, features)?;
    let start = xtensa::assemble(project, tools, "user-start", &source.join("start.S"))?;
    let out = folder(project)?.join(file);
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
    build_user(project, &tools, None, COUNTED)?;
    build_libraries(project, &tools)?;
    let elf = build_node(project, &tools)?;
    images::make(project, &tools, &elf)
}

/// Boots the image in QEMU with its serial line on a TCP port, until someone ends it.
///
/// # Errors
///
/// When the image does not build, or QEMU ends by itself.
pub fn emulate(project: &Project, port: u16, weights: Option<&Path>) -> Result<()> {
    build(project)?;
    let (tools, folder) = (tools::find()?, folder(project)?);
    let elf = qemu::file(&folder);
    qemu::prepare(&folder.join("merged.bin"), weights, &elf)?;
    println!("the node's serial line is at 127.0.0.1:{port}; it starts when someone connects");
    let status = qemu::start(&tools, &elf, port)?.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("QEMU ended with {status}")) }
}

/// Boots the image in QEMU and runs a test that talks to it. `frames` is for the soak. Returns what
/// the test printed.
fn test_in_qemu(
    project: &Project,
    tools: &Tools,
    package: &str,
    test: &str,
    frames: Option<u32>,
) -> Result<String> {
    let folder = folder(project)?;
    let elf = qemu::file(&folder);
    let model = project.root.join(MODEL);
    qemu::prepare(&folder.join("merged.bin"), Some(&model), &elf)?;
    let port = free_port()?;
    let mut machine = qemu::start(tools, &elf, port)?;
    let result = capture(
        project
            .cargo()
            .args(["test", "--quiet", "--package", package, "--test", test, "--", "--nocapture"])
            .env("CSI_LAB_QEMU", format!("127.0.0.1:{port}"))
            .envs(frames.map(|frames| ("CSI_LAB_SOAK", frames.to_string()))),
    );
    machine.kill().and_then(|()| machine.wait()).map_err(|error| error.to_string())?;
    result
}

/// Sends frames through the node, under QEMU's user mode and, a hundredth of them, over the serial
/// line.
///
/// # Errors
///
/// When one is lost, a bit differs from the host's, or the heap grows.
pub fn soak(project: &Project, frames: u32) -> Result<()> {
    build(project)?;
    let tools = tools::find()?;
    {
        let _lock = lock(project)?;
        soak::in_user_mode(project, &tools, frames)?;
    }
    let printed = test_in_qemu(project, &tools, IMAGE, "soak", Some((frames / 100).max(200)))?;
    printed
        .lines()
        .filter(|line| line.contains(" frames, ") || line.contains(" bytes of "))
        .for_each(|line| println!("over the serial line: {line}"));
    Ok(())
}

/// Counts instructions and compares them with what they may be.
///
/// # Errors
///
/// When the tools are missing, or more instructions are taken than `firmware/budget.txt` allows.
pub fn count(project: &Project) -> Result<()> {
    let tools = tools::find()?;
    let _lock = lock(project)?;
    count::check(project, &tools, &build_user(project, &tools, None, COUNTED)?)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// Builds everything and runs it in QEMU.
///
/// # Errors
///
/// When anything fails.
pub fn verify(project: &Project) -> Result<()> {
    build(project)?;
    let tools = tools::find()?;
    images::inspect(project, &folder(project)?)?;
    for (package, test) in [(IMAGE, "serial_line"), (IMAGE, "recordings"), (CLI, "qemu")] {
        test_in_qemu(project, &tools, package, test, None)?;
    }
    {
        let _lock = lock(project)?;
        soak::in_user_mode(project, &tools, SHORT_SOAK)?;
    }
    count(project)
}

/// Returns the table of hashes that Xtensa code computes, as it prints it.
///
/// # Errors
///
/// When the tools are missing, or the program does not build or ends with an error.
pub fn bits(project: &Project) -> Result<String> {
    let tools = tools::find()?;
    let _lock = lock(project)?;
    let program = build_user(project, &tools, None, COUNTED)?;
    capture(Command::new(&tools.user).args(["-cpu", "de233_fpu"]).arg(program).arg("bits"))
}
