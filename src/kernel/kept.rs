//! Network namespaces in which nobody need live: a mount keeps them, or an open descriptor.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::mounts;
use super::open_files::find_namespaces;
use super::privilege::may_enter_namespaces;
use super::walk::inode_of;
use crate::model::Holder;

/// How many descriptors of a namespace are remembered: all but the first are for the case that it
/// is closed meanwhile.
const MOST_HOLDERS: usize = 4;

/// The namespaces that a mount keeps, by inode, in the order of their paths: those of `ip netns`,
/// and those of container engines. It takes no rights to know of them.
pub(super) fn mounted() -> Vec<(PathBuf, u64)> {
    let mut found = mounts_of_namespaces(&mounts::read().unwrap_or_default());
    // The shortest path to each: /run/netns may be mounted more than once.
    found.sort_by(|(one, _), (other, _)| {
        let key = |path: &PathBuf| (path.as_os_str().len(), path.clone());
        key(one).cmp(&key(other))
    });
    let mut seen = Vec::new();
    found.retain(|(_, inode)| {
        let is_new = !seen.contains(inode);
        seen.push(*inode);
        is_new
    });
    found
}

fn mounts_of_namespaces(mountinfo: &[u8]) -> Vec<(PathBuf, u64)> {
    let of_network = |mount: mounts::Mount<'_>| {
        let inode = inode_of(b"net", mount.root).filter(|_| mount.kind == b"nsfs")?;
        Some((mount.point, inode))
    };
    mounts::mounts(mountinfo).filter_map(of_network).collect()
}

/// The file of a descriptor.
pub(super) fn descriptor_path(holder: Holder) -> PathBuf {
    format!("/proc/{}/fd/{}", holder.pid, holder.fd).into()
}

fn is_network(inode: u64, holder: Holder) -> bool {
    let target = fs::read_link(descriptor_path(holder)).unwrap_or_default();
    inode_of(b"net", target.as_os_str().as_bytes()) == Some(inode)
}

/// The namespaces that processes have open, by inode, in the order of the first descriptors; of
/// processes whose descriptors may be read. Nothing shows their tables but to enter them: whoever
/// may not enter any does not look through all open files for them.
pub(super) fn opened() -> io::Result<Vec<(Vec<Holder>, u64)>> {
    if !may_enter_namespaces() {
        return Ok(Vec::new());
    }
    let mut found = find_namespaces()?;
    found.retain(|(inode, holder)| is_network(*inode, *holder));
    found.sort_unstable_by_key(|(_, holder)| *holder);
    let mut holders: BTreeMap<u64, Vec<Holder>> = BTreeMap::new();
    for (inode, holder) in found {
        let holders = holders.entry(inode).or_default();
        if holders.len() < MOST_HOLDERS {
            holders.push(holder);
        }
    }
    let mut opened: Vec<_> = holders.into_iter().map(|(inode, by)| (by, inode)).collect();
    opened.sort_unstable();
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_other_things_are_no_namespaces() {
        let text = b"64 63 0:4 net:[4026532389] /run/netns/a\\040b rw - nsfs nsfs rw\n\
                     65 63 0:4 mnt:[4026532390] /run/mnt rw - nsfs nsfs rw\n\
                     66 63 0:4 net:[x] /run/x rw - nsfs nsfs rw\n\
                     67 63 0:30 net:[4026532391] /run/y rw - tmpfs none rw\n";
        let found = mounts_of_namespaces(text);
        assert_eq!(found, [("/run/netns/a b".into(), 4_026_532_389)]);
    }
}
