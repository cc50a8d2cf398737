//! What became of a socket that was to be destroyed.

use std::io;

use super::Errno;

/// What became of a socket that was to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel destroyed it.
    Destroyed,
    /// It was gone already.
    Gone,
    /// It is there still.
    Refused(Obstacle),
}

/// Why a socket was not destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// What the kernel answered.
    Kernel(Errno),
    /// It is bound and no more, and so stands in none of the tables in which the kernel looks.
    Bound,
    /// It is there, but the kernel finds another one where it looks for it: it is one of several
    /// that are bound alike. Of UDP on every address, one that was
    /// destroyed stays bound, leaves its group of SO_REUSEPORT, and may be found ever after.
    Hidden,
    /// It was read from `/proc/net`, which does not tell which socket it is but only where.
    NoCookie,
    /// Its network namespace could not be entered again.
    NoNamespace,
}

impl Fate {
    /// Whether it is as asked: there is no such socket any more.
    pub const fn is_good(self) -> bool {
        matches!(self, Fate::Destroyed | Fate::Gone)
    }

    /// The error of JSON; `None` where there was none.
    pub fn error(self) -> Option<String> {
        match self {
            Fate::Destroyed => None,
            Fate::Gone => Some(Obstacle::Kernel(Errno::NotFound).name()),
            Fate::Refused(obstacle) => Some(obstacle.name()),
        }
    }
}

impl Obstacle {
    /// The error in JSON: the kernel's name where it is the kernel's.
    pub fn name(self) -> String {
        let name = match self {
            Obstacle::Kernel(Errno::Other(number)) => return format!("errno-{number}"),
            Obstacle::Kernel(errno) => return errno.to_string(),
            Obstacle::Bound => "bound",
            Obstacle::Hidden => "hidden",
            Obstacle::NoCookie => "no-cookie",
            Obstacle::NoNamespace => "no-namespace",
        };
        name.to_owned()
    }

    /// The error in words, with the remedy where there is one.
    pub fn words(self) -> String {
        let words = match self {
            Obstacle::Kernel(Errno::NotPermitted) => {
                "EPERM: not permitted (needs CAP_NET_ADMIN in its network namespace)"
            }
            Obstacle::Kernel(Errno::NotFound) => {
                "ENOENT: not found, and not all sockets could be read to tell whether it is gone"
            }
            // Answered for the whole protocol, and by older kernels for some states of it.
            Obstacle::Kernel(Errno::NotSupported) => {
                "EOPNOTSUPP: the kernel does not destroy such sockets (built without \
                 CONFIG_INET_DIAG_DESTROY, or too old to in this state)"
            }
            Obstacle::Kernel(Errno::Invalid) => {
                "EINVAL: the kernel does not destroy it (a listener of MPTCP, or Linux before 4.5)"
            }
            Obstacle::Kernel(Errno::Other(number)) => {
                return io::Error::from_raw_os_error(number).to_string();
            }
            Obstacle::Kernel(errno) => return errno.to_string(),
            Obstacle::Bound => {
                "it is bound and no more, and the kernel finds no such socket; it lasts until its \
                 program closes it (-p tells whose it is)"
            }
            Obstacle::Hidden => {
                "the kernel does not find it by its addresses: another stands before it that is \
                 bound alike, such as one of UDP that was destroyed"
            }
            Obstacle::NoCookie => "read from /proc/net, which does not tell which socket it is",
            Obstacle::NoNamespace => "its network namespace cannot be entered",
        };
        words.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_name_and_words() {
        let obstacles = [
            Obstacle::Kernel(Errno::NotPermitted),
            Obstacle::Kernel(Errno::NotSupported),
            Obstacle::Kernel(Errno::Invalid),
            Obstacle::Kernel(Errno::Other(12)),
            Obstacle::Bound,
            Obstacle::Hidden,
            Obstacle::NoCookie,
            Obstacle::NoNamespace,
        ];
        for obstacle in obstacles {
            assert!(!obstacle.words().is_empty() && !Fate::Refused(obstacle).is_good());
            assert_eq!(Fate::Refused(obstacle).error(), Some(obstacle.name()));
        }
        assert_eq!(Obstacle::Kernel(Errno::Other(12)).name(), "errno-12");
        assert_eq!(Fate::Gone.error().as_deref(), Some("ENOENT"));
        assert_eq!(Fate::Destroyed.error(), None);
        assert!(Fate::Gone.is_good() && Fate::Destroyed.is_good());
    }
}
