//! Checks of dependencies, features and lock files.

use std::collections::BTreeSet;
use std::fs;

use crate::project::Project;
use crate::sys::{Result, at, capture};
use crate::toolchain::TARGET;

const KERNEL: &str = "ruvllm_sparse_attention";

/// Everything that csi-temporal may be made of.
const CORE: [&str; 3] = ["csi-temporal", "libm", KERNEL];

/// What binds to a browser.
const BINDINGS: [&str; 6] =
    ["js-sys", "web-sys", "wasm-bindgen", "serde-wasm-bindgen", "plotters-canvas", "wasm-core"];

fn tree(project: &Project, arguments: &[&str]) -> Result<String> {
    capture(project.cargo().args(["tree", "--prefix", "none"]).args(arguments))
}

pub fn core_tree(project: &Project) -> Result<Vec<String>> {
    let listed = tree(project, &["-p", "csi-temporal", "-e", "normal,build", "--target", "all"])?;
    Ok(judge_core_tree(&listed))
}

/// The node is the core and nothing else.
pub fn node_tree(project: &Project) -> Result<Vec<String>> {
    let listed = tree(project, &["-p", "csi-node", "-e", "normal,build", "--target", "all"])?;
    Ok(judge_tree(&listed, &[&CORE[..], &["csi-node"]].concat()))
}

/// To the flasher a file is bytes: it knows nothing of ours, and nothing of a browser.
pub fn flasher_tree(project: &Project) -> Result<Vec<String>> {
    let listed = tree(project, &["-p", "esp-flasher", "-e", "normal,build", "--target", "all"])?;
    Ok(judge_flasher_tree(&listed))
}

fn judge_flasher_tree(listed: &str) -> Vec<String> {
    let names = package_names(listed);
    if !names.contains("esp-flasher") {
        return vec!["esp-flasher is not in the tree, so nothing was checked".to_string()];
    }
    let ours = |name: &str| name.starts_with("csi-") || BINDINGS.contains(&name);
    let wrong = names.iter().filter(|name| ours(name));
    wrong.map(|name| format!("esp-flasher depends on {name}")).collect()
}

fn judge_core_tree(listed: &str) -> Vec<String> {
    judge_tree(listed, &CORE)
}

fn judge_tree(listed: &str, expected: &[&str]) -> Vec<String> {
    let found = package_names(listed);
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    let differ = found.symmetric_difference(&expected);
    differ
        .map(|name| {
            format!("{name} is {}", if expected.contains(name) { "missing" } else { "new" })
        })
        .collect()
}

fn package_names(listed: &str) -> BTreeSet<&str> {
    listed.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// Development dependencies count here: tests must compute what the product computes.
pub fn kernel_features(project: &Project) -> Result<Vec<String>> {
    let listed =
        tree(project, &["--workspace", "-e", "all", "--target", "all", "--format", "{p}|{f}"])?;
    Ok(judge_features(&listed))
}

fn judge_features(listed: &str) -> Vec<String> {
    let mut findings = BTreeSet::new();
    let mut seen = false;
    for line in listed.lines() {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split_whitespace().next().unwrap_or_default();
        let features = features.trim_end_matches(" (*)").split(',').filter(|f| !f.is_empty());
        seen |= name == KERNEL;
        let forbidden: &[&str] = match name {
            KERNEL => &["std", "parallel", "fp16", "default"],
            "half" => &["std", "default"],
            _ => &[],
        };
        let switched_on = features.filter(|feature| forbidden.contains(feature));
        findings.extend(switched_on.map(|feature| format!("{name} has the feature {feature}")));
    }
    if !seen {
        findings.insert(format!("{KERNEL} is not in the tree, so nothing was checked"));
    }
    findings.into_iter().collect()
}

/// plotters itself pulls web-sys in on wasm, so only what csi-lab names itself is judged.
pub fn lab_dependencies(project: &Project) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for target in ["all", TARGET] {
        let arguments = ["-p", "csi-lab", "-e", "normal,build", "--depth", "1", "--target", target];
        findings.extend(judge_lab_dependencies(&tree(project, &arguments)?));
    }
    findings.dedup();
    Ok(findings)
}

fn judge_lab_dependencies(listed: &str) -> Vec<String> {
    let names = package_names(listed);
    if !names.contains("csi-lab") {
        return vec!["csi-lab is not in the tree, so nothing was checked".to_string()];
    }
    let bindings = BINDINGS.iter().filter(|name| names.contains(*name));
    bindings.map(|name| format!("csi-lab depends on {name}")).collect()
}

pub fn core_manifest(project: &Project) -> Result<Vec<String>> {
    let path = project.root.join("wasm-core/crates/temporal/Cargo.toml");
    judge_core_manifest(&fs::read_to_string(&path).map_err(at(&path))?)
}

fn judge_core_manifest(text: &str) -> Result<Vec<String>> {
    let table: toml::Table =
        text.parse().map_err(|e| format!("Cargo.toml of csi-temporal: {e}"))?;
    let features = table.contains_key("features").then(|| "csi-temporal has features".to_string());
    Ok(features.into_iter().collect())
}

pub fn pins(project: &Project) -> Result<Vec<String>> {
    let text = |path: &str| {
        let path = project.root.join(path);
        fs::read_to_string(&path).map_err(at(&path))
    };
    judge_pins(&text("vendor/pins.toml")?, &text("Cargo.lock")?)
}

/// Every pin must name exactly the package of Cargo.lock, and say licence, source and reason.
fn judge_pins(pins: &str, lock: &str) -> Result<Vec<String>> {
    let pins: toml::Table = pins.parse().map_err(|e| format!("vendor/pins.toml: {e}"))?;
    let lock: toml::Table = lock.parse().map_err(|e| format!("Cargo.lock: {e}"))?;
    let list = |table: &toml::Table, key: &str| {
        table.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default()
    };
    let word = |value: &toml::Value, key: &str| {
        value.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_string()
    };
    let locked = list(&lock, "package");
    let pinned = list(&pins, "pin");
    let mut findings = Vec::new();
    if !pinned.iter().any(|pin| word(pin, "name") == KERNEL) {
        findings.push(format!("{KERNEL} has no pin"));
    }
    for pin in &pinned {
        let name = word(pin, "name");
        let empty = ["version", "checksum", "licence", "repository", "commit", "why"];
        let empty = empty.iter().filter(|key| word(pin, key).is_empty());
        findings.extend(empty.map(|key| format!("the pin of {name} lacks `{key}`")));
        let same: Vec<_> = locked.iter().filter(|package| word(package, "name") == name).collect();
        if same.len() != 1 {
            findings.push(format!("Cargo.lock holds {} packages {name}", same.len()));
        }
        for key in ["version", "checksum"] {
            for package in &same {
                if word(package, key) != word(pin, key) {
                    let (lock, pin) = (word(package, key), word(pin, key));
                    findings
                        .push(format!("{name}: {key} is {lock} in Cargo.lock, {pin} in the pin"));
                }
            }
        }
    }
    Ok(findings)
}

pub fn lock_sources(project: &Project) -> Result<Vec<String>> {
    let text = |path: &str| {
        let path = project.root.join(path);
        fs::read_to_string(&path).map_err(at(&path))
    };
    let mut findings = judge_cargo_lock(&text("Cargo.lock")?);
    findings.extend(judge_cargo_lock(&text("firmware/parts/Cargo.lock")?));
    for lock in ["web/package-lock.json", "bench/package-lock.json"] {
        findings.extend(judge_npm_lock(lock, &text(lock)?));
    }
    Ok(findings)
}

fn judge_cargo_lock(lock: &str) -> Vec<String> {
    let ordinary = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let sources = lock.lines().filter(|line| line.starts_with("source = ") && *line != ordinary);
    sources.map(|line| format!("Cargo.lock: {line}")).collect()
}

fn judge_npm_lock(name: &str, lock: &str) -> Vec<String> {
    let resolved = lock.lines().filter(|line| line.trim_start().starts_with("\"resolved\""));
    resolved
        .map(|line| format!("{name}: {} (npm's omit-lockfile-registry-resolved)", line.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_or_missing_crate_of_the_core_is_seen() {
        let good = "csi-temporal v0.1.0 (/x)\nlibm v0.2.16\nruvllm_sparse_attention v0.1.1\nlibm v0.2.16 (*)\n";
        assert_eq!(judge_core_tree(good), Vec::<String>::new());
        assert_eq!(judge_core_tree(&format!("{good}half v2.7.1\n")), ["half is new"]);
        assert_eq!(
            judge_core_tree("csi-temporal v0.1.0\nlibm v0.2\n"),
            [format!("{KERNEL} is missing")]
        );
    }

    #[test]
    fn a_crate_of_ours_under_the_flasher_is_seen() {
        let good = "esp-flasher v0.1.0 (/x)\nmd-5 v0.11.0\n";
        assert_eq!(judge_flasher_tree(good), Vec::<String>::new());
        for name in ["csi-temporal", "js-sys"] {
            let wrong = judge_flasher_tree(&format!("{good}{name} v1\n"));
            assert_eq!(wrong, [format!("esp-flasher depends on {name}")]);
        }
        assert!(!judge_flasher_tree("md-5 v0.11.0\n").is_empty());
    }

    #[test]
    fn a_feature_that_changes_bits_is_seen() {
        let good =
            "csi-temporal v0.1.0 (/x)|default\nruvllm_sparse_attention v0.1.1|\nserde v1|std\n";
        assert_eq!(judge_features(good), Vec::<String>::new());
        for feature in ["std", "parallel,std", "fp16 (*)"] {
            assert!(!judge_features(&format!("{good}{KERNEL} v0.1.1|{feature}\n")).is_empty());
        }
        assert_eq!(
            judge_features(&format!("{good}half v2|alloc,std\n")),
            ["half has the feature std"]
        );
        assert!(judge_features("serde v1|std\n")[0].contains("nothing was checked"));
    }

    #[test]
    fn a_binding_crate_under_the_lab_is_seen() {
        let good = "csi-lab v0.1.0 (/x)\nplotters v0.3.7\nserde v1\n";
        assert_eq!(judge_lab_dependencies(good), Vec::<String>::new());
        assert_eq!(
            judge_lab_dependencies(&format!("{good}js-sys v0.3\n")),
            ["csi-lab depends on js-sys"]
        );
        assert!(!judge_lab_dependencies("").is_empty());
    }

    #[test]
    fn a_feature_of_the_core_is_seen() {
        assert_eq!(judge_core_manifest("[package]\nname='x'"), Ok(vec![]));
        assert_eq!(judge_core_manifest("[features]\nstd=[]").unwrap().len(), 1);
    }

    #[test]
    fn a_pin_that_differs_from_the_lock_file_is_seen() {
        let lock = "[[package]]\nname='ruvllm_sparse_attention'\nversion='0.1.1'\nchecksum='ab'\n";
        let pin = "[[pin]]\nname='ruvllm_sparse_attention'\nversion='0.1.1'\nchecksum='ab'\n\
            licence='MIT'\nrepository='r'\ncommit='c'\nwhy='w'\n";
        assert_eq!(judge_pins(pin, lock), Ok(vec![]));
        for (pin, lock) in [
            (pin.replace("0.1.1", "0.1.2"), lock.to_string()),
            (pin.replace("'ab'", "'ac'"), lock.to_string()),
            (pin.replace("licence='MIT'", ""), lock.to_string()),
            (String::new(), lock.to_string()),
            (pin.to_string(), String::new()),
        ] {
            assert_ne!(judge_pins(&pin, &lock), Ok(vec![]), "{pin}{lock}");
        }
    }

    #[test]
    fn lock_files_that_name_a_host_are_seen() {
        let ordinary = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert_eq!(judge_cargo_lock(ordinary), Vec::<String>::new());
        assert_eq!(judge_cargo_lock("source = \"registry+https://mirror.example/index\"").len(), 1);
        assert_eq!(judge_npm_lock("a", "  \"version\": \"1\",\n"), Vec::<String>::new());
        assert_eq!(
            judge_npm_lock("a", "  \"resolved\": \"https://mirror.example/a.tgz\",").len(),
            1
        );
    }
}
