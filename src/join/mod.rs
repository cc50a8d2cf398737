//! Joins sockets to what else is known: who holds them, and which service a port is.
//!
//! Pure: what was read arrives as values.

mod ip_protocols;
mod known_ports;
mod owners;
mod services;

pub use ip_protocols::IpProtocols;
pub use owners::HolderIndex;
pub use services::Services;
