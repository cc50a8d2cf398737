//! The ends of sockets, as the kernel announces them in each network namespace.

use std::io;

use crate::kernel::{Announcements, Everywhere, Host};
use crate::model::{Gap, Table, UnseenNamespaces};
use crate::wire::destroyed;

/// A network namespace that announces.
#[derive(Debug)]
pub struct Source {
    /// What comes from there.
    pub announcements: Announcements,
    /// Its number among those that are looked at.
    pub netns: u16,
    /// Its inode; 0 where there is one only.
    pub inode: u64,
}

/// Those that were joined.
#[derive(Debug, Default)]
pub struct Joined {
    /// Them.
    pub sources: Vec<Source>,
    /// Which could not be joined.
    pub gaps: Vec<Gap>,
}

/// Joins what is announced of these tables, in each namespace but those of the inodes that were
/// joined before. An error when there is one namespace only, or none could be joined.
pub fn join_announcements(
    host: &Host,
    tables: &[Table],
    joined_before: &[u64],
) -> io::Result<Joined> {
    let groups = destroyed::groups(tables);
    match host {
        Host::Everywhere(everywhere) => join_everywhere(everywhere, groups, joined_before),
        _ => Ok(Joined {
            sources: vec![Source {
                announcements: host.join(groups)?,
                netns: 0,
                inode: 0,
            }],
            gaps: Vec::new(),
        }),
    }
}

fn join_everywhere(
    everywhere: &Everywhere,
    groups: u32,
    joined_before: &[u64],
) -> io::Result<Joined> {
    let mut joined = Joined::default();
    let (mut refused, mut first_refusal) = (0, None);
    for (netns, space) in (0..=u16::MAX).zip(everywhere.spaces()) {
        let inode = space.inode.unwrap_or(0);
        if joined_before.contains(&inode) {
            continue;
        }
        match everywhere.at(netns, |host| host.join(groups)) {
            Some(Ok(announcements)) => joined.sources.push(Source {
                announcements,
                netns,
                inode,
            }),
            Some(Err(error)) => {
                refused += 1;
                first_refusal.get_or_insert(error);
            }
            // With its last process a namespace ends.
            None => {}
        }
    }
    if everywhere.hidden_processes > 0 {
        joined.gaps.push(Gap::Namespaces {
            count: everywhere.hidden_processes,
            why: UnseenNamespaces::OfProcesses,
        });
    }
    match first_refusal {
        Some(error) if joined.sources.is_empty() && joined_before.is_empty() => Err(error),
        Some(error) => {
            joined.gaps.push(Gap::Namespaces {
                count: refused,
                why: UnseenNamespaces::Unread {
                    reason: error.to_string(),
                    at_most: false,
                },
            });
            Ok(joined)
        }
        None => Ok(joined),
    }
}
