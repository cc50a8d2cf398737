//! The kernel's numbers of errors, which differ from one architecture to the next.

use crate::model::Errno;

/// What an errno means.
pub const fn errno(number: i32) -> Errno {
    match number {
        libc::EADDRINUSE => Errno::AddressInUse,
        libc::EADDRNOTAVAIL => Errno::AddressNotAvailable,
        libc::EACCES => Errno::AccessDenied,
        libc::EAGAIN => Errno::TryAgain,
        libc::EINVAL => Errno::Invalid,
        libc::ENODEV => Errno::NoDevice,
        libc::ENETUNREACH => Errno::NetworkUnreachable,
        libc::EHOSTUNREACH => Errno::HostUnreachable,
        libc::EAFNOSUPPORT => Errno::FamilyNotSupported,
        libc::EPERM => Errno::NotPermitted,
        libc::ENOENT => Errno::NotFound,
        libc::EOPNOTSUPP => Errno::NotSupported,
        number => Errno::Other(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_is_known_has_its_own_name() {
        for (number, name) in [
            (libc::EADDRINUSE, "EADDRINUSE"),
            (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
            (libc::EACCES, "EACCES"),
            (libc::EAGAIN, "EAGAIN"),
            (libc::EINVAL, "EINVAL"),
            (libc::ENODEV, "ENODEV"),
            (libc::ENETUNREACH, "ENETUNREACH"),
            (libc::EHOSTUNREACH, "EHOSTUNREACH"),
            (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
            (libc::EPERM, "EPERM"),
            (libc::ENOENT, "ENOENT"),
            (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        ] {
            assert_eq!(errno(number).name(), Some(name));
            assert_eq!(errno(number).to_string(), name);
        }
        assert_eq!(errno(i32::MAX), Errno::Other(i32::MAX));
        assert_eq!(errno(5).name(), None);
        assert_eq!(errno(5).to_string(), "errno 5");
    }
}
