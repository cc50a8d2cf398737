//! The same port in other network namespaces.

use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use super::proc_net::{name, next_line};
use super::{Batch, Flow, Method, Receiver, Request, collect};
use crate::filter::{Comparison, End, Expression, Test};
use crate::kernel::{Host, Space, has_ended, reachable_namespaces};
use crate::model::{DetailSet, Family, Gap, Protocol, Socket, State, StateSet, Table};
use crate::wire::proc_net;

/// After this only namespaces that may be entered are looked at. The tables of one take 7 ms where
/// the kernel's table of connections has 262,144 places, whatever is in it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A namespace in which somebody has the port.
#[derive(Debug)]
pub struct Neighbour {
    /// The namespace.
    pub space: Space,
    /// The sockets that take what comes in on the port. Their inodes are those of the machine:
    /// no other namespace has the same.
    pub sockets: Vec<Socket>,
}

/// Who has a port in other network namespaces.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// The namespaces in which somebody has it.
    pub found: Vec<Neighbour>,
    /// Namespaces that could not be read, and processes of which the namespace cannot be told.
    pub unread: u64,
}

/// Looks for a port in the other network namespaces that can be reached through `/proc`: TCP
/// listeners and UDP sockets without a peer. A recording has no others.
pub fn read_neighbours(host: &Host, port: u16) -> Neighbours {
    let mut neighbours = Neighbours::default();
    if host.is_recorded() {
        return neighbours;
    }
    let Ok(namespaces) = reachable_namespaces() else {
        return neighbours;
    };
    neighbours.unread = namespaces.hidden_processes;
    let began = Instant::now();
    for namespace in namespaces.found {
        if host.is_of(&namespace) {
            continue;
        }
        let space = Space::of(namespace);
        let there = space.run(|host| taking(host, port, began));
        match there.and_then(|sockets| sockets) {
            Ok(sockets) if sockets.is_empty() => {}
            Ok(sockets) => neighbours.found.push(Neighbour { space, sockets }),
            Err(error) if has_ended(&error) => {}
            Err(_) => neighbours.unread += 1,
        }
    }
    neighbours
}

/// The sockets of a namespace that take what comes in on a port, over netlink where it could be
/// entered, or out of what everybody may read.
fn taking(host: &Host, port: u16, began: Instant) -> io::Result<Vec<Socket>> {
    match dumped(host, port) {
        Some(sockets) => Ok(sockets),
        None if began.elapsed() > PATIENCE => Err(io::ErrorKind::TimedOut.into()),
        None => listed(host, port),
    }
}

/// The same over netlink: `None` where that is refused.
fn dumped(host: &Host, port: u16) -> Option<Vec<Socket>> {
    let request = Request {
        tables: tables().collect(),
        states: StateSet::LISTENING,
        details: DetailSet::NONE,
        // The files below `/proc/net` are not those of the thread.
        method: Method::Netlink,
        condition: Some(Expression::Test(Test::Port {
            end: End::Local,
            comparison: Comparison::Equal,
            port,
        })),
    };
    let mut found = Found {
        port,
        sockets: Vec::new(),
    };
    let report = collect(host, &request, &mut found).ok()?;
    let is_whole = !report.gaps.iter().any(Gap::loses_sockets);
    is_whole.then_some(found.sockets)
}

/// The tables of sockets that have ports.
fn tables() -> impl Iterator<Item = Table> {
    Protocol::WITH_PORTS.into_iter().flat_map(Protocol::tables)
}

/// Whether a socket takes what comes in on a port.
fn takes(socket: &Socket, port: u16) -> bool {
    let Some(ends) = socket.inet() else {
        return false;
    };
    let is_open = match socket.protocol {
        Protocol::Tcp => socket.state == State::Listen,
        _ => ends.peer.port == 0,
    };
    is_open && ends.local.port == port
}

/// Keeps the sockets that take what comes in on a port.
struct Found {
    port: u16,
    sockets: Vec<Socket>,
}

impl Receiver for Found {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        let rows = batch.sockets.iter();
        self.sockets
            .extend(rows.filter(|socket| takes(socket, self.port)));
        Ok(Flow::More)
    }

    /// Nothing is read by another way here.
    fn take_back(&mut self) -> bool {
        false
    }
}

/// The same, out of what everybody may read.
fn listed(host: &Host, port: u16) -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    for table in tables() {
        match host.open(&name(table)) {
            Ok(file) => search(file, table, port, &mut found)?,
            // The machine has no IPv6.
            Err(error) if table.family == Family::V6 && error.kind() == io::ErrorKind::NotFound => {
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Searches a table. The kernel lists TCP's listeners before all other sockets, so with the first
/// of those the search is over.
fn search(file: impl Read, table: Table, port: u16, found: &mut Vec<Socket>) -> io::Result<()> {
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if next_line(&mut lines, &mut line)? == 0 {
            return Ok(());
        }
        // The heading, or nobody knows what.
        let Ok(socket) = proc_net::inet_socket(&line, table) else {
            continue;
        };
        if table.protocol == Protocol::Tcp && socket.state != State::Listen {
            return Ok(());
        }
        if takes(&socket, port) {
            found.push(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ports: [u16; 2], state: &str, inode: u64) -> String {
        let [local, peer] = ports;
        format!(
            "0: 0100007F:{local:04X} 00000000:{peer:04X} {state} 00000000:00000000 00:00000000 \
             00000000 0 0 {inode}\n"
        )
    }

    #[track_caller]
    fn check(protocol: Protocol, text: &str, inodes: &[u64]) {
        let family = Family::V4;
        let mut found = Vec::new();
        search(text.as_bytes(), Table { protocol, family }, 80, &mut found).unwrap();
        let found: Vec<u64> = found.iter().map(|socket| socket.inode).collect();
        assert_eq!(found, inodes);
    }

    #[test]
    fn listeners_are_found_and_no_connections() {
        let text = [
            "  sl  local_address rem_address   st\n".to_owned(),
            line([80, 0], "0A", 1),
            "nonsense\n".to_owned(),
            line([81, 0], "0A", 2),
            line([80, 0], "0A", 3),
            line([80, 5], "01", 4),
            line([80, 0], "0A", 5),
        ];
        check(Protocol::Tcp, &text.concat(), &[1, 3]);
        check(Protocol::Tcp, "", &[]);
    }

    #[test]
    fn only_udp_without_a_peer_takes_what_comes_in() {
        let text = [
            line([80, 9], "01", 1),
            line([80, 0], "07", 2),
            line([81, 0], "07", 3),
        ];
        check(Protocol::Udp, &text.concat(), &[2]);
    }
}
