//! What was not seen, and why.

use std::fmt;

use super::{EntryRights, HiddenCause, Protocol, Table, UnseenNamespaces};

/// The `what` of gaps that lose sockets.
const SOCKETS: &str = "sockets";
/// More network namespaces than this are counted, not named.
const MOST_NAMED: usize = 4;

/// Something that the answer lacks. Each is one line on stderr and one entry in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Sockets whose owner could not be named.
    Owners {
        /// How many sockets.
        count: u64,
        /// Why.
        cause: HiddenCause,
    },
    /// Sockets of which some holders are named, and others may be hidden.
    MoreOwners {
        /// How many sockets.
        count: u64,
        /// Why.
        cause: HiddenCause,
    },
    /// Tables read from `/proc/net`, which tells less.
    Fallback {
        /// The tables.
        tables: Vec<Table>,
        /// Why netlink did not serve.
        reason: String,
        /// Whether bound TCP sockets were asked for, which are not in `/proc/net/tcp`.
        bound: bool,
    },
    /// A table that could not be read at all.
    Unread {
        /// The table.
        table: Table,
        /// Why.
        reason: String,
    },
    /// A dump that ended early after rows of it were already printed.
    Broken {
        /// The tables.
        tables: Vec<Table>,
        /// Rows that had come.
        rows: u64,
        /// Why it ended.
        reason: String,
    },
    /// Parts of a file or dump that made no sense and were passed over.
    Garbled {
        /// What it would have told.
        what: &'static str,
        /// Which file or dump.
        place: String,
        /// Where the first of them is: `line 7`, `byte 4096`.
        first: String,
        /// How many.
        count: u64,
        /// What was wrong with the first.
        reason: String,
    },
    /// A file that was not there or could not be read.
    Unreadable {
        /// What it would have told.
        what: &'static str,
        /// Which file.
        place: String,
        /// Why.
        reason: String,
    },
    /// Other network namespaces that could not be looked into.
    Neighbours {
        /// How many, as far as they can be told apart.
        count: u64,
    },
    /// Addresses whose names did not come in time.
    Unresolved {
        /// How many.
        count: u64,
    },
    /// What a filter asks for and was not told, so that sockets may have been passed over.
    Untold {
        /// What it is.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Network namespaces that were not seen, or not wholly.
    Namespaces {
        /// How many; of processes, where these are all that is known of them.
        count: u64,
        /// Why.
        why: UnseenNamespaces,
    },
    /// Something in one network namespace of several, or the same in some of them.
    Within {
        /// What they are called, as [shown](super::Namespace::shown).
        namespaces: Vec<String>,
        /// What is missing there.
        gap: Box<Gap>,
    },
}

impl Gap {
    /// What is missing: the `what` of JSON.
    pub fn what(&self) -> &'static str {
        match self {
            Gap::Owners { .. } | Gap::MoreOwners { .. } => "owners",
            Gap::Fallback { .. } => "details",
            Gap::Unread { .. } | Gap::Broken { .. } => SOCKETS,
            Gap::Garbled { what, .. } | Gap::Unreadable { what, .. } | Gap::Untold { what, .. } => {
                what
            }
            Gap::Unresolved { .. } => "host-names",
            Gap::Neighbours { .. } | Gap::Namespaces { .. } => "namespaces",
            Gap::Within { gap, .. } => gap.what(),
        }
    }

    /// How many of them; `None` where that cannot be known.
    pub fn count(&self) -> Option<u64> {
        match self {
            Gap::Owners { count, .. }
            | Gap::MoreOwners { count, .. }
            | Gap::Garbled { count, .. }
            | Gap::Neighbours { count }
            | Gap::Unresolved { count }
            | Gap::Namespaces { count, .. } => Some(*count),
            Gap::Within { gap, .. } => gap.count(),
            Gap::Fallback { .. }
            | Gap::Unread { .. }
            | Gap::Broken { .. }
            | Gap::Unreadable { .. }
            | Gap::Untold { .. } => None,
        }
    }

    /// Where: a table, a file, a line.
    pub fn place(&self) -> Option<String> {
        match self {
            Gap::Owners { .. }
            | Gap::MoreOwners { .. }
            | Gap::Neighbours { .. }
            | Gap::Unresolved { .. }
            | Gap::Untold { .. }
            | Gap::Namespaces { .. } => None,
            Gap::Within { namespaces, gap } => Some(match gap.place() {
                Some(place) => format!("{}: {place}", within(namespaces)),
                None => within(namespaces),
            }),
            Gap::Fallback { tables, .. } | Gap::Broken { tables, .. } => Some(list(tables)),
            Gap::Unread { table, .. } => Some(table.to_string()),
            Gap::Garbled { place, first, .. } => Some(format!("{place} {first}")),
            Gap::Unreadable { place, .. } => Some(place.clone()),
        }
    }

    /// Why, in words.
    pub fn reason(&self) -> String {
        match self {
            Gap::Owners { cause, .. } | Gap::MoreOwners { cause, .. } => cause.name().to_owned(),
            Gap::Fallback { reason, .. }
            | Gap::Unread { reason, .. }
            | Gap::Broken { reason, .. }
            | Gap::Garbled { reason, .. }
            | Gap::Unreadable { reason, .. } => reason.clone(),
            Gap::Neighbours { .. } => HiddenCause::Permission.name().to_owned(),
            Gap::Unresolved { .. } => "timeout".to_owned(),
            Gap::Untold { reason, .. } => (*reason).to_owned(),
            Gap::Namespaces { why, .. } => why.name(),
            Gap::Within { gap, .. } => gap.reason(),
        }
    }

    /// What to do about it, where something can be done.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Gap::Owners { cause, .. } | Gap::MoreOwners { cause, .. } => Some(cause.remedy()),
            Gap::Neighbours { .. } => Some("run as root, outside of any container"),
            Gap::Unresolved { .. } => Some("leave out -r"),
            Gap::Namespaces { why, .. } => Some(match why {
                UnseenNamespaces::OfProcesses => "run as root",
                UnseenNamespaces::Beside { lacks, .. } => lacks.remedy(),
                UnseenNamespaces::Unread { .. } => EntryRights::OpenAndEnter.remedy(),
            }),
            Gap::Within { gap, .. } => gap.remedy(),
            _ => None,
        }
    }

    /// One gap where several say the same of different tables or network namespaces.
    pub fn merged(gaps: Vec<Gap>) -> Vec<Gap> {
        let mut merged: Vec<Gap> = Vec::new();
        for gap in gaps {
            let joined = merged.iter_mut().any(|known| known.absorb(&gap));
            if !joined && !merged.contains(&gap) {
                merged.push(gap);
            }
        }
        merged
    }

    /// Takes another gap into this one where both say the same of different tables, or of different
    /// network namespaces.
    pub fn absorb(&mut self, other: &Gap) -> bool {
        match (self, other) {
            (
                Gap::Fallback {
                    tables,
                    reason,
                    bound,
                },
                Gap::Fallback {
                    tables: more,
                    reason: same,
                    bound: also,
                },
            ) if reason == same => {
                tables.extend(more);
                *bound |= also;
                true
            }
            (
                Gap::Within { namespaces, gap },
                Gap::Within {
                    namespaces: more,
                    gap: same,
                },
            ) if gap == same => {
                namespaces.extend_from_slice(more);
                true
            }
            _ => false,
        }
    }

    /// Whether sockets themselves, rather than something about them, may be missing.
    pub fn loses_sockets(&self) -> bool {
        match self {
            Gap::Fallback { bound, .. } => *bound,
            Gap::Unread { .. } | Gap::Broken { .. } | Gap::Untold { .. } => true,
            Gap::Garbled { what, .. } => *what == SOCKETS,
            Gap::Namespaces { why, .. } => match why {
                UnseenNamespaces::Beside { bound, .. } => *bound,
                UnseenNamespaces::Unread { .. } | UnseenNamespaces::OfProcesses => true,
            },
            Gap::Within { gap, .. } => gap.loses_sockets(),
            Gap::Owners { .. }
            | Gap::MoreOwners { .. }
            | Gap::Unreadable { .. }
            | Gap::Neighbours { .. }
            | Gap::Unresolved { .. } => false,
        }
    }
}

const fn sockets(count: u64) -> &'static str {
    if count == 1 { "socket" } else { "sockets" }
}

/// Where something is, of several network namespaces.
fn within(namespaces: &[String]) -> String {
    match namespaces.len() {
        ..=MOST_NAMED => format!("netns {}", namespaces.join(", ")),
        count => format!("in {count} network namespaces"),
    }
}

/// What `/proc/net` does not tell of these tables.
fn untold(tables: &[Table]) -> String {
    let has_tcp = tables.iter().any(|table| table.protocol == Protocol::Tcp);
    let untold = |protocol| match protocol {
        Protocol::Tcp => "v6only, devices and listen limits",
        Protocol::Udp | Protocol::Raw if has_tcp => "v6only, devices and listen limits",
        Protocol::Udp | Protocol::Raw => "v6only and devices",
        Protocol::Unix => "peers, users and queues of unix sockets",
        Protocol::Packet => "settings and rings of packet sockets",
        Protocol::Netlink => "peers of netlink sockets",
    };
    let mut parts: Vec<&str> = tables.iter().map(|table| untold(table.protocol)).collect();
    parts.dedup();
    parts.join("; ")
}

fn list(tables: &[Table]) -> String {
    let names: Vec<String> = tables.iter().map(Table::to_string).collect();
    names.join(", ")
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Owners { count, cause } => {
                write!(
                    f,
                    "owners of {count} {} are hidden: {} ({})",
                    sockets(*count),
                    cause.words(),
                    cause.remedy()
                )
            }
            Gap::MoreOwners { count, cause } => {
                let (what, why, remedy) = (sockets(*count), cause.words(), cause.remedy());
                write!(
                    f,
                    "{count} {what} may have more owners than are named: {why} ({remedy})"
                )
            }
            Gap::Fallback {
                tables,
                reason,
                bound,
            } => write!(
                f,
                "{} read from /proc/net ({reason}): {}{} are not told there",
                list(tables),
                if *bound { "bound sockets, " } else { "" },
                untold(tables)
            ),
            Gap::Unread { table, reason } => write!(f, "{table} sockets cannot be read: {reason}"),
            Gap::Broken {
                tables,
                rows,
                reason,
            } => write!(
                f,
                "{} dump is not complete after {rows} {}: {reason}",
                list(tables),
                sockets(*rows)
            ),
            Gap::Garbled {
                place,
                first,
                count,
                reason,
                ..
            } => {
                write!(f, "{place}: {first}: {reason}")?;
                if *count > 1 {
                    write!(f, " ({count} such places passed over)")?;
                }
                Ok(())
            }
            Gap::Unreadable {
                what,
                place,
                reason,
            } => write!(f, "no {what}: {place}: {reason}"),
            Gap::Untold { what, reason } => write!(f, "the filter asks for {what}: {reason}"),
            Gap::Neighbours { count } => write!(
                f,
                "{count} other network namespace{} could not be looked into (run as root, outside \
                 of any container)",
                if *count == 1 { "" } else { "s" }
            ),
            Gap::Namespaces { count, why } => why.write(f, *count),
            Gap::Within { namespaces, gap } => write!(f, "{}: {gap}", within(namespaces)),
            Gap::Unresolved { count: 1 } => f.write_str(
                "1 address did not resolve in time and is shown as a number (leave out -r)",
            ),
            Gap::Unresolved { count } => write!(
                f,
                "{count} addresses did not resolve in time and are shown as numbers (leave out -r)"
            ),
        }
    }
}
