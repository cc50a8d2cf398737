//! What `-E` comes to: a stream without an end, of what the kernel announces.

use super::global::{FormatArg, GlobalArgs};
use super::list::{ListArgs, ListPlan};
use super::output::{Format, Output};
use super::usage::UsageError;
use crate::model::Protocol;
use crate::render::Csv;

impl ListPlan {
    /// Resolves the arguments of `-E`.
    pub(super) fn of_events(
        args: ListArgs,
        global: &GlobalArgs,
        output: Output,
    ) -> Result<ListPlan, UsageError> {
        refuse_conflicts(&args, global)?;
        let output = Output {
            format: format(&args, global, output.format)?,
            ..output
        };
        let everywhere = global.netns.as_ref().is_some_and(|netns| netns == "all");
        let mut plan = ListPlan::new(args, output)?;
        for table in &plan.tables {
            announced(table.protocol)?;
        }
        // Whose a socket was is what it is asked for, and cannot be found out later.
        plan.processes |= !plan.quiet;
        match output.format {
            Format::Csv if plan.columns.is_none() => {
                plan.columns = Some(Csv::default_columns(plan.csv_asked(everywhere)));
            }
            // Neither is told of what is no more; ss's lines would be empty.
            Format::Plain => (plan.details.memory, plan.details.tos) = (false, false),
            _ => {}
        }
        Ok(plan)
    }
}

fn refuse_conflicts(args: &ListArgs, global: &GlobalArgs) -> Result<(), UsageError> {
    for (is_given, flag) in [
        (global.from.is_some(), "--from"),
        (args.continuous.is_some(), "-c"),
        (args.summary, "-s"),
        (args.sort.is_some(), "--sort"),
        (args.kill, "-K"),
    ] {
        if is_given {
            return Err(UsageError::Conflict("-E", flag));
        }
    }
    Ok(())
}

/// Whether the kernel says when such sockets end; the error names the flag that means them.
const fn announced(protocol: Protocol) -> Result<(), UsageError> {
    Err(UsageError::Unannounced(match protocol {
        Protocol::Tcp | Protocol::Udp => return Ok(()),
        Protocol::Raw => "-w",
        Protocol::Unix => "-x",
        Protocol::Packet => "-0",
        Protocol::Netlink => "--netlink",
    }))
}

/// Rows for people, objects for programs; neither of those formats that end.
fn format(args: &ListArgs, global: &GlobalArgs, resolved: Format) -> Result<Format, UsageError> {
    let is_told = global.json || global.format != FormatArg::Auto;
    match resolved {
        Format::Table if !is_told => Ok(Format::Plain),
        Format::Plain if !is_told && args.columns.is_empty() => Ok(Format::Jsonl),
        Format::Table => Err(UsageError::Endless("table")),
        Format::Json => Err(UsageError::Endless("json")),
        Format::Plain | Format::Jsonl | Format::Csv => Ok(resolved),
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::super::output::Environment;
    use super::super::plan::{Job, Plan};
    use super::*;
    use crate::render::Column;
    use std::ffi::OsString;

    fn events(args: &[&str], terminal: bool) -> Result<ListPlan, String> {
        let words = ["portstat", "-E"].iter().chain(args).map(OsString::from);
        let environment = Environment {
            terminal,
            ..Environment::default()
        };
        let plan = Plan::new(Args::read(words).unwrap(), &environment);
        match plan.map_err(|error| error.to_string())?.job {
            Job::Events(list) => Ok(list),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_for_a_terminal_and_objects_for_a_pipe() {
        let format = |args: &[&str], terminal| events(args, terminal).unwrap().output.format;
        assert_eq!(format(&[], true), Format::Plain);
        assert_eq!(format(&[], false), Format::Jsonl);
        assert_eq!(format(&["--columns", "at,peer"], false), Format::Plain);
        assert_eq!(format(&["--format", "plain"], false), Format::Plain);
        assert_eq!(format(&["--format", "jsonl"], true), Format::Jsonl);
        assert_eq!(format(&["--format", "csv"], true), Format::Csv);
    }

    #[test]
    fn what_ends_is_refused_and_it_is_said_what_to_use() {
        for (args, name) in [
            (&["--format", "table"][..], "table"),
            (&["--format", "json"], "json"),
            (&["--json"], "json"),
        ] {
            let error = events(args, true).unwrap_err();
            assert!(error.contains(name), "{error}");
            assert!(error.contains("--format plain, jsonl or csv"), "{error}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_announce_and_what_contradicts_is_refused() {
        for (args, flag) in [
            (&["-x"][..], "-x"),
            (&["-tw"], "-w"),
            (&["-0"], "-0"),
            (&["--netlink"], "--netlink"),
            (&["-f", "unix"], "-x"),
            (&["-f", "link"], "-0"),
            (&["-f", "netlink"], "--netlink"),
        ] {
            let error = events(args, false).unwrap_err();
            assert!(error.contains(flag), "{error}");
            assert!(error.contains("only TCP and UDP"), "{error}");
        }
        for (args, flag) in [
            (&["--from", "x"][..], "--from"),
            (&["-c"], "-c"),
            (&["-s"], "-s"),
            (&["-sq"], "-s"),
            (&["--sort", "state"], "--sort"),
            (&["-K"], "-K"),
        ] {
            let error = events(args, false).unwrap_err();
            assert_eq!(error, format!("-E does not go with {flag}"));
        }
    }

    #[test]
    fn csv_tells_when() {
        let columns = |args: &[&str]| events(args, false).unwrap().columns.unwrap();
        let usual = columns(&["--format", "csv"]);
        assert_eq!(usual[0], Column::At);
        assert_eq!(usual.last(), Some(&Column::LastState));
        assert!(usual.contains(&Column::Process));
        assert!(columns(&["-N", "all", "--format", "csv"]).contains(&Column::Netns));
        assert_eq!(columns(&["--columns", "peer"]), [Column::Peer]);
    }

    #[test]
    fn nothing_is_looked_at_that_nobody_asks_for() {
        let looks = |args: &[&str]| events(args, true).unwrap().needs_last_seen();
        assert!(!looks(&["-q"]) && !looks(&["-tni", "--columns", "at,local"]));
        assert!(looks(&[]) && looks(&["--columns", "last_state"]));
        assert!(looks(&["--format", "jsonl"]) && looks(&["--format", "csv"]));
    }
}
