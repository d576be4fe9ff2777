//! `csi attend`: one attention call on raw tensors, so that other programs can check ours.

use std::path::Path;

use csi_temporal::attention::pattern::SparsePattern;
use csi_temporal::attention::{Qkv, Weighting, dense, sparse, upstream};
use csi_temporal::tensor::Tensor3;

use crate::args::{Args, Item, numbers, required, unknown_option};
use crate::error::CliError;
use crate::files;

#[derive(Clone, Copy)]
enum Kernel {
    Dense,
    Upstream,
    UpstreamCrate,
}

/// Reads q, k, v, attends, writes the output `[N][q][dim]`; prints nothing.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut q, mut k, mut v, mut out) = (None, None, None, None);
    let (mut shape, mut kernel) = (None, None);
    let mut pattern = SparsePattern::default();
    while let Some(item) = args.next()? {
        let Item::Option(name) = item else {
            return Err(CliError::usage("attend takes options only; see `csi help`"));
        };
        match name.as_str() {
            "q" => q = Some(args.path()?),
            "k" => k = Some(args.path()?),
            "v" => v = Some(args.path()?),
            "out" => out = Some(args.path()?),
            "shape" => shape = Some(numbers::<4, usize>(&args.text("shape")?, "N,q,kv,dim")?),
            "pattern" => kernel = Some(kernel_named(&args.text("pattern")?)?),
            "window" => pattern.window = args.value("window")?,
            "block" => pattern.block_size = args.value("block")?,
            "no-log-stride" => pattern.log_stride = false,
            "no-landmarks" => pattern.landmarks = false,
            "non-causal" => pattern.causal = false,
            other => return Err(unknown_option(other)),
        }
    }
    let [seq, q_heads, kv_heads, dim] = required(shape, "--shape")?;
    if [seq, q_heads, kv_heads, dim].contains(&0) {
        return Err(CliError::usage("--shape: N, q, kv and dim must each be at least 1"));
    }
    let q = tensor(&required(q, "--q")?, [seq, q_heads, dim])?;
    let k = tensor(&required(k, "--k")?, [seq, kv_heads, dim])?;
    let v = tensor(&required(v, "--v")?, [seq, kv_heads, dim])?;
    let out = required(out, "--out")?;

    let qkv = Qkv { q: &q, k: &k, v: &v, slopes: &[] };
    let result = match required(kernel, "--pattern")? {
        Kernel::Dense => dense::forward(&qkv, pattern.causal),
        Kernel::Upstream => sparse::forward(&qkv, &pattern, Weighting::Plain),
        Kernel::UpstreamCrate => upstream::forward(&qkv, &pattern),
    };
    let result =
        result.map_err(|e| CliError::usage(format!("attention refused the input: {e}")))?;
    let bytes: Vec<u8> = result.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    files::write(&out, &bytes)?;
    Ok(String::new())
}

fn kernel_named(name: &str) -> Result<Kernel, CliError> {
    match name {
        "dense" => Ok(Kernel::Dense),
        "upstream" => Ok(Kernel::Upstream),
        "upstream-crate" => Ok(Kernel::UpstreamCrate),
        other => Err(CliError::usage(format!(
            "--pattern takes dense, upstream or upstream-crate, not `{other}`"
        ))),
    }
}

/// Reads one raw tensor file; its length must be exactly what the shape says.
fn tensor(path: &Path, shape: [usize; 3]) -> Result<Tensor3, CliError> {
    let bytes = files::read(path)?;
    let floats = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
    let expected = floats.and_then(|n| n.checked_mul(4));
    if expected != Some(bytes.len()) {
        return Err(wrong_length(path, &shape, bytes.len()));
    }
    let (words, _) = bytes.as_chunks::<4>();
    let data = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let [seq, heads, dim] = shape;
    Tensor3::from_vec(data, seq, heads, dim).map_err(|e| CliError::input(path, e))
}

fn wrong_length(path: &Path, [seq, heads, dim]: &[usize; 3], got: usize) -> CliError {
    // Saturating: a shape may claim anything, and the sentence stays true enough.
    let needed = [seq, heads, dim].into_iter().fold(4_u128, |n, d| n.saturating_mul(*d as u128));
    CliError::input(path, format!("{got} bytes, but [{seq}][{heads}][{dim}] f32 needs {needed}"))
}
