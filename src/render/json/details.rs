//! Details in objects of their own: what `-e`, `-m`, `-i` and `--tos` ask for.

use super::{push_optional, push_optional_number};
use crate::model::{
    CongestionControl, DetailSet, Details, Memory, Row, TcpDetails, TcpMetric, TcpOption, Tls, Ulp,
};
use crate::render::address::{push_addr, push_number};
use crate::render::escape::push_json;

/// Appends `,"name":{…}` for every kind that is asked for.
pub(super) fn push_details(out: &mut Vec<u8>, row: &Row<'_>, asked: DetailSet) {
    let Some(details) = row.details else {
        return;
    };
    if asked.extended {
        push_extended(out, row, details);
        super::ends::push_details(out, details);
    }
    if asked.memory {
        push_memory(out, details.memory.as_ref());
    }
    if asked.info {
        push_tcp(out, details.tcp.as_deref().unwrap_or(&TcpDetails::EMPTY));
    }
    if asked.tos {
        out.extend_from_slice(b",\"tos\":{\"tos\":");
        push_optional_number(out, details.tos);
        out.extend_from_slice(b",\"tclass\":");
        push_optional_number(out, details.traffic_class);
        out.extend_from_slice(b",\"class_id\":");
        push_optional_number(out, details.class_id);
        out.push(b'}');
    }
}

fn push_extended(out: &mut Vec<u8>, row: &Row<'_>, details: &Details) {
    out.extend_from_slice(b",\"extended\":{\"cookie\":");
    push_optional_number(out, (row.socket.cookie != 0).then_some(row.socket.cookie));
    out.extend_from_slice(b",\"mark\":");
    push_optional_number(out, details.mark);
    out.extend_from_slice(b",\"cgroup\":");
    push_optional(out, row.cgroup);
    out.extend_from_slice(b",\"cgroup_id\":");
    push_optional_number(out, details.cgroup);
    out.extend_from_slice(b",\"shutdown\":");
    match details.shutdown {
        None => out.extend_from_slice(b"null"),
        Some(bits) => out.extend(
            format!(
                "{{\"receive\":{},\"send\":{}}}",
                bits & 1 != 0,
                bits & 2 != 0
            )
            .bytes(),
        ),
    }
    out.push(b'}');
}

fn push_memory(out: &mut Vec<u8>, memory: Option<&Memory>) {
    out.extend_from_slice(b",\"memory\":");
    let Some(memory) = memory else {
        return out.extend_from_slice(b"null");
    };
    for (name, number) in [
        ("{\"rmem_alloc_bytes\":", Some(memory.rmem_alloc)),
        (",\"rcvbuf_bytes\":", Some(memory.rcvbuf)),
        (",\"wmem_alloc_bytes\":", Some(memory.wmem_alloc)),
        (",\"sndbuf_bytes\":", Some(memory.sndbuf)),
        (",\"fwd_alloc_bytes\":", Some(memory.fwd_alloc)),
        (",\"wmem_queued_bytes\":", Some(memory.wmem_queued)),
        (",\"optmem_bytes\":", Some(memory.optmem)),
        (",\"backlog_bytes\":", memory.backlog),
        (",\"drops\":", memory.drops),
    ] {
        out.extend_from_slice(name.as_bytes());
        push_optional_number(out, number);
    }
    out.push(b'}');
}

fn push_tcp(out: &mut Vec<u8>, tcp: &TcpDetails) {
    out.extend_from_slice(b",\"tcp_info\":");
    match &tcp.info {
        None => out.extend_from_slice(b"null"),
        Some(info) => {
            out.extend_from_slice(b"{\"congestion\":");
            push_optional(out, tcp.congestion.as_ref().map(|name| name.as_bytes()));
            out.extend_from_slice(b",\"options\":[");
            let in_use = TcpOption::ALL
                .into_iter()
                .filter(|option| info.has(*option));
            for (index, option) in in_use.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_json(out, option.name().as_bytes());
            }
            out.push(b']');
            for metric in TcpMetric::ALL {
                // Told by name above.
                if metric == TcpMetric::Options {
                    continue;
                }
                out.extend_from_slice(b",\"");
                out.extend_from_slice(metric.name().as_bytes());
                out.extend_from_slice(b"\":");
                push_optional_number(out, info.known(metric));
            }
            out.push(b'}');
        }
    }
    out.extend_from_slice(b",\"congestion_control\":");
    push_control(out, tcp.control.as_ref());
    out.extend_from_slice(b",\"ulp\":");
    push_ulp(out, tcp.ulp.as_deref());
    out.extend_from_slice(b",\"md5_peers\":[");
    for (index, (addr, prefix)) in tcp.md5_peers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        push_addr(out, *addr);
        out.push(b'/');
        push_number(out, *prefix);
        out.push(b'"');
    }
    out.push(b']');
}

/// Appends what a congestion control tells of itself; gains and shares as fractions.
fn push_control(out: &mut Vec<u8>, control: Option<&CongestionControl>) {
    let text = match control {
        None => "null".to_owned(),
        Some(CongestionControl::Vegas {
            enabled,
            rtt_count,
            rtt_us,
            min_rtt_us,
        }) => format!(
            "{{\"kind\":\"vegas\",\"enabled\":{enabled},\"rtt_count\":{rtt_count},\
             \"rtt_us\":{rtt_us},\"min_rtt_us\":{min_rtt_us}}}"
        ),
        Some(CongestionControl::Dctcp {
            enabled,
            ce_state,
            alpha,
            acked_ecn_bytes,
            acked_bytes,
        }) => format!(
            "{{\"kind\":\"dctcp\",\"enabled\":{enabled},\"ce_state\":{ce_state},\
             \"alpha\":{},\"acked_ecn_bytes\":{acked_ecn_bytes},\"acked_bytes\":{acked_bytes}}}",
            f64::from(*alpha) / 1024.0
        ),
        Some(CongestionControl::Bbr {
            bytes_per_s,
            min_rtt_us,
            pacing_gain,
            cwnd_gain,
        }) => format!(
            "{{\"kind\":\"bbr\",\"bandwidth_bytes_per_s\":{bytes_per_s},\
             \"min_rtt_us\":{min_rtt_us},\"pacing_gain\":{},\"cwnd_gain\":{}}}",
            f64::from(*pacing_gain) / 256.0,
            f64::from(*cwnd_gain) / 256.0
        ),
    };
    out.extend_from_slice(text.as_bytes());
}

fn push_ulp(out: &mut Vec<u8>, ulp: Option<&Ulp>) {
    let Some(ulp) = ulp else {
        return out.extend_from_slice(b"null");
    };
    out.extend_from_slice(b"{\"name\":");
    push_optional(out, (!ulp.name.is_empty()).then_some(&ulp.name[..]));
    out.extend_from_slice(b",\"tls\":");
    match &ulp.tls {
        None => out.extend_from_slice(b"null"),
        Some(tls) => push_tls(out, tls),
    }
    out.extend_from_slice(b",\"mptcp\":");
    match &ulp.mptcp {
        None => out.extend_from_slice(b"null"),
        Some(subflow) => {
            out.extend_from_slice(b"{\"flags\":");
            push_json(out, subflow.flag_letters().as_bytes());
            let (there, here) = subflow.tokens.unzip();
            let there: (Option<u32>, Option<u8>) = there.unzip();
            let here: (Option<u32>, Option<u8>) = here.unzip();
            for (name, number) in [
                ("remote_token", there.0.map(u64::from)),
                ("remote_id", there.1.map(u64::from)),
                ("local_token", here.0.map(u64::from)),
                ("local_id", here.1.map(u64::from)),
                ("map_seq", subflow.map_sequence),
                (
                    "map_subflow_seq",
                    subflow.map_subflow_sequence.map(u64::from),
                ),
                ("subflow_offset", subflow.subflow_offset.map(u64::from)),
                ("map_length_bytes", subflow.map_length.map(u64::from)),
            ] {
                out.extend(format!(",\"{name}\":").bytes());
                push_optional_number(out, number);
            }
            out.push(b'}');
        }
    }
    out.push(b'}');
}

fn push_tls(out: &mut Vec<u8>, tls: &Tls) {
    out.extend_from_slice(b"{\"version\":");
    let version = tls.version.map(|_| tls.version_name());
    push_optional(out, version.as_deref().map(str::as_bytes));
    out.extend_from_slice(b",\"cipher\":");
    push_optional(out, tls.cipher_name().map(str::as_bytes));
    for (name, conf) in [(",\"rx\":", tls.rx), (",\"tx\":", tls.tx)] {
        out.extend_from_slice(name.as_bytes());
        let conf = conf.map(Tls::conf_name);
        push_optional(out, conf.as_deref().map(str::as_bytes));
    }
    out.extend(
        format!(
            ",\"zero_copy_sendfile\":{},\"no_padding\":{}}}",
            tls.zero_copy_sendfile, tls.no_padding
        )
        .bytes(),
    );
}
