//! Processes, files and locks: what every other module needs from the operating system.
//!
//! Errors of the build driver are sentences for a person (what, where, what to do), so the error
//! type is a `String`. Nothing here knows the project.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The result of every fallible step; the error is printed as it is.
pub type Result<T> = std::result::Result<T, String>;

/// Says which file or folder an I/O error is about.
pub fn at(path: &Path) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}

/// Returns the command as one would type it, for messages.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Runs a command with the terminal of this process.
///
/// # Errors
///
/// When it cannot be started or ends with a code other than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|e| format!("cannot start `{}`: {e}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", shown(command))) }
}

/// Runs a command, and ends it when `limit` is over.
///
/// # Errors
///
/// As [`run`], and when the time is over.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let start = Instant::now();
    let mut child =
        command.spawn().map_err(|e| format!("cannot start `{}`: {e}", shown(command)))?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`{}` ended with {status}", shown(command))),
            Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
                let seconds = limit.as_secs();
                return Err(format!("`{}` was not done after {seconds} s", shown(command)));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Runs a command and returns what it printed to stdout.
///
/// # Errors
///
/// As [`run`]; the message holds what the command printed to stderr.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start `{}`: {e}", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "`{}` ended with {}: {}",
            shown(command),
            output.status,
            stderr.trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the first program of that name on PATH. A name that holds a `/` is taken as a path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    let names = [format!("{name}{}", std::env::consts::EXE_SUFFIX), name.to_string()];
    std::env::split_paths(&path)
        .flat_map(|folder| names.clone().map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// Returns the name of a file without folder and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Takes an exclusive lock that ends with the returned file; waits while another run holds it.
pub fn lock(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let file = File::create(path).map_err(at(path))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another run (lock {})", path.display());
        file.lock().map_err(at(path))?;
    }
    Ok(file)
}

/// Writes a file so that a reader sees the old or the new content and nothing between.
/// A file that holds these bytes already is left alone.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let part = path.with_extension(format!("part{}", std::process::id()));
    fs::write(&part, bytes).map_err(at(&part))?;
    fs::rename(&part, path).map_err(at(path))
}

/// Removes a folder with everything in it; a folder that is not there is fine.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is fine.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Returns the files of a folder and of its subfolders, sorted; without hidden ones and
/// `node_modules`. A folder that is not there has none.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns the first bytes of a file as text, or `None` for a binary one (a NUL in the first
/// 8 KiB, as git decides it).
pub fn read_text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
    if bytes.iter().take(8192).any(|&byte| byte == 0) {
        return None;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_over_its_time_is_ended() {
        let start = Instant::now();
        let error = run_within(Command::new("sleep").arg("20"), Duration::from_millis(100));
        assert!(error.unwrap_err().contains("was not done"));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_failing_command_names_itself() {
        assert!(run(Command::new("false").arg("x")).unwrap_err().contains("`false x`"));
        assert!(
            capture(&mut Command::new("no-such-program")).unwrap_err().contains("cannot start")
        );
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let sh = find_program("sh").expect("every Unix has sh");
        assert_eq!(find_program(sh.to_str().unwrap()), Some(sh));
        assert_eq!(find_program("no-such-program"), None);
    }
}
