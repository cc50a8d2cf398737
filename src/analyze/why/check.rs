//! The kernel's checks, one after another, and what they come to.

use super::{Answer, Assumption, Blocker, Cause, Errno, Fix, Outcome, Query, Situation};
use crate::model::Protocol;

/// One of the kernel's checks.
#[derive(Clone, Debug, Default)]
pub(super) struct Check {
    /// What fails it, or may where that is open.
    pub(super) blockers: Vec<Blocker>,
    /// What the kernel says then; `None` for an errno without a name here.
    pub(super) errno: Option<Errno>,
    /// What its outcome hangs on.
    pub(super) assumptions: Vec<Assumption>,
    /// Whether it cannot be told how it ends.
    pub(super) is_open: bool,
    /// Whether a socket that was not seen could fail it.
    pub(super) asks_sockets: bool,
}

impl Check {
    pub(super) fn passed() -> Check {
        Check::default()
    }

    pub(super) fn blocked(errno: Errno, blocker: Blocker) -> Check {
        Check {
            blockers: vec![blocker],
            errno: errno.into(),
            ..Check::default()
        }
    }

    pub(super) fn assuming(self, assumption: Assumption) -> Check {
        let mut check = self;
        check.assumptions.push(assumption);
        check
    }

    pub(super) fn is_blocked(&self) -> bool {
        !self.blockers.is_empty() && !self.is_open
    }
}

impl Blocker {
    /// One that is no socket.
    pub(super) fn without_socket(cause: Cause, fixes: &[Fix]) -> Blocker {
        Blocker {
            cause,
            socket: None,
            frees_in: None,
            pool: None,
            fixes: fixes.to_vec(),
        }
    }
}

/// What the checks come to. Every blocker is told, those first that the kernel meets first; what
/// was assumed after the first sure failure changes nothing.
pub(super) fn answer(query: &Query, checks: Vec<Check>, situation: &Situation<'_>) -> Answer {
    let mut assumptions = Vec::new();
    for check in &checks {
        assumptions.extend_from_slice(&check.assumptions);
        if check.is_blocked() && check.assumptions.is_empty() {
            break;
        }
    }
    let outcome = outcome(&checks);
    if outcome == Outcome::Free && checks.iter().any(|check| check.asks_sockets) {
        let hidden = situation.machine.hides_bound && query.protocol == Protocol::Tcp;
        if !situation.complete {
            assumptions.push(Assumption::SocketsUnseen);
        } else if hidden {
            assumptions.push(Assumption::NoBoundSockets);
        }
    }
    let first = checks.iter().find(|check| check.is_blocked());
    Answer {
        query: query.clone(),
        outcome,
        errno: first.and_then(|check| check.errno),
        assumptions,
        blockers: checks
            .into_iter()
            .flat_map(|check| check.blockers)
            .collect(),
        with_reuse_address: None,
        notes: Vec::new(),
    }
}

pub(super) fn outcome(checks: &[Check]) -> Outcome {
    if checks.iter().any(Check::is_blocked) {
        Outcome::Blocked
    } else if checks.iter().any(|check| check.is_open) {
        Outcome::Unknown
    } else {
        Outcome::Free
    }
}
