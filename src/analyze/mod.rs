//! Judges what was collected: groups, counts, ephemeral ports.
//!
//! Pure: sockets and settings in, findings out.

mod ephemeral;
mod group;
mod summary;

pub use ephemeral::{
    Ask, Ephemeral, EphemeralSettings, Findings, Pool, PoolKey, PoolKind, Reuse, Severity,
    Thresholds, TimeWaitReuse, Trend, Verdict,
};
pub use group::{Group, GroupCounts, reading_order};
pub use summary::Summary;
