//! The loader against a small scripted ROM on virtual time.

mod support;

use esp_flasher::partition::Table;
use esp_flasher::{Action, Cable, Event, FlashError, Job, Lines, LoaderConfig, Plan, Strategy};
use md5::{Digest, Md5};
use support::{Bench, FLASH, Fault, Rom, noise, plan};

fn bench(rom: Rom) -> Bench {
    Bench::new(LoaderConfig::default(), rom)
}

fn in_loader() -> Rom {
    Rom { in_loader: true, ..Rom::new() }
}

fn three_pieces() -> Vec<(u32, Vec<u8>)> {
    vec![(0x1_0000, noise(1, 0x2_0000)), (0x8000, noise(2, 3_000))]
}

/// Everything but what was planned is as it was, and that is as planned.
fn assert_flashed(bench: &Bench, before: &[u8], parts: &[(u32, Vec<u8>)]) {
    let mut expected = before.to_vec();
    for (offset, bytes) in parts {
        let (start, end) = (*offset as usize, *offset as usize + bytes.len());
        expected[start..end.next_multiple_of(0x1000)].fill(0xFF);
        expected[start..end].copy_from_slice(bytes);
    }
    if bench.rom.flash != expected {
        let wrong = bench.rom.flash.iter().zip(&expected).position(|(a, b)| a != b);
        panic!("byte {wrong:x?} of flash differs");
    }
}

#[test]
fn a_chip_is_identified() {
    let mut bench = bench(Rom::new());
    assert_eq!(bench.run(Job::Identify), &Event::Done);
    let chip = bench.chip().unwrap();
    // The same numbers that esptool 5.6.0 prints for these registers, but for its revision v0.2.
    assert_eq!(chip.mac.to_string(), "11:22:33:44:55:66");
    assert_eq!(chip.revision, (1, 2));
    assert_eq!((chip.flash_id, chip.flash_bytes), (0x13_40C8, 0x8_0000));
    let strategy = Strategy::ClassicTight;
    assert!(bench.events.contains(&Event::Trying { strategy, attempt: 1 }));
    assert!(bench.events.contains(&Event::Connected { strategy }));
    assert!(bench.events.contains(&Event::Baud { wanted: 921_600, used: 921_600 }));
    // Registers that were borrowed are given back.
    assert_eq!(bench.rom.registers[&0x6000_2018], 0x8000_0000);
    assert_eq!(bench.rom.registers[&0x6000_2020], 0x7000_0000);
}

#[test]
fn the_way_that_worked_is_told() {
    let tight = [(true, true), (false, true), (true, false), (false, false)];
    let loose = [(false, true), (true, true), (true, false), (false, false)];
    let jtag = [(true, false), (true, true), (false, true), (false, false)];
    for (cable, lines, strategy) in [
        (Cable::Bridge, tight, Strategy::ClassicTight),
        (Cable::Bridge, loose, Strategy::ClassicLoose),
        (Cable::SerialJtag, jtag, Strategy::UsbJtag),
        (Cable::Unknown, jtag, Strategy::UsbJtag),
    ] {
        let rom = Rom { enters_by: Some(lines.to_vec()), ..Rom::new() };
        let mut bench = Bench::new(LoaderConfig { cable, ..LoaderConfig::default() }, rom);
        assert_eq!(bench.run(Job::Identify), &Event::Done, "{cable:?} {strategy:?}");
        assert!(bench.events.contains(&Event::Connected { strategy }), "{cable:?} {strategy:?}");
    }
}

#[test]
fn a_person_may_bring_the_chip_into_its_loader() {
    let mut bench = bench(Rom { enters_by: None, ..Rom::new() });
    bench.start(Job::Identify);
    while !bench.events.contains(&Event::NeedsBoot) {
        assert!(bench.step());
    }
    for _ in 0..20 {
        assert!(bench.step());
    }
    bench.rom.in_loader = true;
    while bench.step() {}
    assert!(bench.events.contains(&Event::Connected { strategy: Strategy::None }));
    assert_eq!(bench.events.last(), Some(&Event::Done));
}

#[test]
fn nobody_at_the_far_end_is_a_named_error_in_bounded_time() {
    let mut bench = bench(Rom { enters_by: None, ..Rom::new() });
    let end = bench.run(Job::Identify).clone();
    assert!(matches!(end, Event::Failed(FlashError::NotConnected { attempts }) if attempts > 6));
    assert!(bench.now < 80_000_000, "{}", bench.now);
}

#[test]
fn what_must_not_be_flashed_is_refused_by_name() {
    let security = |flags: u8, crypt: u8, chip: u8| {
        let mut info = vec![0; 20];
        (info[0], info[4], info[12]) = (flags, crypt, chip);
        Rom { security: info, ..in_loader() }
    };
    for (rom, error) in [
        (security(0, 0, 5), FlashError::WrongChip { chip_id: 5 }),
        (security(1, 0, 9), FlashError::SecureBoot),
        (security(4, 0, 9), FlashError::SecureDownload),
        (security(0, 1, 9), FlashError::Encrypted),
        (security(0, 7, 9), FlashError::Encrypted),
    ] {
        let mut bench = bench(rom);
        let job = Job::Write(plan(&three_pieces()));
        assert_eq!(bench.run(job), &Event::Failed(error));
        assert!(bench.rom.flash.iter().all(|&byte| byte == 0xFF), "{error}");
    }
    let mut twice = bench(security(0, 3, 9));
    assert_eq!(twice.run(Job::Identify), &Event::Done, "an even count is not encrypted");
}

#[test]
fn older_roms_are_told_by_a_register() {
    for security in [Vec::new(), vec![0; 12]] {
        let mut old = bench(Rom { security: security.clone(), ..in_loader() });
        assert_eq!(old.run(Job::Identify), &Event::Done);
        assert_eq!(old.chip().unwrap().security.is_some(), !security.is_empty());
        let mut s2 = Rom { security, ..in_loader() };
        s2.registers.insert(0x4000_1000, 0x7C6);
        let end = bench(s2).run(Job::Identify).clone();
        assert_eq!(end, Event::Failed(FlashError::WrongChip { chip_id: 2 }));
    }
}

#[test]
fn a_plan_is_written_and_proved_and_nothing_else_is_touched() {
    let mut rom = Rom::new();
    rom.flash = noise(9, FLASH);
    let before = rom.flash.clone();
    let parts = [
        (0x1_0000, [noise(1, 0x1_8000), vec![7; 0x9000], noise(3, 777)].concat()),
        (0x8000, noise(2, 3_000)),
        (0x5_0000, vec![0xC0; 0x1_2345]),
    ];
    let mut bench = bench(rom);
    assert_eq!(bench.run(Job::Write(plan(&parts))), &Event::Done);
    assert_flashed(&bench, &before, &parts);
    let verified = bench.events.iter().filter(|e| matches!(e, Event::Verified { .. })).count();
    assert_eq!(verified, 3);
    let ops = bench.rom.ops();
    assert!(ops.contains(&0x02) && ops.contains(&0x10), "both kinds of pieces: {ops:02x?}");
    assert!(!ops.contains(&0x04) && !ops.contains(&0x12), "no end: it would leave the loader");
}

/// The rest of a block that a plan says it erases is blank, and proved to be.
#[test]
fn a_filled_block_is_blank_behind_the_file() {
    let row = |kind: u8, offset: u32, size: u32| {
        let numbers = [offset.to_le_bytes(), size.to_le_bytes()].concat();
        [&[0xAA, 0x50, kind, 0][..], &numbers, b"weights", &[0; 13]].concat()
    };
    let table = Table::parse(&[row(0x40, 0x2_0000, 0x4_0000), vec![0xFF; 32]].concat()).unwrap();
    let mut rom = Rom::new();
    rom.flash = noise(9, FLASH);
    let mut expected = rom.flash.clone();
    let file = noise(1, 0x1_9001);
    expected[0x2_0000..0x4_0000].fill(0xFF);
    expected[0x2_0000..0x3_9001].copy_from_slice(&file);
    let mut plan = Plan::new(FLASH as u32).with_table(table);
    plan.write_partition("weights", file.clone()).unwrap();
    let mut bench = bench(rom);
    assert_eq!(bench.run(Job::Write(plan)), &Event::Done);
    assert!(bench.rom.flash == expected);
    let (md5, written_bytes) = (Md5::digest(&file).into(), 0x1_9001);
    assert!(bench.events.contains(&Event::Verified { region: 0, md5, written_bytes }));
}

#[test]
fn progress_never_exceeds_and_ends_at_all_bytes() {
    let mut bench = bench(Rom::new());
    bench.run(Job::Write(plan(&three_pieces())));
    let mut last = [(0, 0); 2];
    for event in &bench.events {
        if let Event::Progress { region, done_bytes, total_bytes } = event {
            assert!(done_bytes <= total_bytes && last[*region].0 <= *done_bytes);
            last[*region] = (*done_bytes, *total_bytes);
        }
    }
    assert_eq!(last, [(3_000, 3_000), (0x2_0000, 0x2_0000)]);
}

#[test]
fn equal_pieces_are_skipped_when_asked() {
    let parts = three_pieces();
    let mut bench = bench(Rom::new());
    bench.run(Job::Write(plan(&parts)));
    let changed = 0x2_0000;
    bench.rom.flash[changed] ^= 1;
    bench.rom.requests.clear();
    bench.run(Job::Write(plan(&parts).skipping_equal(true)));
    assert_eq!(bench.events.last(), Some(&Event::Done));
    assert_eq!(bench.rom.ops().iter().filter(|&&op| op == 0x02 || op == 0x10).count(), 1);
    let written: Vec<_> = bench
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Verified { written_bytes, .. } => Some(*written_bytes),
            _ => None,
        })
        .collect();
    assert_eq!(written, [0, 0x1_0000]);
}

#[test]
fn erasing_leaves_ones_and_nothing_else() {
    let mut rom = in_loader();
    rom.flash = noise(9, FLASH);
    let mut expected = rom.flash.clone();
    expected[0x1_F000..0x4_3000].fill(0xFF);
    let mut plan = Plan::new(FLASH as u32);
    plan.erase("range", 0x1_F000, 0x2_4000).unwrap();
    let mut some = bench(rom);
    assert_eq!(some.run(Job::Write(plan)), &Event::Done);
    assert!(some.rom.flash == expected);
    let mut all = Plan::new(FLASH as u32);
    all.erase_all().unwrap();
    assert_eq!(some.run(Job::Write(all)), &Event::Done);
    assert!(some.rom.flash.iter().all(|&byte| byte == 0xFF));
}

#[test]
fn a_speed_that_does_not_hold_is_given_up_once() {
    // This ROM obeys, but bytes are lost at the new speed: it has to be reset to be heard again.
    let mut deaf = bench(Rom { top_baud: 500_000, ..Rom::new() });
    let parts = three_pieces();
    assert_eq!(deaf.run(Job::Write(plan(&parts))), &Event::Done);
    assert!(deaf.events.contains(&Event::Baud { wanted: 921_600, used: 115_200 }));
    let tried = deaf.actions.iter().filter(|a| **a == Action::SetBaud(921_600)).count();
    assert_eq!(tried, 1);
    assert_eq!(deaf.rom.baud, 115_200);
    assert_flashed(&deaf, &[0xFF; FLASH], &parts);
}

#[test]
fn native_usb_changes_no_speed_and_stops_the_watchdogs() {
    let jtag = vec![(true, false), (true, true), (false, true), (false, false)];
    let rom = Rom { enters_by: Some(jtag), ..Rom::new() };
    let config = LoaderConfig { cable: Cable::SerialJtag, ..LoaderConfig::default() };
    let mut bench = Bench::new(config, rom);
    assert_eq!(bench.run(Job::Identify), &Event::Done);
    assert!(!bench.actions.iter().any(|action| matches!(action, Action::SetBaud(_))));
    let writes: Vec<(u32, u32)> = bench
        .rom
        .requests
        .iter()
        .filter(|request| request[1] == 9)
        .map(|r| [8, 12].map(|at| u32::from_le_bytes(r[at..at + 4].try_into().unwrap())).into())
        .take(6)
        .collect();
    assert_eq!(
        writes,
        [
            (0x6000_80B0, 0x50D8_3AA1),
            (0x6000_8098, 0),
            (0x6000_80B0, 0),
            (0x6000_80B8, 0x8F1D_312A),
            (0x6000_80B4, 0x8000_0000),
            (0x6000_80B8, 0),
        ]
    );
}

/// Whatever happens to any one request of a whole job, the job ends well.
#[test]
fn one_fault_at_any_request_costs_nothing_but_time() {
    let parts = [(0x1_C000, noise(1, 0x5C00)), (0x8000, vec![5; 3_000])];
    let mut clean = bench(Rom::new());
    assert_eq!(clean.run(Job::Write(plan(&parts))), &Event::Done);
    let requests = clean.rom.requests.len();
    assert!(requests > 50, "{requests}");
    let plan = plan(&parts);
    for fault in [Fault::Deaf, Fault::Mute, Fault::Twice, Fault::Refuse(7), Fault::Unplug] {
        for at in 0..requests {
            let mut rom = Rom::new();
            rom.faults.insert(at, fault);
            let mut bench = bench(rom);
            let end = bench.run(Job::Write(plan.clone())).clone();
            assert_eq!(end, Event::Done, "{fault:?} at request {at}");
            assert_flashed(&bench, &[0xFF; FLASH], &parts);
        }
    }
}

#[test]
fn a_lost_link_goes_on_with_the_piece_that_was_not_proved() {
    let parts = [(0x1_0000, noise(1, 0x3_0000))];
    let mut clean = bench(Rom::new());
    clean.run(Job::Write(plan(&parts)));
    let begins: Vec<usize> =
        (0..clean.rom.requests.len()).filter(|&at| clean.rom.requests[at][1] == 0x02).collect();
    assert_eq!(begins.len(), 3);
    let mut rom = Rom::new();
    rom.faults.insert(begins[1] + 10, Fault::Unplug);
    let mut bench = bench(rom);
    assert_eq!(bench.run(Job::Write(plan(&parts))), &Event::Done);
    assert!(bench.events.contains(&Event::Lost) && bench.events.contains(&Event::Back));
    assert_eq!(bench.rom.ops().iter().filter(|&&op| op == 0x02).count(), 4, "one piece twice");
}

/// Between any two actions, in any pause: the board loses its power and comes back.
#[test]
fn a_port_lost_at_any_moment_is_waited_for() {
    let parts = [(0x1_C000, noise(1, 0x4C00))];
    let plan = plan(&parts);
    for job in [Job::Write(plan.clone()), Job::Restart] {
        let prepared = || {
            let mut bench = bench(Rom::new());
            if job == Job::Restart {
                bench.run(Job::Write(plan.clone()));
            }
            bench.start(job.clone());
            bench
        };
        let mut clean = prepared();
        let steps = std::iter::from_fn(|| clean.step().then_some(())).count();
        assert!(steps > 8, "{steps}");
        for at in 0..steps {
            let mut bench = prepared();
            for _ in 0..at {
                assert!(bench.step());
            }
            bench.lose();
            while bench.step() {}
            assert_eq!(bench.events.last(), Some(&Event::Done), "{job:?} lost after {at} steps");
            assert_flashed(&bench, &[0xFF; FLASH], &parts);
        }
    }
}

#[test]
fn another_board_is_not_written() {
    let parts = three_pieces();
    let mut rom = Rom::new();
    rom.faults.insert(100, Fault::Unplug);
    let mut bench = bench(rom);
    bench.start(Job::Write(plan(&parts)));
    while !bench.events.contains(&Event::Lost) {
        assert!(bench.step());
    }
    bench.rom.registers.insert(0x6000_7044, 1);
    let flash = bench.rom.flash.clone();
    while bench.step() {}
    assert_eq!(bench.events.last(), Some(&Event::Failed(FlashError::AnotherBoard)));
    assert!(bench.rom.flash == flash);
}

#[test]
fn a_chip_that_cannot_prove_is_a_named_error() {
    let mut bench = bench(Rom::new().lying());
    let end = bench.run(Job::Write(plan(&three_pieces()))).clone();
    assert_eq!(end, Event::Failed(FlashError::Verify { offset: 0x8000, len: 3_000 }));
    let left = Event::Unfinished { region: 0, offset: 0x8000, len: 3_000 };
    assert!(bench.events.contains(&left));
}

#[test]
fn a_plan_for_a_larger_flash_is_refused_before_anything_is_erased() {
    let mut plan = Plan::new(0x80_0000);
    plan.write("far", 0x8_0000, vec![1]).unwrap();
    let mut bench = bench(in_loader());
    let error = FlashError::FlashTooSmall { needed: 0x8_1000, have: 0x8_0000 };
    assert_eq!(bench.run(Job::Write(plan)), &Event::Failed(error));
    assert!(!bench.rom.ops().contains(&0x02));
}

#[test]
fn cancelling_says_what_is_left_and_the_next_job_finds_the_loader() {
    let parts = three_pieces();
    let mut bench = bench(Rom::new());
    bench.start(Job::Write(plan(&parts)));
    while !bench.rom.ops().contains(&0x03) {
        assert!(bench.step());
    }
    bench.loader.cancel(bench.now);
    while bench.step() {}
    bench.events.extend(std::iter::from_fn(|| bench.loader.poll_event()));
    let left = Event::Unfinished { region: 0, offset: 0x8000, len: 3_000 };
    let ends = [left, Event::Failed(FlashError::Cancelled)];
    assert_eq!(bench.events[bench.events.len() - 2..], ends);
    assert_eq!(bench.loader.poll_timeout(), None);
    let lines = bench.actions.len();
    assert_eq!(bench.run(Job::Write(plan(&parts))), &Event::Done);
    let moved = bench.actions[lines..].iter().any(|a| matches!(a, Action::SetLines(_)));
    assert!(!moved, "no reset is needed");
    assert_flashed(&bench, &[0xFF; FLASH], &parts);
}

#[test]
fn cancelling_lets_go_of_the_lines() {
    let mut bench = bench(Rom { enters_by: None, ..Rom::new() });
    bench.start(Job::Identify);
    while bench.actions.last() != Some(&Action::SetLines(Lines { dtr: false, rts: true })) {
        assert!(bench.step());
    }
    bench.loader.cancel(bench.now);
    assert_eq!(bench.loader.poll_action(), Some(Action::SetLines(Lines::default())));
}

#[test]
fn flash_is_read_and_proved() {
    let mut rom = in_loader();
    rom.flash = noise(4, FLASH);
    let expected = rom.flash[0x8000..0x8C0A].to_vec();
    let mut bench = bench(rom);
    bench.run(Job::Read { offset: 0x8000, len: 0xC0A });
    assert!(bench.events.contains(&Event::Read { offset: 0x8000, bytes: expected }));
    let beyond = Job::Read { offset: FLASH as u32 - 4, len: 5 };
    let error = FlashError::FlashTooSmall { needed: FLASH as u32 + 1, have: FLASH as u32 };
    assert_eq!(bench.run(beyond), &Event::Failed(error));
}

#[test]
fn a_restart_pulses_rts_at_the_first_speed_and_hands_over_what_is_said() {
    let mut rom = Rom::new();
    rom.registers.insert(0x6000_812C, 3);
    let mut bench = bench(rom);
    bench.run(Job::Identify);
    let before = bench.actions.len();
    assert_eq!(bench.run(Job::Restart), &Event::Done);
    let pulse = [(false, false), (false, true), (false, false)];
    let expected: Vec<_> = std::iter::once(Action::SetBaud(115_200))
        .chain(pulse.map(|(dtr, rts)| Action::SetLines(Lines { dtr, rts })))
        .collect();
    let actions: Vec<_> = bench.actions[before..]
        .iter()
        .filter(|action| !matches!(action, Action::Write(_)))
        .cloned()
        .collect();
    assert_eq!(actions, expected);
    assert_eq!(bench.rom.registers[&0x6000_812C], 2, "forced download is cleared");
    assert!(bench.events.contains(&Event::Restarted { heard: true }));
    let heard: Vec<u8> = bench
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Heard(bytes) => Some(bytes.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(heard, bench.rom.boot_text.as_bytes());
}

#[test]
fn a_board_that_stays_in_its_loader_waits_for_a_person() {
    let mut bench = bench(Rom { restarts: false, ..Rom::new() });
    bench.run(Job::Identify);
    bench.start(Job::Restart);
    while !bench.events.contains(&Event::NeedsReset) {
        assert!(bench.step());
    }
    bench.rom.in_loader = false;
    bench.loader.handle_bytes(bench.now, b"ESP-ROM:esp32s3\r\n");
    while bench.step() {}
    assert!(bench.events.contains(&Event::Restarted { heard: true }));
    assert_eq!(bench.events.last(), Some(&Event::Done));

    let mut stuck = Bench::new(LoaderConfig::default(), Rom { restarts: false, ..Rom::new() });
    stuck.run(Job::Identify);
    assert_eq!(stuck.run(Job::Restart), &Event::Failed(FlashError::NotRestarted));
}

#[test]
fn a_silent_application_counts_as_restarted() {
    let mut bench = bench(Rom { boot_text: "", ..Rom::new() });
    bench.run(Job::Identify);
    assert_eq!(bench.run(Job::Restart), &Event::Done);
    assert!(bench.events.contains(&Event::Restarted { heard: false }));
}

/// Bytes, times and calls in any order: no panic, and memory stays in proportion.
#[test]
fn any_input_is_survived() {
    fn survives(calls: Vec<(u8, u16, Vec<u8>)>) -> bool {
        let mut loader = esp_flasher::Loader::new(LoaderConfig::default());
        let mut now = 0;
        for (call, step, mut bytes) in calls {
            now += u64::from(step) * 100;
            match call % 9 {
                0 => loader.start(now, Job::Identify),
                1 => loader.start(now, Job::Write(plan(&[(0x1_0000, bytes.clone())]))),
                2 => loader.start(now, Job::Restart),
                3 => loader.handle_opened(now),
                4 => loader.handle_lost(now),
                5 => loader.cancel(now),
                6 => loader.handle_timeout(now),
                _ => {
                    let mut frame = vec![0xC0, 1, [8, 0x14, 0x0A, 9][usize::from(step) % 4]];
                    frame.extend((bytes.len() as u16).to_le_bytes());
                    frame.append(&mut bytes);
                    frame.push(0xC0);
                    loader.handle_bytes(now, &frame);
                }
            }
            while loader.poll_action().is_some() {}
            while loader.poll_event().is_some() {}
        }
        true
    }
    fn quick(calls: Vec<(u8, u16, Vec<u8>)>) -> quickcheck::TestResult {
        let calls: Vec<_> = calls
            .into_iter()
            .map(|(call, step, bytes)| (call, step, if bytes.is_empty() { vec![1] } else { bytes }))
            .collect();
        quickcheck::TestResult::from_bool(survives(calls))
    }
    quickcheck::QuickCheck::new()
        .quickcheck(quick as fn(Vec<(u8, u16, Vec<u8>)>) -> quickcheck::TestResult);
}
