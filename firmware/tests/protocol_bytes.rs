//! Frames byte by byte. The literals were computed from the tables of `docs/protocol.md` with
//! Python's `struct` and `zlib.crc32`.

use csi_node::Stats;
use csi_node::protocol::{
    Greeting, Logits, MAX_PAYLOAD, Numbers, ProtocolError, Reply, Request, Settings, kind,
    write_bits,
};
use quickcheck::quickcheck;

fn hex(text: &str) -> Vec<u8> {
    text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn payload(frame: &[u8]) -> (u8, &[u8]) {
    (frame[2], &frame[5..frame.len() - 4])
}

#[track_caller]
fn request_is(request: Request<'_>, bytes: &str) {
    let mut out = Vec::new();
    request.write(&mut out).unwrap();
    assert_eq!(out, hex(bytes));
    let (kind, payload) = payload(&out);
    assert_eq!(kind, request.kind());
    assert_eq!(Request::read(kind, payload), Ok(request));
}

#[track_caller]
fn reply_is(reply: Reply<'_>, bytes: &str) {
    let mut out = Vec::new();
    reply.write(&mut out).unwrap();
    assert_eq!(out, hex(bytes));
    let (kind, payload) = payload(&out);
    assert_eq!(kind, reply.kind());
    assert_eq!(Reply::read(kind, payload), Ok(reply));
}

#[test]
fn frames_have_the_documented_bytes() {
    request_is(Request::Hello, "55 aa 01 00 00 25 b3 83 fe");
    let values = Numbers::Floats(&[1.0, -0.5]);
    request_is(
        Request::Row { sequence: 7, time_micros: -2, values },
        "55 aa 03 14 00 07 00 00 00 fe ff ff ff ff ff ff ff 00 00 80 3f 00 00 00 bf 92 eb 4e 4f",
    );
    let settings = Settings {
        node: 9,
        send_logits: true,
        hold_when_slow: true,
        period_rows: 500,
        ..Settings::default()
    };
    request_is(Request::Configure(settings), "55 aa 02 04 00 09 09 f4 01 6b ec 6c e4");
    let done = Reply::Done { request: kind::WEIGHTS_BEGIN, value: 0x0102_0304 };
    reply_is(done, "55 aa 84 05 00 06 04 03 02 01 54 f5 3e a7");
    reply_is(
        Reply::Error { request: kind::ROW, code: "node/no-weight" },
        "55 aa 85 10 00 03 0e 6e 6f 64 65 2f 6e 6f 2d 77 65 69 67 68 74 17 c8 c0 cb",
    );
    let logits = Numbers::Floats(&[f32::NAN, -0.0]);
    reply_is(
        Reply::Logits(Logits { sequence: 3, time_micros: 1000, rows: 50, held: 2, logits }),
        "55 aa 83 18 00 03 00 00 00 e8 03 00 00 00 00 00 00 32 00 02 00 \
         00 00 c0 7f 00 00 00 80 f1 82 f0 91",
    );
}

#[test]
fn every_message_comes_back_as_it_went() {
    let requests = [
        Request::Csi { time_micros: i64::MIN, packet: &[1, 2, 3] },
        Request::Classify,
        Request::WeightsBegin { len: 41_244, crc: 0xCBF4_3926 },
        Request::WeightsChunk { offset: 4096, bytes: &[0xFF; 40] },
        Request::WeightsEnd,
        Request::Stats,
        Request::SelfTest,
        Request::Reset { restart: false },
        Request::Reset { restart: true },
        Request::Configure(Settings { acknowledge: true, ..Settings::default() }),
        Request::Configure(Settings { rows_as_they_come: true, ..Settings::default() }),
    ];
    for request in requests {
        let mut out = Vec::new();
        request.write(&mut out).unwrap();
        let (kind, payload) = payload(&out);
        assert_eq!(Request::read(kind, payload), Ok(request));
        assert!(Reply::read(kind, payload).is_err(), "a request is no reply");
    }
    let greeting = Greeting {
        protocol: 1,
        node: 2,
        reset_cause: 3,
        board: 1,
        has_weights: true,
        takes_csi: true,
        feature_dim: 60,
        classes: 4,
        window_rows: 256,
        period_rows: 50,
        rows: 17,
        rate_hz: 50.0,
        blob_crc: 0xDEAD_BEEF,
        image_hash: [1, 2, 3, 4, 5, 6, 7, 8],
        version: "0.1.0",
        model: "ä",
        ..Greeting::default()
    };
    let stats = Stats { uptime_seconds: 1, stack_peak: 5, ..Stats::default() };
    let packet = [7; 40];
    for reply in [Reply::Greeting(greeting), Reply::Counters(stats), Reply::Packet(&packet)] {
        let mut out = Vec::new();
        reply.write(&mut out).unwrap();
        let (kind, payload) = payload(&out);
        assert_eq!(Reply::read(kind, payload), Ok(reply));
    }
}

#[test]
fn a_table_of_bits_arrives_whole_in_several_replies() {
    let table: Vec<(String, u64)> = (0..200)
        .map(|i: u64| (format!("row-{i}"), i.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    let borrowed: Vec<(&str, u64)> = table.iter().map(|(name, hash)| (&name[..], *hash)).collect();
    let (mut got, mut replies) = (Vec::new(), 0);
    write_bits(&borrowed, &mut |reply| {
        let mut out = Vec::new();
        reply.write(&mut out).unwrap();
        let (kind, payload) = payload(&out);
        let Ok(Reply::Bits(bits)) = Reply::read(kind, payload) else { panic!("bits") };
        assert_eq!((usize::from(bits.first), bits.total), (got.len(), 200));
        got.extend(bits.rows().map(|(name, hash)| (name.to_string(), hash)));
        replies += 1;
    });
    assert_eq!(got, table);
    assert!(replies > 1);
}

#[test]
fn a_payload_that_is_too_long_leaves_the_output_alone() {
    let mut out = vec![9];
    let bytes = vec![0; MAX_PAYLOAD];
    let request = Request::WeightsChunk { offset: 0, bytes: &bytes };
    let len = MAX_PAYLOAD + 4;
    assert_eq!(request.write(&mut out), Err(ProtocolError::TooLong { len }));
    assert_eq!(out, [9]);
    Request::WeightsChunk { offset: 0, bytes: &bytes[4..] }.write(&mut out).unwrap();
}

#[test]
fn older_and_newer_counters_are_read() {
    let mut bytes = vec![0; 4 * Stats::NAMES.len() + 4];
    bytes[0] = 42;
    assert_eq!(Stats::from_bytes(&bytes).uptime_seconds, 42);
    assert_eq!(Stats::from_bytes(&bytes[..7]).uptime_seconds, 42);
    assert_eq!(Stats::from_bytes(&[]), Stats::default());
}

quickcheck! {
    /// Whatever a payload holds, it is read or refused; what is read is written the same way.
    fn payloads_are_read_or_refused(kind: u8, payload: Vec<u8>) -> bool {
        let kind = if kind & 1 == 0 { kind % 0x10 } else { 0x80 | (kind % 0x10) };
        let mut out = Vec::new();
        match (Request::read(kind, &payload), Reply::read(kind, &payload)) {
            (Ok(request), Err(_)) => request.write(&mut out).is_ok() && out[5..out.len() - 4] == payload,
            (Err(_), Ok(reply)) => reply.write(&mut out).is_ok(),
            (Err(_), Err(_)) => true,
            (Ok(_), Ok(_)) => false,
        }
    }
}
