//! What the listing takes, and what it comes to.

use std::ffi::OsString;
use std::mem;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::filter_text::filter_text;
use super::global::Seconds;
use super::output::{Format, Output};
use super::query::{FamilyArg, QueryArg, named};
use super::usage::UsageError;
use crate::filter::Expression;
use crate::model::{DetailSet, Family, Protocol, State, StateSet, Table};
use crate::render::{Column, UnknownColumn};

/// What the listing takes. Names are those of ss.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct ListArgs {
    /// TCP sockets
    #[arg(short = 't', long)]
    pub tcp: bool,
    /// UDP sockets
    #[arg(short = 'u', long)]
    pub udp: bool,
    /// Unix sockets
    #[arg(short = 'x', long)]
    pub unix: bool,
    /// Raw IP sockets
    #[arg(short = 'w', long)]
    pub raw: bool,
    /// Packet sockets, which see the frames of a link
    #[arg(short = '0', long)]
    pub packet: bool,
    /// Netlink sockets
    #[arg(long)]
    pub netlink: bool,
    /// Sockets of a family: inet, inet6, link, unix or netlink; may be given again
    #[arg(short = 'f', long, value_name = "FAMILY")]
    pub family: Vec<FamilyArg>,
    /// Sockets of tables of ss: all, inet, tcp, udp, raw, unix, unix_stream, packet, netlink, …; !udp leaves one out
    #[arg(
        short = 'A',
        long,
        alias = "socket",
        value_name = "TABLES",
        value_delimiter = ','
    )]
    pub query: Vec<QueryArg>,
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
    /// The cgroup, with the other details of -e
    #[arg(long)]
    pub cgroup: bool,
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
    /// Print TCP and UDP sockets as the kernel destroys them, until stopped
    #[arg(short = 'E', long)]
    pub events: bool,
    /// Destroy the sockets that match a filter; asks first
    #[arg(short = 'K', long)]
    pub kill: bool,
    /// Do not ask before -K destroys anything
    #[arg(long, requires = "kill")]
    pub yes: bool,
    /// Read more of the filter from FILE, - for standard input
    #[arg(short = 'F', long = "filter", value_name = "FILE")]
    pub filter_file: Vec<PathBuf>,
    /// Which sockets, in the language of ss
    #[arg(value_name = "FILTER")]
    pub filter: Vec<OsString>,
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

/// Which sockets, and what of them.
#[derive(Clone, Debug)]
pub struct ListPlan {
    /// How to print.
    pub output: Output,
    /// The tables to read.
    pub tables: Vec<Table>,
    /// Whether any flag says which tables.
    pub names_tables: bool,
    /// The states to show when the filter names none.
    pub states: StateSet,
    /// Whether rows tell apart what they are of.
    pub netids: bool,
    /// What of these tables is meant beside the filter, where not all is.
    pub kinds: Option<Expression>,
    /// The filter, as text: its names of ports need the services of the host.
    pub filter: String,
    /// Numbers rather than names of ports.
    pub numeric: bool,
    /// Names of hosts.
    pub resolve: bool,
    /// Owners in the usual columns.
    pub processes: bool,
    /// Details to print.
    pub details: DetailSet,
    /// All details of a socket on its line.
    pub oneline: bool,
    /// Timers, and with `-i` the options in use.
    pub timers: bool,
    /// Columns chosen by name.
    pub columns: Option<Vec<Column>>,
    /// What to sort by.
    pub sort: Option<SortBy>,
    /// How often to repeat.
    pub interval: Option<Duration>,
    /// Print nothing.
    pub quiet: bool,
    /// Say which way was not taken, and why.
    pub verbose: bool,
    /// A file with more of the filter.
    pub filter_file: Option<PathBuf>,
    /// Not what is there, but what ends.
    pub events: bool,
    /// Say how the ephemeral ports stand.
    pub tells_ports: bool,
}

impl ListPlan {
    /// Resolves arguments.
    pub fn new(args: ListArgs, output: Output) -> Result<ListPlan, UsageError> {
        if args.quiet && args.continuous.is_some() {
            return Err(UsageError::Conflict("-q", "-c"));
        }
        if args.summary && (!args.columns.is_empty() || args.sort.is_some()) {
            return Err(UsageError::Conflict("-s", "--columns or --sort"));
        }
        let json = matches!(output.format, Format::Json | Format::Jsonl);
        if json && !args.columns.is_empty() {
            return Err(UsageError::Conflict("--columns", "json and jsonl"));
        }
        // The last one alone would be another filter than was meant.
        if args.filter_file.len() > 1 {
            return Err(UsageError::Conflict("-F", "another -F"));
        }
        let mut args = with_families(args);
        let words = mem::take(&mut args.query);
        let given = flags(&mut args).into_iter().filter(|(_, flag)| **flag);
        let named = named(given.map(|(protocol, _)| protocol), &words)?;
        for (protocol, flag) in flags(&mut args) {
            *flag = named.protocols.contains(&protocol);
        }
        let tables = tables(&args);
        let states = states(&args, !words.is_empty());
        let names_tables = names_tables(&args);
        let (interval, filter) = interval(args.continuous, args.filter)?;
        Ok(ListPlan {
            output,
            tables,
            names_tables,
            states,
            kinds: named.kinds,
            // As in ss, also where no flag says which tables.
            netids: named.tables != 1,
            filter: filter_text(&filter)?,
            numeric: args.numeric,
            resolve: args.resolve,
            processes: args.processes,
            details: DetailSet {
                extended: args.extended || args.cgroup,
                memory: args.memory,
                info: args.info,
                tos: args.tos,
            },
            oneline: args.oneline,
            // As in ss, where -e tells timers and options in use as well.
            timers: args.options || args.extended || args.cgroup,
            columns: (!args.columns.is_empty()).then_some(args.columns),
            sort: args.sort,
            interval,
            quiet: args.quiet,
            verbose: args.verbose,
            filter_file: args.filter_file.into_iter().next(),
            events: args.events,
            tells_ports: !args.kill,
        })
    }
}

/// `-c 5`: no filter begins with a bare number, so it is the interval.
fn interval(
    continuous: Option<Seconds>,
    mut filter: Vec<OsString>,
) -> Result<(Option<Duration>, Vec<OsString>), UsageError> {
    let Some(mut seconds) = continuous else {
        return Ok((None, filter));
    };
    let first = filter.first().and_then(|word| word.to_str());
    if let Some(word) = first.filter(|word| word.parse::<f64>().is_ok()) {
        seconds = word.parse().map_err(UsageError::Interval)?;
        filter.remove(0);
    } else if let Some(word) = first.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(UsageError::Interval(format!(
            "{word:?} is no number of seconds"
        )));
    }
    Ok((Some(seconds.duration()), filter))
}

/// The flag of each protocol.
fn flags(args: &mut ListArgs) -> [(Protocol, &mut bool); 6] {
    [
        (Protocol::Tcp, &mut args.tcp),
        (Protocol::Udp, &mut args.udp),
        (Protocol::Raw, &mut args.raw),
        (Protocol::Unix, &mut args.unix),
        (Protocol::Packet, &mut args.packet),
        (Protocol::Netlink, &mut args.netlink),
    ]
}

/// The flags of `-f` as those that mean the same.
fn with_families(mut args: ListArgs) -> ListArgs {
    for family in &args.family {
        match family {
            FamilyArg::Inet => args.ipv4 = true,
            FamilyArg::Inet6 => args.ipv6 = true,
            FamilyArg::Link => args.packet = true,
            FamilyArg::Unix => args.unix = true,
            FamilyArg::Netlink => args.netlink = true,
        }
    }
    args
}

/// Whether UDP and TCP are meant, as no flag says what is.
const fn means_ports(args: &ListArgs) -> bool {
    let beyond_ip = args.unix || args.packet || args.netlink;
    !(args.tcp || args.udp || args.raw) && (args.ipv4 || args.ipv6 || !beyond_ip)
}

/// Whether any flag says which tables.
const fn names_tables(args: &ListArgs) -> bool {
    let of_ip = args.tcp || args.udp || args.raw || args.ipv4 || args.ipv6;
    of_ip || args.unix || args.packet || args.netlink
}

/// UDP before TCP, IPv4 before IPv6, as in ss.
fn tables(args: &ListArgs) -> Vec<Table> {
    let ports = means_ports(args);
    let shown = |protocol: &Protocol| match protocol {
        Protocol::Netlink => args.netlink,
        Protocol::Packet => args.packet,
        Protocol::Unix => args.unix,
        Protocol::Raw => args.raw,
        Protocol::Udp => args.udp || ports,
        Protocol::Tcp => args.tcp || ports,
    };
    let meant = |table: &Table| match table.family {
        Family::V4 => args.ipv4 || !args.ipv6,
        Family::V6 => args.ipv6 || !args.ipv4,
        Family::Unix | Family::Packet | Family::Netlink => true,
    };
    let protocols = Protocol::EVERY.into_iter().filter(shown);
    protocols.flat_map(Protocol::tables).filter(meant).collect()
}

/// The states that are meant; `queried` is whether `-A` says of what.
fn states(args: &ListArgs, queried: bool) -> StateSet {
    let mut states = StateSet::EMPTY;
    if args.listening {
        states = states.union(StateSet::LISTENING);
    }
    if args.bound_inactive {
        states = states.union(StateSet::BOUND);
    }
    if args.all || (args.summary && states.is_empty()) {
        states = StateSet::ALL;
    }
    if states.is_empty() {
        if queried {
            // As in ss, but for tables that would be empty then.
            let connected = args.tcp || args.udp || args.raw || args.unix;
            return match connected {
                true => StateSet::DEFAULT,
                false => StateSet::EMPTY.with(State::Close),
            };
        }
        // As in ss, which knows one connected state of UDP and raw IP, and more as soon as a
        // family is named; packet and netlink sockets are never connected.
        if args.udp || args.raw {
            states = states.with(State::Established);
        }
        if args.packet || args.netlink {
            states = states.with(State::Close);
        }
        if means_ports(args) || args.tcp || args.unix || args.ipv4 || args.ipv6 {
            states = states.union(StateSet::DEFAULT);
        }
    }
    states
}

#[cfg(test)]
pub(super) mod tests;
