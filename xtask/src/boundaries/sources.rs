//! Checks of source texts.
//!
//! They look for words, not for syntax: enough to notice a crossed boundary, never a proof.

use std::path::Path;
use std::process::Command;

use crate::project::Project;
use crate::sys::{self, Result, capture};

/// Crate roots and whether they must be `no_std`. Only the core may have one module with unsafe.
const ROOTS: [(&str, bool); 4] = [
    ("wasm-core/crates/temporal/src", true),
    ("wasm-core/crates/flasher/src", true),
    ("firmware/src", true),
    ("wasm-core/crates/lab/src", false),
];

pub fn attributes(project: &Project) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (folder, no_std) in ROOTS {
        let root = project.root.join(folder).join("lib.rs");
        let root = sys::read_text(&root).ok_or_else(|| format!("{folder}/lib.rs is missing"))?;
        let files = sys::files_under(&project.root.join(folder));
        let allowing = files.iter().filter(|file| {
            sys::read_text(file)
                .is_some_and(|text| without_comments(&text).contains("allow(unsafe_code"))
        });
        let wrong = judge_attributes(&root, no_std, allowing.count());
        findings.extend(wrong.into_iter().map(|finding| format!("{folder}: {finding}")));
    }
    Ok(findings)
}

fn judge_attributes(root: &str, no_std: bool, files_with_unsafe: usize) -> Vec<String> {
    let root = without_comments(root);
    let has = |attribute: &str| root.lines().any(|line| line.trim() == attribute);
    let mut findings = Vec::new();
    if no_std && !has("#![no_std]") {
        findings.push("lib.rs lacks #![no_std]".to_string());
    }
    let one_module = no_std && has("#![deny(unsafe_code)]") && files_with_unsafe <= 1;
    if !has("#![forbid(unsafe_code)]") && !one_module {
        findings.push(format!(
            "lib.rs lacks #![forbid(unsafe_code)] ({files_with_unsafe} files allow unsafe code)"
        ));
    }
    findings
}

pub fn no_io(project: &Project) -> Result<Vec<String>> {
    let files = sys::files_under(&project.root.join("wasm-core/crates/lab/src"));
    Ok(in_each(project, &files, "rs", judge_no_io))
}

fn judge_no_io(source: &str) -> Vec<String> {
    // By convention unit tests end a file; they may read fixtures.
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let dense: String = without_comments(product).split_whitespace().collect();
    let mut findings = Vec::new();
    for (index, _) in dense.match_indices("std::") {
        let after = &dense[index + "std::".len()..];
        let group =
            after.strip_prefix('{').map(|group| group.split(['}', ';']).next().unwrap_or(group));
        let names = group.map_or_else(|| vec![after], |group| group.split(',').collect());
        for name in names {
            let word = name.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            if let Some(word @ ("fs" | "net" | "thread" | "time" | "env" | "process")) = word {
                findings.push(format!("names std::{word}"));
            }
        }
    }
    findings
}

pub fn pkg_importers(project: &Project) -> Result<Vec<String>> {
    let web = project.root.join("web");
    let mut files = sys::files_under(&web.join("src"));
    files.push(web.join("index.html"));
    let judged = files.iter().filter_map(|file| {
        let name = project.short(file).to_string_lossy().replace('\\', "/");
        judge_importer(&name, &sys::read_text(file)?)
    });
    Ok(judged.collect())
}

fn judge_importer(name: &str, source: &str) -> Option<String> {
    let allowed = name == "web/src/lab.js"
        || name == "web/src/worker.js"
        || name.starts_with("web/src/worker/");
    let imports = without_comments(source).lines().any(|line| {
        let quoted = ["'", "\"", "`"]
            .iter()
            .any(|quote| line.split(quote).skip(1).step_by(2).any(|text| text.contains("pkg/")));
        quoted && (line.contains("import") || line.contains("from") || line.contains("src="))
    });
    (imports && !allowed).then(|| format!("{name} imports pkg/"))
}

pub fn machine_paths(project: &Project) -> Result<Vec<String>> {
    let listed = capture(Command::new("git").current_dir(&project.root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))?;
    let files: Vec<_> = listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| project.root.join(name))
        .collect();
    Ok(in_each(project, &files, "", judge_paths))
}

fn judge_paths(text: &str) -> Vec<String> {
    // Written in pieces, so that this file passes its own check.
    let folders = ["work", "root", "home"].map(|name| format!("/{name}"));
    let hosts = ["registry.npmjs", "static.crates", "index.crates"].map(|name| format!("{name}."));
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let path = folders.iter().any(|folder| {
            line.match_indices(folder.as_str()).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + folder.len()..].chars().next();
                let relative =
                    |c: char| in_name(c) || matches!(c, '.' | '~' | '}' | ')' | '*' | '<');
                !before.is_some_and(relative) && !after.is_some_and(in_name)
            })
        });
        let host = hosts.iter().any(|host| line.contains(host.as_str()));
        if path || host {
            let shown: String = line.trim().chars().take(100).collect();
            findings.push(format!("line {}: {shown}", index + 1));
        }
    }
    findings
}

/// Judges each text file with this extension (or any, for ""), and puts its name before findings.
fn in_each(
    project: &Project,
    files: &[impl AsRef<Path>],
    extension: &str,
    judge: impl Fn(&str) -> Vec<String>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let file = file.as_ref();
        let fits = extension.is_empty() || file.extension().is_some_and(|e| e == extension);
        if let Some(text) = fits.then(|| sys::read_text(file)).flatten() {
            let name = project.short(file).display();
            findings.extend(judge(&text).into_iter().map(|finding| format!("{name}: {finding}")));
        }
    }
    findings
}

/// Removes `//` and `/* */` comments of Rust and JavaScript, keeping line ends. A `//` within a
/// quoted address survives, because a colon stands before it.
fn without_comments(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("/*").into_iter().chain(line_comment(rest)).min() {
        kept.push_str(&rest[..start]);
        let comment = &rest[start..];
        let end = if comment.starts_with("//") {
            comment.find('\n').unwrap_or(comment.len())
        } else {
            comment.find("*/").map_or(comment.len(), |end| end + 2)
        };
        kept.extend(comment[..end].chars().filter(|&c| c == '\n'));
        rest = &comment[end..];
    }
    kept + rest
}

fn line_comment(text: &str) -> Option<usize> {
    text.match_indices("//").map(|(at, _)| at).find(|&at| !text[..at].ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_attributes_are_seen() {
        let good = "//! Docs.\n#![no_std]\n#![forbid(unsafe_code)]\n";
        assert_eq!(judge_attributes(good, true, 0), Vec::<String>::new());
        assert_eq!(judge_attributes(&good.replace("#![no_std]", "//#![no_std]"), true, 0).len(), 1);
        assert_eq!(judge_attributes(&good.replace("forbid", "warn"), true, 0).len(), 1);
        let deny = good.replace("forbid", "deny");
        assert_eq!(judge_attributes(&deny, true, 1), Vec::<String>::new());
        assert_eq!(judge_attributes(&deny, true, 2).len(), 1);
        assert_eq!(judge_attributes(&deny, false, 1).len(), 1);
    }

    #[test]
    fn io_in_the_lab_is_seen() {
        assert_eq!(
            judge_no_io("use std::collections::BTreeMap; // std::fs\n"),
            Vec::<String>::new()
        );
        assert_eq!(judge_no_io("/// Like `std::time`.\nfn timer() {}\n"), Vec::<String>::new());
        assert_eq!(
            judge_no_io("fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }"),
            Vec::<String>::new()
        );
        for source in [
            "use std::fs;",
            "let t = std::time::Instant::now();",
            "use std::{collections::BTreeMap, net::TcpStream};",
            "use std::{\n    io,\n    thread,\n};",
        ] {
            assert_eq!(judge_no_io(source).len(), 1, "{source}");
        }
    }

    #[test]
    fn a_third_importer_of_the_binary_is_seen() {
        let import = "import init from \"../pkg/wasm_core.js\";";
        assert_eq!(judge_importer("web/src/lab.js", import), None);
        assert_eq!(judge_importer("web/src/worker/model.js", import), None);
        assert!(judge_importer("web/src/panels/replay.js", import).is_some());
        assert!(
            judge_importer("web/src/a.js", "const m = await import('../pkg/wasm_core.js');")
                .is_some()
        );
        let types = "/** @param {import(\"../pkg/wasm_core.js\").Lab} lab */";
        assert_eq!(judge_importer("web/src/panels/replay.js", types), None);
    }

    #[test]
    fn paths_and_hosts_of_one_machine_are_seen() {
        for (folder, tail) in [("work", "main/x"), ("home", "a/b"), ("root", ".cargo")] {
            let path = format!("/{folder}/{tail}");
            assert_eq!(judge_paths(&path).len(), 1, "{path}");
            assert_eq!(judge_paths(&format!("open(\"{path}\")")).len(), 1, "{path}");
            assert_eq!(judge_paths(&format!("frame{path}")), Vec::<String>::new(), "{path}");
        }
        for host in ["https://registry.npmjs", "static.crates", "index.crates"] {
            assert_eq!(judge_paths(&format!("see {host}.example/x")).len(), 1, "{host}");
        }
        assert_eq!(judge_paths("see https://crates.io/crates/libm"), Vec::<String>::new());
    }

    #[test]
    fn comments_are_removed_and_addresses_kept() {
        let source = "a // b\nc /* d\ne */ f \"https://g\" /// h";
        assert_eq!(without_comments(source), "a \nc \n f \"https://g\" ");
    }
}
