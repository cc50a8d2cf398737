//! Sockets that are bound alike, of which the kernel finds only one at a time.

use std::collections::HashMap;

use crate::model::{Protocol, Socket};

/// Groups those of the same protocol, addresses and interface, each in the order in which it is to
/// be destroyed; `sockets` are as the kernel listed them.
pub(super) fn alike(sockets: &[Socket], indices: &[usize]) -> Vec<Vec<usize>> {
    let mut places = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &index in indices {
        let socket = &sockets[index];
        let ends = socket.inet().map(|ends| (ends.local, ends.peer));
        let key = (socket.protocol, ends, socket.interface);
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    for group in &mut groups {
        // The kernel lists them in the order in which it looks at them.
        if stays_in_the_way(&sockets[group[0]]) {
            group.reverse();
        }
    }
    groups
}

/// Whether the kernel goes on to find it, and no other, once it is destroyed: UDP on every address
/// stays bound, but leaves its group of SO_REUSEPORT. So whatever is looked at last has to go
/// first.
pub(super) fn stays_in_the_way(socket: &Socket) -> bool {
    let ends = socket.inet();
    socket.protocol == Protocol::Udp
        && socket.is_listening()
        && ends.is_some_and(|ends| ends.local.is_wildcard())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::inet_diag;

    fn sockets(family: u8, protocol: Protocol, addresses: &[u8]) -> Vec<Socket> {
        let row = |address: &u8| {
            let mut row = [0; inet_diag::ROW_LEN];
            row[0] = family;
            row[1] = 7;
            row[8] = *address;
            inet_diag::socket(&row, protocol).unwrap()
        };
        addresses.iter().map(row).collect()
    }

    #[track_caller]
    fn check(family: u8, protocol: Protocol, addresses: &[u8], groups: &[&[usize]]) {
        let sockets = sockets(family, protocol, addresses);
        let all: Vec<usize> = (0..sockets.len()).collect();
        assert_eq!(alike(&sockets, &all), groups);
    }

    #[test]
    fn what_the_kernel_looks_at_last_goes_first() {
        check(2, Protocol::Udp, &[0, 0, 0], &[&[2, 1, 0]]);
        check(10, Protocol::Udp, &[0, 0, 0], &[&[2, 1, 0]]);
        check(2, Protocol::Udp, &[127, 0, 127, 0], &[&[0, 2], &[3, 1]]);
        check(2, Protocol::Tcp, &[0, 0, 1], &[&[0, 1], &[2]]);
        check(2, Protocol::Tcp, &[], &[]);
    }
}
