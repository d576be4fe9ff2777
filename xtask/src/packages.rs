//! Debian packages: installed when this user may do so, else named in one command to copy.

use std::process::{Command, Stdio};

use crate::sys::{Result, find_program, run};

/// Installs packages by a shell line of apt-get commands: directly as root, through sudo where
/// that asks for no password.
///
/// `what` completes the sentence "... is missing".
///
/// # Errors
///
/// When apt fails, or this user may not install. The message then holds the one command to run.
pub fn install(what: &str, apt_line: &str) -> Result<()> {
    let has_apt = find_program("apt-get").is_some();
    let shell = shell(has_apt, is_root(), sudo_asks_nothing)
        .ok_or_else(|| advice(what, has_apt, apt_line))?;
    eprintln!("{what} is missing, installing it: {apt_line}");
    // stdout stays this program's own: apt's talk goes to stderr.
    run(Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &format!("exec >&2; {apt_line}")])
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .map_err(|error| format!("{what} is missing and apt could not install it: {error}"))
}

/// Returns the shell that may install, if there is one.
fn shell(has_apt: bool, root: bool, sudo: impl Fn() -> bool) -> Option<&'static [&'static str]> {
    match (has_apt, root) {
        (false, _) => None,
        (true, true) => Some(&["sh"]),
        (true, false) => sudo().then_some(&["sudo", "-n", "sh"]),
    }
}

fn advice(what: &str, has_apt: bool, apt_line: &str) -> String {
    if has_apt {
        format!("{what} is missing. Install it and start again:\n  sudo sh -c '{apt_line}'")
    } else {
        format!("{what} is missing. Install it with this system's package manager and start again")
    }
}

/// Returns the apt-get line for packages whose names are known.
///
/// `--no-remove` keeps apt from solving a conflict by removing what the user has.
pub fn apt_line(packages: &[&str]) -> String {
    format!(
        "apt-get update && apt-get install -y --no-install-recommends --no-remove {}",
        packages.join(" ")
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

fn sudo_asks_nothing() -> bool {
    Command::new("sudo")
        .args(["-n", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_never_push_others_out() {
        assert!(apt_line(&["nodejs", "npm"]).ends_with("--no-remove nodejs npm"));
    }

    #[test]
    fn only_who_may_install_does() {
        assert_eq!(shell(true, true, || false), Some(&["sh"][..]));
        assert_eq!(shell(true, false, || true), Some(&["sudo", "-n", "sh"][..]));
        assert_eq!(shell(true, false, || false), None);
        assert_eq!(shell(false, true, || true), None);
    }

    #[test]
    fn everyone_else_gets_one_command() {
        let advice = advice("node", true, "apt-get update && apt-get install -y nodejs");
        let command = "\n  sudo sh -c 'apt-get update && apt-get install -y nodejs'";
        assert!(advice.ends_with(command), "{advice}");
    }
}
