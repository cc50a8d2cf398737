//! `portstat why` beside the kernel: sockets are opened in namespaces of the tests' own, portstat
//! says whether one more bind or connect would succeed, and then it is really tried.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod answer;
mod ask;
mod beside;
mod connecting;
mod crowd;
mod links;
mod probing;
mod processes;
mod questions;
mod random;
mod random_connect;
mod relatives;
mod scenarios_address;
mod scenarios_bind;
mod scenarios_connect;
mod scenarios_device;
mod scenarios_exhausted;
mod scenarios_link;
mod scenarios_owners;
mod scenarios_remains;
mod scenarios_rights;
mod scenarios_rules;
mod scenarios_udp;
mod scenarios_way;
mod seen;
mod servers;
mod setup;
mod stuck;
mod told_once;
mod wanted;
