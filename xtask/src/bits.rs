//! One table of hashes that the host and the page's binary must both produce.
//!
//! `fixtures/golden/bits.txt` holds it, as lines of a name and 16 hexadecimal digits. The host's
//! side is a test of csi-temporal (`golden_bits`); the other side is the binary that the page
//! loads, run in node. This module never writes the table.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::page;
use crate::project::Project;
use crate::sys::{Result, at, capture};
use crate::wasm;

const GOLDEN: &str = "fixtures/golden/bits.txt";

/// Loads the module from the files that the page loads, without a browser.
const SCRIPT: &str = "\
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [script, module] = process.argv.slice(1);
const wasm = await import(pathToFileURL(script).href);
wasm.initSync({ module: readFileSync(module) });
console.log(wasm.selfTestBits());
";

/// Compares the three sides and prints them.
///
/// # Errors
///
/// When a side is missing or any hash differs.
pub fn check(project: &Project, page: &wasm::Page) -> Result<()> {
    let path = project.root.join(GOLDEN);
    let golden = parse(&fs::read_to_string(&path).map_err(at(&path))?, GOLDEN)?;
    let host = host_agrees(project);
    let wasm = parse(&run_in_node(&page.script, &page.module)?, "the page's binary")?;
    let (table, equal) = compare(&golden, &wasm);
    print!("{table}");
    println!("host: {}", if host.is_ok() { "all as golden" } else { "differs" });
    host?;
    if equal { Ok(()) } else { Err(format!("the page's binary differs from {GOLDEN}")) }
}

/// The test compares every hash with the golden file; that it ran is checked by its name.
fn host_agrees(project: &Project) -> Result<()> {
    let output = capture(project.cargo().args([
        "test",
        "--quiet",
        "--package",
        "csi-temporal",
        "--test",
        "golden_bits",
    ]))?;
    let ran = output
        .lines()
        .any(|line| line.starts_with("test result: ok.") && !line.contains(" 0 passed"));
    if ran { Ok(()) } else { Err("the test golden_bits of csi-temporal is empty".to_string()) }
}

fn run_in_node(script: &Path, module: &Path) -> Result<String> {
    capture(
        Command::new(page::node()?)
            .args(["--input-type=module", "--eval", SCRIPT, "--"])
            .args([script, module]),
    )
}

type Table = Vec<(String, u64)>;

fn parse(text: &str, source: &str) -> Result<Table> {
    let entry = |line: &str| {
        let (name, digits) = line.split_once(' ')?;
        let whole = digits.len() == 16 && !name.is_empty();
        Some((name.to_string(), u64::from_str_radix(digits, 16).ok().filter(|_| whole)?))
    };
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let table: Table = lines
        .map(|line| {
            entry(line).ok_or_else(|| format!("{source}: `{line}` is not a name and 16 digits"))
        })
        .collect::<Result<_>>()?;
    if table.is_empty() { Err(format!("{source}: no hash")) } else { Ok(table) }
}

/// Returns the printed table, and whether both sides hold the same names, order and hashes.
fn compare(golden: &Table, wasm: &Table) -> (String, bool) {
    let mut text = format!("{:<40} {:<16} {:<16}\n", "", "golden", "wasm");
    let find =
        |table: &Table, name: &str| table.iter().find(|entry| entry.0 == name).map(|entry| entry.1);
    let shown =
        |hash: Option<u64>| hash.map_or("missing".to_string(), |hash| format!("{hash:016x}"));
    let added = wasm.iter().filter(|entry| find(golden, &entry.0).is_none());
    for (name, _) in golden.iter().chain(added) {
        let (left, right) = (find(golden, name), find(wasm, name));
        let mark = if left == right { "" } else { "  DIFFERENT" };
        text += &format!("{name:<40} {:<16} {:<16}{mark}\n", shown(left), shown(right));
    }
    (text, golden == wasm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_whole_or_refused() {
        let table =
            parse("# note\nsoftmax 00000000000000ff\n\nhead 0123456789abcdef\n", "x").unwrap();
        assert_eq!(
            table,
            [("softmax".to_string(), 255), ("head".to_string(), 0x0123_4567_89ab_cdef)]
        );
        for wrong in ["", "a", "a 12", "a 00000000000000fg", " 00000000000000ff"] {
            assert!(parse(wrong, "x").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let golden = vec![("a".to_string(), 1), ("b".to_string(), 2)];
        assert!(compare(&golden, &golden.clone()).1);
        for other in [
            vec![("a".to_string(), 1), ("b".to_string(), 3)],
            vec![("a".to_string(), 1)],
            vec![("a".to_string(), 1), ("b".to_string(), 2), ("c".to_string(), 3)],
        ] {
            let (text, equal) = compare(&golden, &other);
            assert!(!equal && text.contains("DIFFERENT"), "{text}");
        }
    }
}
