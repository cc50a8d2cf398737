//! What is said where flags could not be read.

use super::*;

fn unread(existing: &mut Existing) {
    existing.flags = SocketFlags::default();
}

/// The answer, and with SO_REUSEADDR: `null` where that is not known.
#[track_caller]
fn check_with_reuse(query: &str, existing: &[Existing], expected: &str, with: &str) -> Answer {
    let answer = check(query, existing, expected);
    let with_reuse = answer.with_reuse_address.map_or("null", Outcome::name);
    assert_eq!(with_reuse, with, "{query} with SO_REUSEADDR");
    answer
}

fn left() -> Existing {
    time_wait("127.0.0.1:8080", "127.0.0.1:40300", 41_000)
}

#[test]
fn a_plain_query_needs_no_flag() {
    for existing in [listener("0.0.0.0:8080"), left(), bound("0.0.0.0:8080")] {
        let blind = ask("0.0.0.0:8080", &[existing.clone().with(unread)]);
        assert!(blind.outcome == Outcome::Blocked && blind.assumptions.is_empty());
    }
}

#[test]
fn with_reuse_address_is_told_where_it_does_not_hang_on_a_flag() {
    let blocked = "EADDRINUSE time-wait";
    check_with_reuse("0.0.0.0:8080", &[left()], blocked, "blocked");
    check_with_reuse("0.0.0.0:8080", &[left().with(ra)], blocked, "free");
    check_with_reuse("0.0.0.0:8080", &[left().with(unread)], blocked, "null");
    check_with_reuse("0.0.0.0:8080", &[], "free", "free");
    // A listener needs no flags, whatever else is there.
    check_with_reuse(
        "0.0.0.0:8080",
        &[listener("0.0.0.0:8080").with(unread), left().with(unread)],
        "EADDRINUSE listener time-wait",
        "blocked",
    );
    // It was asked for already.
    check_with_reuse("0.0.0.0:8080 ra", &[], "free", "null");
}

#[test]
fn an_unread_flag_is_taken_for_unset_and_said() {
    let answer = check(
        "0.0.0.0:8080 ra",
        &[left().with(unread)],
        "unknown time-wait assumed",
    );
    assert_eq!(answer.assumptions, [Assumption::ReuseAddressUnread]);
    // A client has no such flag as a rule.
    let drew = time_wait("127.0.0.1:40003", "127.0.0.1:443", 41_000).with(unread);
    let answer = check("0.0.0.0:40003 ra", &[drew], "EADDRINUSE time-wait assumed");
    assert_eq!(
        answer.assumptions,
        [Assumption::NoReuseAddress { socket: 0 }]
    );
    assert_eq!(answer.blockers[0].fixes[0], Fix::Probe);
    let answer = check(
        "0.0.0.0:8080 rp",
        &[listener("0.0.0.0:8080").with(unread)],
        "EADDRINUSE listener assumed",
    );
    let no_port = Assumption::NoReusePort { socket: 0 };
    assert!(answer.assumptions.contains(&no_port));
    // Another user could not join whatever the flag.
    check(
        "0.0.0.0:8080 rp other",
        &[listener("0.0.0.0:8080").with(unread)],
        "EADDRINUSE listener",
    );
}

#[test]
fn nothing_is_assumed_beside_what_is_sure() {
    let answer = check(
        "0.0.0.0:8080 ra",
        &[left().with(unread), listener("127.0.0.1:8080")],
        "EADDRINUSE listener time-wait",
    );
    assert_eq!(answer.blockers[0].socket, Some(1));
}

#[test]
fn v6only_matters_where_ipv4_is_asked_for() {
    let any = || listener("[::]:8080").with(unread);
    let answer = check(
        "0.0.0.0:8080",
        &[any()],
        "EADDRINUSE dual-stack-listener assumed",
    );
    assert_eq!(answer.assumptions, [Assumption::NotV6Only { socket: 0 }]);
    assert_eq!(answer.with_reuse_address, None);
    check("[::1]:8080", &[any()], "EADDRINUSE listener");
    // Bind of one address made it refuse IPv4; a connection may have either.
    check(
        "0.0.0.0:8080",
        &[listener("[::1]:8080").with(unread)],
        "free",
    );
    let connection = established("[::1]:8080", "[::1]:443").with(unread);
    check(
        "0.0.0.0:8080",
        std::slice::from_ref(&connection),
        "EADDRINUSE outgoing-connection assumed",
    );
    check("127.0.0.1:8080", &[connection], "free");
}

#[test]
fn a_connection_refuses_ipv4_as_its_listener_does() {
    let accepted = || established("[::1]:8080", "[::1]:40300").with(unread);
    for at in ["[::]:8080", "[::1]:8080"] {
        let only = listener(at).with(v6only);
        let answer = check(
            "0.0.0.0:8080",
            &[accepted(), only, accepted()],
            "free assumed",
        );
        assert_eq!(answer.assumptions, [Assumption::V6OnlyAsListener]);
        assert_eq!(answer.with_reuse_address, None);
    }
    // Of that one it is not known either, and of others it says nothing.
    let unknown = listener("[::]:8080").with(unread);
    let blocked = "EADDRINUSE dual-stack-listener connection-remains assumed";
    check("0.0.0.0:8080", &[accepted(), unknown], blocked);
    let elsewhere = listener("[2001:db8::1]:8080").with(v6only);
    let blocked = "EADDRINUSE connection-remains assumed";
    check("0.0.0.0:8080", &[accepted(), elsewhere], blocked);
    // What is known of the connection itself counts, and so does who is surely in the way.
    let dual = accepted().with(|one| one.flags.v6only = Some(false));
    let only = listener("[::]:8080").with(v6only);
    check(
        "0.0.0.0:8080",
        &[dual, only.clone()],
        "EADDRINUSE connection-remains",
    );
    check(
        "0.0.0.0:8080",
        &[accepted(), only, listener("127.0.0.1:8080")],
        "EADDRINUSE listener",
    );
}

#[test]
fn several_on_one_address_have_reuse_port() {
    let member = || listener("0.0.0.0:8080").with(unread);
    check("0.0.0.0:8080 rp", &[member(), member()], "free");
    check(
        "0.0.0.0:8080",
        &[member(), member()],
        "EADDRINUSE reuseport-group reuseport-group",
    );
}

#[test]
fn the_past_of_a_port_is_told_where_it_may_matter() {
    let history = |query, existing: &[Existing]| {
        let assumptions = ask(query, existing).assumptions;
        assumptions.contains(&Assumption::ReusePortHistory)
    };
    assert!(history("0.0.0.0:8080 rp", &[bound("127.0.0.1:8080")]));
    assert!(!history("0.0.0.0:8080", &[bound("127.0.0.1:8080")]));
    assert!(!history("0.0.0.0:8080 rp", &[]));
    // Whoever listens there has wiped it out, for the addresses that he has.
    assert!(!history("127.0.0.1:8080 rp", &[listener("127.0.0.1:8080")]));
    assert!(!history("127.0.0.1:8080 rp", &[listener("0.0.0.0:8080")]));
    assert!(!history("0.0.0.0:8080 rp", &[listener("0.0.0.0:8080")]));
    assert!(!history("[::]:8080 rp", &[listener("[::]:8080")]));
    assert!(history("0.0.0.0:8080 rp", &[listener("127.0.0.1:8080")]));
    assert!(history("[::]:8080 rp", &[listener("0.0.0.0:8080")]));
    let only = [listener("[::]:8080").with(v6only)];
    assert!(history("[::]:8080 rp", &only));
    assert!(!history("[::]:8080 rp v6only", &only));
    // UDP stops at the first of a group that it finds.
    let plain = || udp("127.0.0.1:8080").with(ra);
    let member = || udp("0.0.0.0:8080").with(ra).with(rp);
    assert!(!history("0.0.0.0:8080 udp rp", &[plain()]));
    assert!(history("0.0.0.0:8080 udp rp", &[plain(), member()]));
}

#[test]
fn what_was_not_seen_may_be_in_the_way() {
    let answer = predict(&bind("0.0.0.0:8080"), &[], &machine(), None, false);
    assert_eq!(summary(&answer), "free assumed");
    assert_eq!(answer.assumptions, [Assumption::SocketsUnseen]);
    let existing = [listener("0.0.0.0:8080")];
    let answer = predict(&bind("0.0.0.0:8080"), &existing, &machine(), None, false);
    assert_eq!(summary(&answer), "EADDRINUSE listener");
}
