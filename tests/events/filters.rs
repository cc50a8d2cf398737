//! Filters, over what is announced and what was known before.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

use crate::sockets::connection;
use crate::stream::Stream;
use crate::support::holder::Holder;
use crate::support::namespace::in_namespace;
use crate::support::portstat::run;

#[test]
fn by_the_port_of_the_other_end() {
    in_namespace(|| {
        let stream = Stream::of(&["dport = :443", "or", "sport = :1"]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 443)).unwrap();
        let clients: Vec<TcpStream> = (0..2)
            .map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
            .collect();
        drop(connection(Ipv4Addr::LOCALHOST.into()));
        let ports = clients
            .iter()
            .map(|client| client.local_addr().unwrap().port());
        let mut expected: Vec<u64> = ports.chain([1]).map(u64::from).collect();
        drop((clients, listener));
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 1)).unwrap());
        // The kernel announces in no strict order.
        let events = expected.iter().map(|_| stream.event());
        let ports = events.map(|event| event["local"]["port"].as_u64().unwrap());
        let mut found: Vec<u64> = ports.collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn by_the_name_of_a_holder() {
    in_namespace(|| {
        let sockets: [UdpSocket; 2] =
            [0, 0].map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        let ports = sockets
            .each_ref()
            .map(|socket| u64::from(socket.local_addr().unwrap().port()));
        let meant = Holder::named(b"meant", &[sockets[0].as_fd()]);
        let other = Holder::named(b"other", &[sockets[1].as_fd()]);
        drop(sockets);
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let filter = format!("comm = meant or comm = {}", own.trim());
        let stream = Stream::of(&[&filter]);
        stream.wait_until_seen();
        drop(other);
        drop(meant);
        let event = stream.event_that(|event| {
            assert_ne!(event["local"]["port"], ports[1], "{event}");
            event["local"]["port"] == ports[0]
        });
        assert_eq!(event["owners"][0]["comm"], "meant", "{event}");
    });
}

#[test]
fn by_the_state_in_which_it_was_seen_last() {
    in_namespace(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        // The probes are of UDP.
        let stream = Stream::of(&["state listening state unconnected"]);
        stream.wait_until_seen();
        drop(client);
        drop(listener);
        let event = stream.event_on(port);
        assert_eq!(event["last_state"], "LISTEN");
        let (rest, _) = stream.stop();
        assert!(rest.iter().all(|line| !line.contains("ESTAB")), "{rest:?}");
    });
}

#[test]
fn by_user_and_inode() {
    in_namespace(|| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let stream = Stream::of(&["uid = 0 and inode != 0"]);
        stream.wait_until_seen();
        drop(socket);
        assert_eq!(stream.event_on(port)["uid"], 0);
        let nobody = Stream::of(&["uid = 7 or sport = :1"]);
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 1)).unwrap());
        assert_eq!(nobody.event()["local"]["port"], 1);
    });
}

#[test]
fn a_mistake_is_told_before_anything_is_waited_for() {
    for (args, expected) in [
        (&["-E", "sprt = :1"][..], "filter, column 1"),
        (&["-E", "--json"], "--format plain, jsonl or csv"),
        (&["-E", "-x"], "only TCP and UDP"),
        (&["-E", "-f", "link"], "leaves out -0"),
        (&["-E", "-A", "unix_stream"], "leaves out -x"),
        (&["-E", "-A", "tcp,raw"], "leaves out -w"),
        (&["-E", "-A", "tcp,netlink"], "leaves out --netlink"),
        (&["-E", "src", "unix:/x"], "only TCP and UDP"),
        (
            &["-E", "dport = :1 and src netlink:"],
            "leaves out netlink:",
        ),
        (&["-E", "state", "time-wait"], "no socket ends in a state"),
        (&["-Eu", "state", "listening"], "no socket ends in a state"),
        (
            &["-E4", "src", "inet6:[::1]"],
            "a family that the flags leave out",
        ),
        (
            &["-E4", "src", "[::1]"],
            "a family that the flags leave out",
        ),
        (
            &["-tE4", "dst", "fe80::/10", "or", "src", "[::2]:80"],
            "a family that the flags leave out",
        ),
        (&["-E", "-s"], "-E does not go with -s"),
        (&["-E", "-N", "no-such-netns"], "no netns"),
    ] {
        let ran = run(args);
        let code = if args.contains(&"-N") { 4 } else { 2 };
        assert_eq!((ran.code, &ran.stdout[..]), (code, &[][..]), "{args:?}");
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
