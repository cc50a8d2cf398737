//! How to print: the format, colours, width.

use std::ffi::OsString;

use super::global::{ColorArg, FormatArg, GlobalArgs};
use super::usage::UsageError;
use crate::kernel::terminal;
use crate::render::Paint;

/// What of the environment matters.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Its width.
    pub width: Option<u16>,
    /// Whether somebody can be asked: standard input, output and error are terminals.
    pub can_ask: bool,
    /// Whether `NO_COLOR` is set, or the terminal knows none.
    pub no_color: bool,
    /// `PORTSTAT_COLLECTOR`.
    pub collector: Option<OsString>,
    /// `PORTSTAT_OWNERS`.
    pub owners: Option<OsString>,
}

impl Environment {
    /// That of this process.
    pub fn current() -> Environment {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let terminal = terminal::stdout_is_terminal();
        Environment {
            terminal,
            can_ask: terminal::can_ask(),
            width: terminal.then(terminal::width).flatten(),
            no_color: set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb"),
            collector: set("PORTSTAT_COLLECTOR"),
            owners: set("PORTSTAT_OWNERS"),
        }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// Colours, or none.
    pub paint: Paint,
    /// Width of the terminal.
    pub width: Option<u16>,
    /// Headers where the format has them.
    pub header: bool,
}

/// A format, `auto` resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// The layout of ss.
    Plain,
    /// One document.
    Json,
    /// An object a line.
    Jsonl,
    /// RFC 4180.
    Csv,
}

impl Output {
    /// How a command prints in an environment. Formats of reports are a mistake but for commands
    /// that make some, which choose among them by themselves.
    pub(super) fn new(
        global: &GlobalArgs,
        header: bool,
        environment: &Environment,
        reports: bool,
    ) -> Result<Output, UsageError> {
        let format = match global.format {
            _ if global.json => Format::Json,
            FormatArg::Auto if environment.terminal => Format::Table,
            FormatArg::Auto | FormatArg::Plain => Format::Plain,
            FormatArg::Table => Format::Table,
            FormatArg::Json => Format::Json,
            FormatArg::Jsonl => Format::Jsonl,
            FormatArg::Csv => Format::Csv,
            FormatArg::Human | FormatArg::Nagios | FormatArg::Prometheus if reports => {
                Format::Table
            }
            FormatArg::Human | FormatArg::Nagios | FormatArg::Prometheus => {
                return Err(UsageError::ReportFormat);
            }
        };
        let colored = match global.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            ColorArg::Auto => environment.terminal && !environment.no_color,
        };
        Ok(Output {
            format,
            paint: if colored {
                Paint::Colored
            } else {
                Paint::Plain
            },
            width: environment.width,
            header,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::*;
    use clap::Parser;

    #[test]
    fn no_escape_without_a_terminal_or_under_no_color() {
        let paint = |args: &[&str], terminal, no_color| {
            let args = Args::try_parse_from(["portstat"].iter().chain(args)).unwrap();
            let environment = Environment {
                terminal,
                no_color,
                ..Environment::default()
            };
            Output::new(&args.global, true, &environment, false)
                .unwrap()
                .paint
        };
        assert_eq!(paint(&[], true, false), Paint::Colored);
        assert_eq!(paint(&[], true, true), Paint::Plain);
        assert_eq!(paint(&[], false, false), Paint::Plain);
        assert_eq!(paint(&["--color=always"], false, true), Paint::Colored);
    }
}
