//! `-K`: the socket that was listed is destroyed, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReuseAddr, ReusePort};
use nix::sys::socket::{SockType, setsockopt};
use portstat::collect::{Batch, Flow, Method, Receiver, Request, collect, destroy};
use portstat::kernel::Host;
use portstat::model::{DetailSet, Fate, Obstacle, Protocol, Socket, StateSet};
use serde_json::Value;
use support::holder::without_rights;
use support::namespace::{in_namespace, is_forbidden, skip};
use support::netns::{Room, empty_run, in_new_netns, name_netns};
use support::portstat::{Collector, Ran, command, finish, run, run_by, words};
use support::socket;
use support::ss::{self, beside_ss};
use support::terminal::Session;
use support::waiting::wait_until;

const PORT: u16 = 8080;
const FIN_WAIT_2: u8 = 5;
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A connection: the client's end and the server's.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn to(listener: &TcpListener) -> Connection {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        Connection { client, server }
    }

    fn port(&self) -> u16 {
        self.client.local_addr().unwrap().port()
    }
}

/// portstat with the words of a command line.
#[track_caller]
fn portstat(args: &str) -> Ran {
    run(&words(args))
}

/// Every socket of TCP and UDP, with its cookie.
#[track_caller]
fn sockets() -> BTreeSet<String> {
    let listed = portstat("-tuanH --columns proto,state,local,peer,cookie").exited(0);
    listed.text().lines().map(str::to_owned).collect()
}

/// Those that stand in the first and not in the second.
fn gone(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    before.difference(after).cloned().collect()
}

/// What a program is told that reads from an aborted connection.
#[track_caller]
fn read_error(mut stream: &TcpStream) -> Errno {
    let error = stream.read(&mut [0]).unwrap_err();
    Errno::from_raw(error.raw_os_error().unwrap())
}

#[track_caller]
fn check_one_of_several(ip: IpAddr) {
    in_namespace(|| {
        let listener = TcpListener::bind((ip, PORT)).unwrap();
        let _udp = UdpSocket::bind((ip, PORT)).unwrap();
        let connections: Vec<Connection> = (0..5).map(|_| Connection::to(&listener)).collect();
        let doomed = &connections[2];
        let before = sockets();
        let filter = format!("sport = :{} and dport = :{PORT}", doomed.port());
        let killed = portstat(&format!("-Ktn --yes {filter}")).exited(0);
        assert_eq!(killed.text().lines().count(), 2, "{}", killed.text());
        assert_eq!(killed.stderr, "portstat: destroyed 1 of 1 socket\n");

        // Its peer is reset, and goes with it.
        assert_eq!(read_error(&doomed.client), Errno::ECONNABORTED);
        assert_eq!(read_error(&doomed.server), Errno::ECONNRESET);
        let after = sockets();
        let gone = gone(&before, &after);
        let port = format!(":{}", doomed.port());
        assert!(
            gone.len() == 2 && gone.iter().all(|row| row.contains(&port)),
            "{gone:?}"
        );
        assert!(before.is_superset(&after));
    });
}

#[test]
fn one_of_several_connections_goes_and_nothing_else() {
    check_one_of_several(V4);
}

#[test]
fn the_same_over_ipv6() {
    check_one_of_several(V6);
}

#[test]
fn without_a_filter_it_refuses() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let _connection = Connection::to(&listener);
        let before = sockets();
        for flags in ["", "t", "ta", "l", "4", "tn --sort state", "t --json"] {
            let refused = portstat(&format!("-K{flags} --yes")).exited(2);
            assert!(refused.stdout.is_empty());
            assert!(
                refused.stderr.contains("-K needs a filter"),
                "{}",
                refused.stderr
            );
        }
        for (args, why) in [
            ("-Kx --yes state all", "no unix sockets"),
            ("-K0 --yes state all", "no packet sockets"),
            ("-K --netlink --yes state all", "no netlink sockets"),
            ("-Ka --yes src unix:/x", "no unix sockets"),
            ("-K --yes src unix:/x or sport = :1", "no unix sockets"),
            ("-Ka --yes src link:", "no packet sockets"),
            ("-K --yes dst netlink:*", "no netlink sockets"),
            ("-K --from /nowhere --yes state all", "--from"),
            ("-K -c --yes state all", "-c"),
            ("-K -s --yes state all", "-s"),
            ("-K -E --yes state all", "-E"),
            ("-Kq state all", "--yes"),
            ("-t --yes state all", "--kill"),
            ("-K --yes sport = nonsense", "nonsense"),
            ("-K --yes -F /dev/null state all", "/dev/null is empty"),
        ] {
            let refused = portstat(args).exited(2);
            assert!(refused.stderr.contains(why), "{args}: {}", refused.stderr);
        }
        assert_eq!(sockets(), before);
    });
}

#[test]
fn in_a_pipe_it_only_lists() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let _connection = Connection::to(&listener);
        let before = sockets();
        let filter = "-tn dport = :8080";
        let listed = portstat(filter).exited(0);
        let dry = portstat(&format!("-K {filter}")).exited(2);
        assert_eq!(dry.stdout, listed.stdout);
        assert_eq!(
            dry.stderr,
            "portstat: nothing was destroyed: say --yes, or run it on a terminal\n"
        );
        for format in ["json", "jsonl"] {
            let dry = portstat(&format!("-K {filter} --format {format}")).exited(2);
            assert!(!dry.text().contains("destroyed"), "{}", dry.text());
        }
        assert_eq!(sockets(), before);
    });
}

#[test]
fn that_nothing_matched_is_told() {
    in_namespace(|| {
        let before = sockets();
        for format in ["plain", "csv", "jsonl", "table", "json"] {
            for more in ["", "--yes"] {
                let none =
                    portstat(&format!("-Ktan --format {format} {more} sport = :1")).exited(1);
                assert_eq!(none.stderr, "portstat: nothing matched\n");
                if format == "json" {
                    assert_eq!(none.json()["sockets"], Value::Array(Vec::new()));
                } else {
                    assert_eq!(none.text(), "", "{format}");
                }
            }
        }
        portstat("-Kqtan --yes sport = :1").exited(1).quietly();
        assert_eq!(sockets(), before);
    });
}

/// What becomes of a connection when this is typed at the question.
#[track_caller]
fn check_answer(keys: &str, is_destroyed: bool) {
    let listener = TcpListener::bind((V4, PORT)).unwrap();
    let connection = Connection::to(&listener);
    let before = sockets();
    let mut session = Session::start(&mut command(&words("-Kt dport = :8080")));
    session.await_text("Destroy this socket? [y/N] ");
    assert_eq!(sockets(), before, "nothing goes before the answer");
    session.type_in(keys);
    let (status, shown) = session.finish();
    assert!(shown.contains("ESTAB"), "{shown}");
    if is_destroyed {
        assert_eq!(status.code(), Some(0), "{shown}");
        assert!(shown.contains("destroyed 1 of 1 socket"), "{shown}");
        assert_eq!(read_error(&connection.client), Errno::ECONNABORTED);
    } else if keys == "\x03" {
        assert_eq!(status.signal(), Some(libc::SIGINT), "{shown}");
    } else {
        assert_eq!(status.code(), Some(1), "{shown}");
        assert!(shown.contains("nothing was destroyed"), "{shown}");
    }
    assert_eq!(sockets() == before, !is_destroyed, "{keys:?}");
}

#[test]
fn only_yes_at_the_terminal_destroys() {
    in_namespace(|| {
        // Nothing is left in the next of what goes by and by.
        for no in ["n\n", "\n", "yess\n", "\x04", "\x03"] {
            in_new_netns(|| check_answer(no, false));
        }
        for yes in ["y\n", "Y\n", "yes\n"] {
            in_new_netns(|| check_answer(yes, true));
        }
    });
}

#[test]
fn nobody_is_asked_who_does_not_see_the_list() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let _connection = Connection::to(&listener);
        let before = sockets();
        let mut command = Command::new("sh");
        let line = "\"$0\" -Ktn dport = :8080 | cat";
        command.args(["-c", line, env!("CARGO_BIN_EXE_portstat")]);
        let (_, shown) = Session::start(&mut command).finish();
        assert!(shown.contains("ESTAB") && !shown.contains('?'), "{shown}");
        assert!(shown.contains("say --yes"), "{shown}");
        assert_eq!(sockets(), before);
    });
}

#[test]
fn the_question_tells_how_many() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let _connections: Vec<Connection> = (0..3).map(|_| Connection::to(&listener)).collect();
        let mut session = Session::start(&mut command(&words("-Kt dport = :8080")));
        session.await_text("Destroy these 3 sockets? [y/N] ");
        session.type_in("n\n");
        let (status, shown) = session.finish();
        assert_eq!(status.code(), Some(1));
        assert!(!shown.contains("ephemeral"), "{shown}");
    });
}

/// What is asked about a listener's port when connections wait in it.
#[track_caller]
fn check_asked(args: &str, question: &str) {
    let mut session = Session::start(&mut command(&words(args)));
    session.await_text(&format!("Destroy {question}? [y/N] "));
    session.type_in("n\n");
    assert_eq!(session.finish().0.code(), Some(1));
}

#[test]
fn the_question_tells_of_connections_that_wait_in_a_listener() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let dial = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _connection = Connection::to(&listener);
        let listened = "-Ktln sport = :8080";
        check_asked(listened, "this socket");
        let _waiting = dial();
        check_asked(listened, "this socket, and 1 connection that waits in it");
        let _more = [dial(), dial()];
        check_asked(listened, "this socket, and 3 connections that wait in it");
        // Those that are listed are not told twice.
        check_asked("-Ktan sport = :8080", "these 5 sockets");
    });
}

/// Sockets in many states, with the same ports each time.
struct Crowd {
    _sockets: Vec<OwnedFd>,
}

impl Crowd {
    fn new() -> Crowd {
        let mut sockets = Vec::new();
        let mut next_port = 20000;
        let mut dial = |to: SocketAddr| {
            next_port += 1;
            let fd = socket::open(SockType::Stream, to.ip());
            socket::bind(&fd, SocketAddr::new(to.ip(), next_port)).unwrap();
            socket::connect(&fd, to).unwrap();
            fd
        };
        for (ip, port) in [(V4, 8001), (V6, 8002)] {
            let address = SocketAddr::new(ip, port);
            let listener = TcpListener::bind(address).unwrap();
            let mut pair = || (dial(address), OwnedFd::from(listener.accept().unwrap().0));
            let (client, server) = pair();
            sockets.extend([client, server]);
            // TIME-WAIT.
            let (client, server) = pair();
            socket::end(&client);
            socket::await_end(&server);
            drop(server);
            socket::await_end(&client);
            drop(client);
            // FIN-WAIT-2 and CLOSE-WAIT.
            let (client, server) = pair();
            socket::end(&client);
            socket::await_state(&server, socket::CLOSE_WAIT);
            socket::await_state(&client, FIN_WAIT_2);
            sockets.extend([client, server]);
            sockets.push(listener.into());
            let udp = UdpSocket::bind((ip, port)).unwrap();
            let connected = UdpSocket::bind((ip, port + 100)).unwrap();
            connected.connect((ip, port)).unwrap();
            sockets.extend([udp.into(), connected.into()]);
        }
        // SYN-RECV.
        let deferring = socket::open(SockType::Stream, V4);
        socket::bind(&deferring, SocketAddr::new(V4, 8003)).unwrap();
        socket::set_defer_accept(&deferring, 600);
        socket::listen(&deferring, 5).unwrap();
        sockets.push(dial(SocketAddr::new(V4, 8003)));
        sockets.push(deferring);
        // A listener for both families, and IPv4 at it.
        let both = socket::open(SockType::Stream, V6);
        socket::set_v6only(&both, false);
        socket::bind(&both, SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 8004)).unwrap();
        socket::listen(&both, 5).unwrap();
        sockets.push(dial(SocketAddr::new(V4, 8004)));
        sockets.push(socket::accept(&both));
        sockets.push(both);
        Crowd { _sockets: sockets }
    }
}

/// Protocol, state and addresses of all there is.
#[track_caller]
fn rows() -> Vec<String> {
    let listed = portstat("-tuanH --columns proto,state,local,peer").exited(0);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rows: Vec<String> = listed.text().lines().map(words).collect();
    rows.sort();
    rows
}

/// Insists that `ss -K` and `portstat -K` leave the same behind of the same sockets, and nothing
/// that `is_doomed`.
#[track_caller]
fn check_as_ss(args: &str, is_doomed: &(dyn Fn(&str) -> bool + Sync)) {
    beside_ss(|| {
        let left = in_new_netns(|| {
            let _crowd = Crowd::new();
            ss::text(&words(&format!("-K {args}")));
            rows()
        });
        in_new_netns(|| {
            let _crowd = Crowd::new();
            let before = rows();
            assert!(before.iter().any(|row| is_doomed(row)), "{before:?}");
            portstat(&format!("-K --yes {args}")).exited(0);
            assert_eq!(rows(), left, "{args}");
        });
        assert!(!left.iter().any(|row| is_doomed(row)), "{left:?}");
    });
}

/// The same of all in a state.
#[track_caller]
fn check_state_as_ss(flags: &str, state: &str, shown: &str) {
    let shown = format!(" {shown} ");
    let args = format!("-{flags} state {state}");
    check_as_ss(&args, &|row| row.starts_with("tcp") && row.contains(&shown));
}

#[test]
fn connections_go_as_with_ss() {
    check_state_as_ss("tn", "established", "ESTAB");
    check_state_as_ss("tn", "close-wait", "CLOSE-WAIT");
    check_state_as_ss("tn", "fin-wait-2", "FIN-WAIT-2");
}

#[test]
fn what_is_no_connection_yet_or_no_more_goes_as_with_ss() {
    check_state_as_ss("tan", "time-wait", "TIME-WAIT");
    check_state_as_ss("tan", "syn-recv", "SYN-RECV");
}

#[test]
fn listeners_go_as_with_ss() {
    check_state_as_ss("tln", "listening", "LISTEN");
    check_as_ss("-tln sport = :8004", &|row| row.contains("LISTEN *:8004"));
}

#[test]
fn udp_is_disconnected_as_with_ss() {
    check_as_ss("-un dport = :8001", &|row| {
        row.starts_with("udp") && row.contains(" ESTAB 127.0.0.1")
    });
}

#[test]
fn mixed_families_go_as_with_ss() {
    let is_mapped = |row: &str| row.contains("ESTAB") && row.contains("ffff:");
    check_as_ss("-tn sport = :8004", &is_mapped);
}

#[test]
fn a_program_is_told_of_its_udp_socket() {
    in_namespace(|| {
        let udp = UdpSocket::bind((V4, PORT)).unwrap();
        udp.set_nonblocking(true).unwrap();
        portstat("-Kuln --yes sport = :8080").exited(0);
        let told = udp.recv(&mut [0]).unwrap_err();
        assert_eq!(told.raw_os_error(), Some(libc::ECONNABORTED));
        // It was bound by its program, and stays so.
        assert_eq!(rows().len(), 1);
    });
}

/// A socket bound to the port, as others may be.
fn bound_alike(kind: SockType) -> OwnedFd {
    sharing(kind, V4)
}

/// The same on an address.
fn sharing(kind: SockType, ip: IpAddr) -> OwnedFd {
    let fd = socket::open(kind, ip);
    setsockopt(&fd, ReusePort, &true).unwrap();
    socket::bind(&fd, SocketAddr::new(ip, PORT)).unwrap();
    fd
}

/// Whether the socket's program is told that it was destroyed.
#[track_caller]
fn is_told(fd: &OwnedFd) -> bool {
    let udp = UdpSocket::from(fd.try_clone().unwrap());
    udp.set_nonblocking(true).unwrap();
    let told = udp.recv(&mut [0]).unwrap_err().raw_os_error();
    assert!(told == Some(libc::ECONNABORTED) || told == Some(libc::EAGAIN));
    told == Some(libc::ECONNABORTED)
}

#[track_caller]
fn check_all_that_share(ip: IpAddr, count: usize) {
    in_namespace(|| {
        let all: Vec<OwnedFd> = (0..count)
            .map(|_| sharing(SockType::Datagram, ip))
            .collect();
        let killed = portstat("-Kua --yes sport = :8080").exited(0);
        let expected = format!("portstat: destroyed {count} of {count} sockets\n");
        assert_eq!(killed.stderr, expected, "{ip}");
        assert!(all.iter().all(is_told), "{ip}");
    });
}

#[test]
fn all_udp_sockets_that_share_a_port_go_together() {
    for ip in [
        V4,
        V6,
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv6Addr::UNSPECIFIED.into(),
    ] {
        for count in [2, 3, 20] {
            check_all_that_share(ip, count);
        }
    }
}

#[test]
fn of_many_that_share_a_port_each_is_found() {
    check_all_that_share(V4, 200);
}

/// What is said of the others before the last of three that share a port is destroyed, or all are.
#[track_caller]
fn check_left_behind(ip: IpAddr, alone: bool, expected: &[&str]) {
    in_namespace(|| {
        let all = [(); 3].map(|()| sharing(SockType::Datagram, ip));
        let filter = match alone {
            true => format!("inode = {}", inode(&all[2])),
            false => "sport = :8080".to_owned(),
        };
        let killed = portstat(&format!("-Kua --yes {filter}")).exited(0);
        let lines = killed.stderr.lines();
        let told: Vec<&str> = lines
            .filter(|line| line.contains("may get no packets"))
            .collect();
        assert_eq!(told, expected, "{ip}");
    });
}

#[test]
fn who_is_left_without_packets_is_told_before() {
    let every = Ipv4Addr::UNSPECIFIED.into();
    let warning = "portstat: udp UNCONN 0.0.0.0:8080: 2 other sockets that share this port and do \
                   not match may get no packets until the destroyed one is closed by its program";
    check_left_behind(every, true, &[warning]);
    check_left_behind(every, false, &[]);
    // There the others go on as before.
    check_left_behind(V4, true, &[]);
}

/// Which of two sockets a datagram from a third reaches.
#[track_caller]
fn reached(two: [&OwnedFd; 2]) -> [bool; 2] {
    let sender = UdpSocket::bind((V4, 0)).unwrap();
    sender.send_to(b"x", (V4, PORT)).unwrap();
    two.map(|fd| {
        let udp = UdpSocket::from(fd.try_clone().unwrap());
        udp.set_nonblocking(true).unwrap();
        // The first answer may be the error that the kill left.
        (0..2).any(|_| udp.recv(&mut [0]).is_ok())
    })
}

/// Insists that of a socket that is destroyed it is told that it takes the packets of another one.
#[track_caller]
fn check_takes_over(before: [bool; 2], prepare: impl FnOnce(&OwnedFd)) {
    in_namespace(|| {
        let every = Ipv4Addr::UNSPECIFIED.into();
        let server = sharing(SockType::Datagram, every);
        let other = sharing(SockType::Datagram, every);
        prepare(&other);
        assert_eq!(reached([&server, &other]), before);
        let inode = inode(&other);
        let killed = portstat(&format!("-Kua --yes inode = {inode}")).exited(0);
        let told = "1 other socket that shares this port and does not match may get no packets";
        assert!(killed.stderr.contains(told), "{}", killed.stderr);
        assert_eq!(reached([&server, &other]), [false, true]);
    });
}

#[test]
fn one_that_loses_its_peer_or_interface_is_told_to_take_packets() {
    check_takes_over([true, false], |other| {
        let peer = SocketAddr::new(V4, 9);
        let udp = UdpSocket::from(other.try_clone().unwrap());
        udp.connect(peer).unwrap();
    });
    // Of packets on its own interface it had them before.
    check_takes_over([false, true], socket::bind_to_loopback);
}

/// What is said of the others once one that the kernel finds first has been destroyed alone.
#[track_caller]
fn check_what_stands_in_the_way(ip: IpAddr, first: usize) {
    in_namespace(|| {
        let all: Vec<OwnedFd> = (0..3).map(|_| sharing(SockType::Datagram, ip)).collect();
        let inode = inode(&all[first]);
        portstat(&format!("-Kua --yes inode = {inode}")).exited(0);
        let others = format!("-Kua --yes sport = :8080 and inode != {inode}");
        let refused = portstat(&others).exited(4);
        let told = "another stands before it that is bound alike, such as one of UDP that was";
        assert_eq!(
            refused.stderr.matches(told).count(),
            2,
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("destroyed 0 of 2 sockets"));
        let told: Vec<bool> = all.iter().map(is_told).collect();
        let expected: Vec<bool> = (0..3).map(|index| index == first).collect();
        assert_eq!(told, expected, "{ip}");
    });
}

#[test]
fn one_on_every_address_stands_in_the_way_of_the_others() {
    check_what_stands_in_the_way(Ipv4Addr::UNSPECIFIED.into(), 2);
    check_what_stands_in_the_way(Ipv6Addr::UNSPECIFIED.into(), 0);
}

#[test]
fn one_of_several_listeners_of_one_port_goes_alone() {
    in_namespace(|| {
        let listener = || {
            let fd = bound_alike(SockType::Stream);
            socket::listen(&fd, 5).unwrap();
            fd
        };
        let listeners: Vec<OwnedFd> = (0..8).map(|_| listener()).collect();
        for doomed in &listeners[2..5] {
            let inode = inode(doomed);
            let before = sockets();
            portstat(&format!("-Ktln --yes inode = {inode}")).exited(0);
            let gone = gone(&before, &sockets());
            assert_eq!(gone.len(), 1, "{gone:?}");
            portstat(&format!("-qtln inode = {inode}")).exited(1);
        }
        let killed = portstat("-Ktln --yes sport = :8080").exited(0);
        assert_eq!(killed.stderr, "portstat: destroyed 5 of 5 sockets\n");
    });
}

#[test]
fn one_of_several_udp_sockets_of_one_port_goes_alone() {
    in_namespace(|| {
        let all: Vec<OwnedFd> = (0..8).map(|_| bound_alike(SockType::Datagram)).collect();
        let inode = inode(&all[5]);
        portstat(&format!("-Kuln --yes inode = {inode}")).exited(0);
        for (index, fd) in all.iter().enumerate() {
            assert_eq!(is_told(fd), index == 5, "{index}");
        }
    });
}

fn inode(fd: &OwnedFd) -> u64 {
    std::fs::File::from(fd.try_clone().unwrap())
        .metadata()
        .unwrap()
        .ino()
}

#[test]
fn what_the_kernel_does_not_find_is_told() {
    in_namespace(|| {
        let bound = socket::open(SockType::Stream, V4);
        socket::bind(&bound, SocketAddr::new(V4, PORT)).unwrap();
        let before = sockets();
        assert_eq!(before.len(), 1);
        let refused = portstat("-KtB --yes state all").exited(4);
        let expected = "tcp BOUND 127.0.0.1:8080: it is bound and no more";
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert!(refused.stderr.contains("destroyed 0 of 1 socket"));
        assert_eq!(sockets(), before);
    });
}

#[test]
fn mptcp_goes_as_well_but_for_its_listener() {
    in_namespace(|| {
        let (Ok(listener), Ok(client)) = (socket::open_mptcp(), socket::open_mptcp()) else {
            // This kernel has none.
            return;
        };
        let address = SocketAddr::new(V4, PORT);
        socket::bind(&listener, address).unwrap();
        socket::bind_to_loopback(&listener);
        socket::listen(&listener, 1).unwrap();
        socket::connect(&client, address).unwrap();
        let _server = socket::accept(&listener);
        portstat("-Ktn --yes dport = :8080").exited(0);
        portstat("-qtn dport = :8080").exited(1);
        let refused = portstat("-Ktln --yes sport = :8080").exited(4);
        let expected = "tcp LISTEN 127.0.0.1%lo:8080: EINVAL: ";
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        portstat("-qtln sport = :8080").exited(0);
    });
}

#[test]
fn the_other_end_has_gone_with_the_first() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        wait_until("that the reset is faster than the second request", || {
            let _connection = Connection::to(&listener);
            let killed = portstat("-Ktn --yes --json state established").exited(0);
            let document = killed.json();
            let told: Vec<String> = document["sockets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|socket| format!("{} {}", socket["destroyed"], socket["error"]))
                .collect();
            let (expected, had_gone) = match &told[..] {
                [one, other] if (&one[..], &other[..]) == ("true null", "true null") => {
                    ("portstat: destroyed 2 of 2 sockets\n", false)
                }
                _ => {
                    assert_eq!(told, ["true null", "false \"ENOENT\""]);
                    let gone = "portstat: destroyed 1 of 2 sockets (1 had gone already)\n";
                    (gone, true)
                }
            };
            assert_eq!(killed.stderr, expected);
            had_gone
        });
    });
}

#[test]
fn more_go_than_fit_into_one_request() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        for _ in 0..500 {
            let Connection { client, server } = Connection::to(&listener);
            drop(client);
            assert_eq!((&server).read(&mut [0]).unwrap(), 0);
            drop(server);
        }
        wait_until("TIME-WAIT", || rows().len() == 501);
        let killed = portstat("-Kqtan --yes state time-wait").exited(0);
        assert!(killed.stdout.is_empty() && killed.stderr.is_empty());
        assert_eq!(rows().len(), 1);
    });
}

#[test]
fn without_the_right_each_is_told() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let connections: Vec<Connection> = (0..30).map(|_| Connection::to(&listener)).collect();
        let before = sockets();
        let run = |args: &str| {
            let mut command = command(&words(args));
            without_rights(&mut command);
            finish(&mut command)
        };
        let refused = run("-Kt --yes dport = :8080").exited(4);
        let told = refused.stderr.lines().filter(|line| {
            line.starts_with("portstat: tcp ESTAB 127.0.0.1:")
                && line.ends_with(
                    " 127.0.0.1:8080: EPERM: not permitted (needs CAP_NET_ADMIN in its network \
                     namespace)",
                )
        });
        assert_eq!(told.count(), 20, "{}", refused.stderr);
        assert!(refused.stderr.contains("portstat: 10 more sockets: EPERM"));
        assert!(refused.stderr.contains("destroyed 0 of 30 sockets"));

        let port = connections[7].port();
        let args = format!("-Kt --yes --json sport = :{port}");
        let refused = run(&args).exited(4).json();
        let [socket] = &refused["sockets"].as_array().unwrap()[..] else {
            panic!("{refused}");
        };
        assert_eq!(socket["destroyed"], false);
        assert_eq!(socket["error"], "EPERM");
        let quiet = run(&format!("-Kqt --yes sport = :{port}")).exited(4);
        assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
        assert_eq!(sockets(), before);
    });
}

#[test]
fn programs_are_told_what_became_of_each() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let connections: Vec<Connection> = (0..4).map(|_| Connection::to(&listener)).collect();
        let check = |socket: &Value, port: u16| {
            assert_eq!(socket["local"]["port"], port);
            assert_eq!(socket["state"], "ESTAB");
            assert_eq!(socket["destroyed"], true);
            assert_eq!(socket["error"], Value::Null);
        };
        let filter = |index: usize| {
            let port = connections[index].port();
            (port, format!("-Kt --yes sport = :{port}"))
        };
        let (port, args) = filter(0);
        let document = portstat(&format!("--json {args}")).exited(0).json();
        assert_eq!(document["schema"], "portstat.list.v1");
        check(&document["sockets"][0], port);
        let (port, args) = filter(1);
        let lines = portstat(&format!("--format jsonl {args}"))
            .exited(0)
            .json_lines();
        assert_eq!(lines.len(), 1);
        check(&lines[0], port);
        let (port, args) = filter(2);
        let csv = portstat(&format!("--format csv {args}")).exited(0);
        assert!(csv.text().contains(&port.to_string()) && !csv.text().contains("destroyed"));
        // A listing tells nothing of it.
        let listed = portstat("-t --json state all").exited(0);
        assert!(!listed.text().contains("destroyed"));
    });
}

#[test]
fn what_proc_shows_is_not_destroyed() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let _connection = Connection::to(&listener);
        let before = sockets();
        let refused = run_by(Collector::Proc, &words("-Kt --yes dport = :8080")).exited(4);
        assert!(refused.text().contains("ESTAB"));
        assert!(
            refused.stderr.contains("read from /proc/net"),
            "{}",
            refused.stderr
        );
        let json = run_by(Collector::Proc, &words("-Kt --yes --json dport = :8080")).exited(4);
        assert_eq!(json.json()["sockets"][0]["error"], "no-cookie");
        assert_eq!(sockets(), before);
    });
}

#[test]
fn a_list_that_nobody_reads_destroys_nothing() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let _connection = Connection::to(&listener);
        let before = sockets();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = command(&words("-Kt --yes dport = :8080"));
        let status = command.stdout(writer).status().unwrap();
        assert_eq!(status.code(), Some(4));
        assert_eq!(sockets(), before);
    });
}

// The kernel is asked for a socket by its cookie.

/// Every TCP socket here, as it is collected.
struct Kept(Vec<Socket>);

impl Receiver for Kept {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        self.0.append(&mut batch.sockets);
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        panic!("netlink serves here")
    }
}

fn collected(protocol: Protocol) -> Vec<Socket> {
    let request = Request {
        tables: protocol.tables().collect(),
        states: StateSet::ALL,
        details: DetailSet::NONE,
        method: Method::Netlink,
        condition: None,
    };
    let mut kept = Kept(Vec::new());
    collect(&Host::Live, &request, &mut kept).unwrap();
    kept.0
}

/// A connection from one port, which may be had again at once.
fn from_one_port(to: &TcpListener) -> (OwnedFd, TcpStream) {
    let fd = socket::open(SockType::Stream, V4);
    setsockopt(&fd, ReuseAddr, &true).unwrap();
    socket::bind(&fd, SocketAddr::new(V4, 20000)).unwrap();
    socket::connect(&fd, to.local_addr().unwrap()).unwrap();
    let (server, _) = to.accept().unwrap();
    (fd, server)
}

#[test]
fn another_connection_of_the_same_addresses_is_not_hit() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let first = from_one_port(&listener);
        let listed = collected(Protocol::Tcp);
        assert_eq!(listed.len(), 3);
        let ends: Vec<Socket> = listed
            .iter()
            .copied()
            .filter(|one| one.has_peer())
            .collect();
        // The first connection is destroyed, a second one takes its place.
        assert!(
            destroy(&Host::Live, &ends)
                .iter()
                .all(|fate| fate.is_good())
        );
        drop(first);
        let _second = from_one_port(&listener);
        let before = sockets();
        assert_eq!(before.len(), 3);
        assert_eq!(destroy(&Host::Live, &ends), [Fate::Gone; 2]);
        assert_eq!(sockets(), before);
    });
}

#[test]
fn another_listener_or_udp_socket_of_the_same_address_is_not_hit() {
    in_namespace(|| {
        let listener = TcpListener::bind((V4, PORT)).unwrap();
        let udp = UdpSocket::bind((V4, PORT)).unwrap();
        let mut listed = collected(Protocol::Tcp);
        listed.extend(collected(Protocol::Udp));
        assert_eq!(listed.len(), 2);
        drop((listener, udp));
        let _listener = TcpListener::bind((V4, PORT)).unwrap();
        let udp = UdpSocket::bind((V4, PORT)).unwrap();
        udp.set_nonblocking(true).unwrap();
        let before = sockets();
        assert_eq!(destroy(&Host::Live, &listed), [Fate::Gone; 2]);
        assert_eq!(sockets(), before);
        let told = udp.recv(&mut [0]).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn a_socket_that_lost_its_peer_is_not_what_it_was() {
    in_namespace(|| {
        let other = UdpSocket::bind((V4, 20001)).unwrap();
        let udp = UdpSocket::bind((V4, PORT)).unwrap();
        udp.connect(other.local_addr().unwrap()).unwrap();
        let mut listed = collected(Protocol::Udp);
        listed.retain(Socket::has_peer);
        assert_eq!(listed.len(), 1);
        // The same socket, of another peer: what was chosen is not there any more.
        udp.connect((V4, 20002)).unwrap();
        assert_eq!(destroy(&Host::Live, &listed), [Fate::Gone]);
        assert_eq!(udp.peer_addr().unwrap().port(), 20002);
    });
}

#[test]
fn what_is_bound_alike_cannot_be_told_apart_by_the_kernel() {
    in_namespace(|| {
        let bind = || {
            let fd = socket::open(SockType::Datagram, V4);
            setsockopt(&fd, ReuseAddr, &true).unwrap();
            socket::bind(&fd, SocketAddr::new(V4, PORT)).unwrap();
            fd
        };
        let _two = [bind(), bind()];
        let fates = destroy(&Host::Live, &collected(Protocol::Udp));
        let hidden = Fate::Refused(Obstacle::Hidden);
        assert!(
            fates.contains(&Fate::Destroyed) && fates.contains(&hidden),
            "{fates:?}"
        );
    });
}

// Other network namespaces.

/// Runs the test in a namespace where names may be given to others.
fn with_names(body: impl FnOnce()) {
    in_namespace(|| match empty_run() {
        Ok(()) => body(),
        Err(error) if is_forbidden(&error) => skip(&error),
        Err(error) => panic!("{error}"),
    });
}

/// Two namespaces with names, with the same socket in each.
fn rooms() -> [Room; 2] {
    ["red", "blue"].map(|name| {
        let room = Room::listening(name, PORT);
        name_netns(name, &room.path()).unwrap();
        room
    })
}

/// Whether somebody listens in a namespace.
#[track_caller]
fn listens(name: &str) -> bool {
    portstat(&format!("-N {name} -qtl sport = :8080")).code == 0
}

#[test]
fn only_the_namespace_that_is_meant_is_touched() {
    with_names(|| {
        let _own = TcpListener::bind((V4, PORT)).unwrap();
        let [_red, blue] = rooms();
        portstat("-N red -Ktl --yes sport = :8080").exited(0);
        assert!(!listens("red") && listens("blue") && listens("self"));
        let pid = blue.process.pid();
        portstat(&format!("-N {pid} -Ktl --yes sport = :8080")).exited(0);
        assert!(!listens("blue") && listens("self"));
    });
}

#[test]
fn of_all_namespaces_each_socket_goes_in_its_own() {
    with_names(|| {
        let _own = TcpListener::bind((V4, PORT)).unwrap();
        let _rooms = rooms();
        let filter = "sport = :8080 and netns = blue";
        portstat(&format!("-N all -Ktl --yes {filter}")).exited(0);
        assert!(listens("red") && !listens("blue") && listens("self"));
        let filter = "sport = :8080 and ( netns = red or netns = blue )";
        let killed = portstat(&format!("-N all -Ktl --yes --json {filter}")).exited(0);
        let document = killed.json();
        let sockets = document["sockets"].as_array().unwrap();
        assert_eq!(sockets.len(), 1);
        assert_eq!(sockets[0]["netns_name"], "red");
        assert_eq!(sockets[0]["destroyed"], true);
        assert!(!listens("red") && listens("self"));
    });
}

#[test]
fn namespaces_that_may_not_be_entered_are_left_alone_and_told() {
    with_names(|| {
        let _rooms = rooms();
        let mut command = command(&words("-N all -Ktl --yes sport = :8080"));
        without_rights(&mut command);
        let refused = finish(&mut command).exited(4);
        assert!(refused.stderr.contains("/proc/net"), "{}", refused.stderr);
        assert!(listens("red") && listens("blue"));
    });
}
