//! From the number of a protocol of IP to its name.

use std::collections::HashMap;

/// Names that everybody knows, where `/etc/protocols` lacks them.
const KNOWN: [(u8, &str); 14] = [
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (132, "sctp"),
];

/// Names of protocols: the machine's own, then those that everybody knows.
#[derive(Debug, Default)]
pub struct IpProtocols(HashMap<u8, String>);

impl IpProtocols {
    /// Names from `/etc/protocols`, of which the first for a number counts.
    pub fn new(protocols: impl IntoIterator<Item = (u8, String)>) -> IpProtocols {
        let mut names = HashMap::new();
        for (number, name) in protocols {
            names.entry(number).or_insert(name);
        }
        IpProtocols(names)
    }

    /// Name of a protocol.
    pub fn name(&self, number: u8) -> Option<&str> {
        let known = || KNOWN.iter().find(|(known, _)| *known == number);
        match self.0.get(&number) {
            Some(name) => Some(name),
            None => known().map(|(_, name)| *name),
        }
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<u8> {
        let of_machine = self.0.iter().find(|(_, known)| *known == name);
        let known = || KNOWN.iter().find(|(_, known)| *known == name);
        match of_machine {
            Some((&number, _)) => Some(number),
            None => known().map(|(number, _)| *number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_names_come_first() {
        let names = IpProtocols::new([(1, "ping".to_owned()), (1, "icmp".to_owned())]);
        assert_eq!(names.name(1), Some("ping"));
        assert_eq!(names.name(58), Some("ipv6-icmp"));
        assert_eq!(names.name(200), None);
        assert_eq!(names.number("ping"), Some(1));
        assert_eq!(names.number("ipv6-icmp"), Some(58));
        assert_eq!(names.number("nonsense"), None);
    }
}
