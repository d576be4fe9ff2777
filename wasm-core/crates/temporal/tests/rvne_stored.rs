//! The length of a blob is found in whatever follows it.

use std::path::PathBuf;

use csi_temporal::rvne::{
    Dtype, Embedding, HeadShape, Normalisation, Trailer, WeightBlob, stored_len,
};
use quickcheck::quickcheck;

fn blobs() -> Vec<Vec<u8>> {
    let shape =
        HeadShape { input_dim: 5, q_heads: 3, kv_heads: 1, head_dim: 3, layers: 1, classes: 3 };
    let trailer = Trailer {
        name: Some("odd".to_string()),
        normalisation: Some(Normalisation { mean: vec![1.0; 7], inv_std: vec![1.0; 7] }),
        embedding: Some(Embedding { feature_dim: 7, matrix: vec![0.5; 35] }),
        ..Trailer::default()
    };
    let mut blobs = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16] {
        let plain = WeightBlob::seeded(shape, 3, dtype).unwrap();
        blobs.push(plain.encode().unwrap());
        blobs.push(WeightBlob { trailer: trailer.clone(), ..plain }.encode().unwrap());
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/models");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rvne") {
            blobs.push(std::fs::read(path).unwrap());
        }
    }
    blobs
}

#[test]
fn a_blob_ends_where_it_ended() {
    let blobs = blobs();
    assert!(blobs.len() > 4, "fixtures/models holds blobs");
    for blob in blobs {
        assert_eq!(stored_len(&blob), Some(blob.len()));
        for filling in [0x00, 0xFF, 0x45] {
            let mut flash = blob.clone();
            flash.resize(blob.len() + 5000, filling);
            assert_eq!(stored_len(&flash), Some(blob.len()));
        }
        for len in 0..blob.len() {
            assert_eq!(stored_len(&blob[..len]), None);
        }
    }
}

#[test]
fn empty_flash_holds_none() {
    assert_eq!(stored_len(&[0xFF; 4096]), None);
    assert_eq!(stored_len(&[]), None);
}

#[test]
fn no_bytes_make_it_panic() {
    fn total(mut bytes: Vec<u8>, with_magic: bool) -> bool {
        if with_magic {
            bytes.splice(0..0, *b"ENVR\x01\x00\x02\x00");
        }
        stored_len(&bytes).is_none_or(|len| len <= bytes.len())
    }
    quickcheck(total as fn(Vec<u8>, bool) -> bool);
}
