//! What was known of a socket before it ended: its holders, its user, its state.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;

use serde_json::Value;

use crate::sockets::connection;
use crate::stream::Stream;
use crate::support::holder::{Holder, without_rights};
use crate::support::namespace::{in_namespace, sysctl};
use crate::support::portstat::command;

/// A process of this name with the client's end of a connection; its port, and the other end.
fn client_named(name: &str) -> (Holder, u16, impl Read) {
    let (client, server) = connection(Ipv4Addr::LOCALHOST.into());
    let port = client.local_addr().unwrap().port();
    (
        Holder::named(name.as_bytes(), &[client.as_fd()]),
        port,
        server,
    )
}

#[test]
fn the_holder_is_named_although_it_is_gone() {
    in_namespace(|| {
        let (holder, port, server) = client_named("worker");
        let pid = holder.pid();
        let stream = Stream::of(&["-p"]);
        stream.wait_until_seen();
        drop(holder);
        // It is gone before its connection is: the other end has not closed.
        drop(server);
        let event = stream.event_on(port);
        assert_eq!(event["owners_status"], "known", "{event}");
        assert_eq!(event["owners"][0]["comm"], "worker");
        assert_eq!(event["owners"][0]["pid"], pid);
        assert_eq!(event["uid"], 0);
        assert!(event["inode"].as_u64().unwrap() > 0);
        let state = event["last_state"].as_str().unwrap();
        assert!(
            ["ESTAB", "FIN-WAIT-1", "FIN-WAIT-2"].contains(&state),
            "{event}"
        );
    });
}

#[test]
fn a_connection_that_its_holder_left_long_ago_still_has_its_name() {
    in_namespace(|| {
        // Longer than a minute, or it would be replaced by something smaller at once.
        sysctl("net.ipv4.tcp_fin_timeout", "120");
        let (holder, port, server) = client_named("worker");
        let stream = Stream::of(&["-p"]);
        stream.wait_until_seen();
        drop(holder);
        // The kernel keeps it until the other end closes; by then it was seen with nobody, twice.
        stream.wait_until_seen();
        stream.wait_until_seen();
        drop(server);
        let event = stream.event_on(port);
        assert_eq!(event["last_state"], "FIN-WAIT-2", "{event}");
        assert_eq!(event["owners"][0]["comm"], "worker", "{event}");
    });
}

#[test]
fn what_lived_between_two_looks_is_not_said_to_be_nobodys() {
    in_namespace(|| {
        let stream = Stream::of(&["-pe"]);
        stream.wait_until_seen();
        // One of them at the latest is born after a look and gone before the next.
        let unseen = loop {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = socket.local_addr().unwrap().port();
            drop(socket);
            let event = stream.event_on(port);
            if event["last_state"].is_null() {
                break event;
            }
        };
        assert_eq!(unseen["owners_status"], "unseen");
        assert_eq!(unseen["owners"], Value::Array(Vec::new()));
        for key in ["uid", "user", "inode"] {
            assert_eq!(unseen[key], Value::Null, "{unseen}");
        }
    });
}

#[test]
fn who_held_it_is_told_unasked() {
    in_namespace(|| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let stream = Stream::of(&[]);
        stream.wait_until_seen();
        drop(socket);
        let event = stream.event_on(port);
        assert_eq!(event["owners_status"], "known");
        assert_eq!(event["last_state"], "UNCONN");
        assert_eq!(event["uid"], 0);
    });
}

#[test]
fn who_may_not_see_a_holder_is_told_so() {
    in_namespace(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut command: Command = command(&["-E", "-p"]);
        without_rights(&mut command);
        let stream = Stream::joining(&mut command, "0000000f");
        stream.wait_until_seen();
        drop(listener);
        let event = stream.event_on(port);
        assert_eq!(event["last_state"], "LISTEN");
        assert_eq!(event["owners_status"], "hidden");
        let (_, errors) = stream.stop();
        assert!(errors.contains("owners of"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    });
}
