//! From a package to Xtensa machine code: compiled to LLVM's intermediate language, mended,
//! compiled to assembly, mended again, assembled, linked.
//!
//! Debian's LLVM trips over some of the first and of the second ([`super::selects`],
//! [`super::literals`]), hence the steps; in one piece rustc fails. Debian has no linker that knows
//! the windowed instructions; that of the older lx106 core links them as long as it changes none,
//! hence `--no-relax`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tools::Tools;
use super::{literals, narrow, selects};
use crate::project::Project;
use crate::sys::{self, Result, at, capture, run, shown};

const CONFIG: &str = "firmware/xtensa.toml";
/// The file's name is the triple; without `-none` in it compiler_builtins would leave out memcpy.
const TARGET: &str = "firmware/xtensa-esp32s3-none-elf.json";
const PROFILE: &str = "node";

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
/// When the package does not compile.
pub fn compile(
    project: &Project,
    tools: &Tools,
    package: &str,
    features: Option<&str>,
) -> Result<Objects> {
    let work = work(project);
    fs::create_dir_all(&work).map_err(at(&work))?;
    let name = features.map_or(package.to_string(), |features| format!("{package}-{features}"));
    let module = work.join(format!("{name}-{:016x}.ll", settings(project, tools)?));
    if !module.is_file() {
        // Cargo does not know of the file, so it would find everything fresh and write none: also
        // when settings come back that it has built with before.
        forget(&work, &name, "ll")?;
        clean(project, tools, package)?;
    }
    let mut cargo = cargo(project, tools, "rustc");
    cargo
        .args(["--package", package, "--lib", "--message-format", "json-render-diagnostics"])
        .args(features.map(|_| "--no-default-features"))
        .args(features.map(|features| format!("--features={features}")))
        .args(["--", &format!("--emit=llvm-ir={}", module.display())])
        // The library that cargo asks for as well is not used: stop before the back-end.
        .arg("-Cllvm-args=-stop-after=codegenprepare");
    let messages = messages(&mut cargo)?;
    let builtins = builtins_assembly(&messages)
        .ok_or_else(|| format!("`{}` built no compiler_builtins", shown(&cargo)))?;
    Ok(Objects {
        package: assemble(project, tools, &name, &generate(project, tools, &name, &module)?)?,
        builtins: assemble(project, tools, "builtins", &builtins)?,
    })
}

/// Returns a hash of what cargo is told beside the sources.
fn settings(project: &Project, tools: &Tools) -> Result<u64> {
    let read = |file: &str| {
        let path = project.root.join(file);
        fs::read_to_string(&path).map_err(at(&path))
    };
    Ok(hash(&(read(CONFIG)?, read(TARGET)?, &tools.version.release)))
}

/// Compiles a module to assembly; the same module is compiled once.
fn generate(project: &Project, tools: &Tools, name: &str, module: &Path) -> Result<PathBuf> {
    let text = selects::rewritten(&fs::read_to_string(module).map_err(at(module))?);
    let work = work(project);
    let assembly = work.join(format!("{name}-{:016x}.s", hash(&(&text, &tools.compiler, "1"))));
    if !assembly.is_file() {
        forget(&work, name, "s")?;
        let mended = work.join(format!("{name}-mended.ll"));
        sys::write_atomically(&mended, text.as_bytes())?;
        let part = work.join(format!("{name}.part"));
        let mut llc = Command::new(&tools.compiler);
        llc.args(["-O3", "-function-sections", "-data-sections", "-relocation-model=static"])
            // Left to itself, LLVM moves pointers into the middle of what a loop reads, and then
            // takes an addition for every number before that: Xtensa has no negative offsets.
            // 4 to 9 % of all instructions of a classification.
            .args(["-disable-lsr", "-filetype=asm", "-o"])
            .args([&part, &mended]);
        capture(&mut llc).map_err(|error| failure(&error))?;
        fs::rename(&part, &assembly).map_err(at(&assembly))?;
    }
    Ok(assembly)
}

/// What the back-end said, and at which function.
fn failure(error: &str) -> String {
    let line = error.lines().find(|line| line.contains("LLVM ERROR")).unwrap_or(error);
    let function = error.split_once(" on function '@").and_then(|(_, rest)| rest.split_once('\''));
    format!(
        "LLVM cannot compile the function {}: {line}\n\
         docs/firmware.md, \"Rules for code that runs on the node\", says what helps",
        function.map_or("(not named)", |(name, _)| name)
    )
}

/// Removes what an earlier content became.
fn forget(work: &Path, name: &str, extension: &str) -> Result<()> {
    let old = sys::files_under(work).into_iter().filter(|file| {
        let hash = sys::stem(file).strip_prefix(name).map(|rest| rest.len());
        hash == Some(17) && file.extension().is_some_and(|found| found == extension)
    });
    old.into_iter().try_for_each(|file| fs::remove_file(&file).map_err(at(&file)))
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Assembles one file of LLVM's or a person's; the same text is assembled once.
///
/// # Errors
///
/// When the assembler refuses it.
pub fn assemble(project: &Project, tools: &Tools, name: &str, source: &Path) -> Result<PathBuf> {
    let text = narrow::narrowed(&literals::moved(&fs::read_to_string(source).map_err(at(source))?));
    let work = work(project);
    fs::create_dir_all(&work).map_err(at(&work))?;
    let object = work.join(format!("{name}-{:016x}.o", hash(&(&text, &tools.assembler))));
    if !object.is_file() {
        forget(&work, name, "o")?;
        let mended = work.join(format!("{name}-mended.s"));
        let part = work.join(format!("{name}.part"));
        sys::write_atomically(&mended, text.as_bytes())?;
        run(Command::new(&tools.assembler)
            .args(["-triple=xtensa", "-mcpu=esp32", "-filetype=obj", "-o"])
            .args([&part, &mended]))?;
        fs::rename(&part, &object).map_err(at(&object))?;
    }
    Ok(object)
}

/// Links object files by a script.
///
/// # Errors
///
/// When the linker refuses them.
pub fn link(tools: &Tools, script: &Path, objects: &[&Path], out: &Path) -> Result<()> {
    // It repeats itself thousands of times when one thing is wrong.
    let first = |error: String| error.lines().take(8).collect::<Vec<_>>().join("\n");
    capture(
        Command::new(&tools.linker)
            .args(["--no-warn-rwx-segments", "-z", "noexecstack", "--no-relax", "--gc-sections"])
            .arg("-T")
            .arg(script)
            .args(objects)
            .arg("-o")
            .arg(out),
    )
    .map(|_| ())
    .map_err(first)
}

/// Puts one object file into a library, the same bytes each time.
///
/// # Errors
///
/// When the archiver fails.
pub fn archive(tools: &Tools, object: &Path, out: &Path) -> Result<()> {
    // The archiver takes the file's name along, and that one holds a hash.
    let member = out.with_extension("o");
    fs::copy(object, &member).map_err(at(object))?;
    sys::remove_file(out)?;
    capture(Command::new(&tools.archiver).arg("rcsD").args([out, &member]))?;
    sys::remove_file(&member)
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
    Err(format!("`{}` ended with {}", shown(cargo), output.status))
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
    fn the_function_that_the_back_end_fails_at_is_named() {
        let error = "llc ended with 1: LLVM ERROR: Cannot scavenge register\nStack dump:\n\
            1.\tRunning pass 'A' on module 'x'.\n2.\tRunning pass 'B' on function '@_Rsecond'\n";
        let text = failure(error);
        assert!(text.contains("_Rsecond") && text.contains("Cannot scavenge"), "{text}");
        assert!(failure("segfault").contains("segfault"));
    }

    /// Whoever has Espressif's compiler builds for the target that it has built in. Only what is
    /// named here may differ, so that both make the same program.
    #[test]
    fn the_target_is_that_of_espressifs_compiler() {
        use serde_json::Value;
        let ours: Value =
            serde_json::from_str(include_str!("../../../firmware/xtensa-esp32s3-none-elf.json"))
                .unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut ask = Command::new(rustc);
        ask.args(["-Zunstable-options", "--print", "target-spec-json"]);
        ask.args(["--target", "xtensa-esp32s3-none-elf"]).env("RUSTC_BOOTSTRAP", "1");
        let theirs: Value = serde_json::from_str(&capture(&mut ask).unwrap()).unwrap();

        // Debian's LLVM does not know that processor, but each of its features; programs are linked
        // by another program; the rest names the same and changes no code.
        let may_differ =
            [["cpu", "linker", "linker-flavor"], ["vendor", "metadata", "crt-objects-fallback"]]
                .concat();
        for (key, value) in theirs.as_object().unwrap() {
            if key == "data-layout" {
                // What its LLVM says of integers of 8, 16 and 128 bits and of vectors, none of which
                // are passed or stored otherwise for it.
                let parts = |layout: &Value| {
                    let layout = layout.as_str().unwrap().to_string();
                    let no_matter = ["i8:", "i16:", "i128:", "v1:"];
                    let parts = layout.split('-').map(str::to_string);
                    parts.filter(|part| !no_matter.iter().any(|n| part.starts_with(n))).collect()
                };
                let (ours, theirs): (Vec<String>, Vec<String>) = (parts(&ours[key]), parts(value));
                assert_eq!(ours, theirs);
            } else if !may_differ.contains(&key.as_str()) {
                assert_eq!(&ours[key], value, "{key}");
            }
        }
        // Named by neither: QEMU's processor has no upper halves of products (MULUH).
        let features = ours["features"].as_str().unwrap();
        assert!(features.contains("+fp,") && !features.contains("mul32high"));
        assert_eq!(ours["cpu"], "generic");

        // What builds alone, without this module's steps: link-time optimisation needs one type.
        let manifest = include_str!("../../../firmware/abi/Cargo.toml");
        assert!(manifest.contains("crate-type = [\"staticlib\"]"));
        let config: toml::Table =
            toml::from_str(include_str!("../../../firmware/xtensa.toml")).unwrap();
        let node = &config["profile"][PROFILE];
        assert_eq!(
            (node["inherits"].as_str(), node["lto"].as_str()),
            (Some("release"), Some("fat"))
        );
        // Every crate of the core at the same level as Espressif's build has it.
        assert_eq!(node["package"]["csi-temporal"]["opt-level"].as_integer(), Some(3));
    }
}
