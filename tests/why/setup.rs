//! Sockets that are in the way.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use nix::sys::socket::SockType;
use rustix::event::epoll;

use crate::answer::Blocker;
use crate::support::dial::{Connection, Source, dial, set_port_range};
use crate::support::portstat;
use crate::support::socket::{accept, bind, listen, local_address, open};
use crate::wanted::Wanted;

/// The port that is asked for.
pub const P: u16 = 8080;
/// The program that is tested.
const PORTSTAT: &str = env!("CARGO_BIN_EXE_portstat");
/// Where outgoing connections lead to.
pub const ELSEWHERE: u16 = 9000;

/// A listener with somebody who waits for connections.
#[derive(Debug)]
pub struct Served {
    pub fd: OwnedFd,
    _waits: OwnedFd,
}

/// A listener as it was wanted, served by this process.
#[track_caller]
pub fn served(wanted: Wanted) -> Served {
    serve(wanted.really().unwrap())
}

/// Has this process wait for what comes in on a socket.
pub fn serve(fd: OwnedFd) -> Served {
    let waits = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(0);
    epoll::add(&waits, fd.as_fd(), data, epoll::EventFlags::IN).unwrap();
    Served { fd, _waits: waits }
}

/// This process.
pub fn own_pid() -> u32 {
    std::process::id()
}

/// How the kernel names it.
pub fn own_name() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    name.trim_end_matches('\n').to_owned()
}

/// This process, as people read it.
pub fn own_mark() -> String {
    format!("{}[{}]", own_name(), own_pid())
}

/// Both ends of a connection to a listener, whose client is at an address and port of its own.
#[track_caller]
pub fn accepted(listener: &OwnedFd, to: SocketAddr) -> Connection {
    let client = dial(SockType::Stream, Source::Any, to).unwrap();
    let server = accept(listener);
    Connection { client, server }
}

/// A connection of a server that has gone; `reuse` tells whether it had SO_REUSEADDR.
#[track_caller]
pub fn left_by_server(to: SocketAddr, reuse: bool) -> Connection {
    let mut wanted = Wanted::new(SockType::Stream, to);
    wanted.reuse_address = reuse;
    let listener = wanted.really().unwrap();
    accepted(&listener, to)
}

/// Has the server close a connection first, so that its port stays in TIME-WAIT.
#[track_caller]
pub fn close_by_server(connection: Connection) {
    // The end that closes first is the one that waits.
    let Connection { client, server } = connection;
    let swapped = Connection {
        client: server,
        server: client,
    };
    swapped.close_actively();
}

/// A connection to elsewhere that draws the port, and the listener there.
#[track_caller]
pub fn outgoing(from: u16, to: IpAddr) -> (Connection, OwnedFd) {
    let destination = SocketAddr::new(to, ELSEWHERE);
    let listener = Wanted::new(SockType::Stream, destination).really().unwrap();
    set_port_range(from, from);
    let connection = accepted(&listener, destination);
    set_port_range(32_768, 60_999);
    assert_eq!(local_address(&connection.client).port(), from);
    (connection, listener)
}

/// A socket that connected to itself.
#[track_caller]
pub fn connected_to_itself(at: SocketAddr) -> OwnedFd {
    set_port_range(at.port(), at.port());
    let fd = dial(SockType::Stream, Source::Any, at).unwrap();
    set_port_range(32_768, 60_999);
    assert_eq!(local_address(&fd), at);
    fd
}

/// A listener, not served by anybody.
#[track_caller]
pub fn listener(at: SocketAddr) -> OwnedFd {
    let fd = open(SockType::Stream, at.ip());
    bind(&fd, at).unwrap();
    listen(&fd, 5).unwrap();
    fd
}

/// An address with a port.
#[track_caller]
pub fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Does what is advised, by the command that begins so.
#[track_caller]
pub fn run_fix(blocker: &Blocker, begins: &str) {
    let commands = blocker
        .fixes
        .iter()
        .filter_map(|fix| fix.command.as_deref());
    let command = commands.clone().find(|command| command.starts_with(begins));
    let command = command.unwrap_or_else(|| panic!("{begins}: {:?}", blocker.fixes));
    // As it is printed it asks first.
    let script = match command.strip_prefix("portstat ") {
        Some(arguments) => format!("{PORTSTAT} {arguments} --yes"),
        None => command.to_owned(),
    };
    let output = portstat::output(Command::new("sh").args(["-ec", &script]));
    assert!(output.status.success(), "{command}: {output:?}");
}
