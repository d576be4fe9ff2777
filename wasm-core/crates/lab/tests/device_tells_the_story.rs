//! From a cable to classifications, against the simulated board, on time that nobody waits for.

mod device_support;

use csi_lab::device::{
    CheckAsk, DeviceError, DeviceEvent, Firmware, Found, LinkState, Manifest, OwnFile, Place,
    PlanAsk, StepState, Task,
};
use csi_lab::sim::{Flash, FlashSize};
use csi_node::protocol::{Numbers, Request, Settings};
use device_support::{DIM, Story, WINDOW, blob, crc_of, firmware, flashed, numbers, parity};
use esp_flasher::{Cable, FlashError};

#[test]
fn an_erased_board_gets_firmware_and_weights_and_proves_parity() {
    for cable in [Cable::SerialJtag, Cable::Bridge] {
        let mut story = Story::new(Flash::new(FlashSize::Mb8), cable, "").connected();
        assert_eq!(story.device.view().found, Found::Empty, "the ROM complains of an empty flash");

        story.device.identify(story.now()).unwrap();
        assert_eq!(story.finish(), Ok(Task::Identify));
        let chip = story.device.view().chip.unwrap();
        assert_eq!((chip.name.as_str(), chip.flash_bytes), ("ESP32-S3", Some(8 << 20)));
        assert!(!story.journal().contains(&chip.mac), "the address is no log's business");

        let weights = blob(1);
        let ask = PlanAsk::Firmware { blob: Some(weights.clone()) };
        assert_eq!(story.write(&ask), Ok(Task::Write), "{}", story.journal());
        let flash = story.board.flash();
        for (part, bytes) in firmware().parts() {
            assert_eq!(flash.read(part.offset, part.bytes), bytes, "{}", part.file);
        }
        assert_eq!(flash.read(0x11_0000, weights.len() as u32), weights);
        assert_eq!(story.steps(), [StepState::Done; 7], "{}", story.journal());
        let view = story.device.view();
        assert_eq!(view.node.as_ref().unwrap().blob_crc, Some(crc_of(&weights)));
        assert_eq!(view.runs_catalogue, Some(true));
        let hash = view.plan.unwrap().hash;
        assert!(story.journal().contains(&hash), "the plan's hash stays in the log");

        let rows = 40;
        story.device.parity(story.now(), parity(&weights, rows)).unwrap();
        assert_eq!(story.finish(), Ok(Task::Parity));
        let report = story.events.iter().rev().find_map(|event| match event {
            DeviceEvent::Parity { report } => Some(report.clone()),
            _ => None,
        });
        let report = report.unwrap();
        assert!(report.is_identical(), "{}", report.sentence());
        assert_eq!(report.total as usize, rows - WINDOW + 1);
        assert_eq!(report.sentence(), "29 of 29 identical");
    }
}

#[test]
fn weights_alone_take_less_than_two_seconds_at_921600() {
    let mut story = Story::new(flashed(Some(&blob(1))), Cable::Bridge, "").connected();
    assert_eq!(story.device.view().found, Found::Node);
    let seeded = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../fixtures/models/aether_seeded.rvne"
    ))
    .unwrap();
    story.device.identify(story.now()).unwrap();
    story.finish().unwrap();
    let began = story.now();
    story.device.plan(&PlanAsk::Weights { blob: seeded.clone() }).unwrap();
    story.device.write(began).unwrap();
    story.until(|event| matches!(event, DeviceEvent::Verified { .. }));
    let seconds = (story.now() - began) as f64 / 1e6;
    story.finish().unwrap();
    println!("{} bytes written and proved in {seconds:.2} s", seeded.len());
    assert!(seconds < 2.0, "{seconds} s");
    assert_eq!(story.device.view().node.unwrap().blob_crc, Some(crc_of(&seeded)));
}

#[test]
fn parity_sends_weights_when_asked_and_else_says_that_they_differ() {
    let (theirs, ours) = (blob(1), blob(2));
    let mut story = Story::new(flashed(Some(&theirs)), Cable::Bridge, "").connected();
    story.device.parity(story.now(), parity(&ours, 20)).unwrap();
    let (board, page) = (crc_of(&theirs), crc_of(&ours));
    assert_eq!(story.finish(), Err(DeviceError::OtherWeights { board, ours: page }));
    let ask = csi_lab::device::ParityAsk { send_weights: true, ..parity(&ours, 20) };
    story.device.parity(story.now(), ask).unwrap();
    assert_eq!(story.finish(), Ok(Task::Parity), "{}", story.journal());
    assert!(story.journal().contains("9 of 9 identical"), "{}", story.journal());
}

#[test]
fn parity_outlives_damage_on_the_line() {
    for faults in
        ["flip-out@3000", "flip-in@1500", "lose-in@900", "lose-out@2500", "double-in@1200"]
    {
        let weights = blob(1);
        let mut story = Story::new(flashed(Some(&weights)), Cable::Bridge, faults).connected();
        story.device.parity(story.now(), parity(&weights, 60)).unwrap();
        assert_eq!(story.finish(), Ok(Task::Parity), "{faults}: {}", story.journal());
        assert!(story.journal().contains("49 of 49 identical"), "{faults}: {}", story.journal());
    }
}

#[test]
fn the_check_names_the_first_broken_link() {
    let check = |story: &mut Story, ask: CheckAsk| {
        story.device.check(story.now(), ask).unwrap();
        story.finish().unwrap();
        story.events.iter().rev().find_map(|event| match event {
            DeviceEvent::Checked { report } => Some(report.clone()),
            _ => None,
        })
    };
    let broken = |report: &csi_lab::device::CheckReport| {
        report.first_broken.map(|index| report.links[index].name)
    };

    let mut closed = csi_lab::device::Device::new(Default::default());
    closed.check(0, CheckAsk::default()).unwrap();
    let Some(DeviceEvent::Checked { report }) = closed.poll_event() else { panic!("no report") };
    assert_eq!(broken(&report), Some("port"));

    let mut story = Story::new(Flash::new(FlashSize::Mb8), Cable::Bridge, "").connected();
    assert_eq!(broken(&check(&mut story, CheckAsk::default()).unwrap()), Some("boot"));
    let mut story = Story::new(flashed(None), Cable::Bridge, "").connected();
    assert_eq!(broken(&check(&mut story, CheckAsk::default()).unwrap()), Some("weights"));

    let weights = blob(1);
    let mut story = Story::new(flashed(Some(&weights)), Cable::Bridge, "").connected();
    let ask = CheckAsk { image_hash: "00".repeat(8), blob_crc: Some(crc_of(&weights)) };
    let report = check(&mut story, ask).unwrap();
    assert_eq!(broken(&report), Some("frames"), "{report:?}");
    assert_eq!(report.links[2].state, LinkState::Differs, "another image than the catalogue's");
    assert!(
        report
            .links
            .iter()
            .all(|link| (link.state == LinkState::Broken) <= !link.advice.is_empty())
    );

    // Somebody sends rows meanwhile: here, the test does, around the device.
    let numbers = numbers(DIM * 40);
    story.device.check(story.now(), CheckAsk::default()).unwrap();
    story.until(|event| matches!(event, DeviceEvent::Counters { .. }));
    for (index, row) in numbers.chunks(DIM).enumerate() {
        let mut bytes = Vec::new();
        let time_micros = index as i64 * 10_000;
        let values = Numbers::Floats(row);
        Request::Row { sequence: index as u32, time_micros, values }.write(&mut bytes).unwrap();
        story.board.handle_bytes(story.now(), &bytes);
    }
    story.finish().unwrap();
    let Some(DeviceEvent::Checked { report }) =
        story.events.iter().rev().find(|e| matches!(e, DeviceEvent::Checked { .. }))
    else {
        panic!("no report")
    };
    assert_eq!(report.first_broken, None, "{report:#?}");
}

#[test]
fn a_board_that_stays_in_its_loader_asks_for_reset_and_goes_on_by_itself() {
    let mut story = Story::new(flashed(None), Cable::Unknown, "stuck:3").connected();
    // Nothing pulls the lines: a person holds BOOT and presses RESET.
    story.device.plan(&PlanAsk::Weights { blob: blob(3) }).unwrap();
    story.device.write(story.now()).unwrap();
    story.until(|event| matches!(event, DeviceEvent::HoldBoot));
    story.board.hold_boot(true);
    story.board.press_reset(story.now());
    // As long as BOOT is held, the chip's own watchdog restarts it into its loader.
    story.until(|event| matches!(event, DeviceEvent::PressReset));
    assert!(story.device.view().wants_reset);
    story.board.hold_boot(false);
    story.board.press_reset(story.now());
    assert_eq!(story.finish(), Ok(Task::Write), "{}", story.journal());
    assert_eq!(story.device.view().node.unwrap().blob_crc, Some(crc_of(&blob(3))));
}

#[test]
fn usb_that_goes_away_with_every_restart_is_found_again() {
    let mut story = Story::new(flashed(None), Cable::SerialJtag, "reenumerate:700").connected();
    assert_eq!(story.write(&PlanAsk::Weights { blob: blob(3) }), Ok(Task::Write));
    assert_eq!(story.steps()[5..], [StepState::Done; 2], "{}", story.journal());
    story.device.restart(story.now()).unwrap();
    assert_eq!(story.finish(), Ok(Task::Restart), "{}", story.journal());
    assert_eq!(story.device.view().found, Found::Node);
}

#[test]
fn a_cable_that_comes_off_while_writing_is_waited_for() {
    let erased = Flash::new(FlashSize::Mb8);
    let mut story = Story::new(erased, Cable::Bridge, "unplug@40:800").connected();
    let weights = blob(3);
    let end = story.write(&PlanAsk::Firmware { blob: Some(weights.clone()) });
    assert_eq!(end, Ok(Task::Write), "{}", story.journal());
    assert_eq!(story.device.view().node.unwrap().blob_crc, Some(crc_of(&weights)));
}

#[test]
fn a_cable_that_never_comes_back_is_an_error_and_a_new_start_works() {
    let erased = Flash::new(FlashSize::Mb8);
    let mut story = Story::new(erased, Cable::Bridge, "unplug@40:0").connected();
    let end = story.write(&PlanAsk::Firmware { blob: Some(blob(3)) });
    assert_eq!(end, Err(DeviceError::Flash(FlashError::Lost)), "{}", story.journal());
    assert!(!story.device.view().is_open);
    assert_eq!(story.device.write(story.now()), Err(DeviceError::NotConnected));
    story.board.plug(story.now());
    story.link = csi_lab::sim::drive::Link::open(story.now());
    story.device.connect(story.now()).unwrap();
    story.finish().unwrap();
    assert_eq!(story.write(&PlanAsk::Firmware { blob: Some(blob(3)) }), Ok(Task::Write));
}

#[test]
fn cancelling_says_in_what_state_the_board_is() {
    let mut story = Story::new(Flash::new(FlashSize::Mb8), Cable::Bridge, "").connected();
    story.device.plan(&PlanAsk::Firmware { blob: None }).unwrap();
    story.device.write(story.now()).unwrap();
    story.until(|event| matches!(event, DeviceEvent::Progress { .. }));
    story.device.cancel(story.now());
    story.until(|event| match event {
        DeviceEvent::Failed { task: Task::Write, left, .. } => left.contains("partly written"),
        _ => false,
    });
    // It is still in its loader: requests to an application are refused, a new write is not.
    assert_eq!(story.device.configure(Settings::default()), Err(DeviceError::InLoader));
    story.device.check(story.now(), CheckAsk::default()).unwrap();
    story.until(|event| match event {
        DeviceEvent::Checked { report } => report.links[1].detail.contains("waits in its loader"),
        _ => false,
    });
    assert_eq!(story.write(&PlanAsk::Firmware { blob: Some(blob(1)) }), Ok(Task::Write));
}

#[test]
fn foreign_firmware_is_told_from_ours() {
    let (manifest, files) = device_support::files("hello-world");
    let manifest = csi_lab::device::Manifest::parse(manifest.as_bytes()).unwrap();
    let foreign = csi_lab::device::Firmware::new(manifest, &files).unwrap();
    let mut flash = Flash::new(FlashSize::Mb8);
    for (part, bytes) in foreign.parts() {
        flash.store(part.offset, bytes);
    }
    let mut story = Story::new(flash, Cable::Bridge, "").connected();
    let view = story.device.view();
    assert_eq!((view.found, view.node), (Found::Text, None));
    assert!(story.console().contains("is not ours"), "{}", story.console());
    // Weights alone can be planned, and the plan says what it thinks of it.
    let plan = story.device.plan(&PlanAsk::Weights { blob: blob(1) }).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("did not answer")), "{:?}", plan.notes);
    let end = story.write(&PlanAsk::Weights { blob: blob(1) });
    assert!(matches!(end, Err(DeviceError::NoAnswer { .. })), "{end:?}");
}

#[test]
fn a_plan_assumes_nothing_once_the_chip_has_told() {
    for size in [FlashSize::Mb4, FlashSize::Mb8, FlashSize::Mb16] {
        let mut story = Story::new(Flash::new(size), Cable::Bridge, "").connected();
        let ask = PlanAsk::Firmware { blob: Some(blob(1)) };
        let plan = story.device.plan(&ask).unwrap().clone();
        assert_eq!(plan.notes, ["The chip was not asked yet: a flash of 4 MiB is assumed."]);
        assert_eq!(story.write(&ask), Ok(Task::Write), "{}", story.journal());
        // What was written stays in sight, as if the chip had been asked before.
        let shown = story.device.view().plan.unwrap();
        assert_eq!(story.device.plan(&ask).unwrap(), &shown);
        assert_eq!((shown.notes.len(), &shown.hash), (0, &plan.hash));
        assert_eq!(Some(shown.flash_bytes), story.device.view().chip.unwrap().flash_bytes);
        let end = shown.ranges.last().unwrap();
        assert_eq!(end.offset + end.bytes, shown.flash_bytes);
    }
}

#[test]
fn csi_lines_of_other_boards_come_whole_and_frames_do_not_disturb_them() {
    let mut device = csi_lab::device::Device::new(Default::default());
    device.connect(0).unwrap();
    let text = "boot\nCSI_DATA,1,AA:BB,[1 2 3]\nCSI_DATA,2,AA:BB,[4 5 6]\nI (5) wifi: hello\n";
    for (index, piece) in text.as_bytes().chunks(7).enumerate() {
        device.handle_bytes(1000 * index as u64, piece);
    }
    let (mut csi, mut lines, mut found) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(event) = device.poll_event() {
        match event {
            DeviceEvent::Csi { bytes, .. } => csi.extend(bytes),
            DeviceEvent::Line { text, .. } => lines.push(text),
            DeviceEvent::Found { found: what } => found.push(what),
            _ => {}
        }
    }
    assert_eq!(csi, b"CSI_DATA,1,AA:BB,[1 2 3]\nCSI_DATA,2,AA:BB,[4 5 6]\n");
    assert_eq!(lines, ["boot", "I (5) wifi: hello"]);
    assert_eq!(found, [Found::Text, Found::CsiLines]);
}

#[test]
fn plans_show_the_whole_flash_and_the_same_by_hand() {
    let mut device = csi_lab::device::Device::new(Default::default());
    let plan = device.plan(&PlanAsk::Weights { blob: blob(1) }).unwrap();
    assert_eq!(
        plan.esptool,
        "esptool --chip esp32s3 --port PORT --baud 921600 write-flash 0x110000 WEIGHTS.rvne"
    );
    device.set_firmware(Some(firmware()));
    let plan = device.plan(&PlanAsk::Firmware { blob: Some(blob(1)) }).unwrap().clone();
    let mut at = 0;
    for range in &plan.ranges {
        assert_eq!(range.offset, at, "{range:?}");
        at += range.bytes;
    }
    assert_eq!(at, plan.flash_bytes);
    let nvs = plan.ranges.iter().find(|range| range.name == "nvs").unwrap();
    assert_eq!((nvs.offset, nvs.bytes), (0x9000, 0x4000), "settings are kept");
    assert!(plan.estimate_seconds > 0.5 && plan.payload_bytes > 20_000);
    // A merged image would replace the settings.
    let merged = |replace_settings| PlanAsk::Files {
        files: vec![OwnFile {
            name: "merged.bin".into(),
            place: Place::Range { offset: 0, len: 0 },
            bytes: vec![0; 0x2_0000],
        }],
        replace_settings,
    };
    let refused = device.plan(&merged(false)).unwrap_err();
    assert_eq!(refused.code(), "plan/crosses-nvs");
    assert_eq!(device.view().plan.unwrap().hash, plan.hash, "the plan before stays");
    device.plan(&merged(true)).unwrap();
    let erase = PlanAsk::Erase { places: vec![Place::Partition("rvne".into())] };
    let erase = device.plan(&erase).unwrap();
    assert!(erase.esptool.ends_with("erase-region 0x110000 0x40000"), "{}", erase.esptool);
    assert!(device.plan(&PlanAsk::EraseAll).unwrap().esptool.ends_with("erase-flash"));
    let damaged = PlanAsk::Weights { blob: vec![0; 10] };
    assert_eq!(device.plan(&damaged).unwrap_err().code(), "rvne/magic");
}

#[test]
fn erasing_everything_leaves_an_erased_flash_and_no_expectations() {
    let mut flash = Flash::new(FlashSize::Mb4);
    flash.store(0x11_0000, &blob(1));
    let mut story = Story::new(flash, Cable::SerialJtag, "").connected();
    story.device.identify(story.now()).unwrap();
    story.finish().unwrap();
    assert_eq!(story.write(&PlanAsk::EraseAll), Ok(Task::Write), "{}", story.journal());
    let flash = story.board.flash();
    assert!((0..4 << 20).step_by(0x1000).all(|at| flash.read(at, 16) == [0xFF; 16]));
}

#[test]
fn firmware_that_is_not_the_manifests_is_refused() {
    let (text, files) = device_support::files("csi-node");
    let manifest = || Manifest::parse(text.as_bytes()).unwrap();
    assert!(Firmware::new(manifest(), &files).is_ok());
    for index in 0..files.len() {
        let mut damaged = files.clone();
        damaged[index].1[100] ^= 1;
        let error = Firmware::new(manifest(), &damaged).unwrap_err();
        assert_eq!(error, DeviceError::FileHash { index: index as u8 });
        damaged.remove(index);
        let error = Firmware::new(manifest(), &damaged).unwrap_err();
        assert_eq!(error, DeviceError::FileMissing { index: index as u8 });
    }
    for wrong in ["", "{}", "[1]", &text.replace("esp32s3", "esp32"), &text.replace("parts", "x")] {
        assert_eq!(Manifest::parse(wrong.as_bytes()).unwrap_err().code(), "device/manifest");
    }
}
