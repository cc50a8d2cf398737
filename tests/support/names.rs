//! What names in a filter stand for, where only its grammar is of interest.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use portstat::filter::Names;
use portstat::model::{Family, NetnsId, PortRange};

/// Everything that has such a name is there.
pub struct NamesThat(pub fn(&str) -> bool);

impl NamesThat {
    fn one<T>(&self, name: &[u8], one: T) -> Result<T, String> {
        if std::str::from_utf8(name).is_ok_and(self.0) {
            Ok(one)
        } else {
            Err("not there".to_owned())
        }
    }
}

impl Names for NamesThat {
    fn families(&self) -> &[Family] {
        &[]
    }

    fn port(&self, service: &str) -> Result<u16, String> {
        self.one(service.as_bytes(), 1)
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        self.one(host.as_bytes(), vec![IpAddr::from([127, 0, 0, 1])])
    }

    fn interfaces(&self, name: &[u8]) -> Result<Vec<(Option<u64>, u32)>, String> {
        self.one(name, vec![(None, 1)])
    }

    fn cgroup(&self, path: &[u8]) -> Result<u64, String> {
        self.one(path, 1)
    }

    fn netns(&self, name: &[u8]) -> Result<NetnsId, String> {
        let is_number = name.iter().all(u8::is_ascii_digit);
        let id = NetnsId::Inode(1);
        if is_number {
            Ok(id)
        } else {
            self.one(name, id)
        }
    }

    fn user(&self, name: &str) -> Result<u32, String> {
        self.one(name.as_bytes(), 1)
    }

    fn ephemeral(&self) -> Vec<(Option<NetnsId>, PortRange)> {
        vec![(None, PortRange::new(32768, 60999).unwrap())]
    }
}
