//! Which path serves which model, line by line.

use csi_temporal::attention::AttentionPath::{DecodeStep, Dense, Forward, ForwardGqa};
use csi_temporal::attention::select_path;

#[test]
fn selection_follows_the_decision_record() {
    for (window_len, q_heads, kv_heads, dense_in_checkpoint, expected) in [
        (64, 4, 4, true, Dense),
        (1, 1, 1, true, Dense),
        (65, 4, 4, true, Forward),
        (64, 4, 4, false, Forward),
        (65, 4, 4, false, Forward),
        (64, 4, 1, true, ForwardGqa),
        (256, 4, 2, false, ForwardGqa),
    ] {
        let case = (window_len, q_heads, kv_heads, dense_in_checkpoint);
        let path =
            |streaming| select_path(window_len, q_heads, kv_heads, dense_in_checkpoint, streaming);
        assert_eq!(path(false), expected, "{case:?}");
        assert_eq!(path(true), DecodeStep, "{case:?}");
    }
}

#[test]
fn codes_are_stable() {
    let codes = [Dense, Forward, ForwardGqa, DecodeStep].map(|path| path.code());
    assert_eq!(codes, ["dense", "forward", "forward-gqa", "decode-step"]);
}
