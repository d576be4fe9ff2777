//! Boundaries of the architecture, kept true by a machine instead of by care.
//!
//! Each check has a name, a sentence why, and a pure judge in [`crates`], [`sources`] or [`wasm`]
//! with a test that it can fail. A check looks only; it repairs nothing.

mod crates;
mod sources;
mod wasm;

use std::fs;

use crate::project::Project;
use crate::sys::{Result, at};
use crate::wasm::Page;

/// What a check looks at.
struct Subject<'a> {
    project: &'a Project,
    page: &'a Page,
}

/// One boundary.
struct Check {
    name: &'static str,
    why: &'static str,
    /// Returns what is wrong, one line each; nothing when the boundary holds.
    find: fn(&Subject<'_>) -> Result<Vec<String>>,
}

const CHECKS: [Check; 11] = [
    Check {
        name: "core-tree",
        why: "csi-temporal runs on the node: a crate more could bring std, and with it other output bits",
        find: |s| crates::core_tree(s.project),
    },
    Check {
        name: "kernel-features",
        why: "with std, parallel or fp16 the upstream kernel takes exp() from the C library",
        find: |s| crates::kernel_features(s.project),
    },
    Check {
        name: "lab-dependencies",
        why: "csi-lab knows no browser: its own dependencies hold no binding crate",
        find: |s| crates::lab_dependencies(s.project),
    },
    Check {
        name: "core-manifest",
        why: "a cargo feature of the core could change numbers on one target only",
        find: |s| crates::core_manifest(s.project),
    },
    Check {
        name: "pins",
        why: "vendor/pins.toml says which upstream source is built; Cargo.lock must say the same",
        find: |s| crates::pins(s.project),
    },
    Check {
        name: "lock-sources",
        why: "the lock files must work wherever the packages are served from",
        find: |s| crates::lock_sources(s.project),
    },
    Check {
        name: "attributes",
        why: "no_std and forbid(unsafe_code) are promises of the crate roots",
        find: |s| sources::attributes(s.project),
    },
    Check {
        name: "no-io",
        why: "csi-lab takes bytes and times; it opens, asks and spawns nothing",
        find: |s| sources::no_io(s.project),
    },
    Check {
        name: "pkg-importers",
        why: "one module and the workers load the binary, so errors become JavaScript in one place",
        find: |s| sources::pkg_importers(s.project),
    },
    Check {
        name: "machine-paths",
        why: "a path or host of one machine in a file breaks the others",
        find: |s| sources::machine_paths(s.project),
    },
    Check {
        name: "wasm-imports",
        why: "an import from \"env\" is a C function that no browser has",
        find: |s| {
            let bytes = fs::read(&s.page.module).map_err(at(&s.page.module))?;
            wasm::foreign_imports(&bytes)
        },
    },
];

/// Runs all checks and prints each.
///
/// # Errors
///
/// When any boundary is crossed or cannot be looked at.
pub fn check(project: &Project, page: &Page) -> Result<()> {
    let subject = Subject { project, page };
    let mut crossed = Vec::new();
    for check in CHECKS {
        let findings = (check.find)(&subject).unwrap_or_else(|error| vec![error]);
        println!(
            "{:<18}{}",
            check.name,
            if findings.is_empty() {
                "holds"
            } else {
                "CROSSED"
            }
        );
        if !findings.is_empty() {
            println!("  {}", check.why);
            findings.iter().for_each(|finding| println!("  {finding}"));
            crossed.push(check.name);
        }
    }
    if crossed.is_empty() {
        Ok(())
    } else {
        Err(format!("crossed: {}", crossed.join(", ")))
    }
}
