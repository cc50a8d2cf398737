//! What a listing asks for: its filter and its request.

use super::context::{Context, Error};
use crate::cli::plan::ListPlan;
use crate::collect::Request;
use crate::filter::{self, Query};
use crate::join::Services;
use crate::model::{DetailSet, Family, Protocol, StateSet, Table};
use crate::wire::services;

/// Parses the filter; names of ports are looked up only when it has any.
pub(super) fn query(context: &Context, plan: &ListPlan) -> Result<Query, Error> {
    let names = std::cell::OnceCell::new();
    let port_of = |name: &str| {
        names
            .get_or_init(|| {
                let text = context.host.read("etc/services").unwrap_or_default();
                Services::new(services::parse(&text).services)
            })
            .port(name)
    };
    Ok(filter::parse(&plan.filter, &port_of)?)
}

/// What to ask for: states and tables as narrow as flags and filter allow.
pub(super) fn request(context: &Context, plan: &ListPlan, query: &Query) -> Request {
    Request {
        tables: plan.tables.clone(),
        states: query.states.unwrap_or(plan.states),
        details: plan.needed_details(),
        method: context.method,
        condition: query.condition.clone(),
    }
}

/// The tables whose sockets draw ephemeral ports: all there are.
pub(super) fn all_tables() -> Vec<Table> {
    let of_protocol = |protocol| Family::ALL.map(|family| Table { protocol, family });
    Protocol::ALL.into_iter().flat_map(of_protocol).collect()
}

/// A request for every socket of these tables, and nothing beside them.
pub(super) fn whole(context: &Context, tables: Vec<Table>) -> Request {
    Request {
        tables,
        states: StateSet::ALL,
        details: DetailSet::NONE,
        method: context.method,
        condition: None,
    }
}

/// Those of which a request reads nothing.
pub(super) fn missing_tables(request: &Request) -> Vec<Table> {
    let mut tables = all_tables();
    tables.retain(|table| !request.tables.contains(table));
    tables
}

/// Whether a request leaves out nothing of the tables it reads.
pub(super) fn sees_whole_tables(request: &Request) -> bool {
    request.states == StateSet::ALL && request.condition.is_none()
}

/// Whether what was read tells how full the pools of connections are.
pub(super) fn sees_all_connections(request: &Request) -> bool {
    let missing = missing_tables(request);
    sees_whole_tables(request) && missing.iter().all(|table| table.protocol != Protocol::Tcp)
}
