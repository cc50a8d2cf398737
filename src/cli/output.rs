//! How to print: the format, colours, width; and arguments that make no sense together.

use std::ffi::OsString;

use super::global::{ColorArg, FormatArg, GlobalArgs};
use super::kill::KillError;
use super::target::TargetError;
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

/// Arguments that make no sense together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Flags of the listing before another command.
    #[error("flags and filters of the listing do not go with {0}")]
    FlagsWithCommand(&'static str),
    /// `PORTSTAT_COLLECTOR` is neither.
    #[error("PORTSTAT_COLLECTOR is {0:?}; expected netlink or proc")]
    Collector(String),
    /// `PORTSTAT_OWNERS` is neither.
    #[error("PORTSTAT_OWNERS is {0:?}; expected proc or bpf")]
    Owners(String),
    /// An interval that is none.
    #[error("-c: {0}")]
    Interval(String),
    /// A format of reports for a listing.
    #[error("human, nagios and prometheus are formats of reports, as of ephemeral")]
    ReportFormat,
    /// A name that nothing has.
    #[error("no {0} is called {1:?}")]
    Unknown(&'static str, String),
    /// A target that makes no sense.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Sockets that cannot be destroyed so.
    #[error(transparent)]
    Kill(#[from] KillError),
    /// A filter with a single quote and bytes that are no text.
    #[error("filter: {0} is no UTF-8; expected \\xNN for such bytes, without single quotes")]
    BytesInQuotes(String),
    /// A format that has an end, for a stream that has none.
    #[error("-E goes on until it is stopped, and {0} has an end; use --format plain, jsonl or csv")]
    Endless(&'static str),
    /// Sockets of which the kernel does not tell when they end.
    #[error("-E: the kernel announces the end of only TCP and UDP sockets, which leaves out {0}")]
    Unannounced(&'static str),
    /// States in which no socket is when that is told.
    #[error(
        "-E: no socket ends in a state of this filter; a connection is announced as it goes to \
         TIME-WAIT, and UDP is established or unconnected"
    )]
    UnannouncedStates,
    /// Addresses of another family than flags chose.
    #[error(
        "-E: nothing passes this filter: its addresses are of a family that the flags leave out"
    )]
    UnannouncedFamily,
    /// What is left of `-A` is nothing.
    #[error("-A leaves out every table; name one that is listed, as in -A tcp or -A all,!udp")]
    NoTable,
    /// A format before a command that has one way to print.
    #[error("{0} prints in one way: it takes no --format and no --json")]
    OneFormat(&'static str),
    /// Flags that contradict each other.
    #[error("{0} does not go with {1}")]
    Conflict(&'static str, &'static str),
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
