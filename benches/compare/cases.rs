//! What is compared.

/// What the namespace holds while a case runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// No sockets at all.
    Nothing,
    /// As many sockets and processes as the options ask for.
    AsAsked,
    /// Many processes with few sockets and other open files each.
    ManyProcesses,
    /// Many processes with sockets only, all of them listening.
    ManyListeners,
    /// Many network namespaces, with a process and some sockets in each.
    ManyNamespaces,
}

/// Commands that answer the same question, compared with each other.
pub struct Case {
    pub name: &'static str,
    pub about: &'static str,
    pub contents: Contents,
    /// Command lines, words separated by spaces; those of one list are run in
    /// turn. `portstat` stands for the one under test, and `floor` for a dump
    /// with no more work than the kernel's part; `floor all` for one in every
    /// network namespace.
    pub comparisons: &'static [&'static [&'static str]],
}

/// All cases, those with the same contents next to each other.
pub const CASES: &[Case] = &[
    Case {
        name: "empty",
        about: "start-up: no sockets, but every process of the system to look through for -p",
        contents: Contents::Nothing,
        comparisons: &[
            &[
                "portstat -tlnp",
                "ss -tlnp",
                "netstat -tlnp",
                "lsof -wnP -iTCP -sTCP:LISTEN",
            ],
            &["portstat -tan", "ss -tan", "netstat -tan"],
        ],
    },
    Case {
        name: "tan",
        about: "all sockets",
        contents: Contents::AsAsked,
        comparisons: &[&["portstat -tan", "ss -tan", "netstat -tan"]],
    },
    Case {
        name: "tln",
        about: "the listening ones among all sockets",
        contents: Contents::AsAsked,
        comparisons: &[&["portstat -tln", "ss -tln", "netstat -tln"]],
    },
    Case {
        name: "tanp",
        about: "all sockets with their processes",
        contents: Contents::AsAsked,
        comparisons: &[&[
            "portstat -tanp",
            "ss -tanp",
            "netstat -tanp",
            "lsof -wnP -iTCP",
        ]],
    },
    Case {
        name: "tani",
        about: "all sockets with TCP's internal information",
        contents: Contents::AsAsked,
        comparisons: &[&["portstat -tani", "ss -tani"]],
    },
    Case {
        name: "tanoem",
        about: "all sockets with timers, details and memory",
        contents: Contents::AsAsked,
        comparisons: &[&["portstat -tanoem", "ss -tanoem"]],
    },
    Case {
        name: "floor",
        about: "all sockets, next to the kernel's part alone: a dump that nobody looks at",
        contents: Contents::AsAsked,
        comparisons: &[&["portstat -tan", "ss -tan", "floor"]],
    },
    Case {
        name: "filter",
        about: "a few connections among all sockets, by port and address, which the kernel picks",
        contents: Contents::AsAsked,
        comparisons: &[
            &[
                "portstat -tn dport = :443 and dst 127.0.1.7",
                "ss -tn dport = :443 and dst 127.0.1.7",
            ],
            &[
                "portstat -tn dport = :8000 and dst 127.1.2.1",
                "ss -tn dport = :8000 and dst 127.1.2.1",
            ],
        ],
    },
    Case {
        name: "ephemeral",
        about: "how full the pools of ports are, next to the kernel's part alone",
        contents: Contents::AsAsked,
        comparisons: &[&["portstat ephemeral", "floor"]],
    },
    Case {
        name: "many-processes",
        about: "listening sockets with their processes, among 500 processes with 100 files each",
        contents: Contents::ManyProcesses,
        comparisons: &[&[
            "portstat -tlnp",
            "ss -tlnp",
            "netstat -tlnp",
            "lsof -wnP -iTCP -sTCP:LISTEN",
        ]],
    },
    Case {
        name: "many-listeners",
        about: "listening sockets with their processes: 500 processes with 100 of them each",
        contents: Contents::ManyListeners,
        comparisons: &[&[
            "portstat -tlnp",
            "ss -tlnp",
            "netstat -tlnp",
            "lsof -wnP -iTCP -sTCP:LISTEN",
        ]],
    },
    Case {
        name: "namespaces",
        about: "the sockets of 50 network namespaces, next to the dumps of each alone",
        contents: Contents::ManyNamespaces,
        comparisons: &[&[
            "portstat -N all -tan",
            "portstat -N all -tln",
            "portstat -N all -tanp",
            "portstat -N all ephemeral --json",
            "floor all",
        ]],
    },
];
