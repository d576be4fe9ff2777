//! `cargo xtask bench accuracy [--write]`: how close each pattern comes to dense attention.
//!
//! The tables are made by the example of csi-lab; no clock has a part in them, so the same
//! recordings give the same document on every machine.

use std::process::Stdio;

use crate::project::Project;
use crate::sys::{self, Result, capture};

const DOCUMENT: &str = "docs/accuracy.md";

const HEAD: &str = "\
# How close each pattern comes to dense attention

Made by `cargo xtask bench accuracy --write` from public recordings in the folder that `CSI_LAB_DATA` names
(`fixtures/README.md` says where they come from). The same recordings give the same figures on every machine.

Every pattern gets the same queries, keys and values as causal dense attention, and its error is the mean absolute
difference of the outputs. Queries and keys are brought to the magnitudes 1 / 2 / 4 (root mean square of numbers
spread evenly over ±1, ±2, ±4), which makes attention flat, peaked and very peaked; values have magnitude 1. A cell says
how many times smaller the error is than that of upstream's edges; below 1 it is larger.

An edge is one query looking at one token or at one mean. The salient pattern also measures the distance of one key to its
groups in each row, half an edge each: with 17 groups that makes 34 edges' worth of work a row where upstream has 26, with 11
groups 25. Its groups hold like keys, whenever they came, so it is close where a recording comes back to where it was; a
pyramid's blocks hold neighbours in time, and a block's mean hides the single token that carries the weight. Where no two tokens are
alike and a few carry everything (random inputs, magnitude 4), no pattern with means comes close.
";

/// Measures, prints the document, and writes it when asked to.
///
/// # Errors
///
/// For an unknown option; when the measurement cannot be built, run or written.
pub fn bench(project: &Project, options: &[&str]) -> Result<()> {
    if let Some(unknown) = options.iter().find(|option| **option != "--write") {
        return Err(format!("cargo xtask bench accuracy does not know `{unknown}`"));
    }
    let example = ["run", "--quiet", "--release", "--package", "csi-lab", "--example", "accuracy"];
    let text = capture(project.cargo().args(example).stdin(Stdio::null()))?;
    let text = format!("{HEAD}\n{}\n", text.trim());
    print!("{text}");
    if options.contains(&"--write") {
        sys::write_atomically(&project.root.join(DOCUMENT), text.as_bytes())?;
        println!("\nwritten: {DOCUMENT}");
    }
    Ok(())
}
