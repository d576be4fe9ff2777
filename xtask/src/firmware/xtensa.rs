//! From a package to Xtensa machine code: compiled to assembly, mended, assembled, linked.
//!
//! rustc's own object files cannot be used (see [`super::literals`]), and Debian has no linker
//! that knows the windowed instructions; that of the older lx106 core links them as long as it
//! changes none, hence `--no-relax`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::literals;
use super::tools::Tools;
use crate::project::Project;
use crate::sys::{self, Result, at, capture, run, shown};

const CONFIG: &str = "firmware/xtensa.toml";
/// The file's name is the triple; without `-none` in it compiler_builtins would leave out memcpy.
const TARGET: &str = "firmware/xtensa-esp32s3-none-elf.json";
const PROFILE: &str = "firmware";

/// The object files of one package with all that it depends on.
pub struct Objects {
    pub package: PathBuf,
    /// What compiled code expects of every target: memcpy, division of floats.
    pub builtins: PathBuf,
}

/// Compiles a package whose only crate type is `staticlib`.
///
/// # Errors
///
/// When the package does not compile. Two messages of LLVM that name no line of the source are
/// explained.
pub fn compile(project: &Project, tools: &Tools, package: &str) -> Result<Objects> {
    let work = work(project);
    fs::create_dir_all(&work).map_err(at(&work))?;
    let assembly = work.join(format!("{package}.s"));
    if !assembly.is_file() {
        // Cargo does not know of the file, so it would find everything fresh and write none.
        clean(project, tools, package)?;
    }
    let mut cargo = cargo(project, tools, "rustc");
    cargo
        .args(["--package", package, "--lib", "--message-format", "json-render-diagnostics"])
        .args(["--", &format!("--emit=asm={}", assembly.display())]);
    let messages = messages(&mut cargo)?;
    let builtins = builtins_assembly(&messages)
        .ok_or_else(|| format!("`{}` built no compiler_builtins", shown(&cargo)))?;
    Ok(Objects {
        package: assemble(project, tools, &assembly)?,
        builtins: assemble(project, tools, &builtins)?,
    })
}

/// Assembles one file of LLVM's or a person's; the same text is assembled once.
///
/// # Errors
///
/// When the assembler refuses it.
pub fn assemble(project: &Project, tools: &Tools, source: &Path) -> Result<PathBuf> {
    let text = literals::moved(&fs::read_to_string(source).map_err(at(source))?);
    let mut hasher = DefaultHasher::new();
    (&text, &tools.assembler).hash(&mut hasher);
    let name = format!("{}-{:016x}", sys::stem(source), hasher.finish());
    let work = work(project);
    fs::create_dir_all(&work).map_err(at(&work))?;
    let (mended, object) = (work.join(format!("{name}.s")), work.join(format!("{name}.o")));
    if !object.is_file() {
        let part = work.join(format!("{name}.part{}", std::process::id()));
        sys::write_atomically(&mended, text.as_bytes())?;
        run(Command::new(&tools.assembler)
            .args(["-triple=xtensa", "-mcpu=esp32", "-filetype=obj", "-o"])
            .args([&part, &mended]))?;
        fs::rename(&part, &object).map_err(at(&object))?;
        fs::remove_file(&mended).map_err(at(&mended))?;
    }
    Ok(object)
}

/// Links object files by a script.
///
/// # Errors
///
/// When the linker refuses them.
pub fn link(tools: &Tools, script: &Path, objects: &[&Path], out: &Path) -> Result<()> {
    run(Command::new(&tools.linker)
        .args(["--no-warn-rwx-segments", "-z", "noexecstack", "--no-relax", "--gc-sections"])
        .arg("-T")
        .arg(script)
        .args(objects)
        .arg("-o")
        .arg(out))
}

/// Where the files between source and result are.
pub fn work(project: &Project) -> PathBuf {
    project.target.join("xtask-firmware")
}

fn cargo(project: &Project, tools: &Tools, command: &str) -> Command {
    let mut cargo = project.cargo();
    cargo
        .args(["--config", CONFIG, command, "--quiet", "--profile", PROFILE, "--target", TARGET])
        .env("RUSTC", &tools.rustc)
        // Cargo and rustc are stable ones; building `core` for a target is not.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

fn clean(project: &Project, tools: &Tools, package: &str) -> Result<()> {
    capture(cargo(project, tools, "clean").args(["--package", package])).map(|_| ())
}

/// Runs cargo and returns its messages for machines; those for people are shown, without the
/// host's compiler not knowing a feature of Xtensa.
fn messages(cargo: &mut Command) -> Result<String> {
    let output = cargo
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start `{}`: {error}", shown(cargo)))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    for line in stderr.lines().filter(|line| !line.contains("is not a recognized feature")) {
        eprintln!("{line}");
    }
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let advice = advice(&stderr).map(|advice| format!("\n{advice}")).unwrap_or_default();
    Err(format!("`{}` ended with {}{advice}", shown(cargo), output.status))
}

/// What to do about the back-end's own failures.
fn advice(stderr: &str) -> Option<&'static str> {
    let rules = [
        (
            "Cannot select",
            "The function named above chooses between two f32 constants. Rule 1 of \
             docs/firmware.md: take them from a static table, or choose between integers.",
        ),
        (
            "Cannot scavenge register",
            "A function has too many local arrays. Rule 2 of docs/firmware.md: move them to the \
             heap or to a static, or split the function with #[inline(never)].",
        ),
    ];
    rules.iter().find(|(message, _)| stderr.contains(message)).map(|(_, advice)| *advice)
}

/// The hash in the file's name is known from cargo's messages only.
fn builtins_assembly(messages: &str) -> Option<PathBuf> {
    let mut files = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let name = message.get("target")?.get("name")?.as_str()?;
        let rlib = message.get("filenames")?.as_array()?.iter().find_map(|file| {
            let file = file.as_str()?;
            file.ends_with(".rlib").then(|| PathBuf::from(file))
        })?;
        (name == "compiler_builtins").then_some(rlib)
    });
    let rlib = files.next_back()?;
    let name = rlib.file_stem()?.to_str()?.strip_prefix("lib")?;
    Some(rlib.with_file_name(format!("{name}.s")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assembly_of_the_builtins_is_found_by_cargos_words() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"core\"},\
            \"filenames\":[\"/t/deps/libcore-1.rlib\"]}\nnoise\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"compiler_builtins\"},\
            \"filenames\":[\"/t/deps/libcompiler_builtins-0a.rlib\",\"/t/deps/x.rmeta\"]}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        let found = builtins_assembly(messages);
        assert_eq!(found, Some(PathBuf::from("/t/deps/compiler_builtins-0a.s")));
        assert_eq!(builtins_assembly("{}\n"), None);
    }

    #[test]
    fn failures_of_the_back_end_get_advice() {
        let select = "rustc-LLVM ERROR: Cannot select: 0x7: i32 = <<Unknown>>\nIn function: f\n";
        assert!(advice(select).unwrap().contains("Rule 1"));
        assert!(advice("LLVM ERROR: Cannot scavenge register without").unwrap().contains("Rule 2"));
        assert_eq!(advice("error[E0308]: mismatched types"), None);
    }
}
