//! Flash contents by hand, and packets as bytes.
#![allow(dead_code, reason = "each test binary uses its part")]

use csi_lab::sim::{Board, BoardConfig, Flash, FlashSize, Pace};
use esp_flasher::line::Cable;
use md5::{Digest, Md5};
use sha2::Sha256;

/// Reads a file of `fixtures`.
pub fn fixture(name: &str) -> Vec<u8> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An image with one segment: an application's description, then `len` bytes.
pub fn image(project: &str, len: usize) -> Vec<u8> {
    let mut segment = vec![0; 256];
    segment[..4].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    segment[16..16 + 5].copy_from_slice(b"0.1.0");
    segment[48..48 + project.len()].copy_from_slice(project.as_bytes());
    (0..32).for_each(|index| segment[144 + index] = index as u8 + 1);
    segment.extend((0..len).map(|index| (index * 7) as u8));
    segment.resize(segment.len().next_multiple_of(4), 0);
    let mut image = vec![0xE9, 1, 2, 0x2F, 0, 0, 0x37, 0x40, 0xEE, 0, 0, 0, 9, 0, 0, 0, 0];
    image.resize(23, 0);
    image.push(1);
    image.extend(0x3C00_0020_u32.to_le_bytes());
    image.extend((segment.len() as u32).to_le_bytes());
    image.extend(&segment);
    while image.len() % 16 != 15 {
        image.push(0);
    }
    image.push(segment.iter().fold(0xEF, |sum, byte| sum ^ byte));
    let hash = Sha256::digest(&image);
    image.extend(hash);
    image
}

/// A partition table with `factory` and `rvne` where the node has them.
pub fn table() -> Vec<u8> {
    let mut table = Vec::new();
    for (kind, subtype, offset, size, label) in
        [(0_u8, 0_u8, 0x1_0000_u32, 0x10_0000_u32, "factory"), (1, 6, 0x11_0000, 0x4_0000, "rvne")]
    {
        table.extend([0xAA, 0x50, kind, subtype]);
        table.extend(offset.to_le_bytes());
        table.extend(size.to_le_bytes());
        let mut name = [0; 20];
        name[..label.len()].copy_from_slice(label.as_bytes());
        table.extend(name);
    }
    let md5 = Md5::digest(&table);
    table.extend([0xEB, 0xEB]);
    table.extend([0xFF; 14]);
    table.extend(md5);
    table.resize(0xC00, 0xFF);
    table
}

/// A flash from which the node starts.
pub fn node_flash() -> Flash {
    let mut flash = Flash::new(FlashSize::Mb8);
    flash.store(0, &image("", 100));
    flash.store(0x8000, &table());
    flash.store(0x1_0000, &image("csi-node", 1000));
    flash.store(0x11_0000, &fixture("models/aether_seeded.rvne"));
    flash
}

/// A board in its loader, for which nothing takes time.
pub fn in_loader(flash: Flash) -> Board {
    let config = BoardConfig {
        cable: Cable::Unknown,
        pace: Pace::Instant,
        boots_into_loader: true,
        ..BoardConfig::new(flash)
    };
    let mut board = Board::new(0, config);
    let text = String::from_utf8(board.poll_bytes(0)).unwrap();
    assert!(text.contains("waiting for download"), "{text}");
    board
}

/// A request: `00`, op, length, checksum, data, between two `C0`.
pub fn request(op: u8, checksum: u8, data: &[u8]) -> Vec<u8> {
    let len = (data.len() as u16).to_le_bytes();
    let packet = [&[0, op, len[0], len[1], checksum, 0, 0, 0], data].concat();
    let mut line = vec![0xC0];
    for byte in packet {
        match byte {
            0xC0 => line.extend([0xDB, 0xDC]),
            0xDB => line.extend([0xDB, 0xDD]),
            _ => line.push(byte),
        }
    }
    line.push(0xC0);
    line
}

/// Little-endian words.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What a data command carries, and its checksum.
pub fn data(op: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let head = words(&[payload.len() as u32, sequence, 0, 0]);
    let checksum = payload.iter().fold(0xEF, |sum, byte| sum ^ byte);
    request(op, checksum, &[&head, payload].concat())
}

/// Takes the packets out of a line.
pub fn packets(line: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for piece in line.split(|byte| *byte == 0xC0).filter(|piece| !piece.is_empty()) {
        let mut bytes = piece.iter();
        let mut packet = Vec::new();
        while let Some(&byte) = bytes.next() {
            packet.push(match (byte, byte == 0xDB) {
                (_, true) => [0xC0, 0xDB][usize::from(bytes.next() == Some(&0xDD))],
                (byte, false) => byte,
            });
        }
        packets.push(packet);
    }
    packets
}

/// Sends a request and returns the bytes that come back at once.
pub fn ask(board: &mut Board, now: u64, request: &[u8]) -> Vec<u8> {
    board.handle_bytes(now, request);
    board.poll_bytes(now)
}

/// Status and reason of the only reply of the ROM.
pub fn status(line: &[u8]) -> [u8; 2] {
    let packets = packets(line);
    let [reply] = &packets[..] else { panic!("not one reply: {packets:02x?}") };
    [reply[reply.len() - 4], reply[reply.len() - 3]]
}
