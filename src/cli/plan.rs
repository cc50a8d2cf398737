//! What the arguments come to: every choice made once, so that nobody below asks the environment
//! again.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{
    Args, ColorArg, Command, FormatArg, ListArgs, RecordArgs, Seconds, ShellArg, SortBy,
};
use super::ephemeral::EphemeralPlan;
use crate::collect::Method;
use crate::kernel::{HolderMethod, terminal};
use crate::model::{DetailSet, Family, Protocol, State, StateSet, Table};
use crate::render::{Column, Paint};

/// What of the environment matters.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Its width.
    pub width: Option<u16>,
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
            width: terminal.then(terminal::width).flatten(),
            no_color: set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb"),
            collector: set("PORTSTAT_COLLECTOR"),
            owners: set("PORTSTAT_OWNERS"),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recording to look at instead of this machine.
    pub from: Option<PathBuf>,
    /// By which way tables are read.
    pub method: Method,
    /// By which way owners are found.
    pub holder_method: HolderMethod,
    /// What to do.
    pub job: Job,
}

/// One job.
#[derive(Clone, Debug)]
pub enum Job {
    /// Who listens, and how the machine stands.
    Overview(Output),
    /// Counts.
    Summary(ListPlan),
    /// A list of sockets.
    List(ListPlan),
    /// Whether ephemeral ports are running out.
    Ephemeral(EphemeralPlan),
    /// Save what is read.
    Record(RecordArgs),
    /// Completions.
    Completions(ShellArg),
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

/// Which sockets, and what of them.
#[derive(Clone, Debug)]
pub struct ListPlan {
    /// How to print.
    pub output: Output,
    /// The tables to read.
    pub tables: Vec<Table>,
    /// The states to show when the filter names none.
    pub states: StateSet,
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
    #[error("human, nagios and prometheus are formats of ephemeral")]
    ReportFormat,
    /// Flags that contradict each other.
    #[error("{0} does not go with {1}")]
    Conflict(&'static str, &'static str),
}

impl Plan {
    /// Resolves arguments against an environment.
    pub fn new(args: Args, environment: &Environment) -> Result<Plan, UsageError> {
        let output = output(&args, environment)?;
        let method = method(environment)?;
        let holder_method = holder_method(environment)?;
        let job = match args.command {
            Some(Command::Ephemeral(ephemeral)) => {
                only_defaults(&args.list, "ephemeral")?;
                Job::Ephemeral(EphemeralPlan::new(ephemeral, &args.global, output)?)
            }
            Some(Command::Record(record)) => {
                only_defaults(&args.list, "record")?;
                Job::Record(record)
            }
            Some(Command::Completions { shell }) => {
                only_defaults(&args.list, "completions")?;
                Job::Completions(shell)
            }
            None if args.list == ListArgs::default() => match output.format {
                Format::Table | Format::Plain => Job::Overview(output),
                Format::Json | Format::Jsonl | Format::Csv => {
                    let everything = ListArgs {
                        all: true,
                        ..ListArgs::default()
                    };
                    Job::List(list_plan(everything, output)?)
                }
            },
            // Whether anything matches does not depend on how it would be printed.
            None if args.list.summary && !args.list.quiet => {
                Job::Summary(list_plan(args.list, output)?)
            }
            None => Job::List(list_plan(args.list, output)?),
        };
        Ok(Plan {
            from: args.global.from,
            method,
            holder_method,
            job,
        })
    }
}

fn only_defaults(list: &ListArgs, command: &'static str) -> Result<(), UsageError> {
    if *list == ListArgs::default() {
        Ok(())
    } else {
        Err(UsageError::FlagsWithCommand(command))
    }
}

fn output(args: &Args, environment: &Environment) -> Result<Output, UsageError> {
    let format = match args.global.format {
        _ if args.global.json => Format::Json,
        FormatArg::Auto if environment.terminal => Format::Table,
        FormatArg::Auto | FormatArg::Plain => Format::Plain,
        FormatArg::Table => Format::Table,
        FormatArg::Json => Format::Json,
        FormatArg::Jsonl => Format::Jsonl,
        FormatArg::Csv => Format::Csv,
        FormatArg::Human | FormatArg::Nagios | FormatArg::Prometheus => match args.command {
            Some(Command::Ephemeral(_)) => Format::Table,
            _ => return Err(UsageError::ReportFormat),
        },
    };
    let colored = match args.global.color {
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
        header: !args.list.no_header,
    })
}

fn method(environment: &Environment) -> Result<Method, UsageError> {
    let Some(name) = &environment.collector else {
        return Ok(Method::Auto);
    };
    match name.to_str() {
        Some("netlink") => Ok(Method::Netlink),
        Some("proc") => Ok(Method::Proc),
        _ => Err(UsageError::Collector(name.to_string_lossy().into_owned())),
    }
}

fn holder_method(environment: &Environment) -> Result<HolderMethod, UsageError> {
    let Some(name) = &environment.owners else {
        return Ok(HolderMethod::Auto);
    };
    match name.to_str() {
        Some("proc") => Ok(HolderMethod::Proc),
        Some("bpf") => Ok(HolderMethod::Bpf),
        _ => Err(UsageError::Owners(name.to_string_lossy().into_owned())),
    }
}

fn list_plan(args: ListArgs, output: Output) -> Result<ListPlan, UsageError> {
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
    let tables = tables(&args);
    let states = states(&args);
    let (interval, filter) = interval(args.continuous, args.filter)?;
    Ok(ListPlan {
        output,
        tables,
        states,
        filter: filter.join(" "),
        numeric: args.numeric,
        resolve: args.resolve,
        processes: args.processes,
        details: DetailSet {
            extended: args.extended,
            memory: args.memory,
            info: args.info,
            tos: args.tos,
        },
        oneline: args.oneline,
        // As in ss, where -e tells timers and options in use as well.
        timers: args.options || args.extended,
        columns: (!args.columns.is_empty()).then_some(args.columns),
        sort: args.sort,
        interval,
        quiet: args.quiet,
        verbose: args.verbose,
    })
}

/// `-c 5`: no filter begins with a bare number, so it is the interval.
fn interval(
    continuous: Option<Seconds>,
    mut filter: Vec<String>,
) -> Result<(Option<Duration>, Vec<String>), UsageError> {
    let Some(mut seconds) = continuous else {
        return Ok((None, filter));
    };
    if filter
        .first()
        .is_some_and(|word| word.parse::<f64>().is_ok())
    {
        seconds = filter.remove(0).parse().map_err(UsageError::Interval)?;
    }
    Ok((Some(seconds.duration()), filter))
}

/// UDP before TCP, IPv4 before IPv6, as in ss. No flag is every flag.
fn tables(args: &ListArgs) -> Vec<Table> {
    let wanted = |flag: bool, others: bool| flag || !others;
    let mut tables = Vec::new();
    for protocol in Protocol::ALL {
        let shown = match protocol {
            Protocol::Udp => wanted(args.udp, args.tcp),
            Protocol::Tcp => wanted(args.tcp, args.udp),
        };
        for family in Family::ALL {
            let meant = match family {
                Family::V4 => wanted(args.ipv4, args.ipv6),
                Family::V6 => wanted(args.ipv6, args.ipv4),
            };
            if shown && meant {
                tables.push(Table { protocol, family });
            }
        }
    }
    tables
}

fn states(args: &ListArgs) -> StateSet {
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
        // As in ss, which knows one connected state of UDP, and more as soon as a family is named.
        let only_udp = args.udp && !args.tcp && !args.ipv4 && !args.ipv6;
        states = if only_udp {
            StateSet::EMPTY.with(State::Established)
        } else {
            StateSet::DEFAULT
        };
    }
    states
}

/// What must be read, which is what is printed or sorted by, and nothing else.
impl ListPlan {
    /// The columns that are printed, as far as they were chosen by name, and the one sorted by.
    fn named_columns(&self) -> impl Iterator<Item = Column> {
        let sorted_by = self.sort.map(|sort| sort.column);
        self.columns.iter().flatten().copied().chain(sorted_by)
    }

    fn names(&self, wanted: Column) -> bool {
        self.named_columns().any(|column| column == wanted)
    }

    /// The format, as long as it has its usual columns; `None` when columns were chosen.
    const fn usual(&self) -> Option<Format> {
        match self.columns {
            None => Some(self.output.format),
            Some(_) => None,
        }
    }

    /// Whether owners must be found.
    pub fn needs_owners(&self) -> bool {
        (self.processes && self.usual().is_some()) || self.named_columns().any(Column::needs_owners)
    }

    /// Whether more than the name of a process is printed.
    pub fn needs_process_details(&self) -> bool {
        matches!(self.usual(), Some(Format::Json | Format::Jsonl))
            || self.named_columns().any(Column::needs_process_details)
    }

    /// Whether services are printed.
    pub fn needs_services(&self) -> bool {
        let printed = match self.usual() {
            None => false,
            Some(Format::Plain) => !self.numeric,
            Some(Format::Table | Format::Json | Format::Jsonl | Format::Csv) => true,
        };
        printed || self.names(Column::Service)
    }

    /// Whether names of users are printed.
    pub fn needs_users(&self) -> bool {
        let printed = match self.usual() {
            None | Some(Format::Plain) => false,
            Some(Format::Table | Format::Json | Format::Jsonl | Format::Csv) => true,
        };
        printed || self.names(Column::User)
    }

    /// Whether names of hosts are printed: in a column, with the port behind them.
    pub fn needs_hosts(&self) -> bool {
        let printed = match self.usual() {
            None => self
                .columns
                .iter()
                .flatten()
                .any(|column| column.has_host()),
            Some(Format::Csv) => false,
            Some(Format::Table | Format::Plain | Format::Json | Format::Jsonl) => true,
        };
        self.resolve && printed
    }

    /// The details to ask for.
    pub fn needed_details(&self) -> DetailSet {
        let printed = match self.usual() {
            None => DetailSet::NONE,
            Some(Format::Plain | Format::Json | Format::Jsonl) => self.details,
            Some(Format::Table | Format::Csv) => Column::of_details(self.details)
                .map(Column::details)
                .fold(DetailSet::NONE, DetailSet::union),
        };
        self.named_columns()
            .map(Column::details)
            .fold(printed, DetailSet::union)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn plan(args: &[&str]) -> Result<Plan, UsageError> {
        let words = ["portstat"].iter().chain(args).map(OsString::from);
        let args = Args::read(words).unwrap();
        Plan::new(args, &Environment::default())
    }

    fn list(args: &[&str]) -> ListPlan {
        match plan(args).unwrap().job {
            Job::List(list) => list,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_flag_is_the_overview_for_people_and_everything_for_programs() {
        assert!(matches!(plan(&[]).unwrap().job, Job::Overview(_)));
        let list = list(&["--json"]);
        assert_eq!(list.states, StateSet::ALL);
        assert_eq!(list.tables.len(), 4);
    }

    #[test]
    fn states_are_those_of_ss() {
        assert_eq!(list(&["-t"]).states, StateSet::DEFAULT);
        assert_eq!(list(&["-tl"]).states, StateSet::LISTENING);
        assert_eq!(list(&["-ta"]).states, StateSet::ALL);
        assert_eq!(list(&["-tB"]).states, StateSet::BOUND);
        let connected = StateSet::EMPTY.with(State::Established);
        assert_eq!(list(&["-u"]).states, connected);
        assert_eq!(list(&["-ul"]).states, StateSet::LISTENING);
        for more in ["-u4", "-u6", "-tu"] {
            assert_eq!(list(&[more]).states, StateSet::DEFAULT, "{more}");
        }
    }

    #[test]
    fn a_quiet_summary_is_a_search_of_all_states() {
        assert!(matches!(plan(&["-s"]).unwrap().job, Job::Summary(_)));
        let search = list(&["-sq"]);
        assert!(search.quiet);
        assert_eq!(search.states, StateSet::ALL);
    }

    #[test]
    fn tables_are_those_asked_for() {
        let names = |args: &[&str]| -> Vec<&str> {
            list(args)
                .tables
                .iter()
                .map(|table| table.proc_name())
                .collect()
        };
        assert_eq!(names(&["-a"]), ["udp", "udp6", "tcp", "tcp6"]);
        assert_eq!(names(&["-t"]), ["tcp", "tcp6"]);
        assert_eq!(names(&["-6a"]), ["udp6", "tcp6"]);
        assert_eq!(names(&["-tu46"]), ["udp", "udp6", "tcp", "tcp6"]);
    }

    #[test]
    fn an_interval_is_no_filter() {
        let interval = |args: &[&str]| list(args).interval.map(|wait| wait.as_millis());
        assert_eq!(interval(&["-tc"]), Some(1000));
        assert_eq!(interval(&["-tc", "0.5"]), Some(500));
        assert_eq!(interval(&["-t", "-c", "2", "sport", "=", ":1"]), Some(2000));
        assert_eq!(interval(&["-t", "--continuous=3"]), Some(3000));
        assert_eq!(interval(&["-t", "sport", "=", ":1"]), None);
        assert_eq!(
            list(&["-tc", "state", "established"]).filter,
            "state established"
        );
    }

    #[test]
    fn no_escape_without_a_terminal_or_under_no_color() {
        let paint = |args: &[&str], terminal, no_color| {
            let args = Args::try_parse_from(["portstat"].iter().chain(args)).unwrap();
            let environment = Environment {
                terminal,
                no_color,
                ..Environment::default()
            };
            output(&args, &environment).unwrap().paint
        };
        assert_eq!(paint(&[], true, false), Paint::Colored);
        assert_eq!(paint(&[], true, true), Paint::Plain);
        assert_eq!(paint(&[], false, false), Paint::Plain);
        assert_eq!(paint(&["--color=always"], false, true), Paint::Colored);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(plan(&["-t", "record", "x"]).is_err());
        assert!(plan(&["-q", "-c"]).is_err());
        assert!(plan(&["--json", "--columns", "pid"]).is_err());
        let nope = || Some("nope".into());
        for (collector, owners) in [(nope(), None), (None, nope())] {
            let args = Args::try_parse_from(["portstat"]).unwrap();
            let environment = Environment {
                collector,
                owners,
                ..Environment::default()
            };
            assert!(Plan::new(args, &environment).is_err());
        }
    }

    #[test]
    fn nothing_is_read_that_is_not_printed() {
        let plain = list(&["-tln"]);
        assert!(!plain.needs_owners() && !plain.needs_services() && !plain.needs_users());
        assert!(list(&["-tl"]).needs_services());
        assert!(list(&["-tln", "--columns", "unit"]).needs_process_details());
        assert!(list(&["-tln", "--sort", "-process"]).needs_owners());
        assert!(!list(&["-tlnp"]).needs_process_details());
        assert!(list(&["-tp", "--json"]).needs_process_details());

        let chosen = list(&["-tlpremi", "--columns", "local_port,state"]);
        assert!(!chosen.needs_owners() && !chosen.needs_services() && !chosen.needs_users());
        assert!(!chosen.needs_hosts() && chosen.needed_details().is_empty());
        assert!(list(&["-tr", "--columns", "state,peer"]).needs_hosts());
        assert!(!list(&["-t", "--columns", "state,peer"]).needs_hosts());

        for (format, hosts, extended) in [
            ("plain", true, true),
            ("table", true, false),
            ("csv", false, false),
            ("json", true, true),
            ("jsonl", true, true),
        ] {
            let list = list(&["-trem", "--format", format]);
            assert_eq!(list.needs_hosts(), hosts, "{format}");
            assert_eq!(list.needed_details().extended, extended, "{format}");
            assert!(list.needed_details().memory, "{format}");
        }
    }
}
