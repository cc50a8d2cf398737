//! A named port.

use super::Protocol;

/// The name of a port of a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The official name.
    pub name: String,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Other names by which it may be asked for.
    pub aliases: Vec<String>,
}
