//! The flashed bytes in a machine that is not there: QEMU's `kc705`, an Xtensa LX7 with RAM where
//! the ESP32-S3 has its memories.
//!
//! This module stands in for ROM and bootloader: it takes the image's segments to their addresses.
//! Memory that they do not fill is painted, since QEMU's zeros would hide what real memory shows.
//! The whole flash lies at [`FLASH`], where the image looks for it on this board.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tools::Tools;
use crate::sys::{Result, at, shown};

/// Where the image finds the flash, and how large it is.
const FLASH: u32 = 0x3C20_0000;
const FLASH_LEN: usize = 0x40_0000;
/// Offsets in flash, from `partitions.csv`.
const APP: usize = 0x1_0000;
const WEIGHTS: usize = 0x11_0000;
const WEIGHTS_LEN: usize = 0x4_0000;

/// SRAM by its two addresses, for instructions and for data; start and length.
const SRAM: [(u32, usize); 2] = [(0x4037_0000, 0x7_0000), (0x3FC8_8000, 0x6_8000)];
const PAINT: u8 = 0xA5;

/// Bytes and where they belong.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    address: u32,
    bytes: Vec<u8>,
}

/// Writes an ELF of the merged image and weights, as memory is once the bootloader is done.
///
/// # Errors
///
/// When the image is damaged, or the weights do not fit.
pub fn prepare(merged: &Path, weights: Option<&Path>, out: &Path) -> Result<()> {
    let mut flash = fs::read(merged).map_err(at(merged))?;
    flash.resize(FLASH_LEN, 0xFF);
    if let Some(path) = weights {
        let blob = fs::read(path).map_err(at(path))?;
        if blob.len() > WEIGHTS_LEN {
            let len = blob.len();
            return Err(format!("{}: {len} bytes, {WEIGHTS_LEN} fit", path.display()));
        }
        flash[WEIGHTS..WEIGHTS + blob.len()].copy_from_slice(&blob);
    }
    let (entry, segments) = read_image(&flash[APP..])?;
    let mut memory = place(segments)?;
    memory.push(Segment { address: FLASH, bytes: flash });
    fs::write(out, elf(entry, &memory)).map_err(at(out))
}

/// Reads an application image: entry address and segments.
///
/// | bytes    | field    | meaning                                               |
/// |----------|----------|-------------------------------------------------------|
/// | `0`      | magic    | `0xE9`                                                |
/// | `1`      | segments | how many                                              |
/// | `4..8`   | entry    | u32                                                   |
/// | `12..14` | chip     | u16, 9 = ESP32-S3                                     |
/// | `24..`   | segments | each address u32, length u32, bytes                   |
/// | then     | checksum | the last of 16 bytes: all bytes of segments xor `0xEF` |
fn read_image(image: &[u8]) -> Result<(u32, Vec<Segment>)> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4).ok_or("the image ends early")?;
        Ok::<_, String>(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    if image.first() != Some(&0xE9) || word(12)? & 0xFFFF != 9 {
        return Err("no application image of an ESP32-S3".to_string());
    }
    let (entry, mut offset, mut checksum) = (word(4)?, 24, 0xEF);
    let mut segments = Vec::new();
    for _ in 0..image[1] {
        let (address, len) = (word(offset)?, word(offset + 4)? as usize);
        offset += 8;
        let bytes = image.get(offset..offset.saturating_add(len)).ok_or("the image ends early")?;
        checksum = bytes.iter().fold(checksum, |sum, byte| sum ^ byte);
        offset += len;
        segments.push(Segment { address, bytes: bytes.to_vec() });
    }
    if image.get(offset | 15) != Some(&checksum) {
        return Err(format!("the image's checksum is not {checksum:#04x}"));
    }
    Ok((entry, segments))
}

/// Puts segments into painted SRAM; those in flash stay as they are, padding is left out.
fn place(segments: Vec<Segment>) -> Result<Vec<Segment>> {
    let mut memory: Vec<Segment> = SRAM
        .map(|(address, len)| Segment { address, bytes: vec![PAINT; len] })
        .into_iter()
        .collect();
    for segment in segments.into_iter().filter(|segment| segment.address != 0) {
        let (start, len) = (segment.address as usize, segment.bytes.len());
        let room = memory[..SRAM.len()].iter_mut().find_map(|area| {
            let at = start.checked_sub(area.address as usize)?;
            area.bytes.get_mut(at..at + len)
        });
        match room {
            Some(room) => room.copy_from_slice(&segment.bytes),
            None if matches!(segment.address >> 24, 0x3C | 0x42) => memory.push(segment),
            None => return Err(format!("a segment at {start:#x}, where no memory is")),
        }
    }
    Ok(memory)
}

/// A file for `-kernel`: one program header for each segment.
fn elf(entry: u32, segments: &[Segment]) -> Vec<u8> {
    const HEADER: usize = 52;
    const PROGRAM: usize = 32;
    let mut out = vec![0x7F, b'E', b'L', b'F', 1, 1, 1];
    out.resize(16, 0);
    let half = |out: &mut Vec<u8>, value: u16| out.extend_from_slice(&value.to_le_bytes());
    let word = |out: &mut Vec<u8>, value: u32| out.extend_from_slice(&value.to_le_bytes());
    half(&mut out, 2); // an executable
    half(&mut out, 94); // for Xtensa
    [1, entry, HEADER as u32, 0, 0].into_iter().for_each(|value| word(&mut out, value));
    [HEADER as u16, PROGRAM as u16, segments.len() as u16, 0, 0, 0]
        .into_iter()
        .for_each(|value| half(&mut out, value));
    let mut offset = HEADER + PROGRAM * segments.len();
    for Segment { address, bytes } in segments {
        let len = bytes.len() as u32;
        // Loaded, from here, to there by both kinds of address, all of it, for anything, unaligned.
        [1, offset as u32, *address, *address, len, len, 7, 1]
            .into_iter()
            .for_each(|value| word(&mut out, value));
        offset += bytes.len();
    }
    segments.iter().for_each(|segment| out.extend_from_slice(&segment.bytes));
    out
}

/// Starts the machine with its serial line on a TCP port of this host.
///
/// # Errors
///
/// When QEMU cannot be started.
pub fn start(tools: &Tools, elf: &Path, port: u16) -> Result<Child> {
    let mut qemu = Command::new(&tools.system);
    qemu.args(["-M", "kc705", "-cpu", "de233_fpu", "-m", "1200M", "-display", "none"])
        .args(["-monitor", "none", "-serial"])
        .arg(format!("tcp:127.0.0.1:{port},server=on,wait=on,nodelay=on"))
        .arg("-kernel")
        .arg(elf)
        .stdin(Stdio::null());
    qemu.spawn().map_err(|error| format!("cannot start `{}`: {error}", shown(&qemu)))
}

/// The ELF that [`prepare`] writes.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("qemu.elf")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One segment in SRAM and one in flash, byte by byte.
    fn image() -> Vec<u8> {
        let mut image = vec![0xE9, 2, 2, 0x1F, 0, 0x80, 0x37, 0x40];
        image.resize(24, 0);
        image[12] = 9;
        image.extend([0x20, 0, 0, 0x3C, 4, 0, 0, 0, 1, 2, 3, 4]);
        image.extend([0, 0x80, 0x37, 0x40, 2, 0, 0, 0, 5, 6]);
        image.resize(47, 0);
        image.push(0xEF ^ 1 ^ 2 ^ 3 ^ 4 ^ 5 ^ 6);
        image
    }

    #[test]
    fn an_image_is_taken_apart() {
        let (entry, segments) = read_image(&image()).unwrap();
        assert_eq!(entry, 0x4037_8000);
        assert_eq!(segments[0], Segment { address: 0x3C00_0020, bytes: vec![1, 2, 3, 4] });
        assert_eq!(segments[1], Segment { address: 0x4037_8000, bytes: vec![5, 6] });
        let memory = place(segments).unwrap();
        assert_eq!(memory[0].bytes[0x7FFF..0x8003], [PAINT, 5, 6, PAINT]);
        assert_eq!(memory[2].address, 0x3C00_0020);
    }

    #[test]
    fn damaged_images_are_refused() {
        for at in [0, 1, 12, 33, 47] {
            let mut damaged = image();
            damaged[at] ^= 0x40;
            assert!(read_image(&damaged).is_err(), "{at}");
        }
        for len in 0..48 {
            assert!(read_image(&image()[..len]).is_err(), "{len}");
        }
        assert!(place(vec![Segment { address: 0x5000_0000, bytes: vec![1] }]).is_err());
    }
}
