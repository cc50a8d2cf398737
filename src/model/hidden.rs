//! Why it is not known who holds a socket.

/// Why an owner could not be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HiddenCause {
    /// Processes whose descriptors we may not read.
    Permission,
    /// Processes whose descriptors could not be read when the recording was made.
    PermissionThen,
    /// Processes whose descriptors not even this root may read.
    Protected,
    /// `/proc` is mounted so that others' processes are not listed.
    Hidepid,
    /// Processes of another pid namespace are not listed here.
    PidNamespace,
    /// Processes ended while they were looked at.
    Vanished,
    /// The recording holds no, or not all, processes.
    NotRecorded,
    /// `/proc` itself could not be read.
    NoProc,
}

impl HiddenCause {
    /// The reason in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            HiddenCause::Permission | HiddenCause::PermissionThen | HiddenCause::Protected => {
                "permission"
            }
            HiddenCause::Hidepid => "hidepid",
            HiddenCause::PidNamespace => "pid-namespace",
            HiddenCause::Vanished => "vanished",
            HiddenCause::NotRecorded => "not-recorded",
            HiddenCause::NoProc => "no-proc",
        }
    }

    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            HiddenCause::Permission => "their processes may not be read",
            HiddenCause::PermissionThen => "their processes were not readable then",
            HiddenCause::Protected => "some processes are closed even to this root",
            HiddenCause::Hidepid => "/proc hides other users' processes",
            HiddenCause::PidNamespace => "processes of other pid namespaces cannot be seen here",
            HiddenCause::Vanished => "processes ended meanwhile",
            HiddenCause::NotRecorded => "the recording does not hold their processes",
            HiddenCause::NoProc => "/proc cannot be read",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            HiddenCause::Permission => "run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
            HiddenCause::PermissionThen => "record as root",
            HiddenCause::Protected => "run with every capability, outside of any container",
            HiddenCause::Hidepid => "run as root, or join the group of /proc's gid= option",
            HiddenCause::PidNamespace => "run in the host's pid namespace",
            HiddenCause::Vanished => "run again",
            HiddenCause::NotRecorded => "record as root",
            HiddenCause::NoProc => "mount /proc",
        }
    }
}
