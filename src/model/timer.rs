//! The timer a TCP socket waits on.

/// A running timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// What it is for.
    pub kind: TimerKind,
    /// Milliseconds until it fires.
    /// Sources: `idiag_expires` (ms); `/proc/net/tcp` `tm->when` (clock ticks of 10 ms).
    pub expires_ms: u32,
    /// Unanswered retransmissions or probes so far.
    pub retransmits: u8,
}

/// What a timer is for, under the kernel's numbers (`idiag_timer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// 1: retransmission, early retransmit or tail loss probe.
    On,
    /// 2: keepalive.
    Keepalive,
    /// 3: end of TIME-WAIT.
    Timewait,
    /// 4: zero window probe.
    Persist,
    /// Any other number.
    Unknown(u8),
}

impl TimerKind {
    /// From the kernel's number; `None` for 0, no timer.
    pub const fn from_kernel(number: u8) -> Option<TimerKind> {
        Some(match number {
            0 => return None,
            1 => TimerKind::On,
            2 => TimerKind::Keepalive,
            3 => TimerKind::Timewait,
            4 => TimerKind::Persist,
            other => TimerKind::Unknown(other),
        })
    }

    /// ss's name.
    pub const fn name(self) -> &'static str {
        match self {
            TimerKind::On => "on",
            TimerKind::Keepalive => "keepalive",
            TimerKind::Timewait => "timewait",
            TimerKind::Persist => "persist",
            TimerKind::Unknown(_) => "unknown",
        }
    }
}
