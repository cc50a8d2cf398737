//! `-A`: the tables to list, by the names that ss has for them.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::list::ListArgs;
use super::output::UsageError;
use super::refused;
use crate::filter::{Expression, Test};
use crate::model::{Protocol, SocketKind};

/// What ss knows as a table: the sockets of a protocol, or those of one kind among them.
type Listed = (Protocol, Option<SocketKind>);

/// The names of `-A` that are told; ss's shorter ones are taken too.
pub const TABLES: [&str; 13] = [
    "all",
    "inet",
    "tcp",
    "udp",
    "raw",
    "unix",
    "unix_stream",
    "unix_dgram",
    "unix_seqpacket",
    "packet",
    "packet_raw",
    "packet_dgram",
    "netlink",
];

/// A word of `-A`: sockets that are listed, or with `!` are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryArg {
    sockets: Vec<Listed>,
    listed: bool,
}

impl FromStr for QueryArg {
    type Err = String;

    fn from_str(text: &str) -> Result<QueryArg, String> {
        let (name, listed) = match text.strip_prefix('!') {
            Some(name) => (name, false),
            None => (text, true),
        };
        let every = |protocols: &[Protocol]| protocols.iter().copied().flat_map(kinds).collect();
        let unix = |kind| vec![(Protocol::Unix, Some(kind))];
        let packet = |kind| vec![(Protocol::Packet, Some(kind))];
        let sockets = match name {
            "all" => every(&Protocol::EVERY),
            "inet" => every(&[Protocol::Tcp, Protocol::Udp, Protocol::Raw]),
            "tcp" => every(&[Protocol::Tcp]),
            "udp" => every(&[Protocol::Udp]),
            "raw" => every(&[Protocol::Raw]),
            "unix" => every(&[Protocol::Unix]),
            "unix_stream" | "u_str" => unix(SocketKind::Stream),
            "unix_dgram" | "u_dgr" => unix(SocketKind::Datagram),
            "unix_seqpacket" | "u_seq" => unix(SocketKind::Sequence),
            "packet" => every(&[Protocol::Packet]),
            "packet_raw" | "p_raw" => packet(SocketKind::Raw),
            "packet_dgram" | "p_dgr" => packet(SocketKind::Datagram),
            "netlink" => every(&[Protocol::Netlink]),
            name => {
                let reason = refused::query(name).unwrap_or("no such table");
                return Err(format!("{reason}; expected one of {}", TABLES.join(", ")));
            }
        };
        Ok(QueryArg { sockets, listed })
    }
}

/// All that is listed of a protocol.
fn kinds(protocol: Protocol) -> Vec<Listed> {
    let kinds = match protocol {
        Protocol::Unix => &[
            Some(SocketKind::Stream),
            Some(SocketKind::Datagram),
            Some(SocketKind::Sequence),
        ][..],
        Protocol::Packet => &[Some(SocketKind::Raw), Some(SocketKind::Datagram)],
        _ => &[None],
    };
    kinds.iter().map(|&kind| (protocol, kind)).collect()
}

/// What flags and `-A` name together.
pub(super) struct Named {
    /// The arguments, with the flags of all protocols that are listed.
    pub args: ListArgs,
    /// What leaves out the kinds of sockets that are not listed; `None` where all are.
    pub kinds: Option<Expression>,
    /// How many tables ss would call that.
    pub tables: usize,
}

/// Takes the words of `-A` together with the flags that name protocols.
pub(super) fn named(mut args: ListArgs) -> Result<Named, UsageError> {
    let given = flags(&mut args).into_iter().filter(|(_, flag)| **flag);
    let mut listed: BTreeSet<Listed> = given.flat_map(|(protocol, _)| kinds(protocol)).collect();
    for word in &args.query {
        match word.listed {
            true => listed.extend(&word.sockets),
            false => listed.retain(|socket| !word.sockets.contains(socket)),
        }
    }
    if listed.is_empty() && !args.query.is_empty() {
        return Err(UsageError::NoTable);
    }
    for (protocol, flag) in flags(&mut args) {
        *flag = listed.iter().any(|socket| socket.0 == protocol);
    }
    let conditions: Vec<Expression> = Protocol::EVERY
        .into_iter()
        .filter_map(|protocol| only(protocol, &listed))
        .collect();
    Ok(Named {
        args,
        kinds: (!conditions.is_empty()).then_some(Expression::And(conditions)),
        tables: listed.len(),
    })
}

/// The flag of each protocol.
fn flags(args: &mut ListArgs) -> [(Protocol, &mut bool); 6] {
    [
        (Protocol::Tcp, &mut args.tcp),
        (Protocol::Udp, &mut args.udp),
        (Protocol::Raw, &mut args.raw),
        (Protocol::Unix, &mut args.unix),
        (Protocol::Packet, &mut args.packet),
        (Protocol::Netlink, &mut args.netlink),
    ]
}

/// The condition that leaves out the kinds of a protocol's sockets that are not listed; `None`
/// where all are, or none.
fn only(protocol: Protocol, listed: &BTreeSet<Listed>) -> Option<Expression> {
    let all = kinds(protocol);
    let wanted: Vec<&Listed> = all.iter().filter(|kind| listed.contains(kind)).collect();
    if wanted.is_empty() || wanted.len() == all.len() {
        return None;
    }
    let family = *protocol.families().first()?;
    let of_others = Expression::Not(Box::new(Test::Family(family).into()));
    let of_kinds = wanted.iter().filter_map(|(_, kind)| *kind);
    let of_kinds = of_kinds.map(|kind| Test::Kind(kind).into());
    Some(Expression::Or(
        [of_others].into_iter().chain(of_kinds).collect(),
    ))
}
