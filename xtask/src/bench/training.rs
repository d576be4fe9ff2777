//! `cargo xtask bench training [--write]`: what trained heads come to on recordings that they have
//! not seen.
//!
//! The tables are made by the example of csi-lab. They go behind a line of `docs/training.md`; what
//! stands before it is written by hand.

use std::process::Stdio;

use crate::project::Project;
use crate::sys::{self, Result, at, capture};

const DOCUMENT: &str = "docs/training.md";

/// What the tables stand behind.
const MARK: &str = "<!-- Below: made by `cargo xtask bench training --write`. -->\n";

/// Measures, prints the tables, and writes them when asked to.
///
/// # Errors
///
/// For an unknown option; when the measurement cannot be built, run or written.
pub fn bench(project: &Project, options: &[&str]) -> Result<()> {
    if let Some(unknown) = options.iter().find(|option| **option != "--write") {
        return Err(format!("cargo xtask bench training does not know `{unknown}`"));
    }
    let example = ["run", "--quiet", "--release", "--package", "csi-lab", "--example", "training"];
    let tables = capture(project.cargo().args(example).stdin(Stdio::null()))?;
    print!("{tables}");
    if options.contains(&"--write") {
        let path = project.root.join(DOCUMENT);
        let text = std::fs::read_to_string(&path).map_err(at(&path))?;
        let text = replaced(&text, tables.trim())?;
        sys::write_atomically(&path, text.as_bytes())?;
        println!("\nwritten: {DOCUMENT}");
    }
    Ok(())
}

fn replaced(document: &str, tables: &str) -> Result<String> {
    let (head, _) = document
        .split_once(MARK)
        .ok_or_else(|| format!("{DOCUMENT} lacks the line that its tables stand behind"))?;
    Ok(format!("{head}{MARK}\n{tables}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_replaced_and_text_stays() {
        let document = format!("text\n\n{MARK}\nold\n");
        let new = replaced(&document, "| new |").expect("the mark is there");
        assert_eq!(new, format!("text\n\n{MARK}\n| new |\n"));
        assert_eq!(replaced(&new, "| new |").expect("the mark stays"), new);
        assert!(replaced("text", "").is_err());
    }
}
