//! The command line, read with `lexopt`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser, ValueExt};

use crate::error::CliError;

/// The arguments that are still to be read.
pub struct Args(Parser);

/// One option (without its dashes) or one plain argument.
pub enum Item {
    /// `--name`; its value, if it takes one, is fetched with [`Args::value`].
    Option(String),
    /// Anything that is not an option, such as a file name.
    Plain(OsString),
}

impl Args {
    /// The arguments of this process.
    pub fn from_env() -> Self {
        Self(Parser::from_env())
    }

    /// Whether `--help` or `-h` stands anywhere: it asks for help, whatever the command.
    pub fn ask_for_help(&self) -> bool {
        self.0.clone().raw_args().is_ok_and(|mut rest| rest.any(|a| a == "--help" || a == "-h"))
    }

    /// Returns the next item, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Item>, CliError> {
        Ok(match self.0.next().map_err(usage)? {
            None => None,
            Some(Arg::Long(name)) => Some(Item::Option(name.to_owned())),
            Some(Arg::Short(c)) => Some(Item::Option(c.to_string())),
            Some(Arg::Value(value)) => Some(Item::Plain(value)),
        })
    }

    /// Returns the command's name; `--version` counts as one.
    pub fn command(&mut self) -> Result<Option<String>, CliError> {
        match self.next()? {
            None => Ok(None),
            Some(Item::Option(name)) => match name.as_str() {
                "V" | "version" => Ok(Some("version".into())),
                _ => Err(unknown_option(&name)),
            },
            Some(Item::Plain(word)) => Ok(Some(word.to_string_lossy().into_owned())),
        }
    }

    /// Returns the value of the option that was just read.
    pub fn value<T: FromStr>(&mut self, option: &str) -> Result<T, CliError> {
        let text = self.text(option)?;
        text.parse()
            .map_err(|_| CliError::usage(format!("--{option} cannot take the value `{text}`")))
    }

    /// Returns the text value of the option that was just read.
    pub fn text(&mut self, option: &str) -> Result<String, CliError> {
        self.0
            .value()
            .map_err(usage)?
            .string()
            .map_err(|_| CliError::usage(format!("the value of --{option} is not UTF-8 text")))
    }

    /// Returns the path value of the option that was just read.
    pub fn path(&mut self) -> Result<PathBuf, CliError> {
        Ok(PathBuf::from(self.0.value().map_err(usage)?))
    }
}

fn usage(error: lexopt::Error) -> CliError {
    CliError::usage(format!("{error}; see `csi help`"))
}

/// The error for an option that the command does not have.
pub fn unknown_option(name: &str) -> CliError {
    let dashes = if name.chars().count() == 1 { "-" } else { "--" };
    CliError::usage(format!("there is no option {dashes}{name} here; see `csi help`"))
}

/// Keeps the one file name a command takes.
///
/// # Errors
///
/// A second file name is refused.
pub fn only_file(slot: &mut Option<PathBuf>, value: OsString) -> Result<(), CliError> {
    if slot.is_some() {
        return Err(CliError::usage(format!(
            "one file at a time, please: `{}` is one too many",
            value.to_string_lossy()
        )));
    }
    *slot = Some(PathBuf::from(value));
    Ok(())
}

/// Reads `FILE [--json]`: the file, and whether JSON is wanted. `what` names the file.
pub fn file_and_json(mut args: Args, what: &str) -> Result<(PathBuf, bool), CliError> {
    let (mut file, mut json) = (None, false);
    while let Some(item) = args.next()? {
        match item {
            Item::Option(name) if name == "json" => json = true,
            Item::Option(name) => return Err(unknown_option(&name)),
            Item::Plain(value) => only_file(&mut file, value)?,
        }
    }
    Ok((required(file, what)?, json))
}

/// Unwraps a required argument.
pub fn required<T>(value: Option<T>, what: &str) -> Result<T, CliError> {
    value.ok_or_else(|| CliError::usage(format!("{what} is missing; see `csi help`")))
}

/// Parses `N,q,kv,dim`: exactly `COUNT` whole numbers with commas between them.
pub fn numbers<const COUNT: usize, T: FromStr>(
    text: &str,
    form: &str,
) -> Result<[T; COUNT], CliError> {
    let parts: Vec<T> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
    let wrong = || CliError::usage(format!("--shape takes {form}, not `{text}`"));
    if text.split(',').count() != COUNT {
        return Err(wrong());
    }
    parts.try_into().map_err(|_| wrong())
}
