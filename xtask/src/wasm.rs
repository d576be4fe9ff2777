//! The page's binary: `wasm-pack.toml` read, the crate built, its JavaScript side written.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use wasm_bindgen_cli_support::Bindgen;

use crate::project::Project;
use crate::sys::{self, Result, at, run};
use crate::toolchain::{self, TARGET};

/// Where the manifest is, from the root.
const MANIFEST: &str = "wasm-pack.toml";
/// Names the input of what is in the output folder; the step is skipped while it is the same.
const STAMP: &str = ".built-from";

/// The files of one build.
pub struct Page {
    /// The folder with the module, its JavaScript and its types.
    pub folder: PathBuf,
    /// The JavaScript that loads the module.
    pub script: PathBuf,
    /// The module itself, as the page loads it.
    pub module: PathBuf,
}

/// Returns where the files of a build are, built or not.
///
/// # Errors
///
/// When the manifest is wrong.
pub fn page(project: &Project) -> Result<Page> {
    Ok(Manifest::read(project)?.page(project))
}

/// Builds the page's binary and writes the output folder, when anything changed.
///
/// # Errors
///
/// When no toolchain can be had, the manifest is wrong or the build fails.
pub fn build(project: &Project) -> Result<Page> {
    let manifest = Manifest::read(project)?;
    let toolchain = toolchain::wasm_rustc(project)?;
    // Clones may share the target folder; the file must still be this clone's when it is read.
    let _lock = sys::lock(&project.target.join("xtask-wasm.lock"))?;
    let mut cargo = project.cargo();
    cargo
        .args(["build", "--target", TARGET, "--package", &manifest.krate])
        .args(["--profile", &manifest.profile])
        // These would replace the flags of .cargo/config.toml.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Some(rustc) = &toolchain.rustc {
        cargo.env("RUSTC", rustc);
    }
    run(&mut cargo).map_err(|error| format!("{error}\n({})", toolchain.how))?;

    let file = format!("{}.wasm", manifest.krate.replace('-', "_"));
    let input = project.target.join(TARGET).join(&manifest.profile).join(file);
    let page = manifest.page(project);
    write_page(project, &manifest, &input, &page)?;
    Ok(page)
}

/// Runs the library behind wasm-bindgen's own command line tool, at the version that Cargo.lock
/// ties to the crate. Every file is replaced in one step, so a page that loads meanwhile works.
fn write_page(project: &Project, manifest: &Manifest, input: &Path, page: &Page) -> Result<()> {
    let stamp = stamp(&fs::read(input).map_err(at(input))?, manifest);
    let stamp_file = page.folder.join(STAMP);
    let same = fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp);
    if same && page.script.is_file() && page.module.is_file() {
        return Ok(());
    }
    let work = project.target.join("xtask-bindgen");
    sys::remove_folder(&work)?;
    Bindgen::new()
        .input_path(input)
        .out_name(&manifest.out_name)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(true)
                // The page calls init() without an argument; the library's default forbids that.
                .omit_default_module_path(false)
                .remove_name_section(true)
                .remove_producers_section(true)
                .generate(&work)
        })
        .map_err(|error| format!("wasm-bindgen, for {}: {error:#}", input.display()))?;
    // Node decides by this file that the JavaScript is an ES module.
    let package = "{ \"type\": \"module\", \"private\": true }\n";
    sys::write_atomically(&work.join("package.json"), package.as_bytes())?;

    let files = sys::files_under(&work);
    for file in &files {
        let inside = file.strip_prefix(&work).map_err(|e| e.to_string())?;
        let to = page.folder.join(inside);
        let parent = to.parent().unwrap_or(&page.folder);
        fs::create_dir_all(parent).map_err(at(parent))?;
        sys::write_atomically(&to, &fs::read(file).map_err(at(file))?)?;
    }
    for old in sys::files_under(&page.folder) {
        let inside = old.strip_prefix(&page.folder).map_err(|e| e.to_string())?;
        if !work.join(inside).is_file() {
            fs::remove_file(&old).map_err(at(&old))?;
        }
    }
    sys::write_atomically(&stamp_file, stamp.as_bytes())?;
    sys::remove_folder(&work)
}

fn stamp(module: &[u8], manifest: &Manifest) -> String {
    let mut hasher = DefaultHasher::new();
    module.hash(&mut hasher);
    format!("{:016x} {} {}\n", hasher.finish(), module.len(), manifest.out_name)
}

/// What `wasm-pack.toml` says; the file's own comments explain the keys.
#[derive(Debug, PartialEq, Eq)]
struct Manifest {
    krate: String,
    out_dir: String,
    out_name: String,
    profile: String,
    rustflags: Vec<String>,
}

impl Manifest {
    const KEYS: [&str; 6] = ["crate", "target", "out-dir", "out-name", "profile", "rustflags"];

    fn read(project: &Project) -> Result<Self> {
        let text = |path: &str| {
            let path = project.root.join(path);
            fs::read_to_string(&path).map_err(at(&path))
        };
        let manifest = Self::parse(&text(MANIFEST)?)?;
        let flags = config_rustflags(&text(".cargo/config.toml")?)?;
        if manifest.rustflags != flags {
            return Err(format!(
                "rustflags of {MANIFEST} are {:?}, those of {TARGET} in .cargo/config.toml \
                 are {flags:?}: make them the same",
                manifest.rustflags
            ));
        }
        Ok(manifest)
    }

    fn page(&self, project: &Project) -> Page {
        let folder = project.root.join(&self.out_dir);
        Page {
            script: folder.join(format!("{}.js", self.out_name)),
            module: folder.join(format!("{}_bg.wasm", self.out_name)),
            folder,
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse().map_err(|e| format!("{MANIFEST}: {e}"))?;
        if let Some(key) = table.keys().find(|key| !Self::KEYS.contains(&key.as_str())) {
            return Err(format!("{MANIFEST}: unknown key `{key}`, known are {:?}", Self::KEYS));
        }
        let word = |key: &str| {
            let value = table.get(key).and_then(toml::Value::as_str).filter(|v| !v.is_empty());
            value.map(str::to_string).ok_or_else(|| format!("{MANIFEST}: `{key}` must be a text"))
        };
        if word("target")? != "web" {
            return Err(format!("{MANIFEST}: `target` must be \"web\", nothing else is built"));
        }
        let out_dir = word("out-dir")?;
        if out_dir.starts_with('/')
            || out_dir.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(format!("{MANIFEST}: `out-dir` must be a folder inside the repository"));
        }
        Ok(Self {
            krate: word("crate")?,
            out_dir,
            out_name: word("out-name")?,
            profile: word("profile")?,
            rustflags: words(table.get("rustflags"))
                .ok_or_else(|| format!("{MANIFEST}: `rustflags` must be a list of texts"))?,
        })
    }
}

fn config_rustflags(text: &str) -> Result<Vec<String>> {
    let table: toml::Table = text.parse().map_err(|e| format!(".cargo/config.toml: {e}"))?;
    let target = table.get("target").and_then(|targets| targets.get(TARGET));
    words(target.and_then(|target| target.get("rustflags")))
        .ok_or_else(|| format!(".cargo/config.toml: no list `rustflags` for {TARGET}"))
}

fn words(value: Option<&toml::Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|word| Some(word.as_str()?.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "crate = 'wasm-core'\ntarget = 'web'\nout-dir = 'web/pkg'\n\
        out-name = 'wasm_core'\nprofile = 'wasm'\nrustflags = ['-Ctarget-feature=+simd128']\n";

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(manifest.krate, "wasm-core");
        assert_eq!(manifest.out_dir, "web/pkg");
        assert_eq!(manifest.rustflags, ["-Ctarget-feature=+simd128"]);
    }

    #[test]
    fn a_wrong_manifest_is_refused_by_its_key() {
        for (from, to, named) in [
            ("target = 'web'", "target = 'nodejs'", "`target`"),
            ("web/pkg", "../pkg", "`out-dir`"),
            ("web/pkg", "/pkg", "`out-dir`"),
            ("profile = 'wasm'", "profile = 3", "`profile`"),
            ("profile", "profil", "`profil`"),
            ("'-Ctarget-feature=+simd128'", "1", "`rustflags`"),
        ] {
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(named), "{to}: {error}");
        }
    }

    #[test]
    fn the_projects_own_manifest_agrees_with_cargos_configuration() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = fs::read_to_string(root.join(MANIFEST)).unwrap();
        let config = fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
        assert_eq!(
            Manifest::parse(&manifest).unwrap().rustflags,
            config_rustflags(&config).unwrap()
        );
    }

    #[test]
    fn the_stamp_follows_the_binary() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(stamp(b"one", &manifest), stamp(b"one", &manifest));
        assert_ne!(stamp(b"one", &manifest), stamp(b"two", &manifest));
    }
}
