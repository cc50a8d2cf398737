//! What to do, in words and with the command that does it. A command is whole: what the reader has
//! to fill in stands in the words.

use super::again::probing;
use super::case::{Case, mark};
use super::causes::{seconds, user};
use super::destroy::destroying;
use super::machine;
use super::stop::stop;
use crate::analyze::why::Fix;
use crate::model::State;

/// What to do, and the command for it.
pub(super) type Advice = (String, Option<String>);

/// What keeps programs that a server starts from holding its sockets.
pub(super) const CLOSE_ON_EXEC: &str = "for the next time, open sockets with SOCK_CLOEXEC \
    (O_CLOEXEC), so that programs that the server starts do not inherit them";

/// Words without a command.
pub(super) fn plain(text: &str) -> Vec<Advice> {
    vec![(text.to_owned(), None)]
}

/// A single step.
pub(super) fn one(text: &str, command: String) -> Vec<Advice> {
    vec![(text.to_owned(), Some(command))]
}

/// Everything that helps against what is in the way, the safest first.
pub(super) fn advice(case: &Case<'_>) -> Vec<Advice> {
    let mut advice: Vec<Advice> = Vec::new();
    let mut seen: Vec<&Fix> = Vec::new();
    for fix in case.blockers.iter().flat_map(|blocker| &blocker.fixes) {
        if case.overview.allows(fix) && !seen.contains(&fix) {
            seen.push(fix);
            let new = words(fix, case).into_iter().map(|one| placed(case, one));
            advice.extend(new.filter(|one| !advice.contains(one)).collect::<Vec<_>>());
        }
    }
    advice
}

/// One of them; several steps where there are several ways.
fn words(fix: &Fix, case: &Case<'_>) -> Vec<Advice> {
    match fix {
        Fix::StopOwner => stop(case),
        Fix::AnotherAddress => machine::another_address(case),
        Fix::OwnAddress => machine::own_address(case),
        Fix::UseV4 => plain("use an address of IPv4"),
        Fix::UnprivilegedPort => machine::unprivileged_port(case),
        Fix::TakeV4 => plain("leave IPV6_V6ONLY unset on the new socket, or use a socket of IPv4"),
        Fix::LinkUp { interface } => machine::link_up(case, *interface),
        Fix::V6Only => machine::v6only(case),
        Fix::ReuseAddress => plain(
            "set SO_REUSEADDR on the new socket before it binds: the old one has it, so this helps",
        ),
        Fix::ReuseAddressPerhaps => plain(
            "set SO_REUSEADDR on the new socket before it binds: this helps if the old one had it \
             too, which could not be read",
        ),
        Fix::Probe => vec![(
            "ask the kernel: --probe binds the port and closes it at once".to_owned(),
            probing(case),
        )],
        Fix::Wait => plain(&wait(case)),
        Fix::Destroy => destroy(case),
        Fix::ReservePort => machine::reserve(case),
        Fix::CloseConnection => close(case),
        Fix::SpecificAddress => {
            plain("bind a specific IPv4 address: only the wildcard 0.0.0.0 is in conflict")
        }
        Fix::CloseOnExec => close_on_exec(case),
        Fix::CloseInFlight => plain(
            "close the unix socket in which it is in flight (end the process that should receive \
             it), or remove the kernel's device or service",
        ),
        Fix::SameUser => plain(&same_user(case)),
        Fix::AddAddress => machine::add_address(case),
        Fix::NonlocalBind => machine::nonlocal_bind(case),
        Fix::WaitForDad => plain(
            "wait until duplicate address detection is over, a second or two, or set IP_FREEBIND",
        ),
        Fix::EnableIpv6 => machine::enable_ipv6(case),
        Fix::AllowLowPort => machine::low_port(case),
        Fix::AnotherSourcePort => plain("leave the source port to the kernel, or take another one"),
        Fix::SeeEphemeral => machine::see_pool(case),
        Fix::BindNoPort => plain(
            "set IP_BIND_ADDRESS_NO_PORT before bind() of port 0, so that connect() draws the port",
        ),
        Fix::NameDevice => plain("name the interface: [ADDRESS%INTERFACE]:PORT, or --dev"),
        Fix::OneHost => plain("connect to the address of a single host: TCP connects to no other"),
        Fix::AllowBroadcast => plain(
            "set SO_BROADCAST on the new socket before it connects, if you mean every host of that \
             network",
        ),
        Fix::AddRoute => machine::add_route(case),
    }
}

/// Where root has to be that of another user namespace, this is said.
fn placed(case: &Case<'_>, (text, command): Advice) -> Advice {
    let takes_root = command
        .as_ref()
        .is_some_and(|command| command.starts_with("sudo "));
    match case.report.root_is_outside && takes_root {
        true => (text + ", outside of this user namespace", command),
        false => (text, command),
    }
}

/// What it takes to share the port with others.
fn same_user(case: &Case<'_>) -> String {
    let row = case.first_row();
    let query = case.query();
    let uid = row.and_then(|row| row.uid());
    let who = match uid.is_some() && uid == case.report.anonymous {
        true => "the user whose they are, whom this user namespace does not know".to_owned(),
        false if uid == Some(query.user.uid) => {
            return "set SO_REUSEPORT on the new socket, as the others do".to_owned();
        }
        false => user(row),
    };
    match query.reuse_port {
        true => format!("run as {who}"),
        false => format!("run as {who}, and set SO_REUSEPORT as the others do"),
    }
}

/// Only of TIME-WAIT it is known when it goes: FIN-WAIT-2 becomes that when the peer closes after
/// all.
fn wait(case: &Case<'_>) -> String {
    let last = case
        .blockers
        .iter()
        .filter_map(|blocker| blocker.frees_in)
        .max();
    let others = match case.overview.goes {
        true => "",
        false => ", but what else is in the way does not",
    };
    if case.pool().is_some()
        && let Some(time) = last
    {
        return format!(
            "wait {}: then the first port is free{others}",
            seconds(time)
        );
    }
    let is_promised = case.rows().all(|row| row.socket.state == State::TimeWait);
    match last {
        Some(time) if is_promised => format!("wait {}: it goes by itself{others}", seconds(time)),
        Some(time) => format!(
            "wait {}: it goes by itself{others}; if it becomes TIME-WAIT before, 60 s more",
            seconds(time)
        ),
        None => format!("wait: it goes by itself{others}; when is not known"),
    }
}

/// A process that was forked and executed nothing has its descriptors whatever their flags.
fn close_on_exec(case: &Case<'_>) -> Vec<Advice> {
    let owners = case.owners();
    let lineages = owners.iter().map(|owner| case.lineage(owner.holder.pid));
    let mut lineages = lineages.flatten();
    match lineages.any(|lineage| lineage.has_executed) {
        true => plain(CLOSE_ON_EXEC),
        false => Vec::new(),
    }
}

/// Destroys what is in the way and nothing else.
fn destroy(case: &Case<'_>) -> Vec<Advice> {
    let text = match case.rows().count() {
        1 => "destroy it".to_owned(),
        count => format!("destroy all {count}"),
    };
    vec![by_filter(text, case)]
}

/// Ends connections: by their processes, or by themselves.
fn close(case: &Case<'_>) -> Vec<Advice> {
    let text = match case.rows().count() {
        1 => "close the connection",
        _ => "close the connections",
    };
    let who = match &case.roots()[..] {
        [one] => format!(", or end {}", mark(*one)),
        _ => String::new(),
    };
    vec![by_filter(format!("{text}{who}"), case)]
}

fn by_filter(text: String, case: &Case<'_>) -> Advice {
    match destroying(case) {
        Some(command) => (text, Some(command)),
        None => (text + " (no -K filter selects only these)", None),
    }
}
