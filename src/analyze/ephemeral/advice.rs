//! What helps, fitted to the cause.

use super::count::Ephemeral;
use super::pool::{Pool, PoolKind};
use super::settings::Reuse;
use super::severity::Severity;
use crate::model::{PortRange, PortSet};

/// The range to propose: the kernel's registered services below stay out of it, and it begins
/// even and ends odd, as the kernel asks for.
const WIDE_FIRST: u16 = 10_240;
const WIDE_LAST: u16 = 65_535;

/// One thing that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The owner never closes what its peers have closed.
    CloseLeaked {
        /// How many ports that holds.
        ports: u32,
    },
    /// Most ports wait in TIME-WAIT: keep connections open.
    KeepOpen {
        /// How many.
        time_wait: u32,
    },
    /// Let connects take over ports in TIME-WAIT.
    ReuseTimeWait,
    /// Turn timestamps on, without which no port in TIME-WAIT is taken over.
    Timestamps,
    /// Ports are drawn by `bind` and closed to every other connect.
    BindNoPort,
    /// All goes to one destination.
    Spread,
    /// One UDP socket serves many destinations.
    ShareUdp,
    /// Connections fill a pool that only `bind` of port 0 draws from.
    HarmsBindOnly,
    /// Listeners take ports out of the range.
    MoveListeners {
        /// How many.
        ports: u32,
    },
    /// Much of the range is reserved.
    Unreserve {
        /// How many ports.
        ports: u32,
    },
    /// There are more ports to draw from.
    Widen {
        /// The range to set.
        range: PortRange,
        /// Ports that something listens on and that would come to lie inside.
        listeners: PortSet,
        /// What to reserve so that none of them is drawn; what is reserved already included.
        /// `None` where that cannot be read.
        reserve: Option<PortSet>,
    },
}

impl Ephemeral {
    /// What helps a pool; nothing while it is well.
    pub fn advice(&self, pool: &Pool) -> Vec<Advice> {
        if pool.severity == Severity::Ok {
            return Vec::new();
        }
        let mut advice = Vec::new();
        let much = |part: u32, of: u32, percent: u32| part > 0 && 100 * part >= percent * of;
        if much(pool.close_wait, pool.used, 25) {
            let ports = pool.close_wait;
            advice.push(Advice::CloseLeaked { ports });
        }
        if much(pool.time_wait, pool.used, 50) {
            let time_wait = pool.time_wait;
            advice.push(Advice::KeepOpen { time_wait });
            advice.extend(self.reuse_advice(pool));
        }
        let tcp = matches!(pool.key.kind, PoolKind::TcpConnect | PoolKind::TcpBind);
        let own = if pool.bound_first { pool.used } else { 0 };
        let bound = pool.blocked - pool.listening + pool.presumed + own;
        if tcp && much(bound, pool.capacity, 10) {
            advice.push(Advice::BindNoPort);
        } else if pool.key.kind == PoolKind::TcpBind && pool.used > pool.listening {
            advice.push(Advice::HarmsBindOnly);
        }
        if pool.key.destination.is_some() {
            advice.push(Advice::Spread);
        }
        if !tcp {
            advice.push(Advice::ShareUdp);
        }
        if much(pool.listening, pool.capacity, 5) {
            let ports = pool.listening;
            advice.push(Advice::MoveListeners { ports });
        }
        let reserved = self.settings().reserved();
        if much(reserved, self.settings().range().len(), 10) {
            advice.push(Advice::Unreserve { ports: reserved });
        }
        advice.extend(self.widen());
        advice
    }

    fn reuse_advice(&self, pool: &Pool) -> Option<Advice> {
        // `bind` never takes a port over.
        if pool.key.kind != PoolKind::TcpConnect {
            return None;
        }
        let time_wait = self.settings().time_wait();
        if !time_wait.timestamps {
            return Some(Advice::Timestamps);
        }
        let applies = pool.reclaimable > 0 || time_wait.reuse == Reuse::Always;
        (!applies).then_some(Advice::ReuseTimeWait)
    }

    fn widen(&self) -> Option<Advice> {
        let settings = self.settings();
        let range = settings.range();
        let wide = PortRange::new(range.first().min(WIDE_FIRST), WIDE_LAST)?;
        if wide == range {
            return None;
        }
        let mut listeners = PortSet::new();
        for port in self.listening.iter() {
            if wide.contains(port) && !range.contains(port) {
                listeners.insert(port);
            }
        }
        listeners.subtract(settings.reserved_ports());
        let mut reserve = self.to_reserve();
        if let Some(reserve) = &mut reserve {
            reserve.union(&listeners);
        }
        Some(Advice::Widen {
            range: wide,
            listeners,
            reserve,
        })
    }

    /// What to reserve so that no listener's port is drawn: those, and what is reserved already.
    /// `None` where that cannot be read.
    pub fn to_reserve(&self) -> Option<PortSet> {
        let settings = self.settings();
        let mut reserve = settings
            .knows_reserved()
            .then(|| settings.reserved_ports().clone())?;
        for port in self.listening.iter() {
            if self.settings().contains(port) {
                reserve.insert(port);
            }
        }
        Some(reserve)
    }
}
