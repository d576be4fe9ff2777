//! The build driver: sets up what is missing, builds, serves, tests and measures.
//!
//! `cargo lab` and `cargo verify` are aliases of two of its commands. It knows folders and
//! programs; it holds no logic of the lab.

mod bench;
mod bits;
mod boundaries;
mod esptool;
mod firmware;
mod idf;
mod packages;
mod page;
mod project;
mod serve;
mod sys;
mod toolchain;
mod vendor;
mod verify;
mod wasm;

use std::process::{Command, ExitCode, Stdio};

use project::Project;
use sys::{Result, find_program};

const HELP: &str = "\
cargo lab [--port N] [--no-open]   build what changed and serve the page on 127.0.0.1
cargo verify [--only STEP]         run all checks and tests, or one with what it needs
cargo xtask wasm                   build the page's binary into web/pkg
cargo xtask boundaries             check what the architecture forbids
cargo xtask bits                   compare the output bits of host, page and Xtensa code
cargo xtask bench page [--write]   measure the page in Chromium
cargo xtask bench kernel [--quick] [--write]
                                   measure attention natively, in node and in Chromium
cargo xtask bench accuracy [--write]
                                   hold every pattern against dense attention
cargo xtask bench training [--write]
                                   train heads on public recordings and test them on others
cargo xtask firmware               build the node's image into target/firmware
cargo xtask qemu [--port N] [--weights FILE]   boot that image in QEMU, serial line on TCP
cargo xtask count                  count the node's instructions and compare with the budget
cargo xtask soak [--frames N]      send frames through the node under QEMU; 1,000,000 unless told
cargo xtask esptool                install Espressif's esptool into the cache and print its path
cargo xtask vendor                 fill vendor/, to build with the network off
cargo xtask help                   this text

What is missing is installed on Debian by root, or named in one command to copy. CHROMIUM names a
browser, CARGO_TARGET_DIR and XDG_CACHE_HOME move what is kept. Steps of cargo verify:
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A step that printed its own report leaves nothing to say.
            if !error.is_empty() {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result<()> {
    match words {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", help());
            Ok(())
        }
        ["lab", options @ ..] => lab(options),
        ["verify"] => verify::verify(&Project::find()?, None),
        ["verify", "--only", step] => verify::verify(&Project::find()?, Some(step)),
        ["wasm"] => built().map(|(project, page)| {
            println!("{}", project.short(&page.folder).display());
        }),
        ["boundaries"] => boundaries::check(&Project::find()?),
        ["bits"] => built().and_then(|(project, page)| {
            bits::check(&project, &page, Some(&firmware::bits(&project)?))
        }),
        ["bench", what @ ..] => bench::run(what),
        ["firmware"] => firmware::build(&Project::find()?),
        ["count"] => firmware::count(&Project::find()?),
        ["qemu", options @ ..] => emulate(options),
        ["soak"] => firmware::soak(&Project::find()?, 1_000_000),
        ["soak", "--frames", frames] => {
            let frames = frames.parse().map_err(|_| "--frames needs a number")?;
            firmware::soak(&Project::find()?, frames)
        }
        ["esptool"] => {
            println!("{}", esptool::find(&Project::find()?)?.display());
            Ok(())
        }
        ["vendor"] => vendor::fill(&Project::find()?),
        _ => Err(format!("unknown command `{}`\n{}", words.join(" "), help())),
    }
}

fn help() -> String {
    format!("{HELP}{}", verify::help())
}

/// Finds the project and brings the page's binary up to date.
fn built() -> Result<(Project, wasm::Page)> {
    let project = Project::find()?;
    let page = wasm::build(&project)?;
    Ok((project, page))
}

fn emulate(options: &[&str]) -> Result<()> {
    let (mut port, mut weights) = (5555, None);
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option {
            "--port" => port = value.parse().map_err(|_| "--port needs a number to 65535")?,
            "--weights" => weights = Some(std::path::Path::new(value)),
            _ => return Err(format!("cargo xtask qemu does not know `{option}`\n{}", help())),
        }
    }
    firmware::emulate(&Project::find()?, port, weights)
}

fn lab(options: &[&str]) -> Result<()> {
    let (port, open) = lab_options(options)?;
    let (project, _) = built()?;
    let server = serve::Server::bind(&project, port)?;
    let url = server.url();
    println!("The lab is at {url} (Ctrl-C ends it)");
    if open {
        open_browser(&url);
    }
    server.run();
    Ok(())
}

fn lab_options(options: &[&str]) -> Result<(Option<u16>, bool)> {
    let (mut port, mut open) = (None, true);
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        match option {
            "--no-open" => open = false,
            "--port" => {
                let number = rest.next().and_then(|number| number.parse::<u16>().ok());
                port = Some(number.ok_or("--port needs a number from 0 to 65535")?);
            }
            _ => return Err(format!("cargo lab does not know `{option}`\n{}", help())),
        }
    }
    Ok((port, open))
}

/// Opens the page where a person sits at a screen; the printed address serves everyone else.
fn open_browser(url: &str) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let opener = match std::env::consts::OS {
        "macos" => Some("open"),
        "windows" => Some("explorer"),
        _ if set("DISPLAY") || set("WAYLAND_DISPLAY") => Some("xdg-open"),
        _ => None,
    };
    if let Some(opener) = opener.filter(|_| !set("CI")).and_then(find_program) {
        let quiet = || Stdio::null();
        let _ =
            Command::new(opener).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_lab_are_read() {
        assert_eq!(lab_options(&[]), Ok((None, true)));
        assert_eq!(lab_options(&["--port", "9000", "--no-open"]), Ok((Some(9000), false)));
        for wrong in [&["--port"][..], &["--port", "70000"], &["--prot", "1"], &["8137"]] {
            assert!(lab_options(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn unknown_commands_are_refused() {
        assert!(dispatch(&["lba"]).unwrap_err().contains("`lba`"));
    }
}
