//! The sockets of a port as portstat reads them, with the flags that their crowd knows.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::SockType;
use portstat::analyze::why::{Existing, Holding};
use portstat::collect::{Batch, Flow, Method, Receiver, Request, collect};
use portstat::filter::{Comparison, End, Expression, Test};
use portstat::kernel::Host;
use portstat::model::{DetailSet, Endpoint, Protocol, Socket, SocketFlags, State, StateSet};

use crate::crowd::{Crowd, Known, LOOPBACK};

/// Far longer than a connection takes to be closed here.
const SETTLING: Duration = Duration::from_millis(100);

/// Takes the rows of one port.
struct Rows {
    port: u16,
    sockets: Vec<Socket>,
}

impl Receiver for Rows {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        let on_port = |socket: &&Socket| socket.inet().unwrap().local.port == self.port;
        self.sockets.extend(batch.sockets.iter().filter(on_port));
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        false
    }
}

/// The protocol of sockets of a kind.
pub fn protocol(kind: SockType) -> Protocol {
    match kind {
        SockType::Stream => Protocol::Tcp,
        _ => Protocol::Udp,
    }
}

/// The sockets of the port, with the flags that the crowd knows.
#[track_caller]
pub fn existing(crowd: &Crowd<'_>, kind: SockType) -> Vec<Existing> {
    let protocol = protocol(kind);
    let request = Request {
        tables: protocol.tables().collect(),
        states: StateSet::ALL,
        details: DetailSet::NONE,
        method: Method::Netlink,
        condition: Some(Expression::Test(Test::Port {
            end: End::Local,
            comparison: Comparison::Equal,
            port: crowd.port,
        })),
    };
    let look = || {
        let mut rows = Rows {
            port: crowd.port,
            sockets: Vec::new(),
        };
        let report = collect(&Host::Live, &request, &mut rows).unwrap();
        assert!(report.gaps.is_empty(), "{:?}", report.gaps);
        rows.sockets
    };
    let states = |sockets: &[Socket]| -> Vec<(u64, State)> {
        let states = sockets.iter().map(|socket| (socket.cookie, socket.state));
        states.collect()
    };
    // While the kernel puts something small in place of an orphan, neither may be seen. And two
    // connections at the same ends on different devices take segments from each other, and may
    // never come to an end.
    let deadline = Instant::now() + SETTLING;
    let mut sockets = look();
    loop {
        let before = std::mem::replace(&mut sockets, look());
        let rest = states(&before) == states(&sockets);
        let ended = !sockets.iter().any(|socket| is_on_its_way(socket.state));
        if rest && (ended || Instant::now() > deadline) {
            break;
        }
        thread::yield_now();
    }
    let existing = sockets.into_iter().map(|socket| {
        let flags = flags_of(crowd, &socket);
        Existing::new(socket, flags, Holding::Unknown).unwrap()
    });
    existing.collect()
}

/// Whether a socket will be in another state as soon as its peer has answered.
fn is_on_its_way(state: State) -> bool {
    matches!(state, State::FinWait1 | State::LastAck | State::Closing)
}

fn flags_of(crowd: &Crowd<'_>, socket: &Socket) -> SocketFlags {
    // A client by IPv4 has a peer by IPv6 where a dual-stack listener answers.
    let end = |end: &Endpoint| SocketAddr::new(end.addr.to_canonical(), end.port);
    let same = |known: SocketAddr, told: &Endpoint| {
        SocketAddr::new(known.ip().to_canonical(), known.port()) == end(told)
    };
    let ends = socket.inet().unwrap();
    let is_it = |known: &&Known| match (socket.inode, known.peer) {
        (0, Some(peer)) => {
            known.inode == 0
                && known.on_loopback == (socket.interface == LOOPBACK)
                && same(known.local, &ends.local)
                && same(peer, &ends.peer)
        }
        (0, None) => false,
        (inode, _) => known.inode == inode,
    };
    // A connection may have taken over one in TIME-WAIT at the same ends.
    let found = crowd.known.iter().rev().find(is_it);
    found.map(|known| known.flags).unwrap_or_default()
}
