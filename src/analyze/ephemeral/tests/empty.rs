//! Pools in which no port is left.

use std::time::Duration;

use super::*;

fn held(inode: u64, socket: Socket) -> Socket {
    Socket { inode, ..socket }
}

fn key(kind: PoolKind, source: Option<&str>, to: Option<(&str, u16)>) -> PoolKey {
    PoolKey {
        kind,
        source: source.map(|source| source.parse().unwrap()),
        destination: to.map(|to| endpoint(to.0, to.1)),
    }
}

fn connects(source: &str) -> PoolKey {
    key(PoolKind::TcpConnect, Some(source), Some(SERVER))
}

#[track_caller]
fn check_in_way(count: &Ephemeral, key: PoolKey, v6only: bool, expected: &[u64]) {
    let mut found: Vec<u64> = count
        .sockets_in_way(&key, v6only)
        .into_iter()
        .map(|(inode, _)| inode)
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{key:?}");
}

#[test]
fn whoever_has_one_of_its_ports_is_in_the_way() {
    let mut count = twenty();
    count.add(&held(1, established(("127.0.0.1", 40000), SERVER)));
    // On a port of its own others change nothing.
    count.add(&held(2, established(("127.0.0.9", 40000), SERVER)));
    count.add(&held(3, established(("127.0.0.9", 40002), SERVER)));
    count.add(&held(4, listener("::1", 40004)));
    check_in_way(&count, connects("127.0.0.1"), false, &[1, 3, 4]);
    check_in_way(&count, connects("127.0.0.9"), false, &[2, 3, 4]);
    let all = key(PoolKind::TcpConnect, None, None);
    check_in_way(&count, all, false, &[1, 2, 3, 4]);
}

#[test]
fn a_wildcard_meets_every_address_of_its_families() {
    let mut count = twenty();
    count.add(&held(1, established(("127.0.0.1", 40000), SERVER)));
    count.add(&held(2, listener("::1", 40001)));
    count.add(&held(3, listener("::", 40002)));
    count.add(&held(4, udp(("127.0.0.1", 40000), SERVER)));
    let bind = |source| key(PoolKind::TcpBind, Some(source), None);
    check_in_way(&count, bind("0.0.0.0"), false, &[1, 3]);
    check_in_way(&count, bind("::"), false, &[1, 2, 3]);
    check_in_way(&count, bind("::"), true, &[2, 3]);
    check_in_way(&count, bind("127.0.0.9"), false, &[3]);
    check_in_way(&count, key(PoolKind::UdpAutobind, None, None), false, &[4]);
}

/// The milliseconds until a port is free, the sockets being all there are.
#[track_caller]
fn check_first_free(reuse: Reuse, key: PoolKey, sockets: &[Socket], expected: Option<u64>) {
    let reuse = TimeWaitReuse {
        reuse,
        ..TimeWaitReuse::DEFAULT
    };
    let mut count = Ephemeral::new(settings(40000, 40019, &[]).with_reuse(reuse));
    sockets.iter().for_each(|socket| count.add(socket));
    let mut first = count.first_free(&key, false);
    sockets.iter().for_each(|socket| first.add(socket));
    assert_eq!(first.within(), expected.map(Duration::from_millis));
    assert!(first.is_any() || expected.is_none());
}

#[test]
fn the_first_port_is_free_when_the_oldest_goes() {
    let waits = |port, age| time_wait(("127.0.0.1", port), SERVER, age);
    let sockets = [waits(40000, 100), waits(40002, 500)];
    check_first_free(Reuse::Never, connects("127.0.0.1"), &sockets, Some(59_500));
    // After a second a connect takes it over, and bind does not.
    check_first_free(Reuse::Loopback, connects("127.0.0.1"), &sockets, Some(501));
    let bind = key(PoolKind::TcpBind, Some("127.0.0.1"), None);
    check_first_free(Reuse::Always, bind, &sockets, Some(59_500));
    // Others' are of no use.
    check_first_free(Reuse::Never, connects("127.0.0.9"), &sockets, None);
    let udp = key(PoolKind::UdpBind, Some("127.0.0.1"), None);
    check_first_free(Reuse::Never, udp, &sockets, None);
}

#[test]
fn a_port_that_somebody_else_has_too_is_not_free_then() {
    let waits = |age| time_wait(("127.0.0.1", 40000), SERVER, age);
    let other = established(("127.0.0.1", 40000), ("127.0.0.1", 9001));
    let listens = listener("::1", 40000);
    let bind = key(PoolKind::TcpBind, Some("127.0.0.1"), None);
    check_first_free(Reuse::Never, bind, &[waits(5), other], None);
    check_first_free(Reuse::Never, bind, &[waits(5), listens], Some(59_995));
    let connect = connects("127.0.0.1");
    check_first_free(Reuse::Never, connect, &[waits(5), other], Some(59_995));
    check_first_free(Reuse::Never, connect, &[waits(5), listens], None);
    // The last of several counts, and of one nobody knows.
    let last = time_wait(("127.0.0.1", 40000), ("127.0.0.1", 9001), 1);
    check_first_free(Reuse::Never, bind, &[waits(5), last], Some(59_999));
    let untold = Socket {
        timer: None,
        ..waits(5)
    };
    let mut count = twenty();
    count.add(&untold);
    let mut first = count.first_free(&connect, false);
    first.add(&untold);
    assert_eq!(first.within(), None);
}
