//! The columns of details: what each is called, and what it is a part of.

use crate::model::DetailSet;

macro_rules! details {
    ($($asked:ident { $($(#[$doc:meta])* $detail:ident $name:literal,)* })*) => {
        /// A detail of a socket that has a column of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Detail {
            $($($(#[$doc])* $detail,)*)*
        }

        impl Detail {
            /// All of them, in the order of JSON.
            pub const ALL: [Detail; [$($($name),*),*].len()] = [$($(Detail::$detail),*),*];

            /// Its name, with its unit where it has one.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Detail::$detail => $name,)*)*
                }
            }

            /// What it is a part of.
            pub const fn set(self) -> DetailSet {
                match self {
                    $($(Detail::$detail)|* => DetailSet { $asked: true, ..DetailSet::NONE },)*
                }
            }
        }
    };
}

details! {
    extended {
        /// `SO_MARK`.
        Mark "mark",
        /// Path of its cgroup, or that it cannot be reached.
        Cgroup "cgroup",
        /// Id of its cgroup.
        CgroupId "cgroup_id",
        /// Directions shut down.
        Shutdown "shutdown",
        /// Inode of the file that is the name of a unix socket.
        FileInode "file_inode",
        /// Device of that file, major and minor.
        FileDevice "file_device",
        /// Inodes of the sockets that wait to be accepted by a unix socket.
        PendingInodes "pending_inodes",
        /// `PACKET_VERSION`.
        PacketVersion "packet_version",
        /// `PACKET_COPY_THRESH`.
        CopyThreshold "copy_threshold_bytes",
        /// What a packet socket was set to.
        PacketFlags "packet_flags",
        /// Bytes of a block of the ring that a packet socket receives by.
        RxRingBlockSize "rx_ring_block_size_bytes",
        /// Blocks of it.
        RxRingBlocks "rx_ring_blocks",
        /// Bytes of a frame.
        RxRingFrameSize "rx_ring_frame_size_bytes",
        /// Frames of it.
        RxRingFrames "rx_ring_frames",
        /// Until a block is handed over that is not full.
        RxRingRetire "rx_ring_retire_ms",
        /// `TP_FT_REQ_*`.
        RxRingFeatures "rx_ring_features",
        /// Bytes of a block of the ring that a packet socket sends by.
        TxRingBlockSize "tx_ring_block_size_bytes",
        /// Blocks of it.
        TxRingBlocks "tx_ring_blocks",
        /// Bytes of a frame.
        TxRingFrameSize "tx_ring_frame_size_bytes",
        /// Frames of it.
        TxRingFrames "tx_ring_frames",
        /// Until a block is handed over that is not full.
        TxRingRetire "tx_ring_retire_ms",
        /// `TP_FT_REQ_*`.
        TxRingFeatures "tx_ring_features",
        /// Group of packet sockets that share the frames.
        FanoutId "fanout_id",
        /// How they share.
        FanoutType "fanout_type",
        /// Multicast groups of a netlink socket.
        Groups "groups",
    }
    memory {
        /// Bytes received and not yet read, with overheads.
        Rmem "rmem",
        /// The most of them.
        Rcvbuf "rcvbuf",
        /// Bytes given to the layers below and not yet sent.
        WmemAlloc "wmem_alloc_bytes",
        /// The most bytes that may be queued to send.
        Sndbuf "sndbuf",
        /// Bytes set aside for either direction.
        FwdAlloc "fwd_alloc_bytes",
        /// Bytes queued to send, with overheads.
        Wmem "wmem",
        /// Bytes of options and filters.
        Optmem "optmem_bytes",
        /// Bytes received while the socket was busy.
        Backlog "backlog_bytes",
        /// Packets dropped for want of memory.
        Drops "drops",
    }
    info {
        /// Name of its congestion control.
        Congestion "congestion",
        /// Whether Vegas is at work.
        VegasEnabled "vegas_enabled",
        /// Round trips that it counted.
        VegasRttCount "vegas_rtt_count",
        /// Round trip time as it sees it.
        VegasRtt "vegas_rtt_us",
        /// The least of them.
        VegasMinRtt "vegas_min_rtt_us",
        /// Whether DCTCP is at work.
        DctcpEnabled "dctcp_enabled",
        /// Whether the last packet was marked.
        DctcpCeState "dctcp_ce_state",
        /// Share of marked packets, an estimate.
        DctcpAlpha "dctcp_alpha",
        /// Bytes acknowledged with a mark.
        DctcpAckedEcn "dctcp_acked_ecn_bytes",
        /// Bytes acknowledged.
        DctcpAcked "dctcp_acked_bytes",
        /// Bandwidth as BBR sees it.
        BbrBandwidth "bbr_bandwidth_bytes_per_s",
        /// Least round trip time.
        BbrMinRtt "bbr_min_rtt_us",
        /// Gain of pacing.
        BbrPacingGain "bbr_pacing_gain",
        /// Gain of the congestion window.
        BbrCwndGain "bbr_cwnd_gain",
        /// What is layered upon TCP.
        Ulp "ulp",
        /// Version of TLS.
        TlsVersion "tls_version",
        /// Its cipher.
        TlsCipher "tls_cipher",
        /// How it receives.
        TlsRx "tls_rx",
        /// How it sends.
        TlsTx "tls_tx",
        /// Whether it sends files without a copy.
        TlsZeroCopy "tls_zero_copy_sendfile",
        /// Whether it expects no padding.
        TlsNoPadding "tls_no_padding",
        /// Flags of a subflow of MPTCP, a letter each.
        MptcpFlags "mptcp_flags",
        /// The peer's token.
        MptcpRemoteToken "mptcp_remote_token",
        /// Id of the address there.
        MptcpRemoteId "mptcp_remote_id",
        /// The own token.
        MptcpLocalToken "mptcp_local_token",
        /// Id of the address here.
        MptcpLocalId "mptcp_local_id",
        /// Start of the mapping in the connection.
        MptcpMapSeq "mptcp_map_seq",
        /// Start of the mapping in the subflow.
        MptcpMapSubflowSeq "mptcp_map_subflow_seq",
        /// Offset of the sequence numbers of the subflow.
        MptcpSubflowOffset "mptcp_subflow_offset",
        /// Length of the mapping.
        MptcpMapLength "mptcp_map_length_bytes",
        /// Networks that must sign with TCP-MD5.
        Md5Peers "md5_peers",
    }
    tos {
        /// Type of service, or traffic class.
        Tos "tos",
        /// Traffic class.
        TrafficClass "tclass",
        /// Priority, or the class of net_cls.
        ClassId "class_id",
    }
}

impl Detail {
    /// Whether only unix, packet and netlink sockets have it.
    pub(super) const fn is_beyond_ip(self) -> bool {
        let number = self as u8;
        number >= Detail::FileInode as u8 && number <= Detail::Groups as u8
    }
}
