//! What is to be learnt about sockets that are neither TCP nor UDP: names of the peers of unix
//! sockets, of the processes that netlink's port ids stand for, of the protocols of raw IP.

use std::collections::HashMap;

use super::wants::Wants;
use crate::collect::{Request, UnixNames, read_process};
use crate::join::IpProtocols;
use crate::kernel::Host;
use crate::model::{Ends, Protocol, Socket};
use crate::wire::protocols;

/// What was learnt so far, each when it is first needed.
pub(super) struct BeyondIp<'a> {
    request: &'a Request,
    wants: Wants,
    /// Whether there may be such sockets at all.
    is_asked: bool,
    unix_names: Option<UnixNames>,
    port_processes: HashMap<u32, Option<Vec<u8>>>,
    ip_protocols: Option<IpProtocols>,
}

impl<'a> BeyondIp<'a> {
    pub(super) fn new(request: &'a Request, wants: Wants) -> BeyondIp<'a> {
        let mut protocols = request.tables.iter().map(|table| table.protocol);
        BeyondIp {
            request,
            wants,
            is_asked: protocols.any(|protocol| !Protocol::WITH_PORTS.contains(&protocol)),
            unix_names: None,
            port_processes: HashMap::new(),
            ip_protocols: None,
        }
    }

    /// Learns what rows of these sockets will need.
    pub(super) fn prepare(&mut self, host: &Host, sockets: &[Socket]) {
        if !self.is_asked {
            return;
        }
        for socket in sockets {
            match &socket.ends {
                Ends::Inet(_) if socket.protocol == Protocol::Raw && self.wants.services => {
                    self.ip_protocols.get_or_insert_with(|| ip_protocols(host));
                }
                Ends::Unix(ends)
                    if (self.wants.unix_peers || self.wants.judged_peers) && ends.peer != 0 =>
                {
                    self.unix_names
                        .get_or_insert_with(|| UnixNames::read(host, self.request.method));
                }
                Ends::Netlink(ends) if self.wants.port_processes && ends.port != 0 => {
                    self.port_processes
                        .entry(ends.port)
                        .or_insert_with(|| Some(read_process(host, ends.port, false)?.comm));
                }
                Ends::Inet(_) | Ends::Unix(_) | Ends::Netlink(_) | Ends::Packet(_) => {}
            }
        }
    }

    /// Name of the socket that a unix socket is connected to.
    pub(super) fn peer_name(&self, socket: &Socket) -> Option<&[u8]> {
        let inode = socket.unix()?.peer;
        self.unix_names.as_ref()?.of(inode)
    }

    /// Name of the process whose pid is the port id of a netlink socket.
    pub(super) fn port_process(&self, socket: &Socket) -> Option<&[u8]> {
        match &socket.ends {
            Ends::Netlink(ends) => self.port_processes.get(&ends.port)?.as_deref(),
            _ => None,
        }
    }

    /// Name of a protocol of IP.
    pub(super) fn ip_protocol(&self, number: u16) -> Option<&str> {
        let number = u8::try_from(number).ok().filter(|number| *number != 0)?;
        self.ip_protocols.as_ref()?.name(number)
    }
}

/// The names of a host for the protocols of IP.
pub(super) fn ip_protocols(host: &Host) -> IpProtocols {
    let text = host.read("etc/protocols").unwrap_or_default();
    IpProtocols::new(protocols::parse(&text))
}
