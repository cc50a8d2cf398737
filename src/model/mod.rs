//! Values with meaning: what a socket is, who holds it, and what could not be seen.
//!
//! Nothing here reads the system or writes output; every other room speaks in these types.

mod call;
mod destruction;
mod details;
mod endpoint;
mod ends;
mod entrance;
mod errno;
mod fate;
mod flags;
mod gap;
mod hidden;
mod lineage;
mod link;
mod local;
mod namespace;
mod owner;
mod port;
mod protocol;
mod protocol_names;
mod published;
mod queue;
mod route;
mod row;
mod rule;
mod service;
pub mod shown;
mod socket;
mod state;
mod tcp_info;
mod timer;
mod unseen;

pub use call::Call;
pub use destruction::Destruction;
pub use details::{
    DetailSet, Details, EndsDetails, Memory, NetlinkDetails, PacketDetails, PacketInfo, PacketRing,
    UnixDetails, UnixFile,
};
pub use endpoint::Endpoint;
pub use ends::{
    Ends, InetEnds, NameSpan, Names, NetlinkEnds, NetlinkPeer, PacketEnds, SocketKind, UnixEnds,
};
pub use entrance::Entrance;
pub use errno::Errno;
pub use fate::{Fate, Obstacle};
pub use flags::SocketFlags;
pub use gap::Gap;
pub use hidden::HiddenCause;
pub use lineage::{Condition, Lineage, Parent};
use link::in_network;
pub use link::{Link, Links};
pub use local::{Ipv6, LocalAddresses, LocalRoute, LocalV6};
pub use namespace::{Namespace, NetnsId, short_container};
pub use owner::{Holder, Owner, Owners, Process, Processes};
pub use port::{PortClass, PortRange, PortSet};
pub use protocol::{Family, Protocol, Source, Table};
pub use protocol_names::{
    FRAMES_OF_EVERY_PROTOCOL, frame_protocol, frame_protocol_name, netlink_protocol,
    netlink_protocol_names,
};
pub use published::{Published, Publisher};
pub use queue::Queues;
pub use route::{Flow, Route, Way};
pub use row::{BeyondIp, HostNames, InetRow, Row};
pub use rule::Rule;
pub use service::Service;
pub use socket::Socket;
pub use state::{State, StateSet};
pub use tcp_info::{
    CongestionControl, CongestionName, MptcpSubflow, TcpDetails, TcpInfo, TcpMetric, TcpOption,
    Tls, Ulp,
};
pub use timer::{Timer, TimerKind};
pub use unseen::{EntryRights, UnseenNamespaces};
