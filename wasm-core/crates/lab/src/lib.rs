//! The lab without a browser: recordings, replay, divergence, figures.
//!
//! Bytes, times and seeds go in; frames, numbers and drawings come out. Nothing here opens a
//! file, asks for the time or knows that a page exists.
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod blob_view;
pub mod bridge;
pub mod codes;
pub mod colour;
pub mod comparison;
pub mod dataset;
pub mod device;
pub mod divergence;
pub mod figure;
pub mod gates;
pub mod labels;
pub mod pattern;
pub mod random;
pub mod raster;
pub mod recording;
pub mod replay;
pub mod session;
pub mod sim;
pub mod study;
pub mod train;
