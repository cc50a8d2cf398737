//! What stands in the columns of details.

use std::borrow::Cow;

use super::super::address::{push_addr, push_number};
use super::super::ends::fanout_name;
use super::super::escape;
use super::Detail;
use crate::model::{
    CongestionControl, Details, EndsDetails, Memory, NetlinkDetails, PacketDetails, PacketInfo,
    PacketRing, Row, TcpDetails, Tls, UnixDetails, UnixFile,
};

/// What stands in a cell.
pub(super) enum Value<'a> {
    Number(u64),
    /// Parts, and of how many.
    Share(u32, u32),
    Flag(bool),
    Word(Cow<'a, str>),
    /// What came from the system.
    Text(&'a [u8]),
    Numbers(Vec<u64>),
}

impl Value<'_> {
    /// What it is sorted by, where that is a number.
    pub(super) const fn number(&self) -> Option<u64> {
        match self {
            Value::Number(number) => Some(*number),
            // All shares of a column are of the same whole.
            Value::Share(parts, _) => Some(*parts as u64),
            _ => None,
        }
    }

    /// Appends it.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        match self {
            Value::Number(number) => push_number(out, *number),
            Value::Share(parts, of) => {
                out.extend((f64::from(*parts) / f64::from(*of)).to_string().bytes());
            }
            Value::Flag(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Value::Word(word) => out.extend_from_slice(word.as_bytes()),
            Value::Text(text) => escape::push_terminal(out, text),
            Value::Numbers(numbers) => {
                for (index, number) in numbers.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    push_number(out, *number);
                }
            }
        }
    }
}

fn number<'a>(number: impl Into<u64>) -> Value<'a> {
    Value::Number(number.into())
}

fn word<'a>(word: impl Into<Cow<'a, str>>) -> Value<'a> {
    Value::Word(word.into())
}

impl Detail {
    /// What it says of a row; `None` where nothing is known.
    pub(super) fn value<'a>(self, row: &Row<'a>) -> Option<Value<'a>> {
        let details = row.details?;
        let set = self.set();
        if set.memory {
            self.of_memory(details.memory.as_ref()?)
        } else if set.info {
            self.of_tcp(details.tcp.as_deref()?)
        } else if set.tos {
            self.of_service(details)
        } else {
            self.of_extended(row, details)
        }
    }

    fn of_extended<'a>(self, row: &Row<'a>, details: &'a Details) -> Option<Value<'a>> {
        match self {
            Detail::Mark => details.mark.map(number),
            Detail::Cgroup => match (row.cgroup, details.cgroup) {
                (Some(path), _) => Some(Value::Text(path)),
                // As ss has it; no path begins like that.
                (None, Some(id)) if id != 0 => Some(word(format!("unreachable:{id:x}"))),
                _ => None,
            },
            Detail::CgroupId => details.cgroup.map(number),
            Detail::Shutdown => Some(word(match details.shutdown? & 3 {
                0 => "none",
                1 => "receive",
                2 => "send",
                _ => "receive,send",
            })),
            _ => match details.ends.as_deref()? {
                EndsDetails::Unix(unix) => self.of_unix(unix),
                EndsDetails::Packet(packet) => self.of_packet(packet),
                EndsDetails::Netlink(netlink) => self.of_netlink(netlink),
            },
        }
    }

    fn of_unix<'a>(self, unix: &UnixDetails) -> Option<Value<'a>> {
        let device = |file: UnixFile| word(format!("{}/{}", file.major(), file.minor()));
        match self {
            Detail::FileInode => unix.file.map(|file| number(file.inode)),
            Detail::FileDevice => unix.file.map(device),
            Detail::PendingInodes => {
                let inodes = unix.pending.as_ref()?.iter().copied();
                Some(Value::Numbers(inodes.map(u64::from).collect()))
            }
            _ => None,
        }
    }

    fn of_packet<'a>(self, packet: &PacketDetails) -> Option<Value<'a>> {
        let flags = |info: PacketInfo| word(info.flag_names().collect::<Vec<_>>().join(","));
        match self {
            Detail::PacketVersion => packet.info.map(|info| number(info.version)),
            Detail::CopyThreshold => packet.info.map(|info| number(info.copy_threshold)),
            Detail::PacketFlags => packet.info.map(flags),
            Detail::FanoutId => packet.fanout.map(|fanout| number(fanout & 0xffff)),
            Detail::FanoutType => packet.fanout.map(|fanout| word(fanout_name(fanout))),
            Detail::TxRingBlockSize
            | Detail::TxRingBlocks
            | Detail::TxRingFrameSize
            | Detail::TxRingFrames
            | Detail::TxRingRetire
            | Detail::TxRingFeatures => self.of_ring(packet.tx_ring?),
            _ => self.of_ring(packet.rx_ring?),
        }
    }

    fn of_ring<'a>(self, ring: PacketRing) -> Option<Value<'a>> {
        Some(number(match self {
            Detail::RxRingBlockSize | Detail::TxRingBlockSize => ring.block_size,
            Detail::RxRingBlocks | Detail::TxRingBlocks => ring.blocks,
            Detail::RxRingFrameSize | Detail::TxRingFrameSize => ring.frame_size,
            Detail::RxRingFrames | Detail::TxRingFrames => ring.frames,
            Detail::RxRingRetire | Detail::TxRingRetire => ring.retire_ms,
            Detail::RxRingFeatures | Detail::TxRingFeatures => ring.features,
            _ => return None,
        }))
    }

    fn of_netlink<'a>(self, netlink: &NetlinkDetails) -> Option<Value<'a>> {
        let groups = || Value::Numbers(netlink.numbers().collect());
        (self == Detail::Groups).then(groups)
    }

    fn of_memory<'a>(self, memory: &Memory) -> Option<Value<'a>> {
        let bytes = match self {
            Detail::Rmem => memory.rmem_alloc,
            Detail::Rcvbuf => memory.rcvbuf,
            Detail::WmemAlloc => memory.wmem_alloc,
            Detail::Sndbuf => memory.sndbuf,
            Detail::FwdAlloc => memory.fwd_alloc,
            Detail::Wmem => memory.wmem_queued,
            Detail::Optmem => memory.optmem,
            Detail::Backlog => memory.backlog?,
            Detail::Drops => memory.drops?,
            _ => return None,
        };
        Some(number(bytes))
    }

    fn of_tcp<'a>(self, tcp: &'a TcpDetails) -> Option<Value<'a>> {
        match self {
            Detail::Congestion => tcp
                .congestion
                .as_ref()
                .map(|name| Value::Text(name.as_bytes())),
            Detail::Md5Peers if tcp.md5_peers.is_empty() => None,
            Detail::Md5Peers => {
                let mut list = Vec::new();
                for (index, (addr, prefix)) in tcp.md5_peers.iter().enumerate() {
                    if index > 0 {
                        list.push(b',');
                    }
                    push_addr(&mut list, *addr);
                    list.push(b'/');
                    push_number(&mut list, *prefix);
                }
                Some(word(String::from_utf8_lossy(&list).into_owned()))
            }
            Detail::Ulp => {
                let name = &tcp.ulp.as_ref()?.name[..];
                (!name.is_empty()).then_some(Value::Text(name))
            }
            _ => self
                .of_control(tcp.control.as_ref())
                .or_else(|| self.of_tls(tcp.ulp.as_ref()?.tls.as_ref()?))
                .or_else(|| self.of_subflow(tcp)),
        }
    }

    fn of_control<'a>(self, control: Option<&CongestionControl>) -> Option<Value<'a>> {
        use CongestionControl::{Bbr, Dctcp, Vegas};
        Some(match (self, *control?) {
            (Detail::VegasEnabled, Vegas { enabled, .. })
            | (Detail::DctcpEnabled, Dctcp { enabled, .. }) => Value::Flag(enabled),
            (Detail::VegasRttCount, Vegas { rtt_count, .. }) => number(rtt_count),
            (Detail::VegasRtt, Vegas { rtt_us, .. }) => number(rtt_us),
            (Detail::VegasMinRtt, Vegas { min_rtt_us, .. })
            | (Detail::BbrMinRtt, Bbr { min_rtt_us, .. }) => number(min_rtt_us),
            (Detail::DctcpCeState, Dctcp { ce_state, .. }) => number(ce_state),
            (Detail::DctcpAlpha, Dctcp { alpha, .. }) => Value::Share(alpha, 1024),
            (
                Detail::DctcpAckedEcn,
                Dctcp {
                    acked_ecn_bytes, ..
                },
            ) => number(acked_ecn_bytes),
            (Detail::DctcpAcked, Dctcp { acked_bytes, .. }) => number(acked_bytes),
            (Detail::BbrBandwidth, Bbr { bytes_per_s, .. }) => number(bytes_per_s),
            (Detail::BbrPacingGain, Bbr { pacing_gain, .. }) => Value::Share(pacing_gain, 256),
            (Detail::BbrCwndGain, Bbr { cwnd_gain, .. }) => Value::Share(cwnd_gain, 256),
            _ => return None,
        })
    }

    fn of_tls<'a>(self, tls: &Tls) -> Option<Value<'a>> {
        match self {
            Detail::TlsVersion => tls.version.map(|_| word(tls.version_name())),
            Detail::TlsCipher => tls.cipher_name().map(word),
            Detail::TlsRx => tls.rx.map(|conf| word(Tls::conf_name(conf))),
            Detail::TlsTx => tls.tx.map(|conf| word(Tls::conf_name(conf))),
            Detail::TlsZeroCopy => Some(Value::Flag(tls.zero_copy_sendfile)),
            Detail::TlsNoPadding => Some(Value::Flag(tls.no_padding)),
            _ => None,
        }
    }

    fn of_subflow<'a>(self, tcp: &TcpDetails) -> Option<Value<'a>> {
        let subflow = tcp.ulp.as_ref()?.mptcp.as_ref()?;
        let (there, here) = subflow.tokens.unzip();
        match self {
            Detail::MptcpFlags => Some(word(subflow.flag_letters())),
            Detail::MptcpRemoteToken => there.map(|(token, _)| number(token)),
            Detail::MptcpRemoteId => there.map(|(_, id)| number(id)),
            Detail::MptcpLocalToken => here.map(|(token, _)| number(token)),
            Detail::MptcpLocalId => here.map(|(_, id)| number(id)),
            Detail::MptcpMapSeq => subflow.map_sequence.map(number),
            Detail::MptcpMapSubflowSeq => subflow.map_subflow_sequence.map(number),
            Detail::MptcpSubflowOffset => subflow.subflow_offset.map(number),
            Detail::MptcpMapLength => subflow.map_length.map(number),
            _ => None,
        }
    }

    fn of_service<'a>(self, details: &Details) -> Option<Value<'a>> {
        match self {
            Detail::Tos => details.tos.or(details.traffic_class).map(number),
            Detail::TrafficClass => details.traffic_class.map(number),
            Detail::ClassId => details.class_id.map(number),
            _ => None,
        }
    }
}
