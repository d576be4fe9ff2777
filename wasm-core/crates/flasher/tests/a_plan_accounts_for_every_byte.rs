//! Plans: what they refuse, and what they say of every byte of the flash.

use esp_flasher::Plan;
use esp_flasher::partition::Table;
use esp_flasher::plan::{Fate, PlanError, SECTOR};
use md5::{Digest, Md5};
use quickcheck::QuickCheck;
use sha2::Sha256;

const FLASH: u32 = 0x40_0000;

/// Rows of a table: label, kind, subtype, offset, size; with the digest row and the end.
fn table(rows: &[(&str, u8, u8, u32, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (label, kind, subtype, offset, size) in rows {
        bytes.extend([0xAA, 0x50, *kind, *subtype]);
        bytes.extend(offset.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        let mut name = label.as_bytes().to_vec();
        name.resize(16, 0);
        bytes.extend(name);
        bytes.extend([0; 4]);
    }
    let digest = Md5::digest(&bytes);
    bytes.extend([0xEB, 0xEB]);
    bytes.extend([0xFF; 14]);
    bytes.extend(digest);
    bytes.extend([0xFF; 32]);
    bytes
}

fn known() -> Table {
    Table::parse(&table(&[
        ("nvs", 1, 2, 0x9000, 0x6000),
        ("phy", 1, 1, 0xF000, 0x1000),
        ("factory", 0, 0, 0x1_0000, 0x10_0000),
        ("weights", 0x40, 0, 0x11_0000, 0x1_0000),
    ]))
    .unwrap()
}

#[test]
fn what_would_do_harm_is_refused() {
    let mut plan = Plan::new(FLASH);
    plan.write("app", 0x1_0000, vec![1; 0x1001]).unwrap();
    let before = plan.clone();
    let refused = [
        (0x2_0000, 0, PlanError::Empty { offset: 0x2_0000 }),
        (0x2_0001, 1, PlanError::Unaligned { offset: 0x2_0001 }),
        (0x1_1000, 1, PlanError::Overlap { offset: 0x1_1000, other: 0x1_0000 }),
        (0xF000, 0x1001, PlanError::Overlap { offset: 0xF000, other: 0x1_0000 }),
        (0x8000, 0x1001, PlanError::CrossesNvs { offset: 0x8000, end: 0xA000, nvs: 0x9000 }),
        (0xE000, 1, PlanError::CrossesNvs { offset: 0xE000, end: 0xF000, nvs: 0x9000 }),
        (
            0x3F_F000,
            0x1001,
            PlanError::OutOfRange { offset: 0x3F_F000, len: 0x1001, flash_bytes: FLASH },
        ),
        (
            0xFFFF_F000,
            0x1001,
            PlanError::OutOfRange { offset: 0xFFFF_F000, len: 0x1001, flash_bytes: FLASH },
        ),
    ];
    for (offset, len, error) in refused {
        assert_eq!(plan.write("x", offset, vec![0; len]), Err(error));
        assert_eq!(plan, before, "a refused region changes nothing");
    }
    assert_eq!(plan.write_partition("weights", vec![1]), Err(PlanError::NoTable));
    assert_eq!(plan.erase("x", 0x2_0000, 5), Err(PlanError::Unaligned { offset: 0x2_0005 }));
    assert_eq!(plan.erase_all(), Err(PlanError::Overlap { offset: 0, other: 0x1_0000 }));
    plan.write("fits to the last byte", 0x3F_F000, vec![0; 0x1000]).unwrap();
}

#[test]
fn partitions_are_used_by_name_and_never_left() {
    let mut plan = Plan::new(FLASH).with_table(known());
    plan.write_partition("weights", vec![1; 0x1_0000]).unwrap();
    assert_eq!(plan.regions()[0].offset(), 0x11_0000);
    assert_eq!(plan.write_partition("none", vec![1]), Err(PlanError::NoPartition));
    let crossing = |offset, end, edge| Err(PlanError::CrossesPartition { offset, end, edge });
    let long = plan.write_partition("factory", vec![1; 0x10_0001]);
    assert!(long.is_err(), "{long:?}");
    let mut plan = Plan::new(FLASH).with_table(known());
    let long = plan.write_partition("factory", vec![1; 0x10_0001]);
    assert_eq!(long, crossing(0x1_0000, 0x11_1000, 0x11_0000));
    assert_eq!(plan.write("before", 0xF000, vec![1; 0x1001]), crossing(0xF000, 0x1_1000, 0x1_0000));
    plan.write("bootloader", 0, vec![1; 0x5000]).unwrap();
    plan.write("table", 0x8000, vec![1; 0xC00]).unwrap();
}

#[test]
fn settings_go_only_on_purpose() {
    let merged = vec![0; 0x5_0000];
    for plan in [Plan::new(FLASH), Plan::new(FLASH).with_table(known())] {
        let error = plan.clone().write("merged", 0, merged.clone()).unwrap_err();
        assert_eq!(error.code(), "plan/crosses-nvs");
        assert_eq!(plan.clone().replacing_nvs(true).write("merged", 0, merged.clone()), Ok(()));
        assert_eq!(plan.clone().erase("settings", 0x9000, 0x6000), Ok(()));
        assert!(plan.clone().erase("more", 0x8000, 0x7000).is_err());
        assert_eq!(plan.clone().erase_all(), Ok(()));
    }
    let mut plan = Plan::new(FLASH).with_table(known());
    assert_eq!(plan.erase_partition("nvs"), Ok(()));
    assert_eq!(plan.write_partition("phy", vec![1; 0x1000]), Ok(()));
}

#[test]
fn hashes_are_of_the_bytes_as_given() {
    let mut plan = Plan::new(FLASH);
    let bytes: Vec<u8> = (0..0x2_1003_u32).map(|i| (i >> 3) as u8).collect();
    plan.write("x", 0x1_F000, bytes.clone()).unwrap();
    plan.erase("y", 0x10_0000, 0x2_0000).unwrap();
    let [x, y] = plan.regions() else { panic!() };
    assert_eq!((x.md5(), x.sha256()), (Md5::digest(&bytes).into(), Sha256::digest(&bytes).into()));
    let blank = vec![0xFF; 0x2_0000];
    assert_eq!((y.md5(), y.sha256()), (Md5::digest(&blank).into(), Sha256::digest(&blank).into()));
    assert!(y.is_erased() && !x.is_erased());
}

/// The naive account: one letter for each sector, or less than one, of the flash.
#[test]
fn ranges_cover_the_flash_once_and_in_order() {
    const SMALL: u32 = 0x8_0000;
    fn holds(regions: Vec<(u8, u16, bool)>) -> bool {
        let mut plan = Plan::new(SMALL).replacing_nvs(true);
        let mut bytes = vec![Fate::Kept; SMALL as usize];
        for (start, len, erase) in regions {
            let offset = u32::from(start) * SECTOR;
            let len = u32::from(len) % 0x6000;
            let end = offset + len;
            let taken = if erase {
                let len = len.next_multiple_of(SECTOR);
                plan.erase("e", offset, len).is_ok()
            } else {
                plan.write("w", offset, vec![1; len as usize]).is_ok()
            };
            if taken {
                let sectors = end.next_multiple_of(SECTOR) as usize;
                bytes[offset as usize..sectors].fill(Fate::Erased);
                if !erase {
                    bytes[offset as usize..end as usize].fill(Fate::Written);
                }
            }
        }
        let mut at = 0;
        for range in plan.ranges() {
            let (from, to) = (range.offset as usize, (range.offset + range.len) as usize);
            let same = bytes[from..to].iter().all(|fate| *fate == range.fate);
            if range.offset != at || range.len == 0 || !same {
                return false;
            }
            assert_eq!(range.region.is_none(), range.fate == Fate::Kept);
            at = range.offset + range.len;
        }
        at == SMALL
    }
    QuickCheck::new().tests(30).quickcheck(holds as fn(Vec<(u8, u16, bool)>) -> bool);
}

/// The line's share of an estimate is exact: bits of all frames over the speed.
#[test]
fn estimates_fall_with_the_speed_and_rise_with_the_bytes() {
    let noise: Vec<u8> = (0..2048_u32).flat_map(|i| Sha256::digest(i.to_le_bytes())).collect();
    let plan = |pieces: usize| {
        let mut plan = Plan::new(FLASH);
        plan.write("x", 0x1_0000, noise.repeat(pieces)).unwrap();
        plan
    };
    let (one, four) = (plan(1), plan(4));
    assert_eq!(one.payload_bytes(), 0x1_0000, "it does not pack");
    assert_eq!(four.payload_bytes(), 4 * 0x1_0000);
    let line = |baud: u64| (0x1_0000 + 64 * 40) * 10_000_000 / baud;
    let difference = one.estimate_micros(115_200) - one.estimate_micros(921_600);
    assert_eq!(difference, line(115_200) - line(921_600));
    assert!(four.estimate_micros(921_600) > 2 * one.estimate_micros(921_600));
    let mut erase = Plan::new(FLASH);
    erase.erase_all().unwrap();
    assert!(erase.payload_bytes() < u64::from(FLASH) / 500, "ones pack well");
}

/// A partition's last block is filled where most of it is written anyway, and said to be erased.
#[test]
fn a_mostly_written_last_block_is_erased_as_a_whole() {
    let ends = |plan: &Plan| {
        let regions = plan.ranges().into_iter().filter(|range| range.fate != Fate::Kept);
        regions.map(|range| range.offset + range.len).max().unwrap()
    };
    let weights = 0x11_0000;
    for (table, offset, len, end) in [
        (true, weights, 0x8000, 0x1_0000),
        (true, weights, 0x7001, 0x1_0000),
        (true, weights, 0x7000, 0x7000),
        (true, weights, 0x1_0000, 0x1_0000),
        (true, weights + 0x1000, 0x9000, 0xA000),
        (false, weights, 0x8000, 0x8000),
    ] {
        let mut plan = Plan::new(FLASH);
        if table {
            plan = plan.with_table(known());
        }
        plan.write("x", offset, vec![7; len]).unwrap();
        assert_eq!(ends(&plan), weights + end, "{table} {offset:#x} {len:#x}");
        assert_eq!(plan.regions()[0].md5(), <[u8; 16]>::from(Md5::digest(vec![7; len])));
        assert_eq!(plan.regions()[0].len() as usize, len);
    }
    // What is planned behind it takes its place.
    let rest = weights + 0xA000;
    for second_first in [false, true] {
        let mut plan = Plan::new(FLASH).with_table(known());
        let mut parts = [(weights, 0x8001), (rest, 0x1001)];
        if second_first {
            parts.reverse();
        }
        for (offset, len) in parts {
            plan.write("x", offset, vec![7; len]).unwrap();
        }
        let ranges: Vec<_> = plan.ranges().iter().map(|r| (r.offset, r.fate)).collect();
        let expected = [
            (0, Fate::Kept),
            (weights, Fate::Written),
            (weights + 0x8001, Fate::Erased),
            (weights + 0x9000, Fate::Kept),
            (rest, Fate::Written),
            (rest + 0x1001, Fate::Erased),
            (rest + 0x2000, Fate::Kept),
        ];
        assert_eq!(ranges, expected);
    }
}
