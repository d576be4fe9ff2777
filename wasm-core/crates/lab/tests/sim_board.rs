//! The simulated board as a whole: resets, starts, times, faults, and the node on it.

mod sim_support;

use csi_lab::sim::drive::Link;
use csi_lab::sim::{BOARD_NUMBER, Board, BoardConfig, Cause, Flash, FlashSize, Note, Pace};
use csi_node::protocol::{Decoder, Event as Frame, Reply, Request};
use esp_flasher::line::{Cable, Lines};
use esp_flasher::plan::Plan;
use esp_flasher::{Event, Job, Loader, LoaderConfig};
use sim_support::{ask, data, fixture, image, node_flash, packets, request, table, words};

const MILLI: u64 = 1000;
/// Long enough for any start.
const START: u64 = 600 * MILLI;

fn config(cable: Cable, flash: Flash) -> BoardConfig {
    BoardConfig { cable, ..BoardConfig::new(flash) }
}

/// Sets lines, DTR first, each pair followed by its milliseconds. Returns the time after it.
fn lines(board: &mut Board, mut now: u64, sequence: &[(u8, u8, u64)]) -> u64 {
    for &(dtr, rts, millis) in sequence {
        board.handle_lines(now, Lines { dtr: dtr != 0, rts: rts != 0 });
        now += millis * MILLI;
    }
    board.handle_timeout(now);
    now
}

fn text(board: &mut Board, now: u64) -> String {
    String::from_utf8_lossy(&board.poll_bytes(now)).into_owned()
}

fn sync() -> Vec<u8> {
    request(0x08, 0, &[&[0x07, 0x07, 0x12, 0x20][..], &[0x55; 32]].concat())
}

/// How esptool resets by a bridge, and how it ends.
const TIGHT: [(u8, u8, u64); 5] = [(0, 0, 0), (1, 1, 0), (0, 1, 100), (1, 0, 50), (0, 0, 0)];
const PULSE: [(u8, u8, u64); 2] = [(0, 1, 100), (0, 0, 600)];
/// How it resets by USB-Serial-JTAG.
const USB: [(u8, u8, u64); 6] =
    [(0, 0, 100), (1, 0, 100), (1, 1, 0), (0, 1, 0), (0, 1, 100), (0, 0, 100)];

#[test]
fn a_bridge_resets_into_the_loader_and_out_of_it() {
    let mut board = Board::new(0, config(Cable::Bridge, node_flash()));
    assert!(text(&mut board, START).contains("SPI_FAST_FLASH_BOOT"));
    assert!(board.runs_node());
    let now = lines(&mut board, START, &TIGHT);
    assert!(
        text(&mut board, now)
            .ends_with("boot:0x0 (DOWNLOAD(USB/UART0))\r\nwaiting for download\r\n")
    );
    assert!(board.is_in_loader());
    let now = lines(&mut board, now, &PULSE);
    assert!(board.runs_node(), "{}", text(&mut board, now));
}

#[test]
fn io0_counts_once_enable_has_risen() {
    let reset_with = |rise: u64, gap: u64| {
        let config =
            BoardConfig { enable_rise_micros: rise, ..config(Cable::Bridge, node_flash()) };
        let mut board = Board::new(0, config);
        // A system that sets one line after the other passes through "both", which lets EN go.
        lines(&mut board, START, &[(0, 1, 100), (1, 1, gap), (1, 0, 50), (0, 0, 0)]);
        board.is_in_loader()
    };
    assert!(reset_with(10 * MILLI, 2));
    assert!(!reset_with(MILLI, 5), "IO0 came too late");
    assert!(!reset_with(70 * MILLI, 2), "IO0 was let go too early");
}

#[test]
fn while_enable_is_low_nothing_runs() {
    let mut board = Board::new(0, config(Cable::Bridge, node_flash()));
    text(&mut board, START);
    let now = lines(&mut board, START, &[(0, 1, 5000)]);
    board.handle_bytes(now, b"board-report\n");
    assert_eq!(text(&mut board, now + START), "");
    assert_eq!(board.poll_timeout(), None);
}

#[test]
fn usb_resets_into_the_loader_and_stays_until_the_wish_is_cleared() {
    let mut board = Board::new(0, config(Cable::SerialJtag, node_flash()));
    let now = lines(&mut board, START, &USB);
    assert!(board.is_in_loader());
    assert!(text(&mut board, now).contains("rst:0x15 (USB_UART_CHIP_RESET),boot:0x0"));
    let now = lines(&mut board, now, &PULSE);
    assert!(board.is_in_loader(), "as long as 6000812C holds the wish");
    board.handle_bytes(now, &request(0x09, 0, &words(&[0x6000_812C, 0, 1, 0])));
    let now = lines(&mut board, now + MILLI, &PULSE);
    assert!(board.runs_node(), "{}", text(&mut board, now));
}

#[test]
fn the_rtc_watchdog_leads_out_of_the_loader_without_lines() {
    let config = BoardConfig { boots_into_loader: true, ..config(Cable::Unknown, node_flash()) };
    let mut board = Board::new(0, config);
    board.poll_bytes(50 * MILLI);
    let writes = [(0x6000_80B0, 0x50D8_3AA1), (0x6000_809C, 2000), (0x6000_8098, 0xD000_0102)];
    for (address, value) in writes {
        board.handle_bytes(50 * MILLI, &request(0x09, 0, &words(&[address, value, u32::MAX, 0])));
    }
    assert!(text(&mut board, 50 * MILLI + START).contains("rst:0x10 (RTCWDT_RTC_RST),boot:0x8"));
    assert!(board.runs_node());
}

#[test]
fn buttons_do_what_they_do_on_a_board() {
    let mut board = Board::new(0, config(Cable::Unknown, node_flash()));
    board.hold_boot(true);
    board.press_reset(START);
    board.handle_timeout(START + 50 * MILLI);
    assert!(board.is_in_loader());
    board.hold_boot(false);
    board.press_reset(2 * START);
    board.handle_timeout(3 * START);
    assert!(board.runs_node());
}

/// What a board says that starts from this flash.
fn start_of(flash: Flash) -> String {
    let config = BoardConfig { pace: Pace::Instant, ..config(Cable::Unknown, flash) };
    let mut board = Board::new(0, config);
    let text = text(&mut board, 0);
    board.handle_timeout(1500 * MILLI);
    let again = std::iter::from_fn(|| board.poll_note())
        .filter(|note| matches!(note, Note::Started { .. }))
        .count();
    assert_eq!(again == 2, !board.runs_node() && !text.contains("not ours"), "tries again: {text}");
    text
}

#[test]
fn a_start_says_what_is_wrong_with_the_flash() {
    let with = |change: &dyn Fn(&mut Flash)| {
        let mut flash = node_flash();
        change(&mut flash);
        start_of(flash)
    };
    let empty = start_of(Flash::new(FlashSize::Mb4));
    assert_eq!(empty.matches("invalid header: 0xffffffff").count(), 3);
    for (change, expected) in [
        (&|flash: &mut Flash| flash.erase(0x8000, 1), "partition 0 invalid magic number 0xffff"),
        (&|flash| flash.program(0x8010, &[0]), "MD5 checksum mismatch"),
        (&|flash| flash.store(0x800A, &[0xFF]), "exceeds flash chip size 0x800000"),
        (&|flash| flash.erase(0x1_0000, 1), "image at 0x10000 has invalid magic byte"),
        (&|flash| flash.program(0x1_000C, &[5]), "expected 9, found 1"),
        (&|flash| flash.store(0x1_001F, &[0xFF]), "image at 0x10000 has invalid segments"),
        (&|flash| flash.program(0x1_0200, &[0]), "Checksum failed. Calculated"),
        (&|flash| flash.store(0x1_0010, &[1]), "Image hash failed - image is corrupt"),
        (&|flash| flash.store(0x1_0000, &image("blink", 9)), "this image (blink) is not ours"),
        (&|flash| flash.erase(0x11_0000, 1), "no weights in flash: send some"),
        (&|flash| flash.program(0x11_0100, &[0]), "weights refused: "),
    ] as [(&dyn Fn(&mut Flash), &str); 11]
    {
        let text = with(change);
        assert!(text.contains(expected), "{expected}: {text}");
        assert_eq!(text.contains("csi-node 0.1.0 image"), expected.contains("weights"), "{text}");
    }
}

#[test]
fn no_flash_makes_a_start_panic() {
    let mut state = 9_u64;
    let mut next = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32 % below
    };
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let mut flash = node_flash();
        for _ in 0..=next(3) {
            let (start, len) =
                [(0, 64), (0x8000, 128), (0x1_0000, 400), (0x11_0000, 100)][next(4) as usize];
            let byte = [0, 0xFF, 0x7F, next(256) as u8][next(4) as usize];
            flash.store(start + next(len), &[byte; 4][..1 + next(4) as usize]);
        }
        let config = BoardConfig { pace: Pace::Instant, ..config(Cable::Unknown, flash) };
        let mut board = Board::new(0, config);
        kinds.insert((board.runs_node(), text(&mut board, 0).contains("E (")));
    }
    assert!(kinds.len() >= 3, "some start, some do not: {kinds:?}");
}

/// Frames out of what a board says; what is between them is left out.
fn replies(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut decoder, mut rest, mut frames) = (Decoder::new(), bytes, Vec::new());
    loop {
        match decoder.next_event() {
            Some(Frame::Frame { kind, payload }) => frames.push((kind, payload.to_vec())),
            Some(Frame::Damaged(error)) => panic!("{error:?}"),
            Some(Frame::Skipped(_)) => {}
            None if rest.is_empty() => return frames,
            None => rest = decoder.push(rest),
        }
    }
}

fn frame(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_node_runs_on_the_weights_of_its_flash() {
    let mut board = Board::new(0, config(Cable::SerialJtag, node_flash()));
    let said = board.poll_bytes(START);
    let blob = fixture("models/aether_seeded.rvne");
    let crc = u32::from_le_bytes(*blob.last_chunk().unwrap());
    let banner = format!(
        "\r\ncsi-node 0.1.0 image 0102030405060708 reset cause 1 on SIMULATED BOARD\r\n\
         weights crc32 {crc:08x}, {} bytes\r\n",
        blob.len()
    );
    assert!(String::from_utf8_lossy(&said).contains(&banner));
    let frames = replies(&said);
    let Reply::Greeting(greeting) = Reply::read(frames[0].0, &frames[0].1).unwrap() else {
        panic!("no greeting")
    };
    assert_eq!((greeting.board, BOARD_NUMBER), (3, 3));
    assert_eq!((greeting.image_hash, greeting.blob_crc), ([1, 2, 3, 4, 5, 6, 7, 8], crc));
    assert_eq!(greeting.reset_cause, Cause::PowerOn.number());

    // Another node, fed without a board, says the same.
    let mut host = csi_node::Node::new(csi_node::Config::default());
    host.load_weights(&blob).unwrap();
    let mut asked = frame(&Request::Hello);
    let values = vec![0.25_f32; usize::from(greeting.feature_dim)];
    for sequence in 0..u32::from(greeting.window_rows) {
        let row: Vec<f32> = values.iter().map(|value| value * sequence as f32).collect();
        let row_bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
        let time = i64::from(sequence) * 10_000;
        let payload = [&sequence.to_le_bytes()[..], &time.to_le_bytes(), &row_bytes].concat();
        asked.extend(raw_frame(3, &payload));
    }
    asked.extend(frame(&Request::Classify));
    let mut now = START;
    let mut got = Vec::new();
    for piece in asked.chunks(97) {
        board.handle_bytes(now, piece);
        now += MILLI;
        got.extend(board.poll_bytes(now));
    }
    got.extend(board.poll_bytes(now + START));
    host.handle_bytes(0, &asked);
    let mut expected = Vec::new();
    while let Some(bytes) = host.poll_output() {
        expected.extend_from_slice(bytes);
    }
    let (got, expected) = (replies(&got), replies(&expected));
    assert!(got.len() >= 2 && got.len() == expected.len(), "{} and {}", got.len(), expected.len());
    let packet = |frames: &[(u8, Vec<u8>)]| {
        let (kind, payload) = frames.last().unwrap();
        assert_eq!(*kind, 0x82);
        // Bytes 8 to 16 are the node's clock, the last four a CRC.
        [&payload[..8], &payload[16..payload.len() - 4]].concat()
    };
    assert_eq!(packet(&got), packet(&expected));
}

fn raw_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_le_bytes();
    let body = [&[kind, len[0], len[1]], payload].concat();
    let crc = csi_temporal::crc32::crc32(&body).to_le_bytes();
    [&[0x55, 0xAA], &body[..], &crc].concat()
}

#[test]
fn the_node_reports_and_restarts_when_asked() {
    let mut board = Board::new(0, config(Cable::SerialJtag, node_flash()));
    board.poll_bytes(START);
    board.handle_bytes(START, b"board-report\n");
    let report = text(&mut board, 2 * START);
    assert!(report.contains("rvne at 0x110000, 0x40000 bytes\r\n"), "{report}");
    assert!(report.ends_with("end of board-report\r\n"), "{report}");
    board.handle_bytes(2 * START, &frame(&Request::Reset { restart: true }));
    let said = text(&mut board, 4 * START);
    assert!(said.contains("rst:0x3 (RTC_SW_SYS_RST),boot:0x8"), "{said}");
    assert!(said.contains("reset cause 3 on SIMULATED BOARD"), "{said}");
}

#[test]
fn bytes_and_flash_take_their_time() {
    let config = BoardConfig { boots_into_loader: true, ..config(Cable::Bridge, node_flash()) };
    let mut board = Board::new(0, config);
    board.poll_bytes(START);
    let answer_at = |board: &mut Board, now: u64, bytes: &[u8]| {
        board.handle_bytes(now, bytes);
        let mut at = now;
        let mut answer = Vec::new();
        while answer.len() < 14 || answer.last() != Some(&0xC0) {
            at = board.poll_timeout().expect("an answer is on its way");
            answer.extend(board.poll_bytes(at));
        }
        at
    };
    let attach = request(0x0D, 0, &words(&[0, 0]));
    let took = answer_at(&mut board, START, &attach) - START;
    // 18 bytes there and 14 back at 115,200 baud, of ten bits each, and 100 us in between.
    assert_eq!(took, (32 * 10 * 1_000_000_u64).div_ceil(115_200) + 100);
    let begin = request(0x02, 0, &words(&[41_244, 41, 0x400, 0x11_0000, 0]));
    let took = answer_at(&mut board, 2 * START, &begin) - 2 * START;
    assert!((495 * MILLI..500 * MILLI).contains(&took), "eleven sectors of 45 ms: {took}");
    board.handle_bytes(4 * START, &request(0x0F, 0, &words(&[921_600, 0])));
    board.poll_bytes(5 * START);
    board.handle_baud(5 * START, 921_600);
    let took = answer_at(&mut board, 5 * START, &data(0x03, 0, &[7; 0x400])) - 5 * START;
    // 1,050 and 14 bytes at 921,600 baud, four pages of 400 us.
    assert!((13_100..13_300).contains(&took), "{took}");
}

/// The ROM hears nothing while it works; a UART keeps 128 bytes for it, USB holds the host back.
#[test]
fn who_does_not_wait_for_answers_loses_bytes_on_a_uart() {
    for (cable, is_lost) in [(Cable::Bridge, true), (Cable::SerialJtag, false)] {
        let config = BoardConfig { boots_into_loader: true, ..config(cable, node_flash()) };
        let mut board = Board::new(0, config);
        board.poll_bytes(START);
        board.handle_bytes(START, &request(0x0D, 0, &words(&[0, 0])));
        board.handle_bytes(START, &request(0x02, 0, &words(&[0x800, 2, 0x400, 0x2_0000, 0])));
        board.handle_bytes(START, &data(0x03, 0, &[1; 0x400]));
        board.handle_bytes(START, &data(0x03, 1, &[2; 0x400]));
        board.poll_bytes(10 * START);
        let written = board.flash().read(0x2_0000, 0x800);
        assert_eq!(written != [[1; 0x400], [2; 0x400]].concat(), is_lost, "{cable:?}");
        let overruns = std::iter::from_fn(|| board.poll_note()).filter(|it| *it == Note::Overrun);
        assert_eq!(overruns.count() > 0, is_lost);
    }
}

/// A board in its loader with faults.
fn faulty(cable: Cable, faults: &str) -> Board {
    let config = BoardConfig {
        faults: faults.parse().unwrap(),
        pace: Pace::Instant,
        boots_into_loader: true,
        ..config(cable, node_flash())
    };
    let mut board = Board::new(0, config);
    board.poll_bytes(0);
    board
}

#[test]
fn faults_of_commands_strike_the_one_that_was_named() {
    let attach = request(0x0D, 0, &words(&[0, 0]));
    let mut board = faulty(Cable::Bridge, "mute@2,refuse@3:9,md5@1");
    assert_eq!(packets(&ask(&mut board, 0, &sync())).len(), 8);
    assert!(ask(&mut board, 0, &attach).is_empty());
    assert_eq!(packets(&ask(&mut board, 0, &attach))[0][8..10], [1, 9]);
    let md5 = request(0x13, 0, &words(&[0, 16, 0, 0]));
    let digest = |board: &mut Board| packets(&ask(board, 0, &md5))[0][8..40].to_vec();
    assert_ne!(digest(&mut board), digest(&mut board));
    assert_eq!(digest(&mut board), digest(&mut board));
}

#[test]
fn a_cable_that_comes_off_takes_the_power_with_it() {
    let mut board = faulty(Cable::SerialJtag, "unplug@2:800");
    ask(&mut board, 0, &sync());
    assert!(ask(&mut board, 10, &sync()).is_empty());
    assert!(!board.is_plugged());
    assert_eq!(board.poll_timeout(), Some(800 * MILLI + 10));
    assert!(ask(&mut board, 500 * MILLI, &sync()).is_empty());
    board.handle_timeout(801 * MILLI);
    assert!(board.is_plugged());
    assert!(text(&mut board, 801 * MILLI).contains("rst:0x1 (POWERON)"));
    let mut board = faulty(Cable::SerialJtag, "unplug@1:0");
    ask(&mut board, 0, &sync());
    assert_eq!((board.is_plugged(), board.poll_timeout()), (false, None), "for good");
    board.plug(5);
    assert!(board.is_plugged());
}

#[test]
fn usb_goes_away_at_a_restart_when_asked_to() {
    let mut board = faulty(Cable::SerialJtag, "reenumerate:300");
    board.handle_timeout(START);
    let now = lines(&mut board, START, &USB[..4]);
    assert!(!board.is_plugged());
    board.handle_timeout(now + 299 * MILLI);
    assert!(!board.is_plugged());
    board.handle_timeout(now + 300 * MILLI);
    assert!(board.is_plugged() && board.is_in_loader());
}

#[test]
fn a_watchdog_bites_unless_both_are_switched_off() {
    for (off, is_bitten) in [(0, true), (1, true), (2, false)] {
        let mut board = faulty(Cable::SerialJtag, "watchdog:900");
        let writes = [
            [(0x6000_80B0_u32, 0x50D8_3AA1_u32), (0x6000_8098, 0), (0x6000_80B0, 0)],
            [(0x6000_80B8, 0x8F1D_312A), (0x6000_80B4, 1 << 31), (0x6000_80B8, 0)],
        ];
        for (address, value) in writes.iter().take(off).flatten() {
            let write = request(0x09, 0, &words(&[*address, *value, u32::MAX, 0]));
            assert_eq!(packets(&ask(&mut board, 0, &write))[0][8..10], [0, 0]);
        }
        board.handle_timeout(1000 * MILLI);
        assert_eq!(board.runs_node(), is_bitten, "{off} switched off");
    }
}

#[test]
fn a_loader_that_is_stuck_lets_go_after_so_many_restarts() {
    let faults = "stuck:2".parse().unwrap();
    let config = BoardConfig { faults, ..config(Cable::Bridge, node_flash()) };
    let mut board = Board::new(0, config);
    let mut now = lines(&mut board, START, &TIGHT);
    for is_stuck in [true, true, false] {
        now = lines(&mut board, now, &PULSE);
        assert_eq!(board.is_in_loader(), is_stuck);
    }
}

#[test]
fn the_flasher_writes_what_the_board_then_starts() {
    for cable in [Cable::Bridge, Cable::SerialJtag] {
        let mut flash = Flash::new(FlashSize::Mb8);
        flash.store(0x11_0000, &[0; 0x1000]);
        let mut board = Board::new(0, config(cable, flash));
        let mut loader = Loader::new(LoaderConfig { cable, ..LoaderConfig::default() });
        let blob = fixture("models/aether_seeded.rvne");
        let mut plan = Plan::new(8 << 20);
        let parts = [(0, image("", 100)), (0x8000, table()), (0x1_0000, image("csi-node", 9000))];
        for (offset, bytes) in parts {
            plan.write("part", offset, bytes).unwrap();
        }
        plan.write("rvne", 0x11_0000, blob.clone()).unwrap();
        let mut link = Link::open(0);
        for job in [Job::Write(plan), Job::Restart] {
            loader.start(link.now_micros, job);
            let mut end = None;
            let is_over = |loader: &mut Loader| {
                while let Some(event) = loader.poll_event() {
                    match event {
                        Event::Done => end = Some(Ok(())),
                        Event::Failed(error) => end = Some(Err(error)),
                        _ => {}
                    }
                }
                end.is_some()
            };
            assert!(link.run(&mut loader, &mut board, 60_000_000, is_over), "{cable:?} hangs");
            assert_eq!(end, Some(Ok(())), "{cable:?}");
        }
        assert_eq!(board.flash().read(0x11_0000, blob.len() as u32), blob);
        board.handle_timeout(link.now_micros + START);
        assert!(board.runs_node(), "{cable:?}");
    }
}
