//! Heads as safetensors: what others wrote is read and runs as they say, what is written is read back to
//! the same bytes, and what is wrong is named.

use std::path::PathBuf;

use csi_lab::bridge::{BridgeError, export, import, looks_like_safetensors};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{Dtype, WeightBlob};
use safetensors::SafeTensors;
use serde_json::{Value, json};

fn fixture(name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures");
    std::fs::read(root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Takes a file apart: its header as JSON, and the bytes of its tensors.
fn apart(file: &[u8]) -> (Value, Vec<u8>) {
    let len = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
    (serde_json::from_slice(&file[8..8 + len]).expect("JSON"), file[8 + len..].to_vec())
}

fn together(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The good file after `change` was at its header and data.
fn changed(change: impl FnOnce(&mut Value, &mut Vec<u8>)) -> Result<WeightBlob, BridgeError> {
    let (mut header, mut data) = apart(&fixture("bridge/weights_f32.safetensors"));
    change(&mut header, &mut data);
    import(&together(&header, &data))
}

/// The good file after `change` was at the JSON in its metadata.
fn with_meta(change: impl FnOnce(&mut Value)) -> Result<WeightBlob, BridgeError> {
    changed(|header, _| {
        let text = header["__metadata__"]["rvne"].as_str().expect("text");
        let mut meta = serde_json::from_str(text).expect("JSON");
        change(&mut meta);
        header["__metadata__"]["rvne"] = meta.to_string().into();
    })
}

#[track_caller]
fn refused(result: Result<WeightBlob, BridgeError>, code: &str, words: &str) {
    let error = result.expect_err("refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// NumPy's own forward pass of the same file in f64. Both files hold one head, by two names, two orders
/// and three types.
#[test]
fn files_that_numpy_wrote_say_what_numpy_says() {
    let says: Value = serde_json::from_slice(&fixture("bridge/logits.json")).expect("JSON");
    let floats = |key: &str| -> Vec<f64> {
        says[key].as_array().expect(key).iter().map(|n| n.as_f64().expect("a number")).collect()
    };
    let rows: Vec<f32> = floats("rows").iter().map(|n| *n as f32).collect();
    for name in ["weights_f32", "kernels_bf16_f16"] {
        let blob = import(&fixture(&format!("bridge/{name}.safetensors"))).expect(name);
        let names = ["empty", "wave", "walk"].map(String::from).to_vec();
        assert_eq!(blob.trailer.class_names, Some(names));
        let head = TemporalHead::from_blob(&blob).expect("a head");
        let logits = head.forward(&rows, head.backend()).expect("logits").logits;
        let expected = floats(name);
        assert_eq!(logits.len(), expected.len());
        for (got, expected) in logits.iter().zip(expected) {
            // Six layers of products of some ten numbers near 1 in f32: about 1e-6.
            assert!((f64::from(*got) - expected).abs() < 5e-6, "{name}: {got} and {expected}");
        }
    }
}

#[test]
fn a_blob_comes_back_byte_for_byte() {
    let mut blobs: Vec<(String, Vec<u8>)> =
        ["aether_seeded", "odd_f16", "odd_f16_empty_trailer", "tiny_f16_every_record", "tiny_f32"]
            .iter()
            .map(|name| (name.to_string(), fixture(&format!("models/{name}.rvne"))))
            .collect();
    for name in ["weights_f32", "kernels_bf16_f16"] {
        let blob = import(&fixture(&format!("bridge/{name}.safetensors"))).expect(name);
        for dtype in [Dtype::F32, Dtype::F16] {
            let bytes = blob.to_dtype(dtype).0.encode().expect("bytes");
            blobs.push((format!("{name} {}", dtype.name()), bytes));
        }
    }
    // Floats whose shortest decimals are long, and a zero with a sign.
    for rate in [0.1, 1.0 / 3.0, 106.400_01, f32::MIN_POSITIVE, f32::MAX, -0.0] {
        let mut blob = WeightBlob::parse(&blobs[3].1).expect("a blob");
        if let Some(record) = &mut blob.trailer.attention {
            record.frame_rate_hz = rate;
        }
        blob.weights[0] = -0.0;
        blobs.push((format!("rate {rate}"), blob.encode().expect("bytes")));
    }
    for (name, bytes) in blobs {
        let blob = WeightBlob::parse(&bytes).expect(&name);
        let file = export(&blob).expect(&name);
        assert!(looks_like_safetensors(&file) && !looks_like_safetensors(&bytes));
        assert_eq!(file, export(&blob).expect(&name), "{name}: the same bytes each time");
        let back = import(&file).expect(&name);
        assert_eq!(back.encode().expect(&name), bytes, "{name}");
    }
}

/// The default blob's first matrix is [16][128] in the blob and [128][16] for PyTorch.
#[test]
fn matrices_are_exported_as_pytorch_stores_them() {
    let blob = WeightBlob::parse(&fixture("models/aether_seeded.rvne")).expect("a blob");
    let file = export(&blob).expect("a file");
    let tensors = SafeTensors::deserialize(&file).expect("tensors");
    let wq = tensors.tensor("layers.0.q.weight").expect("Wq");
    assert_eq!((wq.shape(), wq.dtype()), (&[128, 16][..], safetensors::Dtype::F32));
    for (input, output) in [(0, 0), (3, 0), (0, 5), (15, 127)] {
        let stored = &wq.data()[(output * 16 + input) * 4..][..4];
        assert_eq!(stored, blob.weights[input * 128 + output].to_le_bytes());
    }
}

#[test]
fn what_is_wrong_is_named() {
    let take = |name: &'static str| {
        move |header: &mut Value, data: &mut Vec<u8>| {
            // A tensor renamed is one missing and one too many; taken out, offsets close the gap.
            let map = header.as_object_mut().expect("a map");
            let gone = map.remove(name).expect(name);
            let at = |v: &Value, i: usize| v["data_offsets"][i].as_u64().expect("an offset");
            let (from, to) = (at(&gone, 0), at(&gone, 1));
            data.drain(from as usize..to as usize);
            for (key, info) in map.iter_mut().filter(|(key, _)| *key != "__metadata__") {
                assert_ne!(key, name);
                if at(info, 0) >= to {
                    let moved = [at(info, 0) - (to - from), at(info, 1) - (to - from)];
                    info["data_offsets"] = json!(moved);
                }
            }
        }
    };
    for name in [
        "layers.1.k.weight",
        "layers.0.q.weight",
        "classifier.weight",
        "input.mean",
        "layers.0.norm.weight",
        "layers.1.slopes",
        "layers.1.ff.norm.weight",
        "layers.0.ff.up.weight",
    ] {
        refused(changed(take(name)), "safetensors/missing", name);
    }
    let put = |name: &'static str, field: &'static str, value: Value| {
        move |header: &mut Value, _: &mut Vec<u8>| header[name][field] = value
    };
    // As many numbers in another shape.
    let shape = changed(put("layers.0.v.weight", "shape", json!([9, 4])));
    refused(
        shape,
        "safetensors/shape",
        "layers.0.v.weight has the shape [9, 4], the head needs [6, 6]",
    );
    let shape = changed(put("layers.0.k.weight", "shape", json!([36])));
    refused(shape, "safetensors/shape", "[36], the head needs [any, any]");
    let shape = changed(put("embed.weight", "shape", json!([5, 6])));
    refused(shape, "safetensors/shape", "embed.weight has the shape [5, 6], the head needs [6, 6]");
    let kind = changed(put("classifier.bias", "dtype", json!("I32")));
    refused(kind, "safetensors/dtype", "classifier.bias are I32");
    refused(
        with_meta(|meta| meta["head_dim"] = json!(5)),
        "safetensors/head-dim",
        "makes 12 numbers",
    );
    refused(with_meta(|meta| meta["head_dim"] = json!(0)), "safetensors/head-dim", "heads of 0");
    refused(with_meta(|meta| meta["head_dims"] = json!(3)), "safetensors/metadata", "head_dims");
    refused(
        with_meta(|meta| meta["attention"]["pattern"] = json!("sparse")),
        "safetensors/metadata",
        "sparse",
    );
    refused(with_meta(|meta| meta["signature"] = json!("00")), "safetensors/metadata", "192");
    refused(
        with_meta(|meta| meta["unknown"] = json!([[16, "0"]])),
        "safetensors/metadata",
        "hexadecimal",
    );
    refused(with_meta(|meta| meta["unknown"] = json!([[200, ""]])), "rvne/trailer-unknown", "0xc8");
    refused(
        with_meta(|meta| meta["class_names"] = json!(["one"])),
        "rvne/trailer-count",
        "1 names",
    );
    refused(
        changed(|header, _| header["__metadata__"] = json!({})),
        "safetensors/no-metadata",
        "rvne",
    );

    let renamed = |from: &'static str, to: &'static str| {
        move |header: &mut Value, _: &mut Vec<u8>| {
            let map = header.as_object_mut().expect("a map");
            let info = map.remove(from).expect(from);
            map.insert(to.into(), info);
        }
    };
    refused(
        changed(renamed("embed.weight", "embedding.weight")),
        "safetensors/unknown-tensor",
        "embedding.weight",
    );
    let long = "a name that is longer than any that a head's tensor has, and then some more";
    refused(changed(renamed("embed.weight", long)), "safetensors/unknown-tensor", "a name that is");
    refused(
        changed(renamed("layers.0.o.weight", "layers.0.q.kernel")),
        "safetensors/twice",
        "layers.0.q.weight",
    );
    refused(
        changed(renamed("layers.1.o.weight", "layers.65534.o.weight")),
        "safetensors/missing",
        "layers.1.o.weight",
    );

    let not_finite = changed(|header, data| {
        let at =
            header["layers.1.o.weight"]["data_offsets"][0].as_u64().expect("an offset") as usize;
        data[at + 8..at + 12].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refused(not_finite, "safetensors/not-finite", "number 2 of layers.1.o.weight");
}

/// No input makes it panic, and every refusal has a code of the family.
#[test]
fn damaged_files_are_refused() {
    let file = fixture("bridge/weights_f32.safetensors");
    for len in (0..400).chain([file.len() - 1]) {
        refused(import(&file[..len]), "safetensors/container", "no safetensors file");
    }
    let header_len = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize + 8;
    let mut accepted = 0;
    for at in 0..header_len {
        for byte in [0, b'"', b'9', b'}', 0xFF] {
            let mut damaged = file.clone();
            damaged[at] = byte;
            match import(&damaged) {
                Ok(_) => accepted += 1,
                Err(error) => assert!(
                    error.code().starts_with("safetensors/") || error.code().starts_with("rvne/"),
                    "{error}"
                ),
            }
        }
    }
    // Some bytes are spaces, or in the name of a class.
    assert!(accepted < header_len, "{accepted} of {} were accepted", header_len * 5);
    refused(import(&[]), "safetensors/container", "shorter");
    refused(import(&[0xFF; 64]), "safetensors/container", "header");
}
