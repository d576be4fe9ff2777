//! Every code of every error that can reach a user: one table for the page's advice.
//!
//! A code is written once where its error is defined, and once here. The test below reads the
//! sources and fails when one is missing on either side.

/// For a value that a caller outside handed over in a shape nobody promised.
pub const BAD_ARGUMENT: &str = "lab/bad-argument";

/// All codes, sorted.
pub const ALL: &[&str] = &[
    "attention/bad-slope",
    "attention/beyond-f16",
    "attention/cache-too-large",
    "attention/head-out-of-range",
    "attention/head-ratio",
    "attention/map-too-large",
    "attention/not-causal",
    "attention/not-finite",
    "attention/overflow",
    "attention/row-length",
    "attention/row-out-of-range",
    "attention/shape",
    "attention/slope-count",
    "attention/stream-too-long",
    "attention/upstream-ln-count",
    "attention/upstream-refused",
    "attention/upstream-slopes",
    "attention/zero-block-size",
    "attention/zero-capacity",
    "attention/zero-dim",
    "attention/zero-groups",
    "attention/zero-per-level",
    "dataset/constant",
    "dataset/copies",
    "dataset/imbalance",
    "dataset/mixed-layouts",
    "dataset/mixed-rates",
    "dataset/no-recording",
    "dataset/no-window",
    "dataset/one-class",
    "dataset/one-recording",
    "dataset/slow-recording",
    "dataset/unknown-class",
    "dataset/unlabelled",
    "dataset/unreadable-frames",
    "dataset/untested-class",
    "device/busy",
    "device/cancelled",
    "device/damaged",
    "device/file-hash",
    "device/file-missing",
    "device/in-loader",
    "device/lost",
    "device/manifest",
    "device/no-answer",
    "device/no-firmware",
    "device/no-partition",
    "device/no-plan",
    "device/not-connected",
    "device/other-weights",
    "device/refused",
    "device/too-few-rows",
    "device/unexpected",
    "device/version",
    "device/weights-room",
    "device/width",
    "feature/bands",
    "feature/feature-state-length",
    "feature/lag",
    "feature/not-finite",
    "feature/not-for-feature-state",
    "feature/rate",
    "feature/short-frame",
    "feature/time-constant",
    "feature/useful-count",
    "feature/width",
    "feature/wrong-source",
    "figure/backend",
    "figure/lengths",
    "figure/range",
    "figure/too-small",
    "flash/another-board",
    "flash/cancelled",
    "flash/encrypted",
    "flash/flash-too-small",
    "flash/lost",
    "flash/no-flash",
    "flash/no-reply",
    "flash/not-connected",
    "flash/not-restarted",
    "flash/refused",
    "flash/secure-boot",
    "flash/secure-download",
    "flash/unsteady",
    "flash/verify",
    "flash/wrong-chip",
    "head/dense-has-no-decode-step",
    "head/layer-out-of-range",
    "head/no-rows",
    "head/not-causal",
    "head/overflow",
    "head/part-length",
    "head/part-not-finite",
    "head/row-not-finite",
    "head/rows-length",
    "head/stream-broken",
    "head/stream-of-another-head",
    "head/upstream-has-no-stream",
    "image/checksum",
    "image/chip",
    "image/digest",
    "image/magic",
    "image/segments",
    "image/short",
    "lab/bad-argument",
    "lab/empty-mask",
    "lab/features",
    "lab/frame",
    "lab/magnitude",
    "lab/matrix",
    "lab/no-comparison",
    "lab/no-model",
    "lab/no-phase",
    "lab/no-recording",
    "lab/no-rows",
    "lab/no-sweep",
    "lab/not-live",
    "lab/not-opening",
    "lab/pair",
    "lab/pattern-range",
    "lab/seed",
    "lab/stream",
    "lab/too-many-rows",
    "labels/format",
    "labels/index",
    "labels/json",
    "labels/name",
    "labels/overlap",
    "labels/range",
    "labels/too-large",
    "labels/too-many",
    "labels/version",
    "node/blob-too-large",
    "node/memory",
    "node/no-pipeline",
    "node/no-weights",
    "node/packet-kind",
    "node/row-length",
    "node/row-not-finite",
    "node/too-many-classes",
    "node/upload-crc",
    "node/upload-incomplete",
    "node/upload-not-begun",
    "node/upload-offset",
    "node/window-mean-in-stream",
    "node/window-not-full",
    "packet/crc",
    "packet/field",
    "packet/incomplete",
    "packet/length",
    "packet/magic",
    "packet/previous-length",
    "packet/runs",
    "partition/alignment",
    "partition/digest",
    "partition/label",
    "partition/magic",
    "partition/no-end",
    "partition/overlap",
    "partition/size",
    "plan/crosses-nvs",
    "plan/crosses-partition",
    "plan/empty",
    "plan/no-partition",
    "plan/no-table",
    "plan/out-of-range",
    "plan/overlap",
    "plan/unaligned",
    "protocol/crc",
    "protocol/kind",
    "protocol/payload",
    "protocol/too-long",
    "recording/compressed",
    "recording/empty",
    "recording/feitcsi",
    "recording/gzip",
    "recording/hdf5",
    "recording/header-only",
    "recording/json-document",
    "recording/matlab",
    "recording/no-csi",
    "recording/no-csi-packets",
    "recording/nothing-usable",
    "recording/npy",
    "recording/npz",
    "recording/picoscenes",
    "recording/unrecognised",
    "recording/utf-16",
    "recording/zip",
    "rvne/crc",
    "rvne/gqa-ratio",
    "rvne/length",
    "rvne/magic",
    "rvne/magic-big-endian",
    "rvne/not-finite",
    "rvne/pipeline",
    "rvne/pipeline-width",
    "rvne/reserved-byte",
    "rvne/reserved-flag",
    "rvne/shape-too-large",
    "rvne/too-few-classes",
    "rvne/too-short",
    "rvne/trailer-bounds",
    "rvne/trailer-bytes-after-end",
    "rvne/trailer-count",
    "rvne/trailer-duplicate",
    "rvne/trailer-end-missing",
    "rvne/trailer-name-too-long",
    "rvne/trailer-negative",
    "rvne/trailer-not-finite",
    "rvne/trailer-padding",
    "rvne/trailer-payload-length",
    "rvne/trailer-reserved",
    "rvne/trailer-unknown",
    "rvne/trailer-utf8",
    "rvne/trailer-value",
    "rvne/version",
    "rvne/weights-length",
    "rvne/zero-dimension",
    "rvne/zero-seed",
    "safetensors/container",
    "safetensors/dimension",
    "safetensors/dtype",
    "safetensors/head-dim",
    "safetensors/metadata",
    "safetensors/missing",
    "safetensors/no-metadata",
    "safetensors/not-finite",
    "safetensors/shape",
    "safetensors/twice",
    "safetensors/unknown-tensor",
    "serial/busy",
    "serial/closed",
    "serial/forbidden",
    "serial/lost",
    "serial/open-here",
    "serial/refused",
    "serial/stalled",
    "sim/fault-number",
    "sim/fault-when",
    "sim/fault-word",
    "study/index",
    "study/no-recording",
    "study/no-such-name",
    "study/not-opening",
    "study/not-ready",
    "study/not-training",
    "study/other-recording",
    "study/too-many",
    "tensor/shape",
    "train/mixed",
    "train/no-gradient",
    "train/no-windows",
    "train/one-class",
    "train/shape",
    "train/teacher-classes",
    "train/teacher-features",
    "train/teacher-head",
    "train/teacher-saw-test",
    "train/teacher-share",
    "window/row-length",
    "window/size",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    fn sources(folder: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder)
            .expect("a source folder")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                sources(&entry, into);
            } else if entry.file_name() != Some("codes.rs".as_ref())
                && entry.extension() == Some("rs".as_ref())
            {
                into.push(std::fs::read_to_string(&entry).expect("UTF-8 source"));
            }
        }
    }

    /// The literals `"area/word"` that follow `=>` or open the body of `fn code`.
    fn codes_in(source: &str) -> impl Iterator<Item = String> {
        let literals = source.split('"').skip(1).step_by(2);
        literals
            .filter(|text| {
                let word = |part: &str| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                };
                text.split_once('/').is_some_and(|(area, rest)| word(area) && word(rest))
            })
            .map(str::to_string)
    }

    #[test]
    fn the_table_has_exactly_the_codes_of_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        sources(&root.join("src"), &mut texts);
        sources(&root.join("../temporal/src"), &mut texts);
        sources(&root.join("../flasher/src"), &mut texts);
        sources(&root.join("../../../firmware/src"), &mut texts);
        sources(&root.join("../../src/serial"), &mut texts);
        let mut found: BTreeSet<String> = texts.iter().flat_map(|text| codes_in(text)).collect();
        found.insert(super::BAD_ARGUMENT.to_string());
        let table: BTreeSet<String> = super::ALL.iter().map(ToString::to_string).collect();
        let missing: Vec<_> = found.difference(&table).collect();
        let stale: Vec<_> = table.difference(&found).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "missing: {missing:?}, no longer used: {stale:?}"
        );
        assert!(super::ALL.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
    }
}
