//! Which of the network namespaces are one, where processes do not tell the inode of theirs.
//!
//! A mount tells the inode to everybody. That both are the same is known by the number that our
//! own namespace has for them, where it has one, as for those that a pair of veth leads to; or from
//! inside, where that may be entered.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;

use crate::kernel::{Everywhere, Exchange};
use crate::wire::nsid::{Subject, answers, request};

/// Takes those that are one for one, as far as that can be told.
pub(super) fn unite(everywhere: &mut Everywhere) {
    let Some((processes, mounts)) = everywhere.doubtful() else {
        return;
    };
    let of_processes = numbers(everywhere, &processes).unwrap_or_default();
    let places: HashMap<u32, u16> = of_processes.iter().map(|(at, nsid)| (*nsid, *at)).collect();
    let of_mounts = numbers(everywhere, &mounts).unwrap_or_default();
    let of_mounts: HashMap<u16, u32> = of_mounts.into_iter().collect();
    let mut pairs = Vec::new();
    for mount in mounts {
        let number = of_mounts.get(&mount);
        let by_number = number.and_then(|number| places.get(number).copied());
        let process = by_number.or_else(|| everywhere.seen_from_inside(mount));
        pairs.extend(process.map(|process| (process, mount)));
    }
    everywhere.unite(&pairs);
}

/// Places of namespaces, each with the number that ours has for it; those without are left out.
fn numbers(everywhere: &Everywhere, places: &[u16]) -> io::Result<Vec<(u16, u32)>> {
    let mut exchange = Exchange::of_routes()?;
    let mut numbers = Vec::new();
    for part in places.chunks(Exchange::MOST_REQUESTS) {
        let (mut requests, mut files) = (Vec::new(), Vec::new());
        for place in part {
            let Some(space) = everywhere.spaces().get(usize::from(*place)) else {
                continue;
            };
            let subject = match (space.process(), space.file()) {
                (Some(pid), _) => Subject::Process(pid),
                (None, Ok(file)) => {
                    let subject = Subject::Descriptor(file.as_raw_fd());
                    files.push(file);
                    subject
                }
                (None, Err(_)) => continue,
            };
            requests.extend(request(subject, u32::from(*place)));
        }
        let mut take = |(sequence, number)| {
            numbers.extend(u16::try_from(sequence).ok().map(|place| (place, number)));
        };
        exchange.ask(&requests, |chunk| answers(chunk).for_each(&mut take))?;
    }
    Ok(numbers)
}
