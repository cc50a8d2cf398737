//! `-E`: what portstat says of sockets as they are destroyed, beside the real kernel.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod ending;
mod filters;
mod flood;
mod formats;
mod known;
mod namespaces;
mod reset;
mod sockets;
mod stream;
