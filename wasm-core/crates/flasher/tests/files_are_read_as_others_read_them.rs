//! Images and partition tables: made by hand here, and those of `cargo xtask firmware`, which
//! espflash and esp-idf-part made, where they have been built.

use std::path::PathBuf;

use esp_flasher::image::{App, Image, ImageError};
use esp_flasher::partition::{Partition, PartitionError, Table};
use md5::{Digest, Md5};
use quickcheck::QuickCheck;
use sha2::Sha256;

/// An image of these segments, as ESP-IDF's documents describe it.
fn image(segments: &[(u32, &[u8])], hashed: bool) -> Vec<u8> {
    let mut bytes = vec![0xE9, segments.len() as u8, 2, 0x2F];
    bytes.extend(0x4037_8000_u32.to_le_bytes());
    bytes.extend([0xEE, 0, 0, 0, 9, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, u8::from(hashed)]);
    let mut sum = 0xEF;
    for (address, data) in segments {
        bytes.extend(address.to_le_bytes());
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(*data);
        sum = data.iter().fold(sum, |sum, byte| sum ^ byte);
    }
    while bytes.len() % 16 != 15 {
        bytes.push(0);
    }
    bytes.push(sum);
    if hashed {
        bytes.extend(Sha256::digest(&bytes));
    }
    bytes
}

fn descriptor() -> Vec<u8> {
    let mut bytes = vec![0; App::LEN];
    bytes[..4].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    for (at, text) in
        [(16, "1.2.3"), (48, "csi-node"), (80, "12:00:00"), (96, "Nov 21 2026"), (112, "v6.1")]
    {
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    bytes
}

#[test]
fn an_image_made_by_hand_is_read() {
    let descriptor = descriptor();
    for (len, hashed) in [(1, true), (15, false), (16, true), (7, true), (8, false)] {
        let data = vec![0x5A; len];
        let mut bytes = image(&[(0x3C00_0020, &descriptor), (0x4037_8000, &data)], hashed);
        let whole = bytes.len();
        bytes.extend([0xFF; 9]);
        let image = Image::parse(&bytes).unwrap();
        assert_eq!((image.len, image.chip_id, image.entry), (whole, 9, 0x4037_8000));
        assert_eq!(image.flash_bytes, 4 << 20);
        assert_eq!(image.sha256.is_some(), hashed);
        assert_eq!((image.segments[1].address, image.segments[1].len), (0x4037_8000, len));
        let app = image.app.unwrap();
        assert_eq!((app.version, app.name, app.idf), ("1.2.3", "csi-node", "v6.1"));
        assert_eq!((app.date, app.time), ("Nov 21 2026", "12:00:00"));
    }
}

#[test]
fn a_damaged_image_is_refused() {
    let data = [1, 2, 3, 4];
    let good = image(&[(0x4037_8000, &data)], true);
    assert!(Image::parse(&good).is_ok());
    for cut in 0..good.len() {
        assert!(Image::parse(&good[..cut]).is_err(), "cut to {cut}");
    }
    // Every single bit is under the digest, which is checked last.
    for bit in 0..8 * good.len() {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // But for the one that says that there is a digest: then checksum and header still hold.
        let parsed = Image::parse(&bad);
        let unhashed = bit / 8 == 23 && bad[23] == 0;
        assert!(parsed.is_err() || unhashed && parsed.unwrap().sha256.is_none(), "bit {bit}");
    }
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        Image::parse(&bad).unwrap_err()
    };
    assert_eq!(with(0, 0xE8), ImageError::Magic { got: 0xE8 });
    assert_eq!(with(12, 5), ImageError::Chip { chip_id: 5 });
    assert_eq!(with(1, 17), ImageError::Segments { count: 17 });
    assert_eq!(with(32, 0), ImageError::Checksum { stored: 0xEF ^ 4, computed: 0xEE ^ 4 });
    assert_eq!(with(good.len() - 1, 0), ImageError::Digest);
}

#[test]
fn no_bytes_make_the_parsers_panic() {
    fn survives(mut bytes: Vec<u8>, kind: u8) -> bool {
        match kind % 3 {
            0 => drop(Image::parse(&bytes)),
            1 => {
                let head = image(&[], false);
                bytes.splice(..0, head[..24].iter().copied());
                bytes[1] = 1 + kind % 16;
                drop(Image::parse(&bytes));
            }
            _ => {
                bytes.splice(..0, [0xAA, 0x50]);
                drop(Table::parse(&bytes));
            }
        }
        true
    }
    QuickCheck::new().tests(2_000).quickcheck(survives as fn(Vec<u8>, u8) -> bool);
    let mut long = image(&[(0, &[1])], true);
    long[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Image::parse(&long), Err(ImageError::Short { len: long.len() }));
}

/// The example table of ESP-IDF's partition guide, as its generator writes it, byte by byte.
#[test]
fn a_table_made_by_hand_is_read() {
    let row = |kind: u8, subtype: u8, offset: u32, size: u32, label: &[u8]| {
        let mut row = vec![0xAA, 0x50, kind, subtype];
        row.extend(offset.to_le_bytes());
        row.extend(size.to_le_bytes());
        row.extend(label);
        row.resize(32, 0);
        row
    };
    let rows = [
        row(1, 2, 0x9000, 0x6000, b"nvs"),
        row(1, 1, 0xF000, 0x1000, b"phy_init"),
        row(0, 0, 0x1_0000, 0x10_0000, b"factory"),
    ]
    .concat();
    let end = [0xFF; 32];
    let digest = [&[0xEB, 0xEB][..], &[0xFF; 14], &Md5::digest(&rows)].concat();
    for bytes in [[&rows[..], &digest, &end].concat(), [&rows[..], &end].concat()] {
        let table = Table::parse(&bytes).unwrap();
        let labels: Vec<_> = table.partitions().iter().map(|p| p.label.as_str()).collect();
        assert_eq!(labels, ["nvs", "phy_init", "factory"]);
        assert!(table.find("nvs").is_some_and(Partition::is_nvs));
        assert!(table.at(0x10_FFFF).is_some_and(Partition::is_app));
        assert_eq!(table.at(0x11_0000), None);
    }
    let parse = |rows: &[Vec<u8>]| Table::parse(&[&rows.concat()[..], &end].concat());
    assert_eq!(Table::parse(&end), Err(PartitionError::Magic { row: 0 }));
    assert_eq!(Table::parse(&rows), Err(PartitionError::NoEnd { len: 96 }));
    let mut bad = [&rows[..], &digest, &end].concat();
    bad[20] ^= 1;
    assert_eq!(Table::parse(&bad), Err(PartitionError::Digest { row: 3 }));
    let twice = row(1, 2, 0x9000, 0x6000, b"nvs");
    assert_eq!(parse(&[twice.clone(), twice]), Err(PartitionError::Overlap { row: 1, other: 0 }));
    let error = parse(&[row(0, 0, 0x9000, 0x1000, b"a")]);
    assert_eq!(error, Err(PartitionError::Alignment { row: 0, offset: 0x9000 }));
    let error = parse(&[row(1, 0, 0x9000, u32::MAX, b"a")]);
    assert_eq!(error, Err(PartitionError::Size { row: 0, offset: 0x9000, size: u32::MAX }));
    let error = parse(&[row(1, 0, 0x9000, 1, &[0xFF])]);
    assert_eq!(error, Err(PartitionError::Label { row: 0 }));
}

/// What espflash and esp-idf-part made of the node: read back with the numbers of their inputs.
#[test]
fn the_nodes_own_files_are_read() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let file = |name: &str| std::fs::read(root.join("target/firmware").join(name)).ok();
    let [Some(bootloader), Some(partitions), Some(app)] =
        ["bootloader.bin", "partitions.bin", "app.bin"].map(file)
    else {
        println!("skipped: target/firmware is not built (cargo xtask firmware)");
        return;
    };
    let boot = Image::parse(&bootloader).unwrap();
    assert!(boot.sha256.is_some() && boot.app.is_none());
    let image = Image::parse(&app).unwrap();
    assert_eq!((image.len, image.flash_bytes), (app.len(), 4 << 20));
    assert_eq!(image.app.unwrap().name, "csi-node");
    let csv = std::fs::read_to_string(root.join("firmware/image/partitions.csv")).unwrap();
    let table = Table::parse(&partitions).unwrap();
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
        None => match text.strip_suffix(['K', 'k']) {
            Some(kilo) => kilo.parse::<u32>().unwrap() << 10,
            None => match text.strip_suffix(['M', 'm']) {
                Some(mega) => mega.parse::<u32>().unwrap() << 20,
                None => text.parse().unwrap(),
            },
        },
    };
    let rows: Vec<Vec<&str>> = csv
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(',').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), table.partitions().len());
    for (row, partition) in rows.iter().zip(table.partitions()) {
        assert_eq!(row[0], partition.label);
        assert_eq!((number(row[3]), number(row[4])), (partition.offset, partition.size));
        assert_eq!(row[1] == "app", partition.is_app());
        assert_eq!(row[2] == "nvs", partition.is_nvs());
    }
}
