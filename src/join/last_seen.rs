//! What was seen of sockets while they lived, for the day they end: the kernel announces a
//! destroyed socket without its user, inode and holders.
//!
//! Each look at the tables gives a map of all live sockets. A socket that is no longer in it may
//! still be announced, so it is kept for some looks more; never many more than there are live ones.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Ends, Holder, Owners, Processes, Socket, State};

/// What tells a socket from all others. Kernels before 5.6 count cookies in each namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey {
    /// Inode of the network namespace; 0 where there is one only.
    pub namespace: u64,
    /// The kernel's number of the socket.
    pub cookie: u64,
}

/// What a look told of a socket.
#[derive(Clone, Debug)]
pub struct LastSeen {
    /// Its state.
    pub state: State,
    /// Its addresses and ports.
    pub ends: Ends,
    /// User who made it, [`Socket::NO_UID`] where no inode tells that there is one.
    pub uid: u32,
    /// Inode by which processes held it; 0 when none ever did.
    pub inode: u64,
    /// Whether an IPv6 socket refused IPv4.
    pub v6only: Option<bool>,
    /// Its mark, where that was asked for and told.
    pub mark: Option<u32>,
    /// Its cgroup, where that was asked for and told.
    pub cgroup: Option<u64>,
    /// Who held it.
    pub owners: LastSeenOwners,
}

/// Who held a socket when it was seen.
#[derive(Clone, Debug)]
pub enum LastSeenOwners {
    /// Nobody asked.
    Unasked,
    /// It was not seen with anybody: not yet accepted, or already left. That may have changed.
    Unseen,
    /// Somebody who may not be read.
    Hidden,
    /// All processes were read and none held it.
    Unheld,
    /// These.
    Known {
        /// The holders, by pid.
        holders: Box<[Holder]>,
        /// The processes of that look.
        processes: Arc<Processes>,
    },
}

// There are as many of these as there are sockets.
const _: () = assert!(size_of::<LastSeen>() <= 112);

impl LastSeenOwners {
    /// Keeps what a look found.
    pub fn new(owners: Owners<'_>, processes: &Arc<Processes>) -> LastSeenOwners {
        match owners {
            Owners::Unasked => LastSeenOwners::Unasked,
            // Nobody could hold it then; by its end somebody may have accepted it.
            Owners::None | Owners::Unseen => LastSeenOwners::Unseen,
            Owners::Hidden => LastSeenOwners::Hidden,
            Owners::Unheld => LastSeenOwners::Unheld,
            Owners::Known { holders, .. } => LastSeenOwners::Known {
                holders: holders.into(),
                processes: Arc::clone(processes),
            },
        }
    }

    /// The owners of a row.
    pub fn owners(&self) -> Owners<'_> {
        match self {
            LastSeenOwners::Unasked => Owners::Unasked,
            LastSeenOwners::Unseen => Owners::Unseen,
            LastSeenOwners::Hidden => Owners::Hidden,
            LastSeenOwners::Unheld => Owners::Unheld,
            LastSeenOwners::Known { holders, processes } => Owners::Known { holders, processes },
        }
    }
}

impl LastSeen {
    /// What a row of a table tells, and who holds it.
    pub fn new(socket: &Socket, owners: LastSeenOwners) -> LastSeen {
        LastSeen {
            state: socket.state,
            ends: socket.ends,
            uid: match socket.inode {
                0 => Socket::NO_UID,
                _ => socket.uid,
            },
            inode: socket.inode,
            v6only: socket.v6only,
            mark: None,
            cgroup: None,
            owners,
        }
    }

    /// Keeps of an earlier look what is no longer to be seen: a process that closes a connection
    /// leaves it to the kernel, which ends it later without a user and an inode.
    fn recall(&mut self, earlier: &LastSeen) {
        let is_known = |owners: &LastSeenOwners| matches!(owners, LastSeenOwners::Known { .. });
        let left = self.inode == 0 && earlier.inode != 0;
        let lost = !is_known(&self.owners) && is_known(&earlier.owners);
        if left || lost {
            (self.uid, self.inode) = (earlier.uid, earlier.inode);
            self.owners = earlier.owners.clone();
        }
        self.mark = self.mark.or(earlier.mark);
        self.cgroup = self.cgroup.or(earlier.cgroup);
    }
}

/// How many looks later a socket that vanished is still known. Under load the kernel announces
/// it seconds after it took it out of its tables.
const MOST_LOOKS: u8 = 10;
/// So many that vanished are kept for more than one look, or as many as live.
const FEW: usize = 1 << 12;

/// All live sockets, and those that lived before and may still be announced.
#[derive(Clone, Debug, Default)]
pub struct Look {
    sockets: Arc<HashMap<SocketKey, LastSeen>>,
    vanished: Arc<HashMap<SocketKey, Vanished>>,
}

#[derive(Clone, Debug)]
struct Vanished {
    last_seen: LastSeen,
    /// Looks that did not see it.
    looks: u8,
}

impl Look {
    /// A look that comes after this one.
    pub fn then(&self, seen: impl IntoIterator<Item = (SocketKey, LastSeen)>) -> Look {
        let mut sockets: HashMap<SocketKey, LastSeen> = seen.into_iter().collect();
        let mut vanished = HashMap::new();
        for (key, earlier) in self.sockets.iter() {
            match sockets.get_mut(key) {
                Some(socket) => socket.recall(earlier),
                None => {
                    let last_seen = earlier.clone();
                    vanished.insert(
                        *key,
                        Vanished {
                            last_seen,
                            looks: 1,
                        },
                    );
                }
            }
        }
        let room = FEW.max(sockets.len()).saturating_sub(vanished.len());
        let older = self.vanished.iter();
        let older = older.filter(|(_, older)| older.looks < MOST_LOOKS);
        vanished.extend(older.take(room).map(|(key, older)| {
            let mut older = older.clone();
            older.looks += 1;
            (*key, older)
        }));
        Look {
            sockets: Arc::new(sockets),
            vanished: Arc::new(vanished),
        }
    }

    /// What is known of a socket; `None` when no look saw it.
    pub fn find(&self, key: &SocketKey) -> Option<&LastSeen> {
        let vanished = || self.vanished.get(key).map(|gone| &gone.last_seen);
        self.sockets.get(key).or_else(vanished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Ends, Process, Protocol, Queues};
    use std::net::{IpAddr, Ipv4Addr};

    fn key(cookie: u64) -> SocketKey {
        SocketKey {
            namespace: 0,
            cookie,
        }
    }

    fn socket(state: State, inode: u64) -> Socket {
        let nowhere = Endpoint {
            addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 0,
        };
        Socket {
            protocol: Protocol::Tcp,
            state,
            v6only: None,
            ends: Ends::inet(nowhere, nowhere),
            interface: 0,
            queues: Queues::Bytes {
                unread: 0,
                unacknowledged: 0,
            },
            timer: None,
            uid: if inode == 0 { 0 } else { 33 },
            inode,
            cookie: 1,
            netns: 0,
        }
    }

    /// Seen in the hands of a process.
    fn held(pid: u32) -> LastSeen {
        let comm = format!("p{pid}").into_bytes();
        let process = Process {
            comm,
            ..Process::default()
        };
        let owners = LastSeenOwners::Known {
            holders: [Holder { pid, fd: 3 }].into(),
            processes: Arc::new(Processes::from([(pid, process)])),
        };
        LastSeen::new(&socket(State::Established, 7), owners)
    }

    fn comms(found: Option<&LastSeen>) -> Vec<String> {
        let found = found.unwrap();
        let owners = found.owners.owners();
        let names = owners
            .iter()
            .map(|owner| String::from_utf8_lossy(&owner.process.comm).into_owned());
        names.collect()
    }

    #[test]
    fn what_vanished_is_known_for_some_looks_more() {
        let mut look = Look::default().then([(key(1), held(5))]);
        for _ in 0..MOST_LOOKS {
            look = look.then([(key(2), held(6))]);
            assert_eq!(comms(look.find(&key(1))), ["p5"]);
        }
        look = look.then([(key(2), held(6))]);
        assert!(look.find(&key(1)).is_none());
        assert_eq!(comms(look.find(&key(2))), ["p6"]);
    }

    #[test]
    fn what_vanished_takes_no_more_memory_than_what_lives() {
        let mut look = Look::default();
        let each = FEW as u64 / 2;
        for round in 0..8 {
            look = look.then((0..each).map(|number| (key(round * each + number), held(5))));
            assert!(look.vanished.len() <= FEW, "{}", look.vanished.len());
        }
        assert_eq!(look.vanished.len(), FEW);
        let just_vanished = 6 * each..7 * each;
        assert!(
            just_vanished
                .into_iter()
                .all(|number| look.find(&key(number)).is_some())
        );
    }

    #[test]
    fn a_connection_that_its_process_left_keeps_user_and_holder_through_any_number_of_looks() {
        let mut look = Look::default().then([(key(1), held(5))]);
        for state in [State::FinWait1, State::FinWait2, State::FinWait2] {
            let left = LastSeen::new(&socket(state, 0), LastSeenOwners::Unseen);
            look = look.then([(key(1), left)]);
            let found = look.find(&key(1)).unwrap();
            assert_eq!((found.state, found.uid, found.inode), (state, 33, 7));
            assert_eq!(comms(Some(found)), ["p5"]);
        }
    }

    #[test]
    fn a_holder_that_ends_during_a_look_is_kept_and_one_that_takes_over_is_not_confused() {
        let look = Look::default().then([(key(1), held(5))]);
        for owners in [LastSeenOwners::Hidden, LastSeenOwners::Unheld] {
            let lost = LastSeen::new(&socket(State::Established, 7), owners);
            let look = look.then([(key(1), lost)]);
            assert_eq!(comms(look.find(&key(1))), ["p5"]);
        }
        let look = look.then([(key(1), held(6))]);
        assert_eq!(comms(look.find(&key(1))), ["p6"]);
    }

    #[test]
    fn who_holds_what_nobody_held_yet_is_not_said_to_be_nobody() {
        let processes = Arc::new(Processes::new());
        let owners = LastSeenOwners::new(Owners::None, &processes);
        let waiting = LastSeen::new(&socket(State::Established, 0), owners);
        assert_eq!(waiting.uid, Socket::NO_UID);
        assert_eq!(waiting.owners.owners().status(), Some("unseen"));
    }

    #[test]
    fn the_same_cookie_elsewhere_is_another_socket() {
        let look = Look::default().then([(key(1), held(5))]);
        let elsewhere = SocketKey {
            namespace: 4_026_531_840,
            cookie: 1,
        };
        assert!(look.find(&elsewhere).is_none());
    }
}
