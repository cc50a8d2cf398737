//! What `-K` takes beside what the listing takes.

use super::list::{ListArgs, ListPlan};
use super::output::Output;
use super::usage::{KillError, UsageError};
use crate::filter::Query;
use crate::model::Family;

/// Which sockets are to be destroyed, and who says so.
#[derive(Clone, Debug)]
pub struct KillPlan {
    /// Which, and how they are listed.
    pub list: ListPlan,
    /// Who says yes.
    pub consent: Consent,
}

/// Who says that sockets may be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// `--yes` has said so.
    Given,
    /// Whoever sits at the terminal.
    Asked,
    /// Nobody: they are listed and no more.
    Missing,
}

impl KillPlan {
    /// Resolves arguments; `can_ask` is whether somebody sits at a terminal.
    pub fn new(
        args: ListArgs,
        output: Output,
        is_recording: bool,
        can_ask: bool,
    ) -> Result<KillPlan, UsageError> {
        let others = [(args.continuous.is_some(), "-c"), (args.summary, "-s")];
        if let Some((_, other)) = others.into_iter().find(|(is_given, _)| *is_given) {
            return Err(UsageError::Conflict("-K", other));
        }
        if is_recording {
            return Err(KillError::Recording.into());
        }
        if args.quiet && !args.yes {
            return Err(KillError::Quiet.into());
        }
        let consent = match (args.yes, can_ask) {
            (true, _) => Consent::Given,
            (false, true) => Consent::Asked,
            (false, false) => Consent::Missing,
        };
        let list = ListPlan::new(args, output)?;
        Ok(KillPlan { list, consent })
    }

    /// What is listed, by flags and filter; an error where that is more than can be destroyed.
    pub fn following(&self, query: &Query) -> Result<ListPlan, KillError> {
        let list = self.list.clone().following(query);
        let mut tables = list.tables.iter();
        match tables.find(|table| !Family::IP.contains(&table.family)) {
            Some(table) => Err(KillError::Protocol(table.protocol)),
            None if query.states.is_none() && query.condition.is_none() => Err(KillError::NoFilter),
            None => Ok(list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::super::output::Environment;
    use super::super::plan::{Job, Plan};
    use super::*;
    use crate::filter::{self, Known};
    use crate::model::Protocol;
    use std::ffi::OsString;

    fn plan(args: &str, can_ask: bool) -> Result<KillPlan, UsageError> {
        let words = ["portstat"].into_iter().chain(args.split(' '));
        let args = Args::read(words.map(OsString::from)).unwrap();
        let environment = Environment {
            can_ask,
            ..Environment::default()
        };
        match Plan::new(args, &environment)?.job {
            Job::Kill(plan) => Ok(plan),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_yes_or_a_terminal_can_agree() {
        let consent = |args, can_ask| plan(args, can_ask).unwrap().consent;
        assert_eq!(consent("-K dst :1", false), Consent::Missing);
        assert_eq!(consent("-K dst :1", true), Consent::Asked);
        assert_eq!(consent("-K --yes dst :1", false), Consent::Given);
        assert_eq!(consent("-Kq --yes dst :1", true), Consent::Given);
    }

    #[test]
    fn what_the_kernel_does_not_destroy_is_refused_by_flags_and_filter() {
        let error = |args| {
            let plan = plan(args, true).unwrap();
            let query = filter::parse(&plan.list.filter, &Known).unwrap();
            plan.following(&query).err()
        };
        for (args, protocol) in [
            ("-Kx dst :1", Protocol::Unix),
            ("-Kx", Protocol::Unix),
            ("-K src unix:/x", Protocol::Unix),
            ("-Ka sport = :1 or src unix:/x", Protocol::Unix),
            ("-K0 dst :1", Protocol::Packet),
            ("-Ka src link:", Protocol::Packet),
            ("-tK --netlink dst :1", Protocol::Netlink),
            ("-K dst netlink:*", Protocol::Netlink),
        ] {
            assert_eq!(error(args), Some(KillError::Protocol(protocol)), "{args}");
        }
        for args in ["-K", "-Kt", "-Kau"] {
            assert_eq!(error(args), Some(KillError::NoFilter), "{args}");
        }
        for args in ["-Kwtu dst :1", "-K state all", "-Kt src unix:/x"] {
            assert_eq!(error(args), None, "{args}");
        }
    }

    #[test]
    fn what_makes_no_sense_with_it_is_refused() {
        let error = |args| plan(args, true).unwrap_err();
        assert_eq!(error("-K --from x dst :1"), KillError::Recording.into());
        assert_eq!(error("-Kq dst :1"), KillError::Quiet.into());
        assert_eq!(error("-KE"), UsageError::Conflict("-E", "-K"));
        for (args, other) in [("-Kc", "-c"), ("-Ks", "-s")] {
            assert_eq!(error(args), UsageError::Conflict("-K", other));
        }
        assert!(plan("-Kwtu dst :1 --sort state", true).is_ok());
    }
}
