//! A filter as bytecode that the kernel runs on each socket before it reports it.
//!
//! A program is a row of operations (`struct inet_diag_bc_op`: code, and how far to go on yes and
//! on no). It accepts by running exactly to its end, and rejects by jumping four bytes beyond it.

use std::net::IpAddr;

use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, AF_UNSPEC};

use crate::filter::{Comparison, End, Expression, Judge, Test};
use crate::model::Family;

const JMP: u8 = 1;
const S_GE: u8 = 2;
const S_LE: u8 = 3;
const D_GE: u8 = 4;
const D_LE: u8 = 5;
const AUTO: u8 = 6;
const S_COND: u8 = 7;
const D_COND: u8 = 8;
/// Since Linux 4.8.
const DEV_COND: u8 = 9;
/// Since Linux 4.9, and only of those with CAP_NET_ADMIN.
const MARK_COND: u8 = 10;
/// Since Linux 5.9.
const CGROUP_COND: u8 = 13;

/// Length of an operation without operands.
const OP_LEN: usize = 4;
/// Distances on no are 16 bits; a longer program is not worth its while anyway.
const MOST_BYTES: usize = 8 << 10;

/// The programs that let pass whatever a condition does: the one that lets pass the least, then
/// one for kernels that refuse it. Tests of which the kernel knows nothing are in none.
pub fn programs(condition: &Expression) -> Vec<Vec<u8>> {
    let mut programs: Vec<Vec<u8>> = [Judge::BEST_KERNEL, Judge::ANY_KERNEL]
        .into_iter()
        .filter_map(|kernel| compile(&condition.judged_by(kernel)?))
        .collect();
    programs.dedup();
    programs
}

/// Compiles a condition; `None` when it is too long for a program, which is found out without
/// compiling all of it.
fn compile(condition: &Expression) -> Option<Vec<u8>> {
    expression(condition, MOST_BYTES)
}

/// The program of a condition, of at most `most` bytes.
fn expression(condition: &Expression, most: usize) -> Option<Vec<u8>> {
    let program = match condition {
        Expression::And(parts) => and(programs_of(parts, most)?),
        Expression::Or(parts) => or(programs_of(parts, most)?),
        Expression::Not(inner) => not(expression(inner, most)?),
        Expression::Test(test) => self::test(test)?,
    };
    (program.len() <= most).then_some(program)
}

/// The programs of parts that together have at most `most` bytes.
fn programs_of(parts: &[Expression], most: usize) -> Option<Vec<Vec<u8>>> {
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

/// The program of a test; `None` when the kernel has no operation for it.
fn test(test: &Test) -> Option<Vec<u8>> {
    Some(match *test {
        Test::Port {
            end,
            comparison,
            port,
        } => port_test(end, comparison, port),
        Test::Family(family) => family_test(family),
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
        // An accepted connection has a port that was not asked for either: its listener's.
        Test::Autobound(range) => and(vec![
            op(AUTO, &[]),
            compare(S_GE, range.first()),
            compare(S_LE, range.last()),
        ]),
        Test::Interface(index) => op(DEV_COND, &index.to_ne_bytes()),
        Test::Mark { mark, mask } => op(
            MARK_COND,
            &[mark.to_ne_bytes(), mask.to_ne_bytes()].concat(),
        ),
        Test::Cgroup(id) => op(CGROUP_COND, &id.to_ne_bytes()),
        Test::Uid { .. } | Test::Inode { .. } | Test::Netns(_) => return None,
        Test::Name { .. } | Test::Kind(_) | Test::FrameProtocol(_) => return None,
        Test::NetlinkProtocol(_) | Test::PortId { .. } => return None,
        Test::Pid { .. } | Test::Comm(_) | Test::Unit(_) | Test::Container(_) => return None,
    })
}

/// Every IPv6 address is in ::/0, and no other; 0.0.0.0/0 also has the v4-mapped ones.
fn family_test(family: Family) -> Vec<u8> {
    let v6 = host_test(S_COND, AF_INET6, 0, None, &[0; 16]);
    match family {
        Family::V6 => v6,
        Family::V4 => not(v6),
        // The kernel is asked about sockets of IP alone.
        Family::Unix | Family::Packet | Family::Netlink => or(Vec::new()),
    }
}

fn host_test(code: u8, family: u8, length: u8, port: Option<u16>, octets: &[u8]) -> Vec<u8> {
    // struct inet_diag_hostcond: family, length, two bytes of padding, port or -1, address.
    let mut operand = vec![family, length, 0, 0];
    operand.extend(port.map_or(-1, i32::from).to_ne_bytes());
    operand.extend(octets);
    op(code, &operand)
}

/// An operation that accepts or rejects.
fn op(code: u8, operand: &[u8]) -> Vec<u8> {
    let length = OP_LEN + operand.len();
    let mut program = Vec::new();
    push_op(&mut program, code, length, length + OP_LEN);
    program.extend_from_slice(operand);
    program
}

fn port_test(end: End, comparison: Comparison, port: u16) -> Vec<u8> {
    let (ge, le, host) = match end {
        End::Local => (S_GE, S_LE, S_COND),
        End::Peer => (D_GE, D_LE, D_COND),
    };
    match comparison {
        Comparison::GreaterOrEqual => compare(ge, port),
        Comparison::LessOrEqual => compare(le, port),
        Comparison::Greater => not(compare(le, port)),
        Comparison::Less => not(compare(ge, port)),
        // There is an operation for this, but only since Linux 4.16.
        Comparison::Equal => host_test(host, AF_UNSPEC, 0, Some(port), &[]),
        Comparison::NotEqual => not(host_test(host, AF_UNSPEC, 0, Some(port), &[])),
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
mod tests;
