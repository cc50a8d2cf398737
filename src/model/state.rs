//! Socket states, under the kernel's numbers and ss's names.

use std::borrow::Cow;

/// State of a socket. UDP has two: `Established` (connected) and `Close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// 1: open for data; for UDP, connected to a peer.
    Established,
    /// 2: a connect is under way.
    SynSent,
    /// 3: a SYN was answered, the last ACK of the handshake is due.
    SynRecv,
    /// 4: closed here, our FIN not yet acknowledged.
    FinWait1,
    /// 5: closed here and acknowledged, the peer has not closed.
    FinWait2,
    /// 6: closed on both sides, waiting out stray segments.
    TimeWait,
    /// 7: neither connected nor listening; what a UDP server is in.
    Close,
    /// 8: the peer closed, the owner has not.
    CloseWait,
    /// 9: closed here after the peer, our FIN not yet acknowledged.
    LastAck,
    /// 10: waits for connections.
    Listen,
    /// 11: both closed at once.
    Closing,
    /// 13 in a request, 7 in the answer: TCP bound to a port but neither listening nor connected.
    BoundInactive,
    /// A number no kernel known here uses; kept, so that the socket is still shown.
    Unknown(u8),
}

impl State {
    /// From the number in a TCP row (`idiag_state`, `/proc/net/tcp` column `st`).
    pub const fn from_kernel_tcp(number: u8) -> State {
        match number {
            // A TCP socket in CLOSE is only ever reported because it holds a port.
            7 => State::BoundInactive,
            other => State::from_kernel(other),
        }
    }

    /// From the number in a UDP row.
    pub const fn from_kernel(number: u8) -> State {
        match number {
            1 => State::Established,
            2 => State::SynSent,
            // 12 is NEW_SYN_RECV, the kernel's inner form of a half-open connection.
            3 | 12 => State::SynRecv,
            4 => State::FinWait1,
            5 => State::FinWait2,
            6 => State::TimeWait,
            7 => State::Close,
            8 => State::CloseWait,
            9 => State::LastAck,
            10 => State::Listen,
            11 => State::Closing,
            13 => State::BoundInactive,
            other => State::Unknown(other),
        }
    }

    /// The number whose bit stands for this state in a request's mask.
    pub const fn number(self) -> u8 {
        match self {
            State::Established => 1,
            State::SynSent => 2,
            State::SynRecv => 3,
            State::FinWait1 => 4,
            State::FinWait2 => 5,
            State::TimeWait => 6,
            State::Close => 7,
            State::CloseWait => 8,
            State::LastAck => 9,
            State::Listen => 10,
            State::Closing => 11,
            State::BoundInactive => 13,
            State::Unknown(number) => number,
        }
    }

    /// ss's name, and `BOUND` where ss says UNCONN of a TCP socket.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            State::Established => "ESTAB",
            State::SynSent => "SYN-SENT",
            State::SynRecv => "SYN-RECV",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::TimeWait => "TIME-WAIT",
            State::Close => "UNCONN",
            State::CloseWait => "CLOSE-WAIT",
            State::LastAck => "LAST-ACK",
            State::Listen => "LISTEN",
            State::Closing => "CLOSING",
            State::BoundInactive => "BOUND",
            State::Unknown(number) => return Cow::Owned(format!("UNKNOWN-{number}")),
        })
    }
}

/// A set of states, one bit each, as the kernel's request mask has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSet(u32);

impl StateSet {
    /// No state.
    pub const EMPTY: StateSet = StateSet(0);
    /// Every state, those unknown here included.
    pub const ALL: StateSet = StateSet(u32::MAX);
    /// What `-l` asks for.
    pub const LISTENING: StateSet = StateSet::EMPTY.with(State::Listen).with(State::Close);
    /// ss's `connected`: all but listening and closed.
    pub const CONNECTED: StateSet = StateSet::ALL
        .without(StateSet::LISTENING)
        .without(StateSet::BOUND);
    /// What is shown without `-a`, `-l` or a state filter.
    pub const DEFAULT: StateSet = StateSet::CONNECTED.without(StateSet::BUCKET);
    /// Sockets the kernel keeps in small: half-open and TIME-WAIT.
    pub const BUCKET: StateSet = StateSet::EMPTY.with(State::SynRecv).with(State::TimeWait);
    /// What `-B` asks for.
    pub const BOUND: StateSet = StateSet::EMPTY.with(State::BoundInactive);

    const fn bit(state: State) -> u32 {
        let number = state.number();
        // Bit 0 is no kernel state: it stands for every number that has no bit of its own.
        if number < 32 { 1 << number } else { 1 }
    }

    /// This set and one state more.
    pub const fn with(self, state: State) -> StateSet {
        StateSet(self.0 | StateSet::bit(state))
    }

    /// Both sets together.
    pub const fn union(self, other: StateSet) -> StateSet {
        StateSet(self.0 | other.0)
    }

    /// This set less the other.
    pub const fn without(self, other: StateSet) -> StateSet {
        StateSet(self.0 & !other.0)
    }

    /// Whether the state is in the set.
    pub const fn contains(self, state: State) -> bool {
        self.0 & StateSet::bit(state) != 0
    }

    /// Whether the set holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether exactly one state is in the set; its column then says nothing. To the kernel a
    /// bound socket is a closed one, so these two are one here.
    pub const fn is_single(self) -> bool {
        let closed = StateSet::BOUND.with(State::Close);
        let others = self.without(closed).0.count_ones();
        let either = self.without(closed).0 != self.0;
        others + either as u32 == 1
    }

    /// The request mask as the kernel reads it.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_way_through() {
        for number in 0..=255u8 {
            let state = State::from_kernel(number);
            let expected = if number == 12 { 3 } else { number };
            assert_eq!(state.number(), expected);
            assert!(StateSet::ALL.contains(state));
            assert!(!StateSet::EMPTY.contains(state));
        }
        assert_eq!(State::from_kernel(99), State::Unknown(99));
        assert_eq!(State::from_kernel(99).name(), "UNKNOWN-99");
    }

    #[test]
    fn tcp_closed_is_bound_and_udp_closed_is_unconnected() {
        assert_eq!(State::from_kernel_tcp(7).name(), "BOUND");
        assert_eq!(State::from_kernel(7).name(), "UNCONN");
    }

    #[test]
    fn closed_and_bound_are_a_single_state() {
        let closed = StateSet::BOUND.with(State::Close);
        assert!(closed.is_single() && StateSet::BOUND.is_single());
        assert!(StateSet::EMPTY.with(State::Established).is_single());
        assert!(!StateSet::EMPTY.is_single() && !StateSet::LISTENING.is_single());
        assert!(!closed.with(State::Established).is_single());
        assert!(!StateSet::ALL.is_single() && !StateSet::DEFAULT.is_single());
    }

    #[test]
    fn the_default_is_what_ss_shows() {
        for state in [
            State::Listen,
            State::Close,
            State::TimeWait,
            State::SynRecv,
            State::BoundInactive,
        ] {
            assert!(!StateSet::DEFAULT.contains(state), "{state:?}");
        }
        for state in [
            State::Established,
            State::SynSent,
            State::CloseWait,
            State::Unknown(40),
        ] {
            assert!(StateSet::DEFAULT.contains(state), "{state:?}");
        }
    }
}
