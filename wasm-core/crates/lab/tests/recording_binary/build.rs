//! Writes the binary formats, independently of the readers: from their descriptions, bit by bit.

/// Packs two's complement numbers of `bits` bits, least significant bit first, after skipping
/// `skip` bits before each group.
pub fn pack(groups: &[Vec<i16>], skip: usize, bits: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    for group in groups {
        stream.extend(std::iter::repeat_n(false, skip));
        for number in group {
            stream.extend((0..bits).map(|bit| number >> bit & 1 == 1));
        }
    }
    let byte = |bits: &[bool]| bits.iter().enumerate().map(|(at, &bit)| u8::from(bit) << at).sum();
    stream.chunks(8).map(byte).collect()
}

/// An Intel record: 30 groups, `value(group, rx, tx)` gives (real, imaginary).
pub fn intel(
    micros: u32,
    (rx, tx): (u8, u8),
    permutation: u8,
    value: impl Fn(usize, u8, u8) -> (i8, i8),
) -> Vec<u8> {
    let mut groups = Vec::new();
    for group in 0..30 {
        let mut numbers = Vec::new();
        for r in 0..rx {
            for t in 0..tx {
                let (real, imaginary) = value(group, r, t);
                numbers.extend([i16::from(real), i16::from(imaginary)]);
            }
        }
        groups.push(numbers);
    }
    let mut csi = pack(&groups, 3, 8);
    csi.resize(60 * usize::from(rx) * usize::from(tx) + 12, 0);
    let mut body = micros.to_le_bytes().to_vec();
    body.extend([7, 0, 0, 0, rx, tx, 33, 0, 0, 0x81, 20, permutation]);
    body.extend((csi.len() as u16).to_le_bytes());
    body.extend([0x01, 0x01]);
    body.extend(csi);
    intel_record(0xBB, &body)
}

/// An Intel record of any code.
pub fn intel_record(code: u8, body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u16 + 1).to_be_bytes().to_vec();
    out.push(code);
    out.extend(body);
    out
}

/// An Atheros record; `value(tone, rx, tx)` gives (real, imaginary) of 10 bits each.
pub fn atheros(
    big_endian: bool,
    micros: u64,
    (tones, rx, tx): (u8, u8, u8),
    value: impl Fn(usize, u8, u8) -> (i16, i16),
) -> Vec<u8> {
    let mut numbers = Vec::new();
    for tone in 0..usize::from(tones) {
        for r in 0..rx {
            for t in 0..tx {
                let (real, imaginary) = value(tone, r, t);
                numbers.extend([imaginary, real]);
            }
        }
    }
    let csi = pack(&[numbers], 0, 10);
    let payload = [0xaa; 5];
    let u16 = |n: u16| {
        if big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    };
    let mut record = if big_endian { micros.to_be_bytes() } else { micros.to_le_bytes() }.to_vec();
    record.extend(u16(csi.len() as u16));
    record.extend(u16(2437));
    record.extend([0, 0, 143, u8::from(tones == 114), tones, rx, tx, 52, 38, 52, 36]);
    record.extend(u16(payload.len() as u16));
    record.extend(csi);
    record.extend(payload);
    [u16(record.len() as u16).to_vec(), record].concat()
}

/// A Nexmon payload with the given head (bytes 0 to 4) and words.
pub fn nexmon(head: [u8; 4], core_stream: u8, chip: u16, words: &[u32]) -> Vec<u8> {
    let mut out = head.to_vec();
    out.extend([1, 2, 3, 4, 5, 6, 0x30, 0x01, core_stream, 0, 0x2a, 0xe0]);
    out.extend(chip.to_le_bytes());
    words.iter().for_each(|word| out.extend(word.to_le_bytes()));
    out
}

/// A UDP datagram in IPv4.
pub fn ipv4(port: u16, payload: &[u8]) -> Vec<u8> {
    let udp = 8 + payload.len() as u16;
    let mut out = vec![0x45, 0];
    out.extend((20 + udp).to_be_bytes());
    out.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    out.extend(40_000u16.to_be_bytes());
    out.extend(port.to_be_bytes());
    out.extend(udp.to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    out
}

/// A link-layer frame of the given type around an IPv4 packet.
pub fn link(link: u32, packet: &[u8]) -> Vec<u8> {
    let header: Vec<u8> = match link {
        1 => [&[0xff; 12][..], &[8, 0]].concat(),
        113 => [&[0; 14][..], &[8, 0]].concat(),
        276 => [&[8, 0][..], &[0; 18]].concat(),
        _ => Vec::new(),
    };
    [header, packet.to_vec()].concat()
}

/// A classic capture of frames of one link type, a tenth of a second apart.
pub fn pcap(big_endian: bool, nanos: bool, link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let u32 = |n: u32| {
        if big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    };
    let u16 = |n: u16| {
        if big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    };
    let mut out = u32(if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    out.extend([u16(2), u16(4)].concat());
    out.extend([u32(0), u32(0), u32(65535), u32(link_type)].concat());
    for (index, frame) in (0u32..).zip(frames) {
        let tenth = if nanos { 100_000_000 } else { 100_000 };
        let bytes = frame.len() as u32;
        out.extend(
            [u32(1_700_000_000 + index / 10), u32(index % 10 * tenth), u32(bytes), u32(bytes)]
                .concat(),
        );
        out.extend(frame);
    }
    out
}

/// A pcapng capture of frames of one link type, a tenth of a second apart, with a clock of
/// `10^-resolution` s.
pub fn pcapng(big_endian: bool, resolution: u8, link_type: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let u32 = |n: u32| {
        if big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    };
    let u16 = |n: u16| {
        if big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    };
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = u32(body.len() as u32 + 12);
        [&u32(kind)[..], &length, &body, &length].concat()
    };
    let section = [&u32(0x1a2b_3c4d)[..], &u16(1), &u16(0), &[0xff; 8]].concat();
    let resolution_option = [&u16(9)[..], &u16(1), &[resolution, 0, 0, 0], &[0; 4]].concat();
    let interface = [&u16(link_type)[..], &u16(0), &u32(0), &resolution_option].concat();
    let mut out = block(0x0a0d_0d0a, &section);
    out.extend(block(1, &interface));
    for (index, frame) in (0u64..).zip(frames) {
        let ticks = (17_000_000_000 + index) * 10u64.pow(u32::from(resolution) - 1);
        let bytes = u32(frame.len() as u32);
        let head = [u32(0), u32((ticks >> 32) as u32), u32(ticks as u32), bytes, bytes].concat();
        out.extend(block(6, &[head, frame.clone()].concat()));
    }
    out
}

/// `0xC5110001`: one frame of a node, one antenna.
pub fn raw_csi(node: u8, sequence: u32, pairs: &[(i8, i8)]) -> Vec<u8> {
    let mut out = 0xC511_0001u32.to_le_bytes().to_vec();
    out.extend([node, 1]);
    out.extend((pairs.len() as u16).to_le_bytes());
    out.extend(2437u32.to_le_bytes());
    out.extend(sequence.to_le_bytes());
    out.extend([-50i8 as u8, -92i8 as u8, 0, 0]);
    pairs.iter().for_each(|&(imaginary, real)| out.extend([imaginary as u8, real as u8]));
    out
}

/// `0xC5110002`: vitals stamped `millis` after the node's boot.
pub fn vitals(node: u8, millis: u32) -> Vec<u8> {
    let mut out = 0xC511_0002u32.to_le_bytes().to_vec();
    out.extend([node, 1]);
    out.extend([0; 18]);
    out.extend(millis.to_le_bytes());
    out.extend([0; 4]);
    assert_eq!(out.len(), 32);
    out
}

/// `0xC5110006`: a feature state stamped `micros` after the node's boot.
pub fn feature_state(node: u8, micros: u64, values: [f32; 9]) -> Vec<u8> {
    let mut out = 0xC511_0006u32.to_le_bytes().to_vec();
    out.extend([node, 0, 0, 0]);
    out.extend(micros.to_le_bytes());
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
    out.extend([0; 4]);
    let crc = crc32(&out);
    out.extend(crc.to_le_bytes());
    out
}

/// CRC-32/IEEE, one bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| {
        if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
    };
    !bytes.iter().fold(!0u32, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}
