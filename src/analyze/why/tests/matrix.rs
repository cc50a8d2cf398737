//! What the kernel said to 192 binds, existing sockets by new ones.

use super::*;

const NEW: [&str; 12] = [
    "0.0.0.0:8080",
    "0.0.0.0:8080 ra",
    "0.0.0.0:8080 rp",
    "0.0.0.0:8080 ra rp",
    "127.0.0.1:8080",
    "127.0.0.1:8080 ra",
    "10.9.0.1:8080",
    "[::]:8080",
    "[::]:8080 ra",
    "[::]:8080 v6only",
    "[::1]:8080",
    "[::ffff:127.0.0.1]:8080",
];

/// One mark for each new socket: `x` where the kernel said EADDRINUSE. The past of a port is
/// nothing here.
#[track_caller]
fn row_of(existing: &Existing, expected: &str) {
    let mark = |query: &&str| {
        let mut answer = ask(query, std::slice::from_ref(existing));
        answer
            .assumptions
            .retain(|assumption| *assumption != Assumption::ReusePortHistory);
        assert_eq!(answer.assumptions, [], "{query}");
        match answer.outcome {
            Outcome::Free => '.',
            Outcome::Blocked | Outcome::Unknown => 'x',
        }
    };
    let marks: String = NEW.iter().map(mark).collect();
    assert_eq!(marks, expected);
}

#[test]
fn listeners() {
    row_of(&listener("0.0.0.0:8080"), "xxxxxxxxx..x");
    row_of(&listener("0.0.0.0:8080").with(ra), "xxxxxxxxx..x");
    row_of(&listener("0.0.0.0:8080").with(rp), "xx..xxxxx..x");
    row_of(&listener("127.0.0.1:8080").with(ra), "xxxxxx.xx..x");
    row_of(&listener("[::]:8080").with(ra), "xxxxxxxxxxxx");
    row_of(&listener("[::]:8080").with(v6only), ".......xxxx.");
    row_of(&listener("[::1]:8080").with(v6only), ".......xxxx.");
}

#[test]
fn bound_sockets() {
    row_of(&bound("0.0.0.0:8080"), "xxxxxxxxx..x");
    row_of(&bound("0.0.0.0:8080").with(ra), "x.x.x.xx...x");
}

#[test]
fn connections() {
    let accepted = established("127.0.0.1:8080", "127.0.0.1:40300");
    row_of(&accepted, "xxxxxx.xx..x");
    row_of(&accepted.with(ra), "x.x.x..x...x");
    row_of(
        &established("127.0.0.1:8080", "127.0.0.1:9100"),
        "xxxxxx.xx..x",
    );
    row_of(&established("[::1]:8080", "[::1]:9100"), "xxxx...xxxx.");
}

#[test]
fn time_wait_has_its_old_flags() {
    let left = time_wait("127.0.0.1:8080", "127.0.0.1:40300", 59_000);
    row_of(&left, "xxxxxx.xx..x");
    row_of(&left.clone().with(ra), "x.x.x..x...x");
    row_of(&left.with(rp), "xx..xx.xx..x");
}

#[test]
fn udp_does_not_meet_tcp() {
    row_of(&udp("0.0.0.0:8080"), "............");
}

#[test]
fn devices_that_differ_keep_sockets_apart() {
    let on =
        |interface| listener("0.0.0.0:8080").with(|existing| existing.socket.interface = interface);
    check("0.0.0.0:8080 dev", &[on(LOOPBACK)], "free");
    check("0.0.0.0:8080 dev", &[on(ETHERNET)], "EADDRINUSE listener");
    check("0.0.0.0:8080 dev", &[on(0)], "EADDRINUSE listener");
    check("0.0.0.0:8080", &[on(LOOPBACK)], "EADDRINUSE listener");
}

#[test]
fn ports_that_differ_keep_sockets_apart() {
    check("0.0.0.0:8080", &[listener("0.0.0.0:8081")], "free");
}

#[test]
fn reuse_port_is_for_one_user_and_time_wait_everybodys() {
    let group = listener("0.0.0.0:8080").with(rp);
    check("0.0.0.0:8080 rp", std::slice::from_ref(&group), "free");
    check("127.0.0.1:8080 rp", std::slice::from_ref(&group), "free");
    check(
        "0.0.0.0:8080 rp other",
        &[group],
        "EADDRINUSE reuseport-other-user",
    );
    let left = time_wait("127.0.0.1:8080", "127.0.0.1:40300", 59_000).with(rp);
    check("0.0.0.0:8080 rp other", &[left], "free");
    // FIN-WAIT-2 without an owner is kept in the same form.
    let closing = time_wait("127.0.0.1:8080", "127.0.0.1:40300", 59_000)
        .with(rp)
        .with(|existing| existing.socket.state = State::FinWait2);
    check("0.0.0.0:8080 rp other", &[closing], "free");
}

#[test]
fn half_open_requests_do_not_keep_the_port() {
    let request = row(State::SynRecv, "127.0.0.1:8080", "127.0.0.1:40300");
    check("0.0.0.0:8080", &[request.clone().with(orphan)], "free");
    check("0.0.0.0:8080", &[request], "EADDRINUSE connection-remains");
}

#[test]
fn udp_shares_by_either_flag() {
    let plain = udp("0.0.0.0:53");
    check(
        "127.0.0.1:53 udp root",
        std::slice::from_ref(&plain),
        "EADDRINUSE udp-socket",
    );
    check(
        "127.0.0.1:53 udp root ra",
        &[plain],
        "EADDRINUSE udp-socket",
    );
    check(
        "127.0.0.1:53 udp root ra",
        &[udp("0.0.0.0:53").with(ra)],
        "free",
    );
    check(
        "127.0.0.1:53 udp root rp",
        &[udp("0.0.0.0:53").with(rp)],
        "free",
    );
    check(
        "127.0.0.1:53 udp root rp other",
        &[udp("0.0.0.0:53").with(rp)],
        "EADDRINUSE reuseport-other-user",
    );
}

#[test]
fn an_ipv6_address_has_a_stand_in_of_ipv4_for_udp() {
    let client = udp("[::1]:40000").with(|existing| {
        existing.ends.peer = endpoint("[::1]:53");
        existing.socket.state = State::Established;
    });
    check(
        "127.0.0.6:40000 udp",
        std::slice::from_ref(&client),
        "EADDRINUSE udp-socket",
    );
    check("127.0.0.5:40000 udp", &[client], "free");
    let connection = established("[::1]:40000", "[::1]:443");
    check("127.0.0.6:40000", &[connection], "free");
}
