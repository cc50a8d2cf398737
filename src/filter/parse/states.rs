//! `state` and `exclude`.

use super::super::FilterError;
use super::Parser;
use crate::model::{State, StateSet};

/// Names of states, and of several together; others that mean the same are taken too.
pub(super) const STATES: [&str; 18] = [
    "all",
    "connected",
    "synchronized",
    "bucket",
    "big",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "unconnected",
    "closed",
    "close-wait",
    "last-ack",
    "listening",
    "closing",
    "bound",
];

impl Parser<'_> {
    /// Takes the states that a filter begins with.
    pub(super) fn states(&mut self) -> Result<Option<StateSet>, FilterError> {
        let mut states = None;
        loop {
            if self.take(&["state"]) {
                let named = self.state_name()?;
                states = Some(states.unwrap_or(StateSet::EMPTY).union(named));
            } else if self.take(&["exclude", "excl"]) {
                let named = self.state_name()?;
                states = Some(states.unwrap_or(StateSet::ALL).without(named));
            } else {
                return Ok(states);
            }
        }
    }

    fn state_name(&mut self) -> Result<StateSet, FilterError> {
        let named = self
            .peek()
            .and_then(|token| token.word())
            .and_then(states_named);
        let Some(named) = named else {
            return Err(self.error(
                "a state (established, listening, time-wait, …, all, connected, synchronized, \
                 bucket, big)",
            ));
        };
        self.next += 1;
        Ok(named)
    }
}

/// The states of a name: ss's long names, the names it prints, and its words for several.
fn states_named(name: &str) -> Option<StateSet> {
    let one = |state| StateSet::EMPTY.with(state);
    Some(match name.to_ascii_lowercase().as_str() {
        "all" => StateSet::ALL,
        "connected" => StateSet::CONNECTED,
        "synchronized" => StateSet::CONNECTED.without(one(State::SynSent)),
        "bucket" => StateSet::BUCKET,
        "big" => StateSet::ALL.without(StateSet::BUCKET),
        "established" | "estab" => one(State::Established),
        "syn-sent" => one(State::SynSent),
        "syn-recv" | "syn-rcv" => one(State::SynRecv),
        "fin-wait-1" => one(State::FinWait1),
        "fin-wait-2" => one(State::FinWait2),
        "time-wait" => one(State::TimeWait),
        "unconnected" | "unconn" => one(State::Close),
        // To the kernel a bound socket is a closed one.
        "close" | "closed" => StateSet::BOUND.with(State::Close),
        "close-wait" => one(State::CloseWait),
        "last-ack" => one(State::LastAck),
        "listening" | "listen" => one(State::Listen),
        "closing" => one(State::Closing),
        "bound" | "bound-inactive" => StateSet::BOUND,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_some_state() {
        for name in STATES {
            assert!(
                states_named(name).is_some_and(|states| !states.is_empty()),
                "{name}"
            );
        }
    }
}
