//! The plan file of `csi flash`; `docs/device.md` shows one.

use std::path::Path;

use csi_lab::device::{OwnFile, Place, PlanAsk};
use serde::Deserialize;

use crate::error::CliError;
use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlanFile {
    #[serde(default)]
    files: Vec<FileRow>,
    #[serde(default)]
    erase: Vec<EraseRow>,
    #[serde(default)]
    erase_all: bool,
    #[serde(default)]
    replace_settings: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    file: String,
    offset: Option<Number>,
    partition: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseRow {
    offset: Option<Number>,
    bytes: Option<Number>,
    partition: Option<String>,
}

/// A number, or one in hexadecimal as a text: JSON has none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u32),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u32> {
        match self {
            Self::Plain(number) => Some(*number),
            Self::Text(text) => match text.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
        }
    }
}

/// Reads a plan file and the files that it names, beside it.
pub fn read(path: &Path) -> Result<PlanAsk, CliError> {
    let wrong = |what: String| CliError::input(path, what);
    let plan: PlanFile =
        serde_json::from_slice(&files::read(path)?).map_err(|e| wrong(e.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    match (plan.files.is_empty(), plan.erase.is_empty(), plan.erase_all) {
        (false, true, false) => {
            let own = |row: &FileRow| {
                let place = place(row.partition.as_ref(), row.offset.as_ref(), Some(0));
                let place = place.ok_or_else(|| {
                    wrong(format!("{}: either an offset or a partition", row.file))
                })?;
                Ok(OwnFile {
                    name: row.file.clone(),
                    place,
                    bytes: files::read(&folder.join(&row.file))?,
                })
            };
            let files = plan.files.iter().map(own).collect::<Result<_, CliError>>()?;
            Ok(PlanAsk::Files { files, replace_settings: plan.replace_settings })
        }
        (true, false, false) => {
            let range = |row: &EraseRow| {
                let bytes = row.bytes.as_ref().and_then(Number::value);
                place(row.partition.as_ref(), row.offset.as_ref(), bytes)
            };
            let places = plan.erase.iter().map(range).collect::<Option<Vec<_>>>();
            let places = places.ok_or_else(|| {
                wrong("what is erased needs a partition, or offset and bytes".into())
            })?;
            Ok(PlanAsk::Erase { places })
        }
        (true, true, true) => Ok(PlanAsk::EraseAll),
        _ => Err(wrong("one of `files`, `erase` and `eraseAll`, please".into())),
    }
}

fn place(partition: Option<&String>, offset: Option<&Number>, len: Option<u32>) -> Option<Place> {
    match (partition, offset) {
        (Some(name), None) => Some(Place::Partition(name.clone())),
        (None, Some(offset)) => Some(Place::Range { offset: offset.value()?, len: len? }),
        _ => None,
    }
}
