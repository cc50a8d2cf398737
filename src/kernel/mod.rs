//! The only room that touches the system: netlink sockets, `/proc`, names, the terminal.
//!
//! It returns raw bytes and tuples; what they mean is decided in `wire` and above. Everything
//! hangs on a [`Host`], which is this machine or a recording of one.

mod btf;
mod cgroups;
mod dump;
mod files;
mod holders;
mod host;
mod mounts;
mod names;
mod netns;
pub mod output;
mod probe;
mod recorder;
mod recording;
mod resolve;
mod task_file;
pub mod terminal;
mod visibility;

pub use dump::{AdminDetails, Dump};
pub use files::{LockedFile, replace_file};
pub use holders::{HolderMethod, Scan, find_holders, scan_holders};
pub use host::Host;
pub use names::user_name;
pub use probe::{Answer, ask_for_port};
pub use recorder::Recorder;
pub use recording::{HostError, Meta, RECORDING_SCHEMA};
pub use resolve::Resolver;
pub use task_file::Unavailable;
pub use visibility::Visibility;
