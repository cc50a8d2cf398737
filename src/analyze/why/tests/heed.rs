//! The kernel has the last word.

use super::*;

#[track_caller]
fn check(query: &str, existing: &[Existing], heard: Heard, agrees: bool, expected: &str) -> Answer {
    let mut answer = ask(query, existing);
    assert_eq!(
        heed(&mut answer, heard, &machine(), None),
        agrees,
        "{query}"
    );
    assert_eq!(summary(&answer), expected, "{query}");
    answer
}

const fn heard(said: Result<(), Errno>, with: Option<Outcome>) -> Heard {
    Heard {
        call: Call::Bind,
        said,
        with_reuse_address: with,
    }
}

const IN_USE: Result<(), Errno> = Err(Errno::AddressInUse);

#[test]
fn what_was_assumed_is_known_then() {
    let old = [bound("0.0.0.0:8080").with(|one| one.flags = SocketFlags::default())];
    let says = |with| heard(IN_USE, Some(with));
    let blocked = "EADDRINUSE bound-not-listening";
    let free = check("0.0.0.0:8080", &old, says(Outcome::Free), true, blocked);
    assert_eq!(free.with_reuse_address, Some(Outcome::Free));
    assert_eq!(free.blockers[0].fixes[0], Fix::ReuseAddress);
    let taken = check("0.0.0.0:8080", &old, says(Outcome::Blocked), true, blocked);
    assert_eq!(taken.with_reuse_address, Some(Outcome::Blocked));
    let advised = |fix: &Fix| matches!(fix, Fix::ReuseAddress | Fix::ReuseAddressPerhaps);
    assert!(!taken.blockers[0].fixes.iter().any(advised));
}

#[test]
fn what_was_foretold_gives_way() {
    let listening = [listener("0.0.0.0:8080")];
    check(
        "0.0.0.0:8080",
        &listening,
        heard(Ok(()), None),
        false,
        "free",
    );
    for (query, errno, expected) in [
        ("0.0.0.0:8080", Errno::AddressInUse, "EADDRINUSE unseen"),
        ("0.0.0.0:8080", Errno::NotPermitted, "EPERM unseen"),
        (
            "127.0.0.1:8080",
            Errno::AddressNotAvailable,
            "EADDRNOTAVAIL address-not-local",
        ),
        (
            "0.0.0.0:80 root",
            Errno::AccessDenied,
            "EACCES privileged-port",
        ),
        // Some rule of the kernel's, of which nothing else is known.
        ("0.0.0.0:8080", Errno::AccessDenied, "EACCES unseen"),
        ("0.0.0.0:8080", Errno::Invalid, "EINVAL unseen"),
    ] {
        check(query, &[], heard(Err(errno), None), false, expected);
    }
    let drawn = heard(IN_USE, None);
    check(
        "127.0.0.1:0",
        &[],
        drawn,
        false,
        "EADDRINUSE ephemeral-exhausted",
    );
    let nameless = check(
        "0.0.0.0:8080",
        &[],
        heard(Err(Errno::Other(5)), None),
        false,
        "errno 5 unseen",
    );
    assert_eq!(nameless.errno, Some(Errno::Other(5)));
}

#[test]
fn what_decides_otherwise_than_was_foretold_is_told_alone() {
    let old = [listener("0.0.0.0:80")];
    check(
        "0.0.0.0:80",
        &old,
        heard(IN_USE, None),
        false,
        "EADDRINUSE listener",
    );
}
