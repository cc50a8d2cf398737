//! Puts right what was foretold by what the kernel says, which has the last word.

use super::address;
use super::connect;
use super::pools;
use super::{Answer, Blocker, Cause, Errno, Fix, Machine, Operation, Outcome, Query, Situation};
use crate::analyze::{Ephemeral, Pool};
use crate::model::Call;

/// What the kernel said when it was really tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which call it said that to.
    pub call: Call,
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
    if let Some(errno) = errno.filter(|_| answer.errno != errno) {
        // Something else decides than was foretold.
        { &mut answer.blockers }.retain(|blocker| may_say(blocker.cause, errno));
    }
    (answer.outcome, answer.errno) = (outcome, errno);
    answer.with_reuse_address = reuse.or(foretold);
    // Nothing is taken for granted any more.
    answer.assumptions.clear();
    match outcome {
        Outcome::Free => answer.blockers.clear(),
        _ if answer.blockers.is_empty() => {
            let unforeseen = unforeseen(&answer.query, heard.call, errno, machine, ports);
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

/// Whether the kernel says that of such a thing in the way.
const fn may_say(cause: Cause, errno: Errno) -> bool {
    match cause {
        Cause::AddressNotLocal | Cause::AddressTentative | Cause::DuplicateTuple => {
            matches!(errno, Errno::AddressNotAvailable)
        }
        Cause::EphemeralExhausted => matches!(
            errno,
            Errno::AddressInUse | Errno::AddressNotAvailable | Errno::TryAgain
        ),
        Cause::PrivilegedPort => matches!(errno, Errno::AccessDenied),
        Cause::AddressUnfit => matches!(
            errno,
            Errno::Invalid | Errno::NetworkUnreachable | Errno::AccessDenied
        ),
        Cause::Ipv6Disabled => matches!(
            errno,
            Errno::AddressNotAvailable | Errno::FamilyNotSupported | Errno::NetworkUnreachable
        ),
        // A route says what whoever made it wanted.
        Cause::NoRoute | Cause::InterfaceDown | Cause::Unseen => true,
        _ => matches!(errno, Errno::AddressInUse),
    }
}

/// What is in the way by what the kernel says alone. An errno that has several reasons is
/// explained only by one that was seen.
fn unforeseen(
    query: &Query,
    call: Call,
    errno: Option<Errno>,
    machine: &Machine,
    ports: Option<&Ephemeral>,
) -> Blocker {
    let pool = || ports.and_then(|ports| pool(query, machine, ports));
    let exhausted = |pool: Option<Pool>| Blocker {
        pool: pool.map(Pool::found_empty),
        ..Blocker::without_socket(Cause::EphemeralExhausted, &[Fix::SeeEphemeral])
    };
    let (cause, fixes): (Cause, &[Fix]) = match (call, errno) {
        (Call::Bind, Some(Errno::AddressInUse)) if query.port == 0 => return exhausted(pool()),
        (Call::Connect, Some(Errno::AddressNotAvailable)) => {
            match pool().filter(|pool| pool.free_min == 0) {
                Some(pool) => return exhausted(Some(pool)),
                None => (Cause::Unseen, &[Fix::AnotherAddress]),
            }
        }
        (Call::Bind, Some(Errno::AddressNotAvailable)) => (
            Cause::AddressNotLocal,
            &[Fix::OwnAddress, Fix::NonlocalBind, Fix::AddAddress],
        ),
        (Call::Bind, Some(Errno::AccessDenied)) if address::is_privileged(query, machine) => (
            Cause::PrivilegedPort,
            &[Fix::UnprivilegedPort, Fix::AllowLowPort],
        ),
        (Call::Connect, Some(Errno::NetworkUnreachable | Errno::HostUnreachable)) => {
            (Cause::NoRoute, &[Fix::AddRoute])
        }
        _ => (Cause::Unseen, &[Fix::AnotherAddress]),
    };
    Blocker::without_socket(cause, fixes)
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
