//! The salient pattern is closer to dense attention than upstream's at no more edges, on every
//! recording and at every magnitude: `docs/accuracy.md` in small, held as a test.
//!
//! Public recordings are looked for in the folder that `CSI_LAB_DATA` names, else in
//! `../shared/data`; without them the built-in one is examined alone.

mod session_support;

use std::path::PathBuf;

use csi_lab::accuracy::{self, CANDIDATES, RECORDINGS, UPSTREAM, median};
use csi_lab::session::Session;
use session_support::{opened, walking};

const MAGNITUDES: [f32; 3] = [1.0, 2.0, 4.0];

/// Upstream's mean error over the salient pattern's at each magnitude, over the first frames.
fn closer(mut session: Session) -> [f64; 3] {
    const N: usize = 300;
    session.set_pipeline(accuracy::raw_features()).expect("a pipeline");
    let rows = session.window(N - 1, N).expect("rows");
    let qkv = accuracy::random_projections(&rows.values, rows.dim, 4, 16, 1);
    let salient = CANDIDATES[3];
    assert!(salient.edge_count(N) <= UPSTREAM.edge_count(N), "{}", salient.name);
    MAGNITUDES.map(|magnitude| {
        let errors = accuracy::compare(&qkv, magnitude, &[UPSTREAM, salient]).expect("errors");
        f64::from(errors[0].mean_abs) / f64::from(errors[1].mean_abs)
    })
}

#[test]
fn on_the_built_in_recording() {
    let closer = closer(walking());
    assert!(closer.iter().zip([8.0, 2.0, 1.2]).all(|(got, least)| *got >= least), "{closer:?}");
}

#[test]
fn on_public_recordings_in_the_median_and_in_the_worst_case() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data");
    let folder = std::env::var_os("CSI_LAB_DATA").map_or(PathBuf::from(beside), PathBuf::from);
    let mut all = Vec::new();
    for (_, file) in RECORDINGS {
        match std::fs::read(folder.join(file)) {
            Ok(bytes) => all.push(closer(opened(file, &bytes))),
            Err(_) => {
                println!("skipped: no {file} in the folder of recordings (CSI_LAB_DATA)");
                return;
            }
        }
    }
    for (at, (least_median, least)) in [(8.0, 2.0), (2.0, 1.0), (1.2, 1.0)].into_iter().enumerate()
    {
        let closer: Vec<f64> = all.iter().map(|of| of[at]).collect();
        let magnitude = MAGNITUDES[at];
        assert!(median(&closer) >= least_median, "magnitude {magnitude}: {closer:?}");
        assert!(closer.iter().all(|ratio| *ratio >= least), "magnitude {magnitude}: {closer:?}");
    }
}
