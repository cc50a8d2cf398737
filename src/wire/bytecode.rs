//! A filter as bytecode that the kernel runs on each socket before it reports it.
//!
//! A program is a row of operations (`struct inet_diag_bc_op`: code, and how far to go on yes and
//! on no). It accepts by running exactly to its end, and rejects by jumping four bytes beyond it.

use std::net::IpAddr;

use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, AF_UNSPEC};

use crate::filter::{Comparison, End, Expression, Test};
use crate::model::Family;

const JMP: u8 = 1;
const S_GE: u8 = 2;
const S_LE: u8 = 3;
const D_GE: u8 = 4;
const D_LE: u8 = 5;
const S_COND: u8 = 7;
const D_COND: u8 = 8;

/// Length of an operation without operands.
const OP_LEN: usize = 4;
/// Distances on no are 16 bits; a longer program is not worth its while anyway.
const MOST_BYTES: usize = 8 << 10;

/// Compiles a condition; `None` when it is too long for a program, which is found out without
/// compiling all of it.
pub fn compile(condition: &Expression) -> Option<Vec<u8>> {
    expression(condition, MOST_BYTES)
}

/// The program of a condition, of at most `most` bytes.
fn expression(condition: &Expression, most: usize) -> Option<Vec<u8>> {
    let program = match condition {
        Expression::And(parts) => and(programs(parts, most)?),
        Expression::Or(parts) => or(programs(parts, most)?),
        Expression::Not(inner) => not(expression(inner, most)?),
        Expression::Test(test) => self::test(test),
    };
    (program.len() <= most).then_some(program)
}

/// The programs of parts that together have at most `most` bytes.
fn programs(parts: &[Expression], most: usize) -> Option<Vec<Vec<u8>>> {
    let mut room = most;
    let mut programs = Vec::new();
    for part in parts {
        let program = expression(part, room)?;
        room -= program.len();
        programs.push(program);
    }
    Some(programs)
}

/// One after the other: what rejects in one must jump over all behind it as well.
fn and(parts: Vec<Vec<u8>>) -> Vec<u8> {
    let mut behind: usize = parts.iter().map(Vec::len).sum();
    let mut program = Vec::with_capacity(behind);
    for mut part in parts {
        behind -= part.len();
        let mut at = 0;
        while at < part.len() {
            let left = part.len() - at;
            let no = usize::from(u16::from_ne_bytes([part[at + 2], part[at + 3]]));
            if no == left + OP_LEN {
                part[at + 2..at + 4].copy_from_slice(&distance(no + behind));
            }
            at += usize::from(part[at + 1]);
        }
        program.extend(part);
    }
    program
}

/// Rejecting lands four bytes beyond a part: behind a jump over all that follow. Of no part it is
/// the rejection itself.
fn or(parts: Vec<Vec<u8>>) -> Vec<u8> {
    let Some(last) = parts.len().checked_sub(1) else {
        return not(Vec::new());
    };
    let mut behind = parts.iter().map(Vec::len).sum::<usize>() + last * OP_LEN;
    let mut program = Vec::with_capacity(behind);
    for (index, part) in parts.into_iter().enumerate() {
        behind -= part.len();
        program.extend(part);
        if index < last {
            push_op(&mut program, JMP, OP_LEN, behind);
            behind -= OP_LEN;
        }
    }
    program
}

/// Rejecting lands at the end, which accepts; accepting runs into a jump beyond it.
fn not(mut inner: Vec<u8>) -> Vec<u8> {
    push_op(&mut inner, JMP, OP_LEN, 2 * OP_LEN);
    inner
}

fn test(test: &Test) -> Vec<u8> {
    match *test {
        Test::Port {
            end,
            comparison,
            port,
        } => port_test(end, comparison, port),
        // Every IPv6 address is in ::/0, and no other; 0.0.0.0/0 also has the v4-mapped ones.
        Test::Family(Family::V6) => host_test(S_COND, AF_INET6, 0, None, &[0; 16]),
        Test::Family(Family::V4) => not(self::test(&Test::Family(Family::V6))),
        Test::Address { end, prefix, port } => {
            let (family, length, octets) = match prefix.map(|prefix| (prefix.addr(), prefix)) {
                None => (AF_UNSPEC, 0, Vec::new()),
                Some((IpAddr::V4(addr), prefix)) => {
                    (AF_INET, prefix.length(), addr.octets().to_vec())
                }
                Some((IpAddr::V6(addr), prefix)) => {
                    (AF_INET6, prefix.length(), addr.octets().to_vec())
                }
            };
            let code = match end {
                End::Local => S_COND,
                End::Peer => D_COND,
            };
            host_test(code, family, length, port, &octets)
        }
    }
}

fn host_test(code: u8, family: u8, length: u8, port: Option<u16>, octets: &[u8]) -> Vec<u8> {
    // struct inet_diag_hostcond: family, length, two bytes of padding, port or -1, address.
    let mut operand = vec![family, length, 0, 0];
    operand.extend(port.map_or(-1, i32::from).to_ne_bytes());
    operand.extend(octets);
    let length = OP_LEN + operand.len();
    let mut program = Vec::new();
    push_op(&mut program, code, length, length + OP_LEN);
    program.extend(operand);
    program
}

fn port_test(end: End, comparison: Comparison, port: u16) -> Vec<u8> {
    let (ge, le) = match end {
        End::Local => (S_GE, S_LE),
        End::Peer => (D_GE, D_LE),
    };
    match comparison {
        Comparison::GreaterOrEqual => compare(ge, port),
        Comparison::LessOrEqual => compare(le, port),
        Comparison::Greater => not(compare(le, port)),
        Comparison::Less => not(compare(ge, port)),
        // There is an operation for this, but only since Linux 4.16.
        Comparison::Equal => and(vec![compare(ge, port), compare(le, port)]),
        Comparison::NotEqual => not(and(vec![compare(ge, port), compare(le, port)])),
    }
}

/// A comparison with a port, which stands in the place of `no` of a second operation.
fn compare(code: u8, port: u16) -> Vec<u8> {
    let mut program = Vec::new();
    push_op(&mut program, code, 2 * OP_LEN, 3 * OP_LEN);
    push_op(&mut program, 0, 0, usize::from(port));
    program
}

fn push_op(program: &mut Vec<u8>, code: u8, yes: usize, no: usize) {
    // No operation is longer than 28 bytes.
    program.extend([code, yes as u8]);
    program.extend(distance(no));
}

/// Programs whose distances do not fit are dropped for their length.
fn distance(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Prefix;
    use crate::model::{Endpoint, Protocol, Queues, Socket, State};
    use proptest::prelude::*;

    /// Runs a program as `inet_diag_bc_run` of net/ipv4/inet_diag.c does.
    fn runs(program: &[u8], socket: &Socket) -> bool {
        let mut left = i64::try_from(program.len()).unwrap();
        let mut at = 0;
        while left > 0 {
            let op = &program[at..];
            let no = u16::from_ne_bytes([op[2], op[3]]);
            let port = || u16::from_ne_bytes([op[6], op[7]]);
            let yes = match op[0] {
                JMP => false,
                S_GE => socket.local.port >= port(),
                S_LE => socket.local.port <= port(),
                D_GE => socket.peer.port >= port(),
                D_LE => socket.peer.port <= port(),
                S_COND => host(&op[4..], &socket.local),
                D_COND => host(&op[4..], &socket.peer),
                other => panic!("operation {other}"),
            };
            let distance = if yes { u16::from(op[1]) } else { no };
            assert!(distance > 0 && distance % 4 == 0, "{program:?}");
            left -= i64::from(distance);
            at += usize::from(distance);
        }
        assert!(left == 0 || left == -4, "{program:?}");
        left == 0
    }

    fn host(condition: &[u8], endpoint: &Endpoint) -> bool {
        let port = i32::from_ne_bytes([condition[4], condition[5], condition[6], condition[7]]);
        if port != -1 && port != i32::from(endpoint.port) {
            return false;
        }
        let octets = match endpoint.addr {
            IpAddr::V4(addr) => addr.octets().to_vec(),
            IpAddr::V6(addr) => addr.octets().to_vec(),
        };
        let family = if octets.len() == 4 { AF_INET } else { AF_INET6 };
        let compared = match (condition[0], family) {
            (AF_UNSPEC, _) => return true,
            (wanted, found) if wanted == found => &octets[..],
            (AF_INET, AF_INET6)
                if octets.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]) =>
            {
                &octets[12..]
            }
            _ => return false,
        };
        let bits = |octets: &[u8]| -> Vec<u8> {
            octets
                .iter()
                .flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1))
                .take(usize::from(condition[1]))
                .collect()
        };
        bits(compared) == bits(&condition[8..])
    }

    /// Few addresses and ports, so that they meet.
    fn addr() -> impl Strategy<Value = IpAddr> {
        prop::sample::select(vec![
            "127.0.0.1",
            "127.0.0.2",
            "10.1.2.3",
            "0.0.0.0",
            "::",
            "::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
        ])
        .prop_map(|text| text.parse().unwrap())
    }

    fn port() -> impl Strategy<Value = u16> {
        prop::sample::select(vec![0, 22, 80, 443, 65535])
    }

    fn end() -> impl Strategy<Value = End> {
        prop::sample::select(vec![End::Local, End::Peer])
    }

    fn condition() -> impl Strategy<Value = Expression> {
        let comparison = prop::sample::select(vec![
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ]);
        let ports = (end(), comparison, port()).prop_map(|(end, comparison, port)| Test::Port {
            end,
            comparison,
            port,
        });
        let prefix = (addr(), 0u8..=128).prop_map(|(addr, length)| {
            let most = if addr.is_ipv4() { 32 } else { 128 };
            Prefix::new(addr, length.min(most)).unwrap()
        });
        let addresses = (end(), prop::option::of(prefix), prop::option::of(port()))
            .prop_map(|(end, prefix, port)| Test::Address { end, prefix, port });
        let families = prop::sample::select(vec![Family::V4, Family::V6]).prop_map(Test::Family);
        prop_oneof![ports, addresses, families]
            .prop_map(Expression::Test)
            .prop_recursive(5, 40, 3, |inner| {
                let parts = prop::collection::vec(inner.clone(), 0..4);
                prop_oneof![
                    parts.clone().prop_map(Expression::And),
                    parts.prop_map(Expression::Or),
                    inner.prop_map(|a| Expression::Not(Box::new(a))),
                ]
            })
    }

    /// As many tests as a filter may have, and more, come to an end soon.
    #[test]
    fn what_is_too_long_is_given_up_early() {
        let test = Expression::Test(Test::Port {
            end: End::Local,
            comparison: Comparison::Equal,
            port: 1,
        });
        let of = |count: usize| vec![test.clone(); count];
        let length = compile(&test).unwrap().len();
        for join in [Expression::And, Expression::Or] {
            let most = (1..1000)
                .find(|&count| compile(&join(of(count))).is_none())
                .unwrap();
            assert!(most * (length + OP_LEN) >= MOST_BYTES, "{most}");
            let begun = std::time::Instant::now();
            for _ in 0..100 {
                assert_eq!(compile(&join(of(10_000))), None);
                assert_eq!(compile(&Expression::Not(Box::new(join(of(10_000))))), None);
            }
            assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_kernel_and_the_evaluator_agree(
            condition in condition(),
            local in (addr(), port()),
            peer in (addr(), port()),
        ) {
            let endpoint = |(addr, port)| Endpoint { addr, port };
            let socket = Socket {
                protocol: Protocol::Tcp,
                state: State::Established,
                v6only: None,
                local: endpoint(local),
                peer: endpoint(peer),
                interface: 0,
                queues: Queues::Bytes { unread: 0, unacknowledged: 0 },
                timer: None,
                uid: 0,
                inode: 0,
                cookie: 0,
            };
            let program = compile(&condition).unwrap();
            prop_assert_eq!(runs(&program, &socket), condition.holds(&socket));
        }
    }
}
