//! What goes over the line equals, byte by byte, what esptool 5.6.0 (`--no-stub`) sent to a pty.
//!
//! The hexadecimal texts are recordings of that program's traffic, taken out of their SLIP frames.

use esp_flasher::command::{BLOCK, Command, Reply};
use esp_flasher::slip;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn requests_equal_esptools() {
    let register = |address, value, mask| Command::WriteReg { address, value, mask };
    let begin = |packed, size, blocks| Command::Begin { packed, size, blocks, offset: 0x1_0000 };
    let recorded = [
        (
            Command::Sync,
            "0008240000000000070712205555555555555555555555555555555555555555555555555555555555555555",
        ),
        (Command::SecurityInfo, "0014000000000000"),
        (Command::ReadReg(0x6000_7044), "000a04000000000044700060"),
        (Command::SpiAttach, "000d0800000000000000000000000000"),
        (
            Command::SpiSetParams(0x80_0000),
            "000b1800000000000000000000008000000001000010000000010000ffff0000",
        ),
        (register(0x6000_2028, 23, u32::MAX), "00091000000000002820006017000000ffffffff00000000"),
        (
            register(0x6000_2018, 0x9000_0000, u32::MAX),
            "00091000000000001820006000000090ffffffff00000000",
        ),
        (
            register(0x6000_2020, 0x7000_009F, u32::MAX),
            "0009100000000000202000609f000070ffffffff00000000",
        ),
        (register(0x6000_812C, 0, 1), "00091000000000002c810060000000000100000000000000"),
        (
            register(0x6000_8098, 0xD000_0102, u32::MAX),
            "000910000000000098800060020100d0ffffffff00000000",
        ),
        (Command::ChangeBaud(921_600), "000f08000000000000100e0000000000"),
        (begin(false, 5_000, 5), "00021400000000008813000005000000000400000000010000000000"),
        (begin(true, 0x1400, 1), "00101400000000000014000001000000000400000000010000000000"),
        (
            Command::Md5 { offset: 0x1_0000, len: 5_000 },
            "001310000000000000000100881300000000000000000000",
        ),
        (Command::ReadFlash { offset: 0x8040, len: 36 }, "000e0800000000004080000024000000"),
    ];
    for (command, esptool) in recorded {
        assert_eq!(hex(&command.encode()), esptool, "{command:?}");
    }
}

/// 5,000 bytes that esptool was told to write without packing them: first and last of five blocks.
#[test]
fn data_blocks_equal_esptools() {
    let mut file: Vec<u8> = (0..5_000_u32).map(|i| (i * i * 7 + i / 3) as u8).collect();
    file.resize(5 * BLOCK, 0xFF);
    let heads = [
        "000310041c000000000400000000000000000000000000",
        "00031004b1000000000400000100000000000000000000",
        "0003100442000000000400000200000000000000000000",
        "000310041c000000000400000300000000000000000000",
        "0003100421000000000400000400000000000000000000",
    ];
    for (sequence, (head, payload)) in heads.iter().zip(file.chunks(BLOCK)).enumerate() {
        let data = Command::Data { packed: false, sequence: sequence as u32, payload }.encode();
        assert_eq!(&hex(&data)[..head.len()], *head);
        assert_eq!(&data[24..], payload);
    }
}

#[test]
fn a_packed_block_equals_esptools() {
    let esptool = "00113b00460000002b00000000000000000000000000000078daedc5310d00300800302b189828e05ab2\
        0fffc96c70b44f7bee7959d1b66ddbb66ddbf6c23f08e066a3";
    let stream: Vec<u8> = (48..esptool.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&esptool[at..at + 2], 16).unwrap())
        .collect();
    let data = Command::Data { packed: true, sequence: 0, payload: &stream };
    assert_eq!(hex(&data.encode()), esptool);
}

#[test]
fn replies_are_read_and_nothing_else_is() {
    let frame = [1, 0x0A, 4, 0, 0x66, 0x55, 0x44, 0x33, 0, 0, 0, 0];
    let reply = Reply::parse(&frame).unwrap();
    assert_eq!(
        (reply.op, reply.value, reply.payload, reply.refused),
        (0x0A, 0x3344_5566, &[][..], None)
    );
    assert_eq!(Reply::parse(&[1, 2, 4, 0, 0, 0, 0, 0, 1, 7, 0, 0]).unwrap().refused, Some(7));
    assert_eq!(Reply::parse(&[0, 2, 4, 0, 0, 0, 0, 0, 1, 7, 0, 0]), None, "a request, echoed");
    for len in 0..frame.len() {
        assert_eq!(Reply::parse(&frame[..len]), None, "cut to {len}");
    }
    let mut digest = vec![1, 0x13, 36, 0, 0, 0, 0, 0];
    digest.extend(b"00112233445566778899aAbBcCdDeEfF\0\0\0\0");
    let md5 = Reply::parse(&digest).unwrap().md5().unwrap();
    assert_eq!(hex(&md5), "00112233445566778899aabbccddeeff");
    digest[8] = b'g';
    assert_eq!(Reply::parse(&digest).unwrap().md5(), None);
    assert_eq!(slip::encode(&frame).len(), frame.len() + 2);
}
