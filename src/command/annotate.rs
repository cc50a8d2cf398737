//! Joins sockets to their owners, services and names, reading each of them when it is first
//! needed and no sooner.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::cli::plan::ListPlan;
use crate::collect::{Batch, Flow, Receiver, Request, collect, read_process, resolver, user_name};
use crate::join::{HolderIndex, Services};
use crate::kernel::{Host, Resolver, Visibility, scan_holders};
use crate::model::{
    Details, Endpoint, Gap, HiddenCause, HostNames, Owners, PortRange, Processes, Row, Socket,
    State,
};
use crate::wire::{services, sysctl};

/// How often a run looks a second time for sockets that nobody seemed to hold.
const MOST_SECOND_LOOKS: u32 = 3;

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
    /// How the sockets were asked for, for a second look.
    request: &'h Request,
    wants: Wants,
    services: Option<ServiceNames>,
    users: HashMap<u32, Option<String>>,
    interfaces: HashMap<u32, Option<Vec<u8>>>,
    cgroups: Option<HashMap<u64, Vec<u8>>>,
    resolver: Option<Resolver>,
    owners: Option<Holders>,
    gaps: Vec<Gap>,
}

struct ServiceNames {
    services: Services,
    /// Ports that connects draw from: a connection's port in it is no service.
    drawn: Option<PortRange>,
}

/// Who holds what, as far as it could be seen.
struct Holders {
    index: HolderIndex,
    processes: Processes,
    /// Why a socket without a holder may have one nevertheless.
    limit: Option<HiddenCause>,
    /// Sockets that were looked for a second time and found, still without a holder.
    unheld: HashSet<u64>,
    second_looks: u32,
    hidden: u64,
    cause: Option<HiddenCause>,
}

impl<'h> Annotator<'h> {
    pub(super) fn new(host: &'h Host, request: &'h Request, wants: Wants) -> Annotator<'h> {
        Annotator {
            host,
            request,
            wants,
            services: None,
            users: HashMap::new(),
            interfaces: HashMap::new(),
            cgroups: None,
            resolver: None,
            owners: None,
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
        if self.wants.owners {
            self.find_owners(sockets);
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

    fn find_owners(&mut self, sockets: &[Socket]) {
        let thorough = self.wants.process_details;
        let mut owners = match self.owners.take() {
            Some(owners) => owners,
            None => Holders::scan(self.host),
        };
        owners.read_processes(self.host, sockets, thorough);
        let lost = owners.lost(sockets);
        if !lost.is_empty() && owners.second_looks < MOST_SECOND_LOOKS {
            owners.second_looks += 1;
            owners.look_again(self.host, self.request, &lost);
            owners.read_processes(self.host, sockets, thorough);
        }
        owners.count_hidden(sockets);
        self.owners = Some(owners);
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
            owners: match &self.owners {
                Some(owners) => owners.of(socket),
                None => Owners::Unasked,
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
        if let Some(owners) = &self.owners
            && let Some(cause) = owners.cause
        {
            gaps.push(Gap::Owners {
                count: owners.hidden,
                cause,
            });
        }
        if let Some(resolver) = self.resolver.as_ref().filter(|resolver| resolver.gave_up()) {
            gaps.push(Gap::Unresolved {
                count: resolver.unnamed(),
            });
        }
        gaps
    }
}

impl Holders {
    fn scan(host: &Host) -> Holders {
        let no_processes = if host.is_recorded() {
            HiddenCause::NotRecorded
        } else {
            HiddenCause::NoProc
        };
        let (index, limit) = match scan_holders(&host.path("proc"), host.is_recorded()) {
            Ok(scan) => {
                let limit = if scan.processes == 0 {
                    Some(no_processes)
                } else if scan.unreadable.is_empty() {
                    match Visibility::of(host) {
                        Visibility::Limited(cause) => Some(cause),
                        Visibility::Full => None,
                    }
                } else if host.is_recorded() {
                    Some(HiddenCause::PermissionThen)
                } else if host.is_root() {
                    Some(HiddenCause::Protected)
                } else {
                    Some(HiddenCause::Permission)
                };
                (HolderIndex::new(scan.holders), limit)
            }
            Err(_) => (HolderIndex::default(), Some(no_processes)),
        };
        Holders {
            index,
            processes: Processes::new(),
            limit,
            unheld: HashSet::new(),
            second_looks: 0,
            hidden: 0,
            cause: None,
        }
    }

    fn read_processes(&mut self, host: &Host, sockets: &[Socket], thorough: bool) {
        for socket in sockets.iter().filter(|socket| socket.inode != 0) {
            for holder in self.index.holders(socket.inode) {
                if !self.processes.contains_key(&holder.pid)
                    && let Some(process) = read_process(host, holder.pid, thorough)
                {
                    self.processes.insert(holder.pid, process);
                }
            }
        }
    }

    fn is_known(&self, inode: u64) -> bool {
        self.index
            .holders(inode)
            .iter()
            .any(|holder| self.processes.contains_key(&holder.pid))
    }

    /// Sockets that should have a holder, as all processes were read, and have none.
    fn lost(&self, sockets: &[Socket]) -> HashSet<u64> {
        if self.limit.is_some() {
            return HashSet::new();
        }
        sockets
            .iter()
            .map(|socket| socket.inode)
            .filter(|&inode| inode != 0 && !self.unheld.contains(&inode) && !self.is_known(inode))
            .collect()
    }

    /// A socket without a holder is closed by now, was opened after the walk, or has none. So the
    /// processes are walked again, and of what is still lost it is asked whether it still exists.
    fn look_again(&mut self, host: &Host, request: &Request, lost: &HashSet<u64>) {
        if host.is_recorded() {
            self.unheld.extend(lost);
            return;
        }
        if let Ok(scan) = scan_holders(&host.path("proc"), false) {
            self.index = HolderIndex::new(scan.holders);
        }
        let mut finder = Finder {
            wanted: lost,
            found: HashSet::new(),
        };
        // What cannot be read a second time is not known to exist.
        if collect(host, request, &mut finder).is_ok() {
            self.unheld.extend(finder.found);
        }
    }

    fn count_hidden(&mut self, sockets: &[Socket]) {
        let hidden = sockets
            .iter()
            .filter(|socket| matches!(self.of(socket), Owners::Hidden))
            .count() as u64;
        if hidden > 0 {
            self.hidden += hidden;
            self.cause = Some(self.limit.unwrap_or(HiddenCause::Vanished));
        }
    }

    fn of(&self, socket: &Socket) -> Owners<'_> {
        if socket.inode == 0 {
            Owners::None
        } else if self.is_known(socket.inode) {
            Owners::Known {
                holders: self.index.holders(socket.inode),
                processes: &self.processes,
            }
        } else if self.limit.is_none() && self.unheld.contains(&socket.inode) {
            Owners::Unheld
        } else {
            Owners::Hidden
        }
    }
}

/// Looks for sockets by inode.
struct Finder<'a> {
    wanted: &'a HashSet<u64>,
    found: HashSet<u64>,
}

impl Receiver for Finder<'_> {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            if self.wanted.contains(&socket.inode) {
                self.found.insert(socket.inode);
            }
        }
        Ok(if self.found.len() == self.wanted.len() {
            Flow::Enough
        } else {
            Flow::More
        })
    }

    /// Finding a socket twice changes nothing.
    fn take_back(&mut self) -> bool {
        true
    }
}
