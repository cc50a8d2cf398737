//! Random sockets on one port, with all that is known of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{BindToDevice, Ipv6V6Only, ReuseAddr, ReusePort};
use nix::sys::socket::{Shutdown, SockType, SockaddrStorage, getpeername, getsockopt, shutdown};
use portstat::model::SocketFlags;

use crate::support::dial::set_port_range;
use crate::support::population::Random;
use crate::support::rights::as_user;
use crate::support::socket::{
    accept, await_end, await_pending, bind, connect, local_address, open, set_defer_accept,
};
use crate::wanted::Wanted;

/// Listeners on every address and both families, to which sockets of the crowd connect.
pub const ELSEWHERE: u16 = 9000;
/// The ports that clients of the crowd draw; those of crowds lie below.
const CLIENTS: (u16, u16) = (40_000, 60_999);
/// The kernel's index of `lo`.
pub const LOOPBACK: u32 = 1;
/// Connections that wait for data are not taken as open for so many seconds.
const DEFER_SECONDS: i32 = 100;

/// A socket that was made, or what is left of it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub local: SocketAddr,
    /// The other end, where there is one.
    pub peer: Option<SocketAddr>,
    /// 0 where no process holds it.
    pub inode: u64,
    pub on_loopback: bool,
    pub flags: SocketFlags,
}

/// The sockets of one port.
#[derive(Debug)]
pub struct Crowd<'s> {
    pub random: Random,
    pub port: u16,
    pub known: Vec<Known>,
    /// What to tell when the answer is wrong.
    pub story: Vec<String>,
    /// The users who make sockets.
    users: &'s [u32],
    elsewhere: &'s OwnedFd,
    held: Vec<OwnedFd>,
}

impl<'s> Crowd<'s> {
    /// A few sockets; `elsewhere` is a listener on [`ELSEWHERE`].
    pub fn random(
        random: Random,
        port: u16,
        users: &'s [u32],
        elsewhere: &'s OwnedFd,
    ) -> Crowd<'s> {
        set_port_range(CLIENTS.0, CLIENTS.1);
        let mut crowd = Crowd {
            random,
            port,
            known: Vec::new(),
            story: Vec::new(),
            users,
            elsewhere,
            held: Vec::new(),
        };
        for _ in 0..1 + crowd.random.below(5) {
            match crowd.random.below(20) {
                0..4 => crowd.bound(SockType::Stream),
                4..8 => crowd.listener(),
                8..12 => crowd.accepted(),
                12..16 => crowd.outgoing(),
                16..19 => crowd.bound(SockType::Datagram),
                _ => crowd.connected_udp(),
            }
        }
        crowd
    }

    /// Whoever makes a socket, mostly the first.
    pub fn user(&mut self) -> u32 {
        match self.random.below(3) {
            0 => self.random.pick(self.users),
            _ => self.users[0],
        }
    }

    /// A bind at random, mostly of an address of this machine.
    pub fn wanted(&mut self, kind: SockType) -> Wanted {
        let v4 = |last: u8| IpAddr::from([127, 0, 0, last]);
        let mapped = |last: u8| IpAddr::from(Ipv4Addr::new(127, 0, 0, last).to_ipv6_mapped());
        let any_mapped = IpAddr::from(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped());
        let (any_v4, any_v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        let one_v6 = Ipv6Addr::LOCALHOST.into();
        let ip: IpAddr = self.random.pick(&[
            any_v4,
            any_v4,
            v4(1),
            v4(1),
            v4(2),
            any_v6,
            any_v6,
            one_v6,
            one_v6,
            mapped(1),
            mapped(2),
            any_mapped,
        ]);
        let is_mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        let mut wanted = Wanted::new(kind, SocketAddr::new(ip, self.port));
        wanted.reuse_address = self.random.chance(45);
        wanted.reuse_port = self.random.chance(35);
        wanted.v6only = ip.is_ipv6() && !is_mapped && self.random.chance(40);
        wanted.on_loopback = self.random.chance(15);
        wanted
    }

    fn tell(&mut self, what: &str, wanted: &Wanted, uid: u32) {
        let flags = wanted.args().join(" ");
        self.story.push(format!("{what} by {uid}: {flags}"));
    }

    /// Keeps a socket open, with what is known of it.
    fn keep(&mut self, fd: OwnedFd) {
        self.known.push(known(&fd));
        self.held.push(fd);
    }

    fn bound(&mut self, kind: SockType) {
        let (wanted, uid) = (self.wanted(kind), self.user());
        if let Ok(fd) = as_user(uid, || wanted.bound()) {
            self.tell("bound", &wanted, uid);
            self.keep(fd);
        }
    }

    fn listening(&mut self) -> Option<(OwnedFd, Wanted)> {
        let (wanted, uid) = (self.wanted(SockType::Stream), self.user());
        let fd = as_user(uid, || wanted.really()).ok()?;
        self.tell("listens", &wanted, uid);
        Some((fd, wanted))
    }

    fn listener(&mut self) {
        let Some((fd, wanted)) = self.listening() else {
            return;
        };
        match self.random.below(8) {
            0 => {
                // It is bound again, and no more.
                shutdown(fd.as_raw_fd(), Shutdown::Read).unwrap();
                self.story.push("… no more".to_owned());
            }
            1 => self.half_open(&fd, &wanted),
            2 => {
                // A connection of the listener that nobody has accepted.
                if let Some(client) = self.client_of(&fd, &wanted) {
                    await_pending(&fd, 1);
                    let waiting = Known {
                        local: peer_address(&client),
                        peer: Some(local_address(&client)),
                        inode: 0,
                        ..known(&fd)
                    };
                    self.known.push(waiting);
                    self.held.push(client);
                    self.story.push("… and one waits".to_owned());
                }
            }
            _ => {}
        }
        self.keep(fd);
    }

    /// A connection that the listener does not take as open before data comes. It is in nobody's
    /// way.
    fn half_open(&mut self, listener: &OwnedFd, wanted: &Wanted) {
        set_defer_accept(listener, DEFER_SECONDS);
        if let Some(client) = self.client_of(listener, wanted) {
            self.held.push(client);
            self.story.push("… with a connection half open".to_owned());
        }
    }

    /// A client of a listener; `None` where others on the port would get it.
    fn client_of(&mut self, listener: &OwnedFd, wanted: &Wanted) -> Option<OwnedFd> {
        let alone = self.known.iter().all(|one| one.peer.is_some());
        if !alone {
            return None;
        }
        let own = local_address(listener).ip();
        let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
        let to = match own {
            IpAddr::V4(ip) if ip.is_unspecified() => v4,
            IpAddr::V6(ip) if ip.is_unspecified() && wanted.v6only => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => {
                self.random.pick(&[v4, Ipv6Addr::LOCALHOST.into()])
            }
            IpAddr::V6(ip) if ip.to_ipv4_mapped() == Some(Ipv4Addr::UNSPECIFIED) => v4,
            ip => ip.to_canonical(),
        };
        let client = open(SockType::Stream, to);
        // A socket of a connection on this port may be at the very same ends.
        connect(&client, SocketAddr::new(to, self.port)).ok()?;
        Some(client)
    }

    /// What is left of a server, in one of the states in which it can be left.
    fn accepted(&mut self) {
        let Some((listener, wanted)) = self.listening() else {
            return;
        };
        let Some(client) = self.client_of(&listener, &wanted) else {
            return self.keep(listener);
        };
        let uid = self.user();
        let server = as_user(uid, || accept(&listener));
        self.story.push(format!("… accepted by {uid}"));
        if self.random.chance(25) {
            self.keep(listener);
        } else {
            self.story.push("… and gone".to_owned());
        }
        self.leave(server, client);
    }

    /// A connection to elsewhere from this port, drawn or chosen.
    fn outgoing(&mut self) {
        let (mut wanted, uid) = (self.wanted(SockType::Stream), self.user());
        let chosen = self.random.chance(50);
        let to = match wanted.address.ip() {
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => Ipv6Addr::LOCALHOST.into(),
            // A mapped address is bound by a socket that takes IPv4.
            IpAddr::V6(_) => Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        };
        if !chosen {
            wanted.address.set_ip(to);
        }
        let made = as_user(uid, || -> Result<OwnedFd, Errno> {
            let client = wanted.opened();
            if chosen {
                bind(&client, wanted.address)?;
            } else {
                set_port_range(self.port, self.port);
            }
            let connected = connect(&client, SocketAddr::new(to, ELSEWHERE));
            connected.map(|()| client)
        });
        set_port_range(CLIENTS.0, CLIENTS.1);
        let Ok(client) = made else {
            return;
        };
        assert_eq!(local_address(&client).port(), self.port);
        let server = accept(self.elsewhere);
        self.tell(
            if chosen { "connected from" } else { "drawn" },
            &wanted,
            uid,
        );
        self.leave(client, server);
    }

    /// Leaves a connection in one of the states in which it keeps its port; `own` is the end on
    /// the port.
    fn leave(&mut self, own: OwnedFd, other: OwnedFd) {
        let mut left = known(&own);
        match self.random.below(4) {
            0 => {
                self.story.push("… in TIME-WAIT".to_owned());
                drop(own);
                await_end(&other);
                drop(other);
                left.inode = 0;
                self.known.push(left);
            }
            1 => {
                self.story.push("… orphaned".to_owned());
                drop(own);
                await_end(&other);
                self.held.push(other);
                left.inode = 0;
                self.known.push(left);
            }
            2 => {
                self.story.push("… half closed".to_owned());
                drop(other);
                await_end(&own);
                self.keep(own);
            }
            _ => {
                self.keep(own);
                self.held.push(other);
            }
        }
    }

    fn connected_udp(&mut self) {
        let (wanted, uid) = (self.wanted(SockType::Datagram), self.user());
        let to = match wanted.address.ip() {
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        };
        let chosen = self.random.chance(50);
        let made = as_user(uid, || -> Result<OwnedFd, Errno> {
            let client = wanted.opened();
            if chosen {
                bind(&client, wanted.address)?;
            } else {
                set_port_range(self.port, self.port);
            }
            let connected = connect(&client, SocketAddr::new(to, 53));
            connected.map(|()| client)
        });
        set_port_range(CLIENTS.0, CLIENTS.1);
        if let Ok(client) = made {
            self.tell("UDP connected", &wanted, uid);
            self.keep(client);
        }
    }
}

fn peer_address(fd: &OwnedFd) -> SocketAddr {
    let address: SockaddrStorage = getpeername(fd.as_raw_fd()).unwrap();
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::from((v4.ip(), v4.port())),
        (_, Some(v6)) => SocketAddr::from((v6.ip(), v6.port())),
        (None, None) => panic!("{address:?}"),
    }
}

/// What its owner can ask of a socket.
fn known(fd: &OwnedFd) -> Known {
    let local = local_address(fd);
    let peer = getpeername::<SockaddrStorage>(fd.as_raw_fd());
    Known {
        local,
        peer: peer.ok().map(|_| peer_address(fd)),
        inode: rustix::fs::fstat(fd).unwrap().st_ino,
        on_loopback: !getsockopt(fd, BindToDevice).unwrap().is_empty(),
        flags: SocketFlags {
            reuse_address: Some(getsockopt(fd, ReuseAddr).unwrap()),
            reuse_port: Some(getsockopt(fd, ReusePort).unwrap()),
            v6only: local.is_ipv6().then(|| getsockopt(fd, Ipv6V6Only).unwrap()),
        },
    }
}
