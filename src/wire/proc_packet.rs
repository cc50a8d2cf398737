//! Lines of `/proc/net/packet`: `sk RefCnt Type Proto Iface R Rmem User Inode`.

use super::proc_net::{Columns, LineError};
use crate::model::{Ends, PacketEnds, Protocol, Queues, Socket, SocketKind, State};

/// Parses one line.
pub(super) fn socket(line: &[u8]) -> Result<Socket, LineError> {
    let mut columns = Columns::of(line);
    columns.next("sk")?;
    columns.next("RefCnt")?;
    let kind = columns.narrow("Type", 10)?;
    let protocol = columns.narrow("Proto", 16)?;
    let interface = columns.narrow("Iface", 10)?;
    columns.next("R")?;
    let unread = columns.narrow("Rmem", 10)?;
    let uid = columns.narrow("User", 10)?;
    let inode = columns.number("Inode", 10)?;
    Ok(Socket {
        protocol: Protocol::Packet,
        state: State::Close,
        v6only: None,
        ends: Ends::Packet(PacketEnds {
            kind: SocketKind::from_kernel(kind),
            protocol,
        }),
        interface,
        queues: Queues::Bytes {
            unread,
            unacknowledged: 0,
        },
        timer: None,
        uid,
        inode,
        cookie: 0,
        netns: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sniffer_of_one_protocol() {
        let line = b"00000000242af047 3      2    0806   1     1 832    33     29004262";
        let socket = socket(line).unwrap();
        let ends = PacketEnds {
            kind: SocketKind::Datagram,
            protocol: 0x0806,
        };
        assert_eq!(socket.ends, Ends::Packet(ends));
        assert_eq!((socket.interface, socket.uid), (1, 33));
        assert_eq!((socket.queues.recv_q(), socket.inode), (832, 29_004_262));
        assert_eq!(super::socket(b"0 3 2 10806 1"), Err(LineError("Proto")));
        assert_eq!(super::socket(b"0 3 2 0806 1 1"), Err(LineError("Rmem")));
    }
}
