//! Lines of `/proc/net/netlink`: `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`.

use super::proc_net::{Columns, LineError};
use crate::model::{
    Details, Ends, EndsDetails, NetlinkDetails, NetlinkEnds, Protocol, Queues, Socket, State,
};

/// Parses one line. What it is connected to is not told there.
pub(super) fn socket(line: &[u8]) -> Result<Socket, LineError> {
    let mut columns = Columns::of(line);
    columns.next("sk")?;
    let protocol = columns.narrow("Eth", 10)?;
    let port = columns.narrow("Pid", 10)?;
    columns.next("Groups")?;
    let unread = columns.narrow("Rmem", 10)?;
    let unacknowledged = columns.narrow("Wmem", 10)?;
    for name in ["Dump", "Locks", "Drops"] {
        columns.next(name)?;
    }
    let inode = columns.number("Inode", 10)?;
    Ok(Socket {
        protocol: Protocol::Netlink,
        state: State::Close,
        v6only: None,
        ends: Ends::Netlink(NetlinkEnds {
            protocol,
            port,
            peer: None,
        }),
        interface: 0,
        queues: Queues::Bytes {
            unread,
            unacknowledged,
        },
        timer: None,
        uid: Socket::NO_UID,
        inode,
        cookie: 0,
        netns: 0,
    })
}

/// The groups of one line.
pub(super) fn details(line: &[u8]) -> Details {
    let mut columns = Columns::of(line);
    let groups = (|| {
        for name in ["sk", "Eth", "Pid"] {
            columns.next(name)?;
        }
        columns.number("Groups", 16)
    })();
    Details {
        ends: groups.ok().map(|groups| {
            Box::new(EndsDetails::Netlink(NetlinkDetails {
                groups: vec![groups],
            }))
        }),
        ..Details::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_to_two_groups() {
        let line = b"000000003512d44a 15  20050      00000005 8        4        0     2        0        29004263";
        let socket = socket(line).unwrap();
        let ends = NetlinkEnds {
            protocol: 15,
            port: 20050,
            peer: None,
        };
        assert_eq!(socket.ends, Ends::Netlink(ends));
        assert_eq!((socket.queues.recv_q(), socket.queues.send_q()), (8, 4));
        assert_eq!(socket.inode, 29_004_263);
        let Some(EndsDetails::Netlink(netlink)) = details(line).ends.map(|ends| *ends) else {
            unreachable!()
        };
        assert_eq!(netlink.numbers().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(super::socket(b"0 256 1"), Err(LineError("Eth")));
        assert_eq!(
            super::socket(b"0 15 1 0 0 0 0 2 0"),
            Err(LineError("Inode"))
        );
    }
}
