//! Joins sockets to their owners, services and names, reading each of them when it is first
//! needed and no sooner.

use std::collections::HashMap;

use super::context::Context;
use super::holders::Holders;
use crate::cli::plan::ListPlan;
use crate::collect::{Request, resolver, user_name};
use crate::join::Services;
use crate::kernel::{HolderMethod, Host, Resolver};
use crate::model::{Details, Endpoint, Gap, HostNames, Owners, PortRange, Row, Socket, State};
use crate::wire::{services, sysctl};

/// What is to be joined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub(super) owners: bool,
    pub(super) process_details: bool,
    pub(super) services: bool,
    pub(super) users: bool,
    pub(super) cgroups: bool,
    pub(super) hosts: bool,
}

impl Wants {
    pub(super) fn of(plan: &ListPlan) -> Wants {
        Wants {
            owners: plan.needs_owners(),
            process_details: plan.needs_process_details(),
            services: plan.needs_services(),
            users: plan.needs_users(),
            cgroups: plan.needed_details().extended,
            hosts: plan.needs_hosts(),
        }
    }
}

/// What was learnt so far. Sockets are first [prepared](Annotator::prepare), then turned into
/// rows any number of times.
pub(super) struct Annotator<'h> {
    host: &'h Host,
    holder_method: HolderMethod,
    /// How the sockets were asked for, for a second look.
    request: &'h Request,
    wants: Wants,
    services: Option<ServiceNames>,
    users: HashMap<u32, Option<String>>,
    interfaces: HashMap<u32, Option<Vec<u8>>>,
    cgroups: Option<HashMap<u64, Vec<u8>>>,
    resolver: Option<Resolver>,
    holders: Option<Holders>,
    gaps: Vec<Gap>,
}

struct ServiceNames {
    services: Services,
    /// Ports that connects draw from: a connection's port in it is no service.
    drawn: Option<PortRange>,
}

impl<'h> Annotator<'h> {
    pub(super) fn new(context: &'h Context, request: &'h Request, wants: Wants) -> Annotator<'h> {
        Annotator {
            host: &context.host,
            holder_method: context.holder_method,
            request,
            wants,
            services: None,
            users: HashMap::new(),
            interfaces: HashMap::new(),
            cgroups: None,
            resolver: None,
            holders: None,
            gaps: Vec::new(),
        }
    }

    /// Learns what rows of these sockets will need. Each socket is prepared once.
    pub(super) fn prepare(&mut self, sockets: &[Socket]) {
        if sockets.is_empty() {
            return;
        }
        if self.wants.services && self.services.is_none() {
            let names = self.read_services();
            self.services = Some(names);
        }
        if self.wants.users {
            for socket in sockets {
                self.users
                    .entry(socket.uid)
                    .or_insert_with(|| user_name(self.host, socket.uid));
            }
        }
        for socket in sockets.iter().filter(|socket| socket.interface != 0) {
            self.interfaces
                .entry(socket.interface)
                .or_insert_with(|| self.host.interface_name(socket.interface));
        }
        if self.wants.cgroups && self.cgroups.is_none() {
            self.cgroups = Some(self.host.cgroup_paths());
        }
        if self.wants.hosts {
            self.resolver
                .get_or_insert_with(|| resolver(self.host))
                .learn(
                    sockets
                        .iter()
                        .flat_map(|socket| [socket.local.addr, socket.peer.addr]),
                );
        }
        // What has no inode, no process has: TIME-WAIT, orphans, connections not yet accepted.
        if self.wants.owners && sockets.iter().any(|socket| socket.inode != 0) {
            self.holders
                .get_or_insert_with(|| Holders::find(self.host, self.holder_method))
                .prepare(self.host, self.request, sockets, self.wants.process_details);
        }
    }

    fn read_services(&mut self) -> ServiceNames {
        let name = "etc/services";
        // A machine without the file has the names that everybody knows.
        let parsed = services::parse(&self.host.read(name).unwrap_or_default());
        if let Some(line) = parsed.first_bad_line {
            self.gaps.push(Gap::Garbled {
                what: "service names",
                place: name.to_owned(),
                first: format!("line {line}"),
                count: parsed.bad_lines,
                reason: "no service".to_owned(),
            });
        }
        ServiceNames {
            services: Services::new(parsed.services),
            drawn: self
                .host
                .read("proc/sys/net/ipv4/ip_local_port_range")
                .ok()
                .and_then(|text| sysctl::port_range(&text).ok()),
        }
    }

    /// The row of a prepared socket.
    pub(super) fn row<'a>(&'a self, socket: &'a Socket, details: Option<&'a Details>) -> Row<'a> {
        let cgroup = details.and_then(|details| details.cgroup);
        let host = |endpoint: &Endpoint| self.resolver.as_ref()?.name(endpoint.addr);
        Row {
            socket,
            details,
            cgroup: cgroup
                .zip(self.cgroups.as_ref())
                .and_then(|(id, paths)| paths.get(&id))
                .map(Vec::as_slice),
            owners: match &self.holders {
                _ if !self.wants.owners => Owners::Unasked,
                Some(holders) => holders.of(socket),
                None => Owners::None,
            },
            user: match self.users.get(&socket.uid) {
                Some(Some(name)) if (socket.uid, socket.inode) != (0, 0) => Some(name),
                _ => None,
            },
            interface: self
                .interfaces
                .get(&socket.interface)
                .and_then(Option::as_deref),
            local_service: self.service(socket, socket.local.port),
            peer_service: self.service(socket, socket.peer.port),
            hosts: HostNames {
                local: host(&socket.local),
                peer: host(&socket.peer),
            },
        }
    }

    /// Name of a port. Of a connection's drawn port /etc/services has a name only by accident;
    /// whoever listens on such a port chose it.
    fn service(&self, socket: &Socket, port: u16) -> Option<&str> {
        let names = self.services.as_ref()?;
        let chosen = socket.is_listening() || socket.state == State::BoundInactive;
        if port == 0 || (!chosen && names.drawn.is_some_and(|range| range.contains(port))) {
            return None;
        }
        names.services.name(socket.protocol, port)
    }

    /// What could not be joined, over all sockets that were prepared.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.gaps.clone();
        gaps.extend(self.holders.as_ref().and_then(Holders::gap));
        if let Some(resolver) = self.resolver.as_ref().filter(|resolver| resolver.gave_up()) {
            gaps.push(Gap::Unresolved {
                count: resolver.unnamed(),
            });
        }
        gaps
    }

    /// Why owners were not found by BPF, where they would have been.
    pub(super) fn without_bpf(&self) -> Option<String> {
        let refusal = self.holders.as_ref()?.without_bpf.as_ref()?;
        Some(refusal.to_string())
    }
}
