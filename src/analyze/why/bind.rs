//! Whether bind, and for TCP listen after it, would succeed.

use std::net::IpAddr;

use super::causes::{Scene, frees_in};
use super::check::{Check, answer, outcome};
use super::conflict::{Conflict, Newcomer, are_apart, conflict, history_matters};
use super::fixes::{Reuse, fixes};
use super::resident::{Resident, residents};
use super::{
    Answer, Assumption, Blocker, Errno, Fix, Machine, Outcome, Query, Situation, address, notes,
    pools,
};
use crate::model::Protocol;

/// Predicts a bind to an address.
pub(super) fn predict(query: &Query, addr: IpAddr, situation: &Situation<'_>) -> Answer {
    let mut checks = address::checks(query, addr, situation.machine);
    if query.port == 0 {
        let errno = Errno::AddressInUse;
        checks.push(pools::bind_check(query, addr, errno, situation));
        let mut answer = answer(query, checks, situation);
        answer.with_reuse_address = of_drawn(&answer, situation.machine);
        return answer;
    }
    let port = Port::new(query, addr, situation);
    let before = outcome(&checks);
    let mut check = port.check(situation);
    if port.can_be_probed() {
        let blockers = check.blockers.iter_mut();
        for blocker in blockers.filter(|blocker| !blocker.fixes.is_empty()) {
            blocker.fixes.insert(0, Fix::Probe);
        }
    }
    checks.push(check);
    let mut answer = answer(query, checks, situation);
    if !query.reuse_address {
        answer.with_reuse_address = port.with_reuse_address(before);
    }
    answer.notes = notes::of_bind(&answer, &port.new, &port.residents, situation.machine);
    answer
}

/// What SO_REUSEADDR makes of a bind of port 0: to TCP nothing, unless `ip_autobind_reuse` says
/// so. UDP draws ports of those who have it too, and who has is not counted.
fn of_drawn(answer: &Answer, machine: &Machine) -> Option<Outcome> {
    let query = &answer.query;
    let is_known = match answer.outcome {
        Outcome::Free => true,
        Outcome::Blocked => {
            let shares = query.protocol == Protocol::Udp || machine.autobind_reuse != Some(false);
            !shares || answer.errno != Some(Errno::AddressInUse)
        }
        Outcome::Unknown => false,
    };
    (is_known && !query.reuse_address).then_some(answer.outcome)
}

/// A port that somebody wants to have.
pub(super) struct Port<'a> {
    new: Newcomer,
    residents: Vec<Resident<'a>>,
    conflicts: Vec<Conflict>,
}

impl<'a> Port<'a> {
    pub(super) fn new(query: &Query, addr: IpAddr, situation: &Situation<'a>) -> Port<'a> {
        let new = Newcomer::of(query, addr, situation.machine);
        let residents = residents(query, situation.existing, situation.machine);
        let conflicts = conflicts(&new, &residents);
        Port {
            new,
            residents,
            conflicts,
        }
    }

    /// The check of those who have the port already.
    pub(super) fn check(&self, situation: &Situation<'_>) -> Check {
        let machine = situation.machine;
        let scene = Scene::new(self.new, &self.residents, machine, situation.ports);
        let reuse = Reuse::of(&self.new, &self.residents);
        let is_open = self.hangs_on_remains(&scene);
        let pairs = self.residents.iter().zip(&self.conflicts);
        let mut found: Vec<(bool, Blocker)> = pairs
            .filter(|(_, conflict)| conflict.is_there())
            .map(|(resident, conflict)| {
                let cause = scene.cause(resident);
                let blocker = Blocker {
                    cause,
                    socket: Some(resident.index),
                    frees_in: frees_in(&resident.existing.socket),
                    pool: None,
                    fixes: fixes(&scene, resident, cause, reuse),
                };
                (*conflict != Conflict::Yes, blocker)
            })
            .collect();
        // Who surely is in the way before who may be, servers before what they left.
        found.sort_by_key(|(assumed, blocker)| {
            (
                *assumed,
                blocker.cause.is_of_connection(),
                blocker.cause,
                blocker.socket,
            )
        });
        Check {
            errno: (!found.is_empty() && !is_open).then_some(Errno::AddressInUse),
            blockers: found.into_iter().map(|(_, blocker)| blocker).collect(),
            assumptions: match is_open {
                true => vec![Assumption::ReuseAddressUnread],
                false => self.assumptions(situation),
            },
            is_open,
            asks_sockets: true,
        }
    }

    /// Whether it is blocked by none but those that a socket for IPv6 only would leave alone, and
    /// it is a guess that this one is not.
    fn hangs_on_v6only(&self, situation: &Situation<'_>) -> bool {
        let is_blocked = self.conflicts.iter().any(Conflict::is_there);
        let guesses = situation.machine.guesses_v6only && self.new.takes_every_v6();
        let alone = self.new.refusing_v4();
        let mut residents = self.residents.iter();
        is_blocked && guesses && !residents.any(|old| conflict(&alone, old) == Conflict::Yes)
    }

    /// Whether nothing is surely in the way of a bind, and `--probe` can ask for it: sockets of UDP
    /// would take what is for others, SO_REUSEPORT would leave traces.
    fn can_be_probed(&self) -> bool {
        self.new.is_tcp() && !self.new.has_reuse_port() && !self.conflicts.contains(&Conflict::Yes)
    }

    /// Whether all that is in the way is what servers left, and they go together if those had
    /// SO_REUSEADDR, which could not be read. Most servers have it: neither verdict could be
    /// relied on. A client that drew its port has not.
    fn hangs_on_remains(&self, scene: &Scene<'_>) -> bool {
        let mut pairs = { self.residents.iter().zip(&self.conflicts) }
            .filter(|(_, conflict)| conflict.is_there())
            .peekable();
        pairs.peek().is_some()
            && pairs.all(|(resident, conflict)| match conflict {
                Conflict::Assumed(assumed) => {
                    let socket = resident.index;
                    assumed.contains(&Assumption::NoReuseAddress { socket })
                        && scene.is_left_by_server(resident)
                }
                Conflict::No | Conflict::Yes | Conflict::Unlikely(_) => false,
            })
    }

    /// What the conflicts hang on: nothing where one is sure.
    fn assumptions(&self, situation: &Situation<'_>) -> Vec<Assumption> {
        let mut assumptions = Vec::new();
        let is_blocked = self.conflicts.iter().any(Conflict::is_there);
        if !self.conflicts.contains(&Conflict::Yes) {
            for conflict in &self.conflicts {
                match conflict {
                    Conflict::Assumed(assumed) => assumptions.extend_from_slice(assumed),
                    Conflict::Unlikely(assumed)
                        if !is_blocked && !assumptions.contains(assumed) =>
                    {
                        assumptions.push(*assumed);
                    }
                    Conflict::No | Conflict::Yes | Conflict::Unlikely(_) => {}
                }
            }
        }
        assumptions.extend(
            self.hangs_on_v6only(situation)
                .then_some(Assumption::UsualV6Only),
        );
        if !is_blocked && self.residents.iter().any(|old| are_apart(&self.new, old)) {
            assumptions.push(Assumption::VrfsApart);
        }
        if is_blocked && history_matters(&self.new, &self.residents, &self.conflicts) {
            assumptions.push(Assumption::ReusePortHistory);
        }
        assumptions
    }

    /// What it would be with SO_REUSEADDR, after checks that came to `before`; `None` where that
    /// hangs on what nobody could read.
    fn with_reuse_address(&self, before: Outcome) -> Option<Outcome> {
        if before == Outcome::Blocked {
            return Some(before);
        }
        let new = self.new.reusing_address();
        let conflicts = conflicts(&new, &self.residents);
        if conflicts.iter().all(|conflict| *conflict == Conflict::No) {
            return Some(Outcome::Free);
        }
        let is_sure = conflicts.contains(&Conflict::Yes)
            && !history_matters(&new, &self.residents, &conflicts);
        is_sure.then_some(Outcome::Blocked)
    }
}

fn conflicts(new: &Newcomer, residents: &[Resident<'_>]) -> Vec<Conflict> {
    residents
        .iter()
        .map(|resident| conflict(new, resident))
        .collect()
}
