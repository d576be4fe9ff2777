//! `cargo xtask bench`: measurements, each a command of its own. No other command runs them.

use crate::page;
use crate::sys::Result;

/// Runs the measurement that the first word names.
///
/// # Errors
///
/// When there is none of that name, or it fails.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["page", options @ ..] => {
            crate::built().and_then(|(project, _)| page::bench(&project, options))
        }
        _ => Err(format!("no measurement is called `{}`: see cargo xtask help", words.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_measurements_are_refused() {
        assert!(run(&["kernal"]).unwrap_err().contains("`kernal`"));
        assert!(run(&[]).is_err());
    }
}
