//! What a listing asks for: its filter and its request.

use super::context::{Context, Error};
use crate::cli::plan::ListPlan;
use crate::collect::Request;
use crate::filter::{self, Query};
use crate::join::Services;
use crate::model::{Family, Protocol, StateSet, Table};
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

/// The tables in which connections draw ephemeral ports.
pub(super) fn connection_tables() -> Vec<Table> {
    Family::ALL
        .into_iter()
        .map(|family| Table {
            protocol: Protocol::Tcp,
            family,
        })
        .collect()
}

/// Whether what was read tells how full the pools of ports are.
pub(super) fn sees_all_connections(request: &Request) -> bool {
    request.states == StateSet::ALL
        && request.condition.is_none()
        && connection_tables()
            .iter()
            .all(|table| request.tables.contains(table))
}
