//! csi.
fn main() {}
