//! Expression to a verdict on a socket.

use std::net::IpAddr;

use super::{Comparison, End, Expression, Prefix, Query, Test};
use crate::model::{Endpoint, Socket};

impl Query {
    /// Whether the condition holds for the socket. Its state is judged when it is collected.
    pub fn accepts(&self, socket: &Socket) -> bool {
        self.condition
            .as_ref()
            .is_none_or(|condition| condition.holds(socket))
    }
}

impl Expression {
    /// Whether it holds for the socket.
    pub fn holds(&self, socket: &Socket) -> bool {
        match self {
            Expression::And(parts) => parts.iter().all(|part| part.holds(socket)),
            Expression::Or(parts) => parts.iter().any(|part| part.holds(socket)),
            Expression::Not(inner) => !inner.holds(socket),
            Expression::Test(test) => test.passes(socket),
        }
    }
}

impl Test {
    fn passes(&self, socket: &Socket) -> bool {
        match *self {
            Test::Port {
                end,
                comparison,
                port,
            } => comparison.holds(end.of(socket).port, port),
            Test::Family(family) => socket.family() == family,
            Test::Address { end, prefix, port } => {
                let found = end.of(socket);
                port.is_none_or(|port| port == found.port)
                    && prefix.is_none_or(|prefix| prefix.contains(found.addr))
            }
        }
    }
}

impl End {
    const fn of(self, socket: &Socket) -> &Endpoint {
        match self {
            End::Local => &socket.local,
            End::Peer => &socket.peer,
        }
    }
}

impl Comparison {
    fn holds(self, found: u16, wanted: u16) -> bool {
        match self {
            Comparison::Equal => found == wanted,
            Comparison::NotEqual => found != wanted,
            Comparison::Less => found < wanted,
            Comparison::LessOrEqual => found <= wanted,
            Comparison::Greater => found > wanted,
            Comparison::GreaterOrEqual => found >= wanted,
        }
    }
}

impl Prefix {
    /// Whether the address is in the prefix.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(wanted), IpAddr::V4(found)) => same_bits(
                u128::from(wanted.to_bits()),
                u128::from(found.to_bits()),
                32 - self.length,
            ),
            (IpAddr::V4(_), IpAddr::V6(found)) => found
                .to_ipv4_mapped()
                .is_some_and(|found| self.contains(IpAddr::V4(found))),
            (IpAddr::V6(wanted), IpAddr::V6(found)) => {
                same_bits(wanted.to_bits(), found.to_bits(), 128 - self.length)
            }
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether two numbers agree in all but their lowest `free` bits.
fn same_bits(one: u128, other: u128, free: u8) -> bool {
    (one ^ other).checked_shr(u32::from(free)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse;
    use crate::model::{Protocol, Queues, State};

    fn socket(local: &str, peer: &str) -> Socket {
        let endpoint = |text: &str| {
            let addr: std::net::SocketAddr = text.parse().unwrap();
            Endpoint {
                addr: addr.ip(),
                port: addr.port(),
            }
        };
        Socket {
            protocol: Protocol::Tcp,
            state: State::Established,
            v6only: None,
            local: endpoint(local),
            peer: endpoint(peer),
            interface: 0,
            queues: Queues::Bytes {
                unread: 0,
                unacknowledged: 0,
            },
            timer: None,
            uid: 0,
            inode: 1,
            cookie: 1,
        }
    }

    #[track_caller]
    fn check(filter: &str, expected: bool) {
        let query = parse(filter, &|_| None).unwrap();
        let found = query.accepts(&socket("127.0.0.1:8080", "[::ffff:10.1.2.3]:443"));
        assert_eq!(found, expected, "{filter}");
    }

    #[test]
    fn ports() {
        check("sport = 8080", true);
        check("sport != 8080", false);
        check("dport >= 443 and dport <= 443", true);
        check("dport > 443 or dport < 443", false);
        check("not dport = 80", true);
    }

    #[test]
    fn addresses() {
        check("src 127.0.0.0/8", true);
        check("src 127.0.0.1:8080", true);
        check("src 127.0.0.1:8081", false);
        check("src 128.0.0.0/1", false);
        check("src 0.0.0.0/0", true);
        check("dst :443", true);
        check("dst *:443", true);
        check("dst != 10.1.2.3", false);
        check("src ::/0", false);
        check("dst ::/0", true);
        check("src inet:127.0.0.1", true);
        check("dst inet6:::ffff:10.1.2.3", false);
    }

    #[test]
    fn a_v4_rule_matches_v4_mapped() {
        check("dst 10.0.0.0/8", true);
        check("dst 11.0.0.0/8", false);
        check("dst ::ffff:10.1.2.3", true);
        check("dst [::ffff:10.1.2.3]:443", true);
    }
}
