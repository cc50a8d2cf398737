//! The kernel's rule: whether a new socket may share its port with one that is there.
//!
//! The new socket n and the existing e, both of one protocol, conflict when
//!
//! - neither is bound to a device, or only one, or both to the same; for TCP also both in one VRF,
//!   or both in none, unless `tcp_l3mdev_accept` is 1;
//! - their addresses meet: they are equal, or one of them is the wildcard of a family that the
//!   other uses too;
//! - and they do not share: for TCP, both have SO_REUSEADDR and e does not listen; for UDP, both
//!   have SO_REUSEADDR; or for either, both have SO_REUSEPORT and the same user, TIME-WAIT being
//!   everybody's.
//!
//! As in the kernel's `inet_bind_conflict`, `inet_rcv_saddr_equal` and `udp_lib_lport_inuse`. The
//! flags of e may be unknown, so that there is a third answer: a conflict if the flags are those
//! that were assumed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::resident::{Resident, is_time_wait};
use super::{Assumption, Existing, Machine, Query, User};
use crate::model::{Protocol, State};

/// The IPv4 address that the kernel gives an IPv6 socket with an address that IPv4 has not
/// (`LOOPBACK4_IPV6`). TCP compares buckets of addresses before it, UDP does not.
const STAND_IN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// An address as bind compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// IPv4, or IPv6 that stands for it.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
}

impl Address {
    pub(super) fn of(addr: IpAddr) -> Address {
        match addr.to_canonical() {
            IpAddr::V4(addr) => Address::V4(addr),
            IpAddr::V6(addr) => Address::V6(addr),
        }
    }
}

/// What the new socket brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    protocol: Protocol,
    address: Address,
    /// Whether the socket itself is one of IPv6, be its address mapped or not.
    is_v6: bool,
    device: Option<u32>,
    /// The VRF among whose ports it looks for its own; 0 for none.
    vrf: u32,
    reuse_address: bool,
    reuse_port: bool,
    v6only: bool,
    user: User,
}

impl Newcomer {
    pub(super) fn of(query: &Query, addr: IpAddr, machine: &Machine) -> Newcomer {
        let device = query.device_at_bind();
        Newcomer {
            protocol: query.protocol,
            address: Address::of(addr),
            is_v6: addr.is_ipv6(),
            device,
            vrf: match query.protocol {
                Protocol::Tcp => machine.vrf_of_port(device),
                _ => 0,
            },
            reuse_address: query.reuse_address,
            reuse_port: query.reuse_port,
            v6only: query.v6only,
            user: query.user,
        }
    }

    pub(super) const fn has_reuse_address(&self) -> bool {
        self.reuse_address
    }

    pub(super) const fn has_reuse_port(&self) -> bool {
        self.reuse_port
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == Protocol::Tcp
    }

    /// Whether its address is one of IPv4.
    pub(super) const fn is_v4(&self) -> bool {
        matches!(self.address, Address::V4(_))
    }

    pub(super) const fn is_multicast(&self) -> bool {
        match self.address {
            Address::V4(addr) => addr.is_multicast(),
            Address::V6(addr) => addr.is_multicast(),
        }
    }

    pub(super) fn reusing_address(self) -> Newcomer {
        Newcomer {
            reuse_address: true,
            ..self
        }
    }

    pub(super) fn refusing_v4(self) -> Newcomer {
        Newcomer {
            v6only: true,
            ..self
        }
    }

    /// Whether an existing socket has the same address and device.
    pub(super) fn is_at(&self, existing: &Existing) -> bool {
        Address::of(existing.ends.local.addr) == self.address
            && self.device.unwrap_or(0) == existing.socket.interface
    }

    /// Whether what is sent to an existing socket without a peer comes to this one, as it is the
    /// last of equals, or has the closer address.
    pub(super) fn precedes(&self, existing: &Existing) -> bool {
        let local = &existing.ends.local;
        Address::of(local.addr) == self.address || local.is_wildcard()
    }

    pub(super) const fn takes_every_v4(&self) -> bool {
        matches!(self.address, Address::V4(Ipv4Addr::UNSPECIFIED)) && !self.is_v6
    }

    pub(super) const fn takes_every_v6(&self) -> bool {
        matches!(self.address, Address::V6(Ipv6Addr::UNSPECIFIED))
    }
}

/// Whether one is there, where that may hang on a flag that nobody could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    No,
    Yes,
    Perhaps,
}

impl Known {
    fn both(self, other: Option<bool>) -> Known {
        match (self, other) {
            (Known::No, _) | (_, Some(false)) => Known::No,
            (Known::Yes, Some(true)) => Known::Yes,
            _ => Known::Perhaps,
        }
    }
}

impl From<bool> for Known {
    fn from(value: bool) -> Known {
        if value { Known::Yes } else { Known::No }
    }
}

/// Whether two sockets are in each other's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// They are not.
    No,
    /// They are.
    Yes,
    /// They are if these assumptions hold.
    Assumed(Vec<Assumption>),
    /// They are not if this one holds.
    Unlikely(Assumption),
}

impl Conflict {
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Conflict::No | Conflict::Unlikely(_))
    }
}

/// The rule.
pub(super) fn conflict(new: &Newcomer, old: &Resident<'_>) -> Conflict {
    let met = meets(new, old);
    let shared = shares(new, old);
    if met == Known::No || shared == Known::Yes {
        return Conflict::No;
    }
    if met == Known::Perhaps && old.is_of_v6only {
        return Conflict::Unlikely(Assumption::V6OnlyAsListener);
    }
    let mut assumed = Vec::new();
    if met == Known::Perhaps {
        assumed.push(Assumption::NotV6Only { socket: old.index });
    }
    if shared == Known::Perhaps {
        let by_address = shares_by_address(new, old) == Known::Perhaps;
        let by_port = shares_by_port(new, old) == Known::Perhaps;
        let is_unread = old.flags.reuse_port.is_none();
        let socket = old.index;
        assumed.extend(by_address.then_some(Assumption::NoReuseAddress { socket }));
        assumed.extend(by_port.then_some(match is_unread {
            true => Assumption::NoReusePort { socket },
            false => Assumption::OtherUser { socket },
        }));
    }
    if assumed.is_empty() {
        Conflict::Yes
    } else {
        Conflict::Assumed(assumed)
    }
}

/// Whether the two would have a device and an address in common, as if they shared nothing.
fn meets(new: &Newcomer, old: &Resident<'_>) -> Known {
    if are_apart(new, old) {
        return Known::No;
    }
    let on = old.existing.socket.interface;
    if on != 0 && new.device.is_some_and(|device| device != on) {
        return Known::No;
    }
    let takes_v4 = || Known::Yes.both(old.flags.v6only.map(|v6only| !v6only));
    match (new.address, Address::of(old.existing.ends.local.addr)) {
        (Address::V4(new), Address::V4(old)) => {
            (new == old || new.is_unspecified() || old.is_unspecified()).into()
        }
        (Address::V6(new), Address::V6(old)) => {
            (new == old || new.is_unspecified() || old.is_unspecified()).into()
        }
        (Address::V6(addr), Address::V4(_)) => (addr.is_unspecified() && !new.v6only).into(),
        (Address::V4(_), Address::V6(addr)) if addr.is_unspecified() => takes_v4(),
        (Address::V4(addr), Address::V6(_)) => {
            let stands_in = addr == STAND_IN && new.protocol == Protocol::Udp;
            if !new.is_v6 && (addr.is_unspecified() || stands_in) {
                takes_v4()
            } else {
                Known::No
            }
        }
    }
}

/// Whether VRFs keep the two apart, each of which has ports of its own.
pub(super) fn are_apart(new: &Newcomer, old: &Resident<'_>) -> bool {
    new.vrf != old.vrf
}

/// Whether the two may have the port together.
fn shares(new: &Newcomer, old: &Resident<'_>) -> Known {
    match (shares_by_address(new, old), shares_by_port(new, old)) {
        (Known::Yes, _) | (_, Known::Yes) => Known::Yes,
        (Known::No, Known::No) => Known::No,
        _ => Known::Perhaps,
    }
}

fn shares_by_address(new: &Newcomer, old: &Resident<'_>) -> Known {
    let listens = new.protocol == Protocol::Tcp && old.existing.socket.state == State::Listen;
    Known::from(new.reuse_address && !listens).both(old.flags.reuse_address)
}

fn shares_by_port(new: &Newcomer, old: &Resident<'_>) -> Known {
    let socket = &old.existing.socket;
    let everybodys = new.protocol == Protocol::Tcp && is_time_wait(socket);
    let welcome = match everybodys {
        true => Known::Yes,
        false => is_same_user(new, old),
    };
    match new.reuse_port {
        true => welcome.both(old.flags.reuse_port),
        false => Known::No,
    }
}

fn is_same_user(new: &Newcomer, old: &Resident<'_>) -> Known {
    match old.existing.socket.uid == new.user.uid {
        false => Known::No,
        true if new.user.is_anonymous => Known::Perhaps,
        true => Known::Yes,
    }
}

/// How two sockets come to have the port together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// By SO_REUSEADDR alone.
    Address,
    /// By SO_REUSEPORT: a group, where both have the same address.
    Port,
}

/// How two that meet share; `None` where they do not meet, or do not share.
pub(super) fn sharing(new: &Newcomer, old: &Resident<'_>) -> Option<Sharing> {
    if meets(new, old) == Known::No {
        None
    } else if shares_by_port(new, old) == Known::Yes {
        Some(Sharing::Port)
    } else if shares_by_address(new, old) == Known::Yes {
        Some(Sharing::Address)
    } else {
        None
    }
}

/// Whether the two would share by SO_REUSEPORT if they had the same user.
pub(super) fn is_other_users_group(new: &Newcomer, old: &Resident<'_>) -> bool {
    let socket = &old.existing.socket;
    new.reuse_port && old.flags.reuse_port == Some(true) && socket.uid != new.user.uid
}

/// Whether one that is in conflict with a newcomer has all its addresses.
fn takes_all_of(old: &Resident<'_>, new: &Newcomer) -> bool {
    let takes_v4 = old.flags.v6only == Some(false);
    match (new.address, Address::of(old.existing.ends.local.addr)) {
        (Address::V4(Ipv4Addr::UNSPECIFIED), Address::V4(old)) => old.is_unspecified(),
        (Address::V4(Ipv4Addr::UNSPECIFIED), Address::V6(old)) => old.is_unspecified() && takes_v4,
        (Address::V6(Ipv6Addr::UNSPECIFIED), Address::V4(_)) => false,
        (Address::V6(Ipv6Addr::UNSPECIFIED), Address::V6(old)) => {
            old.is_unspecified() && (new.v6only || takes_v4)
        }
        // Whoever has one address has all of it.
        _ => true,
    }
}

/// Whether the kernel may let a newcomer with SO_REUSEPORT in although the rule says otherwise.
///
/// TCP remembers of a port that the last to join had SO_REUSEPORT, its user and address, and lets
/// the next of the kind in unseen. That memory is gone once somebody listens there who could
/// not have shared: a socket without a device that is in conflict. Whoever came after him and is
/// not in conflict with him may have left it again, where the new one is a wildcard that takes more
/// addresses than he does. UDP looks at the sockets of a
/// port one after another, and at the first with which it shares by SO_REUSEPORT it stops.
pub(super) fn history_matters(
    new: &Newcomer,
    residents: &[Resident<'_>],
    conflicts: &[Conflict],
) -> bool {
    if !new.reuse_port {
        return false;
    }
    match new.protocol {
        Protocol::Tcp => !residents.iter().zip(conflicts).any(|(old, conflict)| {
            let socket = &old.existing.socket;
            let listens = socket.state == State::Listen && socket.interface == 0;
            *conflict == Conflict::Yes && listens && takes_all_of(old, new)
        }),
        _ => residents.iter().any(|old| {
            meets(new, old) != Known::No
                && shares_by_address(new, old) != Known::Yes
                && shares_by_port(new, old) != Known::No
        }),
    }
}
