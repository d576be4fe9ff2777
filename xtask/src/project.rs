//! Where things are: the repository, the target folder, the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sys::{Result, capture};

/// The folders that the commands work on; all absolute.
pub struct Project {
    /// The root of the repository.
    pub root: PathBuf,
    /// Cargo's target folder; `CARGO_TARGET_DIR` and cargo's own settings count.
    pub target: PathBuf,
    /// What is made once per user and kept across clones: `$XDG_CACHE_HOME/csi-lab`.
    pub cache: PathBuf,
}

impl Project {
    /// Finds the folders.
    ///
    /// # Errors
    ///
    /// When cargo cannot read the workspace, or there is no home folder for the cache.
    pub fn find() -> Result<Self> {
        // `cargo run` sets the variable; the constant serves a binary started by hand.
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir.parent().ok_or("xtask has no parent folder")?.to_path_buf();
        let metadata = capture(
            Command::new(cargo_program())
                .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
                .arg(root.join("Cargo.toml")),
        )?;
        let target = serde_json::from_str::<serde_json::Value>(&metadata)
            .ok()
            .and_then(|value| Some(PathBuf::from(value.get("target_directory")?.as_str()?)))
            .ok_or("cargo metadata names no target_directory")?;
        Ok(Self { root, target, cache: cache_folder()? })
    }

    /// Returns a cargo command that runs in the root and uses this project's target folder.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Returns the folder that `cargo xtask vendor` fills.
    pub fn vendor(&self) -> PathBuf {
        self.root.join("vendor")
    }

    /// Returns the path relative to the root, for messages.
    pub fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Returns the cargo that started this program, else the one on PATH.
pub fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn cache_folder() -> Result<PathBuf> {
    // The XDG rule: a relative path in the variable counts as none.
    let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let base = xdg.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    base.map(|base| base.join("csi-lab"))
        .ok_or_else(|| "no home folder: set XDG_CACHE_HOME to a folder for the cache".to_string())
}
