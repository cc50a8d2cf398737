//! Random sockets in a small range of ports, and whether one more connect would find one.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::sys::socket::SockType;

use crate::answer::only_answer;
use crate::ask::{check_verdict, why};
use crate::connecting::Connecting;
use crate::random::{seed, time};
use crate::support::dial::{Connection, Server, Source, dial, reset, set_port_range};
use crate::support::namespace::{in_namespace, sysctl};
use crate::support::population::Random;
use crate::support::rights::Rights;
use crate::support::socket::{bind, listen, open};

/// Ports of the servers, outside the range.
const SERVERS: [u16; 2] = [9000, 9001];
/// No fewer rounds than this, however slow the machine is, and no more than there are ports.
const ROUNDS: (usize, usize) = (40, 400);

/// One round: sockets at random in a range of their own, which later rounds are not concerned by.
struct Round<'s> {
    server: &'s Server,
    random: Random,
    first: u16,
    size: u16,
    /// What to tell when the answer is wrong.
    story: Vec<String>,
    connections: Vec<Connection>,
    sockets: Vec<OwnedFd>,
}

impl Round<'_> {
    fn port(&mut self) -> u16 {
        self.first + self.random.below(usize::from(self.size)) as u16
    }

    fn address(&mut self) -> IpAddr {
        let last = self.random.pick(&[1, 1, 9]);
        Ipv4Addr::new(127, 0, 0, last).into()
    }

    fn destination(&mut self) -> SocketAddr {
        let port = self.random.pick(&[SERVERS[0], SERVERS[0], SERVERS[1]]);
        let one: IpAddr = Ipv4Addr::LOCALHOST.into();
        let mapped: IpAddr = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        let ip = self
            .random
            .pick(&[one, one, one, mapped, Ipv6Addr::LOCALHOST.into()]);
        SocketAddr::new(ip, port)
    }

    fn source(&mut self, to: SocketAddr) -> Source {
        let (own, port) = (self.address(), self.port());
        let own = match to.ip() {
            IpAddr::V4(_) => own,
            other => other,
        };
        match self.random.below(10) {
            0..5 => Source::Any,
            5..7 => Source::NoPort(own),
            7..9 => Source::Held(own),
            _ => Source::Exactly(SocketAddr::new(own, port)),
        }
    }

    fn connect(&mut self) {
        let to = self.destination();
        let source = self.source(to);
        let Ok(connection) = self.server.dial(source, to) else {
            return;
        };
        let end = match self.random.below(6) {
            0 => {
                connection.close_actively();
                "in TIME-WAIT"
            }
            1 => {
                self.sockets.push(connection.orphan());
                "orphaned"
            }
            _ => {
                self.connections.push(connection);
                "held"
            }
        };
        self.story.push(format!("{source:?} to {to}, {end}"));
    }

    fn bound(&mut self, kind: SockType) {
        let (specific, port) = (self.address(), self.port());
        let any_v6 = Ipv6Addr::UNSPECIFIED.into();
        let choices = [
            specific,
            Ipv4Addr::UNSPECIFIED.into(),
            any_v6,
            Ipv6Addr::LOCALHOST.into(),
        ];
        let address = SocketAddr::new(self.random.pick(&choices), self.random.pick(&[0, port]));
        let fd = open(kind, address.ip());
        if bind(&fd, address).is_ok() {
            let listens =
                kind == SockType::Stream && self.random.chance(50) && listen(&fd, 5).is_ok();
            self.story
                .push(format!("{kind:?} on {address}, listens: {listens}"));
            self.sockets.push(fd);
        }
    }

    fn connected_udp(&mut self) {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
        let source = self.source(to);
        if let Ok(fd) = dial(SockType::Datagram, source, to) {
            self.story.push(format!("UDP {source:?} to {to}"));
            self.sockets.push(fd);
        }
    }

    fn populate(&mut self) {
        for _ in 0..self.random.below(3 * usize::from(self.size)) {
            match self.random.below(10) {
                0..7 => self.connect(),
                7 => self.bound(SockType::Stream),
                8 => self.bound(SockType::Datagram),
                _ => self.connected_udp(),
            }
        }
    }

    /// A connect at random.
    fn wanted(&mut self) -> Connecting {
        let to = self.destination();
        let source = match self.source(to) {
            Source::Any => String::new(),
            Source::NoPort(ip) => ip.to_string(),
            Source::Held(ip) => SocketAddr::new(ip, 0).to_string(),
            Source::Exactly(address) => address.to_string(),
        };
        if self.random.chance(20) {
            return Connecting::udp(&source, &SocketAddr::new(to.ip(), 53).to_string());
        }
        let wanted = Connecting::tcp(&source, &to.to_string());
        match self.random.chance(30) {
            true => wanted.reuse_address(),
            false => wanted,
        }
    }
}

#[test]
fn a_connect_does_what_was_said() {
    in_namespace(|| {
        let seed = seed();
        let server = Server::on(&SERVERS);
        let (started, time) = (Instant::now(), time(6));
        let (mut asked, mut exact) = (0, 0);
        let most = env::var("PORTSTAT_TEST_SECONDS").map_or(ROUNDS.1, |_| 4000);
        for number in 0..most {
            if number >= ROUNDS.0 && started.elapsed() > time {
                break;
            }
            let mut random = Random(seed + number as u64);
            // TIME-WAIT is of use at once, or never.
            let (reuse, delay) = random.pick(&[("0", "1"), ("1", "1"), ("2", "1"), ("1", "60000")]);
            sysctl("net.ipv4.tcp_tw_reuse", reuse);
            sysctl("net.ipv4.tcp_tw_reuse_delay", delay);
            let (first, size) = (20_000 + 10 * number as u16, 4 + random.below(6) as u16);
            set_port_range(first, first + size - 1);
            let mut round = Round {
                server: &server,
                random,
                first,
                size,
                story: vec![format!(
                    "seed {seed}, round {number}: {first}, {size}, {reuse}"
                )],
                connections: Vec::new(),
                sockets: Vec::new(),
            };
            round.populate();
            println!("{}", round.story.join("\n"));
            for _ in 0..4 {
                let wanted = round.wanted();
                println!("{}", wanted.args().join(" "));
                let answer = only_answer(&why(&wanted.args(), Rights::Own));
                let truth = wanted.really(&server);
                check_verdict(&answer, truth);
                asked += 1;
                exact += usize::from(answer.exact);
            }
            round.connections.into_iter().for_each(reset);
        }
        println!("{asked} asked, {exact} of them answered exactly");
        // To know nothing would always be right.
        assert!(2 * exact > asked, "{exact} of {asked}");
    });
}
