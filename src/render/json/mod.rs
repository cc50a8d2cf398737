//! JSON: one document, or the same socket objects a line each. Rows are written by hand, as
//! building a tree of a million sockets would cost more than reading them.

mod details;
mod ends;

use std::net::IpAddr;

use super::address::{Side, push_addr, push_number};
use super::clock::utc;
use super::escape::push_json;
use crate::analyze::{GroupCounts, PoolKey, Verdict};
use crate::model::{
    Destruction, DetailSet, Endpoint, Fate, Gap, Namespace, Owner, Owners, PortClass, Protocol,
    Queues, Row, Source, State, Table, Timer,
};

/// What a document says beside the sockets.
#[derive(Clone, Debug)]
pub struct Document {
    /// The `schema`, which tells what to expect.
    pub schema: &'static str,
    /// Name of the machine.
    pub host: Option<String>,
    /// When it was seen, RFC 3339.
    pub taken_at: Option<String>,
    /// How it was read.
    pub collection: Collection,
}

/// How the tables were read.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// Each table that was read, and how.
    pub sources: Vec<(Table, Source)>,
    /// What was not seen.
    pub gaps: Vec<Gap>,
}

impl Collection {
    /// How a protocol was read: `/proc` when one of its families was.
    fn source(&self, protocol: Protocol) -> Option<Source> {
        let mut sources = self
            .sources
            .iter()
            .filter(|(table, _)| table.protocol == protocol)
            .map(|(_, source)| *source);
        let first = sources.next()?;
        Some(
            if first == Source::Netlink && sources.all(|source| source == first) {
                Source::Netlink
            } else {
                Source::Proc
            },
        )
    }
}

impl Document {
    /// Appends the beginning of the document, up to and with its `collection`.
    pub(super) fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"schema\":");
        push_json(out, self.schema.as_bytes());
        out.extend_from_slice(b",\"host\":");
        push_optional(out, self.host.as_deref().map(str::as_bytes));
        out.extend_from_slice(b",\"taken_at\":");
        push_optional(out, self.taken_at.as_deref().map(str::as_bytes));
        out.extend_from_slice(b",\n\"collection\":{");
        for protocol in Protocol::EVERY.into_iter().rev() {
            let source = self.collection.source(protocol);
            if source.is_none() && !Protocol::WITH_PORTS.contains(&protocol) {
                continue;
            }
            push_json(out, protocol.name().as_bytes());
            out.push(b':');
            push_optional(out, source.map(|source| source.name().as_bytes()));
            out.push(b',');
        }
        let complete = !self.collection.gaps.iter().any(Gap::loses_sockets);
        out.extend(format!("\"complete\":{complete},\"gaps\":[").bytes());
        for (index, gap) in self.collection.gaps.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_gap(out, gap);
        }
        out.extend_from_slice(b"]}");
    }

    /// Appends a list up to where its sockets begin, which the caller writes with commas between.
    pub fn open_list(&self, groups: &GroupCounts, verdict: Option<&Verdict>, out: &mut Vec<u8>) {
        self.open(out);
        out.extend_from_slice(b",\n\"groups\":{");
        for (index, (group, count)) in groups.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_json(out, group.name().as_bytes());
            out.push(b':');
            push_number(out, count);
        }
        out.extend_from_slice(b"},\n\"ephemeral\":");
        push_verdict(out, verdict);
        out.extend_from_slice(b",\n\"sockets\":[");
    }

    /// Appends the end of a list.
    pub fn close_list(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}\n");
    }
}

pub(super) fn push_gap(out: &mut Vec<u8>, gap: &Gap) {
    out.extend_from_slice(b"{\"what\":");
    push_json(out, gap.what().as_bytes());
    out.extend_from_slice(b",\"count\":");
    match gap.count() {
        Some(count) => push_number(out, count),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"where\":");
    push_optional(out, gap.place().as_deref().map(str::as_bytes));
    out.extend_from_slice(b",\"reason\":");
    push_json(out, gap.reason().as_bytes());
    out.extend_from_slice(b",\"remedy\":");
    push_optional(out, gap.remedy().map(str::as_bytes));
    out.push(b'}');
}

/// Appends the verdict on the ephemeral ports, or `null`.
pub(super) fn push_verdict(out: &mut Vec<u8>, verdict: Option<&Verdict>) {
    let Some(verdict) = verdict else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"status\":");
    push_json(out, verdict.severity.name().as_bytes());
    out.extend(
        format!(
            ",\"range\":{{\"first\":{},\"last\":{}}},\"capacity\":{},\"percent\":{:.1},\"fullest\":",
            verdict.range.first(),
            verdict.range.last(),
            verdict.capacity,
            verdict.percent
        )
        .bytes(),
    );
    match &verdict.fullest {
        None => out.extend_from_slice(b"null"),
        Some(pool) => {
            out.extend_from_slice(b"{\"pool\":");
            push_json(out, pool.key.kind.name().as_bytes());
            push_pool_ends(out, &pool.key);
            out.extend(
                format!(",\"used\":{},\"time_wait\":{}}}", pool.used, pool.time_wait).bytes(),
            );
        }
    }
    if let Some(namespace) = &verdict.namespace {
        out.extend_from_slice(b",\"netns_name\":");
        push_json(out, namespace);
    }
    out.push(b'}');
}

/// Appends the ends of a pool.
pub(super) fn push_pool_ends(out: &mut Vec<u8>, key: &PoolKey) {
    let push_optional_addr = |out: &mut Vec<u8>, addr: Option<IpAddr>| match addr {
        None => out.extend_from_slice(b"null"),
        Some(addr) => {
            out.push(b'"');
            push_addr(out, addr);
            out.push(b'"');
        }
    };
    out.extend_from_slice(b",\"src\":");
    push_optional_addr(out, key.source);
    out.extend_from_slice(b",\"dst\":");
    push_optional_addr(out, key.destination.map(|end| end.addr));
    out.extend_from_slice(b",\"dport\":");
    push_optional_number(out, key.destination.map(|end| end.port));
}

pub(super) fn push_optional(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => push_json(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

pub(super) fn push_optional_number(out: &mut Vec<u8>, number: Option<impl itoa::Integer>) {
    match number {
        Some(number) => push_number(out, number),
        None => out.extend_from_slice(b"null"),
    }
}

/// What the objects of all sockets of a listing have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonFields {
    /// The network namespace.
    pub netns: Option<u64>,
    /// Objects of details.
    pub details: DetailSet,
}

/// Appends a socket as an object, without a line end.
pub fn row(out: &mut Vec<u8>, row: &Row<'_>, fields: JsonFields) {
    let socket = row.socket;
    out.push(b'{');
    if let Some(destruction) = row.destruction {
        push_destruction(out, destruction);
    }
    out.extend_from_slice(b"\"proto\":\"");
    out.extend_from_slice(socket.protocol.name().as_bytes());
    out.extend_from_slice(b"\",\"family\":\"");
    out.extend_from_slice(socket.family().name().as_bytes());
    out.extend_from_slice(b"\",\"state\":\"");
    out.extend_from_slice(socket.state.name().as_bytes());
    out.extend_from_slice(b"\",");
    match socket.inet() {
        None => ends::push_ends(out, row),
        Some(found) => {
            out.extend_from_slice(b"\"local\":");
            push_end(out, row, Side::Local, &found.local);
            out.extend_from_slice(b",\"peer\":");
            if found.peer.is_none() {
                out.extend_from_slice(b"null");
            } else {
                push_end(out, row, Side::Peer, &found.peer);
            }
        }
    }
    out.extend_from_slice(b",\"recv_q\":");
    push_number(out, socket.queues.recv_q());
    out.extend_from_slice(b",\"send_q\":");
    push_number(out, socket.queues.send_q());
    push_backlog(out, socket.queues);
    out.extend_from_slice(b",\"uid\":");
    push_optional_number(out, row.uid());
    out.extend_from_slice(b",\"user\":");
    push_optional(out, row.user.map(str::as_bytes));
    out.extend_from_slice(b",\"inode\":");
    match (socket.inode, row.destruction) {
        // Of what is no more it is not told; then it was not seen.
        (0, Some(_)) => out.extend_from_slice(b"null"),
        (inode, _) => push_number(out, inode),
    }
    out.extend_from_slice(b",\"netns\":");
    push_namespace(out, row.namespace, fields.netns);
    out.extend_from_slice(b",\"v6only\":");
    out.extend_from_slice(match socket.v6only {
        Some(true) => b"true",
        Some(false) => b"false",
        None => b"null",
    });
    push_owners(out, &row.owners);
    push_timer(out, socket.timer);
    details::push_details(out, row, fields.details);
    if let Some(fate) = row.fate {
        push_fate(out, fate);
    }
    out.push(b'}');
}

/// What became of a socket that was to be destroyed.
#[cold]
fn push_fate(out: &mut Vec<u8>, fate: Fate) {
    out.extend_from_slice(b",\"destroyed\":");
    let is_destroyed = fate == Fate::Destroyed;
    out.extend_from_slice(if is_destroyed { b"true" } else { b"false" });
    out.extend_from_slice(b",\"error\":");
    push_optional(out, fate.error().as_deref().map(str::as_bytes));
}

/// When and as what a socket ended.
#[cold]
fn push_destruction(out: &mut Vec<u8>, destruction: &Destruction) {
    out.extend_from_slice(b"\"event\":\"destroyed\",\"at\":");
    push_json(out, utc(destruction.at).as_bytes());
    out.extend_from_slice(b",\"last_state\":");
    let last_state = destruction.last_state.map(State::name);
    push_optional(out, last_state.as_ref().map(|name| name.as_bytes()));
    out.push(b',');
}

/// The namespace as it was asked for, else no more than its number.
pub(super) fn push_namespace(out: &mut Vec<u8>, namespace: Option<&Namespace>, netns: Option<u64>) {
    let Some(namespace) = namespace else {
        return push_optional_number(out, netns);
    };
    push_optional_number(out, namespace.inode);
    out.extend_from_slice(b",\"netns_name\":");
    push_optional(out, namespace.name().as_deref());
    out.extend_from_slice(b",\"container\":");
    push_optional(out, namespace.container.as_deref());
}

fn push_end(out: &mut Vec<u8>, row: &Row<'_>, side: Side, endpoint: &Endpoint) {
    out.extend_from_slice(b"{\"addr\":\"");
    push_addr(out, endpoint.addr);
    out.extend_from_slice(b"\",\"port\":");
    push_number(out, endpoint.port);
    out.extend_from_slice(b",\"service\":");
    push_optional(out, side.service(row).map(str::as_bytes));
    if row.socket.protocol == Protocol::Raw {
        // Its port is a protocol of IP.
        out.extend_from_slice(b",\"class\":null");
    } else {
        out.extend_from_slice(b",\"class\":\"");
        out.extend_from_slice(PortClass::of(endpoint.port).name().as_bytes());
        out.push(b'"');
    }
    let host = match side {
        Side::Local => {
            out.extend_from_slice(b",\"iface\":");
            push_iface(out, row);
            row.hosts.local
        }
        Side::Peer => row.hosts.peer,
    };
    if host.is_some() {
        out.extend_from_slice(b",\"host\":");
        push_optional(out, host);
    }
    out.push(b'}');
}

/// The interface that the socket is bound to, or `null`.
fn push_iface(out: &mut Vec<u8>, row: &Row<'_>) {
    let interface = (row.socket.interface != 0).then(|| match row.interface {
        Some(known) => known.to_vec(),
        None => format!("if{}", row.socket.interface).into_bytes(),
    });
    push_optional(out, interface.as_deref());
}

fn push_backlog(out: &mut Vec<u8>, queues: Queues) {
    out.extend_from_slice(b",\"backlog\":");
    match queues {
        Queues::Bytes { .. } => out.extend_from_slice(b"null"),
        Queues::Backlog { pending, max } => {
            out.extend_from_slice(b"{\"pending\":");
            push_number(out, pending);
            out.extend_from_slice(b",\"max\":");
            push_optional_number(out, max);
            out.push(b'}');
        }
    }
}

fn push_owners(out: &mut Vec<u8>, owners: &Owners<'_>) {
    out.extend_from_slice(b",\"owners\":[");
    for (index, Owner { holder, process }) in owners.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"pid\":");
        push_number(out, holder.pid);
        out.extend_from_slice(b",\"comm\":");
        push_json(out, &process.comm);
        out.extend_from_slice(b",\"fd\":");
        push_number(out, holder.fd);
        out.extend_from_slice(b",\"exe\":");
        push_optional(out, process.exe.as_deref());
        out.extend_from_slice(b",\"unit\":");
        push_optional(out, process.unit.as_deref());
        out.extend_from_slice(b",\"container\":");
        push_optional(out, process.container());
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"owners_status\":");
    push_optional(out, owners.status().map(str::as_bytes));
}

fn push_timer(out: &mut Vec<u8>, timer: Option<Timer>) {
    out.extend_from_slice(b",\"timer\":");
    let Some(timer) = timer else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(timer.kind.name().as_bytes());
    out.extend_from_slice(b"\",\"expires_ms\":");
    push_number(out, timer.expires_ms);
    out.extend_from_slice(b",\"retransmits\":");
    push_number(out, timer.retransmits);
    out.push(b'}');
}
