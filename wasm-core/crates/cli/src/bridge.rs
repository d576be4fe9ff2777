//! `csi import` and `csi export`: heads as safetensors files.

use std::path::PathBuf;

use csi_lab::bridge;
use csi_temporal::rvne::{Dtype, WeightBlob};

use crate::args::{Args, Item, only_file, required, unknown_option};
use crate::error::CliError;
use crate::files;

/// Runs `import FILE.safetensors --out BLOB [--f16]`.
pub fn import(args: Args) -> Result<String, CliError> {
    let Asked { file, out, f16 } = Asked::read(args, true)?;
    let bytes = files::read(&file)?;
    let mut blob = bridge::import(&bytes).map_err(|e| CliError::input(&file, e))?;
    let mut says = String::new();
    if f16 && blob.dtype != Dtype::F16 {
        let (narrow, error) = blob.to_dtype(Dtype::F16);
        blob = narrow;
        says = format!(
            "rounded to f16: by {:.3e} at most, {} weights did not fit\n",
            error.max_abs, error.overflowed
        );
    }
    let bytes = blob.encode().map_err(|e| CliError::input(&file, e))?;
    files::write(&out, &bytes)?;
    let (len, weights, dtype) = (bytes.len(), blob.weights.len(), blob.dtype.name());
    Ok(format!("{}: {len} bytes, {weights} {dtype} weights\n{says}", out.display()))
}

/// Runs `export BLOB --out FILE.safetensors`.
pub fn export(args: Args) -> Result<String, CliError> {
    let Asked { file, out, .. } = Asked::read(args, false)?;
    let blob = WeightBlob::parse(&files::read(&file)?).map_err(|e| CliError::input(&file, e))?;
    let bytes = bridge::export(&blob).map_err(|e| CliError::input(&file, e))?;
    files::write(&out, &bytes)?;
    Ok(format!("{}: {} bytes\n", out.display(), bytes.len()))
}

struct Asked {
    file: PathBuf,
    out: PathBuf,
    f16: bool,
}

impl Asked {
    fn read(mut args: Args, can_round: bool) -> Result<Self, CliError> {
        let (mut file, mut out, mut f16) = (None, None, false);
        while let Some(item) = args.next()? {
            match item {
                Item::Option(name) if name == "out" => out = Some(args.path()?),
                Item::Option(name) if name == "f16" && can_round => f16 = true,
                Item::Option(name) => return Err(unknown_option(&name)),
                Item::Plain(value) => only_file(&mut file, value)?,
            }
        }
        let file = required(file, "the file to read")?;
        Ok(Self { file, out: required(out, "--out, the file to write,")?, f16 })
    }
}
