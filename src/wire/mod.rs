//! Bytes and text of the kernel, turned into the model, and requests turned into bytes.
//!
//! Pure: everything arrives as a slice, nothing is read here, and no input makes it panic.

pub mod bytecode;
pub mod container;
pub mod destroy;
pub mod destroyed;
pub mod diag;
pub mod if_inet6;
pub mod inet_diag;
pub mod links;
pub mod netlink;
mod netlink_diag;
pub mod nsid;
mod packet_diag;
pub mod passwd;
pub mod proc_net;
mod proc_netlink;
mod proc_packet;
mod proc_unix;
pub mod process;
pub mod protocols;
pub mod published;
pub mod redact;
mod redact_beyond_ip;
pub mod rtnetlink;
pub mod rules;
pub mod services;
pub mod sysctl;
pub mod tcp_info;
mod unix_diag;
pub mod user_map;
pub mod waiting;
