//! The options that choose what rows look at, the same for every command that has them.

use csi_lab::pattern::Pattern;
use csi_temporal::attention::{Pyramid, Salient, SparsePattern};

use crate::args::Args;
use crate::error::CliError;

/// What was said of a pattern; everything else is the command's to fill in.
#[derive(Default)]
pub struct PatternOptions {
    window: Option<usize>,
    block: Option<usize>,
    per_level: Option<usize>,
    groups: Option<usize>,
    switches: Vec<&'static str>,
}

impl PatternOptions {
    /// Takes the option `name` with its value, if it is one of these.
    pub fn take(&mut self, name: &str, args: &mut Args) -> Result<bool, CliError> {
        match name {
            "window" => self.window = Some(args.value(name)?),
            "block" => self.block = Some(args.value(name)?),
            "per-level" => self.per_level = Some(args.value(name)?),
            "salient" => self.groups = Some(args.value(name)?),
            "no-log-stride" => self.switches.push("--no-log-stride"),
            "no-landmarks" => self.switches.push("--no-landmarks"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns the pattern of that name. What was not said is as in `given`, where that is of its
    /// kind, else as it is offered.
    ///
    /// # Errors
    ///
    /// An unknown name, and an option that the pattern has no use for.
    pub fn pattern(&self, name: &str, given: Pattern) -> Result<Pattern, CliError> {
        let offered = Pattern::named(name).ok_or_else(|| {
            let names = Pattern::NAMES.join(", ");
            CliError::usage(format!("--pattern takes {names}, not `{name}`"))
        })?;
        let pattern = match (offered, given) {
            (Pattern::Upstream(edges), _) => {
                Pattern::Upstream(self.edges(name, given.edges().unwrap_or(edges))?)
            }
            (Pattern::LnCount(edges), _) => {
                Pattern::LnCount(self.edges(name, given.edges().unwrap_or(edges))?)
            }
            (Pattern::Pyramid(_), Pattern::Pyramid(pyramid)) | (Pattern::Pyramid(pyramid), _) => {
                self.only(name, &["block", "salient", "switch"])?;
                Pattern::Pyramid(Pyramid {
                    window: self.window.unwrap_or(pyramid.window),
                    per_level: self.per_level.unwrap_or(pyramid.per_level),
                })
            }
            (Pattern::Salient(_), Pattern::Salient(salient)) | (Pattern::Salient(salient), _) => {
                self.only(name, &["block", "per-level", "switch"])?;
                Pattern::Salient(Salient {
                    window: self.window.unwrap_or(salient.window),
                    groups: self.groups.unwrap_or(salient.groups),
                })
            }
        };
        pattern.validate().map_err(|e| CliError::usage(format!("no such pattern: {e}")))?;
        Ok(pattern)
    }

    /// Returns upstream's edges, with `given` for what was not said; `name` is what asks for them.
    ///
    /// # Errors
    ///
    /// An option of another pattern.
    pub fn edges(&self, name: &str, given: SparsePattern) -> Result<SparsePattern, CliError> {
        self.only(name, &["per-level", "salient"])?;
        Ok(SparsePattern {
            window: self.window.unwrap_or(given.window),
            block_size: self.block.unwrap_or(given.block_size),
            log_stride: given.log_stride && !self.switches.contains(&"--no-log-stride"),
            landmarks: given.landmarks && !self.switches.contains(&"--no-landmarks"),
            ..given
        })
    }

    /// Refuses what was said of options that `name` has no use for.
    fn only(&self, name: &str, without: &[&str]) -> Result<(), CliError> {
        for option in without {
            let said = match *option {
                "block" => self.block.map(|_| "--block"),
                "per-level" => self.per_level.map(|_| "--per-level"),
                "salient" => self.groups.map(|_| "--salient"),
                _ => self.switches.first().copied(),
            };
            if let Some(said) = said {
                return Err(no_use(name, said));
            }
        }
        Ok(())
    }
}

/// The error for an option that says nothing about this pattern.
pub fn no_use(pattern: &str, option: &str) -> CliError {
    CliError::usage(format!("the pattern {pattern} has no use for {option}"))
}
