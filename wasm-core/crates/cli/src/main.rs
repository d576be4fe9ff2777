//! `csi`: the lab's code on the command line, for scripts and tests.
//!
//! This crate knows files, the terminal and exit codes. Formats, attention and statistics are the
//! library's. Exit codes: 0 done, 2 bad input or bad usage with one sentence on standard error.
#![forbid(unsafe_code)]

mod args;
mod attend;
mod blob;
#[cfg(unix)]
mod board;
mod bridge;
mod compare;
mod device;
mod doctor;
mod error;
mod eval;
mod files;
mod gates;
mod labelled;
mod pattern;
mod scores;
mod train;
mod train_report;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use args::Args;
use error::CliError;

const HELP: &str = "\
csi: look into Wi-Fi CSI recordings and temporal-head weights

usage:
  csi help, csi --version

  csi doctor FILE [--json]
      say what is in a recording: format, frames, what was skipped and why, rate, streams, labels

  csi blob new [--seed HEX] [--shape D,q,kv,head_dim,layers,classes] [--f16]
               [--pattern PATTERN] [pattern options] [--window-len 50] [--pooling mean|last]
               [--rows f32|f16] [--streaming] OUT
      write an untrained .rvne weight blob from a seed (default C5110007DEADBEEF, 16,4,1,32,2,4);
      a node classifies the last --window-len frames, or with --streaming by a step each frame,
      and keeps what it has projected of them as --rows

  csi blob show FILE [--json]
      print header, trailer records and per-matrix statistics of a .rvne weight blob

  csi import FILE.safetensors --out BLOB [--f16]
  csi export BLOB --out FILE.safetensors
      read a head that PyTorch, JAX or NumPy wrote as a .rvne weight blob, and write one for them;
      docs/safetensors.md has the names, shapes and metadata; --f16 rounds the weights

  csi attend --q Q --k K --v V --shape N,q,kv,dim --pattern PATTERN [pattern options]
             [--slopes S0,S1,..] [--stream] [--non-causal] --out O
      run attention on raw little-endian f32 files, [seq][heads][dim]; PATTERN is one of those
      below, `dense`, or `upstream-crate`: ruvllm_sparse_attention itself; slopes are recency
      slopes, one per query head; --stream takes the rows one by one, as a node does: the same bits

  csi compare FILE [--pattern PATTERN] [pattern options] [--frames N] [--magnitude M]
              [--model FILE.rvne] [--json]
      how far a pattern diverges from dense attention on the last N rows of a recording (default
      256), beside upstream's edges on the same rows; --magnitude brings queries and keys to the
      size that trained heads have, 1 to 4; without --pattern, the model's own

  csi board [--pty | --rfc2217 PORT | --tcp PORT] [--flash-size 8MB] [--flash-file F]
            [--firmware DIR] [--weights BLOB] [--faults SPEC] [--cable bridge|usb] [--loader]
            [--pace] [--quiet]
      serve a SIMULATED BOARD on a pseudo terminal, over RFC 2217 or over TCP, until it is ended;
      the first line printed is where it is; --flash-file is read at the start and written when a
      host goes away; --loader starts it in its loader; --pace takes the time a board would;
      --faults as docs/board.md says, such as flip-out%5000,unplug@12:800

  csi train --train FILE... [--test FILE... | --hold-out SHARE] [--random-split]
            [--merge-labels MAP.json] [--window 50] [--hop 25] [--rate HZ] [--pattern dense|PATTERN]
            [pattern options] [--pooling mean|last] [--size small|node|large] [--epochs N]
            [--seed 1] [--seeds 1] [--balance] [--contrast] [--f32] [--out BLOB] [--json]
            [--teacher BLOB [--temperature T] [--soft SHARE]]
      train a head on labelled recordings and test it on others: accuracy, macro F1, confusion, and
      what the largest class and a classical method come to on the same windows; with --seeds N the
      mean over N seeds. --hold-out tests on whole recordings of --train; --random-split also shows
      what holding out single windows would claim, which is too much. Labels are those of
      FILE.labels.json, else of the frames, else of RuView's side file, else the letters that the
      file's name starts with; MAP.json renames them, an object of old and new names, null for none.
      --contrast adds the contrastive objective over two views of each window. --teacher is a trained
      head, as a rule a larger one, whose softmax at a temperature is learned beside the labels.
      The pattern's own --window is called --attn-window here

  csi eval BLOB FILE... [--merge-labels MAP.json] [--hop N] [--json]
      score a trained head on labelled recordings, read by the pipeline inside the blob

  csi gates --train FILE... [--test FILE... | --hold-out SHARE] [options of train] [--times]
            [--json]
      may a sparse head replace a dense one? trains both, and asks the gates of ADR-096: contrastive
      loss, re-identification, order of neighbours, latency at the window; for every pattern, or
      for --pattern; run as trained, and trained dense but run sparse; --times also times
      256, 512 and 1024 rows; docs/gates.md says more

  csi flash --port PORT [--firmware DIR] [--weights FILE.rvne] | --plan FILE.json
            [--firmware DIR] [--baud 921600] [--dry-run]
      write firmware, weights, both, or what a plan file names, through the chip's ROM loader; every
      range is read back by the chip's MD5; then the board is restarted and listened to. PORT is a
      serial device, a pseudo terminal, or tcp:HOST:PORT

  csi monitor --port PORT [--json] [--seconds S] [--baud 115200]
      print what a board says: text, classifications, lines with CSI

  csi parity --port PORT --blob FILE.rvne --recording FILE [--count 64] [--packets]
             [--send-weights] [--json]
      send the recording's rows (or with --packets its frames) to the board and compare every logit
      with this computer's, bit for bit; exit code 2 when one differs

patterns and their options:
  upstream   the edges of ruvllm_sparse_attention, by this project's kernel
             [--window 32] [--block 16] [--no-log-stride] [--no-landmarks]
  ln         the same, a block's mean weighing as many rows as it stands for (--ln-count of compare)
  pyramid    near rows one by one, older ones in blocks that double in size, R of each size
             [--window 16] [--per-level 4]
  salient    near rows one by one, older ones in at most S groups of like keys; a row unlike all
             others stays by itself
             [--window 16] [--salient 18]

exit code 2 and one sentence on standard error: bad input or usage
";

fn main() -> ExitCode {
    match run(Args::from_env()).and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "csi: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints a command's output. A closed pipe (`csi … | head`) is the reader's choice, not an error.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::usage(format!("cannot write the output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Runs one command and returns what it prints.
fn run(mut args: Args) -> Result<String, CliError> {
    if args.ask_for_help() {
        return Ok(HELP.to_owned());
    }
    match args.command()?.as_deref() {
        Some("doctor") => doctor::run(args),
        Some("blob") => blob::run(args),
        Some("attend") => attend::run(args),
        Some("compare") => compare::run(args),
        Some("import") => bridge::import(args),
        Some("export") => bridge::export(args),
        #[cfg(unix)]
        Some("board") => board::run(args),
        Some("train") => train::run(args),
        Some("gates") => gates::run(args),
        Some("eval") => eval::run(args),
        Some("flash") => device::flash::run(args),
        Some("monitor") => device::monitor::run(args),
        Some("parity") => device::parity::run(args),
        Some("help") | None => Ok(HELP.to_owned()),
        Some("version") => Ok(format!("csi {}\n", env!("CARGO_PKG_VERSION"))),
        Some(other) => {
            Err(CliError::usage(format!("there is no command `{other}`; `csi help` lists them")))
        }
    }
}
