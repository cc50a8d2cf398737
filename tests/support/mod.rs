//! What the integration tests share.
#![allow(dead_code)]

pub mod dial;
pub mod forked;
pub mod holder;
pub mod mounts;
pub mod namespace;
pub mod netns;
pub mod population;
pub mod portstat;
pub mod proc_net;
pub mod recording;
pub mod rights;
pub mod rows;
pub mod socket;
pub mod ss;
pub mod terminal;
pub mod waiting;
