//! What becomes of a filter where a socket is announced without its ends.
//!
//! A connection that is reset by its own side (`SO_LINGER` of 0 seconds, and what MPTCP closes so)
//! goes through the kernel's `tcp_disconnect` before it is announced. That takes away the port of
//! its peer and, unless its program or its listener has bound it, its own address
//! (`inet_reset_saddr`). The address of the peer and its own port stay.

use crate::cli::UsageError;
use crate::filter::{End, Expression, Fate, Query, Test};
use crate::model::{Ends, Family, InetEnds, Protocol, Socket, State, StateSet, Table};

/// Whether a test asks for what is not always announced.
pub(super) const fn may_be_reset(test: &Test) -> bool {
    match test {
        Test::Port { end, .. } => matches!(end, End::Peer),
        Test::Address { end, prefix, port } => match end {
            End::Peer => port.is_some(),
            End::Local => prefix.is_some(),
        },
        _ => false,
    }
}

/// Whether a socket was announced without its ends: nothing but a connection has the address of a
/// peer, and no connection goes to port 0.
pub(super) fn are_reset(socket: &Socket) -> bool {
    let reset = |ends: &InetEnds| ends.peer.port == 0 && !ends.peer.addr.is_unspecified();
    socket.protocol == Protocol::Tcp && socket.inet().is_some_and(reset)
}

/// The ends of a socket that was seen with these: as announced, unless they were reset. A program
/// may have used its socket anew since, on another port or with no peer.
pub(super) fn restored(socket: &Socket, seen: &Ends) -> Ends {
    match (&socket.ends, seen) {
        (Ends::Inet(announced), Ends::Inet(ends))
            if are_reset(socket)
                && ends.peer.port != 0
                && (ends.local.port, ends.peer.addr)
                    == (announced.local.port, announced.peer.addr) =>
        {
            *seen
        }
        _ => socket.ends,
    }
}

/// What of a condition holds for certain of a socket with such ends: what was not announced of
/// them passes no test.
pub(super) fn without_ends(condition: &Expression, socket: &Socket) -> Expression {
    let has_address = |ends: &InetEnds| !ends.local.addr.is_unspecified();
    let has_address = socket.inet().is_some_and(has_address);
    condition.strengthened(&|test| match test {
        Test::Address {
            end: End::Local, ..
        } if has_address => Fate::Stays,
        test if may_be_reset(test) => Fate::Unknown,
        _ => Fate::Stays,
    })
}

/// Refuses a filter that nothing can pass: nobody would ever learn that.
pub(super) fn refuse_empty(query: &Query, tables: &[Table]) -> Result<(), UsageError> {
    if let Some(states) = query.states {
        let is_tcp = |table: &Table| table.protocol == Protocol::Tcp;
        let announced = match tables.iter().any(is_tcp) {
            true => StateSet::ALL.without(StateSet::EMPTY.with(State::TimeWait)),
            false => StateSet::EMPTY.with(State::Established).with(State::Close),
        };
        if states.without(StateSet::ALL.without(announced)) == StateSet::EMPTY {
            return Err(UsageError::UnannouncedStates);
        }
    }
    let is_heard = |family: Family| tables.iter().any(|table| table.family == family);
    let fate = |test: &Test| match test {
        Test::Family(family) if !is_heard(*family) => Fate::Is(false),
        // Sockets of IPv6 may have IPv4 addresses, but not the other way round.
        Test::Address {
            prefix: Some(prefix),
            ..
        } if prefix.addr().is_ipv6() && !is_heard(Family::V6) => Fate::Is(false),
        _ => Fate::Stays,
    };
    let condition = query.condition.as_ref();
    let left = condition.map(|condition| condition.weakened(&fate));
    if left.and_then(|left| left.as_constant()) != Some(false) {
        return Ok(());
    }
    let beyond_ip =
        |test: &Test| matches!(test, Test::Family(family) if !Family::IP.contains(family));
    Err(
        match condition.and_then(|condition| condition.find(&beyond_ip)) {
            Some(Test::Family(Family::Unix)) => UsageError::Unannounced("unix:"),
            Some(Test::Family(Family::Packet)) => UsageError::Unannounced("link:"),
            Some(_) => UsageError::Unannounced("netlink:"),
            None => UsageError::UnannouncedFamily,
        },
    )
}
