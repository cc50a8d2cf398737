//! Sockets of which everything is known.

use crate::model::{
    CongestionControl, CongestionName, Details, Endpoint, Ends, EndsDetails, Memory, MptcpSubflow,
    NetlinkDetails, PacketDetails, PacketInfo, PacketRing, Protocol, Queues, Socket, State,
    TcpDetails, TcpInfo, TcpMetric, Timer, TimerKind, Tls, Ulp, UnixDetails, UnixFile,
};

pub(super) fn end(text: &str) -> Endpoint {
    let end: std::net::SocketAddr = text.parse().unwrap();
    Endpoint {
        addr: end.ip(),
        port: end.port(),
    }
}

pub(super) fn socket(protocol: Protocol, ends: Ends) -> Socket {
    Socket {
        protocol,
        state: State::Established,
        v6only: Some(true),
        ends,
        interface: 2,
        queues: Queues::Backlog {
            pending: 1,
            max: Some(128),
        },
        timer: Some(Timer {
            kind: TimerKind::On,
            expires_ms: 200,
            retransmits: 3,
        }),
        uid: 33,
        inode: 5,
        cookie: 6,
        netns: 0,
    }
}

/// Details of TCP with every number there is.
pub(super) fn tcp(control: CongestionControl) -> Details {
    let mut info = TcpInfo::EMPTY;
    for (value, metric) in (1..).zip(TcpMetric::ALL) {
        info.set(metric, value);
    }
    let tls = Tls {
        version: Some(0x304),
        cipher: Some(51),
        rx: Some(2),
        tx: Some(3),
        zero_copy_sendfile: true,
        no_padding: false,
    };
    let subflow = MptcpSubflow {
        flags: Some(5),
        tokens: Some(((1, 2), (3, 4))),
        map_sequence: Some(5),
        map_subflow_sequence: Some(6),
        subflow_offset: Some(7),
        map_length: Some(8),
    };
    Details {
        mark: Some(7),
        cgroup: Some(8),
        shutdown: Some(1),
        tos: Some(16),
        traffic_class: Some(32),
        class_id: Some(9),
        memory: Some(Memory {
            rmem_alloc: 1,
            rcvbuf: 2,
            wmem_alloc: 3,
            sndbuf: 4,
            fwd_alloc: 5,
            wmem_queued: 6,
            optmem: 7,
            backlog: Some(8),
            drops: Some(9),
        }),
        tcp: Some(Box::new(TcpDetails {
            info: Some(info),
            congestion: CongestionName::new(b"cubic"),
            control: Some(control),
            ulp: Some(Box::new(Ulp {
                name: b"tls".to_vec(),
                tls: Some(tls),
                mptcp: Some(subflow),
            })),
            md5_peers: vec![(end("10.0.0.1:0").addr, 32), (end("[::1]:0").addr, 128)],
        })),
        ..Details::default()
    }
}

pub(super) const CONTROLS: [CongestionControl; 3] = [
    CongestionControl::Vegas {
        enabled: true,
        rtt_count: 1,
        rtt_us: 2,
        min_rtt_us: 3,
    },
    CongestionControl::Dctcp {
        enabled: false,
        ce_state: 1,
        alpha: 2,
        acked_ecn_bytes: 3,
        acked_bytes: 4,
    },
    CongestionControl::Bbr {
        bytes_per_s: 1,
        min_rtt_us: 2,
        pacing_gain: 739,
        cwnd_gain: 512,
    },
];

fn details_of(ends: EndsDetails) -> Details {
    Details {
        ends: Some(Box::new(ends)),
        ..Details::default()
    }
}

/// Details of a unix, a packet and a netlink socket.
pub(super) fn beyond_ip() -> [Details; 3] {
    let ring = PacketRing {
        block_size: 1,
        blocks: 2,
        frame_size: 3,
        frames: 4,
        retire_ms: 5,
        features: 6,
    };
    let unix = UnixDetails {
        file: Some(UnixFile {
            inode: 1,
            device: 8 << 20 | 2,
        }),
        pending: Some(vec![3, 4]),
    };
    let packet = PacketDetails {
        info: Some(PacketInfo {
            version: 2,
            copy_threshold: 3,
            flags: 5,
        }),
        rx_ring: Some(ring),
        tx_ring: Some(ring),
        fanout: Some(1 << 16 | 7),
    };
    let netlink = NetlinkDetails { groups: vec![5] };
    [
        details_of(EndsDetails::Unix(unix)),
        details_of(EndsDetails::Packet(packet)),
        details_of(EndsDetails::Netlink(netlink)),
    ]
}
