//! A failed request changes nothing, and every refusal has its code.

mod session_support;

use csi_lab::session::{PipelineAsk, Removal, Session};
use csi_temporal::rvne::{Dtype, HeadShape};
use session_support::{default_model, first_ask, fixture, ticking, walking};

#[test]
fn a_refused_file_leaves_the_open_recording() {
    let mut session = walking();
    let before = session.recording().expect("open");
    for (name, bytes) in [("empty", fixture("bad/empty.csv")), ("noise", fixture("bad/noise.bin"))]
    {
        session.open_begin(name);
        let error = match session.open_push(&bytes) {
            Err(error) => error,
            Ok(_) => session.open_finish().expect_err("no recording"),
        };
        assert!(error.code().starts_with("recording/"), "{name}: {}", error.code());
        assert_eq!(session.recording().expect("still open"), before);
        assert_eq!(
            session.open_finish().expect_err("the opening is over").code(),
            "lab/not-opening"
        );
    }
    session.open_begin("cancelled");
    session.open_cancel();
    assert_eq!(session.open_push(b"x").expect_err("cancelled").code(), "lab/not-opening");
    assert_eq!(session.recording().expect("still open"), before);
}

#[test]
fn a_bad_blob_leaves_the_open_model() {
    let mut session = walking();
    session.blob_new(&default_model()).expect("a blob");
    let (view, bytes) =
        (session.blob_view().cloned(), session.blob_bytes().expect("bytes").to_vec());
    let mut broken = bytes.clone();
    broken[100] ^= 1;
    assert_eq!(session.blob_open("broken", &broken).expect_err("a wrong CRC").code(), "rvne/crc");
    let mut ask = default_model();
    ask.shape = HeadShape { kv_heads: 3, ..ask.shape };
    assert_eq!(session.blob_new(&ask).expect_err("3 of 4").code(), "rvne/gqa-ratio");
    assert_eq!(
        (session.blob_view().cloned(), session.blob_bytes().expect("bytes")),
        (view, bytes.as_slice())
    );
}

#[test]
fn a_pipeline_that_does_not_fit_leaves_the_old_one() {
    let mut session = walking();
    let before = session.pipeline().expect("the default pipeline");
    let too_many = PipelineAsk { bands: 500, ..before.ask.clone() };
    assert_eq!(session.set_pipeline(too_many).expect_err("52 pairs").code(), "feature/bands");
    let endless = PipelineAsk {
        mean_removal: Removal::Exponential,
        time_constant_s: 0.0,
        ..before.ask.clone()
    };
    assert_eq!(session.set_pipeline(endless).expect_err("no time").code(), "feature/time-constant");
    assert_eq!(session.pipeline().expect("the old pipeline"), before);
}

#[test]
fn every_question_without_a_recording_or_model_says_which_is_missing() {
    let mut session = Session::new();
    assert_eq!(session.recording().expect_err("nothing open").code(), "lab/no-recording");
    assert_eq!(session.pipeline().expect_err("nothing open").code(), "lab/no-recording");
    assert_eq!(session.overview(10).expect_err("nothing open").code(), "lab/no-recording");
    assert_eq!(session.blob_convert(Dtype::F16).expect_err("no model").code(), "lab/no-model");
    assert_eq!(
        session.attention(&first_ask(0), &ticking()).expect_err("no model").code(),
        "lab/no-model"
    );
    assert_eq!(session.classify(0, 10), Ok(None));
    session.blob_new(&default_model()).expect("a blob");
    assert_eq!(
        session.attention(&first_ask(0), &ticking()).expect_err("no recording").code(),
        "lab/no-recording"
    );
    let mut session = walking();
    assert_eq!(session.select_stream(99).expect_err("one stream").code(), "lab/stream");
    assert_eq!(session.set_mask(Some(&[])).expect_err("nothing").code(), "lab/empty-mask");
    assert_eq!(session.set_mask(Some(&[1, 64])).expect_err("64 pairs").code(), "lab/pair");
    assert_eq!(session.spectrum(1 << 40, true).expect_err("too far").code(), "lab/frame");
    assert_eq!(session.sweep_step(1.0, &ticking()).expect_err("no sweep").code(), "lab/no-sweep");
    session.blob_new(&default_model()).expect("a blob");
    let mut ask = default_model();
    ask.shape.input_dim = 9;
    session.blob_new(&ask).expect("a narrower blob");
    assert_eq!(
        session.attention(&first_ask(100), &ticking()).expect_err("16 features").code(),
        "lab/features"
    );
    assert_eq!(session.classify(100, 10), Ok(None));
}
