//! What names in a filter stand for on this host, each read when it is first asked for.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use super::beyond_ip::ip_protocols;
use super::context::Context;
use crate::cli::ListPlan;
use crate::collect::{addresses, namespaces, user_id};
use crate::filter::Names;
use crate::join::Services;
use crate::kernel::first_netns;
use crate::model::{Family, Gap, NetnsId, PortRange, Protocol};

/// The range of a kernel that was told nothing.
const DEFAULT_RANGE: PortRange = match PortRange::new(32768, 60999) {
    Some(range) => range,
    None => unreachable!(),
};

/// How long to wait for name servers, as for the names of addresses.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// When names are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// At first, where one that stands for nothing is a mistake.
    First,
    /// Later, where a network namespace may have gone.
    Later,
}

/// The addresses of hosts that were asked for. They are those of the first answer for good: name
/// servers give others each time, and connections stay where they are.
#[derive(Default)]
pub(super) struct KnownHosts(RefCell<HashMap<String, Vec<IpAddr>>>);

/// The names of the host that is looked at.
pub(super) struct MachineNames<'a> {
    context: &'a Context,
    plan: &'a ListPlan,
    hosts: &'a KnownHosts,
    round: Round,
    /// Those that are listed, each once.
    families: Vec<Family>,
    /// How long to wait for name servers, for all hosts together.
    patience: Cell<Duration>,
    services: OnceCell<Services>,
    /// What could not be read, and had to be assumed.
    gap: OnceCell<Gap>,
}

impl<'a> MachineNames<'a> {
    pub(super) fn new(
        context: &'a Context,
        plan: &'a ListPlan,
        hosts: &'a KnownHosts,
        round: Round,
    ) -> MachineNames<'a> {
        MachineNames {
            context,
            plan,
            hosts,
            round,
            families: plan.named_families(),
            patience: Cell::new(PATIENCE),
            services: OnceCell::new(),
            gap: OnceCell::new(),
        }
    }

    fn missing(&self, what: &str) -> String {
        let place = if self.context.host.is_recorded() {
            " in the recording"
        } else {
            ""
        };
        format!("no such {what}{place}")
    }

    /// What could not be read, and had to be assumed.
    pub(super) fn into_gap(self) -> Option<Gap> {
        self.gap.into_inner()
    }
}

impl Names for MachineNames<'_> {
    fn families(&self) -> &[Family] {
        &self.families
    }

    fn port(&self, service: &str) -> Result<u16, String> {
        let mut tables = self.plan.tables.iter();
        if tables.all(|table| table.protocol == Protocol::Raw) {
            // Rows show the protocol of a raw socket as its port.
            let names = ip_protocols(&self.context.host);
            let number = names.number(service).map(u16::from);
            return number.ok_or_else(|| self.missing("protocol of IP"));
        }
        let services = self.services.get_or_init(|| self.context.services());
        let listed = |protocol: &Protocol| {
            let mut tables = self.plan.tables.iter();
            tables.any(|table| table.protocol == *protocol)
        };
        let protocols = Protocol::WITH_PORTS.into_iter().filter(listed);
        let ports: Vec<u16> = protocols
            .filter_map(|protocol| services.port_of(protocol, service))
            .collect();
        match ports[..] {
            [first, .., last] if first != last => Err(format!("it may be {first} or {last}")),
            [port, ..] => Ok(port),
            [] => services
                .port(service)
                .ok_or_else(|| self.missing("service")),
        }
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if self.plan.numeric {
            return Err("with -n names of hosts are not looked up".to_owned());
        }
        if let Some(known) = self.hosts.0.borrow().get(host) {
            return Ok(known.clone());
        }
        let (asked, patience) = (Instant::now(), self.patience.get());
        let found = addresses(&self.context.host, host, patience);
        self.patience.set(patience.saturating_sub(asked.elapsed()));
        let found = found.map_err(|error| error.to_string())?;
        let mut known = self.hosts.0.borrow_mut();
        known.insert(host.to_owned(), found.clone());
        Ok(found)
    }

    fn interfaces(&self, name: &[u8]) -> Result<Vec<(Option<u64>, u32)>, String> {
        let found = self.context.host.interface_indices(name);
        match found.is_empty() {
            true => Err(self.missing("interface")),
            false => Ok(found),
        }
    }

    fn cgroup(&self, path: &[u8]) -> Result<u64, String> {
        let id = self.context.host.cgroup_id(path);
        id.ok_or_else(|| self.missing("cgroup"))
    }

    fn netns(&self, name: &[u8]) -> Result<NetnsId, String> {
        let host = &self.context.host;
        if host.is_recorded() {
            let text = std::str::from_utf8(name).unwrap_or_default();
            return match (text, text.parse()) {
                ("self", _) => Ok(NetnsId::Here),
                (_, Ok(inode)) => Ok(NetnsId::Inode(inode)),
                _ => Err(self.missing("network namespace")),
            };
        }
        if name == b"self" {
            let own = first_netns().map(NetnsId::Inode);
            return own.ok_or_else(|| "/proc does not tell it".to_owned());
        }
        let called = self.context.is_everywhere().then(|| {
            let mut namespaces = namespaces(host).into_iter();
            namespaces.find(|namespace| *namespace.label() == *name)
        });
        let called = called.flatten().and_then(|namespace| namespace.id());
        called.map_or_else(
            || match host.find_netns(OsStr::from_bytes(name)) {
                Err(error) if self.round == Round::Later && error.is_gone() => {
                    Ok(NetnsId::Elsewhere)
                }
                found => found.map_err(|error| error.to_string()),
            },
            Ok,
        )
    }

    fn user(&self, name: &str) -> Result<u32, String> {
        user_id(&self.context.host, name).ok_or_else(|| self.missing("user"))
    }

    fn ephemeral(&self) -> Vec<(Option<NetnsId>, PortRange)> {
        let range = |netns| match self.context.ephemeral_settings_in(netns) {
            Ok(settings) => settings.range(),
            Err(gap) => {
                let _ = self.gap.set(gap);
                DEFAULT_RANGE
            }
        };
        if !self.context.is_everywhere() {
            return vec![(None, range(0))];
        }
        let namespaces = (0..).zip(namespaces(&self.context.host));
        let ranges = namespaces.filter_map(|(number, namespace)| {
            let id = namespace.id()?;
            Some((Some(id), range(number)))
        });
        ranges.collect()
    }
}
