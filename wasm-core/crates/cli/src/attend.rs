//! `csi attend`: one attention call on raw tensors, so that other programs can check ours.

use std::path::Path;

use csi_lab::pattern::Pattern;
use csi_temporal::attention::{Qkv, SparsePattern, dense, upstream};
use csi_temporal::tensor::Tensor3;

use crate::args::{Args, Item, numbers, required, unknown_option};
use crate::error::CliError;
use crate::files;
use crate::pattern::{PatternOptions, no_use};

/// What computes.
enum Kernel {
    Dense { causal: bool },
    UpstreamCrate(SparsePattern),
    Ours(Pattern),
}

/// Reads q, k, v, attends, writes the output `[N][q][dim]`; prints nothing.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut q, mut k, mut v, mut out) = (None, None, None, None);
    let (mut shape, mut name, mut slopes) = (None, None, Vec::new());
    let (mut options, mut causal, mut by_stream) = (PatternOptions::default(), true, false);
    while let Some(item) = args.next()? {
        let Item::Option(option) = item else {
            return Err(CliError::usage("attend takes options only; see `csi help`"));
        };
        match option.as_str() {
            "q" => q = Some(args.path()?),
            "k" => k = Some(args.path()?),
            "v" => v = Some(args.path()?),
            "out" => out = Some(args.path()?),
            "shape" => shape = Some(numbers::<4, usize>(&args.text("shape")?, "N,q,kv,dim")?),
            "pattern" => name = Some(args.text("pattern")?),
            "slopes" => slopes = slopes_in(&args.text("slopes")?)?,
            "non-causal" => causal = false,
            "stream" => by_stream = true,
            other if options.take(other, &mut args)? => {}
            other => return Err(unknown_option(other)),
        }
    }
    let [seq, q_heads, kv_heads, dim] = required(shape, "--shape")?;
    if [seq, q_heads, kv_heads, dim].contains(&0) {
        return Err(CliError::usage("--shape: N, q, kv and dim must each be at least 1"));
    }
    let name = required(name, "--pattern")?;
    let kernel = kernel_named(&name, &options, causal)?;
    if by_stream && !causal {
        return Err(CliError::usage(
            "a stream has no future: --stream does not go with --non-causal",
        ));
    }
    if by_stream && !matches!(kernel, Kernel::Ours(_)) {
        return Err(no_use(&name, "--stream"));
    }
    let q = tensor(&required(q, "--q")?, [seq, q_heads, dim])?;
    let k = tensor(&required(k, "--k")?, [seq, kv_heads, dim])?;
    let v = tensor(&required(v, "--v")?, [seq, kv_heads, dim])?;
    let out = required(out, "--out")?;

    let qkv = Qkv { q: &q, k: &k, v: &v, slopes: &slopes };
    let result = match kernel {
        Kernel::Ours(pattern) if by_stream => pattern.forward_by_stream(&qkv),
        Kernel::Dense { causal } => dense::forward(&qkv, causal),
        Kernel::UpstreamCrate(pattern) => upstream::forward(&qkv, &pattern),
        Kernel::Ours(pattern) => pattern.forward(&qkv),
    };
    let result =
        result.map_err(|e| CliError::usage(format!("attention refused the input: {e}")))?;
    let bytes: Vec<u8> = result.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    files::write(&out, &bytes)?;
    Ok(String::new())
}

fn kernel_named(name: &str, options: &PatternOptions, causal: bool) -> Result<Kernel, CliError> {
    let given = SparsePattern { causal, ..SparsePattern::default() };
    match name {
        // Dense attention never minded window, block and switches: scripts give them to all.
        "dense" => options.edges(name, given).map(|_| Kernel::Dense { causal }),
        "upstream-crate" => options.edges(name, given).map(Kernel::UpstreamCrate),
        _ if !Pattern::NAMES.contains(&name) => {
            let names = Pattern::NAMES.join(", ");
            let all = format!("dense, {names} or upstream-crate");
            Err(CliError::usage(format!("--pattern takes {all}, not `{name}`")))
        }
        _ => match options.pattern(name, Pattern::Upstream(given))? {
            Pattern::Pyramid(_) | Pattern::Salient(_) if !causal => {
                Err(no_use(name, "--non-causal"))
            }
            pattern => Ok(Kernel::Ours(pattern)),
        },
    }
}

/// Reads slopes, one per query head, with commas between them.
fn slopes_in(text: &str) -> Result<Vec<f32>, CliError> {
    let slopes = text.split(',').map(|slope| slope.trim().parse().ok()).collect::<Option<_>>();
    slopes.ok_or_else(|| {
        CliError::usage(format!("--slopes takes numbers with commas between them, not `{text}`"))
    })
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
