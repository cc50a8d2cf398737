//! What rows of a listing need beside what the tables of sockets tell.

use crate::cli::ListPlan;
use crate::filter::{Query, Test};

/// What is to be joined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub(super) owners: bool,
    /// Owners are asked for by the filter, printed or not.
    pub(super) judged_owners: bool,
    pub(super) process_details: bool,
    pub(super) services: bool,
    pub(super) users: bool,
    pub(super) cgroups: bool,
    pub(super) hosts: bool,
    pub(super) unix_peers: bool,
    /// Names of the peers of unix sockets are asked for by the filter, printed or not.
    pub(super) judged_peers: bool,
    pub(super) port_processes: bool,
    pub(super) namespaces: bool,
}

impl Wants {
    pub(super) fn of(plan: &ListPlan, query: &Query) -> Wants {
        let judged = Wants::of_filter(query);
        Wants {
            owners: plan.needs_owners(),
            judged_owners: judged.judged_owners,
            process_details: plan.needs_process_details() || judged.process_details,
            services: plan.needs_services(),
            users: plan.needs_users(),
            cgroups: plan.needs_cgroups(),
            hosts: plan.needs_hosts(),
            unix_peers: plan.needs_unix_peers(),
            judged_peers: judged.judged_peers,
            port_processes: plan.needs_port_processes(),
            namespaces: plan.needs_namespaces(),
        }
    }

    /// What a filter needs, where nothing is printed of a socket.
    pub(super) fn of_filter(query: &Query) -> Wants {
        Wants {
            judged_owners: query.asks(&Test::needs_owners),
            judged_peers: query.asks(&Test::needs_peer_names),
            process_details: query.asks(&Test::needs_process_details),
            ..Wants::default()
        }
    }
}
