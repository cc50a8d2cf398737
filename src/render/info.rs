//! What `-m` and `-i` print in ss's layout: `skmem:(…)`, then TCP's own account.
//!
//! Order, names and rounding are ss's, as scripts know them: a number that is 0 or not known is
//! left out.

mod number;
mod ulp;

use self::number::{push_general, push_thousandths};
use self::ulp::push_ulp;
use super::address::{push_addr, push_number};
use super::escape;
use crate::model::{CongestionControl, Memory, State, TcpDetails, TcpInfo, TcpMetric, TcpOption};

/// How to write it.
#[derive(Clone, Copy, Debug)]
pub(super) struct InfoOptions {
    /// The options that the connection uses (ss's `-o`).
    pub(super) options: bool,
    /// Rates in full (`-n`), else with a unit: `12.3G`.
    pub(super) numeric: bool,
}

/// What ss takes for the usual number of segments that may come out of order.
const USUAL_REORDERING: u64 = 3;
/// `TCP_TIMEOUT_INIT` of old: the timeout before anything was measured.
const INITIAL_RTO_US: u64 = 3_000_000;
/// ss shows no slow start threshold from here on.
const NO_SSTHRESH: u64 = 0xffff;
/// Vegas' word for "not measured".
const NO_VEGAS_RTT: u32 = 0x7fff_ffff;

/// Appends ` skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d0)`.
pub(super) fn push_memory(out: &mut Vec<u8>, memory: &Memory) {
    out.extend_from_slice(b" skmem:(");
    for (name, bytes) in [
        ("r", Some(memory.rmem_alloc)),
        (",rb", Some(memory.rcvbuf)),
        (",t", Some(memory.wmem_alloc)),
        (",tb", Some(memory.sndbuf)),
        (",f", Some(memory.fwd_alloc)),
        (",w", Some(memory.wmem_queued)),
        (",o", Some(memory.optmem)),
        (",bl", memory.backlog),
        (",d", memory.drops),
    ] {
        if let Some(bytes) = bytes {
            out.extend_from_slice(name.as_bytes());
            push_number(out, bytes);
        }
    }
    out.push(b')');
}

/// Appends ` ts sack cubic wscale:7,7 rto:204 rtt:0.042/0.021 …`.
pub(super) fn push_tcp(out: &mut Vec<u8>, tcp: &TcpDetails, state: State, options: InfoOptions) {
    if let Some(info) = &tcp.info {
        Account { out, info, options }.push(tcp, state);
    }
    for (index, (addr, prefix)) in tcp.md5_peers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b" md5keys:" } else { b"," });
        push_addr(out, *addr);
        out.push(b'/');
        push_number(out, *prefix);
    }
    if let Some(ulp) = &tcp.ulp {
        push_ulp(out, ulp);
    }
}

/// TCP's numbers on their way out.
struct Account<'a> {
    out: &'a mut Vec<u8>,
    info: &'a TcpInfo,
    options: InfoOptions,
}

impl Account<'_> {
    fn push(&mut self, tcp: &TcpDetails, state: State) {
        self.connection(tcp);
        self.amounts();
        if let Some(control) = &tcp.control {
            self.control(control);
        }
        self.rates(tcp.control.as_ref());
        self.losses(state);
    }

    fn value(&self, metric: TcpMetric) -> u64 {
        self.info.get(metric).unwrap_or(0)
    }

    /// A word and a number, when it is not 0.
    fn count(&mut self, word: &str, metric: TcpMetric) {
        let value = self.value(metric);
        if value != 0 {
            self.out.extend_from_slice(word.as_bytes());
            push_number(self.out, value);
        }
    }

    /// A word and microseconds as milliseconds, when there are any.
    fn time(&mut self, word: &str, metric: TcpMetric) {
        let value = self.value(metric);
        if value != 0 {
            self.out.extend_from_slice(word.as_bytes());
            push_thousandths(self.out, value);
        }
    }

    fn connection(&mut self, tcp: &TcpDetails) {
        let info = self.info;
        for option in TcpOption::ALL {
            if option != TcpOption::Wscale && self.options.options && info.has(option) {
                self.out.push(b' ');
                self.out.extend_from_slice(option.name().as_bytes());
            }
        }
        if let Some(name) = &tcp.congestion {
            self.out.push(b' ');
            escape::push_word(self.out, name.as_bytes());
        }
        if info.has(TcpOption::Wscale) {
            self.out.extend_from_slice(b" wscale:");
            push_number(self.out, self.value(TcpMetric::SndWscale));
            self.out.push(b',');
            push_number(self.out, self.value(TcpMetric::RcvWscale));
        }
        if self.value(TcpMetric::Rto) != INITIAL_RTO_US {
            self.time(" rto:", TcpMetric::Rto);
        }
        self.count(" backoff:", TcpMetric::Backoff);
        if self.value(TcpMetric::Rtt) != 0 {
            self.time(" rtt:", TcpMetric::Rtt);
            self.out.push(b'/');
            push_thousandths(self.out, self.value(TcpMetric::Rttvar));
        }
        self.time(" ato:", TcpMetric::Ato);
        self.count(" mss:", TcpMetric::SndMss);
        self.count(" pmtu:", TcpMetric::Pmtu);
        self.count(" rcvmss:", TcpMetric::RcvMss);
        self.count(" advmss:", TcpMetric::Advmss);
        self.count(" cwnd:", TcpMetric::SndCwnd);
        if self.value(TcpMetric::SndSsthresh) < NO_SSTHRESH {
            self.count(" ssthresh:", TcpMetric::SndSsthresh);
        }
    }

    fn amounts(&mut self) {
        self.count(" bytes_sent:", TcpMetric::BytesSent);
        self.count(" bytes_retrans:", TcpMetric::BytesRetrans);
        self.count(" bytes_acked:", TcpMetric::BytesAcked);
        self.count(" bytes_received:", TcpMetric::BytesReceived);
        self.count(" segs_out:", TcpMetric::SegsOut);
        self.count(" segs_in:", TcpMetric::SegsIn);
        self.count(" data_segs_out:", TcpMetric::DataSegsOut);
        self.count(" data_segs_in:", TcpMetric::DataSegsIn);
    }

    fn control(&mut self, control: &CongestionControl) {
        match *control {
            // ss uses its round trip time and prints nothing of it.
            CongestionControl::Vegas { .. } => {}
            CongestionControl::Dctcp { enabled: false, .. } => {
                self.out.extend_from_slice(b" dctcp:fallback_mode");
            }
            CongestionControl::Dctcp {
                ce_state,
                alpha,
                acked_ecn_bytes,
                acked_bytes,
                ..
            } => self.out.extend(
                format!(
                    " dctcp:(ce_state:{ce_state},alpha:{alpha},ab_ecn:{acked_ecn_bytes},\
                     ab_tot:{acked_bytes})"
                )
                .bytes(),
            ),
            CongestionControl::Bbr {
                bytes_per_s,
                min_rtt_us,
                pacing_gain,
                cwnd_gain,
            } => {
                self.out.extend_from_slice(b" bbr:(bw:");
                self.rate(bytes_per_s as f64 * 8.0);
                self.out.extend_from_slice(b",mrtt:");
                push_thousandths(self.out, u64::from(min_rtt_us));
                for (word, gain) in [(",pacing_gain:", pacing_gain), (",cwnd_gain:", cwnd_gain)] {
                    if gain != 0 {
                        self.out.extend_from_slice(word.as_bytes());
                        push_general(self.out, f64::from(gain) / 256.0, 6);
                    }
                }
                self.out.push(b')');
            }
        }
    }

    fn rates(&mut self, control: Option<&CongestionControl>) {
        let mut rtt = self.value(TcpMetric::Rtt) as f64;
        if let Some(CongestionControl::Vegas {
            enabled: true,
            rtt_us,
            ..
        }) = control
            && *rtt_us != 0
            && *rtt_us != NO_VEGAS_RTT
        {
            rtt = f64::from(*rtt_us);
        }
        let window = self.value(TcpMetric::SndCwnd) as f64 * self.value(TcpMetric::SndMss) as f64;
        if rtt > 0.0 && window > 0.0 {
            self.out.extend_from_slice(b" send ");
            self.rate(window * 8_000_000.0 / rtt);
        }
        self.count(" lastsnd:", TcpMetric::LastDataSent);
        self.count(" lastrcv:", TcpMetric::LastDataRecv);
        self.count(" lastack:", TcpMetric::LastAckRecv);
        if self.bits(" pacing_rate ", TcpMetric::PacingRate) {
            self.bits("/", TcpMetric::MaxPacingRate);
        }
        self.bits(" delivery_rate ", TcpMetric::DeliveryRate);
        self.count(" delivered:", TcpMetric::Delivered);
        self.count(" delivered_ce:", TcpMetric::DeliveredCe);
        if self.value(TcpMetric::AppLimited) != 0 {
            self.out.extend_from_slice(b" app_limited");
        }
        self.busy();
    }

    fn busy(&mut self) {
        let busy = self.value(TcpMetric::BusyTime);
        if busy == 0 {
            return;
        }
        self.out.extend_from_slice(b" busy:");
        push_number(self.out, busy / 1000);
        self.out.extend_from_slice(b"ms");
        for (word, metric) in [
            (" rwnd_limited:", TcpMetric::RwndLimited),
            (" sndbuf_limited:", TcpMetric::SndbufLimited),
        ] {
            let limited = self.value(metric);
            if limited != 0 {
                let share = 100.0 * limited as f64 / busy as f64;
                self.out
                    .extend(format!("{word}{}ms({share:.1}%)", limited / 1000).bytes());
            }
        }
    }

    fn losses(&mut self, state: State) {
        self.count(" unacked:", TcpMetric::Unacked);
        let retrans = self.value(TcpMetric::Retrans);
        let total = self.value(TcpMetric::TotalRetrans);
        if retrans != 0 || total != 0 {
            self.out.extend_from_slice(b" retrans:");
            push_number(self.out, retrans);
            self.out.push(b'/');
            push_number(self.out, total);
        }
        self.count(" lost:", TcpMetric::Lost);
        if state != State::Listen {
            self.count(" sacked:", TcpMetric::Sacked);
        }
        self.count(" dsack_dups:", TcpMetric::DsackDups);
        self.count(" fackets:", TcpMetric::Fackets);
        let reordering = self.value(TcpMetric::Reordering);
        if reordering != USUAL_REORDERING {
            self.out.extend_from_slice(b" reordering:");
            push_number(self.out, reordering);
        }
        self.count(" reord_seen:", TcpMetric::ReordSeen);
        self.time(" rcv_rtt:", TcpMetric::RcvRtt);
        self.count(" rcv_space:", TcpMetric::RcvSpace);
        self.count(" rcv_ssthresh:", TcpMetric::RcvSsthresh);
        self.count(" notsent:", TcpMetric::NotsentBytes);
        self.time(" minrtt:", TcpMetric::MinRtt);
        self.count(" rcv_ooopack:", TcpMetric::RcvOoopack);
        self.count(" snd_wnd:", TcpMetric::SndWnd);
        self.count(" rcv_wnd:", TcpMetric::RcvWnd);
        self.count(" rehash:", TcpMetric::Rehash);
    }

    /// A word and bytes a second as bits a second, when there are any.
    fn bits(&mut self, word: &str, metric: TcpMetric) -> bool {
        let value = self.value(metric);
        if value != 0 {
            self.out.extend_from_slice(word.as_bytes());
            self.rate(value as f64 * 8.0);
        }
        value != 0
    }

    fn rate(&mut self, bits_per_s: f64) {
        if self.options.numeric {
            // Whole numbers beyond 2^64 do not come from 64-bit rates in practice; they saturate.
            push_number(self.out, bits_per_s.round_ties_even() as u64);
        } else {
            let (unit, name) = match bits_per_s {
                rate if rate >= 1e12 => (1e12, "T"),
                rate if rate >= 1e9 => (1e9, "G"),
                rate if rate >= 1e6 => (1e6, "M"),
                rate if rate >= 1e3 => (1e3, "k"),
                _ => (1.0, ""),
            };
            let digits = if name.is_empty() { 6 } else { 3 };
            push_general(self.out, bits_per_s / unit, digits);
            self.out.extend_from_slice(name.as_bytes());
        }
        self.out.extend_from_slice(b"bps");
    }
}
