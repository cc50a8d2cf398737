//! Puts right what was foretold by what the kernel says, which has the last word.

use super::connect;
use super::pools;
use super::{Answer, Blocker, Cause, Errno, Fix, Machine, Operation, Outcome, Query, Situation};
use crate::analyze::{Ephemeral, Pool};

/// What the kernel said when it was really tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// To what was asked.
    pub said: Result<(), Errno>,
    /// To the same with SO_REUSEADDR; `None` where that was not tried.
    pub with_reuse_address: Option<Outcome>,
}

/// Makes an answer that of the kernel; returns whether it was so before. `machine` and `ports` are
/// those that it was foretold from.
pub fn heed(
    answer: &mut Answer,
    heard: Heard,
    machine: &Machine,
    ports: Option<&Ephemeral>,
) -> bool {
    let (outcome, errno) = match heard.said {
        Ok(()) => (Outcome::Free, None),
        Err(errno) => (Outcome::Blocked, Some(errno)),
    };
    let reuse = heard.with_reuse_address;
    let foretold = answer.with_reuse_address;
    let agrees = (answer.outcome, answer.errno) == (outcome, errno)
        && (reuse.is_none() || foretold.is_none() || reuse == foretold);
    (answer.outcome, answer.errno) = (outcome, errno);
    answer.with_reuse_address = reuse.or(foretold);
    // Nothing is taken for granted any more.
    answer.assumptions.clear();
    match outcome {
        Outcome::Free => answer.blockers.clear(),
        _ if answer.blockers.is_empty() => {
            let unforeseen = unforeseen(&answer.query, errno, machine, ports);
            answer.blockers.push(unforeseen);
        }
        _ => {}
    }
    for blocker in &mut answer.blockers {
        blocker.fixes.retain(|fix| *fix != Fix::Probe);
        correct(&mut blocker.fixes, reuse);
    }
    agrees
}

/// What is in the way by what the kernel says alone.
fn unforeseen(
    query: &Query,
    errno: Option<Errno>,
    machine: &Machine,
    ports: Option<&Ephemeral>,
) -> Blocker {
    let connects = matches!(query.operation, Operation::Connect { .. });
    let (cause, fixes): (Cause, &[Fix]) = match errno {
        Some(Errno::AddressNotAvailable) if connects => {
            (Cause::EphemeralExhausted, &[Fix::SeeEphemeral])
        }
        Some(Errno::AddressInUse) if query.port == 0 => {
            (Cause::EphemeralExhausted, &[Fix::SeeEphemeral])
        }
        Some(Errno::AddressNotAvailable) => (
            Cause::AddressNotLocal,
            &[Fix::AnotherAddress, Fix::NonlocalBind, Fix::AddAddress],
        ),
        Some(Errno::AccessDenied) if query.port != 0 => {
            (Cause::PrivilegedPort, &[Fix::AllowLowPort])
        }
        Some(Errno::NetworkUnreachable | Errno::HostUnreachable) => {
            (Cause::NoRoute, &[Fix::AddRoute])
        }
        Some(Errno::Invalid | Errno::NoDevice | Errno::FamilyNotSupported) => {
            (Cause::AddressUnfit, &[Fix::AnotherAddress])
        }
        _ => (Cause::Unseen, &[Fix::AnotherAddress]),
    };
    let exhausted = cause == Cause::EphemeralExhausted;
    Blocker {
        pool: ports
            .filter(|_| exhausted)
            .and_then(|ports| pool(query, machine, ports))
            .map(Pool::found_empty),
        ..Blocker::without_socket(cause, fixes)
    }
}

/// The pool that a query draws from.
fn pool(query: &Query, machine: &Machine, ports: &Ephemeral) -> Option<Pool> {
    match query.operation {
        Operation::Bind => Some(pools::bind_pool(query, query.addr?, ports)),
        Operation::Connect { destination, .. } => {
            let situation = Situation {
                existing: &[],
                machine,
                ports: Some(ports),
                complete: true,
            };
            connect::pool(query, destination, &situation)
        }
    }
}

/// Advises SO_REUSEADDR where it was seen to help, and nowhere else.
fn correct(fixes: &mut Vec<Fix>, reuse: Option<Outcome>) {
    let is_reuse = |fix: &Fix| matches!(fix, Fix::ReuseAddress | Fix::ReuseAddressPerhaps);
    match reuse {
        Some(Outcome::Free) => {
            fixes.retain(|fix| !is_reuse(fix));
            fixes.insert(0, Fix::ReuseAddress);
        }
        Some(Outcome::Blocked) => fixes.retain(|fix| !is_reuse(fix)),
        Some(Outcome::Unknown) | None => {}
    }
}
