//! A rustc that can build for `wasm32-unknown-unknown`, found or made.
//!
//! In this order:
//! 1. the rustc in use has the target already;
//! 2. a sysroot that an earlier run made, or standard-library files that `cargo xtask vendor` kept;
//! 3. `rustup target add`, the ordinary way;
//! 4. Debian's rustc-web, which comes with the library's source and all that it depends on: the
//!    standard library is built once into the cache.
//!
//! A made sysroot is a folder beside nothing else: its `bin/rustc` runs the base compiler with
//! `--sysroot`, so plain stable cargo commands work with it and neither rustup nor the system
//! changes. Cargo's configuration never sees any of this; only `RUSTC` of a child process does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::packages;
use crate::project::{Project, cargo_program};
use crate::sys::{self, Result, at, capture, find_program, run};

/// The target's name for rustc.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The oldest compiler that the workspace accepts.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Debian's compiler, wherever PATH leads.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// A compiler that has the target.
pub struct WasmRustc {
    /// What to set `RUSTC` to; `None` leaves cargo's own choice.
    pub rustc: Option<PathBuf>,
    /// How it was found, for the log.
    pub how: String,
    /// The folder with the target's `libstd-*.rlib`.
    pub libs: PathBuf,
    /// The commit of the base compiler; the libraries fit no other.
    pub commit: String,
}

/// Finds a compiler that has the target, and sets one up when there is none.
///
/// # Errors
///
/// When nothing can be set up; the message names the command to run.
pub fn wasm_rustc(project: &Project) -> Result<WasmRustc> {
    if let Some(found) = already_there(project)? {
        return Ok(found);
    }
    let _lock = sys::lock(&project.cache.join("toolchain.lock"))?;
    // Another run may have finished it while this one waited.
    if let Some(found) = already_there(project)? {
        return Ok(found);
    }
    let rustup = add_with_rustup();
    if rustup.is_ok()
        && let Some(found) = already_there(project)?
    {
        return Ok(found);
    }
    let rustup = rustup.err().unwrap_or_else(|| "it did not help the rustc in use".to_string());
    eprintln!("rustup target add {TARGET}: {rustup}");
    let base = debian_compiler().map_err(|error| {
        format!(
            "no rustc for {TARGET}.\n\
             The ordinary way, `rustup target add {TARGET}`, failed: {rustup}\n\
             The other way, Debian's compiler: {error}"
        )
    })?;
    let libs = build_std(project, &base)?;
    let made = assemble(project, &base, &libs)?;
    sys::remove_folder(&project.cache.join("std-build"))?;
    Ok(made)
}

/// Steps 1 and 2: the compilers on this machine with what they, the cache or `vendor/` have.
fn already_there(project: &Project) -> Result<Option<WasmRustc>> {
    let in_use = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let in_use = Compiler::ask(&in_use);
    if let Some(base) = &in_use
        && let Ok(libs) =
            capture(base.command().args(["--print", "target-libdir", "--target", TARGET]))
    {
        let libs = PathBuf::from(libs.trim());
        if has_std(&libs) {
            let how = format!("rustc {} has {TARGET}", base.version.release);
            let commit = base.version.commit.clone();
            return Ok(Some(WasmRustc { rustc: None, how, libs, commit }));
        }
    }
    for base in in_use.into_iter().chain(Compiler::ask(Path::new(SYSTEM_RUSTC))) {
        let sysroot = sysroot_folder(project, &base);
        if is_whole(&sysroot, &base) {
            return Ok(Some(made(&sysroot, &base)));
        }
        let kept = vendored_libs(project, &base.version.commit);
        if has_std(&kept) && base.linker().is_some() {
            return assemble(project, &base, &kept).map(Some);
        }
    }
    Ok(None)
}

/// Returns where `cargo xtask vendor` keeps the target's libraries for one compiler.
pub fn vendored_libs(project: &Project, commit: &str) -> PathBuf {
    project.vendor().join(format!("wasm-std-{commit}"))
}

fn sysroot_folder(project: &Project, base: &Compiler) -> PathBuf {
    project.cache.join(format!("wasm-sysroot-{}", base.version.commit))
}

fn libs_in(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

fn has_std(libs: &Path) -> bool {
    sys::files_under(libs).iter().any(|file| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libstd-"))
    })
}

/// A made sysroot refers to its base compiler, which may have moved since.
fn is_whole(sysroot: &Path, base: &Compiler) -> bool {
    has_std(&libs_in(sysroot))
        && Compiler::ask(&sysroot.join("bin/rustc"))
            .is_some_and(|made| made.version == base.version)
}

fn made(sysroot: &Path, base: &Compiler) -> WasmRustc {
    WasmRustc {
        rustc: Some(sysroot.join("bin/rustc")),
        how: format!("rustc {} with the sysroot {}", base.version.release, sysroot.display()),
        libs: libs_in(sysroot),
        commit: base.version.commit.clone(),
    }
}

/// Step 3. The time is short where step 4 can follow, since many build machines reach no rustup
/// server and wait long for it.
fn add_with_rustup() -> Result<()> {
    find_program("rustup").ok_or("rustup is not on PATH")?;
    let limit = if find_program("apt-get").is_some() { 20 } else { 600 };
    eprintln!("rustup target add {TARGET} (at most {limit} s)");
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).stdin(Stdio::null()).stdout(Stdio::null());
    command.env("RUST_BACKTRACE", "0");
    sys::run_within(&mut command, Duration::from_secs(limit))
}

/// A compiler and what it says about itself.
struct Compiler {
    path: PathBuf,
    version: Version,
    sysroot: PathBuf,
}

impl Compiler {
    fn ask(path: &Path) -> Option<Self> {
        let version = Version::parse(&capture(Command::new(path).arg("-vV")).ok()?)?;
        let sysroot = capture(Command::new(path).args(["--print", "sysroot"])).ok()?;
        Some(Self { path: path.to_path_buf(), version, sysroot: PathBuf::from(sysroot.trim()) })
    }

    fn command(&self) -> Command {
        Command::new(&self.path)
    }

    fn own_rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(&self.version.host)
    }

    /// The linker for wasm: the one that came with the compiler, else the lld of the same LLVM.
    fn linker(&self) -> Option<PathBuf> {
        let own = self.own_rustlib().join("bin/rust-lld");
        let llvm = format!("/usr/lib/llvm-{}/bin/lld", self.version.llvm);
        Some(own)
            .filter(|path| path.is_file())
            .or_else(|| find_program(&llvm))
            .or_else(|| find_program(&format!("lld-{}", self.version.llvm)))
    }

    /// The source of the standard library with the crates that it depends on, when installed.
    fn library_source(&self) -> Option<PathBuf> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        Some(library).filter(|path| path.join("vendor").is_dir() && path.join("std").is_dir())
    }
}

/// What `rustc -vV` prints, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub struct Version {
    pub release: String,
    pub commit: String,
    pub host: String,
    /// LLVM's major version, which names Debian's packages.
    pub llvm: u32,
}

impl Version {
    pub fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_string()))
        };
        Some(Self {
            release: value("release:")?,
            commit: value("commit-hash:")?,
            host: value("host:")?,
            llvm: value("LLVM version:")?.split('.').next()?.parse().ok()?,
        })
    }

    fn is_at_least(&self, oldest: &str) -> bool {
        let parts = |text: &str| -> Vec<u32> {
            text.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
        };
        parts(&self.release) >= parts(oldest)
    }
}

/// Step 4: Debian's compiler, with its library source and its lld; installed when missing.
fn debian_compiler() -> Result<Compiler> {
    let ready = || {
        Compiler::ask(Path::new(SYSTEM_RUSTC)).filter(|compiler| {
            compiler.version.is_at_least(OLDEST)
                && compiler.library_source().is_some()
                && compiler.linker().is_some()
        })
    };
    if let Some(compiler) = ready() {
        return Ok(compiler);
    }
    packages::install("Debian's rustc with library source and lld", &debian_line())?;
    ready().ok_or_else(|| {
        format!(
            "after installing, {SYSTEM_RUSTC} is older than {OLDEST} or lacks library source or lld"
        )
    })
}

/// The lld package carries the LLVM version in its name, so the compiler is installed first and
/// then asked.
fn debian_line() -> String {
    let install = "apt-get install -y --no-install-recommends --no-remove";
    format!(
        "{} && {install} lld-$({SYSTEM_RUSTC} -vV | grep -oP \"^LLVM version: \\K[0-9]+\")",
        packages::apt_line(&["rustc-web", "rust-web-src"])
    )
}

/// Builds the standard library from Debian's source. All crates come from that source's own
/// vendor folder, so no network is used. Returns the folder with the rlib files.
fn build_std(project: &Project, base: &Compiler) -> Result<PathBuf> {
    let library = base.library_source().ok_or("the library source disappeared")?;
    let folder = project.cache.join("std-build");
    sys::remove_folder(&folder)?;
    let source = folder.join("src");
    fs::create_dir_all(&source).map_err(at(&source))?;
    let manifest =
        "[package]\nname = \"std-only\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    sys::write_atomically(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    sys::write_atomically(&source.join("lib.rs"), b"#![no_std]\n")?;
    eprintln!("building the standard library for {TARGET} (once, about a minute)");
    run(Command::new(cargo_program())
        .current_dir(&folder)
        .args(["build", "--quiet", "--release", "--offline", "--target", TARGET])
        .arg("-Zbuild-std=std,panic_abort")
        .args(["--config", "source.crates-io.replace-with='library'"])
        .args([
            "--config",
            &format!("source.library.directory='{}'", library.join("vendor").display()),
        ])
        .env("RUSTC", &base.path)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", folder.join("target"))
        // Link-time optimisation of the page's binary needs bitcode in these libraries.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    let libs = folder.join("libs");
    fs::create_dir_all(&libs).map_err(at(&libs))?;
    let built = folder.join("target").join(TARGET).join("release/deps");
    for file in sys::files_under(&built) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libstd_only-") {
            let to = libs.join(&name);
            fs::rename(&file, &to).map_err(at(&to))?;
        }
    }
    Ok(libs)
}

/// Makes a sysroot of a base compiler and the target's libraries, complete or not at all.
fn assemble(project: &Project, base: &Compiler, libs: &Path) -> Result<WasmRustc> {
    let linker = base.linker().ok_or("no lld of the compiler's LLVM version")?;
    let sysroot = sysroot_folder(project, base);
    let part = sysroot.with_extension(format!("part{}", std::process::id()));
    sys::remove_folder(&part)?;
    copy_files(libs, &libs_in(&part))?;
    let host = part.join("lib/rustlib").join(&base.version.host);
    for folder in [part.join("bin"), host.join("bin")] {
        fs::create_dir_all(&folder).map_err(at(&folder))?;
    }
    link(&base.own_rustlib().join("lib"), &host.join("lib"))?;
    link(&linker, &host.join("bin/rust-lld"))?;
    write_wrapper(&part.join("bin/rustc"), &resolved(base)?)?;
    // Another run may have been faster, and its sysroot is as good.
    if !is_whole(&sysroot, base) {
        sys::remove_folder(&sysroot)?;
        fs::rename(&part, &sysroot).map_err(at(&sysroot))?;
    }
    sys::remove_folder(&part)?;
    Ok(made(&sysroot, base))
}

/// The compiler itself behind rustup's proxy, whose choice could change under a cached sysroot.
fn resolved(base: &Compiler) -> Result<PathBuf> {
    let own = base.sysroot.join("bin/rustc");
    Some(own).filter(|path| path.is_file()).ok_or_else(|| {
        format!(
            "{} has no bin/rustc, although rustc says it is its sysroot",
            base.sysroot.display()
        )
    })
}

/// Copies the files of one folder, without its subfolders.
pub fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let file = entry.map_err(at(from))?.path();
        if file.is_file() {
            fs::copy(&file, to.join(file.file_name().unwrap_or_default())).map_err(at(&file))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(to: &Path, from: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, from).map_err(at(from))
}

#[cfg(unix)]
fn write_wrapper(path: &Path, rustc: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let script = format!(
        "#!/bin/sh\nexec '{}' --sysroot \"$(cd \"$(dirname \"$0\")/..\" && pwd -P)\" \"$@\"\n",
        rustc.display()
    );
    fs::write(path, script).map_err(at(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(at(path))
}

#[cfg(not(unix))]
fn link(_to: &Path, _from: &Path) -> Result<()> {
    Err(format!("a sysroot is only made on Unix; run `rustup target add {TARGET}`"))
}

#[cfg(not(unix))]
fn write_wrapper(_path: &Path, _rustc: &Path) -> Result<()> {
    Err(format!("a sysroot is only made on Unix; run `rustup target add {TARGET}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n\
        binary: rustc\ncommit-hash: ac68faa20c58cbccd01ee7208bf3b6e93a7d7f96\n\
        commit-date: 2026-05-25\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\n\
        LLVM version: 22.1.8\n";

    #[test]
    fn a_compilers_words_are_understood() {
        let version = Version::parse(DEBIAN).unwrap();
        assert_eq!(version.release, "1.96.0");
        assert_eq!(version.commit, "ac68faa20c58cbccd01ee7208bf3b6e93a7d7f96");
        assert_eq!(version.host, "x86_64-unknown-linux-gnu");
        assert_eq!(version.llvm, 22);
        assert_eq!(Version::parse("rustc 1.96.0"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        let version = |release: &str| Version {
            release: release.to_string(),
            ..Version::parse(DEBIAN).unwrap()
        };
        assert!(version("1.95.0").is_at_least("1.95"));
        assert!(version("1.100.0").is_at_least("1.95"));
        assert!(version("2.0.0-nightly").is_at_least("1.95"));
        assert!(!version("1.94.1").is_at_least("1.95"));
        assert!(!version("1.63.0").is_at_least("1.95"));
    }

    #[test]
    fn the_line_for_apt_holds_no_quote_that_would_end_the_command() {
        assert!(!debian_line().contains('\''));
    }
}
