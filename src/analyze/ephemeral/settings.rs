//! The limits that the kernel sets.

use crate::model::{PortRange, PortSet, Socket, State, TimerKind};

/// How long a connection stays in TIME-WAIT. Source: `TCP_TIMEWAIT_LEN`, which no sysctl changes.
pub(super) const TIME_WAIT_MS: u32 = 60_000;
/// The kernel's index of `lo` in every network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Which connections in TIME-WAIT a connect may take over. Source: `net.ipv4.tcp_tw_reuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// 0: none.
    Never,
    /// 1: those with timestamps.
    Always,
    /// 2, the kernel's default: those with timestamps and an end on loopback.
    Loopback,
}

impl Reuse {
    /// From the sysctl's number; `None` for one that no kernel knows.
    pub const fn from_number(number: u32) -> Option<Reuse> {
        match number {
            0 => Some(Reuse::Never),
            1 => Some(Reuse::Always),
            2 => Some(Reuse::Loopback),
            _ => None,
        }
    }

    /// The sysctl's number.
    pub const fn number(self) -> u8 {
        match self {
            Reuse::Never => 0,
            Reuse::Always => 1,
            Reuse::Loopback => 2,
        }
    }
}

/// When a connection in TIME-WAIT gives its port away early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWaitReuse {
    /// Which.
    pub reuse: Reuse,
    /// How old it must be, in milliseconds. Source: `net.ipv4.tcp_tw_reuse_delay`; 1000 where
    /// the kernel has no such file.
    pub delay_ms: u32,
    /// Whether connections have timestamps, without which none is taken over. Whether one has is
    /// in no row. Source: `net.ipv4.tcp_timestamps`.
    pub timestamps: bool,
}

impl TimeWaitReuse {
    /// What a kernel does that was told nothing.
    pub const DEFAULT: TimeWaitReuse = TimeWaitReuse {
        reuse: Reuse::Loopback,
        delay_ms: 1000,
        timestamps: true,
    };

    /// Whether connections between these ends are given away early at all.
    pub(super) fn applies(&self, loopback: bool) -> bool {
        self.timestamps
            && match self.reuse {
                Reuse::Never => false,
                Reuse::Always => true,
                Reuse::Loopback => loopback,
            }
    }

    /// Whether a connect may take this socket's port over. A FIN-WAIT-2 without an owner waits
    /// on the same timer, but is none that may.
    pub(super) fn reclaims(&self, socket: &Socket) -> bool {
        self.reclaimed_in(socket) == Some(0)
    }

    /// How long it takes until a connect may take this socket's port over, in milliseconds;
    /// `None` where none ever may.
    pub(super) fn reclaimed_in(&self, socket: &Socket) -> Option<u32> {
        let age = time_wait_age_ms(socket)?;
        let loopback = socket.interface == LOOPBACK_INDEX
            || socket.inet().is_some_and(|ends| {
                [ends.local, ends.peer]
                    .iter()
                    .any(|end| end.addr.to_canonical().is_loopback())
            });
        let from = self.delay_ms.saturating_add(1);
        self.applies(loopback).then(|| from.saturating_sub(age))
    }
}

/// How long a socket has been in TIME-WAIT; `None` where its timer was not told.
pub(super) fn time_wait_age_ms(socket: &Socket) -> Option<u32> {
    let timer = socket.timer?;
    if socket.state != State::TimeWait || timer.kind != TimerKind::Timewait {
        return None;
    }
    TIME_WAIT_MS.checked_sub(timer.expires_ms)
}

/// The ports that the kernel may draw, and what it does with TIME-WAIT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralSettings {
    range: PortRange,
    reserved: PortSet,
    reserved_is_known: bool,
    drawn: PortSet,
    capacity: u32,
    time_wait: TimeWaitReuse,
}

impl EphemeralSettings {
    /// `ip_local_port_range` and `ip_local_reserved_ports`.
    pub fn new(range: PortRange, reserved: PortSet) -> EphemeralSettings {
        let mut drawn = PortSet::new();
        drawn.insert_range(range);
        drawn.subtract(&reserved);
        EphemeralSettings {
            range,
            reserved,
            reserved_is_known: true,
            capacity: drawn.len(),
            drawn,
            time_wait: TimeWaitReuse::DEFAULT,
        }
    }

    /// The same with another way of reusing TIME-WAIT.
    pub fn with_reuse(self, time_wait: TimeWaitReuse) -> EphemeralSettings {
        EphemeralSettings { time_wait, ..self }
    }

    /// The same where nobody could read which ports are reserved, so that they seem to be none.
    pub fn without_reserved(self) -> EphemeralSettings {
        EphemeralSettings {
            reserved_is_known: false,
            ..EphemeralSettings::new(self.range, PortSet::new()).with_reuse(self.time_wait)
        }
    }

    /// The range, reserved ports included.
    pub const fn range(&self) -> PortRange {
        self.range
    }

    /// Whether it is known which ports are reserved. Where it is not, nobody can be told to set
    /// them: that would undo what is set.
    pub const fn knows_reserved(&self) -> bool {
        self.reserved_is_known
    }

    /// All reserved ports, those outside the range included.
    pub const fn reserved_ports(&self) -> &PortSet {
        &self.reserved
    }

    /// How many ports of the range are reserved.
    pub const fn reserved(&self) -> u32 {
        self.range.len() - self.capacity()
    }

    /// How many ports there are to draw.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// What is done with TIME-WAIT.
    pub const fn time_wait(&self) -> TimeWaitReuse {
        self.time_wait
    }

    /// Whether the port is one that may be drawn.
    pub fn contains(&self, port: u16) -> bool {
        self.drawn.contains(port)
    }

    /// The ports that may be drawn.
    pub(super) const fn drawn(&self) -> &PortSet {
        &self.drawn
    }

    /// The ports that a connect tries [first](Self::is_first_choice).
    pub(super) fn first_choices(&self) -> PortSet {
        let mut ports = PortSet::every_second(self.range);
        ports.intersect(&self.drawn);
        ports
    }

    /// Whether a connect tries the port among the first. It takes every second port from the
    /// first of the range on, and the others when none of those is left; `bind` of port 0 takes
    /// the others first.
    pub(super) const fn is_first_choice(&self, port: u16) -> bool {
        (port ^ self.range.first()) & 1 == 0
    }

    /// How many ports one search may miss: it goes in steps of two around a range that it cuts
    /// to an even length.
    pub(super) const fn missed(&self) -> u32 {
        if self.range.len() > 1 {
            self.range.len() % 2
        } else {
            0
        }
    }
}
