//! `-A` and `-f`: tables and families to list, by the names that ss has for them.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::refused;
use super::usage::UsageError;
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
    /// The protocols that are listed.
    pub(super) protocols: Vec<Protocol>,
    /// What leaves out the kinds of sockets that are not listed; `None` where all are.
    pub(super) kinds: Option<Expression>,
    /// How many tables ss would call that.
    pub(super) tables: usize,
}

/// Takes the words of `-A` together with the protocols that flags name.
pub(super) fn named(
    flags: impl Iterator<Item = Protocol>,
    words: &[QueryArg],
) -> Result<Named, UsageError> {
    let mut listed: BTreeSet<Listed> = flags.flat_map(kinds).collect();
    for word in words {
        match word.listed {
            true => listed.extend(&word.sockets),
            false => listed.retain(|socket| !word.sockets.contains(socket)),
        }
    }
    if listed.is_empty() && !words.is_empty() {
        return Err(UsageError::NoTable);
    }
    let protocols = Protocol::EVERY.into_iter();
    let conditions: Vec<Expression> = protocols
        .clone()
        .filter_map(|protocol| only(protocol, &listed))
        .collect();
    let is_listed = |protocol: &Protocol| listed.iter().any(|socket| socket.0 == *protocol);
    Ok(Named {
        protocols: protocols.filter(is_listed).collect(),
        kinds: (!conditions.is_empty()).then_some(Expression::And(conditions)),
        tables: listed.len(),
    })
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

/// The names of `-f`.
pub const FAMILIES: [&str; 5] = ["inet", "inet6", "link", "unix", "netlink"];

/// `-f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyArg {
    /// IPv4
    Inet,
    /// IPv6
    Inet6,
    /// Packet sockets
    Link,
    /// Unix sockets
    Unix,
    /// Netlink sockets
    Netlink,
}

impl FromStr for FamilyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<FamilyArg, String> {
        Ok(match text {
            "inet" => FamilyArg::Inet,
            "inet6" => FamilyArg::Inet6,
            "link" => FamilyArg::Link,
            "unix" => FamilyArg::Unix,
            "netlink" => FamilyArg::Netlink,
            known => {
                let reason = match known {
                    "vsock" | "tipc" | "xdp" => "such sockets are not listed",
                    _ => "no family",
                };
                return Err(format!(
                    "{reason}; expected inet, inet6, link, unix or netlink"
                ));
            }
        })
    }
}
