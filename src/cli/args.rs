//! What is accepted: flags as in ss, a filter, subcommands.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use super::ephemeral::EphemeralArgs;
use crate::render::{Column, UnknownColumn};

const EXAMPLES: &str = "\
Examples:
  portstat                      who listens, and how the machine stands
  portstat -tlnp                TCP listeners with their processes
  portstat -tan                 every TCP socket
  portstat -tun dst 10.0.0.0/8  connections into a network
  portstat -t state time-wait   connections waiting out their end
  portstat -q -tl sport = :80   exit 0 when something listens on port 80, else 1
  portstat -tlnp --json         the same for a program
  portstat ephemeral            whether ephemeral ports are running out
  portstat record DIR           keep what is there now …
  portstat --from DIR -tanp     … and look at it later, anywhere

Without -a or -l, connected sockets are shown. A filter is ss's: state NAME, exclude NAME,
sport, dport, src, dst with = != < <= > >=, and, or, not, parentheses.

Owners of other users' sockets are seen as root, or with CAP_SYS_PTRACE and
CAP_DAC_READ_SEARCH.
Exit: 0 done, 1 nothing matched (-q), 2 bad usage, 4 it could not be done;
of ephemeral 0 ok, 1 warning, 2 critical, 3 unknown.

See portstat(1).";

/// Answers what is on this machine's ports: sockets, their owners and services, in the style of
/// ss and netstat.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "portstat",
    version,
    about,
    after_long_help = EXAMPLES,
    disable_help_subcommand = true,
    override_usage = "portstat [FLAGS] [FILTER…]\n       portstat COMMAND"
)]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What the listing takes.
    #[command(flatten)]
    pub list: ListArgs,
    /// Another command than the listing.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Args {
    /// Reads a command line, of which the first word is the program's own name.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
        Args::try_parse_from(with_intervals(words))
    }
}

/// Writes `-c 5` and `-c5` as `-c=5`: as `-c` may stand alone before a filter, only a number
/// behind it is its value.
fn with_intervals(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut written = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            written.push(word);
            break;
        }
        written.push(match word.to_str().and_then(split_interval) {
            Some((flag, "")) => match words.next_if(|next| next.to_str().is_some_and(is_number)) {
                Some(number) => joined(flag, &number),
                None => word,
            },
            Some((flag, number)) if is_number(number) => joined(flag, OsStr::new(number)),
            _ => word,
        });
    }
    written.extend(words);
    written
}

/// Splits a word behind the flag of the interval, `-tnc5`. No other short flag has a value.
fn split_interval(word: &str) -> Option<(&str, &str)> {
    if word == "--continuous" {
        return Some((word, ""));
    }
    let bundle = word
        .strip_prefix('-')
        .filter(|flags| !flags.starts_with('-'))?;
    let before = bundle.find('c')?;
    let flags_only = bundle[..before]
        .bytes()
        .all(|flag| flag.is_ascii_alphanumeric());
    flags_only.then(|| word.split_at(before + 2))
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok()
}

fn joined(flag: &str, number: &OsStr) -> OsString {
    let mut word = OsString::from(format!("{flag}="));
    word.push(number);
    word
}

/// What every command takes.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct GlobalArgs {
    /// How to print: table on a terminal and plain elsewhere, unless told
    #[arg(long, global = true, value_enum, default_value_t = FormatArg::Auto, value_name = "FORMAT")]
    pub format: FormatArg,
    /// The same as --format json
    #[arg(long, global = true, conflicts_with = "format")]
    pub json: bool,
    /// When to colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = ColorArg::Auto, value_name = "WHEN")]
    pub color: ColorArg,
    /// Look at a recording instead of this machine: a folder made by `portstat record`, a file
    /// made by `ss -D`, or a copy of /proc
    #[arg(long, global = true, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

/// What the listing takes. Names are those of ss.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct ListArgs {
    /// TCP sockets
    #[arg(short = 't', long)]
    pub tcp: bool,
    /// UDP sockets
    #[arg(short = 'u', long)]
    pub udp: bool,
    /// IPv4 sockets only
    #[arg(short = '4', long)]
    pub ipv4: bool,
    /// IPv6 sockets only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Listening sockets (UDP: without a peer)
    #[arg(short = 'l', long)]
    pub listening: bool,
    /// Sockets in every state
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Sockets bound to a port but neither listening nor connected
    #[arg(short = 'B', long)]
    pub bound_inactive: bool,
    /// Numbers rather than names of ports
    #[arg(short = 'n', long)]
    pub numeric: bool,
    /// Names of hosts, waiting at most two seconds for all of them
    #[arg(short = 'r', long)]
    pub resolve: bool,
    /// Processes that hold the sockets
    #[arg(short = 'p', long)]
    pub processes: bool,
    /// Details: timers, uid, inode, cookie, cgroup, v6only, shut down directions
    #[arg(short = 'e', long)]
    pub extended: bool,
    /// Timers
    #[arg(short = 'o', long)]
    pub options: bool,
    /// Memory: used, limits, drops
    #[arg(short = 'm', long)]
    pub memory: bool,
    /// TCP's own account: round trips, windows, retransmissions, congestion control
    #[arg(short = 'i', long)]
    pub info: bool,
    /// Type of service and traffic class
    #[arg(long)]
    pub tos: bool,
    /// Counts per protocol, family and state instead of a list
    #[arg(short = 's', long)]
    pub summary: bool,
    /// No header
    #[arg(short = 'H', long)]
    pub no_header: bool,
    /// All details of a socket on its line
    #[arg(short = 'O', long)]
    pub oneline: bool,
    /// Repeat every SECS seconds (1 unless told), also as `-c SECS` and `-cSECS`
    #[arg(
        short = 'c',
        long,
        value_name = "SECS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1"
    )]
    pub continuous: Option<Seconds>,
    /// Print nothing: exit 0 when anything matches, else 1
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// These columns, in table, plain and csv: see portstat(1)
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub columns: Vec<Column>,
    /// Sort by a column; -COLUMN for the reverse
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub sort: Option<SortBy>,
    /// Accepted for netstat's sake: nothing is ever cut
    #[arg(short = 'W', long)]
    pub wide: bool,
    /// Say how owners were found, where it was not by the fastest way
    #[arg(short = 'v', long)]
    pub verbose: bool,
    /// Which sockets, in the language of ss
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
}

/// Commands other than the listing.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Tell whether ephemeral ports are running out, where, and because of whom
    Ephemeral(EphemeralArgs),
    /// Save what is read of this machine, for --from
    Record(RecordArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: ShellArg,
    },
}

/// What `record` takes.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct RecordArgs {
    /// Folder to make, or an empty one
    pub dir: PathBuf,
    /// Replace addresses, names and command lines, the same ones alike
    #[arg(long)]
    pub redact: bool,
}

/// Whether arguments that make no sense were meant for `ephemeral`, whose exit codes are its own.
pub fn means_ephemeral(args: impl IntoIterator<Item = OsString>) -> bool {
    Args::command()
        .ignore_errors(true)
        .try_get_matches_from(args)
        .is_ok_and(|matches| matches.subcommand_name() == Some("ephemeral"))
}

/// Whether arguments that may make no sense ask for the line of a plugin of Nagios.
pub fn means_plugin(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--format=nagios")
        || args
            .windows(2)
            .any(|pair| pair[0] == "--format" && pair[1] == "nagios")
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
    /// Report for people, of `ephemeral`
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

/// Shells that can be completed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShellArg {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
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

/// What to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortBy {
    /// The column.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

impl FromStr for SortBy {
    type Err = UnknownColumn;

    fn from_str(text: &str) -> Result<SortBy, UnknownColumn> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        Ok(SortBy {
            column: name.parse()?,
            descending,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_are_bundled_as_in_ss() {
        for bundle in ["-tlnp", "-natu", "-tulpen", "-tan", "-plnt"] {
            Args::try_parse_from(["portstat", bundle]).unwrap();
        }
        let args = Args::try_parse_from(["portstat", "-tl", "sport", "=", ":9", "-q"]).unwrap();
        assert!(args.list.quiet && args.list.tcp);
        assert_eq!(args.list.filter, ["sport", "=", ":9"]);
        assert!(Args::try_parse_from(["portstat", "-Z9"]).is_err());
    }

    #[track_caller]
    fn check_interval(words: &str, seconds: Option<f64>, filter: &str) {
        let words = ["portstat"].into_iter().chain(words.split(' '));
        let args = Args::read(words.map(OsString::from)).unwrap();
        assert_eq!(args.list.continuous, seconds.map(Seconds));
        assert_eq!(args.list.filter.join(" "), filter);
    }

    #[test]
    fn an_interval_stands_where_it_likes() {
        check_interval("-tn state established -c 5", Some(5.0), "state established");
        check_interval("-tn -c 5 state established", Some(5.0), "state established");
        check_interval("-c5", Some(5.0), "");
        check_interval("-tnc5 sport = :1", Some(5.0), "sport = :1");
        check_interval("-tnc .5", Some(0.5), "");
        check_interval("-tnc=5", Some(5.0), "");
        check_interval("--continuous 5", Some(5.0), "");
        check_interval("--continuous=5 dst :1", Some(5.0), "dst :1");
        check_interval("-tc state established", Some(1.0), "state established");
        check_interval("-tcn -H", Some(1.0), "");
        check_interval("sport = :1 -c", Some(1.0), "sport = :1");
        check_interval("--sort -cookie -c 2", Some(2.0), "");
        check_interval("-tn sport = 5", None, "sport = 5");
        check_interval("-tn -- -c 5", None, "-c 5");
    }
}
