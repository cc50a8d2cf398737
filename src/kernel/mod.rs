//! The only room that touches the system: netlink sockets, `/proc`, names, the terminal.
//!
//! It returns raw bytes and tuples; what they mean is decided in `wire` and above. Everything
//! hangs on a [`Host`], which is this machine or a recording of one.

mod cgroups;
mod dump;
mod holders;
mod host;
mod names;
pub mod output;
mod recorder;
mod recording;
mod resolve;
pub mod terminal;
mod visibility;

pub use dump::Dump;
pub use holders::{Scan, scan_holders};
pub use host::Host;
pub use names::user_name;
pub use recorder::Recorder;
pub use recording::{HostError, Meta, RECORDING_SCHEMA};
pub use resolve::Resolver;
pub use visibility::Visibility;
