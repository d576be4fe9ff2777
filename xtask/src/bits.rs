//! One table of hashes that the host, the page's binary and Xtensa code must all produce.
//!
//! `fixtures/golden/bits.txt` holds it, as lines of a name and 16 hexadecimal digits. The host's
//! side is a test of csi-temporal (`golden_bits`); the second is the binary that the page loads,
//! run in node; the third a program for the node's processor, run by qemu. A second table,
//! `training.txt`, is of csi-lab's trainer, which no node runs. This module never writes a table.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::page;
use crate::project::Project;
use crate::sys::{Result, at, capture};
use crate::wasm;

/// A golden table, and who else makes it.
struct Golden {
    file: &'static str,
    package: &'static str,
    test: &'static str,
    /// The page's function.
    function: &'static str,
}

const CORE: Golden = Golden {
    file: "fixtures/golden/bits.txt",
    package: "csi-temporal",
    test: "golden_bits",
    function: "selfTestBits",
};

const TRAINING: Golden = Golden {
    file: "fixtures/golden/training.txt",
    package: "csi-lab",
    test: "golden_training",
    function: "selfTestTraining",
};

/// Loads the module from the files that the page loads, without a browser.
const SCRIPT: &str = "\
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [script, module, name] = process.argv.slice(1);
const wasm = await import(pathToFileURL(script).href);
wasm.initSync({ module: readFileSync(module) });
console.log(wasm[name]());
";

/// Compares golden files, host, page and, where `xtensa` is given, what Xtensa code printed.
///
/// # Errors
///
/// When a side is missing or any hash differs.
pub fn check(project: &Project, page: &wasm::Page, xtensa: Option<&str>) -> Result<()> {
    check_table(project, page, &CORE, xtensa)?;
    check_table(project, page, &TRAINING, None)
}

fn check_table(
    project: &Project,
    page: &wasm::Page,
    golden: &Golden,
    xtensa: Option<&str>,
) -> Result<()> {
    let path = project.root.join(golden.file);
    let table = parse(&fs::read_to_string(&path).map_err(at(&path))?, golden.file)?;
    let host = host_agrees(project, golden);
    let printed = run_in_node(&page.script, &page.module, golden.function)?;
    let mut sides = vec![("golden", table), ("wasm", parse(&printed, "the page's binary")?)];
    if let Some(printed) = xtensa {
        sides.push(("xtensa", parse(printed, "the Xtensa program")?));
    }
    let (table, different) = compare(&sides);
    print!("{table}");
    println!("host: {}", if host.is_ok() { "all as golden" } else { "differs" });
    host?;
    if different.is_empty() {
        Ok(())
    } else {
        Err(format!("{} differs from {}", different.join(" and "), golden.file))
    }
}

/// The test compares every hash with the golden file; that it ran is checked by its name.
fn host_agrees(project: &Project, golden: &Golden) -> Result<()> {
    let Golden { package, test, .. } = golden;
    let output =
        capture(project.cargo().args(["test", "--quiet", "--package", package, "--test", test]))?;
    let ran = output
        .lines()
        .any(|line| line.starts_with("test result: ok.") && !line.contains(" 0 passed"));
    if ran { Ok(()) } else { Err(format!("the test {test} of {package} is empty")) }
}

fn run_in_node(script: &Path, module: &Path, function: &str) -> Result<String> {
    capture(
        Command::new(page::node()?)
            .args(["--input-type=module", "--eval", SCRIPT, "--"])
            .args([script, module])
            .arg(function),
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

/// Returns the printed table, and the sides whose names, order or hashes are not the first's.
fn compare(sides: &[(&'static str, Table)]) -> (String, Vec<&'static str>) {
    let find =
        |table: &Table, name: &str| table.iter().find(|entry| entry.0 == name).map(|entry| entry.1);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in sides.iter().flat_map(|(_, table)| table) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let heads: String = sides.iter().map(|(side, _)| format!(" {side:<16}")).collect();
    let mut text = format!("{:<24}{heads}\n", "");
    for name in names {
        let hashes: Vec<_> = sides.iter().map(|(_, table)| find(table, name)).collect();
        let shown =
            |hash: &Option<u64>| hash.map_or("missing".to_string(), |hash| format!("{hash:016x}"));
        let row: String = hashes.iter().map(|hash| format!(" {:<16}", shown(hash))).collect();
        let mark = if hashes.iter().all(|hash| *hash == hashes[0]) { "" } else { " DIFFERENT" };
        text += &format!("{name:<24}{row}{mark}\n");
    }
    let different = sides.iter().filter(|(_, table)| *table != sides[0].1);
    (text, different.map(|(side, _)| *side).collect())
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
        let sides =
            |third: Table| [("golden", golden.clone()), ("x", golden.clone()), ("y", third)];
        assert_eq!(compare(&sides(golden.clone())).1, [""; 0]);
        for other in [
            vec![("a".to_string(), 1), ("b".to_string(), 3)],
            vec![("a".to_string(), 1)],
            vec![("a".to_string(), 1), ("b".to_string(), 2), ("c".to_string(), 3)],
        ] {
            let (text, different) = compare(&sides(other));
            assert_eq!(different, ["y"]);
            assert!(text.contains("DIFFERENT"), "{text}");
        }
    }
}
