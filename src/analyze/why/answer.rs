//! What is answered.

use std::time::Duration;

use super::query::Query;
use crate::analyze::Pool;
use crate::model::Errno;

/// The answer to one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was asked.
    pub query: Query,
    /// Whether it would succeed.
    pub outcome: Outcome,
    /// What the kernel would say; `None` unless it is blocked.
    pub errno: Option<Errno>,
    /// What was taken for granted; the answer is exact when that is nothing.
    pub assumptions: Vec<Assumption>,
    /// Everything in the way, that which decides first.
    pub blockers: Vec<Blocker>,
    /// The same bind with SO_REUSEADDR; `None` where that is not known, for a connect, or where
    /// it was asked for already.
    pub with_reuse_address: Option<Outcome>,
    /// What is worth knowing beside it.
    pub notes: Vec<Note>,
}

/// Whether it would succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It would.
    Free,
    /// It would fail.
    Blocked,
    /// That cannot be told.
    Unknown,
}

impl Outcome {
    /// The `verdict` of JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Free => "free",
            Outcome::Blocked => "blocked",
            Outcome::Unknown => "unknown",
        }
    }
}

/// Something in the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocker {
    /// What it is.
    pub cause: Cause,
    /// The socket, as an index into those that were judged; `None` where none is in the way.
    pub socket: Option<usize>,
    /// When it goes by itself; `None` when it does not, or that is not known.
    pub frees_in: Option<Duration>,
    /// The pool that is empty, where one is.
    pub pool: Option<Pool>,
    /// What to do, the safest first.
    pub fixes: Vec<Fix>,
}

/// Why it fails: the causes of the kernel's rule, and where each comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Somebody listens on the same address, or one of the two is the wildcard.
    Listener,
    /// Somebody listens on `[::]` and takes IPv4 too.
    DualStackListener,
    /// Several listen together by SO_REUSEPORT.
    ReuseportGroup,
    /// The same, and the one who asks would be welcome but for another user id.
    ReuseportOtherUser,
    /// Bound, but not listening.
    BoundNotListening,
    /// A connection of a server that has gone, or goes on without its listener.
    ConnectionRemains,
    /// What is left of a connection for a minute after its end.
    TimeWait,
    /// A connection to elsewhere that drew this port as its own.
    OutgoingConnection,
    /// A connection to itself: it drew the port that it wanted to connect to.
    SelfConnect,
    /// A process that inherited the socket from a server that has gone.
    InheritedByChild,
    /// A socket that no process holds: in flight between two, or the kernel's own.
    Unheld,
    /// A UDP socket.
    UdpSocket,
    /// No ephemeral port is left.
    EphemeralExhausted,
    /// The address is none of this machine.
    AddressNotLocal,
    /// The interface with the address, or towards it, is down.
    InterfaceDown,
    /// The address is not ready: duplicate address detection goes on, or found a duplicate.
    AddressTentative,
    /// IPv6 is off.
    Ipv6Disabled,
    /// The port is below `ip_unprivileged_port_start`.
    PrivilegedPort,
    /// The very same connection exists.
    DuplicateTuple,
    /// No route leads there.
    NoRoute,
    /// The address cannot be bound by such a socket.
    AddressUnfit,
    /// Something that was not seen: only the kernel, asked for it, says that there is something.
    Unseen,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 22] = [
        Cause::Listener,
        Cause::DualStackListener,
        Cause::ReuseportGroup,
        Cause::ReuseportOtherUser,
        Cause::BoundNotListening,
        Cause::ConnectionRemains,
        Cause::TimeWait,
        Cause::OutgoingConnection,
        Cause::SelfConnect,
        Cause::InheritedByChild,
        Cause::Unheld,
        Cause::UdpSocket,
        Cause::EphemeralExhausted,
        Cause::AddressNotLocal,
        Cause::InterfaceDown,
        Cause::AddressTentative,
        Cause::Ipv6Disabled,
        Cause::PrivilegedPort,
        Cause::DuplicateTuple,
        Cause::NoRoute,
        Cause::AddressUnfit,
        Cause::Unseen,
    ];

    /// Whether it is a connection, or what is left of one.
    pub(super) const fn is_of_connection(self) -> bool {
        matches!(
            self,
            Cause::ConnectionRemains
                | Cause::TimeWait
                | Cause::OutgoingConnection
                | Cause::SelfConnect
        )
    }

    /// The `cause` of JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Listener => "listener",
            Cause::DualStackListener => "dual-stack-listener",
            Cause::ReuseportGroup => "reuseport-group",
            Cause::ReuseportOtherUser => "reuseport-other-user",
            Cause::BoundNotListening => "bound-not-listening",
            Cause::ConnectionRemains => "connection-remains",
            Cause::TimeWait => "time-wait",
            Cause::OutgoingConnection => "outgoing-connection",
            Cause::SelfConnect => "self-connect",
            Cause::InheritedByChild => "inherited-by-child",
            Cause::Unheld => "unheld",
            Cause::UdpSocket => "udp-socket",
            Cause::EphemeralExhausted => "ephemeral-exhausted",
            Cause::AddressNotLocal => "address-not-local",
            Cause::InterfaceDown => "interface-down",
            Cause::AddressTentative => "address-tentative",
            Cause::Ipv6Disabled => "ipv6-disabled",
            Cause::PrivilegedPort => "privileged-port",
            Cause::DuplicateTuple => "duplicate-tuple",
            Cause::NoRoute => "no-route",
            Cause::AddressUnfit => "address-unfit",
            Cause::Unseen => "unseen",
        }
    }
}

/// What was taken for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Assumption {
    /// A socket whose flags could not be read has no SO_REUSEADDR.
    NoReuseAddress {
        /// Which, as an index into those that were judged.
        socket: usize,
    },
    /// Nothing of what a server left: whether it had SO_REUSEADDR, as most have, could not be read,
    /// and decides.
    ReuseAddressUnread,
    /// A socket whose flags could not be read has no SO_REUSEPORT.
    NoReusePort {
        /// Which.
        socket: usize,
    },
    /// Whoever has a socket is another user: both appear as one of whom the user namespace knows
    /// nothing.
    OtherUser {
        /// Which.
        socket: usize,
    },
    /// An IPv6 socket of which that could not be read takes IPv4 too.
    NotV6Only {
        /// Which.
        socket: usize,
    },
    /// Connections refuse IPv4 as whoever listens where they came to does, whose flag they have.
    V6OnlyAsListener,
    /// SO_REUSEPORT follows flags that the kernel keeps of the port's past, which nobody tells; of
    /// UDP, whom of several on the port it meets first.
    ReusePortHistory,
    /// The address is this machine's.
    AddressIsLocal,
    /// `ip_unprivileged_port_start` is 1024.
    UsualPrivilegedPorts,
    /// That user has no CAP_NET_BIND_SERVICE.
    NoCapability,
    /// How many ports are free is known within bounds only.
    PortsWithinBounds,
    /// Every port has a socket, some of them only connections elsewhere or in TIME-WAIT, whose
    /// ports can be drawn again if it was connect that drew them.
    PortsOfOthers,
    /// Not all sockets could be read.
    SocketsUnseen,
    /// The source address, which the routes choose and nobody could ask for, makes no difference.
    RouteSource,
    /// No TCP socket is bound without listening: the kernel does not list those, or nobody knows
    /// whether it does.
    NoBoundSockets,
    /// A route leads there.
    RouteExists,
    /// `ip_nonlocal_bind` is 0.
    NoNonlocalBind,
    /// `bindv6only` is 0.
    UsualV6Only,
    /// Each VRF has ports and addresses of its own, by rules of the kernel that were not tried.
    VrfsApart,
    /// A connection in TIME-WAIT between the same ends had timestamps, so that a new one takes it
    /// over.
    TimeWaitTakenOver,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fix {
    /// Stop the one in the way: its unit where it has one, else its process.
    StopOwner,
    /// Listen on another address or port.
    AnotherAddress,
    /// Use an address that this machine has.
    OwnAddress,
    /// Use an address of IPv4.
    UseV4,
    /// Use a port that needs no privilege.
    UnprivilegedPort,
    /// Leave IPV6_V6ONLY unset on the new socket.
    TakeV4,
    /// Switch an interface on.
    LinkUp {
        /// Its index.
        interface: u32,
    },
    /// Set IPV6_V6ONLY on the IPv6 socket, the existing or the new one.
    V6Only,
    /// Set SO_REUSEADDR on the new socket, which is known to help.
    ReuseAddress,
    /// The same, which helps if the old socket had it too.
    ReuseAddressPerhaps,
    /// Ask the kernel: `--probe`.
    Probe,
    /// Wait until it goes by itself.
    Wait,
    /// Destroy what remains (`portstat -K`).
    Destroy,
    /// Keep the kernel from drawing this port: `ip_local_reserved_ports`, with what is reserved
    /// already.
    ReservePort,
    /// End the connection.
    CloseConnection,
    /// Bind a specific IPv4 address: only the wildcard is in conflict.
    SpecificAddress,
    /// Mark descriptors O_CLOEXEC, so that children do not inherit them.
    CloseOnExec,
    /// Find and close the unix socket in which the descriptor waits, or the kernel's device.
    CloseInFlight,
    /// Run as the user of the group, all with SO_REUSEPORT.
    SameUser,
    /// Give the interface the address.
    AddAddress,
    /// Bind it all the same: IP_FREEBIND, or `ip_nonlocal_bind`.
    NonlocalBind,
    /// Wait for duplicate address detection, or bind with IP_FREEBIND.
    WaitForDad,
    /// Turn IPv6 on.
    EnableIpv6,
    /// Give the program CAP_NET_BIND_SERVICE, or lower `ip_unprivileged_port_start`.
    AllowLowPort,
    /// Use another source port or let the kernel choose.
    AnotherSourcePort,
    /// See `portstat ephemeral` for the pool.
    SeeEphemeral,
    /// Set IP_BIND_ADDRESS_NO_PORT before bind of port 0.
    BindNoPort,
    /// Give the interface as scope or `--dev`.
    NameDevice,
    /// Add a route.
    AddRoute,
    /// Name the address of one host as the destination.
    OneHost,
    /// Set SO_BROADCAST.
    AllowBroadcast,
}

/// What is worth knowing beside the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Another socket is bound to it with SO_REUSEADDR: whoever listens first wins, and the
    /// other's listen fails.
    ListenMayFail {
        /// Which, as an index into those that were judged.
        socket: usize,
    },
    /// It would join a group of SO_REUSEPORT listeners and share their connections.
    JoinsGroup {
        /// How many there are.
        members: usize,
    },
    /// UDP: datagrams go to the last one bound.
    TakesDatagrams {
        /// Which socket loses them.
        socket: usize,
    },
    /// The port is one that the kernel may draw for a connection at any time.
    DrawnByKernel,
    /// The port is reserved against that, and may still be bound.
    Reserved,
    /// The pool that `bind` of port 0 draws from is empty, though connects find ports.
    BindPoolEmpty,
}
