//! One pool, whether or not anything uses it.

use std::net::Ipv6Addr;

use super::address_pools::AddressPools;
use super::count::{Ephemeral, Tuple, address};
use super::pool::{Pool, PoolKey, PoolKind};
use super::record::Share;
use super::severity::Thresholds;
use crate::model::PortSet;

impl Ephemeral {
    /// How a pool stands. A pool of `bind` whose source is a wildcard is that of a socket which
    /// takes every address, IPv4 too where it is `::`; see [`pool_of_v6`](Self::pool_of_v6).
    pub fn pool(&self, key: &PoolKey) -> Pool {
        let mut scratch = PortSet::new();
        let common = self.common(&mut scratch);
        let addresses = AddressPools::new(self, &common.presumed);
        let pool = match (key.kind, key.source, key.destination) {
            (PoolKind::TcpConnect, Some(source), Some(destination)) => {
                let tuple = Tuple::new(address(source), &destination);
                let share = self.share(&tuple, &common.presumed, &mut scratch);
                self.connect_pool(*key, &share, &common)
            }
            (PoolKind::TcpConnect, ..) => self.connect_pool(*key, &Share::default(), &common),
            (kind, Some(source), _) if source.is_unspecified() => {
                addresses.wildcard_pool(kind, source, false)
            }
            (kind, source, _) => addresses.pool(kind, source.map(address), &mut scratch),
        };
        judged(pool)
    }

    /// How the pool of a `bind` to `::` stands that refuses IPv4.
    pub fn pool_of_v6(&self, kind: PoolKind) -> Pool {
        let common = self.common(&mut PortSet::new());
        let addresses = AddressPools::new(self, &common.presumed);
        judged(addresses.wildcard_pool(kind, Ipv6Addr::UNSPECIFIED.into(), true))
    }

    /// Whether something listens on a port, in the range or not.
    pub fn listens_on(&self, port: u16) -> bool {
        self.listening.contains(port)
    }
}

fn judged(pool: Pool) -> Pool {
    Pool {
        severity: Thresholds::DEFAULT.judge(pool.percent()),
        ..pool
    }
}
