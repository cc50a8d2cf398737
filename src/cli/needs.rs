//! What a listing must read.

use super::list::ListPlan;
use super::output::Format;
use crate::model::{DetailSet, Family, Protocol, Table};
use crate::render::{Column, CsvAsked, Detail};

/// What must be read, which is what is printed or sorted by, and nothing else.
impl ListPlan {
    /// The columns that are printed, as far as they were chosen by name, and the one sorted by.
    fn named_columns(&self) -> impl Iterator<Item = Column> {
        let sorted_by = self.sort.map(|sort| sort.column);
        self.columns.iter().flatten().copied().chain(sorted_by)
    }

    fn names(&self, wanted: Column) -> bool {
        self.named_columns().any(|column| column == wanted)
    }

    /// The format, as long as it has its usual columns; `None` when columns were chosen.
    const fn usual(&self) -> Option<Format> {
        match self.columns {
            None => Some(self.output.format),
            Some(_) => None,
        }
    }

    /// Whether owners must be found.
    pub fn needs_owners(&self) -> bool {
        (self.processes && self.usual().is_some()) || self.named_columns().any(Column::needs_owners)
    }

    /// Whether more than the name of a process is printed.
    pub fn needs_process_details(&self) -> bool {
        matches!(self.usual(), Some(Format::Json | Format::Jsonl))
            || self.named_columns().any(Column::needs_process_details)
    }

    /// Whether services are printed.
    pub fn needs_services(&self) -> bool {
        let printed = match self.usual() {
            None => false,
            Some(Format::Plain) => !self.numeric,
            Some(Format::Table | Format::Json | Format::Jsonl | Format::Csv) => true,
        };
        printed || self.named_columns().any(Column::needs_services)
    }

    /// Whether names of users are printed.
    pub fn needs_users(&self) -> bool {
        let printed = match self.usual() {
            None | Some(Format::Plain) => false,
            Some(Format::Table | Format::Json | Format::Jsonl | Format::Csv) => true,
        };
        printed || self.names(Column::User)
    }

    /// Whether names of hosts are printed: in a column, with the port behind them.
    pub fn needs_hosts(&self) -> bool {
        let printed = match self.usual() {
            None => self
                .columns
                .iter()
                .flatten()
                .any(|column| column.has_host()),
            Some(Format::Csv) => false,
            Some(Format::Table | Format::Plain | Format::Json | Format::Jsonl) => true,
        };
        self.resolve && printed
    }

    /// Whether tables without addresses of IP are read.
    pub fn is_beyond_ip(&self) -> bool {
        let is_ip = |table: &Table| Family::IP.contains(&table.family);
        !self.tables.iter().all(is_ip)
    }

    /// Whether it is printed what is known of the sockets that unix sockets are connected to. ss
    /// prints no more than their inodes.
    pub fn needs_unix_peers(&self) -> bool {
        let printed = !matches!(self.usual(), None | Some(Format::Plain));
        let is_unix = |table: &Table| table.protocol == Protocol::Unix;
        self.tables.iter().any(is_unix)
            && (printed || self.named_columns().any(Column::needs_unix_peers))
    }

    /// Whether netlink's port ids are printed with the processes of such pids, as ss does.
    pub fn needs_port_processes(&self) -> bool {
        let is_netlink = |table: &Table| table.protocol == Protocol::Netlink;
        self.tables.iter().any(is_netlink)
            && !self.numeric
            && matches!(self.usual(), Some(Format::Plain))
    }

    /// Whether it is printed of destroyed sockets what was seen of them before.
    pub fn needs_last_seen(&self) -> bool {
        let printed = match self.usual() {
            None => false,
            Some(Format::Table | Format::Plain) => self.details.extended,
            Some(Format::Json | Format::Jsonl | Format::Csv) => true,
        };
        let named = |column: Column| column == Column::LastState || column.is_told_by_tables();
        printed || self.needs_owners() || self.named_columns().any(named)
    }

    /// Whether names of network namespaces are printed, without being asked about.
    pub fn needs_namespaces(&self) -> bool {
        self.named_columns().any(Column::needs_namespaces)
    }

    /// Whether paths of cgroups are printed.
    pub fn needs_cgroups(&self) -> bool {
        self.usual().is_some() && self.details.extended
            || self.names(Column::Detail(Detail::Cgroup))
    }

    /// What CSV tells where no columns are chosen.
    pub fn csv_asked(&self, namespaces: bool) -> CsvAsked {
        CsvAsked {
            owners: self.needs_owners(),
            timers: self.timers,
            details: self.details,
            beyond_ip: self.is_beyond_ip(),
            namespaces,
            events: self.events,
        }
    }

    /// The details to ask for.
    pub fn needed_details(&self) -> DetailSet {
        let printed = match self.usual() {
            None => DetailSet::NONE,
            Some(_) => self.details,
        };
        self.named_columns()
            .map(Column::details)
            .fold(printed, DetailSet::union)
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::list;

    #[test]
    fn nothing_is_read_that_is_not_printed() {
        let plain = list(&["-tln"]);
        assert!(!plain.needs_owners() && !plain.needs_services() && !plain.needs_users());
        assert!(list(&["-tl"]).needs_services());
        assert!(list(&["-tln", "--columns", "unit"]).needs_process_details());
        assert!(list(&["-tln", "--sort", "-process"]).needs_owners());
        assert!(!list(&["-tlnp"]).needs_process_details());
        assert!(list(&["-tp", "--json"]).needs_process_details());

        let chosen = list(&["-tlpremi", "--columns", "local_port,state"]);
        assert!(!chosen.needs_owners() && !chosen.needs_services() && !chosen.needs_users());
        assert!(!chosen.needs_hosts() && chosen.needed_details().is_empty());
        assert!(list(&["-tr", "--columns", "state,peer"]).needs_hosts());
        assert!(!list(&["-t", "--columns", "state,peer"]).needs_hosts());

        for (format, hosts) in [
            ("plain", true),
            ("table", true),
            ("csv", false),
            ("json", true),
            ("jsonl", true),
        ] {
            let list = list(&["-trem", "--format", format]);
            assert_eq!(list.needs_hosts(), hosts, "{format}");
            assert!(list.needs_cgroups(), "{format}");
            assert_eq!(list.needed_details(), list.details, "{format}");
        }
    }
}
