//! The kernel's numbers of errors, which differ from one architecture to the next.

use crate::model::Refusal;

/// What an errno means.
pub const fn refusal(number: i32) -> Refusal {
    match number {
        libc::EADDRINUSE => Refusal::AddressInUse,
        libc::EADDRNOTAVAIL => Refusal::AddressNotAvailable,
        libc::EACCES => Refusal::AccessDenied,
        libc::EAGAIN => Refusal::TryAgain,
        libc::EINVAL => Refusal::Invalid,
        libc::ENODEV => Refusal::NoDevice,
        libc::ENETUNREACH => Refusal::NetworkUnreachable,
        libc::EHOSTUNREACH => Refusal::HostUnreachable,
        libc::EAFNOSUPPORT => Refusal::FamilyNotSupported,
        libc::EPERM => Refusal::NotPermitted,
        libc::ENOENT => Refusal::NotFound,
        libc::EOPNOTSUPP => Refusal::NotSupported,
        number => Refusal::Other(number),
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
            assert_eq!(refusal(number).name(), Some(name));
            assert_eq!(refusal(number).to_string(), name);
        }
        assert_eq!(refusal(i32::MAX), Refusal::Other(i32::MAX));
        assert_eq!(refusal(5).name(), None);
        assert_eq!(refusal(5).to_string(), "errno 5");
    }
}
