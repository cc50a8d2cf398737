//! The command that destroys sockets: those that are in the way, and no other on the port.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::case::{Case, endpoint};
use crate::model::{Endpoint, InetRow, Protocol, State};
use crate::render::entering;

/// Connections that a command names one by one.
const MOST_CONNECTIONS: usize = 3;
/// Addresses that it names, where they are more; a command with hundreds nobody reads.
const MOST_ADDRESSES: usize = 8;

/// `portstat -K` of what is in the way; `None` where no filter of a readable length means that alone.
pub(super) fn destroying(case: &Case<'_>) -> Option<String> {
    let rows: Vec<&InetRow<'_>> = case.rows().collect();
    let first = rows.first()?;
    let protocol = match first.socket.protocol {
        Protocol::Tcp => 't',
        _ => 'u',
    };
    let states: BTreeSet<State> = rows.iter().map(|row| row.socket.state).collect();
    let words: Vec<&str> = { states.iter() }
        .map(|state| state_word(*state))
        .collect::<Option<_>>()?;
    let filter = if rows.len() <= MOST_CONNECTIONS {
        of_connections(&rows)
    } else {
        of_addresses(&rows)?
    };
    let ours: HashSet<usize> = case.sockets().collect();
    let crowds = &case.report.crowds;
    if crowds.count(case.report.sockets, &states, &filter.ends) > ours.len() {
        return None;
    }
    let words = words.join(" state ");
    let portstat = entering::portstat(case.report.entrance.as_ref());
    Some(case.as_root(&format!(
        "{portstat} -{protocol}K state {words} '{}'",
        filter.text
    )))
}

/// What finds sockets.
struct Filter {
    text: String,
    ends: HashSet<Ends>,
}

/// A local end, and a peer; without a peer whatever it is.
type Ends = ((IpAddr, u16), Option<(IpAddr, u16)>);

/// How many sockets there are in a state at these ends. It is counted when it is first asked for:
/// a port may have very many sockets, and each that is in the way has a command of its own.
#[derive(Debug, Default)]
pub struct Crowds {
    counts: OnceCell<HashMap<(State, Ends), usize>>,
}

impl Crowds {
    /// Of all sockets, those in one of the states and at some of the ends, which are either all
    /// with a peer or all without.
    fn count(&self, all: &[InetRow<'_>], states: &BTreeSet<State>, ends: &HashSet<Ends>) -> usize {
        let counts = self.counts.get_or_init(|| counted(all));
        let each = states
            .iter()
            .flat_map(|state| ends.iter().map(|one| (*state, *one)));
        each.filter_map(|place| counts.get(&place)).sum()
    }
}

fn counted(all: &[InetRow<'_>]) -> HashMap<(State, Ends), usize> {
    let mut counts = HashMap::with_capacity(2 * all.len());
    for row in all {
        let (local, peer) = ends(row);
        for place in [(local, None), (local, Some(peer))] {
            *counts.entry((row.socket.state, place)).or_default() += 1;
        }
    }
    counts
}

/// The ends of a connection. To a filter an IPv4 address is also that of the IPv6 socket that speaks
/// IPv4 from there.
fn ends(row: &InetRow<'_>) -> ((IpAddr, u16), (IpAddr, u16)) {
    let end = |end: &Endpoint| (end.addr.to_canonical(), end.port);
    (end(&row.ends.local), end(&row.ends.peer))
}

fn of_connections(rows: &[&InetRow<'_>]) -> Filter {
    let each = rows.iter().map(|row| {
        let (local, peer) = (&row.ends.local, &row.ends.peer);
        format!("src {} dst {}", endpoint(local), endpoint(peer))
    });
    let each: Vec<String> = each.collect();
    let named = rows.iter().map(|row| ends(row));
    Filter {
        text: match &each[..] {
            [one] => one.clone(),
            several => format!("( {} )", several.join(" ) or ( ")),
        },
        ends: named.map(|(local, peer)| (local, Some(peer))).collect(),
    }
}

fn of_addresses(rows: &[&InetRow<'_>]) -> Option<Filter> {
    let port = rows.first()?.ends.local.port;
    let addrs: BTreeSet<IpAddr> = rows.iter().map(|row| ends(row).0.0).collect();
    if addrs.len() > MOST_ADDRESSES || addrs.iter().any(IpAddr::is_unspecified) {
        return None;
    }
    let each = addrs.iter().map(|&addr| {
        let end = Endpoint { addr, port };
        format!("src {}", endpoint(&end))
    });
    let each: Vec<String> = each.collect();
    Some(Filter {
        text: match &each[..] {
            [one] => one.clone(),
            several => format!("( {} )", several.join(" or ")),
        },
        ends: addrs.into_iter().map(|addr| ((addr, port), None)).collect(),
    })
}

/// A state as filters have it; `None` of servers, which nobody should destroy, and of states that
/// filters do not know.
fn state_word(state: State) -> Option<&'static str> {
    Some(match state {
        State::Established => "established",
        State::SynSent => "syn-sent",
        State::SynRecv => "syn-recv",
        State::FinWait1 => "fin-wait-1",
        State::FinWait2 => "fin-wait-2",
        State::TimeWait => "time-wait",
        State::Close => "unconnected",
        State::CloseWait => "close-wait",
        State::LastAck => "last-ack",
        State::Closing => "closing",
        _ => return None,
    })
}
