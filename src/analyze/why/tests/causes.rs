//! What is told of those in the way.

use std::time::Duration;

use super::*;
use crate::model::Parent;

/// Held by a process of an ordinary server, or by one that merely inherited the socket.
fn held(serves: bool) -> Holding {
    let lineage = Lineage {
        parent: Some(Parent {
            pid: 811,
            comm: b"nginx".to_vec(),
            session: Some(810),
            ..Parent::default()
        }),
        group: 810,
        session: 810,
        close_on_exec: Some(false),
        runs_as_parent: Some(false),
        group_leader_lives: true,
        session_leader_lives: true,
        serves: Some(serves),
        ..Lineage::default()
    };
    Holding::By(vec![(812, lineage)])
}

fn held_by(holding: Holding) -> impl FnOnce(&mut Existing) {
    move |existing| existing.holding = holding
}

#[test]
fn wildcards_and_addresses_meet() {
    let on_loopback = [listener("127.0.0.1:8080")];
    check("0.0.0.0:8080", &on_loopback, "EADDRINUSE listener");
    check("10.9.0.1:8080", &on_loopback, "free");
}

#[test]
fn a_listener_on_both_families_is_told_as_such_to_ipv4() {
    let both = [listener("[::]:8080")];
    check("0.0.0.0:8080", &both, "EADDRINUSE dual-stack-listener");
    check("10.9.0.1:8080", &both, "EADDRINUSE dual-stack-listener");
    check("[::]:8080", &both, "EADDRINUSE listener");
    check(
        "0.0.0.0:8080",
        &[listener("[::]:8080").with(v6only)],
        "free",
    );
    check(
        "0.0.0.0:8080",
        &[listener("[::1]:8080").with(v6only)],
        "free",
    );
}

#[test]
fn bound_and_not_listening_is_named() {
    check(
        "0.0.0.0:8080",
        &[bound("0.0.0.0:8080").with(held_by(held(true)))],
        "EADDRINUSE bound-not-listening",
    );
}

#[test]
fn holders_decide_over_listeners_and_bound_sockets() {
    for make in [listener, bound] {
        let with = |holding| make("0.0.0.0:8080").with(held_by(holding));
        check(
            "0.0.0.0:8080",
            &[with(held(false))],
            "EADDRINUSE inherited-by-child",
        );
        check(
            "0.0.0.0:8080",
            &[with(Holding::Unheld)],
            "EADDRINUSE unheld",
        );
    }
    check(
        "0.0.0.0:4789 udp",
        &[udp("0.0.0.0:4789").with(held_by(Holding::Unheld))],
        "EADDRINUSE unheld",
    );
}

#[test]
fn time_wait_says_when_it_goes() {
    let left = time_wait("127.0.0.1:8080", "127.0.0.1:40300", 41_000);
    let answer = check(
        "0.0.0.0:8080",
        std::slice::from_ref(&left),
        "EADDRINUSE time-wait",
    );
    let frees_in = answer.blockers[0].frees_in;
    assert_eq!(frees_in, Some(Duration::from_secs(41)));
    let closing = left.with(|existing| existing.socket.state = State::FinWait2);
    let answer = check("0.0.0.0:8080", &[closing], "EADDRINUSE connection-remains");
    assert_eq!(answer.blockers[0].frees_in, frees_in);
}

#[test]
fn timers_that_are_set_again_say_nothing() {
    for (state, kind) in [
        (State::FinWait1, TimerKind::On),
        (State::FinWait2, TimerKind::Keepalive),
        (State::LastAck, TimerKind::On),
    ] {
        let closing = row(state, "127.0.0.1:8080", "127.0.0.1:40300")
            .with(orphan)
            .with(|existing| {
                existing.socket.timer = Some(Timer {
                    kind,
                    expires_ms: 200,
                    retransmits: 1,
                });
            });
        let answer = check("0.0.0.0:8080", &[closing], "EADDRINUSE connection-remains");
        assert_eq!(answer.blockers[0].frees_in, None);
    }
}

#[test]
fn who_called_whom_is_told_by_the_ports() {
    let cause = |local: &str, peer: &str| {
        let connection = established(local, peer);
        let port = connection.ends.local.port;
        let answer = ask(&format!("0.0.0.0:{port}"), &[connection]);
        answer.blockers[0].cause.name()
    };
    // Twenty ports from 40000 on are drawn here.
    assert_eq!(
        cause("127.0.0.1:40003", "127.0.0.1:9000"),
        "outgoing-connection"
    );
    assert_eq!(
        cause("127.0.0.1:8080", "127.0.0.1:40003"),
        "connection-remains"
    );
    assert_eq!(
        cause("127.0.0.1:8080", "10.0.0.1:50000"),
        "connection-remains"
    );
    assert_eq!(
        cause("10.9.0.1:50000", "10.0.0.1:5432"),
        "outgoing-connection"
    );
    assert_eq!(
        cause("10.9.0.1:40003", "10.0.0.1:40001"),
        "outgoing-connection"
    );
    assert_eq!(cause("127.0.0.1:45000", "127.0.0.1:45000"), "self-connect");
}

#[test]
fn who_called_whom_is_told_by_states_before_ports() {
    let begun = row(State::SynSent, "10.9.0.1:8080", "10.0.0.1:50000");
    check("0.0.0.0:8080", &[begun], "EADDRINUSE outgoing-connection");
    // It waits for somebody to accept it.
    let came = established("10.9.0.1:40003", "10.0.0.1:443").with(orphan);
    check("0.0.0.0:40003", &[came], "EADDRINUSE connection-remains");
}

#[test]
fn whoever_has_the_listener_comes_before_its_connections() {
    let connection = established("127.0.0.1:8080", "127.0.0.1:40003");
    for serves in [true, false] {
        let listener = listener("0.0.0.0:8080").with(held_by(held(serves)));
        let first = if serves {
            "listener"
        } else {
            "inherited-by-child"
        };
        check(
            "0.0.0.0:8080",
            &[connection.clone(), listener],
            &format!("EADDRINUSE {first} connection-remains"),
        );
    }
}

#[test]
fn connections_of_a_listener_are_its_own() {
    for place in ["0.0.0.0:40003", "127.0.0.1:40003", "[::]:40003"] {
        let connection = established("127.0.0.1:40003", "127.0.0.1:9000");
        let answer = ask("127.0.0.1:40003", &[connection, listener(place)]);
        let causes: Vec<_> = answer
            .blockers
            .iter()
            .map(|blocker| blocker.cause)
            .collect();
        assert_eq!(causes[1], Cause::ConnectionRemains, "{place}");
        assert_eq!(answer.blockers[0].socket, Some(1));
    }
}

#[test]
fn a_listener_on_the_peers_port_was_called() {
    let mut ports = Ephemeral::new(settings(40000, 40019, &[]));
    ports.add(&listener("0.0.0.0:50000").socket);
    let connection = [established("127.0.0.1:8080", "127.0.0.1:50000")];
    let query = bind("0.0.0.0:8080");
    let told = predict(&query, &connection, &machine(), Some(&ports), true);
    assert_eq!(told.blockers[0].cause, Cause::OutgoingConnection);
    let untold = predict(&query, &connection, &machine(), None, true);
    assert_eq!(untold.blockers[0].cause, Cause::ConnectionRemains);
}

#[test]
fn an_outgoing_ipv6_connection_keeps_the_ipv4_wildcard_away() {
    let outgoing = [established("[::1]:40003", "[::1]:9000")];
    let answer = check("0.0.0.0:40003", &outgoing, "EADDRINUSE outgoing-connection");
    assert!(answer.blockers[0].fixes.contains(&Fix::SpecificAddress));
    check("127.0.0.1:40003", &outgoing, "free");
}

#[test]
fn all_are_told_servers_first() {
    check(
        "0.0.0.0:8080",
        &[
            time_wait("127.0.0.1:8080", "127.0.0.1:40300", 41_000),
            established("127.0.0.1:8080", "127.0.0.1:40301"),
            bound("127.0.0.2:8080"),
            listener("127.0.0.1:8080"),
        ],
        "EADDRINUSE listener bound-not-listening connection-remains time-wait",
    );
}

#[test]
fn a_group_is_told_as_such() {
    let member = || listener("0.0.0.0:8080").with(rp);
    let group = "EADDRINUSE reuseport-group reuseport-group";
    check("0.0.0.0:8080", &[member(), member()], group);
    check("0.0.0.0:8080", &[member()], "EADDRINUSE listener");
}

#[test]
fn notes_tell_what_comes_of_sharing() {
    let notes = |query, existing: &[Existing]| ask(query, existing).notes;
    let shared = [bound("0.0.0.0:8080").with(ra)];
    assert_eq!(
        notes("0.0.0.0:8080 ra", &shared),
        [Note::ListenMayFail { socket: 0 }]
    );
    let member = || listener("0.0.0.0:8080").with(rp);
    assert_eq!(
        notes("0.0.0.0:8080 rp", &[member(), member()]),
        [Note::JoinsGroup { members: 2 }]
    );
    assert_eq!(
        notes("0.0.0.0:5353 udp ra", &[udp("0.0.0.0:5353").with(ra)]),
        [Note::TakesDatagrams { socket: 0 }]
    );
    // The closer address goes on receiving; and of many, everybody gets a copy.
    assert_eq!(
        notes("0.0.0.0:5353 udp ra", &[udp("127.0.0.1:5353").with(ra)]),
        []
    );
    assert_eq!(
        notes("224.0.0.251:5353 udp ra", &[udp("0.0.0.0:5353").with(ra)]),
        []
    );
    assert_eq!(notes("0.0.0.0:40003", &[]), [Note::DrawnByKernel]);
    let reserved = Machine {
        ports: Some(settings(40000, 40019, &[40003])),
        ..machine()
    };
    let answer = predict(&bind("0.0.0.0:40003"), &[], &reserved, None, true);
    assert_eq!(answer.notes, [Note::Reserved]);
}
