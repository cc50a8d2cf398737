//! What is said of flags that ss has and portstat has not, and of flags that nobody has.

use clap::error::{ContextKind, ContextValue, ErrorKind};

const BPF: &str = "filters and storage of BPF are not shown; bpftool tells of them";
const DCCP: &str = "DCCP sockets are not listed";
const MPTCP: &str =
    "MPTCP sockets are not listed; their subflows are, by -t, and -ti tells of them";
const SCTP: &str = "SCTP sockets are not listed";
const SELINUX: &str = "contexts of SELinux are not shown; ps -Z tells those of processes";
const TIPC: &str = "TIPC sockets are not listed";
const VSOCK: &str = "vsock sockets are not listed";
const XDP: &str = "XDP sockets are not listed";

/// Flags of ss, by their letter and by their name, and what to do instead.
const FLAGS: [(&str, &str, &str); 16] = [
    ("-M", "--mptcp", MPTCP),
    ("-S", "--sctp", SCTP),
    ("-d", "--dccp", DCCP),
    ("", "--tipc", TIPC),
    ("", "--tipcinfo", TIPC),
    ("", "--vsock", VSOCK),
    ("", "--xdp", XDP),
    ("-b", "--bpf", BPF),
    ("", "--bpf-maps", BPF),
    ("", "--bpf-map-id", BPF),
    ("-Z", "--context", SELINUX),
    ("-z", "--contexts", SELINUX),
    (
        "-T",
        "--threads",
        "threads are not told apart, as they share their sockets; -p names the processes",
    ),
    (
        "-D",
        "--diag",
        "`portstat record DIR` keeps the kernel's answers, and more, for --from DIR",
    ),
    (
        "-Q",
        "--no-queues",
        "--columns chooses what is printed, as in --columns proto,state,local,peer",
    ),
    (
        "",
        "--inet-sockopt",
        "options of sockets are not shown; -e tells v6only, and -i what TCP has agreed on",
    ),
];

/// What `-A` of ss lists and portstat does not.
const QUERIES: [(&str, &str); 10] = [
    ("mptcp", MPTCP),
    ("sctp", SCTP),
    ("dccp", DCCP),
    ("tipc", TIPC),
    ("vsock", VSOCK),
    ("vsock_stream", VSOCK),
    ("vsock_dgram", VSOCK),
    ("v_str", VSOCK),
    ("v_dgr", VSOCK),
    ("xdp", XDP),
];

/// Why `-A` takes this word in ss and not here.
pub(super) fn query(word: &str) -> Option<&'static str> {
    let mut known = QUERIES.iter();
    let found = known.find(|(name, _)| *name == word);
    found.map(|(_, sentence)| *sentence)
}

/// What is said of a flag of ss, which may be abbreviated as there.
fn flag(word: &str) -> Option<(&'static str, &'static str)> {
    let name = word.split('=').next().unwrap_or(word);
    let called = |(letter, long, sentence): &(&'static str, &'static str, &'static str)| match name
    {
        _ if name == *letter => Some((*letter, *sentence)),
        _ if name == *long => Some((*long, *sentence)),
        _ => None,
    };
    let exact = FLAGS.iter().find_map(called);
    let abbreviated = || {
        let mut found = FLAGS
            .iter()
            .filter(|(_, long, _)| name.len() > 2 && long.starts_with(name));
        let (_, long, sentence) = found.next()?;
        // Two that come to the same are as good as one.
        found
            .all(|other| other.2 == *sentence)
            .then_some((*long, *sentence))
    };
    exact.or_else(abbreviated)
}

/// The error of a command line, with better words for flags that are not known.
pub(super) fn explained(mut error: clap::Error, command: &mut clap::Command) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.clone(),
        _ => return error,
    };
    if let Some((name, sentence)) = flag(&word) {
        return command.error(
            ErrorKind::UnknownArgument,
            format!("{name} of ss is not supported: {sentence}"),
        );
    }
    // How to write it as a word of the filter: nobody means that.
    error.remove(ContextKind::Suggested);
    error
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use std::ffi::OsString;

    #[track_caller]
    fn check(words: &str, expected: &str) {
        let words = ["portstat"].into_iter().chain(words.split(' '));
        let error = Args::read(words.map(OsString::from)).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("as a value"), "{text}");
        assert!(!text.contains("similar argument"), "{text}");
    }

    #[test]
    fn flags_of_ss_are_refused_in_a_sentence() {
        check(
            "-tanM",
            "error: -M of ss is not supported: MPTCP sockets are not listed",
        );
        check("--mptcp", "--mptcp of ss is not supported");
        check("--sctp", "SCTP sockets are not listed");
        check("-d", "DCCP sockets are not listed");
        check("--vsock", "vsock sockets are not listed");
        check("--xdp", "XDP sockets are not listed");
        check("--tip", "TIPC sockets are not listed");
        check("-tbn", "-b of ss is not supported: filters");
        check("--bpf-map-id=4", "bpftool");
        check("-Z", "ps -Z");
        check("-z", "ps -Z");
        check("-tT", "threads are not told apart");
        check("-D tcp.dump", "portstat record DIR");
        check("--diag=tcp.dump", "portstat record DIR");
        check("-Q", "--columns");
        check("--inet-sockopt", "-e tells v6only");
        check("-A mptcp", "MPTCP sockets are not listed");
        check("-A tcp,v_str", "vsock sockets are not listed");
        check("-A nonsense", "all, inet, tcp, udp, raw, unix, unix_stream");
    }

    #[test]
    fn what_nobody_knows_is_an_error_without_advice() {
        check("-Y", "unexpected argument '-Y'");
    }
}
