//! What a listing asks for: its filter and its request.

use super::context::Context;
use super::filter_file::FilterText;
use super::names::{KnownHosts, MachineNames, Round};
use super::outcome::Error;
use crate::cli::{ListPlan, meant};
use crate::collect::Request;
use crate::filter::{self, Expression, FilterError, Judge, Names as _, Query, Test};
use crate::model::{DetailSet, NetnsId, Protocol, StateSet, Table};

/// Reads and parses the filter; warns of what had to be assumed for it.
pub(super) fn query(context: &mut Context, plan: &ListPlan) -> Result<Query, Error> {
    Asked::read(plan)?.query(context)
}

/// A filter that was read, and is parsed in each round: its names may stand for something else
/// then.
pub(super) struct Asked<'p> {
    plan: &'p ListPlan,
    text: FilterText,
    hosts: KnownHosts,
}

impl<'p> Asked<'p> {
    /// Reads it.
    pub(super) fn read(plan: &'p ListPlan) -> Result<Asked<'p>, Error> {
        Ok(Asked {
            plan,
            text: FilterText::read(plan)?,
            hosts: KnownHosts::default(),
        })
    }

    /// Parses it; warns of what had to be assumed for it.
    pub(super) fn query(&self, context: &mut Context) -> Result<Query, Error> {
        self.parse(context, Round::First)
    }

    /// Parses it in a later round. A name that stands for nothing any more leaves it as it was, but
    /// for one of a network namespace, which is none then.
    pub(super) fn again(&self, context: &mut Context, query: &mut Query) {
        match self.parse(context, Round::Later) {
            Ok(renewed) => *query = renewed,
            Err(error) => context.warn(format!(
                "the filter goes on by what its names stood for: {error}"
            )),
        }
    }

    fn parse(&self, context: &mut Context, round: Round) -> Result<Query, Error> {
        let here = context.host.netns();
        let is_alone = !context.is_everywhere() && !context.host.is_recorded();
        let names = MachineNames::new(context, self.plan, &self.hosts, round);
        let mut query = filter::parse(&self.text.text, &names)
            .map_err(|error| no_filter(self.text.placed(error), &self.plan.filter, &names))?;
        query.condition = match (self.plan.kinds.clone(), query.condition) {
            (Some(kinds), Some(condition)) => Some(Expression::And(vec![kinds, condition])),
            (kinds, condition) => kinds.or(condition),
        };
        let is_elsewhere = |id: NetnsId| match id {
            NetnsId::Here => false,
            NetnsId::Inode(inode) => Some(inode) != here,
            NetnsId::Elsewhere | NetnsId::Process(_) => true,
        };
        let elsewhere = query.asks(&|test| matches!(test, Test::Netns(id) if is_elsewhere(*id)));
        if let Some(gap) = names.into_gap() {
            context.warn_of_gaps(&[gap]);
        }
        if is_alone && elsewhere {
            context.warn(
                "only one network namespace was read, not the one of the filter; -N NAME reads \
                 that, -N all every one"
                    .to_owned(),
            );
        }
        Ok(query)
    }
}

/// The error of a filter, with what may be meant where its first word begins none.
fn no_filter(error: FilterError, words: &str, names: &MachineNames<'_>) -> Error {
    let is_service = |word: &str| names.port(word).is_ok();
    let found = error.is_no_filter().then(|| meant(words, &is_service));
    match found.flatten() {
        Some(meant) => Error::NoFilter {
            word: words
                .split_ascii_whitespace()
                .next()
                .unwrap_or("")
                .to_owned(),
            meant,
        },
        None => error.into(),
    }
}

/// What to ask for: states and tables as narrow as flags and filter allow.
pub(super) fn request(context: &Context, plan: &ListPlan, query: &Query) -> Request {
    let condition = query.condition.as_ref();
    let mut details = plan.needed_details();
    details.extended |= query.asks(&Test::needs_details);
    Request {
        tables: plan.tables.clone(),
        states: query.states.unwrap_or(plan.states),
        details,
        method: context.method,
        condition: condition.and_then(|condition| condition.judged_by(Judge::BEST_KERNEL)),
    }
}

/// The tables whose sockets draw ephemeral ports: all there are.
pub(super) fn all_tables() -> Vec<Table> {
    let protocols = Protocol::WITH_PORTS.into_iter();
    protocols.flat_map(Protocol::tables).collect()
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

/// Whether it reads sockets that have ports, so that something is to be said of ports.
pub(super) fn lists_ports(request: &Request) -> bool {
    let ports = all_tables();
    request.tables.iter().any(|table| ports.contains(table))
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
