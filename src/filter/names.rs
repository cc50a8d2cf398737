//! What names in a filter stand for.

use std::net::IpAddr;

use crate::model::{Family, NetnsId, PortRange};

/// Knows the machine that is looked at. Each is asked only for names that a filter has; the error
/// says why there is no answer.
pub trait Names {
    /// The families that are listed; none where nobody said which.
    fn families(&self) -> &[Family];

    /// The port of a service.
    fn port(&self, service: &str) -> Result<u16, String>;

    /// The addresses of a host.
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String>;

    /// The indices of interfaces of a name, each with the inode of its network namespace where
    /// several are looked at.
    fn interfaces(&self, name: &[u8]) -> Result<Vec<(Option<u64>, u32)>, String>;

    /// The id of a cgroup.
    fn cgroup(&self, path: &[u8]) -> Result<u64, String>;

    /// The network namespace of a name, a process, a file or an inode.
    fn netns(&self, name: &[u8]) -> Result<NetnsId, String>;

    /// The number of a user.
    fn user(&self, name: &str) -> Result<u32, String>;

    /// The ports out of which the kernel chooses, in each network namespace where several are
    /// looked at.
    fn ephemeral(&self) -> Vec<(Option<NetnsId>, PortRange)>;
}

/// A machine that tests know all names of.
#[cfg(test)]
pub(crate) struct Known;

#[cfg(test)]
impl Known {
    fn one<T>(name: &[u8], known: &str, one: T) -> Result<T, String> {
        let found = (name == known.as_bytes()).then_some(one);
        found.ok_or_else(|| "unknown".to_owned())
    }
}

#[cfg(test)]
impl Names for Known {
    fn families(&self) -> &[Family] {
        &[]
    }

    fn port(&self, service: &str) -> Result<u16, String> {
        Known::one(service.as_bytes(), "https", 443)
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let both = ["10.0.0.1", "fe80::1"].map(|text| text.parse().ok());
        Known::one(host.as_bytes(), "db", both.into_iter().flatten().collect())
    }

    fn interfaces(&self, name: &[u8]) -> Result<Vec<(Option<u64>, u32)>, String> {
        let everywhere = vec![(Some(4_026_532_000), 2), (Some(4_026_532_001), 3)];
        Known::one(name, "eth0", vec![(None, 2)]).or_else(|_| Known::one(name, "veth0", everywhere))
    }

    fn cgroup(&self, path: &[u8]) -> Result<u64, String> {
        Known::one(path, "/a b", 77)
    }

    fn netns(&self, name: &[u8]) -> Result<NetnsId, String> {
        let inode = std::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok());
        let inode = inode.map_or_else(|| Known::one(name, "blue", 4_026_532_000), Ok);
        inode.map(NetnsId::Inode)
    }

    fn user(&self, name: &str) -> Result<u32, String> {
        Known::one(name.as_bytes(), "www-data", 33)
    }

    fn ephemeral(&self) -> Vec<(Option<NetnsId>, PortRange)> {
        vec![(None, const { PortRange::new(32768, 60999).unwrap() })]
    }
}
