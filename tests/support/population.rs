//! Hundreds of random sockets, in every state a socket can be kept in.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::sockopt::{KeepAlive, RcvBuf, ReuseAddr, ReusePort, SndBuf};
use nix::sys::socket::{SockType, setsockopt};

use super::holder::Holder;
use super::proc_net;
use super::socket::{
    self, CLOSE_WAIT, SYN_SENT, accept, await_end, await_pending, await_state, bind,
    bind_to_loopback, connect, listen, local_address, open, set_defer_accept, set_nonblocking,
    set_v6only, write,
};
use super::waiting::wait_until;

/// The states every population has: those of TCP but for BOUND, which `/proc/net` does not show.
const STATES: [&str; 11] = [
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];
/// More than a receiver of ours takes and less than a sender of ours holds: what is sent after
/// it waits until it is read, which it never is.
const STUCK: usize = 64 << 10;
/// Half-open connections stay so for longer than any test takes.
const DEFER_SECONDS: i32 = 100;

/// splitmix64: small, and the same for the same seed everywhere.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True that often.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// By which addresses the two ends of a connection speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// IPv4 at both ends.
    V4,
    /// IPv6 at both ends.
    V6,
    /// IPv4 to a dual-stack listener.
    Dual,
    /// v4-mapped at both ends.
    Mapped,
}

impl Way {
    const ALL: [Way; 4] = [Way::V4, Way::V6, Way::Dual, Way::Mapped];
}

/// The sockets, held open until this is dropped.
#[derive(Debug)]
pub struct Population {
    seed: u64,
    random: Random,
    held: Vec<OwnedFd>,
    holders: Vec<Holder>,
    /// Addresses of TCP sockets that are bound and nothing else, as ss writes them.
    pub bound: Vec<String>,
    /// Ports on which TCP sockets listen.
    pub listening: Vec<u16>,
}

impl Population {
    /// Opens about `size` sockets, and as many more as connections leave behind; the same kinds
    /// for the same seed.
    pub fn random(seed: u64, size: usize) -> Population {
        raise_descriptor_limit();
        let mut population = Population {
            seed,
            random: Random(seed),
            held: Vec::new(),
            holders: Vec::new(),
            bound: Vec::new(),
            listening: Vec::new(),
        };
        let kinds: [fn(&mut Population); 19] = [
            Population::listener,
            Population::listeners_on_one_port,
            Population::established,
            Population::unread,
            Population::unacknowledged,
            Population::not_accepted,
            Population::syn_sent,
            Population::syn_received,
            Population::half_closed,
            Population::half_closed_orphan,
            Population::closed_here,
            Population::closed_here_orphan,
            Population::closed_last,
            Population::closed_at_once,
            Population::time_wait,
            Population::bound,
            Population::udp_server,
            Population::udp_client,
            Population::udp_servers_on_one_port,
        ];
        for kind in kinds {
            kind(&mut population);
        }
        while population.held.len() < size {
            let kind = population.random.pick(&kinds);
            kind(&mut population);
        }
        population.share();
        wait_until("every state", || {
            let rows = proc_net::rows();
            STATES
                .iter()
                .all(|state| rows.iter().any(|row| row.state == *state))
        });
        population
    }

    /// The ports of some listeners, for filters.
    pub fn ports(&self) -> (u16, u16) {
        let middle = self.listening.len() / 2;
        (self.listening[0], self.listening[middle])
    }

    /// Has children hold some of the sockets too, some of them twice.
    fn share(&mut self) {
        for twice in [false, true, false] {
            let count = 1 + self.random.below(self.held.len() / 6);
            let chosen: Vec<usize> = (0..count)
                .map(|_| self.random.below(self.held.len()))
                .collect();
            let fds: Vec<BorrowedFd<'_>> = chosen
                .iter()
                .map(|&index| self.held[index].as_fd())
                .collect();
            self.holders.push(if twice {
                Holder::twice(&fds)
            } else {
                Holder::of(&fds)
            });
        }
        for _ in 0..10 {
            let index = self.random.below(self.held.len());
            self.held.push(self.held[index].try_clone().unwrap());
        }
    }

    fn loopback(&mut self) -> Ipv4Addr {
        let (third, fourth) = (self.random.below(4) as u8, self.random.below(254) as u8 + 1);
        Ipv4Addr::new(127, 0, third, fourth)
    }

    /// An address to bind to, and whether its socket refuses IPv4; `None` where that is no
    /// question.
    fn own_address(&mut self, way: Way) -> (IpAddr, Option<bool>) {
        let wildcard = self.random.chance(40);
        match way {
            Way::V4 if wildcard => (Ipv4Addr::UNSPECIFIED.into(), None),
            Way::V4 => (self.loopback().into(), None),
            Way::V6 if wildcard => (Ipv6Addr::UNSPECIFIED.into(), Some(true)),
            Way::V6 => (Ipv6Addr::LOCALHOST.into(), Some(self.random.chance(50))),
            Way::Dual | Way::Mapped if wildcard => (Ipv6Addr::UNSPECIFIED.into(), Some(false)),
            Way::Dual | Way::Mapped => (self.loopback().to_ipv6_mapped().into(), Some(false)),
        }
    }

    /// A socket bound to an address of the way, sometimes to the loopback device too.
    fn bound_socket(&mut self, kind: SockType, way: Way, share_port: bool) -> OwnedFd {
        loop {
            let (ip, v6only) = self.own_address(way);
            let fd = open(kind, ip);
            if let Some(v6only) = v6only {
                set_v6only(&fd, v6only);
            }
            if share_port {
                setsockopt(&fd, ReusePort, &true).unwrap();
            }
            if self.random.chance(20) {
                bind_to_loopback(&fd);
            }
            let port = match self.random.below(5) {
                0 => 1 + self.random.below(1023),
                _ => 1024 + self.random.below(64_000),
            };
            match bind(&fd, SocketAddr::new(ip, port as u16)) {
                Ok(()) => return fd,
                Err(Errno::EADDRINUSE) => {}
                Err(error) => panic!("bind {ip} port {port}: {error}"),
            }
        }
    }

    /// A listener with a small buffer, and where to reach it.
    fn listening_socket(&mut self, way: Way, backlog: i32) -> (OwnedFd, SocketAddr) {
        let fd = loop {
            let fd = self.bound_socket(SockType::Stream, way, false);
            setsockopt(&fd, RcvBuf, &4096).unwrap();
            match listen(&fd, backlog) {
                Ok(()) => break fd,
                // Some connection has the port already.
                Err(Errno::EADDRINUSE) => {}
                Err(error) => panic!("listen: {error}"),
            }
        };
        let own = local_address(&fd);
        let loopback = self.loopback();
        let ip = match (way, own.ip().to_canonical()) {
            (Way::V6, _) => Ipv6Addr::LOCALHOST.into(),
            (Way::V4 | Way::Dual, IpAddr::V4(ip)) if !ip.is_unspecified() => ip.into(),
            (Way::V4 | Way::Dual, _) => loopback.into(),
            (Way::Mapped, IpAddr::V4(ip)) if !ip.is_unspecified() => ip.to_ipv6_mapped().into(),
            (Way::Mapped, _) => loopback.to_ipv6_mapped().into(),
        };
        self.listening.push(own.port());
        (fd, SocketAddr::new(ip, own.port()))
    }

    /// A socket that is about to connect to `target`.
    fn client(&mut self, target: SocketAddr) -> OwnedFd {
        let fd = open(SockType::Stream, target.ip());
        setsockopt(&fd, SndBuf, &(4 * STUCK)).unwrap();
        if self.random.chance(15) {
            bind_to_loopback(&fd);
        }
        if self.random.chance(15) {
            setsockopt(&fd, KeepAlive, &true).unwrap();
        }
        if target.is_ipv4() && self.random.chance(30) {
            bind(&fd, SocketAddr::new(self.loopback().into(), 0)).unwrap();
        }
        fd
    }

    /// The two ends of a connection: who asked for it, and who accepted. The listener is gone
    /// afterwards, or listens on.
    fn connection(&mut self) -> (OwnedFd, OwnedFd) {
        let way = self.random.pick(&Way::ALL);
        let backlog = self.random.below(200) as i32;
        let (listener, target) = self.listening_socket(way, backlog);
        let client = self.client(target);
        connect(&client, target).unwrap();
        let server = accept(&listener);
        if self.random.chance(10) {
            self.held.push(listener);
        }
        (client, server)
    }

    fn hold(&mut self, fds: impl IntoIterator<Item = OwnedFd>) {
        self.held.extend(fds);
    }

    fn listener(&mut self) {
        let way = self.random.pick(&Way::ALL);
        let backlog = self.random.below(4096) as i32;
        let (listener, _) = self.listening_socket(way, backlog);
        self.hold([listener]);
    }

    /// Several listeners that share a port with `SO_REUSEPORT`.
    fn listeners_on_one_port(&mut self) {
        let group = self.one_port_for_many(SockType::Stream);
        for fd in &group {
            listen(fd, 10).unwrap();
        }
        self.listening.push(local_address(&group[0]).port());
        self.hold(group);
    }

    fn one_port_for_many(&mut self, kind: SockType) -> Vec<OwnedFd> {
        let way = self.random.pick(&Way::ALL);
        let first = self.bound_socket(kind, way, true);
        let address = local_address(&first);
        let mut group = vec![first];
        for _ in 0..1 + self.random.below(3) {
            let fd = open(kind, address.ip());
            if address.is_ipv6() {
                set_v6only(&fd, way == Way::V6);
            }
            setsockopt(&fd, ReusePort, &true).unwrap();
            bind(&fd, address).unwrap();
            group.push(fd);
        }
        group
    }

    fn established(&mut self) {
        let (client, server) = self.connection();
        self.hold([client, server]);
    }

    /// Bytes that nobody reads: Recv-Q.
    fn unread(&mut self) {
        let (client, server) = self.connection();
        write(&client, &vec![b'x'; 1 + self.random.below(1500)]);
        self.hold([client, server]);
    }

    /// Bytes for which the receiver has no room: Send-Q, and a timer that probes for room.
    fn unacknowledged(&mut self) {
        let (client, server) = self.connection();
        write(&client, &[b'x'; STUCK]);
        self.hold([client, server]);
    }

    /// Connections that wait at a listener: nobody holds their server's end yet.
    fn not_accepted(&mut self) {
        let way = self.random.pick(&Way::ALL);
        let (listener, target) = self.listening_socket(way, 8);
        for _ in 0..1 + self.random.below(4) {
            let client = self.client(target);
            connect(&client, target).unwrap();
            self.hold([client]);
        }
        self.hold([listener]);
    }

    /// Connections to a listener whose queue is full, which answers no more.
    fn syn_sent(&mut self) {
        let way = self.random.pick(&Way::ALL);
        let (listener, target) = self.listening_socket(way, 0);
        let waiting = self.client(target);
        connect(&waiting, target).unwrap();
        await_pending(&listener, 1);
        for _ in 0..1 + self.random.below(3) {
            let client = self.client(target);
            set_nonblocking(&client);
            assert_eq!(connect(&client, target), Err(Errno::EINPROGRESS));
            await_state(&client, SYN_SENT);
            self.hold([client]);
        }
        self.hold([listener, waiting]);
    }

    /// Connections whose listener wants data before it takes them as open.
    fn syn_received(&mut self) {
        let way = self.random.pick(&Way::ALL);
        let (listener, target) = self.listening_socket(way, 16);
        set_defer_accept(&listener, DEFER_SECONDS);
        let client = self.client(target);
        connect(&client, target).unwrap();
        self.hold([listener, client]);
    }

    /// FIN-WAIT-2 and CLOSE-WAIT, both held.
    fn half_closed(&mut self) {
        let (client, server) = self.connection();
        socket::end(&client);
        await_end(&server);
        self.hold([client, server]);
    }

    /// FIN-WAIT-2 that nobody holds any more.
    fn half_closed_orphan(&mut self) {
        let (client, server) = self.connection();
        drop(client);
        await_end(&server);
        self.hold([server]);
    }

    /// FIN-WAIT-1: the end waits behind what the receiver has no room for.
    fn closed_here(&mut self) {
        let (client, server) = self.connection();
        write(&client, &[b'x'; STUCK]);
        socket::end(&client);
        self.hold([client, server]);
    }

    /// FIN-WAIT-1 that nobody holds any more.
    fn closed_here_orphan(&mut self) {
        let (client, server) = self.connection();
        write(&client, &[b'x'; STUCK]);
        drop(client);
        self.hold([server]);
    }

    /// LAST-ACK: the peer ended first, and our end waits behind what it has no room for.
    fn closed_last(&mut self) {
        let (client, server) = self.connection();
        socket::end(&server);
        await_state(&client, CLOSE_WAIT);
        write(&client, &[b'x'; STUCK]);
        if self.random.chance(50) {
            socket::end(&client);
            self.hold([client]);
        }
        self.hold([server]);
    }

    /// CLOSING: the peer's end came while ours still waits.
    fn closed_at_once(&mut self) {
        let (client, server) = self.connection();
        write(&client, &[b'x'; STUCK]);
        socket::end(&client);
        socket::end(&server);
        self.hold([client, server]);
    }

    fn time_wait(&mut self) {
        let (client, server) = self.connection();
        drop(client);
        await_end(&server);
        drop(server);
    }

    /// TCP sockets with a port, and nothing more.
    fn bound(&mut self) {
        let way = self.random.pick(&Way::ALL);
        let fd = self.bound_socket(SockType::Stream, way, false);
        if self.random.chance(50) {
            setsockopt(&fd, ReuseAddr, &true).unwrap();
        }
        self.bound.push(socket::shown(&fd));
        self.hold([fd]);
    }

    fn udp_server(&mut self) {
        let way = self.random.pick(&Way::ALL);
        let server = self.bound_socket(SockType::Datagram, way, false);
        if way == Way::V4 && self.random.chance(50) {
            let own = local_address(&server);
            let ip = if own.ip().is_unspecified() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                own.ip()
            };
            let client = open(SockType::Datagram, ip);
            connect(&client, SocketAddr::new(ip, own.port())).unwrap();
            for _ in 0..1 + self.random.below(5) {
                write(&client, b"unread");
            }
            self.hold([client]);
        }
        self.hold([server]);
    }

    fn udp_client(&mut self) {
        let target: IpAddr = match self.random.pick(&Way::ALL) {
            Way::V4 | Way::Dual => self.loopback().into(),
            Way::V6 => Ipv6Addr::LOCALHOST.into(),
            Way::Mapped => self.loopback().to_ipv6_mapped().into(),
        };
        let client = open(SockType::Datagram, target);
        if self.random.chance(20) {
            bind_to_loopback(&client);
        }
        let port = 1 + self.random.below(65_535) as u16;
        connect(&client, SocketAddr::new(target, port)).unwrap();
        self.hold([client]);
    }

    fn udp_servers_on_one_port(&mut self) {
        let group = self.one_port_for_many(SockType::Datagram);
        self.hold(group);
    }
}

impl Drop for Population {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the population was of seed {}", self.seed);
        }
    }
}

/// Hundreds of sockets are more descriptors than some systems allow at first.
pub fn raise_descriptor_limit() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = hard.min(8192).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).unwrap();
}
