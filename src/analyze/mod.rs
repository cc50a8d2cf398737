//! Judges what was collected: groups, counts, ephemeral ports.
//!
//! Pure: sockets and settings in, findings out.

mod ephemeral;
mod group;
mod summary;
pub mod why;

pub use ephemeral::{
    Advice, Ask, Ephemeral, EphemeralSettings, Exposed, Findings, FirstFree, Keyed, OwnerShare,
    Pool, PoolKey, PoolKind, Reuse, Severity, Thresholds, TimeWaitReuse, Trend, Verdict,
    most_ports,
};
pub use group::{Group, GroupCounts, reading_order};
pub use summary::Summary;
