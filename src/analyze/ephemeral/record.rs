//! What is kept of a socket: eight bytes.

use super::settings::{EphemeralSettings, TIME_WAIT_MS, time_wait_age_ms};
use crate::model::{PortSet, Socket, State};

/// Slices of TIME-WAIT by age.
pub(super) const SLICES: usize = 6;
/// How long a slice is, in milliseconds.
pub(super) const SLICE_MS: u32 = TIME_WAIT_MS / SLICES as u32;

/// A socket whose local port may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) port: u16,
    kind: u8,
    /// 0 for none. The kernel's own field has 32 bits.
    pub(super) inode: u32,
}

const _: () = assert!(size_of::<Record>() == 8);

impl Record {
    const SLICE_MASK: u8 = 0b111;
    const NO_SLICE: u8 = 0b111;
    const TIME_WAIT: u8 = 1 << 3;
    const RECLAIMABLE: u8 = 1 << 4;
    const CLOSE_WAIT: u8 = 1 << 5;
    const BLOCKING: u8 = 1 << 6;
    const V6ONLY: u8 = 1 << 7;

    pub(super) fn of(socket: &Socket, port: u16, settings: &EphemeralSettings) -> Record {
        let mut kind = match time_wait_age_ms(socket) {
            Some(age) => (age / SLICE_MS).min(SLICES as u32 - 1) as u8,
            None => Self::NO_SLICE,
        };
        let mut set = |flag, holds: bool| kind |= if holds { flag } else { 0 };
        set(Self::TIME_WAIT, socket.state == State::TimeWait);
        set(Self::CLOSE_WAIT, socket.state == State::CloseWait);
        set(Self::BLOCKING, blocks(socket));
        set(Self::V6ONLY, socket.v6only == Some(true));
        set(Self::RECLAIMABLE, settings.time_wait().reclaims(socket));
        Record {
            port,
            kind,
            inode: u32::try_from(socket.inode).unwrap_or(0),
        }
    }

    pub(super) const fn is_time_wait(self) -> bool {
        self.kind & Self::TIME_WAIT != 0
    }

    pub(super) const fn is_reclaimable(self) -> bool {
        self.kind & Self::RECLAIMABLE != 0
    }

    pub(super) const fn is_close_wait(self) -> bool {
        self.kind & Self::CLOSE_WAIT != 0
    }

    pub(super) const fn is_v6only(self) -> bool {
        self.kind & Self::V6ONLY != 0
    }

    pub(super) const fn is_bound(self) -> bool {
        self.kind & Self::BLOCKING != 0
    }

    /// The slice of TIME-WAIT it is in, 0 for the youngest; `None` in other states.
    pub(super) fn slice(self) -> Option<usize> {
        let slice = usize::from(self.kind & Self::SLICE_MASK);
        (slice < SLICES).then_some(slice)
    }
}

/// Whether the socket keeps its port from every connect, whatever its address and family.
pub(super) const fn blocks(socket: &Socket) -> bool {
    matches!(socket.state, State::Listen | State::BoundInactive)
}

/// What is used of a pool of connections: distinct ports, those of listeners and bound sockets
/// left aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Ports with a socket in any state.
    pub(super) used: u32,
    /// Of these, ports in TIME-WAIT.
    pub(super) time_wait: u32,
    /// Of these, ports that a connect may take over.
    pub(super) reclaimable: u32,
    /// Ports of connections that only the peer has closed.
    pub(super) close_wait: u32,
    /// Ports that are not reclaimable.
    pub(super) held: u32,
    /// Of these, ports that are not presumed to be bound anyway.
    pub(super) held_beyond: u32,
    /// Ports that a connect tries first, and those it tries last.
    pub(super) first_choice: u32,
    pub(super) last_choice: u32,
    /// Ports in TIME-WAIT by age, the youngest first.
    pub(super) slices: [u32; SLICES],
}

impl Share {
    /// Counts records. A recording may hold a port twice: the first record that is not
    /// reclaimable counts, else the first. `scratch` is empty before and after.
    pub(super) fn of(
        records: &[Record],
        settings: &EphemeralSettings,
        blocked: &PortSet,
        presumed: &PortSet,
        scratch: &mut PortSet,
    ) -> Share {
        let mut share = Share::default();
        for reclaimable in [false, true] {
            let of_kind = records
                .iter()
                .filter(|record| record.is_reclaimable() == reclaimable);
            for record in of_kind {
                let port = record.port;
                if blocked.contains(port) || scratch.contains(port) {
                    continue;
                }
                scratch.insert(port);
                share.count(*record, presumed.contains(port));
                if settings.is_first_choice(port) {
                    share.first_choice += 1;
                } else {
                    share.last_choice += 1;
                }
            }
        }
        for record in records {
            scratch.remove(record.port);
        }
        share
    }

    fn count(&mut self, record: Record, presumed: bool) {
        self.used += 1;
        self.time_wait += u32::from(record.is_time_wait());
        self.reclaimable += u32::from(record.is_reclaimable());
        self.close_wait += u32::from(record.is_close_wait());
        self.held += u32::from(!record.is_reclaimable());
        self.held_beyond += u32::from(!record.is_reclaimable() && !presumed);
        if let Some(slice) = record.slice() {
            self.slices[slice] += 1;
        }
    }

    /// Whether its last choices are explained by connects that found no first choice any more,
    /// `first_choices` being how many of those there are. What `bind` drew has more of the last.
    pub(super) const fn overflowed(&self, first_choices: u32) -> bool {
        let (first, last) = (self.first_choice, self.last_choice);
        // All but an eighth of them is as good as all: some may just have been given back. When
        // many have been given back, of both, there are still no more of the last.
        (first > 0 && 8 * first >= 7 * first_choices)
            || (first >= last && 2 * first >= first_choices)
    }
}
