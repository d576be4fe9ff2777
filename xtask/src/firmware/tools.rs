//! The programs that build for Xtensa: Debian's packages, looked at before anything is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages;
use crate::sys::{Result, capture, find_program};
use crate::toolchain::Version;

/// Debian's compiler. Its LLVM has an Xtensa back-end; that of rustup's compilers is older or
/// built without one.
const RUSTC: &str = "/usr/bin/rustc";
const LIBRARY: &str = "/usr/lib/rustlib/src/rust/library/Cargo.toml";
const LINKER: &str = "xtensa-lx106-elf-ld";
const USER: &str = "qemu-xtensa";
const SYSTEM: &str = "qemu-system-xtensa";

/// The compilers that build the node so that its bits are right: minor version and LLVM's major
/// one. The back-end is young, and another version fails in other places.
const TRIED: [(u32, u32); 1] = [(96, 22)];

/// Switches the check of versions off, for whoever tries a new one.
const UNTRIED: &str = "CSI_LAB_UNTRIED_COMPILER";

/// Everything there is, with versions that were tried.
pub struct Tools {
    pub rustc: PathBuf,
    /// From LLVM's intermediate language to assembly.
    pub compiler: PathBuf,
    pub assembler: PathBuf,
    pub archiver: PathBuf,
    pub linker: PathBuf,
    pub user: PathBuf,
    pub system: PathBuf,
    pub version: Version,
}

/// Finds the programs, and installs Debian's packages when some are missing.
///
/// # Errors
///
/// When they cannot be installed, or the compiler is not one that was tried.
pub fn find() -> Result<Tools> {
    let missing = match look()? {
        Ok(tools) => return Ok(tools),
        Err(missing) => missing,
    };
    packages::install(&missing.join(", "), &line())?;
    look()?.map_err(|missing| format!("after installing, {} is still missing", missing.join(", ")))
}

/// True where nothing is missing, or `apt-get` can bring it.
pub fn are_possible() -> bool {
    find_program("apt-get").is_some() || matches!(look(), Ok(Ok(_)))
}

/// Returns the manifest of Rust's library, which is compiled along, where its source is installed.
pub fn library() -> Option<&'static Path> {
    Some(Path::new(LIBRARY)).filter(|manifest| manifest.is_file())
}

/// The versions of LLVM's packages follow the compiler, so it is installed first and then asked.
fn line() -> String {
    let first =
        ["rustc-web", "rust-web-src", "binutils-xtensa-lx106", "qemu-user", "qemu-system-misc"];
    format!(
        "{} && apt-get install -y --no-install-recommends --no-remove \
         llvm-$({RUSTC} -vV | grep -oP \"^LLVM version: \\K[0-9]+\")",
        packages::apt_line(&first)
    )
}

/// Returns the tools or the names of those that are missing.
fn look() -> Result<std::result::Result<Tools, Vec<String>>> {
    let version = capture(Command::new(RUSTC).arg("-vV")).ok().and_then(|v| Version::parse(&v));
    let llvm = match &version {
        Some(version) => {
            judge(version, std::env::var_os(UNTRIED).is_some())?;
            version.llvm
        }
        None => 0,
    };
    let mut missing = Vec::new();
    if version.is_none() {
        missing.push(RUSTC.to_string());
    }
    if library().is_none() {
        missing.push("Rust's library source".to_string());
    }
    let mut program = |name: &str| {
        find_program(name).unwrap_or_else(|| {
            missing.push(name.to_string());
            PathBuf::new()
        })
    };
    let [compiler, assembler, archiver, linker, user, system] = [
        &format!("llc-{llvm}"),
        &format!("llvm-mc-{llvm}"),
        &format!("llvm-ar-{llvm}"),
        LINKER,
        USER,
        SYSTEM,
    ]
    .map(&mut program);
    let rustc = PathBuf::from(RUSTC);
    Ok(match version {
        Some(version) if missing.is_empty() => {
            Ok(Tools { rustc, compiler, assembler, archiver, linker, user, system, version })
        }
        _ => Err(missing),
    })
}

/// Refuses a compiler that nobody has tried.
fn judge(version: &Version, untried_too: bool) -> Result<()> {
    let minor = version.release.split('.').nth(1).and_then(|minor| minor.parse().ok());
    let tried = TRIED.iter().any(|&(m, llvm)| minor == Some(m) && version.llvm == llvm);
    if tried || untried_too {
        return Ok(());
    }
    let known: Vec<_> = TRIED.iter().map(|(m, llvm)| format!("1.{m} with LLVM {llvm}")).collect();
    Err(format!(
        "{RUSTC} is {} with LLVM {}; for Xtensa only {} was tried. Install that, or set \
         {UNTRIED}=1 and see that `cargo xtask bits` agrees",
        version.release,
        version.llvm,
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(release: &str, llvm: u32) -> Version {
        Version { release: release.into(), commit: "c".into(), host: "h".into(), llvm }
    }

    #[test]
    fn an_untried_compiler_is_named_before_anything_is_built() {
        assert_eq!(judge(&version("1.96.0", 22), false), Ok(()));
        for (release, llvm) in [("1.97.1", 22), ("1.96.0", 23), ("1.63.0", 14), ("x", 22)] {
            let error = judge(&version(release, llvm), false).unwrap_err();
            assert!(error.contains(release) && error.contains(&llvm.to_string()), "{error}");
            assert_eq!(judge(&version(release, llvm), true), Ok(()));
        }
    }
}
