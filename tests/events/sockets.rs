//! Which sockets are announced, and what is told of them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::process::Command;

use serde_json::Value;

use crate::stream::Stream;
use crate::support::namespace::in_namespace;
use crate::support::portstat::command;
use crate::support::ss::beside_ss;

/// Both ends of a connection, of which the second is the server's.
pub fn connection(ip: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

pub fn end(event: &Value, side: &str) -> SocketAddr {
    let ip: IpAddr = event[side]["addr"].as_str().unwrap().parse().unwrap();
    let port = event[side]["port"].as_u64().unwrap();
    SocketAddr::new(ip, port.try_into().unwrap())
}

#[test]
fn a_connection_is_announced_at_both_ends_with_its_addresses() {
    in_namespace(|| {
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let (client, server) = connection(ip);
            let (own, other) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            let port = own.port();
            let stream = Stream::of(&[&format!("sport = :{port} or dport = :{port}")]);
            // The first goes to TIME-WAIT; that is when its socket is destroyed.
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!((&server).read(&mut [0; 1]).unwrap(), 0);
            drop(server);
            drop(client);
            let ends = [own, other].map(|address| {
                let event = stream.event();
                assert_eq!(event["event"], "destroyed");
                assert_eq!(event["proto"], "tcp");
                assert_eq!(event["state"], "UNCONN");
                assert_eq!(event["family"], if ip.is_ipv4() { "ipv4" } else { "ipv6" });
                let at = event["at"].as_str().unwrap();
                assert_eq!((at.len(), &at[..2], &at[23..]), (24, "20", "Z"), "{at}");
                (address, (end(&event, "local"), end(&event, "peer")))
            });
            let mut expected = [(own, other), (other, own)];
            let mut found = ends.map(|(_, ends)| ends);
            expected.sort();
            found.sort();
            assert_eq!(found, expected);
        }
    });
}

#[test]
fn udp_is_announced_with_nothing_left_to_send() {
    in_namespace(|| {
        let stream = Stream::of(&[]);
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            let address = socket.local_addr().unwrap();
            drop(socket);
            let event = stream.event_on(address.port());
            assert_eq!(event["proto"], "udp");
            assert_eq!(end(&event, "local"), address);
            assert_eq!(event["peer"], Value::Null);
            assert_eq!(event["send_q"], 0);
        }
    });
}

#[test]
fn protocol_and_family_are_chosen_as_in_a_listing() {
    in_namespace(|| {
        for (flags, groups, expected) in [
            ("-t", "00000005", [true, false, true, false]),
            ("-u", "0000000a", [false, true, false, true]),
            ("-4", "00000003", [true, true, false, false]),
            ("-tu6", "0000000c", [false, false, true, true]),
        ] {
            let stream = Stream::joining(&mut command(&["-E", flags]), groups);
            let mut missing = BTreeSet::new();
            for (ip, is_v6) in [
                (IpAddr::V4(Ipv4Addr::LOCALHOST), false),
                (Ipv6Addr::LOCALHOST.into(), true),
            ] {
                let listener = TcpListener::bind((ip, 0)).unwrap();
                let socket = UdpSocket::bind((ip, 0)).unwrap();
                let is_meant = |udp: bool| expected[usize::from(is_v6) * 2 + usize::from(udp)];
                let tcp = listener.local_addr().unwrap().port();
                let udp = socket.local_addr().unwrap().port();
                missing.extend(is_meant(false).then_some(("tcp", is_v6, tcp)));
                missing.extend(is_meant(true).then_some(("udp", is_v6, udp)));
                drop(listener);
                drop(socket);
            }
            while !missing.is_empty() {
                let event = stream.event();
                let (is_udp, is_v6) = (event["proto"] == "udp", event["family"] == "ipv6");
                let place = usize::from(is_v6) * 2 + usize::from(is_udp);
                assert!(expected[place], "{flags}: {event}");
                let proto = if is_udp { "udp" } else { "tcp" };
                missing.remove(&(proto, is_v6, end(&event, "local").port()));
            }
        }
    });
}

#[test]
fn the_last_account_of_a_connection_tells_what_it_carried() {
    in_namespace(|| {
        let (client, mut server) = connection(Ipv4Addr::LOCALHOST.into());
        let port = client.local_addr().unwrap().port();
        let stream = Stream::of(&["-i"]);
        (&client).write_all(&[7; 3000]).unwrap();
        server.read_exact(&mut [0; 3000]).unwrap();
        drop(client);
        let told = stream.event_on(port);
        let info = &told["tcp_info"];
        assert_eq!(info["bytes_sent"], 3000, "{told}");
        assert!(info["rtt_us"].as_u64().unwrap() > 0, "{told}");
    });
}

#[test]
fn a_listener_leaves_no_account_of_what_never_happened() {
    in_namespace(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = Stream::of(&["-i"]);
        drop(listener);
        let told = stream.event_on(port);
        for name in [
            "last_data_sent_ms",
            "last_data_recv_ms",
            "last_ack_recv_ms",
            "pmtu_bytes",
            "rtt_us",
            "rttvar_us",
        ] {
            let number = told["tcp_info"].get(name);
            assert_eq!(number, Some(&Value::Null), "{name}: {told}");
        }
        assert_eq!(told["tcp_info"]["bytes_sent"], 0, "{told}");
    });
}

/// What identifies a socket in a line of plain.
fn tuples(lines: impl Iterator<Item = String>) -> Vec<(String, String, String)> {
    let mut tuples: Vec<_> = lines
        .filter(|line| line.starts_with("tcp") || line.starts_with("udp"))
        .map(|line| {
            let fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            (fields[0].clone(), fields[4].clone(), fields[5].clone())
        })
        .collect();
    tuples.sort();
    tuples
}

#[test]
fn ss_hears_of_the_same_sockets() {
    beside_ss(|| {
        let ours = Stream::of(&["-n", "--format", "plain"]);
        // Without a terminal it would write when it has much, which is never.
        let mut theirs = Command::new("stdbuf");
        theirs.args(["-oL", "ss", "-E", "-tun"]);
        let theirs = Stream::joining(&mut theirs, "0000000f");
        // What was there before may be announced to one of them alone.
        let mut ports = Vec::new();
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let (client, _server) = connection(ip);
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.connect((ip, 9)).unwrap();
            let addresses = [client.local_addr(), client.peer_addr(), socket.local_addr()];
            ports.extend(addresses.map(|address| format!(":{}", address.unwrap().port())));
        }
        // The kernel announces in no strict order.
        let heard = [&ours, &theirs].map(|stream| {
            let mut lines = Vec::new();
            while lines.len() < 8 {
                let line = stream.line();
                let local = line.split_whitespace().nth(4).unwrap_or_default();
                lines.extend(
                    ports
                        .iter()
                        .any(|port| local.ends_with(port))
                        .then_some(line),
                );
            }
            tuples(lines.into_iter())
        });
        assert_eq!(heard[0], heard[1]);
    });
}
