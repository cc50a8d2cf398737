//! The only room that touches the system: netlink sockets, `/proc`, names, the terminal.
//!
//! It returns raw bytes and tuples; what they mean is decided in `wire` and above. Everything
//! hangs on a [`Host`], which is this machine or a recording of one.

mod addresses;
mod beside;
mod bind_probe;
mod bpf;
mod cgroups;
mod dump;
mod enter;
mod errno;
mod everywhere;
mod exchange;
mod files;
mod holders;
mod holdings;
mod host;
mod input;
mod kept;
mod lookup;
mod mounts;
mod multicast;
mod names;
mod namespace;
mod netns;
mod netns_error;
mod open_files;
pub mod output;
mod patience;
mod privilege;
mod probe;
mod recorder;
mod recording;
mod resolve;
mod socket_flags;
mod space;
pub mod terminal;
mod threads;
mod visibility;
mod walk;

// What unwinds stacks is linked in: in a shared library of its own it would cost each start a
// tenth of what starting an empty program takes.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
#[link(name = "gcc_eh")]
unsafe extern "C" {}

pub use addresses::host_addresses;
pub use beside::Beside;
pub use bind_probe::{BindAttempt, BindKind, try_bind};
pub use bpf::{Unavailable, describes_bound_sockets, tcp_flags, udp_flags};
pub use dump::{AdminDetails, Dump};
pub use enter::NetnsTarget;
pub use errno::errno;
pub use everywhere::Everywhere;
pub use exchange::Exchange;
pub use files::{LockedFile, replace_file};
pub use holders::find_holders;
pub use holdings::{Holdings, SocketsByProcess};
pub use host::{Host, LOCAL_ROUTES};
pub use input::read_input;
pub use lookup::{first_netns, user_id};
pub use multicast::{Announcements, Received, Waited, wait_for_announcements};
pub use names::{own_uid, user_name};
pub use netns::{
    NamespaceTables, NetworkNamespace, NetworkNamespaces, has_ended, reachable_namespaces,
    share_network,
};
pub use netns_error::NetnsError;
pub use open_files::HolderMethod;
pub use patience::Patience;
pub use privilege::{is_network_namespace_outside, may_bind_low_ports};
pub use probe::{ConnectAttempt, Draw, try_connect};
pub use recorder::Recorder;
pub use recording::{HostError, Meta, RECORDING_SCHEMA};
pub use resolve::Resolver;
pub use socket_flags::socket_flags;
pub use space::Space;
pub use threads::{
    blocked_threads, descriptor_info, descriptor_target, descriptors, process_exists, program,
};
pub use visibility::Visibility;
pub use walk::{Scan, scan_holders};
