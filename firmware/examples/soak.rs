//! What `cargo xtask soak` runs on Xtensa, on this host: `soak FRAMES`.

extern crate alloc;

#[path = "../user/src/soak.rs"]
mod soak;

fn main() {
    let frames = std::env::args().nth(1).and_then(|frames| frames.parse().ok());
    // The heap is judged where there is one of its own.
    match soak::soak(frames.expect("usage: soak FRAMES"), || 0) {
        Ok(soaked) => println!("{soaked}"),
        Err((what, [found, expected])) => panic!("{what}: {found} instead of {expected}"),
    }
}
