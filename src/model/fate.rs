//! What became of a socket that was to be destroyed.

/// What became of a socket that was to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel destroyed it.
    Destroyed,
    /// It was gone already.
    Gone,
    /// It is there still.
    Refused(Refusal),
}

/// Why a socket was not destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// What the kernel answered, `EPERM` for one; positive.
    Errno(i32),
    /// It is there, but the kernel finds another one, or none, where it looks for it: one that is
    /// only bound, or one of several that are bound alike.
    Hidden,
    /// It was read from `/proc/net`, which does not tell which socket it is but only where.
    NoCookie,
    /// Its network namespace could not be entered again.
    NoNamespace,
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
const EOPNOTSUPP: i32 = 95;

impl Fate {
    /// Whether it is as asked: there is no such socket any more.
    pub const fn is_good(self) -> bool {
        matches!(self, Fate::Destroyed | Fate::Gone)
    }

    /// The error of JSON; `None` where there was none.
    pub fn error(self) -> Option<String> {
        match self {
            Fate::Destroyed => None,
            Fate::Gone => Some(Refusal::Errno(ENOENT).name()),
            Fate::Refused(refusal) => Some(refusal.name()),
        }
    }
}

impl Refusal {
    /// The error in JSON: the kernel's name where it is the kernel's.
    pub fn name(self) -> String {
        let name = match self {
            Refusal::Errno(EPERM) => "EPERM",
            Refusal::Errno(ENOENT) => "ENOENT",
            Refusal::Errno(EINVAL) => "EINVAL",
            Refusal::Errno(EOPNOTSUPP) => "EOPNOTSUPP",
            Refusal::Errno(other) => return format!("errno-{other}"),
            Refusal::Hidden => "hidden",
            Refusal::NoCookie => "no-cookie",
            Refusal::NoNamespace => "no-namespace",
        };
        name.to_owned()
    }

    /// The error in words, with the remedy where there is one.
    pub fn words(self) -> String {
        let words = match self {
            Refusal::Errno(EPERM) => {
                "EPERM: not permitted (needs CAP_NET_ADMIN in its network namespace)"
            }
            Refusal::Errno(ENOENT) => {
                "ENOENT: not found, and not all sockets could be read to tell whether it is gone"
            }
            // Answered for the whole protocol, and by older kernels for some states of it.
            Refusal::Errno(EOPNOTSUPP) => {
                "EOPNOTSUPP: the kernel does not destroy such sockets (built without \
                 CONFIG_INET_DIAG_DESTROY, or too old to in this state)"
            }
            Refusal::Errno(EINVAL) => {
                "EINVAL: the kernel does not destroy it (a listener of MPTCP, or Linux before 4.5)"
            }
            Refusal::Errno(other) => {
                return std::io::Error::from_raw_os_error(other).to_string();
            }
            Refusal::Hidden => {
                "the kernel does not find it by its addresses: it is only bound, or another is \
                 bound alike"
            }
            Refusal::NoCookie => "read from /proc/net, which does not tell which socket it is",
            Refusal::NoNamespace => "its network namespace cannot be entered",
        };
        words.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_name_and_words() {
        let refusals = [
            Refusal::Errno(EPERM),
            Refusal::Errno(EOPNOTSUPP),
            Refusal::Errno(EINVAL),
            Refusal::Errno(12),
            Refusal::Hidden,
            Refusal::NoCookie,
            Refusal::NoNamespace,
        ];
        for refusal in refusals {
            assert!(!refusal.words().is_empty() && !Fate::Refused(refusal).is_good());
            assert_eq!(Fate::Refused(refusal).error(), Some(refusal.name()));
        }
        assert_eq!(Refusal::Errno(12).name(), "errno-12");
        assert_eq!(Fate::Gone.error().as_deref(), Some("ENOENT"));
        assert_eq!(Fate::Destroyed.error(), None);
        assert!(Fate::Gone.is_good() && Fate::Destroyed.is_good());
    }
}
