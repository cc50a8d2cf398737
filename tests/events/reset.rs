//! Connections that the kernel announces without their ends, as they were reset by their own side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use nix::sys::socket::SockType;

use crate::sockets::end;
use crate::stream::Stream;
use crate::support::dial::{Connection, reset};
use crate::support::namespace::in_namespace;
use crate::support::socket::{self, open_mptcp};

/// A connection to this address, bound to no address of its own.
fn connected(address: SocketAddr) -> Connection {
    let listener = TcpListener::bind(address).unwrap();
    let client = socket::open(SockType::Stream, address.ip());
    socket::connect(&client, listener.local_addr().unwrap()).unwrap();
    Connection {
        client,
        server: OwnedFd::from(listener.accept().unwrap().0),
    }
}

#[test]
fn the_ends_are_those_that_were_seen_last() {
    in_namespace(|| {
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let connection = connected(SocketAddr::new(ip, 0));
            let own = socket::local_address(&connection.client);
            let other = socket::local_address(&connection.server);
            // The second is what tells that what lives was seen.
            let filter = format!("dport = :{} and src {ip} or dst 0.0.0.0", other.port());
            let stream = Stream::of(&[&filter]);
            stream.wait_until_seen();
            reset(connection);
            let event = stream.event_on(own.port());
            assert_eq!((end(&event, "local"), end(&event, "peer")), (own, other));
            assert_eq!(event["last_state"], "ESTAB");
        }
    });
}

#[test]
fn a_row_looks_for_them_where_the_filter_asks() {
    in_namespace(|| {
        let connection = connected(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        let [own, other] = [&connection.client, &connection.server].map(socket::local_address);
        let filters = [
            format!("dport = :{}", other.port()),
            format!("dst 127.0.0.1:{}", other.port()),
            format!("src 127.0.0.1 and sport = :{}", own.port()),
        ];
        let streams = filters.map(|filter| Stream::of(&["-n", "--format", "plain", &filter]));
        for stream in &streams {
            // The head is printed when what lives was seen.
            stream.line_with("Netid");
        }
        reset(connection);
        for stream in &streams {
            let line = stream.line();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[4..6], [own.to_string(), other.to_string()], "{line}");
        }
    });
}

#[test]
fn what_is_not_known_of_them_passes_no_test() {
    in_namespace(|| {
        let stream = Stream::of(&[
            "-n",
            "--format",
            "plain",
            "dport != :8080 and dst 127.0.0.1",
        ]);
        stream.line_with("Netid");
        // One of them at least lives between two looks; that it goes to 8080 is known of all others.
        for _ in 0..3 {
            reset(connected(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080)));
        }
        let connection = connected(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8081));
        let own = socket::local_address(&connection.client);
        drop(connection.client);
        drop(connection.server);
        loop {
            let line = stream.line();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(!words[5].ends_with(":*"), "{line}");
            if words[4] == own.to_string() {
                return;
            }
        }
    });
}

#[test]
fn mptcp_is_seen_by_the_port_of_its_peer() {
    in_namespace(|| {
        let (Ok(listener), Ok(client)) = (open_mptcp(), open_mptcp()) else {
            // This kernel has none.
            return;
        };
        // The end that was accepted is reset, unless its listener has an address.
        socket::bind(
            &listener,
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 8080),
        )
        .unwrap();
        socket::listen(&listener, 1).unwrap();
        socket::connect(&client, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080)).unwrap();
        let server = socket::accept(&listener);
        let port = socket::local_address(&client).port();
        let filter = format!("dport = :{port}");
        let stream = Stream::of(&["-n", "--format", "plain", &filter]);
        stream.line_with("Netid");
        drop(client);
        drop(server);
        let line = stream.line();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = ["127.0.0.1:8080".to_owned(), format!("127.0.0.1:{port}")];
        assert_eq!(words[4..6], expected, "{line}");
    });
}
