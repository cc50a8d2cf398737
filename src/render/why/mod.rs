//! The answers of `portstat why`. Words of causes are in `causes` and
//! `conditions`; those of what to do in `fixes`,
//! and of that whom to stop in `stop`, what to destroy in `destroy`, what to change in `machine`;
//! all others in `words` and `around`; people and programs read the same.

mod again;
mod around;
mod bounds;
mod case;
mod causes;
mod conditions;
mod connections;
mod destroy;
mod evidence;
mod fixes;
mod held;
mod human;
mod json;
mod machine;
mod published;
mod stop;
mod subject;
mod unseen;
mod words;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::ephemeral::PoolNotes;
use super::json::Document;
use crate::analyze::PoolKey;
use crate::analyze::why::{Answer, Existing, Machine, Outcome};
use crate::model::{Call, Entrance, Errno, InetRow, PortRange, Protocol, Published};

pub use destroy::Crowds;
pub use human::human;
pub use json::json;

/// All there is to tell.
#[derive(Debug)]
pub struct WhyReport<'a> {
    /// Host, time, and what was not seen.
    pub document: Document,
    /// The network namespace.
    pub netns: Option<u64>,
    /// How commands get there.
    pub entrance: Option<Entrance>,
    /// The answers, and what the kernel said to each where it was asked.
    pub answers: Vec<(Answer, Option<Probe>)>,
    /// The sockets that were judged.
    pub sockets: &'a [InetRow<'a>],
    /// What was learnt of each of them, in the same order.
    pub existing: &'a [Existing],
    /// What else is known of the pools in which no port is left.
    pub pools: Vec<(PoolKey, PoolNotes)>,
    /// What the machine allows.
    pub machine: &'a Machine,
    /// The port, where one was named.
    pub port: Option<PortContext<'a>>,
    /// The same port elsewhere.
    pub elsewhere: Vec<Elsewhere<'a>>,
    /// Name of the interface that was asked for.
    pub device: Option<String>,
    /// Names of the interfaces that have the address, where it was asked for on another.
    pub at: Vec<String>,
    /// The destination by name, where it was named so.
    pub named: Option<NamedHost>,
    /// Name of the user who asks.
    pub user: Option<String>,
    /// Processes among the holders that hold their sockets for containers.
    pub published: Vec<(u32, Published)>,
    /// Who runs this, and so the commands that it advises.
    pub reader: u32,
    /// Whether the network namespace belongs to a user namespace outside of ours, so that root here
    /// has no rights over it.
    pub root_is_outside: bool,
    /// The uid under which all users appear whom our user namespace does not know, where it does not
    /// know every user. Source: `kernel.overflowuid`, `/proc/self/uid_map`.
    pub anonymous: Option<u32>,
    /// The sockets counted by their ends, once somebody asks.
    pub crowds: Crowds,
    /// Processes among the holders whose unit is one of a user's manager, and the user's uid.
    pub user_units: Vec<(u32, u32)>,
}

/// A destination that was given by name; asked about is the address that is tried first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedHost {
    /// The name.
    pub name: String,
    /// Its other addresses.
    pub others: Vec<IpAddr>,
}

/// What a port is.
#[derive(Clone, Debug)]
pub struct PortContext<'a> {
    /// The port.
    pub port: u16,
    /// Of which protocol.
    pub protocol: Protocol,
    /// Whether it is one of this machine, and not of a destination.
    pub is_own: bool,
    /// What it is called.
    pub service: Option<&'a str>,
    /// What it is for, as everybody knows.
    pub description: Option<&'static str>,
    /// The range from which the kernel draws; `None` where that cannot be read.
    pub range: Option<PortRange>,
    /// Whether it is reserved against that.
    pub reserved: bool,
}

/// A socket on the same port that is in nobody's way.
#[derive(Clone, Debug)]
pub struct Elsewhere<'a> {
    /// The socket.
    pub row: InetRow<'a>,
    /// What was learnt of its holders.
    pub existing: Existing,
    /// Where it is.
    pub place: Place<'a>,
}

/// Where a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In this network namespace, of another protocol.
    OtherProtocol,
    /// In another network namespace.
    Namespace {
        /// Its name, where it has one.
        name: Option<&'a [u8]>,
        /// A process that lives in it.
        pid: u32,
    },
}

/// What the kernel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It could not be asked.
    Unavailable(String),
    /// It was asked.
    Asked {
        /// Which call it said that to: of a connect it may be the bind before it.
        call: Call,
        /// What it said to the socket as it was asked for, but for SO_REUSEPORT.
        said: Result<(), Errno>,
        /// What it said with SO_REUSEADDR; `None` where that was not tried.
        with_reuse_address: Option<Result<(), Errno>>,
        /// What was foretold.
        foretold: Outcome,
        /// Whether that came true, errno and SO_REUSEADDR included.
        agrees: bool,
    },
}
