//! Addresses of this machine, and its processes, redacted: rebuilt out of what is known of them, so
//! that nothing else can slip through.

use std::net::Ipv4Addr;

use super::Redactor;
use crate::model::LocalRoute;
use crate::wire::if_inet6::Line;
use crate::wire::process::Stat;
use crate::wire::rtnetlink;

impl Redactor {
    /// A message that tells of a local route with its address replaced. Of a network only its
    /// first address is left, as others of it have substitutes that are nobody's neighbours;
    /// those of loopback stay what they are.
    pub fn local_route(&mut self, route: &LocalRoute) -> Vec<u8> {
        let LocalRoute {
            network, prefix, ..
        } = *route;
        let says_nothing = network.is_loopback() || network == Ipv4Addr::UNSPECIFIED;
        rtnetlink::local_route_message(&LocalRoute {
            network: self.v4(network),
            prefix: if says_nothing { prefix } else { 32 },
            ..*route
        })
    }

    /// A line of `/proc/net/if_inet6` with its address and name replaced; `None` for one that
    /// makes no sense.
    pub fn v6_line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let line = Line::parse(line).ok()?;
        let name = self.interface(&String::from_utf8_lossy(line.name));
        let redacted = Line {
            addr: self.v6(line.addr),
            name: name.as_bytes(),
            ..line
        };
        Some(redacted.text())
    }

    /// The substitute of an interface's name; everybody's loopback is `lo`.
    pub fn interface(&mut self, name: &str) -> String {
        match name {
            "lo" => name.to_owned(),
            _ => self.name("interface", name.as_bytes()),
        }
    }

    /// The `stat` of a process with its name replaced, and nothing in it but what [`Stat`] knows;
    /// `None` for one that makes no sense.
    pub fn stat(&mut self, pid: u32, text: &[u8]) -> Option<String> {
        let stat = Stat::parse(text)?;
        let name = self.name("process", stat.comm);
        Some(stat.text(pid, &name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::netlink::HEADER_LEN;

    #[track_caller]
    fn check_route(network: [u8; 4], prefix: u8, expected: &str) {
        let route = LocalRoute {
            network: network.into(),
            prefix,
            interface: 2,
        };
        let message = Redactor::default().local_route(&route);
        let redacted = rtnetlink::local_route(&message[HEADER_LEN..]).unwrap();
        let LocalRoute {
            network, prefix, ..
        } = redacted.unwrap();
        assert_eq!(format!("{network}/{prefix}"), expected);
    }

    #[test]
    fn routes_lose_their_addresses_but_those_that_all_have() {
        check_route([192, 0, 2, 7], 32, "10.0.0.1/32");
        check_route([192, 0, 2, 0], 24, "10.0.0.1/32");
        check_route([127, 0, 0, 0], 8, "127.0.0.0/8");
        check_route([0, 0, 0, 0], 0, "0.0.0.0/0");
    }

    #[test]
    fn addresses_are_replaced_as_everywhere_else() {
        let mut redactor = Redactor::default();
        let line = b"20010db8000000000000000000000005 02 40 00 80 eth0 192.0.2.7\n";
        let expected = "fd000000000000000000000000000001 02 40 00 80 interface-1\n";
        let redacted = redactor.v6_line(line).unwrap();
        assert_eq!(String::from_utf8(redacted).unwrap(), expected);
        assert_eq!(
            redactor.addr("2001:db8::5".parse().unwrap()).to_string(),
            "fd00::1"
        );
        let loopback = b"00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(redactor.v6_line(loopback).unwrap(), loopback);
        assert_eq!(redactor.v6_line(b"192.0.2.7\n"), None);
    }

    #[test]
    fn of_a_process_only_its_lineage_is_left() {
        let text = b"7 (nginx) S 4 5 6 34816 7 4194624 11 12 13 14 15 16 17 18 20 0 3 0 99 77777 8";
        let mut redactor = Redactor::default();
        let redacted = redactor.stat(7, text).unwrap();
        let (old, new) = (
            Stat::parse(text).unwrap(),
            Stat::parse(redacted.as_bytes()).unwrap(),
        );
        assert_eq!(new.comm, redactor.name("process", b"nginx").as_bytes());
        assert_eq!(
            Stat {
                comm: old.comm,
                ..new
            },
            old
        );
        assert!(!redacted.contains("34816") && !redacted.contains("77777"));
        assert_eq!(redactor.stat(7, b"7 (nginx) S 4"), None);
    }
}
