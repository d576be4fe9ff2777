//! Heads as `.safetensors` files, which PyTorch, JAX and NumPy read and write: import and export.
//!
//! A file has one tensor for each matrix and vector of the head, and the rest of the blob as one
//! JSON text in its metadata, under the key `rvne` (the private `meta` has the fields). Matrices go by
//! two names, which say how they lie:
//!
//! | name ends in | order | who stores so |
//! |---|---|---|
//! | `.weight` | `[out][in]` | `torch.nn.Linear`; what is exported |
//! | `.kernel` | `[in][out]` | Flax, Keras, and the blob itself |
//!
//! `D` inside numbers, `F` features, `Q = q_heads * head_dim`, `K = kv_heads * head_dim`, `H` hidden,
//! `C` classes; `i` counts layers from 0:
//!
//! | tensor | shape as `.weight` | blob |
//! |---|---|---|
//! | `layers.i.q.weight`, `layers.i.k.weight`, `layers.i.v.weight` | `[Q][D]`, `[K][D]`, `[K][D]` | weights |
//! | `layers.i.o.weight` | `[D][Q]` | weights |
//! | `classifier.weight` | `[C][D]` | weights |
//! | `classifier.bias` | `[C]` | record 0x84 |
//! | `embed.weight` | `[D][F]` | record 0x85 |
//! | `layers.i.norm.weight` | `[D]` | record 0x83 |
//! | `layers.i.ff.norm.weight` | `[D]` | record 0x86 |
//! | `layers.i.ff.up.weight`, `layers.i.ff.down.weight` | `[H][D]`, `[D][H]` | record 0x86 |
//! | `layers.i.slopes` | `[q_heads]` | record 0x87 |
//! | `input.mean`, `input.inv_std` | `[F]` | record 0x82 |
//!
//! The weights alone must be there; a part that one layer has, all have. Numbers are read as F32, F16
//! or BF16. The blob's weights are f16 if every matrix of the file is, else f32; nothing is rounded on the way.
//! [`import`] of what [`export`] wrote is the same blob, byte for byte. This module trains nothing,
//! guesses no name, and verifies no signature.

mod error;
mod export;
mod import;
mod meta;
mod tensors;

pub use error::{BridgeError, Dims, ShortText};
pub use export::export;
pub use import::import;
pub use tensors::{Order, Part, TensorId};

/// Tells whether a file may be a safetensors file: its first eight bytes are the length of a header
/// that starts with a brace. No weight blob looks like that.
pub fn looks_like_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
        && bytes.first_chunk::<8>().is_some_and(|len| u64::from_le_bytes(*len) <= 100_000_000)
}
