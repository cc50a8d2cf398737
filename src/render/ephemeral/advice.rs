//! Advice in words, with the command where there is one.

use super::owner;
use crate::analyze::{Advice, OwnerShare};
use crate::model::Entrance;
use crate::render::entering;

/// What to do, in one sentence, and the command that does it in the network namespace of the pool;
/// `prefix` stands before each step of it.
pub(in crate::render) fn words(
    advice: &Advice,
    owners: &[OwnerShare],
    entrance: Option<&Entrance>,
    prefix: &str,
) -> (String, Option<String>) {
    let (text, steps) = told(advice, owners);
    let steps: Vec<String> = { steps.iter() }
        .map(|step| format!("{prefix}{}", entering::within(entrance, step)))
        .collect();
    (text, (!steps.is_empty()).then(|| steps.join(" && ")))
}

/// What to do, and commands to be given one after the other.
fn told(advice: &Advice, owners: &[OwnerShare]) -> (String, Vec<String>) {
    let who = owners.first().map(owner);
    let who = who.as_deref();
    let plain = |text: String| (text, Vec::new());
    match advice {
        Advice::CloseLeaked { ports } => plain(format!(
            "connections in CLOSE-WAIT, which the peer has closed, have {}: {} must close them",
            ports_of(*ports),
            who.unwrap_or("their owner")
        )),
        Advice::KeepOpen { time_wait } => plain(format!(
            "{} out TIME-WAIT: keep connections open and use them again, or pool them{}",
            match time_wait {
                1 => "1 port waits".to_owned(),
                _ => format!("{time_wait} ports wait"),
            },
            who.map(|who| format!(" ({who})")).unwrap_or_default()
        )),
        Advice::ReuseTimeWait => (
            "where both ends have timestamps, let connects take over ports in TIME-WAIT".to_owned(),
            vec!["sysctl -w net.ipv4.tcp_tw_reuse=1".to_owned()],
        ),
        Advice::Timestamps => (
            "without timestamps no port in TIME-WAIT is taken over: turn them on".to_owned(),
            vec!["sysctl -w net.ipv4.tcp_timestamps=1".to_owned()],
        ),
        Advice::BindNoPort => plain(
            "ports drawn by bind() are closed to every connect: set IP_BIND_ADDRESS_NO_PORT \
             before bind() of port 0"
                .to_owned(),
        ),
        Advice::Spread => plain(
            "one source and one destination share these ports: add source addresses, or \
             addresses or ports of the destination"
                .to_owned(),
        ),
        Advice::ShareUdp => plain(
            "every UDP socket takes a port of its own: send from one socket to many destinations"
                .to_owned(),
        ),
        Advice::HarmsBindOnly => plain(
            "connections fill this pool, and only programs that bind port 0 before they connect \
             or listen are affected; those that connect can do without the port, by \
             IP_BIND_ADDRESS_NO_PORT"
                .to_owned(),
        ),
        Advice::MoveListeners { ports } => plain(format!(
            "listeners hold {} of the range: move them out of it",
            ports_of(*ports)
        )),
        Advice::Unreserve { ports } => plain(format!(
            "net.ipv4.ip_local_reserved_ports reserves {} of the range: free those that nothing \
             needs",
            ports_of(*ports)
        )),
        Advice::Widen {
            range,
            listeners,
            reserve,
        } => {
            let (first, last) = (range.first(), range.last());
            let widen = format!("sysctl -w net.ipv4.ip_local_port_range=\"{first} {last}\"");
            if listeners.is_empty() {
                return ("widen the range".to_owned(), vec![widen]);
            }
            (
                format!(
                    "widen the range, and reserve what listens inside the wider one ({})",
                    listeners.ranges()
                ),
                { reserve.as_ref() }
                    .map(|reserve| vec![reservation(&reserve.ranges()), widen])
                    .unwrap_or_default(),
            )
        }
    }
}

/// The command that reserves these ports of a network namespace and no others.
pub(in crate::render) fn reserving(entrance: Option<&Entrance>, ports: &str) -> String {
    entering::within(entrance, &reservation(ports))
}

fn reservation(ports: &str) -> String {
    format!("sysctl -w net.ipv4.ip_local_reserved_ports={ports}")
}

fn ports_of(ports: u32) -> String {
    format!("{ports} {}", if ports == 1 { "port" } else { "ports" })
}
