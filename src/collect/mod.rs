//! Reads the tables of sockets: netlink first, `/proc/net` where netlink does not serve.
//!
//! Rows are handed on in batches as they come, so that a listing of a million sockets needs no
//! more memory than one of ten. What was not seen comes back as gaps.

mod addresses;
mod announced;
mod attempts;
mod bad;
mod batch;
mod bind;
mod cookies;
mod destroy;
mod everywhere;
mod families;
mod identity;
mod lineage;
mod links;
mod names;
mod namespaces;
mod neighbours;
mod netlink;
mod proc_net;
mod raw;
mod raw_addresses;
mod recorded;
mod routes;
mod rows;
mod rules;
mod unix_names;

use std::io;

pub use addresses::{V6_ADDRESSES, read_local_addresses};
pub use announced::{Joined, Source as AnnouncementSource, join_announcements};
pub use batch::{Batch, Flow, Receiver};
pub use bind::{
    BindSettings, anonymous_uid, is_ipv6_off, lists_bound_sockets, may_bind_low,
    read_bind_settings, read_flags,
};
pub use destroy::{destroy, left_behind};
pub use lineage::{Lineages, read_lineages};
pub use links::read_links;
pub use names::{addresses, host_addresses, read_process, resolver, user_id, user_name};
pub use namespaces::{find_everywhere, namespaces};
pub use neighbours::{Neighbour, Neighbours, read_neighbours};
pub use raw::{Copied, Raw, copy_dump, copy_recorded, copy_table};
pub use raw_addresses::{copy_local_routes, copy_v6_addresses};
pub use routes::read_route;
pub use rules::read_rules;
pub use unix_names::UnixNames;

use everywhere::collect_everywhere;
use netlink::Outcome;

use crate::filter::Expression;
use crate::kernel::Host;
use crate::model::{DetailSet, Family, Gap, Protocol, Source, State, StateSet, Table};

/// What to read.
#[derive(Clone, Debug)]
pub struct Request {
    /// The tables, in the order in which they are read.
    pub tables: Vec<Table>,
    /// Only sockets in these states.
    pub states: StateSet,
    /// What to read beside the sockets themselves.
    pub details: DetailSet,
    /// By which way.
    pub method: Method,
    /// Sockets that the kernel need not report; whoever asks judges the others again.
    pub condition: Option<Expression>,
}

/// By which way tables are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Netlink, and `/proc/net` for each table that it refuses.
    #[default]
    Auto,
    /// Netlink only.
    Netlink,
    /// `/proc/net` only.
    Proc,
}

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The tables that were read, and how.
    pub sources: Vec<(Table, Source)>,
    /// What was not seen.
    pub gaps: Vec<Gap>,
}

impl Report {
    fn read_by_netlink(&mut self, walk: Walk) {
        let tables = walk.tables().into_iter();
        self.sources
            .extend(tables.map(|table| (table, Source::Netlink)));
    }
}

/// Nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// No table, by any way.
    #[error("cannot read any socket: {}", reasons.join("; "))]
    Nothing {
        /// Why, for each table.
        reasons: Vec<String>,
    },
    /// The receiver could not take what was read.
    #[error(transparent)]
    Receiver(#[from] io::Error),
}

/// Reads what is asked for and hands it to the receiver, until all is read or it has enough.
pub fn collect(
    host: &Host,
    request: &Request,
    receiver: &mut impl Receiver,
) -> Result<Report, CollectError> {
    match host {
        Host::Everywhere(everywhere) => collect_everywhere(everywhere, request, receiver),
        _ => collect_here(host, request, receiver),
    }
}

/// Reads what is asked for of one network namespace.
fn collect_here(
    host: &Host,
    request: &Request,
    receiver: &mut impl Receiver,
) -> Result<Report, CollectError> {
    let mut report = Report::default();
    for walk in walks(host, request) {
        receiver.begin();
        if let Flow::Enough = read_walk(host, request, walk, receiver, &mut report)? {
            break;
        }
    }
    let unread: Vec<String> = report
        .gaps
        .iter()
        .filter(|gap| matches!(gap, Gap::Unread { .. }))
        .map(Gap::to_string)
        .collect();
    if report.sources.is_empty() && !unread.is_empty() {
        return Err(CollectError::Nothing { reasons: unread });
    }
    report.gaps = Gap::merged(report.gaps);
    Ok(report)
}

/// What one dump covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// A table.
    One(Table),
    /// TCP of both families.
    Tcp,
}

impl Walk {
    const fn protocol(self) -> Protocol {
        match self {
            Walk::One(table) => table.protocol,
            Walk::Tcp => Protocol::Tcp,
        }
    }

    fn covers(self, family: Family) -> bool {
        match self {
            Walk::One(table) => table.family == family,
            Walk::Tcp => true,
        }
    }

    fn tables(self) -> Vec<Table> {
        match self {
            Walk::One(table) => vec![table],
            Walk::Tcp => Family::IP
                .map(|family| Table {
                    protocol: Protocol::Tcp,
                    family,
                })
                .to_vec(),
        }
    }
}

/// The fewest dumps that cover the tables, in their order. A recording is read for each table, as
/// each may lack something else.
fn walks(host: &Host, request: &Request) -> Vec<Walk> {
    let both = Walk::Tcp.tables();
    let joined = !host.is_recorded()
        && request.method != Method::Proc
        && both.iter().all(|table| request.tables.contains(table));
    let mut walks: Vec<Walk> = Vec::new();
    for &table in &request.tables {
        if !joined || table.protocol != Protocol::Tcp {
            walks.push(Walk::One(table));
        } else if !walks.contains(&Walk::Tcp) {
            walks.push(Walk::Tcp);
        }
    }
    walks
}

fn read_walk(
    host: &Host,
    request: &Request,
    walk: Walk,
    receiver: &mut impl Receiver,
    report: &mut Report,
) -> io::Result<Flow> {
    let refused = match request.method {
        Method::Proc => "asked for by PORTSTAT_COLLECTOR=proc".to_owned(),
        Method::Auto | Method::Netlink => {
            let outcome = match walk {
                Walk::One(table) if host.is_recorded() => {
                    recorded::read(host, request, table, receiver)?
                }
                _ => netlink::read(host, request, walk, receiver)?,
            };
            match outcome {
                Outcome::Read { flow, gaps } => {
                    report.read_by_netlink(walk);
                    report.gaps.extend(gaps);
                    return Ok(flow);
                }
                Outcome::Broken { rows, reason, gaps }
                    if !may_be_read_again(host, request, walk) || !receiver.take_back() =>
                {
                    report.read_by_netlink(walk);
                    report.gaps.extend(gaps);
                    report.gaps.push(Gap::Broken {
                        tables: walk.tables(),
                        rows,
                        reason,
                    });
                    return Ok(Flow::More);
                }
                Outcome::Broken { reason, .. } | Outcome::Refused(reason) => {
                    format!("netlink: {reason}")
                }
            }
        }
    };
    let table = match walk {
        Walk::One(table) => table,
        Walk::Tcp => {
            // The older request may be refused where the newer one is not.
            for table in walk.tables() {
                receiver.begin();
                let one = Walk::One(table);
                if read_walk(host, request, one, receiver, report)? == Flow::Enough {
                    return Ok(Flow::Enough);
                }
            }
            return Ok(Flow::More);
        }
    };
    if request.method == Method::Netlink {
        let reason = refused;
        report.gaps.push(Gap::Unread { table, reason });
        return Ok(Flow::More);
    }
    read_proc(host, request, table, refused, receiver, report)
}

/// Whether there is another way to the tables of a walk that broke off. Where there is none, what
/// came is better than nothing.
fn may_be_read_again(host: &Host, request: &Request, walk: Walk) -> bool {
    match walk {
        Walk::Tcp => true,
        Walk::One(table) => request.method == Method::Auto && proc_net::is_there(host, table),
    }
}

/// Reads a table out of `/proc/net`; `reason` says why not over netlink.
fn read_proc(
    host: &Host,
    request: &Request,
    table: Table,
    reason: String,
    receiver: &mut impl Receiver,
    report: &mut Report,
) -> io::Result<Flow> {
    match proc_net::read(host, request, table, receiver, &mut report.gaps)? {
        proc_net::Outcome::Read(flow) => {
            report.sources.push((table, Source::Proc));
            let tcp = table.protocol == Protocol::Tcp;
            report.gaps.push(Gap::Fallback {
                tables: vec![table],
                reason,
                bound: tcp && request.states.contains(State::BoundInactive),
            });
            return Ok(flow);
        }
        // A machine without IPv6 has no such table, and so no such sockets.
        proc_net::Outcome::Absent if proc_net::ipv6_is_absent(host, table) => {}
        proc_net::Outcome::Absent => report.gaps.push(Gap::Unread {
            table,
            reason: format!("{reason}; /proc/net/{}: not there", table.proc_name()),
        }),
        proc_net::Outcome::Unreadable(error) => report.gaps.push(Gap::Unread {
            table,
            reason: format!("{reason}; /proc/net/{}: {error}", table.proc_name()),
        }),
    }
    Ok(Flow::More)
}
