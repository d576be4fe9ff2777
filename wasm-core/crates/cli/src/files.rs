//! Reading and writing whole files, with sentences for what goes wrong.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::CliError;

/// Larger files than this are no weight blob and no tensor anyone attends over.
const MAX_WHOLE_FILE_BYTES: u64 = 1 << 30;

/// Reads a file of moderate size into memory.
pub fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |e: &std::io::Error| CliError::file(path, "read", e);
    let file = File::open(path).map_err(|e| failed(&e))?;
    let mut bytes = Vec::new();
    file.take(MAX_WHOLE_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() as u64 > MAX_WHOLE_FILE_BYTES {
        return Err(CliError::input(path, "larger than 1 GiB; this command reads whole files"));
    }
    Ok(bytes)
}

/// Writes a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes).map_err(|e| CliError::file(path, "write", &e))
}

/// Hands a file to `take` piece by piece, so that its size does not matter.
pub fn stream(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let failed = |e: &std::io::Error| CliError::file(path, "read", e);
    let mut file = File::open(path).map_err(|e| failed(&e))?;
    let mut piece = vec![0_u8; 1 << 20];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&piece[..n])?,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(&e)),
        }
    }
}
