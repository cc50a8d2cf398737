//! What TCP carries above it: TLS in the kernel, and the subflows of MPTCP.

use super::super::address::push_number;
use super::super::escape;
use crate::model::{MptcpSubflow, Tls, Ulp};

/// Appends ` tcp-ulp-tls version: 1.3 cipher: aes-gcm-128 …`.
pub(super) fn push_ulp(out: &mut Vec<u8>, ulp: &Ulp) {
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
