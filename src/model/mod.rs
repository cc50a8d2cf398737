//! Values with meaning: what a socket is, who holds it, and what could not be seen.
//!
//! Nothing here reads the system or writes output; every other room speaks in these types.

mod details;
mod endpoint;
mod gap;
mod owner;
mod port;
mod protocol;
mod queue;
mod row;
mod service;
mod socket;
mod state;
mod tcp_info;
mod timer;

pub use details::{DetailSet, Details, Memory};
pub use endpoint::Endpoint;
pub use gap::{Gap, HiddenCause};
pub use owner::{Holder, Owner, Owners, Process, Processes};
pub use port::{PortClass, PortRange, PortSet};
pub use protocol::{Family, Protocol, Source, Table};
pub use queue::Queues;
pub use row::{HostNames, Row};
pub use service::Service;
pub use socket::Socket;
pub use state::{State, StateSet};
pub use tcp_info::{
    CongestionControl, CongestionName, MptcpSubflow, TcpDetails, TcpInfo, TcpMetric, TcpOption,
    Tls, Ulp,
};
pub use timer::{Timer, TimerKind};
