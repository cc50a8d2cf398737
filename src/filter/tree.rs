//! What a filter comes to: a tree of tests.

use std::net::IpAddr;

use super::Glob;
use crate::model::{Family, NetnsId, PortRange, SocketKind};

/// A condition on a socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All hold.
    And(Vec<Expression>),
    /// At least one holds.
    Or(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    /// A single test.
    Test(Test),
}

impl Expression {
    /// Holds always, or never.
    pub const fn constant(holds: bool) -> Expression {
        if holds {
            Expression::And(Vec::new())
        } else {
            Expression::Or(Vec::new())
        }
    }

    /// What holds always or never, in the form of [`constant`](Expression::constant).
    pub fn as_constant(&self) -> Option<bool> {
        match self {
            Expression::And(parts) if parts.is_empty() => Some(true),
            Expression::Or(parts) if parts.is_empty() => Some(false),
            _ => None,
        }
    }

    /// The first test for which `wanted` holds.
    pub fn find(&self, wanted: &dyn Fn(&Test) -> bool) -> Option<&Test> {
        match self {
            Expression::And(parts) | Expression::Or(parts) => {
                parts.iter().find_map(|part| part.find(wanted))
            }
            Expression::Not(inner) => inner.find(wanted),
            Expression::Test(test) => wanted(test).then_some(test),
        }
    }

    /// What these judges can say of the condition; `None` when that is nothing.
    pub fn judged_by(&self, judges: &[Judge]) -> Option<Expression> {
        let weaker = self.weakened(&|test| match judges.contains(&test.judge()) {
            true => Fate::Stays,
            false => Fate::Unknown,
        });
        (weaker.as_constant() != Some(true)).then_some(weaker)
    }

    /// What is left of the condition when some tests are decided and others cannot be judged: it
    /// holds wherever the condition does, and where no test is unknown nowhere else.
    pub fn weakened(&self, fate: &dyn Fn(&Test) -> Fate) -> Expression {
        self.bounded(fate, true)
    }

    /// What is left of the condition when some tests cannot be judged: it holds only where the
    /// condition does, whatever those would say.
    pub fn strengthened(&self, fate: &dyn Fn(&Test) -> Fate) -> Expression {
        self.bounded(fate, false)
    }

    /// The condition, with a constant in the place of unknown tests; below a `not` the other one.
    fn bounded(&self, fate: &dyn Fn(&Test) -> Fate, doubt: bool) -> Expression {
        match self {
            Expression::Test(test) => match fate(test) {
                Fate::Stays => self.clone(),
                Fate::Is(holds) => Expression::constant(holds),
                Fate::Unknown => Expression::constant(doubt),
            },
            Expression::Not(inner) => {
                let inner = inner.bounded(fate, !doubt);
                match inner.as_constant() {
                    Some(holds) => Expression::constant(!holds),
                    None => Expression::Not(Box::new(inner)),
                }
            }
            Expression::And(parts) => {
                let parts = parts.iter().map(|part| part.bounded(fate, doubt));
                Expression::joined(parts, true)
            }
            Expression::Or(parts) => {
                let parts = parts.iter().map(|part| part.bounded(fate, doubt));
                Expression::joined(parts, false)
            }
        }
    }

    /// All parts, or at least one, without those that say nothing.
    fn joined(parts: impl Iterator<Item = Expression>, all: bool) -> Expression {
        let mut kept = Vec::new();
        for part in parts {
            match part.as_constant() {
                Some(holds) if holds == all => {}
                Some(holds) => return Expression::constant(holds),
                None => kept.push(part),
            }
        }
        match (kept.len(), all) {
            (1, _) => kept.swap_remove(0),
            (_, true) => Expression::And(kept),
            (_, false) => Expression::Or(kept),
        }
    }
}

impl From<Test> for Expression {
    fn from(test: Test) -> Expression {
        Expression::Test(test)
    }
}

/// What becomes of a test in a weakened condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is judged as before.
    Stays,
    /// It is decided.
    Is(bool),
    /// Nobody can say whether it passes.
    Unknown,
}

/// A test on one property of a socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `sport`, `dport`.
    Port {
        /// Of which end.
        end: End,
        /// How it compares.
        comparison: Comparison,
        /// With which port.
        port: u16,
    },
    /// `inet:`, `inet6:`, `unix:`, `link:` and `netlink:` before an address.
    Family(Family),
    /// One word of `-A` in ss: a unix or packet socket that carries this.
    Kind(SocketKind),
    /// `src`, `dst`.
    Address {
        /// Of which end.
        end: End,
        /// The addresses that pass; `None` for all.
        prefix: Option<Prefix>,
        /// The port that passes; `None` for all.
        port: Option<u16>,
    },
    /// `src`, `dst` of a unix socket.
    Name {
        /// Of which end.
        end: End,
        /// The names that pass.
        glob: Glob,
    },
    /// `src` of a packet socket: the protocol of its frames (`ETH_P_*`).
    FrameProtocol(u16),
    /// `src`, `dst` of a netlink socket: its protocol (`NETLINK_*`).
    NetlinkProtocol(u8),
    /// `src`, `dst`, `sport`, `dport` of a netlink socket.
    PortId {
        /// Of which end.
        end: End,
        /// How it compares.
        comparison: Comparison,
        /// With which port id.
        port: u32,
    },
    /// `autobound`: the kernel chose its port, out of this range.
    Autobound(PortRange),
    /// `dev`: bound to the interface of this index.
    Interface(u32),
    /// `fwmark`: its mark, in the bits of the mask.
    Mark {
        /// What the mark is to be.
        mark: u32,
        /// Which bits of it count.
        mask: u32,
    },
    /// `cgroup`: made in the cgroup of this id.
    Cgroup(u64),
    /// `uid`, `user`.
    Uid {
        /// How it compares.
        comparison: Comparison,
        /// With which user.
        uid: u32,
    },
    /// `inode`.
    Inode {
        /// How it compares.
        comparison: Comparison,
        /// With which inode.
        inode: u64,
    },
    /// `netns`: in this network namespace.
    Netns(NetnsId),
    /// `pid`: held by such a process.
    Pid {
        /// How it compares.
        comparison: Comparison,
        /// With which process.
        pid: u32,
    },
    /// `comm`: held by a process of this name.
    Comm(Vec<u8>),
    /// `unit`: held by a process of this systemd unit.
    Unit(Vec<u8>),
    /// `container`: held by a process in the container of this id or name.
    Container(Vec<u8>),
}

/// Who can tell at the earliest whether a socket passes a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Any kernel, before it reports the socket.
    Kernel,
    /// A kernel that is new enough and thinks us worthy.
    NewKernel,
    /// Whoever has the socket alone.
    Reader,
    /// Whoever has the names of unix sockets as well.
    Names,
    /// Whoever knows its owners.
    Owners,
}

impl Judge {
    /// Every kernel.
    pub const ANY_KERNEL: &[Judge] = &[Judge::Kernel];
    /// The newest kernel, asked by root.
    pub const BEST_KERNEL: &[Judge] = &[Judge::Kernel, Judge::NewKernel];
    /// All that need nothing but a socket and its details.
    pub const OF_SOCKETS: &[Judge] = &[Judge::Kernel, Judge::NewKernel, Judge::Reader];
}

impl Test {
    /// Who can judge it.
    pub const fn judge(&self) -> Judge {
        match self {
            Test::Port { .. } | Test::Family(_) | Test::Address { .. } | Test::Autobound(_) => {
                Judge::Kernel
            }
            Test::Interface(_) | Test::Mark { .. } | Test::Cgroup(_) => Judge::NewKernel,
            Test::Uid { .. }
            | Test::Inode { .. }
            | Test::Netns(_)
            | Test::Kind(_)
            | Test::FrameProtocol(_)
            | Test::NetlinkProtocol(_)
            | Test::PortId { .. } => Judge::Reader,
            Test::Name { .. } => Judge::Names,
            Test::Pid { .. } | Test::Comm(_) | Test::Unit(_) | Test::Container(_) => Judge::Owners,
        }
    }

    /// That a user made it.
    pub const fn uid_is(uid: u32) -> Test {
        let comparison = Comparison::Equal;
        Test::Uid { comparison, uid }
    }

    /// Whether it needs the socket's owners.
    pub fn needs_owners(&self) -> bool {
        self.judge() == Judge::Owners
    }

    /// Whether it needs the names of unix sockets.
    pub fn needs_names(&self) -> bool {
        self.judge() == Judge::Names
    }

    /// Whether it needs the names of the sockets that unix sockets are connected to.
    pub const fn needs_peer_names(&self) -> bool {
        matches!(self, Test::Name { end: End::Peer, .. })
    }

    /// Whether it needs more of its owners than their names.
    pub const fn needs_process_details(&self) -> bool {
        matches!(self, Test::Unit(_) | Test::Container(_))
    }

    /// Whether it needs details of the socket that are read only when asked for.
    pub const fn needs_details(&self) -> bool {
        matches!(
            self,
            Test::Autobound(_) | Test::Mark { .. } | Test::Cgroup(_)
        )
    }
}

/// One end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its own.
    Local,
    /// The other.
    Peer,
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`, `==`, `eq`.
    Equal,
    /// `!=`, `ne`, `neq`.
    NotEqual,
    /// `<`, `lt`.
    Less,
    /// `<=`, `le`, `leq`.
    LessOrEqual,
    /// `>`, `gt`.
    Greater,
    /// `>=`, `ge`, `geq`.
    GreaterOrEqual,
}

/// Addresses that begin alike. An IPv4 prefix also holds the v4-mapped forms of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    addr: IpAddr,
    length: u8,
}

impl Prefix {
    /// A prefix; `None` when it is longer than the address.
    pub const fn new(addr: IpAddr, length: u8) -> Option<Prefix> {
        let most = match addr {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if length <= most {
            Some(Prefix { addr, length })
        } else {
            None
        }
    }

    /// An address alone.
    pub const fn of(addr: IpAddr) -> Option<Prefix> {
        let length = if addr.is_ipv4() { 32 } else { 128 };
        Prefix::new(addr, length)
    }

    /// The address, of which only the first bits count.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// How many bits count.
    pub const fn length(&self) -> u8 {
        self.length
    }
}
