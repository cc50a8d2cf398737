//! What the network namespaces are called that are looked at.

use std::collections::HashSet;

use super::identity::unite;
use super::names::CGROUP_LIMIT;
use crate::kernel::{Everywhere, Host, Space, reachable_namespaces};
use crate::model::{Gap, Namespace};
use crate::wire::container::containers;

/// This machine in every network namespace that can be reached.
pub fn find_everywhere() -> Result<Host, Gap> {
    match Everywhere::find() {
        Ok(mut everywhere) => {
            unite(&mut everywhere);
            Ok(Host::Everywhere(Box::new(everywhere)))
        }
        Err(error) => Err(Gap::Unreadable {
            what: "network namespaces",
            place: "proc".to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The namespaces in which a host's sockets are, by the number that these have of theirs.
pub fn namespaces(host: &Host) -> Vec<Namespace> {
    match host {
        Host::Everywhere(everywhere) => namespaces_of(everywhere),
        _ => {
            let inode = host.netns();
            let pid = inode.filter(|_| !host.is_recorded()).and_then(process_in);
            vec![Namespace {
                inode,
                name: host.netns_name(),
                container: pid.and_then(container),
                pid,
                entrance: None,
            }]
        }
    }
}

/// All of several, each with a name that no other has.
pub(super) fn namespaces_of(everywhere: &Everywhere) -> Vec<Namespace> {
    unmistakable(everywhere.spaces().iter().map(namespace).collect())
}

/// A process in the namespace of this inode.
fn process_in(inode: u64) -> Option<u32> {
    let found = reachable_namespaces().ok()?.found;
    let found = found.iter().find(|one| one.inode == Some(inode));
    found.map(|namespace| namespace.pid)
}

/// The container of a process, of several the innermost.
fn container(pid: u32) -> Option<Vec<u8>> {
    let text = Host::Live.read_within(&format!("proc/{pid}/cgroup"), CGROUP_LIMIT);
    containers(&text.ok()?).pop()
}

/// One of several; its container is that of a process in it.
fn namespace(space: &Space) -> Namespace {
    Namespace {
        inode: space.inode,
        name: space.name.clone(),
        container: space.process().and_then(container),
        pid: space.process(),
        entrance: space.entrance(),
    }
}

/// Gives all but the first of those in one container their inodes in their names.
fn unmistakable(mut namespaces: Vec<Namespace>) -> Vec<Namespace> {
    let mut taken = HashSet::new();
    for namespace in &mut namespaces {
        let label = namespace.label().into_owned();
        if taken.insert(label.clone()) {
            continue;
        }
        let number = match (namespace.inode, namespace.pid) {
            (Some(inode), _) => format!(":{inode}"),
            (None, Some(pid)) => format!(":{pid}"),
            (None, None) => String::new(),
        };
        namespace.name = Some([&label[..], number.as_bytes()].concat());
    }
    namespaces
}
