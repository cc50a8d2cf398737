//! A look at the sockets that live, for the day they are destroyed.

use std::collections::HashMap;
use std::sync::Arc;

use super::ends::may_be_reset;
use crate::cli::ListPlan;
use crate::collect::{CollectError, Request, collect};
use crate::command::context::Context;
use crate::command::hold::Hold;
use crate::command::holders::Holders;
use crate::command::wants::Wants;
use crate::filter::{Query, Test};
use crate::join::{LastSeen, LastSeenOwners, Look, SocketKey};
use crate::kernel::{HolderMethod, Host};
use crate::model::{
    DetailSet, Details, Gap, Owners, Processes, Protocol, Socket, State, StateSet, Table,
    UnseenNamespaces,
};

/// What is looked for, and how.
#[derive(Clone, Debug)]
pub(super) struct Looker {
    request: Request,
    holder_method: HolderMethod,
    /// Whether any socket is looked for.
    sockets: bool,
    /// Whether their holders are.
    owners: bool,
    /// Whether more than the names of processes is.
    process_details: bool,
    /// Whether it is to be said why owners were not found by BPF.
    tells_without_bpf: bool,
}

impl Looker {
    /// What is printed or asked for in the filter, and nothing else.
    pub(super) fn new(
        context: &Context,
        plan: &ListPlan,
        request: &Request,
        query: &Query,
    ) -> Looker {
        let wants = match plan.quiet {
            true => Wants::of_filter(query),
            false => Wants::of(plan, query),
        };
        let owners = wants.owners || wants.judged_owners;
        let is_tcp = |table: &Table| table.protocol == Protocol::Tcp;
        let hears_tcp = plan.tables.iter().any(is_tcp);
        let is_seen = |test: &Test| match test {
            Test::Uid { .. } | Test::Inode { .. } => true,
            other if may_be_reset(other) => hears_tcp,
            other => other.needs_details(),
        };
        let judged = query.states.is_some() || query.asks(&is_seen);
        Looker {
            request: Request {
                // What is left of a connection in TIME-WAIT is no socket that could be destroyed.
                states: StateSet::ALL.without(StateSet::EMPTY.with(State::TimeWait)),
                details: DetailSet {
                    extended: request.details.extended,
                    ..DetailSet::NONE
                },
                ..request.clone()
            },
            holder_method: context.holder_method,
            sockets: owners || judged || (plan.needs_last_seen() && !plan.quiet),
            owners,
            process_details: wants.process_details,
            tells_without_bpf: plan.verbose || context.holder_method == HolderMethod::Bpf,
        }
    }

    /// The tables of which it hears.
    pub(super) fn tables(&self) -> &[Table] {
        &self.request.tables
    }

    /// Whether there is anything to look for.
    pub(super) const fn looks(&self) -> bool {
        self.sockets
    }

    /// Whether it looks for holders.
    pub(super) const fn looks_for_owners(&self) -> bool {
        self.owners
    }

    /// Looks; `earlier` is what was seen before.
    pub(super) fn look(&self, host: &Host, earlier: &Look) -> Result<Seen, CollectError> {
        let all = |_: &Socket, _: Option<&Details>| true;
        let mut hold = Hold::new(&all, None);
        let report = collect(host, &self.request, &mut hold)?;
        let (sockets, details) = (hold.kept.sockets, hold.kept.details);
        let mut gaps = report.gaps;
        // Those that may not be entered were not joined either, which was said then.
        gaps.retain(|gap| !is_beside(gap));
        let holders = self.owners.then(|| {
            let mut holders = Holders::find(host, self.holder_method);
            holders.prepare(host, &self.request, &sockets, self.process_details);
            // Who ended during the look is no news where sockets end all the time.
            gaps.extend(holders.gap().filter(|_| holders.is_limited()));
            holders
        });
        let processes = holders.as_ref().map(Holders::processes);
        let processes: Arc<Processes> = Arc::new(processes.cloned().unwrap_or_default());
        let namespaces = inodes(host);
        let seen = sockets.iter().enumerate().map(|(index, socket)| {
            let owners = owners(holders.as_ref(), socket);
            let mut seen = LastSeen::new(socket, LastSeenOwners::new(owners, &processes));
            if let Some(details) = details.get(index) {
                (seen.mark, seen.cgroup) = (details.mark, details.cgroup);
            }
            let namespace = namespaces.get(&socket.netns).copied().unwrap_or(0);
            let cookie = socket.cookie;
            (SocketKey { namespace, cookie }, seen)
        });
        let look = earlier.then(seen);
        let without_bpf = holders.and_then(|holders| holders.without_bpf);
        Ok(Seen {
            look,
            gaps,
            without_bpf: without_bpf
                .filter(|_| self.tells_without_bpf)
                .map(|refusal| refusal.to_string()),
        })
    }
}

/// Whether namespaces were read from outside.
const fn is_beside(gap: &Gap) -> bool {
    let Gap::Namespaces { why, .. } = gap else {
        return false;
    };
    matches!(why, UnseenNamespaces::Beside { .. })
}

/// What came of a look.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) look: Look,
    /// What could not be seen.
    pub(super) gaps: Vec<Gap>,
    /// Why owners were not found by BPF, where somebody wants to know.
    pub(super) without_bpf: Option<String>,
}

/// The owners of a socket, as far as they can be told for certain.
fn owners<'a>(holders: Option<&'a Holders>, socket: &Socket) -> Owners<'a> {
    let Some(holders) = holders else {
        return Owners::Unasked;
    };
    match holders.of(socket) {
        // Its process ended while it was looked for.
        Owners::Hidden if !holders.is_limited() => Owners::Unseen,
        owners => owners,
    }
}

/// Inodes of several namespaces, by their numbers.
fn inodes(host: &Host) -> HashMap<u16, u64> {
    let Host::Everywhere(everywhere) = host else {
        return HashMap::new();
    };
    let inodes = everywhere.spaces().iter();
    let inodes = inodes.map(|space| space.inode.unwrap_or(0));
    (0..=u16::MAX).zip(inodes).collect()
}
