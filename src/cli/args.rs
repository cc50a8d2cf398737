//! What is accepted: flags as in ss, a filter, subcommands.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use super::ephemeral::EphemeralArgs;
use super::global::GlobalArgs;
use super::list::ListArgs;
use super::refused::explained;
use super::why::WhyArgs;

const EXAMPLES: &str = "\
Examples:
  portstat                      who listens, and how the machine stands
  portstat -tlnp                TCP listeners with their processes
  portstat -tan                 every TCP socket
  portstat -tun dst 10.0.0.0/8  connections into a network
  portstat -t state time-wait   connections waiting out their end
  portstat -q -tl sport = :80   exit 0 when something listens on port 80, else 1
  portstat -tlnp --json         the same for a program
  portstat -xap                 every unix socket with its processes
  portstat -Etn                 connections as they end, with whose they were
  portstat -N all -tlnp         the listeners of every network namespace
  portstat -Kt dst 10.0.0.5     reset these connections, after a question
  portstat ephemeral            whether ephemeral ports are running out
  portstat why 8080             whether a server could listen there; if not, why
  portstat record DIR           keep what is there now …
  portstat --from DIR -tanp     … and look at it later, anywhere

Without -a or -l, connected sockets are shown. A filter is ss's: state NAME, exclude NAME,
sport, dport, src, dst, dev, fwmark, cgroup, autobound with = != < <= > >=, and, or, not,
parentheses; and pid, comm, user, uid, unit, container, inode, netns.

Owners of other users' sockets are seen as root, or with CAP_SYS_PTRACE and
CAP_DAC_READ_SEARCH.
Exit: 0 done, 1 nothing matched (-q, -K), 2 bad usage, 4 it could not be done;
of ephemeral 0 ok, 1 warning, 2 critical, 3 unknown;
of why 0 it would succeed, 1 it would fail, 3 that cannot be told.

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
    args_override_self = true,
    infer_long_args = true,
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
            .map_err(|error| explained(error, &mut Args::command()))
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

/// Splits a word behind the flag of the interval, `-tnc5`.
fn split_interval(word: &str) -> Option<(&str, &str)> {
    if word == "--continuous" {
        return Some((word, ""));
    }
    let bundle = word
        .strip_prefix('-')
        .filter(|flags| !flags.starts_with('-'))?;
    let before = bundle.find('c')?;
    // What follows -N names a network namespace, what follows -f a family, -F a file and -A tables.
    let flags_only = bundle[..before]
        .bytes()
        .all(|flag| flag.is_ascii_alphanumeric() && !matches!(flag, b'A' | b'f' | b'F' | b'N'));
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

/// Commands other than the listing.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Tell whether ephemeral ports are running out, where, and because of whom
    Ephemeral(EphemeralArgs),
    /// Tell whether a bind (or connect) would succeed; if not, what blocks it and how to fix it
    Why(WhyArgs),
    /// Save what is read of this machine, for --from
    Record(RecordArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: ShellArg,
    },
}

impl Command {
    /// Whether it prints a report, in formats of its own.
    pub(super) const fn reports(&self) -> bool {
        match self {
            Command::Ephemeral(_) | Command::Why(_) => true,
            Command::Record(_) | Command::Completions { .. } => false,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::global::Seconds;
    use super::*;
    use std::time::Duration;

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

    #[test]
    fn a_flag_may_be_repeated_and_of_two_values_the_last_counts() {
        let read = |words: &str| {
            let words = ["portstat"].into_iter().chain(words.split(' '));
            Args::read(words.map(OsString::from)).unwrap()
        };
        for words in [
            "-tt",
            "-tnln",
            "-tlp -p",
            "-n -tn",
            "--tcp -t",
            "--json --json",
        ] {
            read(words);
        }
        let args =
            read("-f inet -f unix --columns pid --columns user -c 1 -c 2 --sort pid --sort user");
        assert_eq!(args.list.family.len(), 2);
        assert_eq!(args.list.columns.len(), 2);
        let seconds = args.list.continuous.map(Seconds::duration);
        assert_eq!(seconds, Some(Duration::from_secs(2)));
        assert_eq!(args.list.sort, Some("user".parse().unwrap()));
        let args = read("--format csv --format plain -N a -N b");
        assert_eq!(args.global.format, super::super::global::FormatArg::Plain);
        assert_eq!(args.global.netns, Some("b".into()));
        read("why 80 --reuseaddr --reuseaddr --proto tcp --proto udp");
        read("ephemeral --warn 5 --warn 6 --quiet --quiet");
    }

    #[test]
    fn long_names_may_be_cut_as_in_ss() {
        let words = [
            "portstat",
            "--listen",
            "--num",
            "--proc",
            "--mem",
            "--netns=a",
            "--net=b",
        ];
        let args = Args::read(words.map(OsString::from)).unwrap();
        assert!(args.list.listening && args.list.numeric && args.list.processes);
        assert!(args.list.memory && args.global.netns == Some("b".into()));
        // It may be --resolve or --raw.
        assert!(Args::read(["portstat", "--r"].map(OsString::from)).is_err());
    }

    #[track_caller]
    fn check_interval(words: &str, seconds: Option<f64>, filter: &str) {
        let words = ["portstat"].into_iter().chain(words.split(' '));
        let args = Args::read(words.map(OsString::from)).unwrap();
        let asked = args.list.continuous.map(Seconds::duration);
        assert_eq!(asked, seconds.map(Duration::from_secs_f64));
        assert_eq!(args.list.filter.join(OsStr::new(" ")), filter);
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
        check_interval("-nf unix -c 2", Some(2.0), "");
        check_interval("-tNabc5", None, "");
        check_interval("-tFabc5", None, "");
        check_interval("-tcNabc5", Some(1.0), "");
        check_interval("-tNc -c 5", Some(5.0), "");
    }
}
