//! Programs that run in or beside the page: node, npm packages, Chromium, tests, measurements.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::packages;
use crate::project::Project;
use crate::serve::Server;
use crate::sys::{self, Result, at, find_program, run, run_within};

/// All browser tests together must end within this time; a hanging page would block CI.
const TESTS_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Returns node, installed first when it is missing.
///
/// # Errors
///
/// When it cannot be installed; the message names the command to run.
pub fn node() -> Result<PathBuf> {
    program("node", &["node"], &node_line())
}

/// Returns Chromium: `$CHROMIUM`, one on PATH, or one installed now.
///
/// # Errors
///
/// When `$CHROMIUM` names no program, or none can be installed.
pub fn chromium() -> Result<PathBuf> {
    if let Some(given) = std::env::var("CHROMIUM").ok().filter(|given| !given.is_empty()) {
        return find_program(&given)
            .ok_or_else(|| format!("CHROMIUM is set to `{given}`, which is no program"));
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    program("Chromium", &names, &packages::apt_line(&["chromium"]))
}

/// Some nodejs packages bring npm and refuse the package of that name, so it comes second.
fn node_line() -> String {
    let npm = packages::apt_line(&["npm"]);
    format!("{} && {{ command -v npm || {{ {npm}; }}; }}", packages::apt_line(&["nodejs"]))
}

fn program(what: &str, names: &[&str], apt_line: &str) -> Result<PathBuf> {
    let find = || names.iter().find_map(|name| find_program(name));
    if let Some(found) = find() {
        return Ok(found);
    }
    packages::install(what, apt_line)?;
    find().ok_or_else(|| format!("{what} is still not on PATH after `{apt_line}`"))
}

/// Returns the cache that `cargo xtask vendor` fills for builds without a network.
pub fn npm_cache(project: &Project) -> PathBuf {
    project.vendor().join("npm")
}

/// Installs the page's development packages as its lock file says, when they are missing or
/// older than that file.
///
/// # Errors
///
/// When npm is missing and cannot be installed, or fails.
pub fn install_packages(project: &Project) -> Result<()> {
    let kept = Some(npm_cache(project)).filter(|cache| cache.is_dir());
    install_packages_of(project, "web", kept.as_deref())
}

/// As [`install_packages`], for the lock file of any folder; from a cache without the network where
/// one is given.
///
/// # Errors
///
/// As [`install_packages`].
pub fn install_packages_of(project: &Project, folder: &str, cache: Option<&Path>) -> Result<()> {
    let _lock = sys::lock(&project.target.join("xtask-npm.lock"))?;
    let inside = project.root.join(folder);
    let changed = |file: &str| fs::metadata(inside.join(file)).and_then(|m| m.modified()).ok();
    let wanted = changed("package-lock.json")
        .ok_or_else(|| format!("{folder}/package-lock.json is missing"))?;
    // npm writes this file last.
    if changed("node_modules/.package-lock.json").is_some_and(|done| done >= wanted) {
        return Ok(());
    }
    npm_ci(&inside, cache, true)
}

/// Runs `npm ci` in a folder, with a cache of its own where one is given.
pub fn npm_ci(web: &Path, cache: Option<&Path>, offline: bool) -> Result<()> {
    node()?;
    let mut npm = npm()?;
    npm.current_dir(web).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    if let Some(cache) = cache {
        npm.arg("--cache").arg(cache);
        if offline {
            npm.arg("--offline");
        }
    }
    run(&mut npm)
}

fn npm() -> Result<Command> {
    program("npm", &["npm"], &packages::apt_line(&["npm"])).map(Command::new)
}

/// Checks the types of the page's modules, also against the types of the binary.
///
/// # Errors
///
/// When the compiler reports anything.
pub fn check_types(project: &Project) -> Result<()> {
    run(npm()?.current_dir(project.root.join("web")).args(["run", "--silent", "check"]))
}

/// Runs every `*.test.js` and `*.test.mjs` below `web/test`, with a server of its own, and those of
/// the measurements, below `bench/test`.
///
/// # Errors
///
/// When there is no test, or one fails.
pub fn test(project: &Project) -> Result<()> {
    let is_test = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".test.js") || name.ends_with(".test.mjs")
    };
    let tests_under =
        |folder: &str| sys::files_under(&project.root.join(folder)).into_iter().filter(is_test);
    let mut tests: Vec<_> = tests_under("web/test").collect();
    if tests.is_empty() {
        return Err("web/test holds no *.test.js or *.test.mjs".to_string());
    }
    tests.extend(tests_under("bench/test"));
    let mut node = node_with_page(project)?;
    // One at a time: several browsers at once would make each other's timings wrong.
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]).args(tests);
    run_within(&mut node, TESTS_LIMIT)
}

/// Runs `web/bench/page.mjs`, which measures the page in Chromium.
///
/// # Errors
///
/// When the page cannot be built or the program fails.
pub fn bench(project: &Project, arguments: &[&str]) -> Result<()> {
    let script = project.root.join("web/bench/page.mjs");
    if !script.is_file() {
        return Err(format!("{} is missing", project.short(&script).display()));
    }
    install_packages(project)?;
    run(node_with_page(project)?.arg(script).args(arguments))
}

/// Returns node with what tests and measurements need: a running server, a browser, the command
/// line program and a folder for pictures, each in an environment variable.
fn node_with_page(project: &Project) -> Result<Command> {
    let chromium = chromium()?;
    run(project.cargo().args(["build", "--quiet", "--package", "csi-cli"]))?;
    let csi = project.target.join("debug").join(format!("csi{}", std::env::consts::EXE_SUFFIX));
    let screens = project.root.join("target/screens");
    fs::create_dir_all(&screens).map_err(at(&screens))?;
    let server = Server::bind(project, Some(0))?;
    let mut node = Command::new(node()?);
    node.current_dir(&project.root)
        .env("LAB_URL", server.url())
        .env("CHROMIUM", chromium)
        .env("CSI_BIN", csi)
        .env("FIRMWARE_DIR", project.target.join("firmware"))
        .env("SCREENS_DIR", screens);
    // It answers until this process ends.
    std::thread::spawn(move || server.run());
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_node_is_shell_and_fits_in_quotes() {
        let line = node_line();
        assert!(!line.contains('\''));
        let checked = Command::new("sh").args(["-n", "-c", &line]).status().unwrap();
        assert!(checked.success(), "{line}");
    }
}
