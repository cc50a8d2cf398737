//! What `-m` and `-i` print in ss's layout: `skmem:(…)`, then TCP's own account.
//!
//! Order, names and rounding are ss's, as scripts know them: a number that is 0 or not known is
//! left out.

use super::address::{push_addr, push_number};
use super::escape;
use crate::model::{
    CongestionControl, Memory, MptcpSubflow, State, TcpDetails, TcpInfo, TcpMetric, TcpOption, Tls,
    Ulp,
};

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

fn push_ulp(out: &mut Vec<u8>, ulp: &Ulp) {
    if !ulp.name.is_empty() {
        out.extend_from_slice(b" tcp-ulp-");
        escape::push_word(out, &ulp.name);
    }
    if let Some(tls) = &ulp.tls {
        push_tls(out, tls);
    }
    if let Some(subflow) = &ulp.mptcp {
        push_subflow(out, subflow);
    }
}

fn push_tls(out: &mut Vec<u8>, tls: &Tls) {
    if tls.version.is_some() {
        out.extend(format!(" version: {}", tls.version_name()).bytes());
    }
    if let Some(cipher) = tls.cipher_name() {
        out.extend(format!(" cipher: {cipher}").bytes());
    }
    for (word, conf) in [("rxconf", tls.rx), ("txconf", tls.tx)] {
        if let Some(conf) = conf {
            out.extend(format!(" {word}: {}", Tls::conf_name(conf)).bytes());
        }
    }
    if tls.zero_copy_sendfile {
        out.extend_from_slice(b" zc_ro_tx");
    }
    if tls.no_padding {
        out.extend_from_slice(b" no_pad_rx");
    }
}

fn push_subflow(out: &mut Vec<u8>, subflow: &MptcpSubflow) {
    if subflow.flags.is_some_and(|flags| flags != 0) {
        out.extend(format!(" flags:{}", subflow.flag_letters()).bytes());
    }
    if let Some(((there, there_id), (here, here_id))) = subflow.tokens {
        out.extend(format!(" token:{there:04x}(id:{there_id})/{here:04x}(id:{here_id})").bytes());
    }
    for (word, number) in [
        (" seq:", subflow.map_sequence),
        (" sfseq:", subflow.map_subflow_sequence.map(u64::from)),
        (" ssnoff:", subflow.subflow_offset.map(u64::from)),
        (" maplen:", subflow.map_length.map(u64::from)),
    ] {
        if let Some(number) = number {
            out.extend_from_slice(word.as_bytes());
            push_number(out, number);
        }
    }
}

/// Appends thousandths as C's `%g` writes them: six digits that count, no zeros at the end.
pub(super) fn push_thousandths(out: &mut Vec<u8>, thousandths: u64) {
    // Up to six digits nothing is rounded.
    if thousandths >= 1_000_000 {
        return push_general(out, thousandths as f64 / 1000.0, 6);
    }
    push_number(out, thousandths / 1000);
    let rest = u32::try_from(thousandths % 1000).unwrap_or(0);
    if rest != 0 {
        let digits = [100, 10, 1].map(|unit| b'0' + u8::try_from(rest / unit % 10).unwrap_or(0));
        let length = 3 - digits
            .iter()
            .rev()
            .take_while(|&&digit| digit == b'0')
            .count();
        out.push(b'.');
        out.extend_from_slice(&digits[..length]);
    }
}

/// Appends a number as C's `%.*g` does: `digits` that count, no zeros at the end, an exponent
/// where it would be longer without.
fn push_general(out: &mut Vec<u8>, number: f64, digits: usize) {
    if number == number.trunc() && number.abs() < 1000.0 {
        return push_number(out, number as i64);
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text
        };
        text.to_owned()
    };
    let last = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= last {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend(format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs()).bytes());
    } else {
        let decimals = usize::try_from(last - 1 - exponent).unwrap_or(0);
        out.extend(trimmed(&format!("{number:.decimals$}")).bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_general(number: f64, digits: usize, expected: &str) {
        let mut out = Vec::new();
        push_general(&mut out, number, digits);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    /// Expected values as printed by C's printf.
    #[test]
    fn numbers_are_those_of_printf() {
        check_general(739.0 / 256.0, 6, "2.88672");
        check_general(1.015_625, 6, "1.01562");
        check_general(1.0, 6, "1");
        check_general(1_234.567, 6, "1234.57");
        check_general(999_999.9, 6, "1e+06");
        check_general(12_345_678.0, 6, "1.23457e+07");
        check_general(62.415_238_095, 3, "62.4");
        check_general(999.999, 3, "1e+03");
        check_general(0.000_012, 6, "1.2e-05");
        check_general(178.0, 3, "178");
    }

    #[test]
    fn thousandths_lose_their_zeros() {
        let shown = |number| {
            let mut out = Vec::new();
            push_thousandths(&mut out, number);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(42), "0.042");
        assert_eq!(shown(204_000), "204");
        assert_eq!(shown(20), "0.02");
        assert_eq!(shown(1_500), "1.5");
        assert_eq!(shown(999_999), "999.999");
        assert_eq!(shown(1_234_567), "1234.57");
        assert_eq!(shown(120_000_000), "120000");
    }
}
