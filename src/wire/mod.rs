//! Bytes and text of the kernel, turned into the model, and requests turned into bytes.
//!
//! Pure: everything arrives as a slice, nothing is read here, and no input makes it panic.

pub mod bytecode;
pub mod inet_diag;
pub mod netlink;
pub mod passwd;
pub mod proc_net;
pub mod process;
pub mod redact;
pub mod services;
pub mod sysctl;
pub mod tcp_info;
