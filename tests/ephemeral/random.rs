//! Random sockets in a small range, what portstat makes of them, and what the kernel then does.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::SockType;

use crate::report::report;
use crate::setup::{
    S, S2, asked, free_to_bind, host, local, room_to_autobind, room_to_bind, source,
};
use crate::support::dial::{Connection, Server, Source, dial, reset, set_port_range};
use crate::support::namespace::{in_namespace, sysctl};
use crate::support::population::Random;
use crate::support::socket::{bind, listen, open, set_v6only};

/// As many rounds as fit, but never fewer nor more.
const ROUNDS: RangeInclusive<usize> = 20..=400;
const TIME: Duration = Duration::from_secs(8);

/// One round: sockets at random in a range of their own, which later rounds are not concerned by.
struct Round<'s> {
    server: &'s Server,
    random: Random,
    first: u16,
    last: u16,
    /// What to tell when the answer is wrong.
    made: Vec<String>,
    connections: Vec<Connection>,
    sockets: Vec<OwnedFd>,
}

impl Round<'_> {
    fn port(&mut self) -> u16 {
        let size = usize::from(self.last - self.first) + 1;
        self.first + self.random.below(size) as u16
    }

    fn address(&mut self) -> IpAddr {
        host(self.random.pick(&[1, 9, 10]))
    }

    fn destination(&mut self) -> SocketAddr {
        let two = SocketAddr::new(host(2), S);
        self.random.pick(&[local(S), local(S), local(S2), two])
    }

    /// Where a client comes from. A port that is drawn is in the range, one that is chosen too.
    fn source(&mut self) -> Source {
        let address = self.address();
        let port = self.port();
        match self.random.below(10) {
            0..4 => Source::Any,
            4..6 => Source::NoPort(address),
            6..9 => Source::Held(address),
            _ => Source::Exactly(SocketAddr::new(address, port)),
        }
    }

    /// A connection at random; `None` where its pool is empty.
    fn connection(&mut self) -> Option<Connection> {
        let (source, to) = (self.source(), self.destination());
        let connection = self.server.dial(source, to).ok()?;
        self.made.push(format!("{source:?} to {to}"));
        Some(connection)
    }

    fn connect(&mut self) {
        let connection = self.connection();
        self.connections.extend(connection);
    }

    fn time_wait(&mut self) {
        if let Some(connection) = self.connection() {
            connection.close_actively();
            self.made.push("… closed".to_owned());
        }
    }

    fn orphan(&mut self) {
        if let Some(connection) = self.connection() {
            self.sockets.push(connection.orphan());
            self.made.push("… orphaned".to_owned());
        }
    }

    /// IPv6 and v4-mapped destinations.
    fn connect_by_ipv6(&mut self) {
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), S));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, S));
        let to = self.random.pick(&[mapped, v6]);
        let source = self
            .random
            .pick(&[Source::Any, Source::Any, Source::Held(to.ip())]);
        if let Ok(connection) = self.server.dial(source, to) {
            self.made.push(format!("{source:?} to {to}"));
            self.connections.push(connection);
        }
    }

    /// An address to bind to, of every kind; whether it refuses the other family.
    fn bind_address(&mut self) -> (IpAddr, bool) {
        let specific = self.address();
        match self.random.below(6) {
            0..3 => (specific, false),
            3 => (Ipv4Addr::UNSPECIFIED.into(), false),
            4 => (Ipv6Addr::LOCALHOST.into(), true),
            _ => (Ipv6Addr::UNSPECIFIED.into(), self.random.chance(50)),
        }
    }

    /// A socket bound to a port of the range.
    fn bound(&mut self, kind: SockType) -> Option<(OwnedFd, SocketAddr)> {
        let (ip, v6only) = self.bind_address();
        let port = self.port();
        let port = self.random.pick(&[0, port]);
        let fd = open(kind, ip);
        if ip.is_ipv6() {
            set_v6only(&fd, v6only);
        }
        bind(&fd, SocketAddr::new(ip, port)).ok()?;
        self.made
            .push(format!("{kind:?} on {ip} port {port}, v6only {v6only}"));
        Some((fd, SocketAddr::new(ip, port)))
    }

    fn bound_tcp(&mut self) {
        let bound = self.bound(SockType::Stream);
        self.sockets.extend(bound.map(|(fd, _)| fd));
    }

    fn listener(&mut self) {
        if let Some((fd, _)) = self.bound(SockType::Stream)
            && listen(&fd, 5).is_ok()
        {
            self.made.push("… listens".to_owned());
            self.sockets.push(fd);
        }
    }

    /// Somebody from outside the range connects to a listener in it, which then may go.
    fn accepted(&mut self) {
        let port = self.port();
        let listener = open(SockType::Stream, host(1));
        if bind(&listener, local(port)).is_err() || listen(&listener, 5).is_err() {
            return;
        }
        let outside = 1024 + self.random.below(9000) as u16;
        let source = Source::Exactly(SocketAddr::new(host(3), 20_000 + outside));
        if let Ok(client) = dial(SockType::Stream, source, local(port)) {
            let server = crate::support::socket::accept(&listener);
            self.connections.push(Connection { client, server });
            self.made.push(format!("accepted on {port}"));
        }
        if self.random.chance(50) {
            self.sockets.push(listener);
        }
    }

    fn bound_udp(&mut self) {
        let bound = self.bound(SockType::Datagram);
        self.sockets.extend(bound.map(|(fd, _)| fd));
    }

    fn connected_udp(&mut self) {
        let address = self.address();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 53));
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 53));
        let (source, to) = self.random.pick(&[
            (Source::Any, local(53)),
            (Source::Held(address), local(53)),
            (Source::NoPort(address), local(53)),
            (Source::Any, v6),
            (Source::Any, mapped),
        ]);
        if let Ok(fd) = dial(SockType::Datagram, source, to) {
            self.made.push(format!("UDP {source:?} to {to}"));
            self.sockets.push(fd);
        }
    }

    fn populate(&mut self) {
        let size = usize::from(self.last - self.first) + 1;
        for _ in 0..self.random.below(2 * size) {
            match self.random.below(20) {
                0..10 => self.connect(),
                10 => self.time_wait(),
                11 => self.orphan(),
                12..14 => self.connect_by_ipv6(),
                14 => self.bound_tcp(),
                15 => self.listener(),
                16 => self.accepted(),
                17 => self.bound_udp(),
                _ => self.connected_udp(),
            }
        }
    }

    /// What portstat says of a pool, and how much of it the kernel then gives.
    #[track_caller]
    fn ask(&mut self) -> (String, RangeInclusive<u64>, u64) {
        let src = self.address();
        match self.random.below(8) {
            0 => (
                format!("tcp-bind on {src}"),
                free_to_bind("tcp-bind", Some(src)),
                room_to_bind(SockType::Stream, src).0,
            ),
            1 => (
                format!("udp-bind on {src}"),
                free_to_bind("udp-bind", Some(src)),
                room_to_bind(SockType::Datagram, src).0,
            ),
            2 => (
                "udp-autobind".to_owned(),
                free_to_bind("udp-autobind", None),
                room_to_autobind(local(53)).0,
            ),
            _ => {
                let dst = self.destination();
                let pool = asked(src, dst);
                (
                    format!("tcp-connect from {src} to {dst}, {} wait", pool.time_wait),
                    pool.free_min..=pool.free_max,
                    self.server.room(source(src), dst).0 as u64,
                )
            }
        }
    }
}

/// A seed for each run; the same sockets again with `PORTSTAT_TEST_SEED`.
fn seed() -> u64 {
    match env::var("PORTSTAT_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => u64::from(std::process::id()),
    }
}

#[test]
fn the_truth_is_within_the_bounds() {
    in_namespace(|| {
        let seed = seed();
        println!("PORTSTAT_TEST_SEED={seed}");
        let server = Server::on(&[S, S2]);
        let started = Instant::now();
        let mut exact = 0;
        let mut rounds = 0;
        while rounds < *ROUNDS.end() && (rounds < *ROUNDS.start() || started.elapsed() < TIME) {
            let mut random = Random(seed + rounds as u64);
            // TIME-WAIT is of use at once, or never.
            let (reuse, delay) = random.pick(&[("0", "1"), ("1", "1"), ("2", "1"), ("1", "60000")]);
            sysctl("net.ipv4.tcp_tw_reuse", reuse);
            sysctl("net.ipv4.tcp_tw_reuse_delay", delay);
            let first = 20_000 + 100 * rounds as u16 + random.below(2) as u16;
            let last = first + 19 + random.below(21) as u16;
            set_port_range(first, last);
            let mut round = Round {
                server: &server,
                random,
                first,
                last,
                made: Vec::new(),
                connections: Vec::new(),
                sockets: Vec::new(),
            };
            round.populate();
            thread::sleep(Duration::from_millis(2)); // Longer than the short delay.
            let (question, bounds, truth) = round.ask();
            assert!(
                bounds.contains(&truth),
                "seed {seed}, round {rounds}: {question} of {first}-{last}, tcp_tw_reuse {reuse} \
                 after {delay} ms: {truth} were free, said were {bounds:?}\n{}",
                round.made.join("\n")
            );
            exact += usize::from(bounds.start() == bounds.end());
            round.connections.into_iter().for_each(reset);
            rounds += 1;
        }
        println!("{rounds} rounds, {exact} of them with an exact answer");
        // Bounds that say nothing would always be right.
        assert!(exact > 0, "{rounds} rounds");
        assert_eq!(report(&[]).stderr, "");
    });
}
