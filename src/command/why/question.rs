//! From the plan to questions: names become numbers, as this machine has them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::analyze::why::{Ipv6, Operation, Query, User, reached};
use crate::cli::{Asked, Destination, PortName, UsageError, WhyPlan};
use crate::collect::{
    BindSettings, addresses, anonymous_uid, host_addresses, may_bind_low, user_id, user_name,
};
use crate::command::context::Context;
use crate::command::names::PATIENCE;
use crate::join::Services;
use crate::kernel::{Host, own_uid};
use crate::model::{Endpoint, Flow, Protocol, Way};
use crate::render::why::NamedHost;

/// What is asked.
pub(super) struct Question {
    /// One query, or one for each wildcard. All of one protocol and one port.
    pub(super) queries: Vec<Query>,
    pub(super) protocol: Protocol,
    /// The local port; 0 where the kernel is to draw it.
    pub(super) port: u16,
    /// Whether an IPv6 socket would take IPv4 too by a setting that could not be read.
    pub(super) guesses_v6only: bool,
    /// Name of the interface, where one was named.
    pub(super) device: Option<String>,
    /// Name of the user.
    pub(super) user: Option<String>,
    /// The destination by name, where one was named.
    pub(super) named: Option<NamedHost>,
}

/// What is to be done, and where.
struct Subject {
    operation: Operation,
    port: u16,
    addrs: Vec<Option<IpAddr>>,
    named: Option<NamedHost>,
}

impl Subject {
    fn of(
        host: &Host,
        plan: &WhyPlan,
        protocol: Protocol,
        services: &Services,
        settings: &BindSettings,
    ) -> Result<Subject, UsageError> {
        let number = |port| number(services, protocol, port);
        match &plan.asked {
            Asked::Bind {
                addr,
                host: name,
                port,
            } => Ok(Subject {
                operation: Operation::Bind,
                port: number(port)?,
                addrs: match name {
                    None => bind_addrs(*addr, settings),
                    Some(name) => named_addrs(host, name, settings)?,
                },
                named: None,
            }),
            Asked::Connect {
                addr,
                port,
                destination,
                destination_port,
            } => {
                let port = port.as_ref().map(number).transpose()?;
                let destination_port = number(destination_port)?;
                let (destination, named) = match destination {
                    Destination::Addr(addr) => (*addr, None),
                    Destination::Host(name) => first_addr(host, name, *addr, settings)?,
                };
                let operation = Operation::Connect {
                    destination: Endpoint {
                        addr: destination,
                        port: destination_port,
                    },
                    binds_first: port.is_some(),
                };
                Ok(Subject {
                    operation,
                    port: port.unwrap_or(0),
                    addrs: vec![*addr],
                    named,
                })
            }
        }
    }
}

impl Question {
    pub(super) fn new(
        context: &Context,
        plan: &WhyPlan,
        services: &Services,
        settings: &BindSettings,
    ) -> Result<Question, UsageError> {
        let host = &context.host;
        let protocol = protocol(plan, services);
        let Subject {
            operation,
            port,
            addrs,
            named,
        } = Subject::of(host, plan, protocol, services, settings)?;
        let device = plan.device.as_deref();
        let device = device.map(|name| interface(host, name)).transpose()?;
        let uid = uid(host, plan.user.as_deref())?;
        let plain = |addr: Option<IpAddr>| Query {
            operation,
            protocol,
            addr,
            port,
            device: device.as_ref().map(|(index, _)| *index),
            device_by_destination: plan.device_by_destination,
            reuse_address: plan.reuse_address,
            reuse_port: plan.reuse_port,
            v6only: false,
            free_bind: plan.free_bind,
            user: User {
                uid,
                is_anonymous: anonymous_uid(host) == Some(uid),
                may_bind_low: may_bind_low(host, uid),
            },
        };
        let v6only = plan.v6only || settings.v6only == Some(true);
        let query = |addr| {
            let query = plain(addr);
            let v6only = v6only && query.is_ipv6();
            Query { v6only, ..query }
        };
        Ok(Question {
            queries: addrs.into_iter().map(query).collect(),
            protocol,
            port,
            guesses_v6only: !plan.v6only && settings.v6only.is_none(),
            device: device.map(|(_, name)| name),
            user: user_name(host, uid),
            named,
        })
    }

    /// Where a connect leads, with the source that was named and the interface. IPv4 goes by its own
    /// routes, whatever the socket.
    pub(super) fn way(&self) -> Option<Way> {
        let query = self.queries.first()?;
        match query.operation {
            Operation::Bind => None,
            Operation::Connect { destination, .. } => {
                let source = query.addr.filter(|addr| !addr.is_unspecified());
                let addr = reached(destination.addr, source).to_canonical();
                Some(Way {
                    destination: addr,
                    source: source.map(|source| source.to_canonical()),
                    interface: query.device,
                    flow: Some(Flow {
                        protocol: query.protocol,
                        source_port: query.port,
                        destination_port: destination.port,
                        uid: query.user.uid,
                    }),
                })
            }
        }
    }

    /// The interface that the socket is bound to when the kernel draws its port.
    pub(super) fn interface_at_draw(&self) -> Option<u32> {
        self.queries.first()?.device_at_draw()
    }

    /// The interface that the address in question belongs to, where it can be no other.
    pub(super) fn interface(&self) -> Option<&str> {
        let own = self.queries.iter().filter_map(|query| query.addr);
        let to = self.way().map(|way| way.destination);
        let of = |wanted: fn(Ipv6Addr) -> bool| {
            let mut addrs = own.clone().chain(to);
            addrs.any(|addr| matches!(addr, IpAddr::V6(addr) if wanted(addr)))
        };
        if of(|addr| addr.is_loopback()) {
            return Some("lo");
        }
        self.device
            .as_deref()
            .filter(|_| of(|addr| addr.is_unicast_link_local()))
    }
}

/// The protocol that was named. A service that only UDP has is asked about as such.
fn protocol(plan: &WhyPlan, services: &Services) -> Protocol {
    let port = match &plan.asked {
        Asked::Bind { port, .. } => port,
        Asked::Connect {
            destination_port, ..
        } => destination_port,
    };
    let of_udp_only = |port: &PortName| match port {
        PortName::Number(_) => false,
        PortName::Service(name) => {
            services.port_of(Protocol::Tcp, name).is_none()
                && services.port_of(Protocol::Udp, name).is_some()
        }
    };
    plan.protocol.unwrap_or(if of_udp_only(port) {
        Protocol::Udp
    } else {
        Protocol::Tcp
    })
}

fn number(services: &Services, protocol: Protocol, port: &PortName) -> Result<u16, UsageError> {
    match port {
        PortName::Number(port) => Ok(*port),
        PortName::Service(name) => services
            .port_of(protocol, name)
            // Most services have one number for both.
            .or_else(|| services.port(name))
            .ok_or_else(|| UsageError::Unknown("service", name.clone())),
    }
}

/// The address that was named, or the wildcards that a server binds.
fn bind_addrs(addr: Option<IpAddr>, settings: &BindSettings) -> Vec<Option<IpAddr>> {
    match addr {
        Some(addr) => vec![Some(addr)],
        None => {
            let v4 = Some(Ipv4Addr::UNSPECIFIED.into());
            let v6 = Some(Ipv6Addr::UNSPECIFIED.into());
            match settings.ipv6 {
                Ipv6::Absent => vec![v4],
                Ipv6::On | Ipv6::Disabled => vec![v4, v6],
            }
        }
    }
}

/// The addresses that `/etc/hosts` has of a name; nobody else is asked.
fn named_addrs(
    host: &Host,
    name: &str,
    settings: &BindSettings,
) -> Result<Vec<Option<IpAddr>>, UsageError> {
    let mut addrs = host_addresses(host, name);
    if settings.ipv6 == Ipv6::Absent {
        addrs.retain(IpAddr::is_ipv4);
    }
    match addrs[..] {
        [] => Err(UsageError::Unknown("host of /etc/hosts", name.to_owned())),
        _ => Ok(addrs.into_iter().map(Some).collect()),
    }
}

/// The address of a host that a connect by name tries first, of the family of its source.
fn first_addr(
    host: &Host,
    name: &str,
    source: Option<IpAddr>,
    settings: &BindSettings,
) -> Result<(IpAddr, Option<NamedHost>), UsageError> {
    let unknown = |what| UsageError::Unknown(what, name.to_owned());
    let mut addrs = match addresses(host, name, PATIENCE) {
        Ok(addrs) => addrs,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return Err(unknown("host within 2 s"));
        }
        Err(_) => return Err(unknown("host")),
    };
    if settings.ipv6 == Ipv6::Absent {
        addrs.retain(IpAddr::is_ipv4);
    }
    let fits = |addr: &&IpAddr| source.is_none_or(|source| source.is_ipv4() == addr.is_ipv4());
    let Some(&first) = addrs.iter().find(fits) else {
        return Err(unknown("host of the family of the source"));
    };
    addrs.retain(|addr| *addr != first);
    let named = NamedHost {
        name: name.to_owned(),
        others: addrs,
    };
    Ok((first.to_canonical(), Some(named)))
}

/// Index and name of an interface, named either way.
fn interface(host: &Host, name: &str) -> Result<(u32, String), UsageError> {
    let index = name.parse::<u32>().ok();
    host.interface_names()
        .into_iter()
        .find(|(number, known)| known == name || index == Some(*number))
        .ok_or_else(|| UsageError::Unknown("interface", name.to_owned()))
}

/// The user who asks: whoever runs this, unless another is named.
fn uid(host: &Host, user: Option<&str>) -> Result<u32, UsageError> {
    let Some(user) = user else {
        return Ok(own_uid());
    };
    user.parse()
        .ok()
        // The kernel's word for nobody.
        .filter(|uid| *uid != u32::MAX)
        .or_else(|| user_id(host, user))
        .ok_or_else(|| UsageError::Unknown("user", user.to_owned()))
}
