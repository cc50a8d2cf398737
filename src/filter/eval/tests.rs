//! What is said of sockets.

use super::*;
use crate::filter::{Known, parse};
use crate::model::{
    Details, Ends, Holder, Namespace, NetlinkEnds, Owners, PacketEnds, Processes, Protocol, Queues,
    SocketKind, State, UnixEnds,
};

fn socket(local: &str, peer: &str) -> Socket {
    let endpoint = |text: &str| {
        let addr: std::net::SocketAddr = text.parse().unwrap();
        Endpoint {
            addr: addr.ip(),
            port: addr.port(),
        }
    };
    Socket {
        protocol: Protocol::Tcp,
        state: State::Established,
        v6only: None,
        ends: Ends::inet(endpoint(local), endpoint(peer)),
        interface: 0,
        queues: Queues::Bytes {
            unread: 0,
            unacknowledged: 0,
        },
        timer: None,
        uid: 0,
        inode: 1,
        cookie: 1,
        netns: 0,
    }
}

/// Insists on what is said of a connection of www-data's in namespace `blue`.
#[track_caller]
fn check(filter: &str, expected: bool) {
    let condition = parse(filter, &Known).unwrap().condition.unwrap();
    let socket = Socket {
        uid: 33,
        inode: 99,
        interface: 2,
        ..socket("127.0.0.1:40000", "[::ffff:10.1.2.3]:443")
    };
    let details = Details {
        mark: Some(0x15),
        cgroup: Some(77),
        ..Details::default()
    };
    let namespace = Namespace {
        inode: Some(4_026_532_000),
        ..Namespace::default()
    };
    let row = Row {
        details: Some(&details),
        namespace: Some(&namespace),
        ..Row::bare(&socket)
    };
    assert_eq!(condition.holds(&row), expected, "{filter}");
}

#[test]
fn ports() {
    check("sport = 40000", true);
    check("sport != 40000", false);
    check("dport >= 443 and dport <= 443", true);
    check("dport > 443 or dport < 443", false);
    check("not dport = 80", true);
}

#[test]
fn addresses() {
    check("src 127.0.0.0/8", true);
    check("src 127.0.0.1:40000", true);
    check("src 127.0.0.1:40001", false);
    check("src 128.0.0.0/1", false);
    check("src 0.0.0.0/0", true);
    check("dst :443", true);
    check("dst *:443", true);
    check("dst != 10.1.2.3", false);
    check("src ::/0", false);
    check("dst ::/0", true);
    check("src inet:127.0.0.1", true);
    check("dst inet6:::ffff:10.1.2.3", false);
}

#[test]
fn a_v4_rule_matches_v4_mapped() {
    check("dst 10.0.0.0/8", true);
    check("dst 11.0.0.0/8", false);
    check("dst ::ffff:10.1.2.3", true);
    check("dst [::ffff:10.1.2.3]:443", true);
}

#[test]
fn what_a_socket_tells_of_itself() {
    check("dev = eth0", true);
    check("dev 2", true);
    check("dev != 2", false);
    check("dev = 0x3", false);
    check("fwmark = 0x15", true);
    check("fwmark 21", true);
    check("fwmark = 0x5/0xf", true);
    check("fwmark != 025", false);
    check("fwmark = 5", false);
    check("cgroup = '/a b'", true);
    check("cgroup != '/a b'", false);
    check("uid = 33 and uid < 34 and uid >= 33", true);
    check("uid > 33 or uid != 33", false);
    check("user = www-data and user 33", true);
    check("user != www-data", false);
    check("inode = 99 inode > 98 inode != 0", true);
    check("netns = blue and netns 4026532000", true);
    check("netns != blue or netns = 4026531840", false);
    check("dev = veth0", true);
    check("netns != blue or dev != veth0", false);
    check("autobound", true);
    check("sport = * and dport = :*", true);
    check("sport != *", false);
}

/// Insists on what is said of a socket that two processes hold.
#[track_caller]
fn check_owned(filter: &str, expected: bool) {
    let process = |comm: &str, unit: &str, container: &str| Process {
        comm: comm.into(),
        unit: Some(unit.into()),
        containers: vec![b"outer".into(), container.into()],
        ..Process::default()
    };
    let id = "0a".repeat(32);
    let processes = Processes::from([
        (7, process("nginx", "nginx.service", &id)),
        (9, process("prometheus-node", "user@1000.service", "web")),
    ]);
    let holders = [(7, 3), (9, 4)].map(|(pid, fd)| Holder { pid, fd });
    let socket = socket("127.0.0.1:80", "127.0.0.1:4000");
    let row = Row {
        owners: Owners::Known {
            holders: &holders,
            processes: &processes,
        },
        ..Row::bare(&socket)
    };
    let condition = parse(filter, &Known).unwrap().condition.unwrap();
    assert_eq!(condition.holds(&row), expected, "{filter}");
    assert!(!condition.holds(&Row::bare(&socket)) || filter.contains('!'));
}

#[test]
fn sockets_without_addresses_have_no_ports() {
    let process = Process {
        comm: b"dbus-daemon".to_vec(),
        ..Process::default()
    };
    let processes = Processes::from([(7, process)]);
    let holders = [Holder { pid: 7, fd: 3 }];
    let owners = Owners::Known {
        holders: &holders,
        processes: &processes,
    };
    let unix = Ends::Unix(UnixEnds {
        kind: SocketKind::Stream,
        name: None,
        peer: 443,
    });
    let packet = Ends::Packet(PacketEnds {
        kind: SocketKind::Raw,
        protocol: 3,
    });
    let netlink = Ends::Netlink(NetlinkEnds {
        protocol: 0,
        port: 443,
        peer: None,
    });
    for (protocol, ends) in [
        (Protocol::Unix, unix),
        (Protocol::Packet, packet),
        (Protocol::Netlink, netlink),
    ] {
        let socket = Socket {
            protocol,
            ends,
            uid: 33,
            inode: 99,
            interface: 2,
            ..socket("127.0.0.1:40000", "10.1.2.3:443")
        };
        let row = Row {
            owners,
            ..Row::bare(&socket)
        };
        for (filter, expected) in [
            (
                "sport = 443 or dport = 443 or sport >= 0 or dport <= 65535",
                false,
            ),
            (
                "src 0.0.0.0/0 or dst 0.0.0.0/0 or src ::/0 or dst ::/0",
                false,
            ),
            ("src :443 or dst :443 or src any or dst any", false),
            ("src inet:any or src inet6:any or autobound", false),
            ("not sport = 443 and not dst 10.1.2.3", true),
            ("pid = 7 and comm = dbus-daemon", true),
            ("pid = 8 or comm = nginx", false),
            ("user = www-data and uid = 33 and inode = 99", true),
            ("dev = eth0 and fwmark = 0", true),
        ] {
            let condition = parse(filter, &Known).unwrap().condition.unwrap();
            assert_eq!(condition.holds(&row), expected, "{protocol}: {filter}");
        }
    }
}

#[test]
fn one_owner_of_several_is_enough() {
    check_owned("pid = 7", true);
    check_owned("pid = 8", false);
    check_owned("pid != 7", false);
    check_owned("pid != 8", true);
    check_owned("pid > 8 and pid < 8", true);
    check_owned("pid = 7 and comm = prometheus-node", true);
    check_owned("comm = ngin", false);
    check_owned("comm = prometheus-node-exporter", true);
    check_owned("comm = nginx-worker", false);
    check_owned("unit = nginx.service and unit = nginx", true);
    check_owned("unit = user@1000", true);
    check_owned("unit = ngin", false);
    check_owned("container = 0a0a0a0a0a0a and container = 0", true);
    check_owned("container = outer container = web", true);
    check_owned("container = we", false);
    check_owned("container != web", false);
}

#[test]
fn what_is_not_known_passes_no_test() {
    // TIME-WAIT, of which the kernel keeps neither user nor inode.
    let left = Socket {
        inode: 0,
        ..socket("127.0.0.1:80", "127.0.0.1:4000")
    };
    for (filter, expected) in [
        ("uid = 0", false),
        ("uid != 0", true),
        ("uid >= 0", false),
        ("user = 0", false),
        ("inode = 0", true),
        ("cgroup = '/a b'", false),
        ("netns = blue", false),
        ("netns != blue", true),
        ("fwmark = 0", true),
        ("fwmark = 1", false),
        ("autobound", false),
    ] {
        let condition = parse(filter, &Known).unwrap().condition.unwrap();
        assert_eq!(condition.holds(&Row::bare(&left)), expected, "{filter}");
    }
}

#[test]
fn the_kernel_knows_better_who_chose_a_port() {
    let condition = parse("autobound", &Known).unwrap().condition.unwrap();
    for (port, told, expected) in [
        (40000, None, true),
        (40000, Some(true), true),
        (40000, Some(false), false),
        (80, None, false),
    ] {
        let socket = socket(&format!("127.0.0.1:{port}"), "10.0.0.1:80");
        let details = Details {
            autobound: told,
            ..Details::default()
        };
        let row = Row {
            details: Some(&details),
            ..Row::bare(&socket)
        };
        assert_eq!(condition.holds(&row), expected, "{port} {told:?}");
    }
}
