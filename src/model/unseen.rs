//! Network namespaces that were not seen.

use std::fmt;

/// Which rights are missing to go to a network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryRights {
    /// To enter it (setns).
    #[default]
    Enter,
    /// To open its file in the first place, which somebody else may.
    ReadAndEnter,
    /// To open its file in `/proc` in the first place, which is that of a process with more rights
    /// or of another user.
    OpenAndEnter,
}

impl EntryRights {
    /// What they are called.
    pub const fn name(self) -> &'static str {
        match self {
            EntryRights::Enter => "CAP_SYS_ADMIN",
            EntryRights::ReadAndEnter => "leave to open it, and CAP_SYS_ADMIN",
            EntryRights::OpenAndEnter => "CAP_SYS_PTRACE and CAP_SYS_ADMIN",
        }
    }

    /// How to have them.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            EntryRights::Enter => "run with CAP_SYS_ADMIN",
            EntryRights::ReadAndEnter => "run as root",
            EntryRights::OpenAndEnter => "run with CAP_SYS_PTRACE and CAP_SYS_ADMIN",
        }
    }
}

/// Why network namespaces were not seen, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnseenNamespaces {
    /// They may not be entered; `/proc/PID/net` was read instead, which tells less.
    Beside {
        /// Whether bound TCP sockets were asked for, which are not told there.
        bound: bool,
        /// What it would take to enter them all.
        lacks: EntryRights,
    },
    /// They could not be read at all.
    Unread {
        /// Why.
        reason: String,
        /// Whether some may be among those that were seen from outside, or be counted twice, as
        /// nobody tells which are the same: then there are no more than so many.
        at_most: bool,
    },
    /// Nobody tells which those of some processes are.
    OfProcesses,
}

impl UnseenNamespaces {
    /// The reason in JSON.
    pub(super) fn name(&self) -> String {
        match self {
            UnseenNamespaces::Beside { .. } => "permission".to_owned(),
            UnseenNamespaces::Unread { reason, at_most } => format!("{reason}{}", doubt(*at_most)),
            UnseenNamespaces::OfProcesses => "hidden".to_owned(),
        }
    }

    /// The gap in words.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, count: u64) -> fmt::Result {
        let namespaces = match count {
            1 => "1 network namespace".to_owned(),
            _ => format!("{count} network namespaces"),
        };
        match self {
            UnseenNamespaces::Beside { bound, lacks } => {
                let lost = if *bound { "bound sockets, " } else { "" };
                let show = if count == 1 { "shows" } else { "show" };
                write!(
                    f,
                    "{namespaces} may not be entered (needs {}) and {show} only /proc/PID/net: \
                     {lost}v6only, devices, listen limits and port ranges are not told there",
                    lacks.name()
                )
            }
            UnseenNamespaces::Unread { reason, at_most } => {
                let up_to = if *at_most { "up to " } else { "" };
                let doubt = doubt(*at_most);
                write!(f, "{up_to}{namespaces} cannot be read: {reason}{doubt}")
            }
            UnseenNamespaces::OfProcesses => write!(
                f,
                "the network namespaces of {count} process{} cannot be told (run as root)",
                if count == 1 { "" } else { "es" }
            ),
        }
    }
}

/// What is added to the reason where the number is a limit.
const fn doubt(at_most: bool) -> &'static str {
    match at_most {
        true => "; which of them are those of processes cannot be told",
        false => "",
    }
}
