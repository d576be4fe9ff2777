//! The ESP-IDF component on the host: its C, the static library built for this machine, and a
//! stand-in for what ESP-IDF and FreeRTOS do.
//!
//! It proves neither that ESP-IDF's build takes the component nor anything about a board.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::project::Project;
use crate::sys::{Result, at, capture, find_program, run, run_within};

const COMPONENT: &str = "firmware/idf-component";
const TASK: [&str; 2] = ["temporal_task.c", "temporal_weights.c"];
const LIMIT: Duration = Duration::from_secs(120);

/// One program: its test, what it is linked with, how Kconfig would have set it up.
struct Program {
    name: &'static str,
    test: &'static str,
    sources: &'static [&'static str],
    defines: &'static [&'static str],
    /// Which build of the library, if any.
    memory: Option<Memory>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Regions,
    Malloc,
}

const PROGRAMS: [Program; 7] = [
    Program {
        name: "library-regions",
        test: "test_abi.c",
        sources: &[],
        defines: &["HEAP_REGION"],
        memory: Some(Memory::Regions),
    },
    Program {
        name: "library-malloc",
        test: "test_abi.c",
        sources: &[],
        defines: &[],
        memory: Some(Memory::Malloc),
    },
    Program {
        name: "task-partition",
        test: "test_task.c",
        sources: &TASK,
        defines: &["CONFIG_CSI_TEMPORAL_HEAP_REGION", "CONFIG_CSI_TEMPORAL_WEIGHTS_PARTITION"],
        memory: Some(Memory::Regions),
    },
    Program {
        name: "task-nvs",
        test: "test_task.c",
        sources: &TASK,
        defines: &["CONFIG_CSI_TEMPORAL_HEAP_REGION", "CONFIG_CSI_TEMPORAL_WEIGHTS_NVS"],
        memory: Some(Memory::Regions),
    },
    Program {
        name: "task-embedded",
        test: "test_task.c",
        sources: &TASK,
        defines: &["CONFIG_CSI_TEMPORAL_HEAP_REGION", "CONFIG_CSI_TEMPORAL_WEIGHTS_EMBEDDED"],
        memory: Some(Memory::Regions),
    },
    Program {
        name: "task-malloc",
        test: "test_task.c",
        sources: &TASK,
        defines: &["CONFIG_CSI_TEMPORAL_HEAP_MALLOC", "CONFIG_CSI_TEMPORAL_WEIGHTS_NVS"],
        memory: Some(Memory::Malloc),
    },
    Program {
        name: "disabled",
        test: "test_disabled.c",
        sources: &TASK,
        defines: &["IDF_DISABLED"],
        memory: None,
    },
];

/// Tells whether this host can: the stand-in is written for Linux.
pub fn is_possible() -> bool {
    cfg!(target_os = "linux")
}

/// Compiles everything without a warning and runs every program.
///
/// # Errors
///
/// When something does not compile or a check fails.
pub fn test(project: &Project) -> Result<()> {
    let folder = project.target.join("idf");
    std::fs::create_dir_all(&folder).map_err(at(&folder))?;
    run(project
        .cargo()
        .args(["run", "--quiet", "--package", "csi-node", "--example", "c_fixture", "--"])
        .arg(&folder))?;
    let embedded = embed(&folder)?;
    let libraries = [(Memory::Regions, &[][..]), (Memory::Malloc, MALLOC)]
        .map(|(memory, features)| Ok((memory, library(project, &folder, features)?)));
    let libraries: Vec<(Memory, PathBuf)> = libraries.into_iter().collect::<Result<_>>()?;
    headers_suit_cpp(project)?;
    let sanitizers = sanitizers(&folder);
    for program in &PROGRAMS {
        let library = program.memory.map(|memory| {
            let library = libraries.iter().find(|(which, _)| *which == memory);
            library.expect("both were built").1.as_path()
        });
        let binary = compile(project, program, &folder, &embedded, library, sanitizers)?;
        println!("{}:", program.name);
        run_within(Command::new(binary).arg(&folder), LIMIT)?;
    }
    Ok(())
}

const MALLOC: &[&str] = &["--no-default-features", "--features", "malloc"];

/// Builds the library for this host, each kind in a folder of its own.
fn library(project: &Project, folder: &Path, features: &[&str]) -> Result<PathBuf> {
    let target = if features.is_empty() { project.target.clone() } else { folder.join("malloc") };
    let mut cargo = project.cargo();
    cargo.args(["build", "--quiet", "--package", "ruv-temporal"]).args(features);
    run(cargo.arg("--target-dir").arg(&target))?;
    Ok(target.join("debug/libruv_temporal.a"))
}

/// Makes an object of the weights, with the names that ESP-IDF's EMBED_FILES gives.
fn embed(folder: &Path) -> Result<PathBuf> {
    const NAME: &str = "ruv_temporal_weights.rvne";
    let (from, to) = (folder.join("blob.rvne"), folder.join(NAME));
    std::fs::copy(&from, to).map_err(at(&from))?;
    let mut ld = Command::new("ld");
    ld.current_dir(folder).args(["-r", "-z", "noexecstack", "-b", "binary", "-o", "weights.o"]);
    run(ld.arg(NAME))?;
    Ok(folder.join("weights.o"))
}

/// C++ firmware includes the headers too. Without a C++ compiler this says nothing.
fn headers_suit_cpp(project: &Project) -> Result<()> {
    let Some(cpp) = find_program("c++") else {
        println!("no c++ here: the headers were not tried with it");
        return Ok(());
    };
    let mut cpp = Command::new(cpp);
    cpp.current_dir(project.root.join(COMPONENT));
    run(cpp.args(["-std=gnu++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).args([
        "-Iinclude",
        "-Itest/idf",
        "test/headers.cpp",
    ]))
}

/// Checks of addresses and of undefined behaviour, where the compiler has them.
fn sanitizers(folder: &Path) -> &'static [&'static str] {
    const FLAGS: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let source = folder.join("empty.c");
    let written = std::fs::write(&source, "int main(void) { return 0; }\n");
    let mut cc = cc();
    cc.args(FLAGS).arg(&source).arg("-o").arg(folder.join("empty"));
    let works = written.is_ok() && capture(&mut cc).is_ok();
    if works { FLAGS } else { &[] }
}

fn cc() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

fn compile(
    project: &Project,
    program: &Program,
    folder: &Path,
    embedded: &Path,
    library: Option<&Path>,
    sanitizers: &[&str],
) -> Result<PathBuf> {
    let binary = folder.join(program.name);
    let mut cc = cc();
    cc.current_dir(project.root.join(COMPONENT));
    cc.args(["-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]).args(sanitizers);
    cc.args(["-Iinclude", "-I.", "-Itest", "-Itest/idf"]);
    cc.args(program.defines.iter().map(|name| format!("-D{name}")));
    cc.arg(Path::new("test").join(program.test)).args(program.sources);
    if let Some(library) = library {
        cc.args(["ruv_port.c", "test/idf/idf.c"]).arg(embedded).arg(library);
    }
    cc.args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&binary);
    run(&mut cc)?;
    Ok(binary)
}
