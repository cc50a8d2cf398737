//! The sockets that decide, and those on the same port of the other protocol.

use super::question::Question;
use crate::analyze::{Ephemeral, reading_order};
use crate::collect::{Request, collect, lists_bound_sockets};
use crate::command::context::Context;
use crate::command::hold::Hold;
use crate::command::outcome::Error;
use crate::command::ports::PortCounts;
use crate::command::request::{all_tables, whole};
use crate::filter::{Comparison, End, Expression, Test};
use crate::model::{Details, Gap, Protocol, Socket, Source, State, StateSet, Table};

/// What was seen.
pub(super) struct Seen {
    /// Sockets of the protocol on the port, listeners first; none where the kernel is to draw it.
    pub(super) sockets: Vec<Socket>,
    /// Servers of the other protocol on the port.
    pub(super) others: Vec<Socket>,
    /// All sockets of the protocol, counted, where the kernel is to draw a port; else the
    /// listeners, where it matters who they are.
    pub(super) ports: Option<Ephemeral>,
    /// How tables were read.
    pub(super) sources: Vec<(Table, Source)>,
    /// What was not seen.
    pub(super) gaps: Vec<Gap>,
    /// Whether all sockets of the protocol were seen that may decide.
    pub(super) complete: bool,
    /// Whether TCP sockets may be there that are bound, do not listen and are not listed.
    pub(super) hides_bound: bool,
}

/// What to read: the port, whatever is on it, or all sockets of the protocol.
pub(super) fn request(context: &Context, question: &Question) -> Request {
    if question.port == 0 {
        let of_protocol = |table: &Table| table.protocol == question.protocol;
        return whole(
            context,
            all_tables().into_iter().filter(of_protocol).collect(),
        );
    }
    Request {
        condition: Some(Expression::Test(Test::Port {
            end: End::Local,
            comparison: Comparison::Equal,
            port: question.port,
        })),
        ..whole(context, all_tables())
    }
}

/// Reads what was requested.
pub(super) fn read(
    context: &Context,
    question: &Question,
    request: &Request,
) -> Result<Seen, Error> {
    let settings = context.ephemeral_settings();
    let draws = question.port == 0;
    let counted = settings.as_ref().ok().filter(|_| draws);
    let on_port = |socket: &Socket, _: Option<&Details>| {
        let port = socket.inet().map(|ends| ends.local.port);
        !draws && port == Some(question.port)
    };
    let interface = question.interface_at_draw();
    let counts = |settings| PortCounts::for_socket(context, settings, interface);
    let mut hold = Hold::new(&on_port, counted.cloned().map(counts));
    let report = collect(&context.host, request, &mut hold)?;
    let of_protocol = |socket: &Socket| socket.protocol == question.protocol;
    let (mut sockets, mut others): (Vec<Socket>, Vec<Socket>) =
        hold.kept.sockets.into_iter().partition(of_protocol);
    others.retain(|socket| socket.is_listening() || socket.state == State::BoundInactive);
    others.sort_by_key(reading_order);
    sockets.sort_by_key(|socket| (!socket.is_listening(), reading_order(socket)));
    let bound = |socket: &Socket| socket.state == State::BoundInactive;
    let hides_bound = question.protocol == Protocol::Tcp
        && !sockets.iter().any(bound)
        && !lists_bound_sockets(&context.host);
    let hides = |gap: &Gap| gap.loses_sockets() && concerns(gap, question.protocol);
    let complete = !report.gaps.iter().any(hides);
    let mut gaps = report.gaps;
    let ports = match settings {
        Ok(_) if draws => hold.counts.ephemeral.and_then(PortCounts::into_ephemeral),
        Ok(settings) => sockets
            .iter()
            .any(is_tcp_connection)
            .then(|| listeners(context, PortCounts::new(context, settings)))
            .flatten(),
        Err(gap) => {
            gaps.push(gap);
            None
        }
    };
    Ok(Seen {
        sockets,
        others,
        ports,
        sources: report.sources,
        gaps,
        complete,
        hides_bound,
    })
}

fn is_tcp_connection(socket: &Socket) -> bool {
    socket.protocol == Protocol::Tcp && socket.has_peer()
}

/// Which ports have listeners: it tells which end of a connection is the server's. `None` where
/// they cannot be read, which is no loss to the verdict.
fn listeners(context: &Context, count: PortCounts<'_>) -> Option<Ephemeral> {
    let mut tables = all_tables();
    tables.retain(|table| table.protocol == Protocol::Tcp);
    let request = Request {
        states: StateSet::EMPTY.with(State::Listen),
        ..whole(context, tables)
    };
    let mut hold = Hold::new(&|_, _| false, Some(count));
    collect(&context.host, &request, &mut hold).ok()?;
    hold.counts.ephemeral?.into_ephemeral()
}

/// Whether a gap may be about sockets of a protocol.
fn concerns(gap: &Gap, protocol: Protocol) -> bool {
    let of = |table: &Table| table.protocol == protocol;
    match gap {
        Gap::Unread { table, .. } => of(table),
        Gap::Broken { tables, .. } | Gap::Fallback { tables, .. } => tables.iter().any(of),
        Gap::Garbled { place, .. } => {
            let other = match protocol {
                Protocol::Tcp => Protocol::Udp,
                _ => Protocol::Tcp,
            };
            !place.contains(other.name())
        }
        Gap::Within { gap, .. } => concerns(gap, protocol),
        // None of these loses sockets of ours.
        Gap::Owners { .. }
        | Gap::MoreOwners { .. }
        | Gap::Unreadable { .. }
        | Gap::Neighbours { .. }
        | Gap::Namespaces { .. }
        | Gap::Untold { .. }
        | Gap::Unresolved { .. } => false,
    }
}
