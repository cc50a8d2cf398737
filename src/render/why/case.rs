//! What is in the way, with all that is known of it at hand.

use std::collections::HashSet;
use std::net::IpAddr;

use super::WhyReport;
use super::held::Held;
use super::subject::Subject;
use crate::analyze::Pool;
use crate::analyze::why::{
    Answer, Blocker, Cause, Existing, Fix, Machine, Operation, Query, Route,
};
use crate::model::{Condition, Endpoint, InetRow, Lineage, Owner, Parent, Process, Publisher};
use crate::render::address::push_endpoint;
use crate::render::ephemeral::PoolNotes;
use crate::render::{entering, escape};

/// Blockers of one cause, in one answer.
pub(super) struct Case<'r> {
    pub(super) report: &'r WhyReport<'r>,
    pub(super) answer: &'r Answer,
    pub(super) cause: Cause,
    /// At least one.
    pub(super) blockers: Vec<&'r Blocker>,
    /// Connections that go with the listener here, and need no telling of their own.
    pub(super) followers: Vec<usize>,
    /// What holds of the whole answer.
    pub(super) overview: Overview,
}

/// What holds of all that is in the way of one answer.
#[derive(Clone, Copy)]
pub(super) struct Overview {
    /// Whether somebody listens on the port.
    is_served: bool,
    /// Whether all goes by itself.
    pub(super) goes: bool,
    /// Changes of the question that help against every socket.
    helps: [bool; OF_QUESTION.len()],
}

/// Fixes that change the question, and so are to no avail unless they help against every socket.
const OF_QUESTION: [Fix; 3] = [Fix::SpecificAddress, Fix::V6Only, Fix::SameUser];

impl Overview {
    pub(super) fn new(report: &WhyReport<'_>, answer: &Answer) -> Overview {
        // A socket without any goes with another.
        let sockets = || {
            let blockers = answer.blockers.iter();
            blockers.filter(|blocker| blocker.socket.is_some() && !blocker.fixes.is_empty())
        };
        let mut blockers = answer.blockers.iter();
        Overview {
            is_served: report.sockets.iter().any(|row| row.socket.is_listening()),
            goes: blockers.all(|blocker| blocker.fixes.contains(&Fix::Wait)),
            helps: OF_QUESTION.map(|fix| sockets().all(|blocker| blocker.fixes.contains(&fix))),
        }
    }

    /// Whether a fix that helps against one thing in the way helps.
    pub(super) fn allows(&self, fix: &Fix) -> bool {
        let place = OF_QUESTION.iter().position(|other| other == fix);
        place
            .and_then(|place| self.helps.get(place))
            .is_none_or(|helps| *helps)
    }
}

impl<'r> Case<'r> {
    /// A single blocker.
    pub(super) fn one(
        report: &'r WhyReport<'r>,
        answer: &'r Answer,
        blocker: &'r Blocker,
        overview: Overview,
    ) -> Case<'r> {
        Case {
            report,
            answer,
            cause: blocker.cause,
            blockers: vec![blocker],
            followers: Vec::new(),
            overview,
        }
    }

    /// The blockers of an answer, those of one cause together, that which decides first.
    pub(super) fn all(report: &'r WhyReport<'r>, answer: &'r Answer) -> Vec<Case<'r>> {
        let overview = Overview::new(report, answer);
        let is_listener = |blocker: &&Blocker| {
            let row = blocker.socket.and_then(|index| report.sockets.get(index));
            row.is_some_and(|row| row.socket.is_listening())
        };
        let listener = answer.blockers.iter().find(is_listener);
        let mut followers = Vec::new();
        let mut cases: Vec<Case<'r>> = Vec::new();
        for blocker in &answer.blockers {
            if let (Some(_), Some(index), []) = (listener, blocker.socket, &blocker.fixes[..]) {
                followers.push(index);
                continue;
            }
            match cases.iter_mut().find(|case| case.cause == blocker.cause) {
                Some(case) => case.blockers.push(blocker),
                None => cases.push(Case::one(report, answer, blocker, overview)),
            }
        }
        let listens = |case: &&mut Case<'_>| Some(case.cause) == listener.map(|one| one.cause);
        if let Some(case) = cases.iter_mut().find(listens) {
            case.followers = followers;
        }
        cases
    }

    pub(super) const fn query(&self) -> &'r Query {
        &self.answer.query
    }

    /// The sockets, as indices into those that were judged.
    pub(super) fn sockets(&self) -> impl Iterator<Item = usize> {
        let sockets = self.blockers.iter().filter_map(|blocker| blocker.socket);
        sockets.filter(|&index| index < self.report.sockets.len())
    }

    /// Their rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'r InetRow<'r>> {
        self.sockets()
            .filter_map(|index| self.report.sockets.get(index))
    }

    pub(super) fn first_row(&self) -> Option<&'r InetRow<'r>> {
        self.rows().next()
    }

    /// The processes without which the sockets would be gone: those that did not get them from
    /// another holder.
    pub(super) fn roots(&self) -> Vec<Owner<'r>> {
        self.each_once(Held::roots)
    }

    /// The processes that merely inherited one of the sockets from another that holds it.
    pub(super) fn heirs(&self) -> Vec<Owner<'r>> {
        self.each_once(Held::heirs)
    }

    /// The processes that hold one of the sockets without serving it, beside one that does.
    pub(super) fn idle(&self) -> Vec<u32> {
        let existing = self.sockets().map(|index| self.report.existing.get(index));
        existing.flatten().flat_map(Existing::idle).collect()
    }

    /// The processes that hold one of the sockets.
    pub(super) fn owners(&self) -> Vec<Owner<'r>> {
        self.each_once(Held::owners)
    }

    fn each_once(&self, some: impl Fn(Held<'r>) -> Vec<Owner<'r>>) -> Vec<Owner<'r>> {
        let mut known = HashSet::new();
        let held = self.sockets().filter_map(|index| self.report.held(index));
        let owners = held.flat_map(some);
        owners
            .filter(|owner| known.insert(owner.holder.pid))
            .collect()
    }

    /// The parent of a holder that most likely holds a socket too, and may not be read.
    pub(super) fn hidden_parent(&self, owner: Owner<'_>) -> Option<&'r Parent> {
        let mut held = self.sockets().filter_map(|index| self.report.held(index));
        held.find_map(|held| held.hidden_parent(owner.holder.pid))
    }

    /// What a process publishes ports with, where it does.
    pub(super) fn publisher(&self, owner: Owner<'_>) -> Option<Publisher> {
        let mut published = self.report.published.iter();
        published
            .find(|(pid, _)| *pid == owner.holder.pid)
            .map(|(_, published)| published.by)
    }

    /// What keeps a process from ending, where something does.
    pub(super) fn condition(&self, owner: Owner<'_>) -> Condition {
        let lineage = self.lineage(owner.holder.pid);
        lineage.map(|lineage| lineage.condition).unwrap_or_default()
    }

    /// The user of a process, as far as that is known.
    pub(super) fn user(&self, owner: Owner<'_>) -> Option<u32> {
        self.lineage(owner.holder.pid)?.user
    }

    pub(super) fn parent(&self, pid: u32) -> Option<&'r Parent> {
        self.lineage(pid)?.parent.as_ref()
    }

    /// What is known of a holder of one of the sockets.
    pub(super) fn lineage(&self, pid: u32) -> Option<&'r Lineage> {
        let mut sockets = self.sockets();
        sockets.find_map(|index| self.report.lineage(index, pid))
    }

    /// Who has the first socket, as the subject of a sentence.
    pub(super) fn subject(&self) -> Subject {
        match self.sockets().next() {
            Some(index) => self.report.subject(index),
            None => Subject::one("nobody"),
        }
    }

    /// A command that takes root's rights, as it acts in the network namespace that was asked about.
    pub(super) fn within(&self, command: &str) -> String {
        self.as_root(&entering::within(self.report.entrance.as_ref(), command))
    }

    /// A command that takes root's rights, for whoever reads this.
    pub(super) fn as_root(&self, command: &str) -> String {
        format!("{}{command}", self.report.sudo())
    }

    /// Whether these are connections of a server that still listens.
    pub(super) fn is_of_server(&self) -> bool {
        self.cause == Cause::ConnectionRemains && self.overview.is_served
    }

    /// The pool that is empty, where one is.
    pub(super) fn pool(&self) -> Option<&'r Pool> {
        self.blockers.first().and_then(|one| one.pool.as_ref())
    }

    /// What else is known of it.
    pub(super) fn pool_notes(&self) -> Option<&'r PoolNotes> {
        let key = self.pool()?.key;
        let mut pools = self.report.pools.iter();
        pools
            .find(|(known, _)| *known == key)
            .map(|(_, notes)| notes)
    }

    /// Where the first socket is.
    pub(super) fn local(&self) -> String {
        self.first_row().map(local).unwrap_or_default()
    }

    /// Where the first socket is connected to.
    pub(super) fn peer(&self) -> String {
        self.first_row().map(peer).unwrap_or_default()
    }

    /// Where the sockets are: both where two have the same holders, else the first, and how many
    /// more there are.
    pub(super) fn locals(&self) -> String {
        let indices: Vec<usize> = self.sockets().collect();
        let [one, other] = indices[..] else {
            return self.local() + &self.and_more();
        };
        let pids = |index| -> Vec<u32> {
            let owners = self.report.owners(index).into_iter();
            owners.map(|owner| owner.holder.pid).collect()
        };
        let second = self.report.sockets.get(other).map(local);
        match second {
            Some(second) if !pids(one).is_empty() && pids(one) == pids(other) => {
                match self.local() {
                    first if first == second => format!("{first} with 2 sockets"),
                    first => format!("{first} and {second}"),
                }
            }
            _ => self.local() + &self.and_more(),
        }
    }

    /// ` and 3 more` where there are more sockets than the first.
    pub(super) fn and_more(&self) -> String {
        match self.blockers.len() {
            0 | 1 => String::new(),
            count => format!(", and {} more", count - 1),
        }
    }
}

/// `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// `nginx[812]`.
pub(super) fn mark(owner: Owner<'_>) -> String {
    named(&owner.process.comm, owner.holder.pid)
}

/// The same of a name and a pid.
pub(super) fn named(comm: &[u8], pid: u32) -> String {
    match comm {
        [] => format!("process {pid}"),
        _ => format!("{}[{pid}]", escape::terminal(comm)),
    }
}

/// The unit of a process, where it is one that is started and stopped as such.
pub(super) fn service(process: &Process) -> Option<&[u8]> {
    let unit = process.unit.as_deref()?;
    let is_service = unit.ends_with(b".service") || unit.ends_with(b".socket");
    is_service.then_some(unit)
}

/// `[::]:8080`, with its interface where it is bound to one.
pub(super) fn local(row: &InetRow<'_>) -> String {
    let mut text = endpoint(&row.ends.local);
    if row.socket.interface != 0 {
        let name = match row.interface {
            Some(name) => escape::terminal(name),
            None => format!("if{}", row.socket.interface),
        };
        let port = text.rfind(':').unwrap_or(text.len());
        text.insert_str(port, &format!("%{name}"));
    }
    text
}

/// `10.0.0.5:5432`.
pub(super) fn peer(row: &InetRow<'_>) -> String {
    endpoint(&row.ends.peer)
}

pub(super) fn endpoint(end: &Endpoint) -> String {
    let mut text = Vec::new();
    push_endpoint(&mut text, end);
    String::from_utf8_lossy(&text).into_owned()
}

/// The local address: that which was named, or the routes choose.
pub(super) fn source(machine: &Machine, query: &Query) -> Option<IpAddr> {
    let chosen = match (query.operation, machine.route) {
        (Operation::Connect { .. }, Some(Route::From(chosen))) => chosen,
        _ => None,
    };
    query.addr.or(chosen)
}

/// What is asked about: `0.0.0.0:8080/tcp`, `10.0.0.9 -> 10.0.0.5:5432/tcp`.
pub(super) fn asked(machine: &Machine, query: &Query) -> String {
    let protocol = query.protocol;
    let end = |port: u16| query.addr.map(|addr| endpoint(&Endpoint { addr, port }));
    match query.operation {
        Operation::Bind => {
            let local = end(query.port).unwrap_or_else(|| format!("*:{}", query.port));
            format!("{local}/{protocol}")
        }
        Operation::Connect {
            destination,
            binds_first,
        } => {
            let source = match (source(machine, query), query.port) {
                (None, 0) => "any address".to_owned(),
                (Some(addr), 0) if !binds_first => addr.to_string(),
                (_, port) => end(port).unwrap_or_else(|| format!("*:{port}")),
            };
            format!("{source} -> {}/{protocol}", endpoint(&destination))
        }
    }
}
