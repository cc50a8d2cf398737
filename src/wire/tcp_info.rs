//! What TCP tells of a connection: `struct tcp_info` of linux/tcp.h, the blocks of congestion
//! controls, upper layers and TCP-MD5.
//!
//! `struct tcp_info` has only ever grown at its end, so a short one is that of an older kernel and
//! a long one that of a newer: what lies within is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};

use super::netlink::attributes;
use crate::model::{CongestionControl, MptcpSubflow, TcpInfo, TcpMetric, Tls, Ulp};

/// Length of a `struct tcp_diag_md5sig`.
const MD5SIG_LEN: usize = 100;

/// Where a number lies.
#[derive(Clone, Copy)]
enum At {
    Byte(usize),
    /// The lower half of the byte in the order of C's bit fields.
    FirstNibble(usize),
    SecondNibble(usize),
    /// The first bit, and the two after it.
    FirstBit(usize),
    NextTwoBits(usize),
    Half(usize),
    Word(usize),
    Long(usize),
}

const fn place(metric: TcpMetric) -> At {
    match metric {
        TcpMetric::CaState => At::Byte(1),
        TcpMetric::Retransmits => At::Byte(2),
        TcpMetric::Probes => At::Byte(3),
        TcpMetric::Backoff => At::Byte(4),
        TcpMetric::Options => At::Byte(5),
        TcpMetric::SndWscale => At::FirstNibble(6),
        TcpMetric::RcvWscale => At::SecondNibble(6),
        TcpMetric::AppLimited => At::FirstBit(7),
        TcpMetric::FastopenClientFail => At::NextTwoBits(7),
        TcpMetric::Rto => At::Word(8),
        TcpMetric::Ato => At::Word(12),
        TcpMetric::SndMss => At::Word(16),
        TcpMetric::RcvMss => At::Word(20),
        TcpMetric::Unacked => At::Word(24),
        TcpMetric::Sacked => At::Word(28),
        TcpMetric::Lost => At::Word(32),
        TcpMetric::Retrans => At::Word(36),
        TcpMetric::Fackets => At::Word(40),
        TcpMetric::LastDataSent => At::Word(44),
        // 48 is tcpi_last_ack_sent, which the kernel does not remember.
        TcpMetric::LastDataRecv => At::Word(52),
        TcpMetric::LastAckRecv => At::Word(56),
        TcpMetric::Pmtu => At::Word(60),
        TcpMetric::RcvSsthresh => At::Word(64),
        TcpMetric::Rtt => At::Word(68),
        TcpMetric::Rttvar => At::Word(72),
        TcpMetric::SndSsthresh => At::Word(76),
        TcpMetric::SndCwnd => At::Word(80),
        TcpMetric::Advmss => At::Word(84),
        TcpMetric::Reordering => At::Word(88),
        TcpMetric::RcvRtt => At::Word(92),
        TcpMetric::RcvSpace => At::Word(96),
        TcpMetric::TotalRetrans => At::Word(100),
        TcpMetric::PacingRate => At::Long(104),
        TcpMetric::MaxPacingRate => At::Long(112),
        TcpMetric::BytesAcked => At::Long(120),
        TcpMetric::BytesReceived => At::Long(128),
        TcpMetric::SegsOut => At::Word(136),
        TcpMetric::SegsIn => At::Word(140),
        TcpMetric::NotsentBytes => At::Word(144),
        TcpMetric::MinRtt => At::Word(148),
        TcpMetric::DataSegsIn => At::Word(152),
        TcpMetric::DataSegsOut => At::Word(156),
        TcpMetric::DeliveryRate => At::Long(160),
        TcpMetric::BusyTime => At::Long(168),
        TcpMetric::RwndLimited => At::Long(176),
        TcpMetric::SndbufLimited => At::Long(184),
        TcpMetric::Delivered => At::Word(192),
        TcpMetric::DeliveredCe => At::Word(196),
        TcpMetric::BytesSent => At::Long(200),
        TcpMetric::BytesRetrans => At::Long(208),
        TcpMetric::DsackDups => At::Word(216),
        TcpMetric::ReordSeen => At::Word(220),
        TcpMetric::RcvOoopack => At::Word(224),
        TcpMetric::SndWnd => At::Word(228),
        TcpMetric::RcvWnd => At::Word(232),
        TcpMetric::Rehash => At::Word(236),
        TcpMetric::TotalRto => At::Half(240),
        TcpMetric::TotalRtoRecoveries => At::Half(242),
        TcpMetric::TotalRtoTime => At::Word(244),
        TcpMetric::ReceivedCe => At::Word(248),
    }
}

/// No round trip was measured yet: ~0U.
const NO_MIN_RTT: u64 = u32::MAX as u64;
/// `TCP_INFINITE_SSTHRESH`.
const NO_SSTHRESH: u64 = 0x7fff_ffff;

/// Reads a `struct tcp_info`, of which older kernels send less.
pub fn tcp_info(bytes: &[u8]) -> TcpInfo {
    let mut info = TcpInfo::EMPTY;
    for metric in TcpMetric::ALL {
        // They are in the kernel's order: behind one that is missing lies nothing.
        let Some(value) = number(bytes, place(metric)) else {
            break;
        };
        let is_known = match metric {
            TcpMetric::MinRtt => value != NO_MIN_RTT,
            TcpMetric::SndSsthresh => value != NO_SSTHRESH,
            _ => true,
        };
        if is_known {
            info.set(metric, value);
        }
    }
    info
}

#[inline]
fn number(bytes: &[u8], at: At) -> Option<u64> {
    let bits = |offset: usize, from: u32, length: u32| -> Option<u64> {
        let byte = bytes.get(offset)?;
        let shift = if cfg!(target_endian = "little") {
            from
        } else {
            8 - from - length
        };
        Some(u64::from(byte >> shift & ((1 << length) - 1)))
    };
    match at {
        At::Byte(offset) => bytes.get(offset).map(|&byte| u64::from(byte)),
        At::FirstNibble(offset) => bits(offset, 0, 4),
        At::SecondNibble(offset) => bits(offset, 4, 4),
        At::FirstBit(offset) => bits(offset, 0, 1),
        At::NextTwoBits(offset) => bits(offset, 1, 2),
        At::Half(offset) => half(bytes.get(offset..)?).map(u64::from),
        At::Word(offset) => word(bytes.get(offset..)?).map(u64::from),
        At::Long(offset) => long(bytes.get(offset..)?),
    }
}

pub(super) fn half(bytes: &[u8]) -> Option<u16> {
    bytes
        .first_chunk()
        .map(|bytes: &[u8; 2]| u16::from_ne_bytes(*bytes))
}

pub(super) fn word(bytes: &[u8]) -> Option<u32> {
    bytes
        .first_chunk()
        .map(|bytes: &[u8; 4]| u32::from_ne_bytes(*bytes))
}

pub(super) fn long(bytes: &[u8]) -> Option<u64> {
    bytes
        .first_chunk()
        .map(|bytes: &[u8; 8]| u64::from_ne_bytes(*bytes))
}

/// Reads a `struct tcpvegas_info`.
pub fn vegas(bytes: &[u8]) -> Option<CongestionControl> {
    Some(CongestionControl::Vegas {
        enabled: word(bytes)? != 0,
        rtt_count: word(bytes.get(4..)?)?,
        rtt_us: word(bytes.get(8..)?)?,
        min_rtt_us: word(bytes.get(12..)?)?,
    })
}

/// Reads a `struct tcp_dctcp_info`.
pub fn dctcp(bytes: &[u8]) -> Option<CongestionControl> {
    Some(CongestionControl::Dctcp {
        enabled: half(bytes)? != 0,
        ce_state: half(bytes.get(2..)?)?,
        alpha: word(bytes.get(4..)?)?,
        acked_ecn_bytes: word(bytes.get(8..)?)?,
        acked_bytes: word(bytes.get(12..)?)?,
    })
}

/// Reads a `struct tcp_bbr_info`.
pub fn bbr(bytes: &[u8]) -> Option<CongestionControl> {
    let (low, high) = (word(bytes)?, word(bytes.get(4..)?)?);
    Some(CongestionControl::Bbr {
        bytes_per_s: u64::from(high) << 32 | u64::from(low),
        min_rtt_us: word(bytes.get(8..)?)?,
        pacing_gain: word(bytes.get(12..)?)?,
        cwnd_gain: word(bytes.get(16..)?)?,
    })
}

/// Reads the nested attributes of INET_DIAG_ULP_INFO.
pub fn ulp(bytes: &[u8]) -> Ulp {
    let mut ulp = Ulp::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            1 => {
                let name = value.split(|&byte| byte == 0).next();
                ulp.name = name.unwrap_or_default().to_vec();
            }
            2 => ulp.tls = Some(tls(value)),
            3 => ulp.mptcp = Some(mptcp(value)),
            _ => {}
        }
    }
    ulp
}

fn tls(bytes: &[u8]) -> Tls {
    let mut tls = Tls::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            1 => tls.version = half(value),
            2 => tls.cipher = half(value),
            3 => tls.tx = half(value),
            4 => tls.rx = half(value),
            5 => tls.zero_copy_sendfile = true,
            6 => tls.no_padding = true,
            _ => {}
        }
    }
    tls
}

fn mptcp(bytes: &[u8]) -> MptcpSubflow {
    let mut subflow = MptcpSubflow::default();
    let (mut token_there, mut token_here, mut id_there, mut id_here) = (None, None, None, None);
    for (kind, value) in attributes(bytes) {
        match kind {
            1 => token_there = word(value),
            2 => token_here = word(value),
            // 3 is MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ, which ss does not print either.
            4 => subflow.map_sequence = long(value),
            5 => subflow.map_subflow_sequence = word(value),
            6 => subflow.subflow_offset = word(value),
            7 => subflow.map_length = half(value),
            8 => subflow.flags = word(value),
            9 => id_there = value.first().copied(),
            10 => id_here = value.first().copied(),
            _ => {}
        }
    }
    subflow.tokens = token_there.zip(id_there).zip(token_here.zip(id_here));
    subflow
}

/// Reads the peers of INET_DIAG_MD5SIG and leaves their keys.
pub fn md5_peers(bytes: &[u8]) -> Vec<(IpAddr, u8)> {
    bytes
        .chunks_exact(MD5SIG_LEN)
        .filter_map(|entry| {
            let addr = match entry[0] {
                AF_INET => IpAddr::V4(Ipv4Addr::new(entry[4], entry[5], entry[6], entry[7])),
                AF_INET6 => {
                    let octets: [u8; 16] = entry[4..20].try_into().ok()?;
                    IpAddr::V6(Ipv6Addr::from(octets))
                }
                _ => return None,
            };
            Some((addr, entry[1]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every byte another, so that each number has a value of its own.
    fn counting(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    #[test]
    fn an_older_kernel_tells_a_prefix() {
        let whole = tcp_info(&counting(280));
        for length in 0..=280 {
            let cut = tcp_info(&counting(length));
            for metric in TcpMetric::ALL {
                let end = match place(metric) {
                    At::Byte(at) | At::FirstNibble(at) | At::SecondNibble(at) => at + 1,
                    At::FirstBit(at) | At::NextTwoBits(at) => at + 1,
                    At::Half(at) => at + 2,
                    At::Word(at) => at + 4,
                    At::Long(at) => at + 8,
                };
                let expected = whole.get(metric).filter(|_| end <= length);
                assert_eq!(cut.get(metric), expected, "{metric:?} of {length}");
            }
        }
    }

    #[test]
    fn no_limit_is_no_number() {
        let mut bytes = vec![0; 232];
        bytes[76..80].copy_from_slice(&0x7fff_ffffu32.to_ne_bytes());
        bytes[112..120].fill(0xff);
        bytes[148..152].fill(0xff);
        bytes[80..84].copy_from_slice(&10u32.to_ne_bytes());
        let info = tcp_info(&bytes);
        for metric in [
            TcpMetric::SndSsthresh,
            TcpMetric::MaxPacingRate,
            TcpMetric::MinRtt,
            TcpMetric::RcvWnd,
        ] {
            assert_eq!(info.get(metric), None, "{metric:?}");
        }
        assert_eq!(info.get(TcpMetric::SndCwnd), Some(10));
        assert_eq!(info.get(TcpMetric::Rtt), Some(0));
    }

    #[test]
    fn md5_keys_are_not_kept() {
        let mut entry = [0; MD5SIG_LEN];
        entry[0] = AF_INET;
        entry[1] = 24;
        entry[4..8].copy_from_slice(&[10, 1, 2, 3]);
        entry[20..26].copy_from_slice(b"secret");
        let mut two = entry.repeat(2);
        two.truncate(2 * MD5SIG_LEN - 1);
        let peers = md5_peers(&two);
        assert_eq!(peers, [("10.1.2.3".parse().unwrap(), 24)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (tcp_info(&bytes), ulp(&bytes), md5_peers(&bytes));
            let _ = (vegas(&bytes), dctcp(&bytes), bbr(&bytes));
        }
    }
}
