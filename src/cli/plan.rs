//! What the arguments come to: every choice made once, so that nobody below asks the environment
//! again.

use std::path::PathBuf;

use super::args::{Args, Command, RecordArgs, ShellArg};
use super::ephemeral::EphemeralPlan;
use super::global::{FormatArg, GlobalArgs, Netns};
use super::kill::KillPlan;
use super::list::{ListArgs, ListPlan};
use super::output::{Environment, Format, Output};
use super::usage::UsageError;
use super::why::WhyPlan;
use crate::collect::Method;
use crate::kernel::HolderMethod;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recording to look at instead of this machine.
    pub from: Option<PathBuf>,
    /// The network namespaces to look at.
    pub netns: Netns,
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
    /// Sockets, as they are destroyed.
    Events(ListPlan),
    /// Sockets that are to be destroyed.
    Kill(KillPlan),
    /// Whether ephemeral ports are running out.
    Ephemeral(EphemeralPlan),
    /// Whether a bind or a connect would succeed.
    Why(WhyPlan),
    /// Save what is read.
    Record(RecordArgs),
    /// Completions.
    Completions(ShellArg),
}

impl Plan {
    /// Resolves arguments against an environment.
    pub fn new(args: Args, environment: &Environment) -> Result<Plan, UsageError> {
        let output = Output::new(
            &args.global,
            !args.list.no_header,
            environment,
            args.command.as_ref().is_some_and(Command::reports),
        )?;
        let netns = netns(&args)?;
        let method = method(environment)?;
        let holder_method = holder_method(environment)?;
        let job = match args.command {
            Some(Command::Ephemeral(ephemeral)) => {
                only_defaults(&args.list, "ephemeral")?;
                Job::Ephemeral(EphemeralPlan::new(ephemeral, &args.global, output)?)
            }
            Some(Command::Why(why)) => {
                only_defaults(&args.list, "why")?;
                Job::Why(WhyPlan::new(why, &args.global, output)?)
            }
            Some(Command::Record(record)) => {
                only_defaults(&args.list, "record")?;
                one_format(&args.global, "record")?;
                Job::Record(record)
            }
            Some(Command::Completions { shell }) => {
                only_defaults(&args.list, "completions")?;
                one_format(&args.global, "completions")?;
                Job::Completions(shell)
            }
            None if args.list.events => {
                Job::Events(ListPlan::of_events(args.list, &args.global, output)?)
            }
            None if args.list == ListArgs::default() => match output.format {
                Format::Table | Format::Plain => Job::Overview(output),
                Format::Json | Format::Jsonl | Format::Csv => {
                    let everything = ListArgs {
                        all: true,
                        ..ListArgs::default()
                    };
                    Job::List(ListPlan::new(everything, output)?)
                }
            },
            None if args.list.kill => {
                let is_recording = args.global.from.is_some();
                let can_ask = environment.can_ask;
                Job::Kill(KillPlan::new(args.list, output, is_recording, can_ask)?)
            }
            // Whether anything matches does not depend on how it would be printed.
            None if args.list.summary && !args.list.quiet => {
                Job::Summary(ListPlan::new(args.list, output)?)
            }
            None => Job::List(ListPlan::new(args.list, output)?),
        };
        Ok(Plan {
            from: args.global.from,
            netns,
            method,
            holder_method,
            job,
        })
    }
}

/// A recording is of one network namespace; so is a question that only one can answer.
fn netns(args: &Args) -> Result<Netns, UsageError> {
    let netns = Netns::new(args.global.netns.as_ref());
    match (&netns, &args.command) {
        (Netns::At(_), _) if args.global.from.is_some() => {
            Err(UsageError::Conflict("-N", "--from"))
        }
        (Netns::All, Some(Command::Why(_))) => Err(UsageError::Conflict("why", "-N all")),
        (Netns::All, Some(Command::Record(_))) => Err(UsageError::Conflict("record", "-N all")),
        _ => Ok(netns),
    }
}

fn only_defaults(list: &ListArgs, command: &'static str) -> Result<(), UsageError> {
    if *list == ListArgs::default() {
        Ok(())
    } else {
        Err(UsageError::FlagsWithCommand(command))
    }
}

/// That no format is asked of a command that has but one.
fn one_format(global: &GlobalArgs, command: &'static str) -> Result<(), UsageError> {
    if global.json || global.format != FormatArg::Auto {
        return Err(UsageError::OneFormat(command));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StateSet;
    use clap::Parser;
    use std::ffi::OsString;

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
    fn a_quiet_summary_is_a_search_of_all_states() {
        assert!(matches!(plan(&["-s"]).unwrap().job, Job::Summary(_)));
        let search = list(&["-sq"]);
        assert!(search.quiet);
        assert_eq!(search.states, StateSet::ALL);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(plan(&["-t", "record", "x"]).is_err());
        assert!(plan(&["record", "x", "--json"]).is_err());
        assert!(plan(&["record", "x", "--format", "csv"]).is_err());
        assert!(plan(&["completions", "bash", "--json"]).is_err());
        assert!(plan(&["-q", "-c"]).is_err());
        assert!(plan(&["-N", "blue", "--from", "x"]).is_err());
        assert!(plan(&["record", "x", "-N", "all"]).is_err());
        assert!(plan(&["why", "80", "-N", "all"]).is_err());
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
}
