//! From a port to the name of its service, and back.

use std::collections::HashMap;

use super::known_ports::{NAMELESS, PORTS};
use crate::model::{Protocol, Service};

/// Names of ports: the machine's own, then those that everybody knows.
#[derive(Debug, Default)]
pub struct Services {
    names: HashMap<(Protocol, u16), String>,
    ports: HashMap<(Protocol, String), u16>,
    /// Ports whose known name is that of another port on this machine.
    taken: Vec<(Protocol, u16)>,
}

impl Services {
    /// Names from `/etc/services`, of which the first for a port counts, as in getservbyport(3).
    pub fn new(services: impl IntoIterator<Item = Service>) -> Services {
        let mut table = Services::default();
        for service in services {
            let Service {
                name,
                port,
                protocol,
                aliases,
            } = service;
            for alias in aliases.into_iter().chain([name.clone()]) {
                table.ports.entry((protocol, alias)).or_insert(port);
            }
            table.names.entry((protocol, port)).or_insert(name);
        }
        for &(port, protocol, name, _) in PORTS {
            let own = table.ports.get(&(protocol, name.to_owned()));
            if own.is_some_and(|own| *own != port) {
                table.taken.push((protocol, port));
            }
        }
        table
    }

    /// Name of a port.
    pub fn name(&self, protocol: Protocol, port: u16) -> Option<&str> {
        if let Some(name) = self.names.get(&(protocol, port)) {
            return Some(name);
        }
        let (name, _) = known(protocol, port)?;
        (!self.taken.contains(&(protocol, port))).then_some(name)
    }

    /// What a port is for, as far as everybody knows it.
    pub fn description(protocol: Protocol, port: u16) -> Option<&'static str> {
        let named = known(protocol, port).map(|(_, description)| description);
        named.or_else(|| {
            let mut nameless = NAMELESS.iter();
            let found = nameless.find(|other| (other.0, other.1) == (port, protocol));
            found.map(|other| other.2)
        })
    }

    /// Port of a name or alias; of both protocols TCP's is preferred where they differ.
    pub fn port(&self, name: &str) -> Option<u16> {
        [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .find_map(|protocol| self.ports.get(&(protocol, name.to_owned())).copied())
            .or_else(|| {
                let mut known = PORTS.iter().filter(|known| known.2 == name);
                known.next().map(|known| known.0)
            })
    }

    /// Port of a name or alias of a protocol.
    pub fn port_of(&self, protocol: Protocol, name: &str) -> Option<u16> {
        let own = self.ports.get(&(protocol, name.to_owned()));
        own.copied().or_else(|| {
            let mut known = PORTS.iter();
            let found = known.find(|known| (known.1, known.2) == (protocol, name));
            found.map(|known| known.0)
        })
    }
}

/// Name and purpose of a port that everybody knows.
fn known(protocol: Protocol, port: u16) -> Option<(&'static str, &'static str)> {
    let key = |&(port, protocol, ..): &(u16, Protocol, &str, &str)| (port, protocol);
    let index = PORTS.binary_search_by_key(&(port, protocol), key).ok()?;
    PORTS
        .get(index)
        .map(|&(_, _, name, description)| (name, description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_sorted() {
        assert!(PORTS.is_sorted_by_key(|&(port, protocol, ..)| (port, protocol)));
        assert!(PORTS.iter().all(|&(.., text)| !text.is_empty()));
        assert!(NAMELESS.is_sorted_by_key(|&(port, protocol, _)| (port, protocol)));
        let is_named = |port, protocol| {
            PORTS
                .iter()
                .any(|other| (other.0, other.1) == (port, protocol))
        };
        assert!(
            !NAMELESS
                .iter()
                .any(|&(port, protocol, _)| is_named(port, protocol))
        );
    }

    #[test]
    fn a_name_is_that_of_one_port() {
        let mut ports = HashMap::new();
        for &(port, _, name, _) in PORTS {
            assert_eq!(*ports.entry(name).or_insert(port), port, "{name}");
        }
        let services = Services::new([Service {
            name: "http-alt".to_owned(),
            port: 8008,
            protocol: Protocol::Tcp,
            aliases: Vec::new(),
        }]);
        assert_eq!(services.name(Protocol::Tcp, 8008), Some("http-alt"));
        assert_eq!(services.name(Protocol::Tcp, 8080), None);
        assert_eq!(services.port("http-alt"), Some(8008));
    }

    #[test]
    fn ports_of_many_uses_have_no_name() {
        let services = Services::default();
        for port in [3000, 5000, 8000, 9000] {
            assert_eq!(services.name(Protocol::Tcp, port), None);
            assert!(Services::description(Protocol::Tcp, port).is_some());
        }
        assert_eq!(services.port("http-dev"), None);
    }

    #[test]
    fn the_machines_own_names_come_first() {
        let services = Services::new([Service {
            name: "web-cache".to_owned(),
            port: 8080,
            protocol: Protocol::Tcp,
            aliases: vec!["proxy".to_owned()],
        }]);
        assert_eq!(services.name(Protocol::Tcp, 8080), Some("web-cache"));
        assert_eq!(services.port("proxy"), Some(8080));
        assert_eq!(services.port("web-cache"), Some(8080));
    }

    #[test]
    fn names_are_those_of_the_protocol() {
        let services = Services::default();
        assert_eq!(services.name(Protocol::Udp, 514), Some("syslog"));
        assert_eq!(services.name(Protocol::Tcp, 514), None);
        assert_eq!(services.name(Protocol::Tcp, 5432), Some("postgresql"));
        assert_eq!(services.port("wireguard"), Some(51820));
        assert_eq!(services.port("http999"), None);
        assert_eq!(services.port_of(Protocol::Udp, "syslog"), Some(514));
        assert_eq!(services.port_of(Protocol::Tcp, "syslog"), None);
        assert_eq!(services.port_of(Protocol::Udp, "wireguard"), Some(51820));
        assert_eq!(services.port_of(Protocol::Tcp, "wireguard"), None);
        let web = Services::description(Protocol::Tcp, 80);
        assert_eq!(web, Some("Web"));
        assert_eq!(Services::description(Protocol::Tcp, 81), None);
    }
}
