//! Filters: beside ss over real sockets and over what it recorded, the kernel's part of them
//! beside ours, and what ss has no word for.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod beside_ss;
mod beyond_ip;
mod file;
mod grammar;
mod marks;
mod netns;
mod owners;
mod recorded;
mod sockets;
