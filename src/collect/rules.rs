//! The rules of the routes.

use std::net::IpAddr;

use super::links::dump;
use crate::kernel::Host;
use crate::model::Rule;
use crate::wire::netlink::Message;
use crate::wire::rules;

/// Reads the rules of the family of an address. `None` where nobody can be asked, as of a
/// recording.
pub fn read_rules(host: &Host, to: IpAddr) -> Option<Vec<Rule>> {
    let mut found = Vec::new();
    dump(host, &rules::rules_request(to.is_ipv4()), |message| {
        if let Message::Rule(body) = message {
            found.extend(rules::rule(body));
        }
    })?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn every_machine_has_rules() {
        // Without them no table is looked at.
        let rules = read_rules(&Host::Live, Ipv4Addr::LOCALHOST.into());
        assert!(rules.is_none_or(|rules| !rules.is_empty()));
    }
}
