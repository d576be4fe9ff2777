//! `cargo xtask bench`: measurements, each a command of its own. No other command runs them.

mod accuracy;
mod goals;
mod kernel;
mod records;
mod report;
mod training;

use crate::page;
use crate::project::Project;
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
        ["accuracy", options @ ..] => accuracy::bench(&Project::find()?, options),
        ["training", options @ ..] => training::bench(&Project::find()?, options),
        ["kernel", options @ ..] => kernel::bench(&Project::find()?, options),
        _ => Err(format!("no measurement is called `{}`: see cargo xtask help", words.join(" "))),
    }
}

/// Writes rows of cells, the first one the header, as a table of Markdown with straight columns.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let length = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> = (0..columns)
        .map(|at| rows.iter().map(|row| length(row, at)).max().unwrap_or(0).max(2))
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut rows = rows.iter().map(|row| line(row));
    let header = rows.next().unwrap_or_default();
    header + &line(&rule) + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_measurements_are_refused() {
        assert!(run(&["kernal"]).unwrap_err().contains("`kernal`"));
        assert!(run(&[]).is_err());
    }

    #[test]
    fn tables_have_straight_columns() {
        let rows = [["µs", "b"], ["long", "–"]].map(|row| row.map(str::to_string).to_vec());
        assert_eq!(table(&rows), "| µs   | b  |\n| ---- | -- |\n| long | –  |\n");
    }
}
