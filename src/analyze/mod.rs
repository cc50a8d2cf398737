//! Judges what was collected: groups, counts, ephemeral ports.
//!
//! Pure: sockets and settings in, findings out.

mod ephemeral;
mod group;
mod summary;

pub use ephemeral::{Ephemeral, EphemeralSettings, FullestPool, Severity, Verdict};
pub use group::{Group, GroupCounts, reading_order};
pub use summary::Summary;
