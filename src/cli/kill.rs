//! What `-K` takes beside what the listing takes.

use super::list::{ListArgs, ListPlan};
use super::output::{Output, UsageError};
use crate::model::{Family, Protocol};

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

/// Why sockets cannot be destroyed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KillError {
    /// It would be every socket.
    #[error(
        "-K needs a filter, such as sport = :8080, dst 10.0.0.5 or pid = 812; \
         flags alone are none (of every socket: state all)"
    )]
    NoFilter,
    /// The kernel has no way to.
    #[error("-K: the kernel destroys TCP, UDP and raw IP sockets, but no {0} sockets")]
    Protocol(Protocol),
    /// Nothing of it is there any more.
    #[error("-K does not go with --from: the sockets of a recording are not there")]
    Recording,
    /// There would be nothing to say yes to.
    #[error("-K with -q prints no list that could be agreed to; add --yes")]
    Quiet,
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
        let mut tables = list.tables.iter();
        match tables.find(|table| !Family::IP.contains(&table.family)) {
            Some(table) => Err(KillError::Protocol(table.protocol).into()),
            None => Ok(KillPlan { list, consent }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::super::output::Environment;
    use super::super::plan::{Job, Plan};
    use super::*;
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
    fn what_cannot_be_destroyed_is_refused() {
        let error = |args| plan(args, true).unwrap_err();
        let protocol = |protocol| UsageError::Kill(KillError::Protocol(protocol));
        assert_eq!(error("-Kx dst :1"), protocol(Protocol::Unix));
        assert_eq!(error("-K0 dst :1"), protocol(Protocol::Packet));
        assert_eq!(error("-tK --netlink dst :1"), protocol(Protocol::Netlink));
        assert_eq!(error("-K --from x dst :1"), KillError::Recording.into());
        assert_eq!(error("-Kq dst :1"), KillError::Quiet.into());
        assert_eq!(error("-KE"), UsageError::Conflict("-E", "-K"));
        for (args, other) in [("-Kc", "-c"), ("-Ks", "-s")] {
            assert_eq!(error(args), UsageError::Conflict("-K", other));
        }
        assert!(plan("-Kwtu dst :1 --sort state", true).is_ok());
    }
}
