//! `portstat ephemeral` beside the kernel: real sockets use up small port ranges in namespaces of
//! the tests' own, portstat says how many ports are left, and then they are really taken.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod advice;
mod alerts;
mod cron;
mod dist;
mod nagios;
mod prometheus;
mod questions;
mod random;
mod report;
mod scenarios_bind;
mod scenarios_tcp;
mod setup;
