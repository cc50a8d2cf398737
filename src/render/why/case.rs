//! What is in the way, with all that is known of it at hand.

use std::collections::HashSet;
use std::net::IpAddr;

use super::WhyReport;
use super::subject::{Subject, subject};
use crate::analyze::Pool;
use crate::analyze::why::{Answer, Blocker, Cause, Fix, Holding, Machine, Operation, Query, Route};
use crate::model::{
    Condition, Endpoint, Gap, HiddenCause, InetRow, Lineage, Owner, Parent, Process, Publisher,
};
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
        let mut known = HashSet::new();
        let mut roots: Vec<Owner<'r>> = Vec::new();
        for index in self.sockets() {
            let new = self.report.roots(index).into_iter();
            roots.extend(new.filter(|owner| known.insert(owner.holder.pid)));
        }
        roots
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
        let pid = owner.holder.pid;
        let mut sockets = self.sockets();
        let lineage = sockets.find_map(|index| self.report.lineage(index, pid));
        lineage.map(|lineage| lineage.condition).unwrap_or_default()
    }

    /// Who has the first socket, as the subject of a sentence.
    pub(super) fn subject(&self) -> Subject {
        match self.sockets().next() {
            Some(index) => self.report.subject(index),
            None => Subject::one("nobody"),
        }
    }

    /// A command as it acts in the network namespace that was asked about.
    pub(super) fn within(&self, command: &str) -> String {
        entering::within(self.report.entrance.as_ref(), command)
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

    /// ` and 3 more` where there are more sockets than the first.
    pub(super) fn and_more(&self) -> String {
        match self.blockers.len() {
            0 | 1 => String::new(),
            count => format!(", and {} more", count - 1),
        }
    }
}

impl<'r> WhyReport<'r> {
    /// Why owners are hidden, where some are.
    pub(super) fn hidden(&self) -> Option<HiddenCause> {
        let mut gaps = self.document.collection.gaps.iter();
        gaps.find_map(|gap| match gap {
            Gap::Owners { cause, .. } => Some(*cause),
            _ => None,
        })
    }

    /// The processes of a socket, each once.
    pub(super) fn owners(&'r self, index: usize) -> Vec<Owner<'r>> {
        let Some(row) = self.sockets.get(index) else {
            return Vec::new();
        };
        let mut owners: Vec<Owner<'r>> = row.owners.iter().collect();
        owners.dedup_by_key(|owner| owner.holder.pid);
        owners
    }

    /// Those of them whose parent is none of them.
    fn roots(&'r self, index: usize) -> Vec<Owner<'r>> {
        let mut owners = self.owners(index);
        let holds = |pid: u32| owners.iter().any(|owner| owner.holder.pid == pid);
        let inherited: Vec<u32> = owners
            .iter()
            .map(|owner| owner.holder.pid)
            .filter(|&pid| {
                self.parent(index, pid)
                    .is_some_and(|parent| holds(parent.pid))
            })
            .collect();
        if inherited.len() < owners.len() {
            owners.retain(|owner| !inherited.contains(&owner.holder.pid));
        }
        owners
    }

    pub(super) fn lineage(&self, index: usize, pid: u32) -> Option<&'r Lineage> {
        match &self.existing.get(index)?.holding {
            Holding::By(holders) => holders
                .iter()
                .find(|(holder, _)| *holder == pid)
                .map(|(_, lineage)| lineage),
            Holding::Unknown | Holding::Nobody | Holding::Unheld => None,
        }
    }

    pub(super) fn parent(&self, index: usize, pid: u32) -> Option<&'r Parent> {
        self.lineage(index, pid)?.parent.as_ref()
    }

    /// Who has a socket, as the subject of a sentence.
    pub(super) fn subject(&'r self, index: usize) -> Subject {
        let Some(row) = self.sockets.get(index) else {
            return Subject::one("nobody");
        };
        subject(row, &self.roots(index))
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
