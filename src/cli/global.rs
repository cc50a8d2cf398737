//! What every command takes, and values that several take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

/// Where the help of a command lists what every command takes.
const HEADING: &str = "Options of every command";

/// What every command takes.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct GlobalArgs {
    /// How to print sockets: auto (table on a terminal, else plain), table, plain, json, jsonl or
    /// csv; `why`: human or json; `ephemeral`: human, json, nagios or prometheus
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_enum,
        default_value_t = FormatArg::Auto,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub format: FormatArg,
    /// The same as --format json
    #[arg(long, global = true, help_heading = HEADING, conflicts_with = "format")]
    pub json: bool,
    /// When to colour; NO_COLOR is honoured
    #[arg(long, global = true, help_heading = HEADING, value_enum, default_value_t = ColorArg::Auto, value_name = "WHEN")]
    pub color: ColorArg,
    /// Look at a recording instead of this machine: a folder made by `portstat record`, a file
    /// made by `ss -D`, or a copy of /proc
    #[arg(long, global = true, help_heading = HEADING, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Another network namespace: a name of `ip netns`, a process, a file; self, or all
    #[arg(short = 'N', long, alias = "net", global = true, help_heading = HEADING, value_name = "NETNS")]
    pub netns: Option<OsString>,
}

/// Which network namespaces to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// That of this process, without being told.
    Unsaid,
    /// That of this process.
    Own,
    /// Every one that can be reached.
    All,
    /// One, by name, process or file.
    At(OsString),
}

impl Netns {
    /// Reads `-N`.
    pub(super) fn new(text: Option<&OsString>) -> Netns {
        match text {
            None => Netns::Unsaid,
            Some(text) if text == "self" => Netns::Own,
            Some(text) if text == "all" => Netns::All,
            Some(text) => Netns::At(text.clone()),
        }
    }
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Table on a terminal, plain elsewhere
    Auto,
    /// Groups and aligned columns, for people
    Table,
    /// The layout of ss, for scripts
    Plain,
    /// One document
    Json,
    /// An object a line
    Jsonl,
    /// RFC 4180
    Csv,
    /// Report for people, of `ephemeral` and `why`
    Human,
    /// Line with performance data, of `ephemeral`
    Nagios,
    /// Metrics, of `ephemeral`
    Prometheus,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A number of seconds to wait: more than none, at most a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(f64);

impl Seconds {
    /// As a duration.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.0)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seconds, String> {
        text.parse()
            .ok()
            .filter(|seconds| (0.01..=86_400.0).contains(seconds))
            .map(Seconds)
            .ok_or_else(|| "expected a number of seconds from 0.01 to 86400".to_owned())
    }
}
