//! One sentence per failure.

use std::fmt::{self, Write as _};
use std::path::Path;

/// Why a command stopped: one sentence that says what, where and what to do.
#[derive(Debug)]
pub struct CliError(String);

impl CliError {
    /// The command line itself is wrong.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// A file's content is wrong.
    pub fn input(path: &Path, what: impl fmt::Display) -> Self {
        Self(format!("{}: {what}", path.display()))
    }

    /// The system refused a file.
    pub fn file(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        Self(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One sentence stays one line, whatever a file name contains.
        self.0.chars().try_for_each(|c| f.write_char(if c.is_control() { ' ' } else { c }))
    }
}
