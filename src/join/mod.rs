//! Joins sockets to what else is known: who holds them, and which service a port is, and
//! what was known of them before they ended.
//!
//! Pure: what was read arrives as values.

mod ip_protocols;
mod known_ports;
mod last_seen;
mod owners;
mod services;

pub use ip_protocols::IpProtocols;
pub use last_seen::{LastSeen, LastSeenOwners, Look, SocketKey};
pub use owners::HolderIndex;
pub use services::Services;
