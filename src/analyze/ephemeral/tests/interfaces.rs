//! Counts for one socket, which is bound to an interface or to none.

use super::*;

const LOOPBACK: u32 = 1;
const ETHERNET: u32 = 2;

/// Twenty sockets on an interface, of which each may be a listener or a connection.
fn counted(asker: Option<Option<u32>>, interface: u32, make: impl Fn(u16) -> Socket) -> Ephemeral {
    let settings = settings(40000, 40019, &[]);
    let mut count = match asker {
        None => Ephemeral::new(settings),
        Some(asker) => Ephemeral::for_socket(settings, asker),
    };
    for port in 40000..40020 {
        count.add(&Socket {
            interface,
            ..make(port)
        });
    }
    count
}

fn key(kind: PoolKind, source: Option<&str>, destination: Option<Endpoint>) -> PoolKey {
    PoolKey {
        kind,
        source: source.map(|source| source.parse().unwrap()),
        destination,
    }
}

/// The most that may be free, to whom: nobody in particular, a socket without an interface, one on
/// the same, one on another.
#[track_caller]
fn check(make: impl Fn(u16) -> Socket, key: &PoolKey, expected: [u32; 4]) {
    let askers = [None, Some(None), Some(Some(LOOPBACK)), Some(Some(ETHERNET))];
    let free = askers.map(|asker| counted(asker, LOOPBACK, &make).pool(key).free_max);
    assert_eq!(free, expected, "{key:?}");
    // Without an interface it is everybody's.
    let free = askers.map(|asker| counted(asker, 0, &make).pool(key).free_max);
    assert_eq!(free, [0; 4], "{key:?}");
}

#[test]
fn bind_meets_what_has_no_interface_or_the_same_and_without_one_everything() {
    let expected = [0, 0, 0, 20];
    for addr in ["127.0.0.1", "0.0.0.0"] {
        let tcp = key(PoolKind::TcpBind, Some(addr), None);
        check(|port| listener("127.0.0.1", port), &tcp, expected);
        check(
            |port| established(("127.0.0.1", port), SERVER),
            &tcp,
            expected,
        );
        let datagrams = key(PoolKind::UdpBind, Some(addr), None);
        check(
            |port| udp(("127.0.0.1", port), ("0.0.0.0", 0)),
            &datagrams,
            expected,
        );
    }
    let unbound = key(PoolKind::UdpAutobind, None, None);
    check(
        |port| udp(("127.0.0.1", port), ("0.0.0.0", 0)),
        &unbound,
        expected,
    );
}

#[test]
fn connect_meets_its_like_and_every_listener() {
    let to = endpoint(SERVER.0, SERVER.1);
    let connect = key(PoolKind::TcpConnect, Some("127.0.0.1"), Some(to));
    let same = |port| established(("127.0.0.1", port), SERVER);
    check(same, &connect, [0, 20, 0, 20]);
    check(|port| listener("127.0.0.1", port), &connect, [0; 4]);
    // It may have been bound before it connected.
    let pool = counted(Some(None), LOOPBACK, same).pool(&connect);
    assert_eq!(pool.free_min, 0);
}

#[test]
fn who_has_the_ports_of_an_interface_is_on_it() {
    let held = |asker| {
        let make = |port| Socket {
            inode: 7,
            ..listener("127.0.0.1", port)
        };
        let count = counted(Some(asker), LOOPBACK, make);
        let key = key(PoolKind::TcpBind, Some("127.0.0.1"), None);
        count.sockets_in_way(&key, false).len()
    };
    assert_eq!(
        [None, Some(LOOPBACK), Some(ETHERNET)].map(held),
        [20, 20, 0]
    );
}
