//! Who of a socket's holders serves it, and who has merely inherited it.
//!
//! A process is forked into its parent's session. So when a process is not the leader of its
//! session, and its parent is in another, its first parent has ended. That is how a worker looks
//! whose master was killed, but also a server that was told to go to the background:
//!
//! - What a script starts and leaves behind has executed a program of its own. If it serves the
//!   socket, it is the server; a worker runs on with what its master was.
//! - A shell gives each job a group of its own, which the server leads: the shell has ended, and
//!   there was no other server before it.
//! - A classic daemon forks twice, so that group and session are one, and who led both is gone. A
//!   worker of such a daemon looks the same; but workers are mostly several, in one group.
//!
//! Whoever has not lost its parent is a server, unless everything speaks for a `sleep` that a server
//! started without closing its descriptors, before it closed its own:
//!
//! - It neither accepts nor waits for anything on the socket, and its descriptor came through an
//!   exec if it was there before it: what exec would have closed it has opened itself.
//! - It has no connection that came to the port, nor has a child of it. Who has accepted one is a
//!   server, which may have as many connections as it takes and wait for one of them to end; a
//!   master does nothing but that as long as its workers serve.
//! - It runs another program than its parent, which is not the shell or service manager that
//!   starts servers and opens no socket for them, and it leads no group, as a job of a shell or a
//!   service does. Pid 1, which adopts orphans, is taken for who started it as long as whoever leads
//!   its group lives.
//!
//! The same `sleep` holds the socket while the server lives, too, and goes on holding it when the
//! server ends.
//!
//! A server that hangs looks the same if it was started by some other program, so that such a one
//! is likely to have inherited the socket, and no more.

use std::collections::{HashMap, HashSet};

use super::{Existing, Holding};
use crate::model::{Lineage, Parent};

/// Names of programs that start servers and have no sockets of their own to leave to them.
const STARTERS: [&[u8]; 14] = [
    b"ash",
    b"bash",
    b"busybox",
    b"dash",
    b"fish",
    b"init",
    b"ksh",
    b"mksh",
    b"s6-supervise",
    b"runsv",
    b"sh",
    b"systemd",
    b"tini",
    b"zsh",
];

impl Existing {
    /// Processes that hold the socket merely because they inherited it from another holder: each
    /// runs another program than that, and neither it nor a child of it waits for anything on the
    /// socket. A worker runs its master's program, or serves. Where nobody serves, whoever is to
    /// may only be starting.
    pub fn idle_heirs(&self) -> Vec<u32> {
        let Holding::By(holders) = &self.holding else {
            return Vec::new();
        };
        if self.idle().is_empty() {
            return Vec::new();
        }
        let serving = all_serving(holders, &HashSet::new());
        let known: HashMap<u32, &Lineage> = holders.iter().map(|(pid, one)| (*pid, one)).collect();
        let is_idle = |pid: u32, lineage: &Lineage| {
            !serving.contains(&pid) && lineage.close_on_exec == Some(false)
        };
        // What a child that became another program forks is no worker either.
        let is_heir = |&(pid, ref lineage): &(u32, Lineage)| {
            let (mut pid, mut lineage) = (pid, lineage);
            for _ in 0..holders.len() {
                let parent = lineage.parent.as_ref();
                let above = parent.and_then(|parent| known.get_key_value(&parent.pid));
                match above {
                    Some((&parent, &next)) if is_idle(pid, lineage) => {
                        if lineage.runs_as_parent == Some(false) {
                            return true;
                        }
                        (pid, lineage) = (parent, next);
                    }
                    Some(_) | None => return false,
                }
            }
            false
        };
        let heirs = holders.iter().filter(|holder| is_heir(holder));
        heirs.map(|(pid, _)| *pid).collect()
    }

    /// Processes that were seen to wait for nothing on the socket, nor does a child of theirs, while
    /// another holder serves it, or may.
    pub fn idle(&self) -> Vec<u32> {
        let Holding::By(holders) = &self.holding else {
            return Vec::new();
        };
        let serving = those_and_above(holders, |(_, lineage)| lineage.serves != Some(false));
        if serving.is_empty() {
            return Vec::new();
        }
        let pids = holders.iter().map(|(pid, _)| *pid);
        pids.filter(|pid| !serving.contains(pid)).collect()
    }

    /// Whether others may hold the socket too where not all processes may be read: nobody was
    /// seen who could have opened it, or the parent of a holder most likely has it.
    pub fn may_have_more_holders(&self) -> bool {
        let Holding::By(holders) = &self.holding else {
            return false;
        };
        let has_parent = |(pid, _): &(u32, Lineage)| self.hidden_parent(*pid).is_some();
        !self.is_opener_among(holders) || holders.iter().any(has_parent)
    }

    /// Whether one of these may have opened the socket.
    fn is_opener_among(&self, holders: &[(u32, Lineage)]) -> bool {
        let mut users = holders.iter().map(|(_, lineage)| lineage.user);
        users.any(|user| user.is_none_or(|user| user == self.socket.uid))
    }

    /// The parent of a holder that may not be read and most likely holds the socket as well, from
    /// which the holder got it: it is of the user who opened the socket, or has the holder's name
    /// where nobody was seen who could have opened it.
    pub fn hidden_parent(&self, pid: u32) -> Option<&Parent> {
        let Holding::By(holders) = &self.holding else {
            return None;
        };
        let (_, lineage) = holders.iter().find(|(holder, _)| *holder == pid)?;
        let parent = lineage.parent.as_ref()?;
        let is_starter = parent.pid == 1 || STARTERS.contains(&&parent.comm[..]);
        let is_like_it = parent.user == Some(self.socket.uid)
            || (parent.is_namesake && !self.is_opener_among(holders));
        (parent.is_closed && is_like_it && !is_starter).then_some(parent)
    }
}

/// How sure it is that nobody holds a socket but heirs, and their children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inherited {
    /// All of them have lost their parents, and what they hold is theirs by that.
    Surely,
    /// The parent of one lives.
    Likely,
}

/// Whether nobody holds the socket but heirs: those that have it from a server that has gone, or
/// has closed its own, and their children. `serving` are those that have connections which came to
/// the port, or whose children do.
pub(super) fn inherited(holders: &[(u32, Lineage)], serving: &HashSet<u32>) -> Option<Inherited> {
    let roots = Roots::of(holders, serving);
    let heirs = roots.heirs();
    if heirs.is_empty() || heirs.len() < roots.roots.len() {
        return None;
    }
    let lost = |&(pid, lineage): &(u32, &Lineage)| has_lost_parent(pid, lineage);
    Some(if heirs.iter().all(lost) {
        Inherited::Surely
    } else {
        Inherited::Likely
    })
}

/// Who holds one of these sockets, and their parents.
pub(super) fn holders_and_parents<'a>(sockets: impl Iterator<Item = &'a Existing>) -> HashSet<u32> {
    let mut found = HashSet::new();
    for existing in sockets {
        if let Holding::By(holders) = &existing.holding {
            for (pid, lineage) in holders {
                found.insert(*pid);
                found.extend(lineage.parent.as_ref().map(|parent| parent.pid));
            }
        }
    }
    found
}

/// The holders whose parents hold nothing.
pub(super) struct Roots<'a> {
    roots: Vec<&'a (u32, Lineage)>,
    /// How many there are of each process group.
    of_group: HashMap<u32, usize>,
    /// Those that serve, or may, by themselves or by who got the socket from them.
    serving: HashSet<u32>,
}

impl<'a> Roots<'a> {
    pub(super) fn of(holders: &'a [(u32, Lineage)], serving: &HashSet<u32>) -> Roots<'a> {
        let pids: HashSet<u32> = holders.iter().map(|&(pid, _)| pid).collect();
        let has_holding_parent = |lineage: &Lineage| {
            let parent = lineage.parent.as_ref();
            parent.is_some_and(|parent| pids.contains(&parent.pid))
        };
        let roots: Vec<_> = holders
            .iter()
            .filter(|(_, lineage)| !has_holding_parent(lineage))
            .collect();
        let mut of_group = HashMap::new();
        for (_, lineage) in &roots {
            *of_group.entry(lineage.group).or_default() += 1;
        }
        Roots {
            roots,
            of_group,
            serving: all_serving(holders, serving),
        }
    }

    /// Those that have inherited the socket. Those whose parents hold it too are their parents',
    /// and not among them.
    pub(super) fn heirs(&self) -> Vec<(u32, &'a Lineage)> {
        let roots = self.roots.iter().map(|(pid, lineage)| (*pid, lineage));
        roots
            .filter(|(pid, lineage)| self.is_heir(*pid, lineage))
            .collect()
    }

    fn is_heir(&self, pid: u32, lineage: &Lineage) -> bool {
        let serves = self.serving.contains(&pid);
        if !has_lost_parent(pid, lineage) {
            return !serves && lineage.group != pid && was_started_by_server(lineage);
        }
        if !serves {
            return true;
        }
        if lineage.group == pid || lineage.has_executed {
            return false;
        }
        let is_daemon = lineage.group == lineage.session
            && !lineage.group_leader_lives
            && !lineage.session_leader_lives;
        let of_group = self.of_group.get(&lineage.group).copied();
        !is_daemon || of_group.unwrap_or_default() > 1
    }
}

/// Whether a process may have its descriptor from a server that lives and has closed its own, or
/// has ended within the session of pid 1.
fn was_started_by_server(lineage: &Lineage) -> bool {
    let is_by_server = |parent: &Parent| match parent.pid {
        1 => !lineage.group_leader_lives,
        _ => lineage.runs_as_parent == Some(false) && !STARTERS.contains(&&parent.comm[..]),
    };
    lineage.close_on_exec == Some(false) && lineage.parent.as_ref().is_some_and(is_by_server)
}

/// The holders that serve, or may, and those above them.
fn all_serving(holders: &[(u32, Lineage)], known: &HashSet<u32>) -> HashSet<u32> {
    those_and_above(holders, |(pid, lineage)| {
        let is_idle = lineage.serves == Some(false) && lineage.close_on_exec != Some(true);
        !is_idle || known.contains(pid)
    })
}

/// Some holders, and those above them.
fn those_and_above(
    holders: &[(u32, Lineage)],
    is_one: impl Fn(&(u32, Lineage)) -> bool,
) -> HashSet<u32> {
    let parents: HashMap<u32, u32> = holders
        .iter()
        .filter_map(|(pid, lineage)| Some((*pid, lineage.parent.as_ref()?.pid)))
        .collect();
    let mut found = HashSet::new();
    for holder in holders.iter().filter(|holder| is_one(holder)) {
        let mut next = Some(holder.0);
        // Who is in it already has those above in it; numbers read at different times may go in
        // a circle.
        while let Some(pid) = next.filter(|pid| found.insert(*pid)) {
            next = parents.get(&pid).copied();
        }
    }
    found
}

/// Whether the process that forked it has ended.
fn has_lost_parent(pid: u32, lineage: &Lineage) -> bool {
    let Some(parent) = &lineage.parent else {
        return false;
    };
    match parent.session {
        Some(session) => lineage.session != pid && session != lineage.session,
        // Who adopts orphans is in nobody's session but its own. Of a session whose leader is
        // outside of our pid namespace, 0, nobody knows who is in it.
        None => ![0, pid].contains(&lineage.session) && parent.pid == 1,
    }
}
