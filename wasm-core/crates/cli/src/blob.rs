//! `csi blob`: make and inspect `.rvne` weight blobs.

use std::fmt::Write as _;
use std::num::NonZeroU16;

use csi_lab::blob_view::{BlobView, parse_seed};
use csi_lab::pattern::Pattern;
use csi_lab::session::{ModelAsk, NodeChoices, Session};
use csi_temporal::half::Storage;
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape, Pooling, WeightBlob};

use crate::args::{Args, Item, file_and_json, numbers, only_file, required, unknown_option};
use crate::doctor::to_json;
use crate::error::CliError;
use crate::files;
use crate::pattern::PatternOptions;

/// Runs `new` or `show`.
pub fn run(mut args: Args) -> Result<String, CliError> {
    match args.command()?.as_deref() {
        Some("new") => new(args),
        Some("show") => show(args),
        Some(other) => Err(CliError::usage(format!("blob can do `new` and `show`, not `{other}`"))),
        None => Err(CliError::usage("blob what? `new` or `show`; see `csi help`")),
    }
}

fn new(mut args: Args) -> Result<String, CliError> {
    let (mut out, mut seed, mut shape, mut dtype) =
        (None, DEFAULT_SEED, HeadShape::default(), Dtype::F32);
    let (mut options, mut pattern) = (PatternOptions::default(), None);
    let mut node = NodeChoices::default();
    while let Some(item) = args.next()? {
        match item {
            Item::Option(name) => match name.as_str() {
                "seed" => seed = seed_named(&args.text("seed")?)?,
                "shape" => shape = parse_shape(&args.text("shape")?)?,
                "f16" => dtype = Dtype::F16,
                "pattern" => pattern = Some(args.text("pattern")?),
                "window-len" => {
                    node.window_len = args.value::<NonZeroU16>("window-len")?.get();
                }
                "rows" => node.storage = parse_rows(&args.text("rows")?)?,
                "streaming" => node.streaming = true,
                "pooling" => node.pooling = parse_pooling(&args.text("pooling")?)?,
                other if options.take(other, &mut args)? => {}
                other => return Err(unknown_option(other)),
            },
            Item::Plain(value) => only_file(&mut out, value)?,
        }
    }
    let out = required(out, "the file to write")?;
    let name = pattern.as_deref().unwrap_or("upstream");
    let pattern = options.pattern(name, Pattern::default())?;
    let refused = |e| CliError::usage(format!("no blob of that shape, seed and pattern: {e}"));
    let mut session = Session::new();
    let ask = ModelAsk { shape, seed, dtype, pattern, node };
    let parameters = session.blob_new(&ask).map_err(refused)?.parameters;
    let bytes = session.blob_bytes().map_err(refused)?;
    files::write(&out, bytes)?;
    Ok(format!(
        "{}: {} bytes, {} untrained {} weights from seed {seed:016X}\n",
        out.display(),
        bytes.len(),
        parameters,
        dtype.name(),
    ))
}

fn seed_named(text: &str) -> Result<u64, CliError> {
    parse_seed(text).ok_or_else(|| {
        CliError::usage(format!("--seed takes one to sixteen hexadecimal digits, not `{text}`"))
    })
}

fn parse_rows(text: &str) -> Result<Storage, CliError> {
    match text {
        "f32" => Ok(Storage::F32),
        "f16" => Ok(Storage::F16),
        _ => Err(CliError::usage(format!("--rows takes f32 or f16, not `{text}`"))),
    }
}

fn parse_pooling(text: &str) -> Result<Pooling, CliError> {
    match text {
        "mean" => Ok(Pooling::Mean),
        "last" => Ok(Pooling::Last),
        _ => Err(CliError::usage(format!("--pooling takes mean or last, not `{text}`"))),
    }
}

fn parse_shape(text: &str) -> Result<HeadShape, CliError> {
    let [input_dim, q_heads, kv_heads, head_dim, layers, classes] =
        numbers::<6, u16>(text, "D,q,kv,head_dim,layers,classes, each 1 to 65535")?;
    Ok(HeadShape { input_dim, q_heads, kv_heads, head_dim, layers, classes })
}

fn show(args: Args) -> Result<String, CliError> {
    let (path, json) = file_and_json(args, "the blob")?;
    let bytes = files::read(&path)?;
    let blob = WeightBlob::parse(&bytes).map_err(|e| CliError::input(&path, e))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let view = BlobView::new(&name, &blob, &bytes, None).map_err(|e| CliError::input(&path, e))?;
    if json { to_json(&view) } else { Ok(for_people(&view)) }
}

fn for_people(view: &BlobView) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_for_people(view, &mut text);
    text
}

fn write_for_people(view: &BlobView, text: &mut String) -> std::fmt::Result {
    writeln!(text, "{}: {} bytes, CRC {}", view.name, view.bytes, view.crc32_hex)?;
    writeln!(text, "weights: {}", view.trained_with)?;
    writeln!(text, "attention: {}", view.attention.says)?;
    writeln!(text, "on a node: {}", view.attention.node)?;
    writeln!(text, "\noffset  bytes                    field        meaning")?;
    for field in &view.header {
        writeln!(
            text,
            "{:#06x}  {:<23}  {:<11}  {}",
            field.offset, field.hex, field.field, field.meaning
        )?;
    }
    if !view.records.is_empty() {
        writeln!(text, "\ntag   bytes   record")?;
    }
    for record in &view.records {
        writeln!(
            text,
            "{:#04x}  {:>6}  {}: {}",
            record.tag, record.bytes, record.name, record.summary
        )?;
    }
    writeln!(
        text,
        "\nmatrix       rows x cols         min         max        mean         std    zeros"
    )?;
    for m in &view.matrices {
        writeln!(
            text,
            "{:<11} {:>5} x {:<5} {:>11.6} {:>11.6} {:>11.6} {:>11.6} {:>8}",
            m.name, m.rows, m.cols, m.min, m.max, m.mean, m.std, m.zeros
        )?;
    }
    Ok(())
}
