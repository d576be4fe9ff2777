//! Espressif's esptool: the judge of images and of what flashes them, not a part of any build.
//!
//! It comes from PyPI at the versions of `firmware/esptool.txt`, into a folder of its own below the
//! cache. `CSI_LAB_ESPTOOL` names another one, and hands this one to Rust tests. Whoever has
//! neither Python nor a network skips what it checks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages;
use crate::project::Project;
use crate::sys::{self, Result, at, capture, find_program};

/// The variable that names the program.
pub const VARIABLE: &str = "CSI_LAB_ESPTOOL";
const PACKAGES: &str = "firmware/esptool.txt";
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
const PROGRAMS: &str = if cfg!(windows) { "Scripts" } else { "bin" };

/// Returns the program, installing it where it is missing.
///
/// # Errors
///
/// When it is missing and cannot be installed; the message says why, for a line that skips.
pub fn find(project: &Project) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return found(Path::new(&path).to_path_buf());
    }
    let listed = project.root.join(PACKAGES);
    let wanted = fs::read_to_string(&listed).map_err(at(&listed))?;
    let folder = project.cache.join("esptool");
    let _lock = sys::lock(&project.cache.join("esptool.lock"))?;
    // Written last, so a folder without it is half of one.
    let done = folder.join("installed.txt");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return found(program(&folder, "esptool"));
    }
    eprintln!("installing esptool into {}", folder.display());
    make_environment(&folder)?;
    capture(pip(&folder).args(["install", "--requirement"]).arg(&listed).args(kept(project)))
        .map_err(|error| last_line(&error))?;
    let program = found(program(&folder, "esptool"))?;
    sys::write_atomically(&done, wanted.as_bytes())?;
    Ok(program)
}

/// Puts what [`find`] installs into `vendor/`, so that it needs no network there.
///
/// # Errors
///
/// When Python is missing or PyPI cannot be asked.
pub fn vendor(project: &Project) -> Result<()> {
    let folder = wheels(project);
    sys::remove_folder(&folder)?;
    let work = project.target.join("xtask-pip");
    make_environment(&work)?;
    let listed = project.root.join(PACKAGES);
    capture(pip(&work).args(["wheel", "--requirement"]).arg(listed).arg("--wheel-dir").arg(folder))
        .map_err(|error| last_line(&error))?;
    sys::remove_folder(&work)
}

/// Returns where `cargo xtask vendor` keeps the packages.
pub fn wheels(project: &Project) -> PathBuf {
    project.vendor().join("pip")
}

fn kept(project: &Project) -> Vec<std::ffi::OsString> {
    let wheels = wheels(project);
    match wheels.is_dir() {
        true => ["--no-index".into(), "--find-links".into(), wheels.into_os_string()].into(),
        false => Vec::new(),
    }
}

fn found(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() { Ok(path) } else { Err(format!("{} is no file", path.display())) }
}

fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(PROGRAMS).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn pip(folder: &Path) -> Command {
    let mut pip = Command::new(program(folder, "python"));
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
    // Without a network pip would try each package for minutes.
    pip.args(["--retries", "1", "--timeout", "10"]);
    pip
}

/// Makes an empty environment, replacing what is there.
fn make_environment(folder: &Path) -> Result<()> {
    sys::remove_folder(folder)?;
    // Debian's python3 has the module without what it needs.
    let ready = || {
        find_program(PYTHON).is_some()
            && capture(Command::new(PYTHON).args(["-c", "import venv, ensurepip"])).is_ok()
    };
    if !ready() {
        packages::install("python3-venv", &packages::apt_line(&["python3-venv"]))?;
    }
    capture(Command::new(PYTHON).args(["-m", "venv"]).arg(folder)).map(|_| ())
}

/// pip says in its last line what went wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().rev().find(|line| line.contains("ERROR:"));
    line.unwrap_or(error).trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_one_version() {
        let listed = include_str!("../../firmware/esptool.txt");
        let lines: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.iter().any(|line| line.starts_with("esptool==")));
        for line in lines {
            let version = line.split_once("==").expect("one version").1;
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{line}");
        }
    }

    #[test]
    fn pips_last_error_is_the_reason() {
        let error = "`python -m pip` ended with 1: WARNING: x\nERROR: no y\nERROR: No z\nnotice\n";
        assert_eq!(last_line(error), "ERROR: No z");
        assert_eq!(last_line("cannot start"), "cannot start");
    }
}
