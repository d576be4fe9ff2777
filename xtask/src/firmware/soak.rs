//! Frames through the node's Xtensa code, as many as one likes, and what memory a model takes there.
//!
//! The program compares its heap and counts its replies by itself; here its words, a hash of all
//! replies among them, are compared with the same program's on the host.

use std::process::Command;

use super::tools::Tools;
use crate::project::Project;
use crate::sys::{Result, capture};

/// Bytes beside the weights that 256 rows of 60 features may take, one layer of four heads of 8.
const MEMORY: [(&str, usize); 2] = [("working-set-f32", 128 << 10), ("working-set-f16", 64 << 10)];

/// Runs it, compares, and prints what came out.
///
/// # Errors
///
/// When the two differ, either fails, or a model takes more than it may.
pub fn in_user_mode(project: &Project, tools: &Tools, frames: u32) -> Result<()> {
    let program = super::build_user(project, tools, Some("soak"), super::SOAK)?;
    let xtensa = |argument: &str| {
        capture(Command::new(&tools.user).args(["-cpu", "de233_fpu"]).arg(&program).arg(argument))
    };
    let memory = xtensa("memory")?;
    print!("{memory}");
    judge_memory(&memory)?;
    let frames = frames.to_string();
    let here = capture(
        project
            .cargo()
            .args(["run", "--quiet", "--release", "--package", "csi-node", "--example", "soak"])
            .args(["--", &frames]),
    )?;
    let there = xtensa(&frames)?;
    print!("{there}");
    if here == there { Ok(()) } else { Err(format!("on this host it is {here}")) }
}

fn judge_memory(listed: &str) -> Result<()> {
    for (name, allowed) in MEMORY {
        let entry = listed.lines().find_map(|line| line.strip_prefix(name));
        let taken = entry.and_then(|number| number.trim().parse::<usize>().ok());
        match taken {
            Some(taken) if taken <= allowed => {}
            _ => return Err(format!("{name}: at most {allowed} bytes, not {taken:?}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_allowed_and_missing_figures_are_refused() {
        assert_eq!(judge_memory("working-set-f32 131072\nworking-set-f16 65536\n"), Ok(()));
        for wrong in ["", "working-set-f32 1\nworking-set-f16 65537\n", "working-set-f16 1\n"] {
            assert!(judge_memory(wrong).is_err(), "{wrong}");
        }
    }
}
