//! `csi-flash-parts ELF PARTITIONS.csv FOLDER` writes bootloader.bin, partitions.bin and app.bin,
//! and prints a line for each: offset in flash, bytes, SHA-256, name.
//!
//! What was made is then read back as the flasher reads it: both images must be sound, and the table must
//! hold what esp-idf-part reads in it and in the CSV file.
//!
//! The bootloader is the one of ESP-IDF that espflash carries. `cargo xtask firmware` runs this.

use std::error::Error;
use std::fs;
use std::path::Path;

use esp_flasher::image::Image;
use esp_flasher::partition::Table;
use esp_idf_part::PartitionTable;
use espflash::flasher::{FlashData, FlashFrequency, FlashMode, FlashSettings, FlashSize};
use espflash::image_format::idf::IdfBootloaderFormat;
use espflash::target::{Chip, XtalFrequency};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [elf, partitions, folder] = &arguments[..] else {
        return Err("usage: csi-flash-parts ELF PARTITIONS.csv FOLDER".into());
    };
    let elf = fs::read(elf)?;
    let settings = FlashSettings::new(
        // Two data lines and 4 MB: what every module with an ESP32-S3 can do.
        Some(FlashMode::Dio),
        Some(FlashSize::_4Mb),
        Some(FlashFrequency::_80Mhz),
    );
    let data = FlashData::new(settings, 0, None, Chip::Esp32s3, XtalFrequency::_40Mhz);
    let table = Some(Path::new(partitions));
    let image = IdfBootloaderFormat::new(&elf, &data, table, None, Some(0x8000), Some("factory"))?;
    for (segment, name) in image.flash_segments().zip(["bootloader", "partitions", "app"]) {
        fs::write(Path::new(folder).join(format!("{name}.bin")), &segment.data)?;
        let hash: String =
            Sha256::digest(&segment.data).iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{:#x} {} {hash} {name}", segment.addr, segment.data.len());
    }
    read_back(Path::new(folder), &fs::read_to_string(partitions)?)
}

fn read_back(folder: &Path, csv: &str) -> Result<(), Box<dyn Error>> {
    Image::parse(&fs::read(folder.join("bootloader.bin"))?)?;
    let app = fs::read(folder.join("app.bin"))?;
    Image::parse(&app)?.app.ok_or("the application does not say what it is")?;
    let bytes = fs::read(folder.join("partitions.bin"))?;
    let ours = Table::parse(&bytes)?;
    let ours: Vec<_> = ours
        .partitions()
        .iter()
        .map(|p| (p.label.clone(), p.kind, p.subtype, p.offset, p.size, p.flags))
        .collect();
    for theirs in [PartitionTable::try_from_bytes(bytes)?, PartitionTable::try_from_str(csv)?] {
        let theirs: Vec<_> = theirs
            .partitions()
            .iter()
            .map(|p| {
                let (kind, subtype) = (u8::from(p.ty()), u8::from(p.subtype()));
                (p.name(), kind, subtype, p.offset(), p.size(), p.flags().bits())
            })
            .collect();
        if ours != theirs {
            return Err(format!("the table reads {ours:?} here and {theirs:?} there").into());
        }
    }
    Ok(())
}
