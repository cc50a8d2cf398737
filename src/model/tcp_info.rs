//! TCP's own account of a connection: `struct tcp_info` of linux/tcp.h and what comes with it.

mod known;

use std::net::IpAddr;

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident $name:literal,)*) => {
        /// A number that TCP tells of a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TcpMetric {
            $($(#[$doc])* $metric,)*
        }

        impl TcpMetric {
            /// All of them, in the order of the kernel, which only ever adds at the end.
            pub const ALL: [TcpMetric; [$($name),*].len()] = [$(TcpMetric::$metric),*];

            /// Its name with its unit.
            pub const fn name(self) -> &'static str {
                match self {
                    $(TcpMetric::$metric => $name,)*
                }
            }
        }
    };
}

metrics! {
    /// State of congestion avoidance: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    CaState "ca_state",
    /// Retransmissions of the segment that is waited for.
    Retransmits "retransmits",
    /// Probes of a peer that is silent or has no window.
    Probes "probes",
    /// How often the retransmission timeout was doubled.
    Backoff "backoff",
    /// Bits of [`TcpOption`].
    Options "options",
    /// Shift of the window that the peer announces.
    SndWscale "snd_wscale",
    /// Shift of the window announced here.
    RcvWscale "rcv_wscale",
    /// 1 when the delivery rate was limited by the application.
    AppLimited "app_limited",
    /// Why Fast Open did not work: 0 unknown or it did, 1 no cookie, 2 SYN lost, 3 not acknowledged.
    FastopenClientFail "fastopen_client_fail",
    /// Retransmission timeout.
    Rto "rto_us",
    /// Delay of acknowledgements.
    Ato "ato_us",
    /// Largest segment sent.
    SndMss "snd_mss_bytes",
    /// Largest segment received, an estimate.
    RcvMss "rcv_mss_bytes",
    /// Segments in flight; of a listener the connections waiting.
    Unacked "unacked_segments",
    /// Segments acknowledged out of order; of a listener the most that may wait.
    Sacked "sacked_segments",
    /// Segments taken for lost.
    Lost "lost_segments",
    /// Segments retransmitted and not yet acknowledged.
    Retrans "retrans_segments",
    /// Segments up to the highest acknowledged out of order.
    Fackets "fackets_segments",
    /// Since data was last sent.
    LastDataSent "last_data_sent_ms",
    /// Since data was last received.
    LastDataRecv "last_data_recv_ms",
    /// Since an acknowledgement was last received.
    LastAckRecv "last_ack_recv_ms",
    /// Path MTU.
    Pmtu "pmtu_bytes",
    /// Limit of the window announced.
    RcvSsthresh "rcv_ssthresh_bytes",
    /// Smoothed round trip time.
    Rtt "rtt_us",
    /// Its mean deviation.
    Rttvar "rttvar_us",
    /// Slow start threshold; unknown as long as there is none.
    SndSsthresh "snd_ssthresh_segments",
    /// Congestion window.
    SndCwnd "snd_cwnd_segments",
    /// Largest segment announced to the peer.
    Advmss "advmss_bytes",
    /// Segments that may come out of order before one is taken for lost.
    Reordering "reordering_segments",
    /// Round trip time as seen by the receiver.
    RcvRtt "rcv_rtt_us",
    /// What the application reads in a round trip, an estimate.
    RcvSpace "rcv_space_bytes",
    /// Segments retransmitted since the beginning.
    TotalRetrans "total_retrans_segments",
    /// Rate of sending; unknown where nothing limits it.
    PacingRate "pacing_rate_bytes_per_s",
    /// Its limit (`SO_MAX_PACING_RATE`); unknown where there is none.
    MaxPacingRate "max_pacing_rate_bytes_per_s",
    /// Bytes acknowledged by the peer.
    BytesAcked "bytes_acked",
    /// Bytes received in order.
    BytesReceived "bytes_received",
    /// Segments sent.
    SegsOut "segs_out",
    /// Segments received.
    SegsIn "segs_in",
    /// Bytes written and not yet sent.
    NotsentBytes "notsent_bytes",
    /// Least round trip time of late; unknown before the first.
    MinRtt "min_rtt_us",
    /// Segments with data received.
    DataSegsIn "data_segs_in",
    /// Segments with data sent.
    DataSegsOut "data_segs_out",
    /// Rate of delivery, the last one measured.
    DeliveryRate "delivery_rate_bytes_per_s",
    /// Time spent sending.
    BusyTime "busy_time_us",
    /// Of that, time the peer's window stood in the way.
    RwndLimited "rwnd_limited_us",
    /// Of that, time the own send buffer stood in the way.
    SndbufLimited "sndbuf_limited_us",
    /// Segments delivered.
    Delivered "delivered_segments",
    /// Of these, with a mark of congestion.
    DeliveredCe "delivered_ce_segments",
    /// Bytes sent, retransmissions included.
    BytesSent "bytes_sent",
    /// Bytes retransmitted.
    BytesRetrans "bytes_retrans",
    /// Duplicates the peer reported.
    DsackDups "dsack_dups",
    /// How often reordering was seen.
    ReordSeen "reord_seen",
    /// Segments received out of order.
    RcvOoopack "rcv_ooopack",
    /// Window announced by the peer.
    SndWnd "snd_wnd_bytes",
    /// Window announced to the peer.
    RcvWnd "rcv_wnd_bytes",
    /// How often the flow was given another path.
    Rehash "rehash",
    /// Retransmission timeouts.
    TotalRto "total_rto",
    /// Recoveries from one.
    TotalRtoRecoveries "total_rto_recoveries",
    /// Time spent in them.
    TotalRtoTime "total_rto_time_ms",
    /// Segments received with a mark of congestion.
    ReceivedCe "received_ce_segments",
}

/// Numbers that TCP tells of a connection; older kernels tell fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    values: [u64; TcpMetric::ALL.len()],
}

impl TcpInfo {
    /// Stands for what is not known; the kernel's own word for "no limit".
    const UNKNOWN: u64 = u64::MAX;

    /// Nothing is known.
    pub const EMPTY: TcpInfo = TcpInfo {
        values: [TcpInfo::UNKNOWN; TcpMetric::ALL.len()],
    };

    /// Notes a number; `u64::MAX` for one that is not known.
    pub const fn set(&mut self, metric: TcpMetric, value: u64) {
        self.values[metric as usize] = value;
    }

    /// A number as the kernel tells it, when it tells it.
    pub fn get(&self, metric: TcpMetric) -> Option<u64> {
        Some(self.values[metric as usize]).filter(|&value| value != TcpInfo::UNKNOWN)
    }

    /// Whether an option is in use.
    pub fn has(&self, option: TcpOption) -> bool {
        self.get(TcpMetric::Options)
            .is_some_and(|bits| bits & option as u64 != 0)
    }
}

/// Options and extensions that a connection uses: `TCPI_OPT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// Timestamps.
    Timestamps = 1,
    /// Selective acknowledgements.
    Sack = 2,
    /// Windows are scaled.
    Wscale = 4,
    /// Explicit congestion notification was agreed on.
    Ecn = 8,
    /// A packet that was capable of it came.
    EcnSeen = 16,
    /// Data in the SYN was acknowledged.
    Fastopen = 32,
    /// Timestamps in microseconds.
    UsecTimestamps = 64,
}

impl TcpOption {
    /// All of them, in ss's order.
    pub const ALL: [TcpOption; 7] = [
        TcpOption::Timestamps,
        TcpOption::UsecTimestamps,
        TcpOption::Sack,
        TcpOption::Ecn,
        TcpOption::EcnSeen,
        TcpOption::Fastopen,
        TcpOption::Wscale,
    ];

    /// ss's name.
    pub const fn name(self) -> &'static str {
        match self {
            TcpOption::Timestamps => "ts",
            TcpOption::UsecTimestamps => "usec_ts",
            TcpOption::Sack => "sack",
            TcpOption::Ecn => "ecn",
            TcpOption::EcnSeen => "ecnseen",
            TcpOption::Fastopen => "fastopen",
            TcpOption::Wscale => "wscale",
        }
    }
}

/// What TCP tells of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpDetails {
    /// Its numbers; `None` of a socket that keeps none, as in TIME-WAIT.
    pub info: Option<TcpInfo>,
    /// Name of its congestion control.
    pub congestion: Option<CongestionName>,
    /// What that tells of itself.
    pub control: Option<CongestionControl>,
    /// What is layered upon it: TLS, MPTCP.
    pub ulp: Option<Box<Ulp>>,
    /// Peers, with the lengths of their prefixes, that must sign with TCP-MD5; told only to those
    /// with CAP_NET_ADMIN. The keys are not kept.
    pub md5_peers: Vec<(IpAddr, u8)>,
}

impl TcpDetails {
    /// Nothing is known.
    pub const EMPTY: TcpDetails = TcpDetails {
        info: None,
        congestion: None,
        control: None,
        ulp: None,
        md5_peers: Vec::new(),
    };
}

/// Name of a congestion control: `TCP_CA_NAME_MAX` bytes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CongestionName {
    bytes: [u8; CongestionName::MAX],
    length: u8,
}

impl CongestionName {
    /// The kernel's limit.
    const MAX: usize = 16;

    /// The name up to its first NUL; `None` when there is none.
    pub fn new(name: &[u8]) -> Option<CongestionName> {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = &name[..name.len().min(CongestionName::MAX)];
        let mut bytes = [0; CongestionName::MAX];
        bytes[..name.len()].copy_from_slice(name);
        let length = u8::try_from(name.len()).ok()?;
        (length > 0).then_some(CongestionName { bytes, length })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// What a congestion control tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionControl {
    /// TCP Vegas.
    Vegas {
        /// Whether it is at work.
        enabled: bool,
        /// Round trips counted.
        rtt_count: u32,
        /// Round trip time in microseconds.
        rtt_us: u32,
        /// The least of them.
        min_rtt_us: u32,
    },
    /// Data center TCP.
    Dctcp {
        /// Whether it is at work; else the peer lacks ECN.
        enabled: bool,
        /// Whether the last packet was marked.
        ce_state: u16,
        /// Estimate of the share of marked packets, in 1024ths.
        alpha: u32,
        /// Bytes acknowledged with a mark.
        acked_ecn_bytes: u32,
        /// Bytes acknowledged.
        acked_bytes: u32,
    },
    /// BBR.
    Bbr {
        /// Bandwidth.
        bytes_per_s: u64,
        /// Least round trip time.
        min_rtt_us: u32,
        /// Gain of pacing, in 256ths.
        pacing_gain: u32,
        /// Gain of the congestion window, in 256ths.
        cwnd_gain: u32,
    },
}

/// An upper layer protocol: `INET_ULP_INFO_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ulp {
    /// Its name: `tls`, `mptcp`, `espintcp`.
    pub name: Vec<u8>,
    /// Kernel TLS.
    pub tls: Option<Tls>,
    /// The subflow of an MPTCP connection.
    pub mptcp: Option<MptcpSubflow>,
}

/// Kernel TLS: `TLS_INFO_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Version as on the wire: 0x0303 is 1.2.
    pub version: Option<u16>,
    /// Number of the cipher.
    pub cipher: Option<u16>,
    /// How it receives: 1 not at all, 2 in software, 3 in hardware.
    pub rx: Option<u16>,
    /// How it sends.
    pub tx: Option<u16>,
    /// Sends files without a copy.
    pub zero_copy_sendfile: bool,
    /// Expects no padding.
    pub no_padding: bool,
}

/// Subflow of an MPTCP connection: `MPTCP_SUBFLOW_ATTR_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MptcpSubflow {
    /// `MPTCP_SUBFLOW_FLAG_*`.
    pub flags: Option<u32>,
    /// The peer's token and the address id there, the own token and the address id here.
    pub tokens: Option<((u32, u8), (u32, u8))>,
    /// Start of the mapping in the sequence of the connection.
    pub map_sequence: Option<u64>,
    /// Start of the mapping in the sequence of the subflow.
    pub map_subflow_sequence: Option<u32>,
    /// Offset of the subflow's sequence numbers.
    pub subflow_offset: Option<u32>,
    /// Length of the mapping in bytes.
    pub map_length: Option<u16>,
}

impl Tls {
    /// ss's name of the version.
    pub fn version_name(&self) -> String {
        match self.version {
            Some(0x0303) => "1.2".to_owned(),
            Some(0x0304) => "1.3".to_owned(),
            Some(other) => format!("unknown({other})"),
            None => "unknown".to_owned(),
        }
    }

    /// Name of the cipher: those of linux/tls.h.
    pub const fn cipher_name(&self) -> Option<&'static str> {
        match self.cipher {
            Some(51) => Some("aes-gcm-128"),
            Some(52) => Some("aes-gcm-256"),
            Some(53) => Some("aes-ccm-128"),
            Some(54) => Some("chacha20-poly1305"),
            Some(55) => Some("sm4-gcm"),
            Some(56) => Some("sm4-ccm"),
            Some(57) => Some("aria-gcm-128"),
            Some(58) => Some("aria-gcm-256"),
            _ => None,
        }
    }

    /// ss's name of a way to send or receive.
    pub fn conf_name(conf: u16) -> String {
        match conf {
            1 => "none".to_owned(),
            2 => "sw".to_owned(),
            3 => "hw".to_owned(),
            4 => "hw-record".to_owned(),
            other => format!("unknown({other})"),
        }
    }
}

impl MptcpSubflow {
    /// ss's letter for each flag that is set.
    pub fn flag_letters(&self) -> String {
        let flags = self.flags.unwrap_or(0);
        "MmJjBbecv"
            .chars()
            .enumerate()
            .filter(|(bit, _)| flags >> bit & 1 != 0)
            .map(|(_, letter)| letter)
            .collect()
    }
}
