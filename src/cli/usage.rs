//! Arguments that make no sense.

use super::target::TargetError;
use crate::model::Protocol;

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
    #[error("human, nagios and prometheus are formats of reports, as of ephemeral")]
    ReportFormat,
    /// A name that nothing has.
    #[error("no {0} is called {1:?}")]
    Unknown(&'static str, String),
    /// A target that makes no sense.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Sockets that cannot be destroyed so.
    #[error(transparent)]
    Kill(#[from] KillError),
    /// A filter with a single quote and bytes that are no text.
    #[error("filter: {0} is no UTF-8; expected \\xNN for such bytes, without single quotes")]
    BytesInQuotes(String),
    /// A format that has an end, for a stream that has none.
    #[error("-E goes on until it is stopped, and {0} has an end; use --format plain, jsonl or csv")]
    Endless(&'static str),
    /// Sockets of which the kernel does not tell when they end.
    #[error("-E: the kernel announces the end of only TCP and UDP sockets, which leaves out {0}")]
    Unannounced(&'static str),
    /// States in which no socket is when that is told.
    #[error(
        "-E: no socket ends in a state of this filter; a connection is announced as it goes to \
         TIME-WAIT, and UDP is established or unconnected"
    )]
    UnannouncedStates,
    /// Addresses of another family than flags chose.
    #[error(
        "-E: nothing passes this filter: its addresses are of a family that the flags leave out"
    )]
    UnannouncedFamily,
    /// What is left of `-A` is nothing.
    #[error("-A leaves out every table; name one that is listed, as in -A tcp or -A all,!udp")]
    NoTable,
    /// A format before a command that has one way to print.
    #[error("{0} prints in one way: it takes no --format and no --json")]
    OneFormat(&'static str),
    /// Flags that contradict each other.
    #[error("{0} does not go with {1}")]
    Conflict(&'static str, &'static str),
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
