//! How long flashing takes on a simulated board that takes the time real ones take.

use std::path::PathBuf;

use csi_lab::sim::drive::Link;
use csi_lab::sim::{Board, BoardConfig, Flash, FlashSize};
use esp_flasher::partition::Table;
use esp_flasher::plan::{Fate, Range};
use esp_flasher::{Cable, Event, Job, Loader, LoaderConfig, Plan};

const BAUD: u32 = 921_600;

/// Bytes that do not pack, as trained weights hardly do.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Connects and identifies, then carries out a plan; returns seconds of the board's time of both.
fn seconds(cable: Cable, flash: Flash, plan: &Plan) -> [f64; 2] {
    let config = BoardConfig { cable, ..BoardConfig::new(flash) };
    let mut board = Board::new(0, config);
    let config = LoaderConfig { cable, baud_wanted: BAUD, ..LoaderConfig::default() };
    let mut loader = Loader::new(config);
    let mut link = Link::open(0);
    link.run(&mut loader, &mut board, 1_000_000, |_| false);
    [Job::Identify, Job::Write(plan.clone())].map(|job| {
        let start = link.now_micros;
        loader.start(start, job);
        let until = start + 600_000_000;
        assert!(link.run(&mut loader, &mut board, until, |loader| !loader.is_busy()));
        let last = std::iter::from_fn(|| loader.poll_event()).last();
        assert_eq!(last, Some(Event::Done));
        (link.now_micros - start) as f64 / 1e6
    })
}

/// The least that the line allows for so many bytes.
fn line_seconds(bytes: u64) -> f64 {
    bytes as f64 * 10.0 / f64::from(BAUD)
}

/// What erasing takes by the data sheet: 45 ms for a sector of 4 KB, 150 ms for a block of 64 KB.
fn erase_seconds(plan: &Plan) -> f64 {
    let changed = |sector: u32| {
        let in_it = |r: &Range<'_>| r.offset < sector + 0x1000 && sector < r.offset + r.len;
        plan.ranges().iter().any(|range| range.fate != Fate::Kept && in_it(range))
    };
    (0..plan.flash_bytes())
        .step_by(0x1_0000)
        .map(|block| {
            let sectors = (block..block + 0x1_0000).step_by(0x1000).filter(|s| changed(*s)).count();
            if sectors == 16 { 0.150 } else { sectors as f64 * 0.045 }
        })
        .sum()
}

#[test]
fn weights_alone_take_less_than_two_seconds() {
    let bytes = noise(41 * 1024);
    let mut plan = Plan::new(FlashSize::Mb4.bytes());
    plan.write("rvne", 0x11_0000, bytes.clone()).unwrap();
    for cable in [Cable::Bridge, Cable::SerialJtag] {
        let [connect, write] = seconds(cable, Flash::new(FlashSize::Mb4), &plan);
        let (took, estimate) = (connect + write, plan.estimate_micros(BAUD) as f64 / 1e6);
        println!(
            "weights, {} bytes, {cable:?}: {took:.2} s, of which {connect:.2} s to connect; \
             line alone {:.2} s; estimate {estimate:.2} s",
            bytes.len(),
            line_seconds(bytes.len() as u64)
        );
        assert!(took < 2.0, "{cable:?}: {took}");
        if cable == Cable::Bridge {
            assert!((estimate / took - 1.0).abs() < 0.35, "estimate {estimate}, took {took}");
        }
    }
}

/// What the flash takes to erase and to program, by its data sheet, nobody can save.
#[test]
fn a_whole_image_comes_near_the_limit_of_line_and_flash() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let file = |name: &str| std::fs::read(root.join("target/firmware").join(name)).ok();
    let [Some(bootloader), Some(partitions), Some(app)] =
        ["bootloader.bin", "partitions.bin", "app.bin"].map(file)
    else {
        println!("skipped: target/firmware is not built (cargo xtask firmware)");
        return;
    };
    let table = Table::parse(&partitions).unwrap();
    let parts =
        [(0, &bootloader), (0x8000, &partitions), (0x1_0000, &app), (0x11_0000, &noise(41_984))];
    let mut plan = Plan::new(FlashSize::Mb4.bytes()).with_table(table);
    let mut bytes = 0;
    for (offset, part) in parts {
        bytes += part.len() as u64;
        plan.write("part", offset, part.clone()).unwrap();
    }
    let mut flash = Flash::new(FlashSize::Mb4);
    let [connect, write] = seconds(Cable::Bridge, flash.clone(), &plan);
    let took = connect + write;
    let line = line_seconds(bytes);
    let changing = erase_seconds(&plan) + bytes as f64 / 256.0 * 0.000_4;
    let limit = line_seconds(plan.payload_bytes()) + changing;
    println!(
        "image and weights, {bytes} bytes: {took:.2} s, of which {connect:.2} s to connect; \
         line's rate alone {line:.2} s ({:.0} %); packed {} bytes, limit of line and flash \
         {limit:.2} s ({:.0} %); estimate {:.2} s",
        100.0 * line / took,
        plan.payload_bytes(),
        100.0 * limit / took,
        plan.estimate_micros(BAUD) as f64 / 1e6
    );
    assert!(line / (took - changing) >= 0.85, "without the flash's own time: {took} s, {line} s");
    assert!(limit / took >= 0.85, "{took} s, limit {limit} s");

    // Most boards have bootloader and table already.
    flash.store(0, &bootloader);
    flash.store(0x8000, &partitions);
    let update = seconds(Cable::Bridge, flash, &plan.skipping_equal(true)).iter().sum::<f64>();
    println!("the same as an update: {update:.2} s ({:.0} %)", 100.0 * line / update);
    assert!(line / update >= 0.85, "{update} s, line {line} s");
}
