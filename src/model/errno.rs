//! How the kernel refuses what it is asked for.

use std::fmt;

/// What the kernel says instead of doing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// The port is taken.
    AddressInUse,
    /// The address is not local, or no port is left, or the connection exists.
    AddressNotAvailable,
    /// The port is privileged.
    AccessDenied,
    /// No port is left to UDP.
    TryAgain,
    /// The address makes no sense for such a socket.
    Invalid,
    /// There is no such interface.
    NoDevice,
    /// No route leads there.
    NetworkUnreachable,
    /// A route says so.
    HostUnreachable,
    /// The kernel has no such family.
    FamilyNotSupported,
    /// Some rule forbids it, such as that of a BPF program of the cgroup.
    NotPermitted,
    /// There is no such socket.
    NotFound,
    /// The kernel has no way to do it.
    NotSupported,
    /// Another errno, by its number.
    Other(i32),
}

impl Errno {
    /// The kernel's name; `None` for one that nothing asked here is known to say.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Errno::AddressInUse => "EADDRINUSE",
            Errno::AddressNotAvailable => "EADDRNOTAVAIL",
            Errno::AccessDenied => "EACCES",
            Errno::TryAgain => "EAGAIN",
            Errno::Invalid => "EINVAL",
            Errno::NoDevice => "ENODEV",
            Errno::NetworkUnreachable => "ENETUNREACH",
            Errno::HostUnreachable => "EHOSTUNREACH",
            Errno::FamilyNotSupported => "EAFNOSUPPORT",
            Errno::NotPermitted => "EPERM",
            Errno::NotFound => "ENOENT",
            Errno::NotSupported => "EOPNOTSUPP",
            Errno::Other(_) => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Errno::Other(number)) => write!(f, "errno {number}"),
            (None, _) => f.write_str("an errno"),
        }
    }
}
