//! Destroys sockets that were listed: each by the id and the cookie that it had, so that no other
//! one is ever hit, however fast its addresses are used again.

mod alike;
mod left_behind;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use self::alike::{alike, stays_in_the_way};
use self::left_behind::left_behind_here;
use super::{Batch, Flow, Method, Receiver, Request, collect_here};
use crate::kernel::{Exchange, Host, errno};
use crate::model::{
    DetailSet, Errno, Fate, Gap, Obstacle, Protocol, Socket, State, StateSet, Table,
};
use crate::wire::destroy::{AnswerKind, answers, destroy_request, find_request};

/// Of sockets that are bound alike the kernel chooses one by the hash of the peer. With so many
/// ports of peers one of 250 is missed once in ten million times.
const MOST_PEER_PORTS: u16 = 4096;
/// The same where the first was looked for in vain: it mostly means that the kernel does not choose.
const FEW_PEER_PORTS: u16 = 256;

/// Destroys sockets that were read from this host; returns what became of each, in their order.
pub fn destroy(host: &Host, sockets: &[Socket]) -> Vec<Fate> {
    let unreachable = Fate::Refused(Obstacle::NoNamespace);
    in_each_namespace(host, sockets, unreachable, destroy_here)
}

/// Of each socket, how many others may get nothing any more once it is destroyed and until its
/// program closes it: UDP sockets on the same port, which are not among these.
pub fn left_behind(host: &Host, sockets: &[Socket]) -> Vec<usize> {
    in_each_namespace(host, sockets, 0, left_behind_here)
}

/// What `work` returns of each socket, called once in each network namespace with those that are
/// there; `otherwise` of those in one that nobody can enter.
fn in_each_namespace<T: Clone + Send>(
    host: &Host,
    sockets: &[Socket],
    otherwise: T,
    work: impl Fn(&Host, &[Socket]) -> Vec<T> + Sync,
) -> Vec<T> {
    let Host::Everywhere(everywhere) = host else {
        return work(host, sockets);
    };
    let mut places: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (index, socket) in sockets.iter().enumerate() {
        places.entry(socket.netns).or_default().push(index);
    }
    let mut all = vec![otherwise; sockets.len()];
    for (netns, indices) in places {
        let there: Vec<Socket> = indices.iter().map(|&index| sockets[index]).collect();
        let came = everywhere.at(netns, |host| work(host, &there));
        for (index, one) in indices.into_iter().zip(came.into_iter().flatten()) {
            all[index] = one;
        }
    }
    all
}

/// Destroys sockets of the network namespace that this thread is in.
fn destroy_here(host: &Host, sockets: &[Socket]) -> Vec<Fate> {
    if !host.is_here() {
        return vec![Fate::Refused(Obstacle::NoNamespace); sockets.len()];
    }
    let fate = |socket: &Socket| match destroy_request(socket, 0, 0) {
        Some(_) => Fate::Gone,
        None => Fate::Refused(Obstacle::NoCookie),
    };
    let mut work = Work {
        exchange: match Exchange::of_sockets() {
            Ok(exchange) => exchange,
            Err(error) => return vec![Fate::Refused(obstacle(&error)); sockets.len()],
        },
        sockets: sockets.to_vec(),
        fates: sockets.iter().map(fate).collect(),
    };
    let all = (0..sockets.len()).filter(|&index| work.fates[index] == Fate::Gone);
    let (raw, others): (Vec<usize>, Vec<usize>) =
        all.partition(|&index| sockets[index].protocol == Protocol::Raw);
    let mut groups = alike(sockets, &others);
    // The order of these matters: none is destroyed that was only found by chance.
    groups.retain(|group| group.len() == 1 || !stays_in_the_way(&sockets[group[0]]));
    work.attempt(&groups.concat(), 0);
    work.attempt_raw(&raw);
    work.seek();
    work.fates
}

/// Sockets on their way out, and what became of each so far.
struct Work {
    exchange: Exchange,
    sockets: Vec<Socket>,
    fates: Vec<Fate>,
}

impl Work {
    /// Asks for these to be destroyed.
    fn attempt(&mut self, indices: &[usize], peer_port: u16) {
        for part in indices.chunks(Exchange::MOST_REQUESTS) {
            // What is never answered counts as refused.
            for &index in part {
                self.fates[index] = Fate::Refused(Obstacle::Kernel(errno(libc::ENOBUFS)));
            }
            let request = |&index: &usize| {
                let sequence = u32::try_from(index).ok()?;
                destroy_request(&self.sockets[index], sequence, peer_port)
            };
            let requests: Vec<u8> = part.iter().filter_map(request).flatten().collect();
            let fates = &mut self.fates;
            let sent = self.exchange.ask(&requests, |chunk| {
                for answer in answers(chunk) {
                    let place = usize::try_from(answer.sequence).ok();
                    let Some(fate) = place.and_then(|place| fates.get_mut(place)) else {
                        continue;
                    };
                    *fate = match answer.kind {
                        AnswerKind::Done => Fate::Destroyed,
                        AnswerKind::Refused(libc::ENOENT) => Fate::Gone,
                        AnswerKind::Refused(number) => {
                            Fate::Refused(Obstacle::Kernel(errno(number)))
                        }
                        AnswerKind::Found(_) => continue,
                    };
                }
            });
            if let Err(error) = sent {
                for &index in part {
                    self.fates[index] = Fate::Refused(obstacle(&error));
                }
            }
        }
    }

    /// The same of raw sockets, one by one: as the kernel does not compare their cookies, it is
    /// asked first which one it would destroy.
    fn attempt_raw(&mut self, indices: &[usize]) {
        for &index in indices {
            let socket = self.sockets[index];
            let mut found = None;
            let request = find_request(&socket, 0).unwrap_or_default();
            let asked = self.exchange.ask(&request, |chunk| {
                found = answers(chunk).map(|answer| answer.kind).next();
            });
            let spared = match asked {
                Ok(()) => spared(&socket, found),
                Err(error) => Some(Fate::Refused(obstacle(&error))),
            };
            match spared {
                Some(fate) => self.fates[index] = fate,
                None => self.attempt(&[index], 0),
            }
        }
    }

    /// Looks for those that the kernel did not find: what is there still, it may find elsewhere
    /// or on another try, as the sockets go that stood before them.
    fn seek(&mut self) {
        loop {
            let lost: Vec<usize> = (0..self.sockets.len())
                .filter(|&index| self.fates[index] == Fate::Gone)
                .collect();
            if lost.is_empty() {
                return;
            }
            let alive = self.alive(&lost);
            if alive.is_empty() {
                return;
            }
            let mut found_one = false;
            for group in alike(&self.sockets, &alive) {
                found_one |= self.try_group(&group);
            }
            if !found_one {
                return;
            }
            // Nothing is tried twice in vain: only where one went may another be found.
            for fate in &mut self.fates {
                if *fate == Fate::Refused(Obstacle::Hidden) {
                    *fate = Fate::Gone;
                }
            }
        }
    }

    /// Tries those that are bound alike once more; whether the kernel found one now.
    fn try_group(&mut self, group: &[usize]) -> bool {
        let mut most = MOST_PEER_PORTS;
        let mut found_one = false;
        for &index in group {
            found_one |= self.try_again(index, most);
            if !found_one {
                most = FEW_PEER_PORTS;
            }
        }
        found_one
    }

    /// Tries one that is there once more, for so many peers; whether the kernel found it now.
    fn try_again(&mut self, index: usize, most: u16) -> bool {
        let socket = self.sockets[index];
        if socket.protocol == Protocol::Raw {
            self.attempt_raw(&[index]);
        } else {
            let is_one_of_several = socket.is_listening();
            let most = if is_one_of_several { most } else { 0 };
            for peer_port in 0..=most {
                self.attempt(&[index], peer_port);
                if self.fates[index] != Fate::Gone {
                    break;
                }
            }
        }
        let found = self.fates[index] != Fate::Gone;
        if !found {
            self.fates[index] = Fate::Refused(match socket.state {
                State::BoundInactive => Obstacle::Bound,
                _ => Obstacle::Hidden,
            });
        }
        found
    }

    /// Those of them that are there as they were.
    fn alive(&mut self, indices: &[usize]) -> Vec<usize> {
        let mut tables: Vec<Table> = Vec::new();
        for &index in indices {
            let table = self.sockets[index].table();
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        let places = indices.iter().map(|&index| {
            let socket = &self.sockets[index];
            (socket.cookie, index)
        });
        let mut look = Look {
            wanted: places.collect(),
            found: Vec::new(),
        };
        let request = Request {
            tables,
            states: StateSet::ALL,
            details: DetailSet::NONE,
            method: Method::Netlink,
            condition: None,
        };
        let read = collect_here(&Host::Live, &request, &mut look);
        let is_blind = match &read {
            Ok(report) => report.gaps.iter().any(Gap::loses_sockets),
            Err(_) => true,
        };
        let seen: HashSet<usize> = look.found.iter().map(|&(index, _)| index).collect();
        if is_blind {
            // That one is gone is said of what is known to be.
            for &index in indices.iter().filter(|index| !seen.contains(index)) {
                self.fates[index] = Fate::Refused(Obstacle::Kernel(Errno::NotFound));
            }
        }
        let is_same = |&(index, now): &(usize, Socket)| is_same(&self.sockets[index], &now);
        let same = look.found.into_iter().filter(is_same);
        let mut same: Vec<usize> = same.map(|(index, _)| index).collect();
        same.sort_unstable();
        same
    }
}

/// Whether a socket is what it was when it was listed. A connection that was reset may be there
/// without its peer, and with its port for as long as a process holds it.
fn is_same(then: &Socket, now: &Socket) -> bool {
    let is_what_is_left = now.state == State::BoundInactive && then.state != now.state;
    then.ends == now.ends && then.interface == now.interface && !is_what_is_left
}

/// What becomes of a raw socket without being destroyed, after what the kernel found in its place;
/// `None` when that was the socket itself.
fn spared(socket: &Socket, found: Option<AnswerKind>) -> Option<Fate> {
    match found {
        Some(AnswerKind::Found(cookie)) if cookie == socket.cookie => None,
        Some(AnswerKind::Refused(number)) if number != libc::ENOENT => {
            Some(Fate::Refused(Obstacle::Kernel(errno(number))))
        }
        // Another one, or none.
        _ => Some(Fate::Gone),
    }
}

/// Looks for sockets by their cookies.
struct Look {
    wanted: HashMap<u64, usize>,
    found: Vec<(usize, Socket)>,
}

impl Receiver for Look {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            if let Some(&index) = self.wanted.get(&socket.cookie) {
                self.found.push((index, *socket));
            }
        }
        Ok(Flow::More)
    }

    /// What was seen was there.
    fn take_back(&mut self) -> bool {
        true
    }
}

fn obstacle(error: &io::Error) -> Obstacle {
    Obstacle::Kernel(errno(error.raw_os_error().unwrap_or(libc::EIO)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::inet_diag;

    fn raw(cookie: u32) -> Socket {
        let mut row = [0; inet_diag::ROW_LEN];
        row[0] = 2;
        row[44..48].copy_from_slice(&cookie.to_ne_bytes());
        inet_diag::socket(&row, Protocol::Raw).unwrap()
    }

    #[test]
    fn a_raw_socket_is_spared_where_another_is_found() {
        let socket = raw(5);
        assert_eq!(spared(&socket, Some(AnswerKind::Found(5))), None);
        for other in [
            Some(AnswerKind::Found(6)),
            Some(AnswerKind::Refused(libc::ENOENT)),
            Some(AnswerKind::Done),
            None,
        ] {
            assert_eq!(spared(&socket, other), Some(Fate::Gone), "{other:?}");
        }
        let refused = Some(AnswerKind::Refused(libc::EINVAL));
        let expected = Fate::Refused(Obstacle::Kernel(Errno::Invalid));
        assert_eq!(spared(&socket, refused), Some(expected));
    }

    #[test]
    fn what_lost_its_peer_or_port_is_not_the_same() {
        let then = raw(5);
        assert!(is_same(&then, &then));
        let bound = Socket {
            state: State::BoundInactive,
            ..then
        };
        assert!(!is_same(&then, &bound) && is_same(&bound, &bound));
        let elsewhere = Socket {
            interface: 1,
            ..then
        };
        assert!(!is_same(&then, &elsewhere));
    }
}
