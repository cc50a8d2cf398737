//! The groups under which a table shows sockets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::{Endpoint, Protocol, Socket, State};

/// A group, in the order in which groups are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Waiting for others: TCP listeners and UDP sockets without a peer.
    Listen,
    /// Connected.
    Established,
    /// Waiting out stray segments.
    TimeWait,
    /// Each other state.
    Other(State),
}

impl Group {
    /// The group of a socket.
    pub fn of(socket: &Socket) -> Group {
        match socket.state {
            _ if socket.is_listening() => Group::Listen,
            State::Established => Group::Established,
            State::TimeWait => Group::TimeWait,
            other => Group::Other(other),
        }
    }

    /// Its heading.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Group::Listen => State::Listen.name(),
            Group::Established => State::Established.name(),
            Group::TimeWait => State::TimeWait.name(),
            Group::Other(state) => state.name(),
        }
    }
}

/// The order of rows in which a person finds one: servers by port, connections by address.
/// Those without ports stay as they come.
pub fn reading_order(socket: &Socket) -> (u16, Endpoint, Endpoint, Protocol) {
    const NOWHERE: Endpoint = Endpoint {
        addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
    };
    let Some(ends) = socket.inet() else {
        return (0, NOWHERE, NOWHERE, socket.protocol);
    };
    let port = if socket.is_listening() {
        ends.local.port
    } else {
        0
    };
    (port, ends.local, ends.peer, socket.protocol)
}

/// How many sockets are in each group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts(BTreeMap<Group, u64>);

impl GroupCounts {
    /// Counts a socket.
    pub fn add(&mut self, socket: &Socket) {
        *self.0.entry(Group::of(socket)).or_default() += 1;
    }

    /// The groups that have sockets, in order, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (Group, u64)> {
        self.0.iter().map(|(&group, &count)| (group, count))
    }
}
