//! Parity against the node itself, with somebody in the middle who changes what it says.

mod device_support;

use csi_lab::device::{
    Device, DeviceError, DeviceEvent, ParityAsk, ParityInput, ParityReport, Task,
};
use csi_lab::recording::{Decoder, Limits};
use csi_node::protocol::{Decoder as Frames, Event, Logits, Numbers, Reply, kind};
use csi_node::{Config, Node};
use csi_temporal::feature::{MeanRemoval, PipelineConfig};
use csi_temporal::half::Storage;
use csi_temporal::rvne::{AttentionPattern, AttentionRecord, Dtype, HeadShape, WeightBlob};
use device_support::{DIM, blob, parity};

/// Sends everything through, lets `meddle` change each reply, and returns what came out.
fn compare(
    weights: &[u8],
    ask: ParityAsk,
    mut meddle: impl FnMut(u8, &[u8]) -> Vec<u8>,
) -> Result<ParityReport, DeviceError> {
    let mut node = Node::new(Config::default());
    node.load_weights(weights).unwrap();
    let (mut device, mut frames) = (Device::new(Default::default()), Frames::new());
    device.connect(0).unwrap();
    let (mut now, mut report, mut ask) = (0, None, Some(ask));
    loop {
        let mut is_quiet = true;
        while let Some(action) = device.poll_action() {
            let esp_flasher::Action::Write(bytes) = action else { panic!("{action:?}") };
            now += 100;
            node.handle_bytes(now, &bytes);
            is_quiet = false;
        }
        let mut rest = node.poll_output().unwrap_or_default().to_vec();
        while !rest.is_empty() {
            let left = frames.push(&rest).len();
            rest.drain(..rest.len() - left);
            while let Some(event) = frames.next_event() {
                let Event::Frame { kind, payload } = event else { panic!("{event:?}") };
                device.handle_bytes(now, &meddle(kind, payload));
            }
        }
        while let Some(event) = device.poll_event() {
            match event {
                DeviceEvent::Parity { report: came } => report = Some(came),
                DeviceEvent::Failed { error, .. } => return Err(error),
                DeviceEvent::Done { task: Task::Connect } => {
                    device.parity(now, ask.take().unwrap())?;
                    is_quiet = false;
                }
                DeviceEvent::Done { task: Task::Parity } => return Ok(report.unwrap()),
                _ => {}
            }
        }
        if is_quiet {
            now = device.poll_timeout().expect("something is waited for").max(now);
            device.handle_timeout(now);
        }
    }
}

/// The frame as it came.
fn as_it_came(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Reply::read(kind, payload).unwrap().write(&mut bytes).unwrap();
    bytes
}

#[test]
fn one_flipped_bit_of_one_logit_is_found_and_named() {
    let weights = blob(1);
    for (which, class, bit) in [(0, 0, 0), (17, 2, 13), (28, 1, 31)] {
        let mut seen = 0;
        let report = compare(&weights, parity(&weights, 40), |kind, payload| {
            let Ok(Reply::Logits(logits)) = Reply::read(kind, payload) else {
                return as_it_came(kind, payload);
            };
            let mut numbers: Vec<f32> = logits.logits.iter().collect();
            if seen == which {
                numbers[class] = f32::from_bits(numbers[class].to_bits() ^ 1 << bit);
            }
            seen += 1;
            let mut bytes = Vec::new();
            let changed = Logits { logits: Numbers::Floats(&numbers), ..logits };
            Reply::Logits(changed).write(&mut bytes).unwrap();
            bytes
        })
        .unwrap();
        assert!(!report.is_identical());
        assert_eq!((report.identical, report.different, report.total), (28, 1, 29));
        let first = report.first_difference.unwrap();
        assert_eq!((first.classification, first.class), (which, class as u16));
        assert_eq!(first.row, which + 11, "the newest row of the window");
        assert_eq!(first.board_bits ^ first.our_bits, 1 << bit);
        let sentence = report.sentence();
        assert!(sentence.starts_with("28 of 29 identical; first difference:"), "{sentence}");
        assert!(sentence.contains(&format!("{:08x}", first.board_bits)), "{sentence}");
    }
}

#[test]
fn a_classification_that_never_came_is_missing_not_left_out() {
    let weights = blob(1);
    let mut seen = 0;
    let report = compare(&weights, parity(&weights, 40), |kind, payload| {
        seen += u32::from(kind == kind::LOGITS);
        match kind == kind::LOGITS && seen == 5 {
            true => Vec::new(),
            false => as_it_came(kind, payload),
        }
    })
    .unwrap();
    assert!(!report.is_identical());
    assert_eq!((report.identical, report.missing, report.total), (28, 1, 29));
}

#[test]
fn heads_of_every_kind_are_identical() {
    let shape =
        HeadShape { input_dim: 6, q_heads: 2, kv_heads: 1, head_dim: 4, layers: 2, classes: 5 };
    let record = AttentionRecord { window_len: 16, ..AttentionRecord::default() };
    let records = [
        record,
        AttentionRecord { storage: Storage::F16, ..record },
        AttentionRecord { streaming: true, ..record },
        AttentionRecord { pattern: AttentionPattern::Pyramid, window: 4, per_level: 2, ..record },
        AttentionRecord { pattern: AttentionPattern::Dense, ..record },
    ];
    for (seed, record) in (1..).zip(records) {
        let mut weights = WeightBlob::seeded(shape, seed, Dtype::F16).unwrap();
        weights.trailer.attention = Some(record);
        let weights = weights.encode().unwrap();
        let ask = ParityAsk { period_rows: 3, ..parity(&weights, 50) };
        let report = compare(&weights, ask, as_it_came).unwrap();
        assert!(report.is_identical() && report.total >= 12, "{record:?}: {}", report.sentence());
    }
}

#[test]
fn frames_of_a_recording_are_identical_through_the_boards_pipeline() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../fixtures/recordings/walking_esp32_107hz.csv"
    );
    let mut decoder = Decoder::new("walking", Limits::default());
    decoder.push(&std::fs::read(path).unwrap()).unwrap();
    let recording = decoder.finish().unwrap();
    let stream = &recording.streams[recording.default_stream];
    let packets: Vec<_> = (0..300).filter_map(|i| csi_lab::device::packet_of(stream, i)).collect();
    assert_eq!(packets.len(), 300);
    for mean_removal in
        [MeanRemoval::None, MeanRemoval::Window, MeanRemoval::Exponential { time_constant_s: 1.0 }]
    {
        let shape =
            HeadShape { input_dim: 8, q_heads: 2, kv_heads: 2, head_dim: 4, layers: 1, classes: 3 };
        let mut weights = WeightBlob::seeded(shape, 3, Dtype::F32).unwrap();
        let record = AttentionRecord { window_len: 24, frame_rate_hz: 50.0, ..Default::default() };
        weights.trailer.attention = Some(record);
        weights.trailer.pipeline = Some(PipelineConfig {
            useful: stream.map.useful(),
            bands: 8,
            divide_by_mean: true,
            rate_hz: 50.0,
            mean_removal,
            ..PipelineConfig::default()
        });
        let weights = weights.encode().unwrap();
        let ask = ParityAsk {
            input: ParityInput::Packets { packets: packets.clone() },
            period_rows: 2,
            ..parity(&weights, 0)
        };
        let report = compare(&weights, ask, as_it_came).unwrap();
        assert!(report.is_identical() && report.total > 30, "{}", report.sentence());
    }
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_sent() {
    let weights = blob(1);
    let refused = |ask| compare(&weights, ask, as_it_came).unwrap_err();
    let few = refused(parity(&weights, 11));
    assert_eq!(few, DeviceError::TooFewRows { rows: 11, needed: 12 });
    let odd = ParityInput::Rows { values: vec![0.0; DIM * 20 + 1] };
    assert_eq!(refused(ParityAsk { input: odd, ..parity(&weights, 0) }).code(), "device/width");
    let nan = ParityInput::Rows { values: vec![f32::NAN; DIM * 20] };
    assert_eq!(
        refused(ParityAsk { input: nan, ..parity(&weights, 0) }).code(),
        "head/row-not-finite"
    );
    let packets = ParityInput::Packets { packets: Vec::new() };
    let no_pipeline = refused(ParityAsk { input: packets, ..parity(&weights, 0) });
    assert_eq!(no_pipeline.code(), "node/no-pipeline");
}
