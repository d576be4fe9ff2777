//! The simulated loader, command by command, by bytes that were made by hand.

mod sim_support;

use csi_lab::sim::{Board, BoardConfig, Flash, FlashSize};
use sim_support::{ask, data, in_loader, packets, request, status, words};

/// 2,048 bytes `00 .. FF` eight times, by Python's `zlib.compress(.., 9)`.
const PACKED: &[u8] = &[
    0x78, 0xDA, 0x63, 0x60, 0x64, 0x62, 0x66, 0x61, 0x65, 0x63, 0xE7, 0xE0, 0xE4, 0xE2, 0xE6, 0xE1,
    0xE5, 0xE3, 0x17, 0x10, 0x14, 0x12, 0x16, 0x11, 0x15, 0x13, 0x97, 0x90, 0x94, 0x92, 0x96, 0x91,
    0x95, 0x93, 0x57, 0x50, 0x54, 0x52, 0x56, 0x51, 0x55, 0x53, 0xD7, 0xD0, 0xD4, 0xD2, 0xD6, 0xD1,
    0xD5, 0xD3, 0x37, 0x30, 0x34, 0x32, 0x36, 0x31, 0x35, 0x33, 0xB7, 0xB0, 0xB4, 0xB2, 0xB6, 0xB1,
    0xB5, 0xB3, 0x77, 0x70, 0x74, 0x72, 0x76, 0x71, 0x75, 0x73, 0xF7, 0xF0, 0xF4, 0xF2, 0xF6, 0xF1,
    0xF5, 0xF3, 0x0F, 0x08, 0x0C, 0x0A, 0x0E, 0x09, 0x0D, 0x0B, 0x8F, 0x88, 0x8C, 0x8A, 0x8E, 0x89,
    0x8D, 0x8B, 0x4F, 0x48, 0x4C, 0x4A, 0x4E, 0x49, 0x4D, 0x4B, 0xCF, 0xC8, 0xCC, 0xCA, 0xCE, 0xC9,
    0xCD, 0xCB, 0x2F, 0x28, 0x2C, 0x2A, 0x2E, 0x29, 0x2D, 0x2B, 0xAF, 0xA8, 0xAC, 0xAA, 0xAE, 0xA9,
    0xAD, 0xAB, 0x6F, 0x68, 0x6C, 0x6A, 0x6E, 0x69, 0x6D, 0x6B, 0xEF, 0xE8, 0xEC, 0xEA, 0xEE, 0xE9,
    0xED, 0xEB, 0x9F, 0x30, 0x71, 0xD2, 0xE4, 0x29, 0x53, 0xA7, 0x4D, 0x9F, 0x31, 0x73, 0xD6, 0xEC,
    0x39, 0x73, 0xE7, 0xCD, 0x5F, 0xB0, 0x70, 0xD1, 0xE2, 0x25, 0x4B, 0x97, 0x2D, 0x5F, 0xB1, 0x72,
    0xD5, 0xEA, 0x35, 0x6B, 0xD7, 0xAD, 0xDF, 0xB0, 0x71, 0xD3, 0xE6, 0x2D, 0x5B, 0xB7, 0x6D, 0xDF,
    0xB1, 0x73, 0xD7, 0xEE, 0x3D, 0x7B, 0xF7, 0xED, 0x3F, 0x70, 0xF0, 0xD0, 0xE1, 0x23, 0x47, 0x8F,
    0x1D, 0x3F, 0x71, 0xF2, 0xD4, 0xE9, 0x33, 0x67, 0xCF, 0x9D, 0xBF, 0x70, 0xF1, 0xD2, 0xE5, 0x2B,
    0x57, 0xAF, 0x5D, 0xBF, 0x71, 0xF3, 0xD6, 0xED, 0x3B, 0x77, 0xEF, 0xDD, 0x7F, 0xF0, 0xF0, 0xD1,
    0xE3, 0x27, 0x4F, 0x9F, 0x3D, 0x7F, 0xF1, 0xF2, 0xD5, 0xEB, 0x37, 0x6F, 0xDF, 0xBD, 0xFF, 0xF0,
    0xF1, 0xD3, 0xE7, 0x2F, 0x5F, 0xBF, 0x7D, 0xFF, 0xF1, 0xF3, 0xD7, 0xEF, 0x3F, 0x7F, 0xFF, 0xFD,
    0x67, 0x18, 0xF5, 0xFF, 0xA8, 0xFF, 0x47, 0xFD, 0x3F, 0xEA, 0xFF, 0x51, 0xFF, 0x8F, 0xFA, 0x7F,
    0x04, 0xFA, 0x1F, 0x00, 0x41, 0x38, 0xFC, 0x2E,
];
const DONE: [u8; 2] = [0, 0];

fn board() -> Board {
    let mut board = in_loader(Flash::new(FlashSize::Mb8));
    assert_eq!(status(&ask(&mut board, 0, &request(0x0D, 0, &words(&[0, 0])))), DONE, "attached");
    board
}

fn sync() -> Vec<u8> {
    request(0x08, 0, &[&[0x07, 0x07, 0x12, 0x20][..], &[0x55; 32]].concat())
}

#[test]
fn sync_is_answered_eight_times() {
    let mut board = in_loader(Flash::new(FlashSize::Mb8));
    let line = ask(&mut board, 0, &sync());
    let reply = [0xC0, 1, 8, 4, 0, 7, 7, 0x12, 0x20, 0, 0, 0, 0, 0xC0];
    assert_eq!(line, reply.repeat(8));
    let wrong = ask(&mut board, 0, &request(0x08, 0, &[0x55; 36]));
    assert_eq!(status(&wrong), [1, 5]);
}

#[test]
fn registers_are_read_and_written_by_mask() {
    let mut board = board();
    let mac = ask(&mut board, 0, b"\xC0\x00\x0A\x04\x00\x00\x00\x00\x00\x44\x70\x00\x60\xC0");
    assert_eq!(mac, b"\xC0\x01\x0A\x04\x00\x01\x00\x00\x1B\x00\x00\x00\x00\xC0");
    let write = [0x6000_2020, 0x1234_5678, 0xFFFF_0000, 0, 0x6000_2020, 0x55, 0xFF, 0];
    assert_eq!(status(&ask(&mut board, 0, &request(0x09, 0, &words(&write)))), DONE);
    let read = ask(&mut board, 0, &request(0x0A, 0, &words(&[0x6000_2020])));
    assert_eq!(packets(&read)[0][4..8], [0x55, 0, 0x34, 0x12]);
    assert_eq!(status(&ask(&mut board, 0, &request(0x09, 0, &[1, 2, 3]))), [1, 5]);
}

#[test]
fn security_info_names_the_chip() {
    let line = ask(&mut board(), 0, &request(0x14, 0, &[]));
    let reply = &packets(&line)[0];
    assert_eq!((reply[2], reply.len()), (24, 8 + 20 + 4));
    assert_eq!(reply[8..28], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn blocks_are_erased_written_and_hashed() {
    let mut flash = Flash::new(FlashSize::Mb8);
    flash.store(0x1F00, &[0; 0x1200]);
    let mut board = in_loader(flash);
    ask(&mut board, 0, &request(0x0D, 0, &words(&[0, 0])));
    let begin = request(0x02, 0, &words(&[0x400, 1, 0x400, 0x2000, 0]));
    assert_eq!(status(&ask(&mut board, 0, &begin)), DONE);
    let block = [b"hello".as_slice(), &[0xFF; 1019]].concat();
    assert_eq!(status(&ask(&mut board, 0, &data(0x03, 0, &block))), DONE);
    assert_eq!(board.flash().read(0x2000, 0x1000), [block, vec![0xFF; 0xC00]].concat());
    assert_eq!(board.flash().read(0x1F00, 0x100), [0; 0x100], "the sector before is kept");
    assert_eq!(board.flash().read(0x3000, 0x100), [0; 0x100], "the sector behind is kept");
    let md5 = ask(&mut board, 0, &request(0x13, 0, &words(&[0x2000, 1024, 0, 0])));
    let reply = &packets(&md5)[0];
    // By Python's hashlib.
    assert_eq!(reply[8..40], *b"3040e169dad0b3f78b096a1fec87631d");
    assert_eq!(reply[40..], [0; 4]);
}

#[test]
fn a_zlib_stream_is_unpacked_wherever_it_is_cut() {
    for cut in [1, 7, 64, 255, PACKED.len()] {
        let mut board = board();
        let blocks = PACKED.len().div_ceil(cut) as u32;
        let begin = request(0x10, 0, &words(&[2048, blocks, cut as u32, 0x8000, 0]));
        assert_eq!(status(&ask(&mut board, 0, &begin)), DONE);
        for (sequence, piece) in PACKED.chunks(cut).enumerate() {
            assert_eq!(status(&ask(&mut board, 0, &data(0x11, sequence as u32, piece))), DONE);
        }
        let expected: Vec<u8> = (0..=255).cycle().take(2048).collect();
        assert_eq!(board.flash().read(0x8000, 2048), expected, "pieces of {cut}");
        assert_eq!(status(&ask(&mut board, 0, &data(0x11, 9, &[0]))), [1, 6], "a block too many");
    }
}

#[test]
fn what_unpacks_to_too_much_or_not_at_all_is_an_error() {
    let mut board = board();
    for (len, stream) in [(1024, PACKED), (2048, &[0xFF; 20][..])] {
        let begin = request(0x10, 0, &words(&[len, 1, 0x400, 0x8000, 0]));
        assert_eq!(status(&ask(&mut board, 0, &begin)), DONE);
        assert_eq!(status(&ask(&mut board, 0, &data(0x11, 0, stream))), [1, 0x0B]);
    }
}

#[test]
fn what_is_wrong_has_a_reason() {
    let mut board = in_loader(Flash::new(FlashSize::Mb16));
    let begin = |offset| request(0x02, 0, &words(&[0x400, 1, 0x400, offset, 0]));
    assert_eq!(status(&ask(&mut board, 0, &begin(0))), [1, 6], "flash is not attached");
    ask(&mut board, 0, &request(0x0D, 0, &words(&[0, 0])));
    assert_eq!(status(&ask(&mut board, 0, &data(0x03, 0, &[1]))), [1, 6], "nothing was begun");
    assert_eq!(status(&ask(&mut board, 0, &begin(8 << 20))), [1, 6], "taken for 4 MB");
    let size = words(&[0, 16 << 20, 0x1_0000, 0x1000, 0x100, 0xFFFF]);
    assert_eq!(status(&ask(&mut board, 0, &request(0x0B, 0, &size))), DONE);
    assert_eq!(status(&ask(&mut board, 0, &begin(16 << 20))), [1, 6], "beyond the end");
    assert_eq!(status(&ask(&mut board, 0, &begin(8 << 20))), DONE);
    assert_eq!(status(&ask(&mut board, 0, &data(0x11, 0, &[1]))), [1, 6], "not packed");
    let wrong = request(0x03, 0xEE, &[&words(&[1, 0, 0, 0])[..], &[0]].concat());
    assert_eq!(status(&ask(&mut board, 0, &wrong)), [1, 7], "checksum");
    let short = request(0x03, 0xEF, &[&words(&[2, 0, 0, 0])[..], &[0]].concat());
    assert_eq!(status(&ask(&mut board, 0, &short)), [1, 5], "length");
    assert_eq!(status(&ask(&mut board, 0, &data(0x03, 0, &[0; 0x401]))), [1, 5], "a long block");
    assert_eq!(status(&ask(&mut board, 0, &request(0x04, 0, &words(&[1])))), [1, 6], "unfinished");
    let long = request(0x02, 0, &words(&[0x800, 1, 0x800, 0, 0]));
    assert_eq!(status(&ask(&mut board, 0, &long)), [1, 6], "the ROM takes blocks of 0x400");
}

/// The ROM reads back what it programs; bits that are 0 already cannot become 1.
#[test]
fn a_write_without_erase_is_noticed() {
    let mut flash = Flash::new(FlashSize::Mb4);
    flash.store(0x1000, &[0x0F; 4]);
    let mut board = in_loader(flash);
    ask(&mut board, 0, &request(0x0D, 0, &words(&[0, 0])));
    ask(&mut board, 0, &request(0x02, 0, &words(&[0, 1, 0x400, 0x1000, 0])));
    assert_eq!(status(&ask(&mut board, 0, &data(0x03, 0, &[0xFF; 4]))), [1, 8]);
    assert_eq!(board.flash().read(0x1000, 4), [0x0F; 4]);
}

#[test]
fn an_unknown_command_is_answered_eight_times() {
    let line = ask(&mut board(), 0, &request(0x77, 0, &[]));
    assert_eq!(line, [0xC0, 1, 0x77, 4, 0, 0, 0, 0, 0, 1, 5, 0, 0, 0xC0].repeat(8));
    let stubs_own = ask(&mut board(), 0, &request(0xD0, 0, &[]));
    assert_eq!(packets(&stubs_own).len(), 8);
}

#[test]
fn the_speed_changes_after_its_answer_and_another_is_noise() {
    let mut board = board();
    let change = ask(&mut board, 0, &request(0x0F, 0, &words(&[921_600, 0])));
    assert_eq!(status(&change), DONE);
    assert!(ask(&mut board, 1, &sync()).is_empty(), "the board hears noise");
    board.handle_baud(2, 930_000);
    assert_eq!(packets(&ask(&mut board, 3, &sync())).len(), 8, "one part in a hundred is heard");
    let back = request(0x0F, 0, &words(&[115_200, 921_600]));
    board.handle_bytes(4, &back);
    board.handle_baud(4, 115_200);
    let noise = board.poll_bytes(4);
    assert_ne!(noise, [0xC0, 1, 0x0F, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xC0], "the host does too");
    assert_eq!(packets(&ask(&mut board, 5, &sync())).len(), 8);
}

#[test]
fn the_end_runs_what_was_written_or_starts_the_loader_again() {
    let mut board = in_loader(sim_support::node_flash());
    ask(&mut board, 0, &request(0x02, 0, &words(&[0, 0, 0x400, 0, 0])));
    let text = ask(&mut board, 0, &request(0x04, 0, &words(&[0])));
    assert!(String::from_utf8_lossy(&text).contains("rst:0x3 (RTC_SW_SYS_RST),boot:0x0 (DOWNLOAD"));
    assert!(board.is_in_loader());
    let text = ask(&mut board, 0, &request(0x04, 0, &words(&[1])));
    assert!(String::from_utf8_lossy(&text).contains("on SIMULATED BOARD"));
    assert!(board.runs_node());
}

#[test]
fn flash_is_read_by_64_bytes() {
    let mut flash = Flash::new(FlashSize::Mb8);
    flash.store(0x100, b"\xC0\xDBhello");
    let mut board = in_loader(flash);
    ask(&mut board, 0, &request(0x0D, 0, &words(&[0, 0])));
    let read = packets(&ask(&mut board, 0, &request(0x0E, 0, &words(&[0x100, 7]))));
    assert_eq!(read[0][8..15], *b"\xC0\xDBhello");
    assert_eq!(read[0].len(), 8 + 64 + 4);
    assert_eq!(status(&ask(&mut board, 0, &request(0x0E, 0, &words(&[0, 65])))), [1, 6]);
}

/// Returns a board that runs a stub.
fn stub() -> Board {
    let mut board = in_loader(Flash::new(FlashSize::Mb8));
    let begin = request(0x05, 0, &words(&[10, 1, 0x1800, 0x4037_8000]));
    assert_eq!(status(&ask(&mut board, 0, &begin)), DONE);
    let early = ask(&mut board, 0, &request(0x06, 0, &words(&[0, 0x4037_8000])));
    assert_eq!(status(&early), [1, 6], "not all of it is there");
    ask(&mut board, 0, &begin);
    assert_eq!(status(&ask(&mut board, 0, &data(0x07, 0, &[1; 10]))), DONE);
    let end = ask(&mut board, 0, &request(0x06, 0, &words(&[0, 0x4037_8000])));
    assert_eq!(end, b"\xC0\x01\x06\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xC0\xC0OHAI\xC0");
    board
}

#[test]
fn a_stub_answers_shorter_and_is_known_by_zeros() {
    let mut board = stub();
    let line = ask(&mut board, 0, &sync());
    assert_eq!(line, [0xC0, 1, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0xC0].repeat(8));
    let begin = request(0x10, 0, &words(&[2048, 1, 0x4000, 0x1_0000, 0]));
    let done = |op| vec![0xC0, 1, op, 2, 0, 0, 0, 0, 0, 0, 0, 0xC0];
    assert_eq!(ask(&mut board, 0, &begin), done(0x10));
    assert_eq!(ask(&mut board, 0, &data(0x11, 0, PACKED)), done(0x11));
    assert_eq!(ask(&mut board, 0, &request(0x12, 0, &words(&[1]))), done(0x12));
    let md5 = ask(&mut board, 0, &request(0x13, 0, &words(&[0x1_0000, 2048, 0, 0])));
    // By Python's hashlib: 1576a94d6cb334dd126cb1c27f19e0f2.
    let hash = u128::from_be_bytes(packets(&md5)[0][8..24].try_into().unwrap());
    assert_eq!(hash, 0x1576_a94d_6cb3_34dd_126c_b1c2_7f19_e0f2);
}

#[test]
fn a_stub_reads_flash_as_fast_as_it_is_acknowledged() {
    let mut board = stub();
    let begin = request(0x02, 0, &words(&[0x400, 1, 0x400, 0x3000, 0]));
    ask(&mut board, 0, &begin);
    let block = [b"hello".as_slice(), &[0xFF; 1019]].concat();
    ask(&mut board, 0, &data(0x03, 0, &block));
    let line = ask(&mut board, 0, &request(0xD2, 0, &words(&[0x3000, 1024, 0x100, 2])));
    let first = packets(&line);
    assert_eq!((first.len(), &first[1][..]), (3, &block[..0x100]), "a reply, two blocks");
    let slip = |got: u32| [&[0xC0][..], &got.to_le_bytes(), &[0xC0]].concat();
    assert_eq!(packets(&ask(&mut board, 0, &slip(0x100))).len(), 1);
    assert_eq!(packets(&ask(&mut board, 0, &slip(0x200))).len(), 1);
    assert!(ask(&mut board, 0, &slip(0x300)).is_empty());
    let md5 = packets(&ask(&mut board, 0, &slip(0x400)));
    let hash = u128::from_be_bytes(md5[0][..].try_into().unwrap());
    assert_eq!(hash, 0x3040_e169_dad0_b3f7_8b09_6a1f_ec87_631d);
    assert_eq!(packets(&ask(&mut board, 0, &sync())).len(), 8, "it takes commands again");
}

#[test]
fn a_stub_erases_as_it_writes_and_on_request() {
    let mut board = stub();
    let fill = |board: &mut Board, offset| {
        ask(board, 0, &request(0x02, 0, &words(&[0x1800, 1, 0x4000, offset, 0])));
        ask(board, 0, &data(0x03, 0, &[0; 0x1800]));
    };
    fill(&mut board, 0x4000);
    fill(&mut board, 0x4000);
    assert_eq!(board.flash().read(0x4000, 0x1800), [0; 0x1800]);
    let odd = ask(&mut board, 0, &request(0xD1, 0, &words(&[0x4100, 0x1000])));
    assert_eq!(packets(&odd)[0][8..], [1, 6]);
    ask(&mut board, 0, &request(0xD1, 0, &words(&[0x4000, 0x1000])));
    assert_eq!(board.flash().read(0x4FFF, 2), [0xFF, 0]);
    ask(&mut board, 0, &request(0xD0, 0, &[]));
    assert_eq!(board.flash().read(0, 8 << 20), vec![0xFF; 8 << 20]);
}

/// Random packets of known and unknown ops, whole, cut and mixed with noise.
#[test]
fn nothing_on_the_line_makes_it_panic() {
    let mut state = 0x1234_5678_9ABC_DEF0_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    };
    for faults in ["", "flip-in%50,lose-out%40,unplug%90:1,refuse%9,mute%9,md5%2,stuck:3"] {
        let config = BoardConfig {
            faults: faults.parse().unwrap(),
            boots_into_loader: true,
            pace: csi_lab::sim::Pace::Instant,
            ..BoardConfig::new(sim_support::node_flash())
        };
        let mut board = Board::new(0, config);
        for now in 0..6000 {
            let mut body: Vec<u8> = (0..next() % 40).map(|_| next() as u8).collect();
            if next() % 2 == 0 {
                let word = |it: u32| [0, 1, 64, 0x400, 0x1000, u32::MAX, it][it as usize % 7];
                body = words(&(0..next() % 7).map(|_| word(next())).collect::<Vec<_>>());
            }
            let op = if next() % 20 == 0 { next() as u8 } else { (next() % 0x15) as u8 };
            let line = match next() % 4 {
                0 => body,
                1 => data(op, 0, &body),
                _ => request(op, next() as u8, &body),
            };
            board.handle_bytes(now * 700, &line);
            board.poll_bytes(now * 700);
        }
        assert!(board.poll_note().is_some());
    }
}
