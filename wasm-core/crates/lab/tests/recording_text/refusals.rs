//! Each kind of hopeless file has its own code and sentence: what, where, what to do.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_hopeless_file_has_its_own_sentence() {
    let cases: &[(&str, Vec<u8>)] = &[
        ("recording/empty", fixture("bad/empty.csv")),
        ("recording/unrecognised", fixture("bad/noise.bin")),
        ("recording/header-only", fixture("bad/header_only.csv")),
        ("recording/no-csi", fixture("bad/text_without_csi.txt")),
        ("recording/utf-16", fixture("bad/utf16.csv")),
        ("recording/json-document", fixture("bad/json_document.json")),
        ("recording/nothing-usable", b"{\"node_id\":1,\"iq_hex\":\"0g\"}\n".to_vec()),
    ];
    let mut sentences = BTreeSet::new();
    for (code, bytes) in cases {
        let refusal = refused(bytes);
        assert_eq!(refusal.code(), *code);
        let sentence = refusal.to_string();
        assert!(sentence.ends_with('.') && sentence.len() > 60, "{sentence}");
        sentences.insert(sentence);
    }
    assert_eq!(sentences.len(), cases.len());
}

#[test]
fn a_refusal_names_the_first_place_and_its_reason() {
    let refusal = refused("\n{\"node_id\":1,\"iq_hex\":\"0g\"}\n");
    let sentence = refusal.to_string();
    assert!(sentence.contains("line 2") && sentence.contains("damaged hex text"), "{sentence}");
}

#[test]
fn utf_16_without_a_mark_is_recognised() {
    let text: Vec<u8> = "CSI_DATA,1,x".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(refused(text).code(), "recording/utf-16");
}

#[test]
fn a_picture_is_not_a_recording() {
    let png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x10\x00\x00\x00\x10\x08\x02\x00\x00\x00";
    let refusal = refused(png);
    assert_eq!(refusal.code(), "recording/unrecognised");
    assert!(refusal.to_string().contains("89 50 4e 47"));
}

#[test]
fn side_files_and_lists_are_called_json_documents() {
    assert_eq!(refused("[\n {\"a\": 1}\n]\n").code(), "recording/json-document");
    assert_eq!(refused("[{\"a\": 1}, {\"a\": 2}]\n").code(), "recording/json-document");
    assert_eq!(refused("{\"id\":\"a\",\"frame_count\":3}").code(), "recording/json-document");
    assert_eq!(refused("{\"a\":1}\n{\"a\":2}\n").code(), "recording/nothing-usable");
}

#[test]
fn kind_d_is_refused_with_its_reason() {
    let features = "{\"timestamp\":1.0,\"subcarriers\":[1,2,3,4,5,6,7,8],\"features\":{}}\n";
    assert!(refused(features).to_string().contains("eight features"));
    let wrong = format!("{{\"timestamp\":1.0,\"subcarriers\":{:?}}}\n", vec![1.0; 33]);
    assert!(refused(wrong).to_string().contains("wrong layout"));
}

#[test]
fn synthetic_test_fixtures_open_and_say_so() {
    let line = format!("{{\"node_id\":1,\"amplitude\":{:?}}}\n", vec![1.0; 56]);
    let recording = open(line.repeat(3));
    assert_eq!(recording.report.frames, 3);
    assert!(recording.report.notes.iter().any(|note| note.contains("synthetic test fixture")));
}

#[test]
fn sentences_count_in_good_english() {
    assert!(refused("hello\n").to_string().contains("in its 1 line."));
    assert!(refused("hello\nworld\n").to_string().contains("in its 2 lines."));
    let line = "{\"node_id\":1,\"iq_hex\":\"0g\"}\n";
    assert!(refused(line).to_string().contains(": 1 candidate left out"));
    assert!(refused(line.repeat(2)).to_string().contains(": 2 candidates left out"));
    let amplitudes = format!("{{\"node_id\":1,\"amplitude\":{:?}}}\n", vec![1.0; 56]);
    let said = open(format!("{amplitudes}{line}")).report.sentences();
    assert!(said.iter().any(|s| s.starts_with("1 frame in ")), "{said:?}");
    let left_out = "Left out because they held damaged hex text: 1 (line 2).";
    assert!(said.iter().any(|s| s == left_out), "{said:?}");
}
