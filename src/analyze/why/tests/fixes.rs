//! What to do, the safest first.

use super::*;

#[track_caller]
fn check_fixes(query: &str, existing: &[Existing], expected: &[Fix]) {
    let answer = ask(query, existing);
    assert_eq!(answer.blockers[0].fixes, expected);
}

fn left() -> Existing {
    time_wait("127.0.0.1:8080", "127.0.0.1:40300", 41_000)
}

fn unread(existing: &mut Existing) {
    existing.flags = SocketFlags::default();
}

#[test]
fn reuse_address_is_advised_where_it_helps() {
    let expected = [Fix::ReuseAddress, Fix::Wait, Fix::Destroy];
    check_fixes("0.0.0.0:8080", &[left().with(ra)], &expected);
    let perhaps = [Fix::ReuseAddressPerhaps, Fix::Wait, Fix::Destroy];
    check_fixes("0.0.0.0:8080", &[left().with(unread)], &perhaps);
    check_fixes(
        "0.0.0.0:8080",
        &[left().with(ra), left().with(unread)],
        &perhaps,
    );
    let not = [Fix::Wait, Fix::Destroy];
    check_fixes("0.0.0.0:8080", &[left()], &not);
    check_fixes("0.0.0.0:8080", &[left().with(ra), left()], &not);
    check_fixes("0.0.0.0:8080 ra", &[left()], &not);
}

#[test]
fn reuse_address_helps_beside_whom_reuse_port_does_not() {
    let shared = udp("0.0.0.0:5353").with(ra).with(rp);
    let expected = [
        Fix::AnotherAddress,
        Fix::SameUser,
        Fix::StopOwner,
        Fix::ReuseAddress,
    ];
    check_fixes("0.0.0.0:5353 udp rp other", &[shared], &expected);
}

#[test]
fn reuse_address_is_never_advised_against_a_listener() {
    let all = [
        listener("0.0.0.0:8080").with(ra),
        left().with(ra),
        established("127.0.0.1:8080", "127.0.0.1:40300").with(unread),
        bound("127.0.0.2:8080").with(ra),
    ];
    let answer = ask("0.0.0.0:8080", &all);
    assert_eq!(answer.blockers.len(), 4);
    for blocker in &answer.blockers {
        assert!(!blocker.fixes.contains(&Fix::ReuseAddress));
        assert!(!blocker.fixes.contains(&Fix::ReuseAddressPerhaps));
    }
}

#[test]
fn a_listener_is_stopped_or_left_alone() {
    let stop = [Fix::AnotherAddress, Fix::StopOwner];
    check_fixes("0.0.0.0:8080", &[listener("127.0.0.1:8080")], &stop);
    // Either of the two families can be left to the other.
    let apart = [Fix::V6Only, Fix::AnotherAddress, Fix::StopOwner];
    check_fixes("0.0.0.0:8080", &[listener("[::]:8080")], &apart);
    check_fixes("[::]:8080", &[listener("0.0.0.0:8080")], &apart);
    check_fixes("[::]:8080", &[listener("[::]:8080")], &stop);
    check_fixes("[::1]:8080", &[listener("[::]:8080")], &stop);
}

#[test]
fn an_outgoing_connection_is_kept_from_coming_again() {
    let outgoing = || established("127.0.0.1:40003", "127.0.0.1:9000");
    let expected = [Fix::ReservePort, Fix::CloseConnection];
    check_fixes("0.0.0.0:40003", &[outgoing()], &expected);
    let reserved = Machine {
        ports: Some(settings(40000, 40019, &[40003])),
        ..machine()
    };
    let answer = predict(&bind("0.0.0.0:40003"), &[outgoing()], &reserved, None, true);
    assert_eq!(answer.blockers[0].fixes, [Fix::CloseConnection]);
    let to_itself = [established("127.0.0.1:40003", "127.0.0.1:40003")];
    check_fixes("0.0.0.0:40003", &to_itself, &expected);
    let left = time_wait("127.0.0.1:40003", "127.0.0.1:9000", 41_000);
    let waiting = [Fix::ReservePort, Fix::Wait, Fix::Destroy];
    check_fixes("0.0.0.0:40003", &[left], &waiting);
}

/// What the kernel never draws, the program has bound: it need not be reserved, and `-K` would
/// leave it bound.
#[test]
fn a_port_that_a_program_named_is_freed_by_its_end() {
    let outgoing = established("127.0.0.1:7000", "127.0.0.1:999");
    let answer = check(
        "0.0.0.0:7000",
        std::slice::from_ref(&outgoing),
        "EADDRINUSE outgoing-connection",
    );
    assert_eq!(answer.blockers[0].fixes, [Fix::StopOwner]);
    let closing = row(State::FinWait1, "127.0.0.1:7000", "127.0.0.1:999").with(orphan);
    let answer = ask("0.0.0.0:7000", &[closing]);
    assert_eq!(answer.blockers[0].fixes, [Fix::Wait, Fix::Destroy]);
    let unknown = Machine {
        ports: None,
        ..machine()
    };
    let answer = predict(&bind("0.0.0.0:7000"), &[outgoing], &unknown, None, true);
    let either = [Fix::ReservePort, Fix::CloseConnection];
    assert_eq!(answer.blockers[0].fixes, either);
}

/// Clients of a server that lives are nobody's to end.
#[test]
fn connections_of_a_listener_in_the_way_have_no_remedy_of_their_own() {
    let client = || established("127.0.0.1:8080", "127.0.0.1:40300");
    let waiting = || client().with(orphan);
    for listener in [listener("0.0.0.0:8080"), listener("[::]:8080")] {
        let answer = ask("0.0.0.0:8080", &[listener, client(), waiting()]);
        assert_eq!(answer.blockers.len(), 3);
        for blocker in &answer.blockers[1..] {
            assert_eq!(blocker.cause, Cause::ConnectionRemains);
            assert_eq!(blocker.fixes, []);
        }
    }
    // On another address he is not in the way, nor was it he who accepted it.
    let other = listener("127.0.0.2:8080");
    let answer = ask("127.0.0.1:8080", &[other, client()]);
    assert_eq!(answer.blockers[0].fixes, [Fix::CloseConnection]);
}

#[test]
fn what_remains_is_waited_for_or_ended() {
    let closing = row(State::FinWait1, "127.0.0.1:8080", "127.0.0.1:40300").with(orphan);
    check_fixes("0.0.0.0:8080", &[closing], &[Fix::Wait, Fix::Destroy]);
    let open = || established("127.0.0.1:8080", "127.0.0.1:40300");
    check_fixes("0.0.0.0:8080", &[open()], &[Fix::CloseConnection]);
    // Nobody accepted it, so that nobody can close it.
    check_fixes("0.0.0.0:8080", &[open().with(orphan)], &[Fix::Destroy]);
}

#[test]
fn udp_is_shared_last_of_all() {
    let dns = || udp("0.0.0.0:5300");
    let stop = [Fix::AnotherAddress, Fix::StopOwner];
    check_fixes("0.0.0.0:5300 udp", &[dns()], &stop);
    check_fixes("0.0.0.0:5300 udp", &[dns().with(unread)], &stop);
    check_fixes(
        "0.0.0.0:5300 udp",
        &[dns().with(ra)],
        &[Fix::AnotherAddress, Fix::StopOwner, Fix::ReuseAddress],
    );
    let both = [Fix::V6Only, Fix::AnotherAddress, Fix::StopOwner];
    check_fixes("0.0.0.0:5300 udp", &[udp("[::]:5300")], &both);
}
