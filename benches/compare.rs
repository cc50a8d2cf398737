//! Compares portstat with ss, netstat and lsof, in a network namespace filled
//! with sockets: `cargo bench --bench compare -- [OPTIONS]`. See README.md.

#[path = "compare/cases.rs"]
mod cases;
#[path = "compare/filler.rs"]
mod filler;
#[path = "compare/filling.rs"]
mod filling;
#[path = "compare/floor.rs"]
mod floor;
#[path = "compare/measure.rs"]
mod measure;
#[path = "../tests/support/namespace.rs"]
mod namespace;
#[path = "compare/report.rs"]
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, io};

use clap::Parser;
use clap::builder::PossibleValuesParser;
use clap::value_parser;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use cases::{CASES, Case, Contents};
use filling::{Filling, Listening, Room};
use measure::{Destination, Outcome};
use report::Row;

/// First arguments by which this program, executed anew, knows its part.
const INSIDE: &str = "inside-namespace";
const FILL: &str = "fill-namespace";
const FILL_APART: &str = "fill-another-namespace";
const FLOOR: &str = "dump-sockets";

#[derive(Parser)]
#[command(
    bin_name = "cargo bench --bench compare --",
    about = "Compares portstat with ss, netstat and lsof in a namespace filled with sockets"
)]
struct Options {
    /// TCP sockets to fill the namespace with
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000_000))]
    sockets: u32,

    /// Processes to hold these sockets
    #[arg(long, value_name = "P", default_value_t = 6)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    processes: u32,

    /// Times to run each command
    #[arg(long, value_name = "R", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    rounds: u32,

    /// Run this case only; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(CASES.iter().map(|case| case.name)))]
    cases: Vec<String>,

    /// The portstat to measure, in place of the one cargo has built
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_portstat"))]
    #[arg(hide_default_value = true)]
    portstat: PathBuf,

    /// Where the commands' output goes
    #[arg(long, value_enum, default_value = "pipe")]
    to: Destination,

    /// Time after which a command is killed
    #[arg(long, value_name = "SECS", default_value_t = 120)]
    #[arg(value_parser = value_parser!(u64).range(1..))]
    time_limit: u64,

    /// List the cases
    #[arg(long)]
    list: bool,

    /// Passed by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (part, rest) = match arguments.split_first() {
        Some((part, rest)) => (part.as_str(), rest),
        None => ("", [].as_slice()),
    };
    let result = match part {
        INSIDE => compare(&options(rest)),
        FILL => filler::run(rest),
        FILL_APART => fill_apart(rest),
        FLOOR if rest == ["all"] => floor::run_everywhere(),
        FLOOR => floor::run(),
        _ if arguments.iter().any(|argument| argument == "--bench") => start(&arguments),
        _ => {
            // cargo test runs benches, too. Nothing on stdout: a test runner
            // may take that for a list of tests.
            eprintln!("compare: takes minutes, so only cargo bench --bench compare runs it");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fills a network namespace of its own.
fn fill_apart(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    namespace::loopback_up();
    filler::run(arguments)
}

fn options(arguments: &[String]) -> Options {
    Options::parse_from([&"compare".to_owned()].into_iter().chain(arguments))
}

/// Checks the options, and goes on as their namespace's root.
fn start(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    if options(arguments).list {
        for case in CASES {
            println!("{:16}{}", case.name, case.about);
        }
        return Ok(());
    }

    raise_hard_limit();
    let mut inside = Command::new(env::current_exe()?);
    inside.arg(INSIDE).args(arguments);
    // The privileged stay who they are, as tools may do more for them.
    let started = match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => inside.spawn(),
        Err(_) => namespace::run_in_namespace(&mut inside),
    };
    let status = match started {
        Ok(mut child) => child.wait()?,
        Err(error) if namespace::is_forbidden(&error) => {
            return Err(
                format!("user and network namespaces are not allowed here: {error}").into(),
            );
        }
        Err(error) => return Err(error.into()),
    };
    if !status.success() {
        return Err(format!("not completed: {status}").into());
    }
    Ok(())
}

/// Raises the limit of files a process may have open. Only the privileged may,
/// and inside a user namespace nobody is; others need more processes.
fn raise_hard_limit() {
    let Some(most) = report::kernel_setting("fs/nr_open").and_then(|text| text.parse().ok()) else {
        return;
    };
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && hard < most
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, most);
    }
}

/// Runs the cases asked for.
fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    set_pdeathsig(Signal::SIGKILL)?;
    namespace::loopback_up();
    // All but the privileged ports, to connect from.
    namespace::sysctl("net.ipv4.ip_local_port_range", "1024 65535");

    report::print_machine(&options.portstat);
    println!(
        "rounds: {}, output to {}, time limit {} s per command",
        options.rounds, options.to, options.time_limit
    );

    let cases: Vec<&Case> = CASES
        .iter()
        .filter(|case| options.cases.is_empty() || options.cases.iter().any(|n| n == case.name))
        .collect();
    for cases in cases.chunk_by(|a, b| a.contents == b.contents) {
        let filling = match cases[0].contents {
            Contents::Nothing => Filling::none(),
            Contents::AsAsked => {
                let (processes, sockets) = (options.processes, options.sockets);
                Filling::start(processes, sockets, Listening::Few, 0, Room::Shared)?
            }
            Contents::ManyProcesses => {
                Filling::start(500, 500 * 50, Listening::Few, 50, Room::Shared)?
            }
            Contents::ManyListeners => {
                Filling::start(500, 500 * 100, Listening::All, 0, Room::Shared)?
            }
            Contents::ManyNamespaces => {
                Filling::start(50, 50 * 100, Listening::Few, 0, Room::Apart)?
            }
        };
        println!("\n{filling}");
        report::print_heading();
        for case in cases {
            for commands in case.comparisons {
                report::print_rows(case.name, &run_in_turn(commands, options)?);
            }
        }
    }
    Ok(())
}

/// Runs each of `commands` once per round: what disturbs the machine for a
/// while then disturbs them alike.
fn run_in_turn<'a>(commands: &[&'a str], options: &Options) -> io::Result<Vec<Row<'a>>> {
    let mut rows: Vec<Row<'a>> = commands.iter().map(|line| Row::new(line)).collect();
    for _ in 0..options.rounds {
        // A command that has failed once will do so again.
        for row in rows.iter_mut().filter(|row| row.given_up.is_none()) {
            run_once(row, options)?;
        }
    }
    Ok(rows)
}

fn run_once(row: &mut Row<'_>, options: &Options) -> io::Result<()> {
    let mut words = row.command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = match program {
        "portstat" => Command::new(&options.portstat),
        "floor" => {
            let mut command = Command::new(env::current_exe()?);
            command.arg(FLOOR);
            command
        }
        _ => Command::new(program),
    };
    command.args(words);

    let limit = Duration::from_secs(options.time_limit);
    match measure::run(&mut command, options.to, limit) {
        Ok(Outcome::Done(run)) => row.runs.push(run),
        Ok(Outcome::Failed { status, .. }) if program == "portstat" && status.code() == Some(2) => {
            row.given_up = Some("not supported yet".to_owned());
        }
        Ok(Outcome::Failed { status, message }) => {
            row.given_up = Some(format!("failed: {status}: {message}"));
        }
        Ok(Outcome::NotDone) => {
            row.given_up = Some(format!("not done in {} s", options.time_limit));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            row.given_up = Some("not installed".to_owned());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
