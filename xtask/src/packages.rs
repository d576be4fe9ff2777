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
    if find_program("apt-get").is_none() {
        return Err(format!(
            "{what} is missing, and this system has no apt-get to install it with"
        ));
    }
    let shell: &[&str] = if is_root() {
        &["sh"]
    } else if sudo_asks_nothing() {
        &["sudo", "-n", "sh"]
    } else {
        return Err(format!(
            "{what} is missing. Install it and start again:\n  sudo sh -c '{apt_line}'"
        ));
    };
    eprintln!("{what} is missing, installing it: {apt_line}");
    // stdout stays this program's own: apt's talk goes to stderr.
    run(Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &format!("exec >&2; {apt_line}")])
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .map_err(|error| format!("{what} is missing and apt could not install it: {error}"))
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
    #[test]
    fn packages_never_push_others_out() {
        let line = super::apt_line(&["nodejs", "npm"]);
        assert!(line.ends_with("--no-remove nodejs npm"));
    }
}
