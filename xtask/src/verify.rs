//! Everything that must hold before a change is done, as named steps.
//!
//! A step that fails does not stop the others, except those that need its result. The last line
//! counts the steps, so that a machine sees that they ran.

use std::time::Instant;

use crate::bits;
use crate::boundaries;
use crate::esptool;
use crate::firmware;
use crate::idf;
use crate::page;
use crate::project::Project;
use crate::sys::{Result, capture, run};
use crate::wasm;

/// One step: what it is called, what it shows, which steps must have passed before it.
struct Step {
    name: &'static str,
    about: &'static str,
    needs: &'static [&'static str],
    run: fn(&Project) -> Result<Outcome>,
}

/// How a step ended when it did not fail.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Not possible here, with the reason; neither passed nor failed.
    Skipped(&'static str),
}

const STEPS: [Step; 11] = [
    Step { name: "format", about: "rustfmt finds nothing to change", needs: &[], run: format },
    Step { name: "clippy", about: "no warning in any host target", needs: &[], run: clippy },
    Step { name: "test", about: "all Rust tests on the host", needs: &[], run: test },
    Step { name: "wasm", about: "the page's binary builds", needs: &[], run: build_wasm },
    Step {
        name: "firmware",
        about: "the node's image builds, boots in QEMU and answers as the host does",
        needs: &[],
        run: build_firmware,
    },
    Step { name: "c", about: "the ESP-IDF component, on this host", needs: &[], run: test_c },
    Step {
        name: "boundaries",
        about: "rooms, pins and paths are as agreed",
        needs: &[],
        run: check_boundaries,
    },
    Step { name: "npm", about: "the page's development packages", needs: &[], run: npm },
    Step {
        name: "bits",
        about: "host, wasm and Xtensa give the same bits",
        needs: &["wasm", "firmware"],
        run: check_bits,
    },
    Step {
        name: "types",
        about: "the page's modules are type-checked",
        needs: &["wasm", "npm"],
        run: types,
    },
    Step {
        name: "page",
        about: "the page's tests, in node and Chromium",
        needs: &["wasm", "npm"],
        run: test_page,
    },
];

fn format(project: &Project) -> Result<Outcome> {
    if !has_component(project, "fmt") {
        return Ok(Outcome::Skipped("this toolchain has no rustfmt: rustup component add rustfmt"));
    }
    run(project.cargo().args(["fmt", "--all", "--check", "--", "-l"])).map(|()| Outcome::Passed)
}

fn clippy(project: &Project) -> Result<Outcome> {
    if !has_component(project, "clippy") {
        return Ok(Outcome::Skipped("this toolchain has no clippy: rustup component add clippy"));
    }
    let mut cargo = project.cargo();
    cargo.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    run(&mut cargo).map(|()| Outcome::Passed)
}

fn has_component(project: &Project, command: &str) -> bool {
    capture(project.cargo().args([command, "--version"])).is_ok()
}

fn test(project: &Project) -> Result<Outcome> {
    let mut cargo = project.cargo();
    cargo.args(["test", "--quiet", "--workspace", "--no-fail-fast"]);
    match esptool::find(project) {
        Ok(program) => drop(cargo.env(esptool::VARIABLE, program)),
        Err(why) => println!("esptool: tests against it are skipped: {why}"),
    }
    run(&mut cargo).map(|()| Outcome::Passed)
}

fn build_wasm(project: &Project) -> Result<Outcome> {
    wasm::build(project).map(|_| Outcome::Passed)
}

fn build_firmware(project: &Project) -> Result<Outcome> {
    if !firmware::are_possible() {
        return Ok(Outcome::Skipped("the Xtensa compiler is a package of Debian's"));
    }
    firmware::verify(project).map(|()| Outcome::Passed)
}

fn test_c(project: &Project) -> Result<Outcome> {
    if !idf::is_possible() {
        return Ok(Outcome::Skipped("the stand-in for ESP-IDF is written for Linux"));
    }
    idf::test(project).map(|()| Outcome::Passed)
}

fn check_boundaries(project: &Project) -> Result<Outcome> {
    boundaries::check(project).map(|()| Outcome::Passed)
}

fn check_bits(project: &Project) -> Result<Outcome> {
    // Where nothing builds for Xtensa, the step before this one has said so.
    let xtensa = firmware::are_possible().then(|| firmware::bits(project)).transpose()?;
    bits::check(project, &wasm::page(project)?, xtensa.as_deref()).map(|()| Outcome::Passed)
}

fn npm(project: &Project) -> Result<Outcome> {
    page::install_packages(project).map(|()| Outcome::Passed)
}

fn types(project: &Project) -> Result<Outcome> {
    page::check_types(project).map(|()| Outcome::Passed)
}

fn test_page(project: &Project) -> Result<Outcome> {
    page::test(project).map(|()| Outcome::Passed)
}

/// Returns the steps for the help text.
pub fn help() -> String {
    STEPS.iter().map(|step| format!("  {:<12}{}\n", step.name, step.about)).collect()
}

/// Runs all steps, or one with those that it needs.
///
/// # Errors
///
/// When the named step does not exist or any step failed.
pub fn verify(project: &Project, only: Option<&str>) -> Result<()> {
    let chosen = match only {
        None => STEPS.iter().map(|step| step.name).collect(),
        Some(name) => with_needs(name)?,
    };
    let steps: Vec<&Step> = STEPS.iter().filter(|step| chosen.contains(&step.name)).collect();
    let summary = run_steps(project, &steps);
    for (name, error) in &summary.failed {
        println!("FAILED {name}: {error}");
    }
    // The count is the last line of stdout and of the terminal, so the error adds no line.
    println!("{} passed, {} failed", summary.passed, summary.failed.len());
    if summary.failed.is_empty() { Ok(()) } else { Err(String::new()) }
}

fn with_needs(name: &str) -> Result<Vec<&'static str>> {
    let step = STEPS.iter().find(|step| step.name == name);
    let step =
        step.ok_or_else(|| format!("no step is called `{name}`. The steps are:\n{}", help()))?;
    Ok(step.needs.iter().copied().chain([step.name]).collect())
}

#[derive(Default)]
struct Summary {
    passed: usize,
    skipped: Vec<&'static str>,
    failed: Vec<(&'static str, String)>,
}

fn run_steps(project: &Project, steps: &[&Step]) -> Summary {
    let mut summary = Summary::default();
    for step in steps {
        let broken =
            step.needs.iter().find(|need| summary.failed.iter().any(|(name, _)| name == *need));
        println!("== {}: {}", step.name, step.about);
        let start = Instant::now();
        let result = match broken {
            Some(need) => Err(format!("not run, because {need} failed")),
            None => (step.run)(project),
        };
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(Outcome::Passed) => {
                summary.passed += 1;
                println!("== {} passed ({seconds:.1} s)", step.name);
            }
            Ok(Outcome::Skipped(why)) => {
                summary.skipped.push(step.name);
                println!("== {} SKIPPED: {why}", step.name);
            }
            Err(error) => {
                println!("== {} FAILED ({seconds:.1} s): {error}", step.name);
                summary.failed.push((step.name, error));
            }
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn nowhere() -> Project {
        let nowhere = PathBuf::from("nowhere");
        Project { root: nowhere.clone(), target: nowhere.clone(), cache: nowhere }
    }

    #[test]
    fn a_failure_stops_only_what_needs_it() {
        let pass: fn(&Project) -> Result<Outcome> = |_| Ok(Outcome::Passed);
        let steps = [
            Step { name: "a", about: "", needs: &[], run: |_| Err("broken".to_string()) },
            Step { name: "b", about: "", needs: &["a"], run: pass },
            Step { name: "c", about: "", needs: &["b"], run: pass },
            Step { name: "d", about: "", needs: &[], run: pass },
            Step { name: "e", about: "", needs: &[], run: |_| Ok(Outcome::Skipped("why")) },
        ];
        let summary = run_steps(&nowhere(), &steps.iter().collect::<Vec<_>>());
        assert_eq!(summary.passed, 1);
        assert_eq!(summary.skipped, ["e"]);
        let failed: Vec<_> = summary.failed.iter().map(|(name, _)| *name).collect();
        assert_eq!(failed, ["a", "b", "c"]);
        assert_eq!(summary.failed[1].1, "not run, because a failed");
    }

    #[test]
    fn needs_come_before_the_steps_that_have_them() {
        for (index, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                assert!(
                    STEPS[..index].iter().any(|earlier| earlier.name == *need),
                    "{}",
                    step.name
                );
            }
        }
        assert_eq!(with_needs("types"), Ok(vec!["wasm", "npm", "types"]));
        assert!(with_needs("typos").unwrap_err().contains("`typos`"));
    }
}
