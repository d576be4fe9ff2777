//! A recording that grew line by line is the one that its saved bytes give, whatever came first,
//! in between, or cut in pieces; and growing costs constant work a frame.

mod session_support;

use csi_lab::recording::{Decoder, Grown, Limits, Live, LiveSource, Recording, Stream};
use csi_lab::session::{LabError, LiveView, Session};
use quickcheck::QuickCheck;
use session_support::{fixture, opened};

/// Serial output of boards: name in `fixtures/`.
const SERIAL: [&str; 8] = [
    "recordings/esp32_mixed_lengths.csv",
    "recordings/esp32_passive_bad_line.csv",
    "recordings/esp32_sta_fft_order.csv",
    "recordings/espressif_15_columns_SYNTHETIC.csv",
    "recordings/espressif_ht40.csv",
    "recordings/walking_esp32_107hz.csv",
    "bad/serial_log_with_merged_lines.txt",
    "bad/beyond_i8.csv",
];

/// Everything a recording says.
fn told(recording: &Recording) -> String {
    let mut text = serde_json::to_string(&recording.report).unwrap();
    for stream in &recording.streams {
        text += &format!("\n{} {:?} {}", stream.name, stream.map.useful(), stream.start_micros);
        for (i, frame) in stream.frames().enumerate() {
            text += &format!("\n{frame:?} {:?} {:?}", stream.sequence(i), stream.label(i));
        }
    }
    text
}

fn reopened(bytes: &[u8]) -> Recording {
    let mut decoder = Decoder::new("live", Limits::default());
    decoder.push(bytes).unwrap();
    decoder.finish().unwrap()
}

/// Pushes pieces a millisecond apart; gives the recording as it was shown last, the one it became
/// and the byte that it begins at.
fn grown(bytes: &[u8], size: usize) -> (Recording, Recording, usize) {
    let mut live = Live::new("live", LiveSource::Board, Limits::default());
    let mut shown: Option<Recording> = None;
    for (i, piece) in bytes.chunks(size).enumerate() {
        if let Grown::Anew(recording) = live.push(piece, 1_000 * i as u64, shown.as_mut()) {
            shown = Some(*recording);
        }
    }
    let begins = live.begins_at().unwrap() as usize;
    (shown.unwrap(), live.finish().unwrap(), begins)
}

#[test]
fn what_was_live_reopens_to_the_same_frames_and_report() {
    for name in SERIAL {
        let bytes = fixture(name);
        let sizes: &[usize] = if bytes.len() < 60_000 { &[1, 7, 509, 65_536] } else { &[997] };
        for size in sizes {
            let (_, ended, begins) = grown(&bytes, *size);
            let saved = reopened(&bytes[begins..]);
            assert!(told(&ended) == told(&saved), "{name} in pieces of {size}");
            let whole = reopened(&bytes);
            assert_eq!(ended.report.frames, whole.report.frames, "{name}: none lost");
        }
    }
}

/// What is shown while it grows has the frames and times of the end, but for the line that is not
/// complete yet.
#[test]
fn what_is_shown_while_it_grows_are_the_frames_of_the_end() {
    for name in SERIAL {
        let bytes = fixture(name);
        let (shown, ended, _) = grown(&bytes, 701);
        for stream in &shown.streams {
            let twin = ended.streams.iter().find(|s| s.name == stream.name).expect("a twin");
            assert!(stream.len() == twin.len() || stream.len() + 1 == twin.len(), "{name}");
            for frame in 0..stream.len() {
                let of = |stream: &Stream| format!("{:?}", stream.frame(frame));
                assert_eq!(of(stream), of(twin), "{name} frame {frame}");
            }
        }
        assert_eq!(shown.report.source, "LIVE");
        assert_eq!(ended.report.source, "RECORDED");
        assert_eq!(shown.report.skipped.get("damaged"), ended.report.skipped.get("damaged"));
    }
}

/// A boot log longer than what format detection looks at, noise of another speed, half a line.
#[test]
fn what_comes_before_the_first_line_with_csi_is_left_out_and_does_not_change_the_rest() {
    let csi = fixture("recordings/espressif_ht40.csv");
    let noise: Vec<u8> =
        (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let zeros = [b'x', 0].repeat(40_000);
    let json = b"{\n\"not\": \"csi\"}\n".to_vec();
    let half_line = b"3,-4,5,6]\"\nCSI_DATA,\nCSI_DATA,12".to_vec();
    for (what, before) in [("noise", noise), ("zeros", zeros), ("json", json), ("half", half_line)]
    {
        let bytes = [&before[..], b"\r\n", &csi].concat();
        for size in [1, 64, 4096] {
            let (_, ended, begins) = grown(&bytes, size);
            assert_eq!(begins, before.len() + 2, "{what} in pieces of {size}");
            assert!(told(&ended) == told(&reopened(&csi)), "{what} in pieces of {size}");
        }
    }
}

/// Damage of every kind: bytes changed, left out, doubled, NULs, in pieces of any size.
#[test]
fn damaged_lines_reopen_to_what_was_live_and_pieces_change_nothing() {
    fn property(damage: Vec<(u32, u8, u8)>, size: u16) -> bool {
        let mut bytes = fixture("recordings/espressif_ht40.csv");
        bytes.truncate(12_000);
        for (at, kind, byte) in damage {
            let at = at as usize % bytes.len();
            match kind % 4 {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..(at + usize::from(byte)).min(bytes.len() - 1))),
                2 => bytes.extend_from_within(at..(at + usize::from(byte)).min(bytes.len())),
                _ => drop(bytes.splice(at..at, [byte, 0].repeat(usize::from(byte) * 4))),
            }
        }
        let mut outcomes = [usize::from(size) + 1, usize::MAX].map(|size| {
            let mut live = Live::new("live", LiveSource::Board, Limits::default());
            let mut shown: Option<Recording> = None;
            for piece in bytes.chunks(size) {
                if let Grown::Anew(recording) = live.push(piece, 0, shown.as_mut()) {
                    shown = Some(*recording);
                }
            }
            let begins = live.begins_at();
            (live.finish().map(|recording| told(&recording)), begins)
        });
        let Some(begins) = outcomes[0].1 else {
            return outcomes.iter().all(|(outcome, begins)| outcome.is_err() && begins.is_none());
        };
        let mut decoder = Decoder::new("live", Limits::default());
        let saved = decoder.push(&bytes[begins as usize..]);
        let saved = saved.and_then(|()| decoder.finish()).map(|recording| told(&recording));
        outcomes.iter_mut().all(|(outcome, at)| *outcome == saved && *at == Some(begins))
    }
    QuickCheck::new().tests(60).quickcheck(property as fn(Vec<(u32, u8, u8)>, u16) -> bool);
}

/// One line of the ESP32-CSI-Tool with 64 subcarriers.
fn line(time: u32, i: usize) -> String {
    let values: Vec<String> = (0..128).map(|k| ((i * 7 + k * 3) % 61).to_string()).collect();
    let values = values.join(" ");
    format!(
        "CSI_DATA,AP,20:50:0D:2A:A2:E4,-60,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,{time},0,84,0,0,1.5,128,[{values} ]\n"
    )
}

#[test]
fn a_hundred_thousand_lines_grow_with_work_that_does_not_grow() {
    let mut session = Session::new();
    session.live_begin("live", "made", LiveSource::Board, Limits::default());
    let (mut bytes, mut revisions, mut last) = (0, 0, LiveView::default());
    let piece: Vec<String> = (0..100).map(|i| line(0, i)).collect();
    let stamped = |push: usize| -> String {
        let lines = piece.iter().enumerate().map(|(i, line)| {
            let time = (push * 100 + i) as u32 * 1_000;
            line.replacen(",1,1,0,0,84,", &format!(",1,1,{time},0,84,"), 1)
        });
        lines.collect()
    };
    for push in 0..1_000 {
        let text = stamped(push);
        bytes += text.len() as u64;
        last = session.live_push(text.as_bytes(), push as u64 * 100_000).unwrap();
        assert_eq!(last.frames, (push + 1) * 100);
        revisions = revisions.max(last.revision);
    }
    assert_eq!((last.all_frames, last.bytes, last.begins_at), (100_000, bytes, Some(0)));
    assert!((last.span_s - 99.999).abs() < 1e-9, "{}", last.span_s);
    // All frames are looked at when there are twice as many: 100, 200, 400, ... 51200, 102400.
    assert_eq!(revisions, 10);
    assert_eq!(session.times_micros(99_998).unwrap(), [99_998_000.0, 99_999_000.0]);
    assert_eq!(session.live_end().unwrap().frames, 100_000);
}

#[test]
fn damaged_lines_are_counted_by_reason_and_never_fatal() {
    let mut session = Session::new();
    session.live_begin("live", "made", LiveSource::Board, Limits::default());
    let good = |i: usize| line(i as u32 * 10_000, i);
    let damaged = [
        good(1)[..200].to_owned() + "\n",
        good(2).replace(" 3 ", " three "),
        "I (341) wifi: connected\n".to_owned(),
        good(3).trim_end().to_owned()[..150].to_owned() + &good(3),
        "\u{0}\u{1}\u{fffd}\n".to_owned(),
    ];
    let text: String = (0..50).map(|i| good(i) + &damaged[i % 5]).collect();
    let mut view = LiveView::default();
    for piece in text.as_bytes().chunks(333) {
        view = session.live_push(piece, 0).unwrap();
    }
    // Every fifth is merged with a whole line, which is kept.
    assert_eq!(view.all_frames, 50 + 10);
    let skipped: u64 = view.skipped.values().sum();
    assert_eq!(skipped, 50, "{:?}", view.skipped);
    assert!(view.skipped.len() >= 4, "{:?}", view.skipped);
}

#[test]
fn the_clock_of_the_lines_counts_and_wraps_and_else_that_of_arrival() {
    let mut session = Session::new();
    session.live_begin("live", "made", LiveSource::Board, Limits::default());
    let near_wrap = u32::MAX - 25_000;
    for i in 0..10u32 {
        let text = line(near_wrap.wrapping_add(i * 10_000), i as usize);
        session.live_push(text.as_bytes(), 777 * u64::from(i)).unwrap();
    }
    let even: Vec<f64> = (0..10).map(|i| f64::from(i) * 10_000.0).collect();
    assert_eq!(session.times_micros(0).unwrap(), even);
    assert!(session.recording().unwrap().clock.contains("recording's clock"));

    session.live_begin("live", "made", LiveSource::Board, Limits::default());
    for i in 0..10 {
        session.live_push(line(5, i).as_bytes(), 1_000 + 20_000 * i as u64).unwrap();
    }
    let arrivals: Vec<f64> = (0..10).map(|i| f64::from(i) * 20_000.0).collect();
    assert_eq!(session.times_micros(0).unwrap(), arrivals);
    assert!(session.recording().unwrap().clock.contains("times of arrival"));
    session.mark(None, (0.06, 0.12), "walking").unwrap();
    // The bytes do not hold these times: 100 Hz are assumed, and the mark stays on its frames.
    session.live_end().unwrap();
    assert_eq!(session.times_micros(0).unwrap()[3], 30_000.0);
    let marks = session.marks().unwrap();
    assert_eq!((marks[0].start_s, marks[0].end_s), (0.03, 0.06));
}

#[test]
fn the_recording_that_was_open_stays_until_the_first_frame_and_without_one() {
    let mut session = opened("walk.csv", &fixture("recordings/walking_esp32_107hz.csv"));
    assert_eq!(session.live_push(b"x", 0).unwrap_err(), LabError::NotLive);
    session.live_begin("live", "ESP32", LiveSource::Board, Limits::default());
    let view = session.live_push(b"rst:0x1 (POWERON)\nI (30) boot\n", 0).unwrap();
    assert_eq!((view.revision, view.frames, view.begins_at), (0, 0, None));
    assert_eq!(session.recording().unwrap().name, "walk.csv");
    assert_eq!(session.live_end().unwrap_err().code(), "recording/no-csi");
    assert_eq!(session.recording().unwrap().name, "walk.csv");

    session.live_begin("live", "ESP32", LiveSource::Board, Limits::default());
    session.live_push(line(1, 1).as_bytes(), 0).unwrap();
    let view = session.recording().unwrap();
    assert_eq!((view.source, view.device.as_deref()), ("LIVE", Some("ESP32")));
    let ended = session.live_end().unwrap();
    assert_eq!((ended.source, ended.device), ("RECORDED", None));

    // Nothing of a simulated board ever looks like a board's.
    session.live_begin("live", "simulated", LiveSource::Simulated, Limits::default());
    session.live_push(line(1, 1).as_bytes(), 0).unwrap();
    assert_eq!(session.recording().unwrap().source, "SIMULATED BOARD");
    session.live_push(line(2, 1).as_bytes(), 0).unwrap();
    assert_eq!(session.doctor().unwrap().source, "SIMULATED BOARD");
    assert_eq!(session.live_end().unwrap().source, "SIMULATED BOARD");
}

/// Two senders: the one that was chosen stays chosen when another has more frames.
#[test]
fn a_chosen_stream_stays_chosen_while_others_come() {
    let mut session = Session::new();
    session.live_begin("live", "ESP32", LiveSource::Board, Limits::default());
    let other = |i: usize| line(i as u32 * 1_000, i).replace("A2:E4", "A2:E5");
    session.live_push(line(0, 0).as_bytes(), 0).unwrap();
    session.live_push(other(1).as_bytes(), 0).unwrap();
    let first = session.recording().unwrap();
    let e4 = first.streams.iter().position(|s| s.name.contains("E4")).unwrap();
    session.select_stream(e4).unwrap();
    for i in 2..300 {
        session.live_push(other(i).as_bytes(), 0).unwrap();
    }
    let view = session.recording().unwrap();
    assert!(view.streams[view.selected].name.contains("E4"));
    assert_eq!((view.frames, view.streams[0].frames), (1, 299), "most frames first");
}

#[test]
fn a_full_store_says_so_and_keeps_what_it_has() {
    let mut session = Session::new();
    session.live_begin(
        "live",
        "ESP32",
        LiveSource::Board,
        Limits { store_bytes: 10_000, ..Limits::default() },
    );
    let mut view = LiveView::default();
    for i in 0..200 {
        view = session.live_push(line(i * 1_000, i as usize).as_bytes(), 0).unwrap();
    }
    assert!(view.full);
    let kept = view.frames;
    assert!((60..70).contains(&kept), "{kept}");
    assert!(session.doctor().unwrap().notes.iter().any(|note| note.contains("are full")));
    assert_eq!(session.live_end().unwrap().frames, kept);
}
