//! Boundaries of the architecture, kept true by a machine instead of by care.
//!
//! Each check has a name, a sentence why, and a pure judge in [`crates`], [`sources`] or [`wasm`]
//! with a test that it can fail. A check looks only; it repairs nothing.

mod crates;
mod sources;
mod wasm;

use crate::project::Project;
use crate::sys::Result;

/// One boundary.
struct Check {
    name: &'static str,
    why: &'static str,
    /// Returns what is wrong, one line each; nothing when the boundary holds.
    find: fn(&Project) -> Result<Vec<String>>,
}

const CHECKS: [Check; 13] = [
    Check {
        name: "core-tree",
        why: "csi-temporal runs on the node: a crate more could bring std, and with it other output bits",
        find: crates::core_tree,
    },
    Check {
        name: "node-tree",
        why: "csi-node runs on the node: all it needs is the core",
        find: crates::node_tree,
    },
    Check {
        name: "flasher-tree",
        why: "esp-flasher writes bytes at offsets: it knows nothing of CSI, weights or browsers",
        find: crates::flasher_tree,
    },
    Check {
        name: "kernel-features",
        why: "with std, parallel or fp16 the upstream kernel takes exp() from the C library",
        find: crates::kernel_features,
    },
    Check {
        name: "lab-dependencies",
        why: "csi-lab knows no browser: its own dependencies hold no binding crate",
        find: crates::lab_dependencies,
    },
    Check {
        name: "core-manifest",
        why: "a cargo feature of the core could change numbers on one target only",
        find: crates::core_manifest,
    },
    Check {
        name: "pins",
        why: "vendor/pins.toml says which upstream source is built; Cargo.lock must say the same",
        find: crates::pins,
    },
    Check {
        name: "lock-sources",
        why: "the lock files must work wherever the packages are served from",
        find: crates::lock_sources,
    },
    Check {
        name: "attributes",
        why: "no_std and forbid(unsafe_code) are promises of the crate roots",
        find: sources::attributes,
    },
    Check {
        name: "no-io",
        why: "csi-lab takes bytes and times; it opens, asks and spawns nothing",
        find: sources::no_io,
    },
    Check {
        name: "pkg-importers",
        why: "one module and the workers load the binary, so errors become JavaScript in one place",
        find: sources::pkg_importers,
    },
    Check {
        name: "machine-paths",
        why: "a path or host of one machine in a file breaks the others",
        find: sources::machine_paths,
    },
    Check {
        name: "wasm-imports",
        why: "an import from \"env\" is a C function that no browser has",
        find: wasm::foreign_imports,
    },
];

/// Runs all checks and prints each. The binary is looked at as the last build left it.
///
/// # Errors
///
/// When any boundary is crossed or cannot be looked at.
pub fn check(project: &Project) -> Result<()> {
    let mut crossed = Vec::new();
    for check in CHECKS {
        let findings = (check.find)(project).unwrap_or_else(|error| vec![error]);
        println!("{:<18}{}", check.name, if findings.is_empty() { "holds" } else { "CROSSED" });
        if !findings.is_empty() {
            println!("  {}", check.why);
            findings.iter().for_each(|finding| println!("  {finding}"));
            crossed.push(check.name);
        }
    }
    if crossed.is_empty() { Ok(()) } else { Err(format!("crossed: {}", crossed.join(", "))) }
}
