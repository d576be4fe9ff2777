//! What is flashed: bootloader, partition table and application, alone and as one file.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::tools::Tools;
use super::xtensa;
use crate::esptool;
use crate::project::Project;
use crate::sys::{self, Result, at, capture, run};

/// Makes images of ELF files. A workspace of its own, so it is built beside the others.
pub const MAKER: &str = "firmware/parts";
const PARTITIONS: &str = "firmware/image/partitions.csv";
/// The partition that a node takes its weights from.
const WEIGHTS: &str = "rvne";

/// One file and where it goes.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    offset: usize,
    bytes: usize,
    sha256: String,
    name: String,
}

/// Writes bootloader.bin, partitions.bin, app.bin, merged.bin and manifest.json beside the ELF.
///
/// # Errors
///
/// When the ELF is no image, or a file cannot be written.
pub fn make(project: &Project, tools: &Tools, elf: &Path) -> Result<()> {
    let folder = elf.parent().ok_or("the ELF is in no folder")?;
    let listed = capture(
        std::process::Command::new(maker(project)?)
            .arg(elf)
            .arg(project.root.join(PARTITIONS))
            .arg(folder),
    )?;
    let parts = parse(&listed)?;
    let read = |name: &str| {
        let path = folder.join(format!("{name}.bin"));
        fs::read(&path).map_err(at(&path))
    };
    let merged = merge(
        &parts
            .iter()
            .map(|part| Ok((part.offset, read(&part.name)?)))
            .collect::<Result<Vec<_>>>()?,
    );
    sys::write_atomically(&folder.join("merged.bin"), &merged)?;
    let csv = project.root.join(PARTITIONS);
    let weights = weights(&fs::read_to_string(&csv).map_err(at(&csv))?)?;
    let manifest = manifest(&parts, tools, &merged, weights, &Build::of(project));
    sys::write_atomically(&folder.join("manifest.json"), manifest.as_bytes())
}

/// Has Espressif's own esptool look at the application, alone and behind the bootloader.
///
/// # Errors
///
/// When it finds no valid checksum and hash, or another name. Without esptool it only says so.
pub fn inspect(project: &Project, folder: &Path) -> Result<()> {
    let esptool = match esptool::find(project) {
        Ok(esptool) => esptool,
        Err(why) => {
            println!("esptool: image-info is skipped: {why}");
            return Ok(());
        }
    };
    let info = |file: &str| {
        let mut command = std::process::Command::new(&esptool);
        capture(command.args(["--chip", "esp32s3", "image-info"]).arg(folder.join(file)))
    };
    judge_info(&info("app.bin")?, Some("csi-node"))?;
    // What the chip finds first is the bootloader, which has no name.
    judge_info(&info("merged.bin")?, None)
}

fn judge_info(info: &str, project: Option<&str>) -> Result<()> {
    let line = |start: &str| info.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    let is_valid = ["Checksum:", "Validation hash:"].iter().all(|s| line(s).ends_with("(valid)"));
    let is_named = project.is_none_or(|name| line("Project name:").ends_with(&format!(" {name}")));
    match is_valid && is_named {
        true => Ok(()),
        false => Err(format!("esptool finds no sound image: {info}")),
    }
}

fn maker(project: &Project) -> Result<PathBuf> {
    let target = xtensa::work(project).join("parts");
    run(project
        .cargo()
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(project.root.join(MAKER).join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("debug").join(format!("csi-flash-parts{}", std::env::consts::EXE_SUFFIX)))
}

/// Reads the maker's lines: `0x8000 3072 cd38... partitions`.
fn parse(listed: &str) -> Result<Vec<Part>> {
    let part = |line: &str| {
        let mut words = line.split(' ');
        Some(Part {
            offset: usize::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?,
            bytes: words.next()?.parse().ok()?,
            sha256: words.next().filter(|hash| hash.len() == 64)?.to_string(),
            name: words.next()?.to_string(),
        })
    };
    let parts: Option<Vec<Part>> = listed.lines().map(part).collect();
    parts.filter(|parts| parts.len() == 3).ok_or_else(|| format!("not three parts: {listed}"))
}

/// One file to write from offset 0: erased flash between the parts.
fn merge(parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let end = parts.iter().map(|(offset, bytes)| offset + bytes.len()).max().unwrap_or(0);
    let mut merged = vec![0xFF; end];
    for (offset, bytes) in parts {
        merged[*offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    merged
}

/// Finds the partition of the weights: its offset and its length.
fn weights(partitions: &str) -> Result<(usize, usize)> {
    let fields = |line: &str| line.split(',').map(|field| field.trim().to_string()).collect();
    let number = |field: &String| usize::from_str_radix(field.strip_prefix("0x")?, 16).ok();
    let place = |fields: Vec<String>| {
        let [name, _, _, offset, size] = fields.as_slice() else { return None };
        (name == WEIGHTS).then_some((number(offset)?, number(size)?))
    };
    let found = partitions.lines().map(fields).find_map(place);
    found
        .ok_or_else(|| format!("{PARTITIONS} has no {WEIGHTS} with offset and size in hexadecimal"))
}

/// What an image was built from. The same commit says the same whenever it is built.
#[derive(Debug, PartialEq, Eq)]
struct Build {
    commit: String,
    date: String,
}

impl Build {
    /// Asks git, and `SOURCE_DATE_EPOCH` for the date where it is set. Sources without git have
    /// neither.
    fn of(project: &Project) -> Self {
        let git = |words: &[&str]| {
            let mut git = std::process::Command::new("git");
            capture(git.current_dir(&project.root).args(words)).ok()
        };
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
        let commit = git(&["rev-parse", "--short=12", "HEAD"]).map_or_else(String::new, |commit| {
            let changed = changed.is_none_or(|files| !files.trim().is_empty());
            format!("{}{}", commit.trim(), if changed { ", changed" } else { "" })
        });
        let seconds = std::env::var("SOURCE_DATE_EPOCH")
            .ok()
            .or_else(|| git(&["show", "-s", "--format=%ct", "HEAD"]))
            .and_then(|seconds| seconds.trim().parse().ok());
        Self { commit, date: seconds.map_or_else(String::new, utc) }
    }
}

/// Writes seconds since 1970 as ISO 8601. The days are counted from a 1 March, so that the day
/// that comes and goes is the last of a year.
fn utc(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month_from_january) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = 400 * era + year + u64::from(month >= 10);
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month_from_january:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the page and `csi` read before they flash anything: see `csi_lab::device::catalogue`.
fn manifest(
    parts: &[Part],
    tools: &Tools,
    merged: &[u8],
    (offset, bytes): (usize, usize),
    build: &Build,
) -> String {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| {
            serde_json::json!({
                "file": format!("{}.bin", part.name),
                "offset": part.offset,
                "bytes": part.bytes,
                "sha256": part.sha256,
            })
        })
        .collect();
    let manifest = serde_json::json!({
        "chip": "esp32s3",
        "board": "any with an ESP32-S3 and 4 MB of flash",
        "flash": { "mode": "dio", "frequency": "80m", "bytes": 0x40_0000 },
        "version": env!("CARGO_PKG_VERSION"),
        "build": build.commit,
        "date": build.date,
        "compiler": format!("rustc {} with LLVM {}", tools.version.release, tools.version.llvm),
        "parts": parts,
        "weights": { "partition": WEIGHTS, "offset": offset, "bytes": bytes },
        "merged": {
            "file": "merged.bin",
            "offset": 0,
            "bytes": merged.len(),
            "sha256": sha256(merged),
        },
    });
    format!("{manifest:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_makers_lines_are_read_whole_or_refused() {
        let hash = "0".repeat(64);
        let line = |offset: &str, name: &str| format!("{offset} 12 {hash} {name}\n");
        let good =
            line("0x0", "bootloader") + &line("0x8000", "partitions") + &line("0x10000", "app");
        let parts = parse(&good).unwrap();
        assert_eq!(parts[1].offset, 0x8000);
        assert_eq!((parts[2].bytes, parts[2].name.as_str()), (12, "app"));
        for wrong in [good.replace("0x8000", "8000"), good.replace(" 12", " x"), line("0x0", "a")] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn esptool_must_find_checksum_hash_and_name() {
        let good = "Checksum: 0xab (valid)\nValidation hash: 42 (valid)\nProject name: csi-node\n";
        let judge = |info: &str| judge_info(info, Some("csi-node"));
        assert_eq!(judge(good), Ok(()));
        for wrong in ["0xab (valid)", "42 (valid)", "csi-node"] {
            assert!(judge(&good.replace(wrong, "x (invalid)")).is_err(), "{wrong}");
        }
        assert_eq!(judge_info(&good.replace("csi-node", ""), None), Ok(()));
    }

    #[test]
    fn between_parts_is_erased_flash() {
        let merged = merge(&[(0, vec![1, 2]), (4, vec![3])]);
        assert_eq!(merged, [1, 2, 0xFF, 0xFF, 3]);
    }

    #[test]
    fn the_weights_go_where_the_table_says() {
        let table = include_str!("../../../firmware/image/partitions.csv");
        assert_eq!(weights(table), Ok((0x11_0000, 0x4_0000)));
        assert!(weights(&table.replace("rvne", "model")).is_err());
        assert!(weights(&table.replace("0x110000", "")).is_err());
    }

    #[test]
    fn seconds_are_written_as_dates() {
        // From `date -u -d @N +%FT%TZ`.
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_237_810, "2026-11-21T05:10:10Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }
}
