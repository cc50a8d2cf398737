//! What kind of thing is in the way.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::conflict::{Address, Newcomer, conflict, is_other_users_group};
use super::lineage::{Inherited, holders_and_parents, inherited};
use super::resident::{Resident, is_time_wait};
use super::{Cause, Existing, Holding, Machine};
use crate::analyze::Ephemeral;
use crate::model::{Protocol, Socket, State, TimerKind};

/// What causes are told by.
pub(super) struct Scene<'a> {
    pub(super) new: Newcomer,
    machine: &'a Machine,
    ports: Option<&'a Ephemeral>,
    /// The addresses of the port that are listened on.
    listening: HashSet<IpAddr>,
    /// Those of them whose listeners are in the way themselves.
    blocked: HashSet<IpAddr>,
    /// Processes that have connections which came to the port, and their parents.
    serving: HashSet<u32>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        new: Newcomer,
        residents: &[Resident<'_>],
        machine: &'a Machine,
        ports: Option<&'a Ephemeral>,
    ) -> Scene<'a> {
        let listeners = || {
            let all = residents.iter();
            all.filter(|resident| resident.existing.socket.state == State::Listen)
        };
        let in_the_way = |listener: &&Resident<'_>| conflict(&new, listener).is_there();
        let mut scene = Scene {
            new,
            machine,
            ports,
            listening: addresses(listeners()),
            blocked: addresses(listeners().filter(in_the_way)),
            serving: HashSet::new(),
        };
        let accepted = residents
            .iter()
            .map(|resident| resident.existing)
            .filter(|existing| scene.is_accepted_connection(existing));
        scene.serving = holders_and_parents(accepted);
        scene
    }

    /// Why a socket is there that is in conflict.
    pub(super) fn cause(&self, resident: &Resident<'_>) -> Cause {
        let existing = resident.existing;
        let Existing {
            socket, holding, ..
        } = existing;
        if socket.protocol == Protocol::Udp {
            return self
                .cause_by_holders(holding)
                .or_else(|| self.cause_by_group(resident))
                .unwrap_or(Cause::UdpSocket);
        }
        match socket.state {
            State::Listen => self
                .cause_by_holders(holding)
                .or_else(|| self.cause_by_group(resident))
                .unwrap_or_else(|| self.cause_of_listener(existing)),
            State::BoundInactive | State::Close => self
                .cause_by_holders(holding)
                .or_else(|| self.cause_by_group(resident))
                .unwrap_or(Cause::BoundNotListening),
            State::TimeWait => Cause::TimeWait,
            _ if is_to_itself(existing) => Cause::SelfConnect,
            _ if matches!(holding, Holding::Unheld) && !self.is_accepted(existing) => Cause::Unheld,
            _ if self.is_outgoing(existing) => Cause::OutgoingConnection,
            _ => Cause::ConnectionRemains,
        }
    }

    /// Whether it is a connection that came to a server here, or what is left of one.
    pub(super) fn is_left_by_server(&self, resident: &Resident<'_>) -> bool {
        match self.cause(resident) {
            Cause::ConnectionRemains => true,
            Cause::TimeWait => !self.is_outgoing(resident.existing),
            _ => false,
        }
    }

    fn cause_by_holders(&self, holding: &Holding) -> Option<Cause> {
        match holding {
            Holding::Nobody | Holding::Unheld => Some(Cause::Unheld),
            Holding::By(_) => self.inherited(holding).map(|_| Cause::InheritedByChild),
            Holding::Unknown => None,
        }
    }

    /// Whether nobody has a socket but those that inherited it.
    pub(super) fn inherited(&self, holding: &Holding) -> Option<Inherited> {
        match holding {
            Holding::By(holders) => inherited(holders, &self.serving),
            Holding::Nobody | Holding::Unheld | Holding::Unknown => None,
        }
    }

    fn cause_by_group(&self, resident: &Resident<'_>) -> Option<Cause> {
        if is_other_users_group(&self.new, resident) {
            Some(Cause::ReuseportOtherUser)
        } else if resident.is_in_group {
            Some(Cause::ReuseportGroup)
        } else {
            None
        }
    }

    fn cause_of_listener(&self, listener: &Existing) -> Cause {
        let is_any_v6 = listener.ends.local.addr == Ipv6Addr::UNSPECIFIED;
        if is_any_v6 && self.new.is_v4() {
            Cause::DualStackListener
        } else {
            Cause::Listener
        }
    }

    fn is_accepted_connection(&self, existing: &Existing) -> bool {
        let Existing { socket, ends, .. } = existing;
        socket.protocol == Protocol::Tcp && !ends.peer.is_none() && self.is_accepted(existing)
    }

    /// Whether a connection came to somebody who still listens here.
    fn is_accepted(&self, existing: &Existing) -> bool {
        came_to(&self.listening, existing)
    }

    /// Whether it came to somebody who listens here and is in the way too: once he has gone, there
    /// is time to see what remains, and as long as he serves, his connections are in use.
    pub(super) fn is_of_blocker(&self, existing: &Existing) -> bool {
        came_to(&self.blocked, existing)
    }

    /// Whether a connection was made from here, and so drew its port or bound it for that, rather
    /// than came to a server here. No row tells. In this order, the first that applies decides:
    ///
    /// 1. SYN-SENT was made from here. What has no process and is not closed waits to be
    ///    accepted, and what has half a handshake behind it came from elsewhere.
    /// 2. Where somebody listens on this port and address, it came to him.
    /// 3. Where somebody on this machine listens on the peer's port, and the peer is this
    ///    machine, it went to him.
    /// 4. If one of the two ports may be drawn by this kernel (`ip_local_port_range`) and the
    ///    other not, that is the client's; the peer's kernel is taken to draw the same.
    /// 5. The lower port is the server's.
    pub(super) fn is_outgoing(&self, existing: &Existing) -> bool {
        let Existing { socket, ends, .. } = existing;
        let open = matches!(socket.state, State::Established | State::CloseWait);
        match socket.state {
            State::SynSent => return true,
            State::SynRecv => return false,
            _ if open && socket.inode == 0 => return false,
            _ if self.is_accepted(existing) => return false,
            _ => {}
        }
        let (local, peer) = (ends.local.port, ends.peer.port);
        let is_here = ends.peer.addr.to_canonical().is_loopback()
            || ends.peer.addr.to_canonical() == ends.local.addr.to_canonical();
        if is_here && self.ports.is_some_and(|ports| ports.listens_on(peer)) {
            return true;
        }
        let drawn = |port| {
            let ports = self.machine.ports.as_ref();
            ports.is_some_and(|ports| ports.range().contains(port))
        };
        match (drawn(local), drawn(peer)) {
            (true, false) => true,
            (false, true) => false,
            _ => peer < local,
        }
    }

    /// Whether the kernel draws the port: it lies in the range and is not reserved. `None` where
    /// the range cannot be read.
    pub(super) fn is_drawn(&self, port: u16) -> Option<bool> {
        let ports = self.machine.ports.as_ref()?;
        Some(ports.contains(port))
    }

    /// Whether the port of a connection from here was named by its program: it lies outside of
    /// what the kernel draws from, reserved or not.
    pub(super) fn is_named(&self, port: u16) -> bool {
        let ports = self.machine.ports.as_ref();
        ports.is_some_and(|ports| !ports.range().contains(port))
    }
}

/// The addresses that sockets listen on; of one that takes both families, both wildcards.
fn addresses<'a>(listeners: impl Iterator<Item = &'a Resident<'a>>) -> HashSet<IpAddr> {
    let mut found = HashSet::new();
    for listener in listeners {
        let addr = listener.existing.ends.local.addr;
        found.insert(addr.to_canonical());
        if addr == Ipv6Addr::UNSPECIFIED && listener.flags.v6only != Some(true) {
            found.insert(Ipv4Addr::UNSPECIFIED.into());
        }
    }
    found
}

/// Whether a connection came to one of these addresses.
fn came_to(listening: &HashSet<IpAddr>, existing: &Existing) -> bool {
    let addr = existing.ends.local.addr.to_canonical();
    let any: IpAddr = match Address::of(addr) {
        Address::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        Address::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    listening.contains(&addr) || listening.contains(&any)
}

/// Whether a connection has both its ends in one socket.
fn is_to_itself(existing: &Existing) -> bool {
    let ends = &existing.ends;
    ends.local.port == ends.peer.port
        && ends.local.addr.to_canonical() == ends.peer.addr.to_canonical()
}

/// When a socket goes by itself: TIME-WAIT, and FIN-WAIT-2 without an owner, which is kept in the
/// same form. All other timers are set again when they fire.
pub(super) fn frees_in(socket: &Socket) -> Option<Duration> {
    let timer = socket.timer?;
    let ends = is_time_wait(socket) && timer.kind == TimerKind::Timewait;
    ends.then(|| Duration::from_millis(timer.expires_ms.into()))
}

/// Whether nobody has it any more and the kernel is closing it.
pub(super) fn is_closing(socket: &Socket) -> bool {
    socket.inode == 0
        && matches!(
            socket.state,
            State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait
        )
}
