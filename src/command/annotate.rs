//! Joins sockets to their owners, services and names, reading each of them when it is first
//! needed and no sooner.

use std::collections::HashMap;

use super::beyond_ip::BeyondIp;
use super::context::Context;
use super::holders::Holders;
use crate::cli::ListPlan;
use crate::collect::{Batch, Request, namespaces, resolver, user_name};
use crate::filter::{Query, Test};
use crate::join::Services;
use crate::kernel::{HolderMethod, Host, Resolver};
use crate::model::{
    self, Details, Endpoint, Gap, HostNames, Namespace, Owners, PortRange, Protocol, Row, Socket,
    State,
};
use crate::wire::{services, sysctl};

/// What is to be joined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub(super) owners: bool,
    /// Owners are asked for by the filter, printed or not.
    pub(super) judged_owners: bool,
    pub(super) process_details: bool,
    pub(super) services: bool,
    pub(super) users: bool,
    pub(super) cgroups: bool,
    pub(super) hosts: bool,
    pub(super) unix_peers: bool,
    /// Names of the peers of unix sockets are asked for by the filter, printed or not.
    pub(super) judged_peers: bool,
    pub(super) port_processes: bool,
    pub(super) namespaces: bool,
}

impl Wants {
    pub(super) fn of(plan: &ListPlan, query: &Query) -> Wants {
        let judged = Wants::of_filter(query);
        Wants {
            owners: plan.needs_owners(),
            judged_owners: judged.judged_owners,
            process_details: plan.needs_process_details() || judged.process_details,
            services: plan.needs_services(),
            users: plan.needs_users(),
            cgroups: plan.needs_cgroups(),
            hosts: plan.needs_hosts(),
            unix_peers: plan.needs_unix_peers(),
            judged_peers: judged.judged_peers,
            port_processes: plan.needs_port_processes(),
            namespaces: plan.needs_namespaces(),
        }
    }

    /// What a filter needs, where nothing is printed of a socket.
    pub(super) fn of_filter(query: &Query) -> Wants {
        Wants {
            judged_owners: query.asks(&Test::needs_owners),
            judged_peers: query.asks(&Test::needs_peer_names),
            process_details: query.asks(&Test::needs_process_details),
            ..Wants::default()
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
    /// By namespace and index.
    interfaces: HashMap<(u16, u32), Option<Vec<u8>>>,
    cgroups: Option<HashMap<u64, Vec<u8>>>,
    resolver: Option<Resolver>,
    holders: Option<Holders>,
    beyond_ip: BeyondIp<'h>,
    /// By the number that sockets have of theirs.
    namespaces: Vec<Namespace>,
    gaps: Vec<Gap>,
}

struct ServiceNames {
    services: Services,
    /// Ports that connects draw from, by the number of the namespace: a connection's port in it is
    /// no service.
    drawn: Vec<Option<PortRange>>,
}

impl ServiceNames {
    /// Reads which ports are drawn in the namespaces up to this one.
    fn learn(&mut self, host: &Host, last: u16) {
        let known = u16::try_from(self.drawn.len()).unwrap_or(u16::MAX);
        let unknown = known..=last;
        self.drawn.extend(unknown.map(|netns| drawn(host, netns)));
    }
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
            beyond_ip: BeyondIp::new(request, wants),
            namespaces: match wants.namespaces || context.tells_netns {
                true => namespaces(&context.host),
                false => Vec::new(),
            },
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
        if let Some(names) = &mut self.services {
            let last = sockets.iter().map(|socket| socket.netns).max();
            names.learn(self.host, last.unwrap_or_default());
        }
        if self.wants.users {
            for socket in sockets.iter().filter(|socket| socket.uid != Socket::NO_UID) {
                self.users
                    .entry(socket.uid)
                    .or_insert_with(|| user_name(self.host, socket.uid));
            }
        }
        for socket in sockets.iter().filter(|socket| socket.interface != 0) {
            self.interfaces
                .entry((socket.netns, socket.interface))
                .or_insert_with(|| self.host.interface_name_in(socket.netns, socket.interface));
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
                        .filter_map(Socket::inet)
                        .flat_map(|ends| [ends.local.addr, ends.peer.addr]),
                );
        }
        // What has no inode, no process has: TIME-WAIT, orphans, connections not yet accepted.
        let wants_owners = self.wants.owners || self.wants.judged_owners;
        if wants_owners && sockets.iter().any(|socket| socket.inode != 0) {
            self.holders
                .get_or_insert_with(|| Holders::find(self.host, self.holder_method))
                .prepare(self.host, self.request, sockets, self.wants.process_details);
        }
        self.beyond_ip.prepare(self.host, sockets);
        if self.wants.unix_peers
            && let Some(holders) = &mut self.holders
        {
            holders.prepare_peers(self.host, sockets, self.wants.process_details);
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
            drawn: Vec::new(),
        }
    }

    /// The row of a prepared socket of a batch.
    pub(super) fn row_of<'a>(&'a self, batch: &'a Batch, index: usize) -> Row<'a> {
        let socket = &batch.sockets[index];
        let beyond_ip = match socket.inet() {
            Some(_) => None,
            None => Some(self.beyond_ip(socket, batch.name(socket))),
        };
        self.joined(socket, batch.details.get(index), beyond_ip)
    }

    /// The row of a prepared socket of TCP or UDP; of others it lacks what only they have.
    pub(super) fn row<'a>(&'a self, socket: &'a Socket, details: Option<&'a Details>) -> Row<'a> {
        self.joined(socket, details, None)
    }

    /// What only a socket without addresses has.
    #[cold]
    fn beyond_ip<'a>(
        &'a self,
        socket: &Socket,
        name: Option<&'a [u8]>,
    ) -> Box<model::BeyondIp<'a>> {
        Box::new(model::BeyondIp {
            name,
            peer_name: self
                .beyond_ip
                .peer_name(socket)
                .filter(|_| self.wants.unix_peers),
            peer_owners: match &self.holders {
                _ if !(self.wants.owners && self.wants.unix_peers) => Owners::Unasked,
                Some(holders) => holders.of_peer(socket),
                None => Owners::None,
            },
            port_process: self.beyond_ip.port_process(socket),
        })
    }

    /// Names of a prepared unix socket and its peer, printed or not.
    pub(super) fn names<'a>(
        &'a self,
        socket: &Socket,
        name: Option<&'a [u8]>,
    ) -> Box<model::BeyondIp<'a>> {
        Box::new(model::BeyondIp {
            name,
            peer_name: self.beyond_ip.peer_name(socket),
            peer_owners: Owners::Unasked,
            port_process: None,
        })
    }

    #[inline]
    fn joined<'a>(
        &'a self,
        socket: &'a Socket,
        details: Option<&'a Details>,
        beyond_ip: Option<Box<model::BeyondIp<'a>>>,
    ) -> Row<'a> {
        let cgroup = details.and_then(|details| details.cgroup);
        let host = |endpoint: &Endpoint| self.resolver.as_ref()?.name(endpoint.addr);
        let (services, hosts) = match socket.inet() {
            Some(ends) => (
                [ends.local.port, ends.peer.port].map(|port| self.service(socket, port)),
                HostNames {
                    local: host(&ends.local),
                    peer: host(&ends.peer),
                },
            ),
            None => ([None; 2], HostNames::default()),
        };
        Row {
            socket,
            details,
            cgroup: cgroup
                .zip(self.cgroups.as_ref())
                .and_then(|(id, paths)| paths.get(&id))
                .map(Vec::as_slice),
            owners: match self.wants.owners {
                true => self.owners(socket),
                false => Owners::Unasked,
            },
            user: match self.users.get(&socket.uid) {
                Some(Some(name)) if (socket.uid, socket.inode) != (0, 0) => Some(name),
                _ => None,
            },
            interface: self
                .interfaces
                .get(&(socket.netns, socket.interface))
                .and_then(Option::as_deref),
            local_service: services[0],
            peer_service: services[1],
            hosts,
            beyond_ip,
            namespace: self.namespaces.get(usize::from(socket.netns)),
            fate: None,
            destruction: None,
        }
    }

    /// The owners of a prepared socket, printed or not.
    pub(super) fn owners(&self, socket: &Socket) -> Owners<'_> {
        match &self.holders {
            Some(holders) => holders.of(socket),
            None => Owners::None,
        }
    }

    /// Name of a port. Of a connection's drawn port /etc/services has a name only by accident;
    /// whoever listens on such a port chose it.
    fn service(&self, socket: &Socket, port: u16) -> Option<&str> {
        let names = self.services.as_ref()?;
        if socket.protocol == Protocol::Raw {
            return self.beyond_ip.ip_protocol(port);
        }
        // A destroyed connection is as closed as a server of UDP, but has a peer.
        let chosen =
            socket.is_listening() && !socket.has_peer() || socket.state == State::BoundInactive;
        let is_drawn = || {
            let drawn = names.drawn.get(usize::from(socket.netns)).copied();
            drawn.flatten().is_some_and(|range| range.contains(port))
        };
        if port == 0 || (!chosen && is_drawn()) {
            return None;
        }
        names.services.name(socket.protocol, port)
    }

    /// Whether rows may be of different network namespaces.
    pub(super) const fn knows_several_namespaces(&self) -> bool {
        self.namespaces.len() > 1
    }

    /// What could not be joined, over all sockets that were prepared.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.gaps.clone();
        let hidden = self.holders.as_ref().and_then(Holders::gap);
        let untold = hidden.is_some() && self.wants.judged_owners;
        gaps.extend(hidden);
        gaps.extend(untold.then_some(Gap::Untold {
            what: "owners",
            reason: "sockets whose owner is hidden pass as if they had none",
        }));
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

/// The ports that connects draw from in a network namespace.
fn drawn(host: &Host, netns: u16) -> Option<PortRange> {
    let text = host.read_in(netns, "proc/sys/net/ipv4/ip_local_port_range");
    sysctl::port_range(&text.ok()?).ok()
}
