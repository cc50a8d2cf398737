//! The verdict of the listing, the overview and `-s`: one pool, on one line.

use std::cmp::Reverse;

use super::count::Ephemeral;
use super::judge::Ask;
use super::pool::{Pool, percent};
use super::severity::{Severity, Thresholds};
use crate::model::PortRange;

/// How it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The range, reserved ports included.
    pub range: PortRange,
    /// How many ports there are to draw.
    pub capacity: u32,
    /// The worst pool; while nothing is wrong, the one of connections with most ports in use.
    /// `None` when there is none.
    pub fullest: Option<Pool>,
    /// Percentage of the capacity that it has not free.
    pub percent: f64,
    /// How bad that is.
    pub severity: Severity,
    /// What the network namespace is called, where several were looked at.
    pub namespace: Option<Vec<u8>>,
}

impl Ephemeral {
    /// How it stands now.
    pub fn verdict(&self) -> Verdict {
        let findings = self.judge(&Ask::ALL, Thresholds::DEFAULT, usize::MAX);
        let mut pools = findings.pools.into_iter();
        let fullest = if findings.severity > Severity::Ok {
            pools.next()
        } else {
            pools
                .filter(|pool| pool.key.destination.is_some())
                .min_by_key(|pool| (Reverse(pool.used), pool.key))
        };
        let capacity = self.settings.capacity();
        Verdict {
            range: self.settings.range(),
            capacity,
            percent: match &fullest {
                Some(pool) => pool.percent(),
                None => percent(capacity, capacity),
            },
            fullest,
            severity: findings.severity,
            namespace: None,
        }
    }
}
