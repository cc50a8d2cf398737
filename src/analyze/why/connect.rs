//! Whether connect would succeed, and bind before it where the source is given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bind::Port;
use super::causes::frees_in;
use super::check::{Check, answer};
use super::fixes::ending;
use super::resident::is_time_wait;
use super::{
    Answer, Assumption, Blocker, Cause, Errno, Existing, Fix, Note, Operation, Query, Route,
    Situation, address, pools, reached,
};
use crate::analyze::{Pool, PoolKey, PoolKind};
use crate::model::{Endpoint, Protocol, Rule, State};

/// Predicts a connect to a destination.
pub(super) fn predict(
    query: &Query,
    destination: Endpoint,
    binds_first: bool,
    situation: &Situation<'_>,
) -> Answer {
    let attempt = Attempt::new(query, destination, situation);
    let mut checks = attempt.bind(binds_first);
    let draws = query.port == 0 && !binds_first;
    match query.protocol {
        Protocol::Tcp => {
            let last = match draws {
                true => attempt.draw_of_tcp(),
                false => attempt.uniqueness(),
            };
            if !draws && last.is_blocked() {
                checks.iter_mut().for_each(without_reuse);
            }
            checks.extend(attempt.ways());
            checks.push(last);
        }
        _ => {
            // The port is drawn before anybody asks where it goes.
            checks.extend(draws.then(|| attempt.draw_of_udp()));
            checks.extend(attempt.ways());
        }
    }
    let mut answer = answer(query, checks, situation);
    answer.notes.extend(attempt.note());
    answer
}

/// The pool that a connect draws its port from; `None` where nothing was counted.
pub(super) fn pool(
    query: &Query,
    destination: Endpoint,
    situation: &Situation<'_>,
) -> Option<Pool> {
    Attempt::new(query, destination, situation).connect_pool()
}

/// A connect with what decides over it.
struct Attempt<'a> {
    query: &'a Query,
    destination: Endpoint,
    /// The source address; `None` where nobody knows which the routes choose.
    source: Option<IpAddr>,
    situation: &'a Situation<'a>,
}

impl<'a> Attempt<'a> {
    fn new(query: &'a Query, destination: Endpoint, situation: &'a Situation<'a>) -> Attempt<'a> {
        let given = query.addr.filter(|addr| !addr.is_unspecified());
        let chosen = situation.machine.route.and_then(Route::source);
        Attempt {
            query,
            destination: Endpoint {
                addr: reached(destination.addr, given),
                port: destination.port,
            },
            // Bound to the address of many, a socket speaks from one that is chosen all the same.
            source: chosen.or(given),
            situation,
        }
    }

    /// The address that bind is given: a wildcard where the routes are to choose.
    fn bound_to(&self) -> IpAddr {
        self.query.addr.unwrap_or(match self.destination.addr {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        })
    }

    /// The checks of the bind before it.
    fn bind(&self, binds_first: bool) -> Vec<Check> {
        let machine = self.situation.machine;
        let addr = self.bound_to();
        let mut checks = address::checks(self.query, addr, machine);
        for blocker in checks.iter_mut().flat_map(|check| &mut check.blockers) {
            // A socket that is bound to it nevertheless finds no way from there.
            blocker.fixes.retain(|fix| *fix != Fix::NonlocalBind);
        }
        if self.query.port != 0 {
            checks.push(Port::new(self.query, addr, self.situation).check(self.situation));
        } else if binds_first {
            let mut check =
                pools::bind_check(self.query, addr, Errno::AddressInUse, self.situation);
            for blocker in &mut check.blockers {
                blocker.fixes.insert(0, Fix::BindNoPort);
            }
            checks.push(check);
        }
        checks
    }

    /// The checks of the way to the destination.
    fn ways(&self) -> Vec<Check> {
        let machine = self.situation.machine;
        let addr = self.destination.addr;
        let mut checks = Vec::new();
        let mut is_asked = true;
        let is_broadcast = matches!(machine.route, Some(Route::Broadcast(_)));
        let unfit = |fix| Blocker::without_socket(Cause::AddressUnfit, &[fix]);
        if self.query.v6only && addr.to_canonical().is_ipv4() {
            let check = Check::blocked(Errno::NetworkUnreachable, unfit(Fix::TakeV4));
            return vec![check];
        }
        match self.query.protocol {
            Protocol::Tcp if is_of_many(addr) || is_broadcast => {
                // No route helps.
                is_asked = false;
                checks.push(Check::blocked(
                    Errno::NetworkUnreachable,
                    unfit(Fix::OneHost),
                ));
            }
            Protocol::Udp if is_broadcast => {
                checks.push(Check::blocked(
                    Errno::AccessDenied,
                    unfit(Fix::AllowBroadcast),
                ));
            }
            _ => {}
        }
        if let IpAddr::V6(addr) = addr {
            checks.push(address::fitness_of_scope(addr, self.query.device));
        }
        checks.extend(is_asked.then(|| match self.may_be_ruled_by_port() {
            true => self.route().assuming(Assumption::RouteExists),
            false => self.route(),
        }));
        checks
    }

    /// Whether a rule tells packets by a port that is still to be drawn. TCP of IPv4 looks for its
    /// way before, and where it leads once more afterwards; that of IPv6 only before.
    fn may_be_ruled_by_port(&self) -> bool {
        let machine = self.situation.machine;
        let Operation::Connect { binds_first, .. } = self.query.operation else {
            return false;
        };
        let addr = self.destination.addr.to_canonical();
        let asks_before = self.query.protocol == Protocol::Tcp && !binds_first;
        let is_settled = match machine.route {
            Some(Route::None(_)) => true,
            _ => addr.is_ipv6(),
        };
        if self.query.port != 0 || asks_before && is_settled {
            return false;
        }
        let is_drawn = |port| { machine.ports.as_ref() }.is_none_or(|ports| ports.contains(port));
        let mut rules = machine.rules.iter();
        rules.any(|rule| {
            let drawn = rule
                .source_ports
                .is_some_and(|it| (it.first()..=it.last()).any(is_drawn));
            drawn && rule.concerns(addr, self.query.protocol)
        })
    }

    /// The check of the route. IPv6 looks for a source address first, and where no interface has
    /// any, that is what it lacks.
    fn route(&self) -> Check {
        let machine = self.situation.machine;
        let is_v6 = self.destination.addr.to_canonical().is_ipv6();
        let off = Blocker::without_socket(Cause::Ipv6Disabled, &[Fix::EnableIpv6]);
        if is_v6 && address::is_off(machine) {
            return Check::blocked(Errno::AddressNotAvailable, off);
        }
        let said = match machine.route {
            Some(Route::None(errno)) => errno,
            Some(Route::From(_) | Route::Broadcast(_)) => return Check::passed(),
            None if address::is_own(machine, self.destination.addr) => return Check::passed(),
            None => return Check::passed().assuming(Assumption::RouteExists),
        };
        let addresses = machine.addresses.v6.as_deref();
        let errno = if is_v6 && addresses.is_some_and(<[_]>::is_empty) {
            Errno::AddressNotAvailable
        } else {
            said
        };
        if is_v6 && machine.is_ipv6_off_there {
            return Check::blocked(errno, off);
        }
        let links = machine.links.as_ref();
        let addr = self.destination.addr.to_canonical();
        let down = links.and_then(|links| links.down_towards(addr, self.query.device));
        let refuses = |rule: &Rule| rule.is_unreachable && rule.concerns(addr, self.query.protocol);
        let is_ruled_out = machine.rules.iter().any(refuses);
        let blocker = match down.filter(|_| said == Errno::NetworkUnreachable) {
            Some(link) => {
                let up = Fix::LinkUp {
                    interface: link.index,
                };
                match is_ruled_out {
                    true => Blocker::without_socket(Cause::NoRoute, &[Fix::AddRoute, up]),
                    false => Blocker::without_socket(Cause::InterfaceDown, &[up]),
                }
            }
            None => Blocker::without_socket(Cause::NoRoute, &[Fix::AddRoute]),
        };
        Check::blocked(errno, blocker)
    }

    /// Whether a port is left to TCP, for this source and destination.
    fn draw_of_tcp(&self) -> Check {
        let Some(pool) = self.connect_pool() else {
            return pools::uncounted();
        };
        let check = pools::draw(&pool, Errno::AddressNotAvailable, &[Fix::SeeEphemeral]);
        let check = pools::across_vrfs(check, self.situation.machine);
        // Where a port is free that no socket at all has, the source does not matter.
        match (self.source, pool.free_min) {
            (None, 0) if check.is_blocked() => check.assuming(Assumption::RouteSource),
            (None, 0) => pools::uncounted().assuming(Assumption::RouteSource),
            _ => check,
        }
    }

    fn connect_pool(&self) -> Option<Pool> {
        let key = PoolKey {
            kind: PoolKind::TcpConnect,
            source: self.source.map(|source| source.to_canonical()),
            // Without a source: what is left to whoever has no connection yet.
            destination: self.source.map(|_| Endpoint {
                addr: self.destination.addr.to_canonical(),
                port: self.destination.port,
            }),
        };
        self.situation.ports.map(|ports| ports.pool(&key))
    }

    /// Whether a port is left to UDP, which draws it as bind does.
    fn draw_of_udp(&self) -> Check {
        pools::bind_check(self.query, self.bound_to(), Errno::TryAgain, self.situation)
    }

    /// Whether the connection is the only one between its ends. Of UDP nobody asks that.
    ///
    /// A connection in TIME-WAIT gives way to a new one from a port that was named, if it had
    /// timestamps, which no row tells.
    fn uniqueness(&self) -> Check {
        let mut check = Check {
            asks_sockets: true,
            ..Check::passed()
        };
        if self.query.port == 0 {
            return check;
        }
        let settings = self.situation.machine.ports.as_ref();
        let timestamps = settings.is_none_or(|ports| ports.time_wait().timestamps);
        let all = self.situation.existing.iter().enumerate();
        for (index, Existing { socket, .. }) in all.filter(|(_, one)| self.is_same(one)) {
            if is_time_wait(socket) && timestamps {
                check.assumptions.push(Assumption::TimeWaitTakenOver);
                continue;
            }
            let mut fixes = vec![Fix::AnotherSourcePort];
            fixes.extend(ending(socket));
            check.blockers.push(Blocker {
                cause: Cause::DuplicateTuple,
                socket: Some(index),
                frees_in: frees_in(socket),
                pool: None,
                fixes,
            });
        }
        if check.is_blocked() {
            check.errno = Some(Errno::AddressNotAvailable);
            check.assumptions.clear();
        }
        if self.situation.machine.has_vrf() && check.is_blocked() {
            check.assumptions.push(Assumption::VrfsApart);
        }
        if self.source.is_none() && (check.is_blocked() || !check.assumptions.is_empty()) {
            check.assumptions.push(Assumption::RouteSource);
        }
        check
    }

    /// Whether an existing connection has the very same ends; where the source is not known, also
    /// whether it may.
    fn is_same(&self, existing: &Existing) -> bool {
        let Existing { socket, ends, .. } = existing;
        let peer = ends.peer.addr.to_canonical();
        let local = ends.local.addr.to_canonical();
        socket.protocol == Protocol::Tcp
            && !matches!(socket.state, State::Listen | State::BoundInactive)
            && ends.local.port == self.query.port
            && ends.peer.port == self.destination.port
            && peer == self.destination.addr.to_canonical()
            && self
                .source
                .is_none_or(|source| source.to_canonical() == local)
            && (socket.interface == 0 || self.query.device == Some(socket.interface))
    }

    /// Where connects find ports, and those who bind first do not.
    fn note(&self) -> Option<Note> {
        let ports = self.situation.ports?;
        if self.query.protocol != Protocol::Tcp || self.query.port != 0 {
            return None;
        }
        let bound_to = self.source.unwrap_or_else(|| self.bound_to());
        let full = pools::bind_pool(self.query, bound_to, ports).free_max == 0;
        let left = self.connect_pool()?.free_max > 0;
        (full && left).then_some(Note::BindPoolEmpty)
    }
}

/// SO_REUSEADDR helps bind to nothing where the connection could not be made then.
fn without_reuse(check: &mut Check) {
    for blocker in &mut check.blockers {
        let is_reuse = |fix: &Fix| matches!(fix, Fix::ReuseAddress | Fix::ReuseAddressPerhaps);
        let before = blocker.fixes.len();
        blocker.fixes.retain(|fix| !is_reuse(fix));
        if before > 0 && blocker.fixes.is_empty() {
            blocker.fixes.push(Fix::AnotherSourcePort);
        }
    }
}

/// Multicast and the broadcast of every network: nobody answers to such a connection.
fn is_of_many(addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.is_multicast() || addr.is_broadcast(),
        IpAddr::V6(addr) => addr.is_multicast(),
    }
}
