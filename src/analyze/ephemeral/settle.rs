//! What asking the kernel about single ports does to the findings.

use super::count::{Ephemeral, Tuple, address};
use super::judge::Findings;
use super::pool::{Pool, PoolKey};
use super::severity::Thresholds;

impl Ephemeral {
    /// The ports of which it cannot be told whether a connect of this pool may have them: those
    /// with a connection of another pool only.
    pub fn doubtful(&self, key: &PoolKey) -> Vec<u16> {
        let Some((source, destination)) = key.source.zip(key.destination) else {
            return Vec::new();
        };
        let mut ports = self.any_tcp.clone();
        ports.subtract(&self.blocked);
        // Nor those of its own in TIME-WAIT: asking would take them over, each one.
        for record in self.tuples.get(&Tuple::new(address(source), &destination)) {
            ports.remove(record.port);
        }
        ports.iter().collect()
    }

    /// Puts into the findings how many doubtful ports turned out to be free and taken.
    pub fn settle(
        &self,
        findings: &mut Findings,
        key: &PoolKey,
        (free, taken): (u32, u32),
        thresholds: Thresholds,
    ) {
        self.change(findings, key, thresholds, |pool| {
            pool.free_min = (pool.free_min + free).min(pool.free_max);
            pool.free_max = pool.free_max.saturating_sub(taken).max(pool.free_min);
            // What is left in doubt is its own TIME-WAIT.
            let reclaimed = if pool.bound_first {
                0
            } else {
                pool.reclaimable
            };
            let missed = self.settings().missed();
            pool.free = (pool.free_min + reclaimed + missed).clamp(pool.free_min, pool.free_max);
            pool.presumed = taken;
        });
    }

    /// Puts into the findings that a connect found no port.
    pub fn settle_full(&self, findings: &mut Findings, key: &PoolKey, thresholds: Thresholds) {
        self.change(findings, key, thresholds, |pool| {
            *pool = pool.clone().found_empty();
        });
    }

    fn change(
        &self,
        findings: &mut Findings,
        key: &PoolKey,
        thresholds: Thresholds,
        change: impl Fn(&mut Pool),
    ) {
        findings
            .pools
            .iter_mut()
            .filter(|pool| pool.key == *key)
            .for_each(change);
        findings.rank(self.settings().capacity(), thresholds);
    }
}
