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
}

/// Commands that answer the same question, compared with each other.
pub struct Case {
    pub name: &'static str,
    pub about: &'static str,
    pub contents: Contents,
    /// Command lines, words separated by spaces; those of one list are run in
    /// turn. `portstat` stands for the one under test, and `floor` for a dump
    /// with no more work than the kernel's part.
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
];
