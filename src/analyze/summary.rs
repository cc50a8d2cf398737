//! Counts for `-s` and the overview.

use std::collections::BTreeMap;

use crate::model::{Family, Protocol, Socket, State, Table};

/// How many sockets there are, by table and state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    counts: BTreeMap<(Table, State), u64>,
}

impl Summary {
    /// Counts a socket.
    pub fn add(&mut self, socket: &Socket) {
        *self
            .counts
            .entry((socket.table(), socket.state))
            .or_default() += 1;
    }

    /// Every count that is not 0: UDP before TCP, IPv4 before IPv6, states by the kernel's number.
    pub fn iter(&self) -> impl Iterator<Item = (Table, State, u64)> {
        self.counts
            .iter()
            .map(|(&(table, state), &count)| (table, state, count))
    }

    /// How many sockets of a protocol there are, of one family or both.
    pub fn total(&self, protocol: Protocol, family: Option<Family>) -> u64 {
        self.iter()
            .filter(|(table, _, _)| {
                table.protocol == protocol && family.is_none_or(|family| family == table.family)
            })
            .map(|(_, _, count)| count)
            .sum()
    }

    /// How many sockets of a table are in a state.
    pub fn count(&self, protocol: Protocol, family: Family, state: State) -> u64 {
        let table = Table { protocol, family };
        self.counts.get(&(table, state)).copied().unwrap_or(0)
    }

    /// The states of a protocol that have sockets, and how many.
    pub fn states(&self, protocol: Protocol) -> Vec<(State, u64)> {
        let mut states = BTreeMap::new();
        for (table, state, count) in self.iter() {
            if table.protocol == protocol {
                *states.entry(state).or_insert(0) += count;
            }
        }
        states.into_iter().collect()
    }
}
