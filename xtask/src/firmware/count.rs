//! Instructions of Xtensa code, counted by a plugin of QEMU; the same number in every run.
//!
//! `firmware/budget.txt` says how many there may be, as lines of a name and a number. More than 5 %
//! above is a failure; far below is told, so that the budget can follow. This module never writes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::tools::Tools;
use super::xtensa;
use crate::project::Project;
use crate::sys::{Result, at, run};

const PLUGIN: &str = "firmware/count/plugin.rs";
const BUDGET: &str = "firmware/budget.txt";
/// Where `firmware/user/link.ld` puts the mark.
const MARK: &str = "mark=400000";

/// Counts, compares and prints.
///
/// # Errors
///
/// When anything takes more than its budget, or has none.
pub fn check(project: &Project, tools: &Tools, program: &Path) -> Result<()> {
    let plugin = xtensa::work(project).join("libcount.so");
    run(Command::new("rustc")
        .args(["--edition=2024", "-O", "--crate-type=cdylib", "-o"])
        .arg(&plugin)
        .arg(project.root.join(PLUGIN)))?;
    let output = Command::new(&tools.user)
        .args(["-cpu", "de233_fpu", "-plugin"])
        .arg(format!("{},{MARK}", plugin.display()))
        .arg(program)
        .arg("count")
        .output()
        .map_err(|error| error.to_string())?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the counted program ended with {}: {stderr}", output.status));
    }
    let counts = pair(&String::from_utf8_lossy(&output.stdout), &stderr)?;
    let path = project.root.join(BUDGET);
    let budget = parse(&fs::read_to_string(&path).map_err(at(&path))?)?;
    let (table, over) = compare(&counts, &budget);
    print!("{table}");
    if over.is_empty() { Ok(()) } else { Err(format!("over {BUDGET}: {}", over.join(", "))) }
}

type Counts = Vec<(String, u64)>;

/// Every second number is what ran between two marks; the program prints a name for each.
fn pair(names: &str, numbers: &str) -> Result<Counts> {
    let numbers: Vec<u64> = numbers
        .lines()
        .map(|line| line.parse().map_err(|_| format!("`{line}` is no count")))
        .collect::<Result<_>>()?;
    let names: Vec<&str> = names.lines().collect();
    if numbers.len() != 2 * names.len() || names.is_empty() {
        return Err(format!("{} names and {} counts do not fit", names.len(), numbers.len()));
    }
    let between = numbers.into_iter().skip(1).step_by(2);
    Ok(names.into_iter().map(str::to_string).zip(between).collect())
}

fn parse(text: &str) -> Result<Counts> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_string(), number.trim().parse().ok()?))
    };
    lines.map(|line| entry(line).ok_or_else(|| format!("{BUDGET}: `{line}`"))).collect()
}

/// Returns the printed table and the names over their budget.
fn compare(counts: &Counts, budget: &Counts) -> (String, Vec<String>) {
    let mut text = format!("{:<22}{:>12}{:>12}\n", "instructions", "counted", "budget");
    let mut over = Vec::new();
    for (name, counted) in counts {
        let allowed = budget.iter().find(|(budgeted, _)| budgeted == name).map(|entry| entry.1);
        let mark = match allowed {
            Some(allowed) if *counted <= allowed + allowed / 20 => "",
            Some(_) => "  OVER",
            None => "  NO BUDGET",
        };
        if !mark.is_empty() {
            over.push(name.clone());
        }
        let allowed = allowed.map_or("-".to_string(), |allowed| allowed.to_string());
        text += &format!("{name:<22}{counted:>12}{allowed:>12}{mark}\n");
    }
    (text, over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_belong_to_names() {
        let counts = pair("push\nstep\n", "1000\n7\n30\n9\n").unwrap();
        assert_eq!(counts, [("push".to_string(), 7), ("step".to_string(), 9)]);
        for (names, numbers) in [("push\n", "1\n"), ("", ""), ("push\n", "1\nx\n")] {
            assert!(pair(names, numbers).is_err());
        }
    }

    #[test]
    fn five_per_cent_more_is_the_limit() {
        let budget = parse("# what\npush 1000\n").unwrap();
        let counted = |number| compare(&vec![("push".to_string(), number)], &budget).1;
        assert!(counted(1050).is_empty() && counted(10).is_empty());
        assert_eq!(counted(1051), ["push"]);
        assert_eq!(compare(&vec![("new".to_string(), 1)], &budget).1, ["new"]);
        assert!(parse("push many").is_err());
    }
}
