//! What the filter of a listing makes of its plan.

use super::list::ListPlan;
use crate::filter::{Query, Test};
use crate::model::{Family, Protocol, State, StateSet, Table};

impl ListPlan {
    /// The families that flags name, each once.
    pub fn named_families(&self) -> Vec<Family> {
        let tables = self.tables.iter().filter(|_| self.names_tables);
        let mut families: Vec<Family> = tables.map(|table| table.family).collect();
        families.sort_unstable();
        families.dedup();
        families
    }

    /// The plan, with the sockets that its filter speaks of where no flag says which: as in ss,
    /// `src unix:/run/x` alone lists unix sockets.
    pub fn following(mut self, query: &Query) -> ListPlan {
        let mut families = Family::BEYOND_IP.to_vec();
        families.retain(|family| query.asks(&|test| *test == Test::Family(*family)));
        if self.names_tables || families.is_empty() {
            return self;
        }
        let of_ip = |test: &Test| matches!(test, Test::Port { .. } | Test::Address { .. });
        if !query.asks(&of_ip) {
            self.tables.clear();
        }
        let protocols = Protocol::EVERY.into_iter();
        let mut tables: Vec<Table> = protocols.flat_map(Protocol::tables).collect();
        tables.retain(|table| families.contains(&table.family) || self.tables.contains(table));
        self.tables = tables;
        // Packet and netlink sockets are never connected.
        if self.states == StateSet::DEFAULT && families != [Family::Unix] {
            self.states = self.states.with(State::Close);
        }
        self
    }
}
