//! How to end whoever has a socket: by its container, its unit, or its process.

use std::collections::HashSet;

use super::WhyReport;
use super::case::{Case, listed, mark, named as named_process};
use super::fixes::{Advice, CLOSE_ON_EXEC};
use super::{published, unseen};
use crate::analyze::why::Cause;
use crate::model::{Condition, Owner, Owners, Parent};
use crate::render::shell;

/// Processes named in a sentence; the command has all.
const MOST_NAMED: usize = 5;
/// What systemd's own process is called.
const SYSTEMD: &[u8] = b"systemd";

/// How to end whoever has the socket.
pub(super) fn stop(case: &Case<'_>) -> Vec<Advice> {
    let roots = case.roots();
    let publishers = roots.iter().filter_map(|owner| case.publisher(*owner));
    if let Some(command) = { publishers }.find_map(|by| published::naming(by, case.query())) {
        let text = "stop the container that the port is published for; this names it";
        return vec![(text.to_owned(), Some(command))];
    }
    if roots.is_empty() {
        return match case.first_row().map(|row| row.owners) {
            Some(Owners::Hidden | Owners::Unseen | Owners::Unasked) => vec![unseen::see(case)],
            Some(Owners::None | Owners::Unheld | Owners::Known { .. }) | None => Vec::new(),
        };
    }
    let is_systemd = |owner: &&Owner<'_>| owner.holder.pid == 1 && owner.process.comm == SYSTEMD;
    if let Some(init) = roots.iter().find(is_systemd) {
        return vec![(
            format!(
                "{} holds it for a socket unit: stop that unit; this names it",
                mark(*init)
            ),
            Some("systemctl list-sockets --all".to_owned()),
        )];
    }
    stop_processes(case, &roots)
}

fn stop_processes(case: &Case<'_>, roots: &[Owner<'_>]) -> Vec<Advice> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut others: Vec<Owner<'_>> = Vec::new();
    let mut around: Vec<Unit<'_>> = Vec::new();
    for owner in roots {
        let unit = Unit::of(case.report, owner);
        match unit {
            // An heir of a unit that has ended is no longer stopped with it.
            Some(unit)
                if unit.is_container()
                    || (case.cause != Cause::InheritedByChild && is_main(case, owner)) =>
            {
                if !units.contains(&unit) {
                    units.push(unit);
                }
            }
            unit => {
                others.push(*owner);
                around.extend(unit.filter(|unit| !around.contains(unit)));
            }
        }
    }
    let mut heirs = case.heirs();
    let is_stopped = |unit: Unit<'_>| units.contains(&unit);
    heirs.retain(|owner| !Unit::of(case.report, owner).is_some_and(is_stopped));
    let mut advice = Vec::new();
    if { case.sockets() }.any(|index| case.report.may_have_more(index)) {
        advice.push(unseen::see_others(case));
    }
    for unit in units {
        let name = unit.name;
        let text = if unit.is_container() {
            format!("stop the container {name}, in which it runs")
        } else {
            format!("stop {name}")
        };
        advice.push((text, Some(unit.stopped(case.report))));
    }
    advice.extend(end(case, &others, &heirs));
    if case.cause != Cause::InheritedByChild {
        for unit in around {
            let text = format!("or stop all of {}, in which it runs", unit.name);
            advice.push((text, Some(unit.stopped(case.report))));
        }
    }
    if !heirs.is_empty() {
        advice.push((CLOSE_ON_EXEC.to_owned(), None));
    }
    advice
}

/// Ends processes, and those that inherited the socket from them and do nothing with it; those that
/// are stopped have to go on for that.
fn end(case: &Case<'_>, owners: &[Owner<'_>], heirs: &[Owner<'_>]) -> Vec<Advice> {
    let children = Children::of(case, owners, heirs);
    let all = [owners, &children.idle, heirs].concat();
    let are = |condition| {
        let all = all.iter();
        let those = all.filter(|owner| case.condition(**owner) == condition);
        those.copied().collect::<Vec<_>>()
    };
    let mut advice = Vec::new();
    if let stopped @ [_, ..] = &are(Condition::Stopped)[..] {
        let take = if stopped.len() == 1 {
            "it takes"
        } else {
            "they take"
        };
        advice.push((
            format!(
                "resume {} (fg in its shell): until then {take} no SIGTERM",
                names(stopped)
            ),
            Some(signal(case, "kill -CONT", &[], stopped)),
        ));
    }
    if all.is_empty() {
        return advice;
    }
    let parents = hidden_parents(case, owners);
    let mut text = format!("end {}", to_be_ended(&parents, owners, &children, heirs));
    text += &children.left();
    if let waiting @ [_, ..] = &are(Condition::Uninterruptible)[..] {
        text += &format!(
            "; {} cannot end before the kernel has done what it waits for",
            names(waiting)
        );
    }
    if parents.is_empty() {
        text += &started_again(&keepers(case, owners), owners.len());
    }
    advice.push((text, Some(signal(case, "kill", &parents, &all))));
    advice
}

/// Who is to be ended, and why all of them.
fn to_be_ended(
    parents: &[&Parent],
    owners: &[Owner<'_>],
    children: &Children<'_>,
    heirs: &[Owner<'_>],
) -> String {
    let mut parts = Vec::new();
    if !parents.is_empty() {
        let children = if owners.len() == 1 {
            "child"
        } else {
            "children"
        };
        parts.push(format!(
            "{} together with the {children} {}, which would be started again otherwise",
            parents_named(parents),
            names(owners)
        ));
    } else if !owners.is_empty() {
        parts.push(names(owners));
    }
    parts.extend(children.to_be_ended());
    if !heirs.is_empty() {
        let keep = if heirs.len() == 1 { "keeps" } else { "keep" };
        parts.push(format!(
            "{}, which inherited the socket and {keep} the port otherwise",
            names(heirs)
        ));
    }
    listed(&parts)
}

/// Parents that may start so many processes again.
fn started_again(parents: &[&Parent], count: usize) -> String {
    let (its, it) = if count == 1 {
        ("its", "it")
    } else {
        ("their", "them")
    };
    let (parent, starts, that) = match parents.len() {
        0 => return String::new(),
        1 => ("parent", "starts", "that"),
        _ => ("parents", "start", "those"),
    };
    let named = parents_named(parents);
    format!("; if {its} {parent} {named} {starts} {it} again, end {that} first")
}

/// Children that have the socket too: of a server that serves, those that do not, and others, which
/// end with those whose workers they are, as a rule.
struct Children<'r> {
    idle: Vec<Owner<'r>>,
    others: usize,
}

impl<'r> Children<'r> {
    fn of(case: &Case<'r>, owners: &[Owner<'_>], heirs: &[Owner<'_>]) -> Children<'r> {
        let known = owners.iter().chain(heirs).map(|owner| owner.holder.pid);
        let known: HashSet<u32> = known.collect();
        let mut all = case.owners();
        all.retain(|owner| {
            let pid = owner.holder.pid;
            !known.contains(&pid) && is_below(case, pid, &known)
        });
        let idle = case.idle();
        let (idle, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|owner| idle.contains(&owner.holder.pid));
        Children {
            idle,
            others: others.len(),
        }
    }

    fn to_be_ended(&self) -> Option<String> {
        let children = match &self.idle[..] {
            [] => return None,
            [one] => format!("its child {}", mark(*one)),
            all => format!("{} children", all.len()),
        };
        let (hold, keep) = if self.idle.len() == 1 {
            ("holds", "keeps")
        } else {
            ("hold", "keep")
        };
        Some(format!(
            "{children} that {hold} the socket without serving it and {keep} the port otherwise"
        ))
    }

    fn left(&self) -> String {
        match self.others {
            0 => String::new(),
            1 => "; 1 child holds the socket too: end it as well if it stays".to_owned(),
            count => {
                format!("; {count} children hold the socket too: end them as well if they stay")
            }
        }
    }
}

/// Whether a holder got the socket from one of these.
fn is_below(case: &Case<'_>, pid: u32, above: &HashSet<u32>) -> bool {
    let mut seen = HashSet::new();
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| seen.insert(*pid)) {
        if above.contains(&pid) {
            return true;
        }
        next = case.parent(pid).map(|parent| parent.pid);
    }
    false
}

fn names(owners: &[Owner<'_>]) -> String {
    first_of(owners, |owner| mark(*owner))
}

fn parents_named(parents: &[&Parent]) -> String {
    first_of(parents, |parent| named_process(&parent.comm, parent.pid))
}

/// So many by name, and how many more there are.
fn first_of<T>(all: &[T], name: impl Fn(&T) -> String) -> String {
    let mut names: Vec<String> = all.iter().take(MOST_NAMED).map(name).collect();
    if let Some(more @ 1..) = all.len().checked_sub(MOST_NAMED) {
        names.push(format!("{more} more"));
    }
    listed(&names)
}

/// The command that sends a signal to these, for whoever reads it.
fn signal(case: &Case<'_>, command: &str, parents: &[&Parent], owners: &[Owner<'_>]) -> String {
    let reader = case.report.reader;
    let is_others = |user: Option<u32>| user.is_some_and(|user| user != reader);
    let mut of_owners = owners.iter().map(|owner| case.user(*owner));
    let takes_root = !parents.is_empty() || of_owners.any(is_others);
    let parents = parents.iter().map(|parent| parent.pid);
    let pids = parents.chain(owners.iter().map(|owner| owner.holder.pid));
    let pids: String = pids.map(|pid| format!(" {pid}")).collect();
    let command = format!("{command}{pids}");
    match takes_root {
        true => case.as_root(&command),
        false => command,
    }
}

/// The parents of these that most likely hold the socket too and may not be read.
fn hidden_parents<'r>(case: &Case<'r>, owners: &[Owner<'_>]) -> Vec<&'r Parent> {
    each_once(owners.iter().filter_map(|owner| case.hidden_parent(*owner)))
}

/// The parents of processes, where they may have started them and may do so again. Who has adopted
/// one has not, and of systemd and other inits units are stopped.
fn keepers<'r>(case: &Case<'r>, owners: &[Owner<'_>]) -> Vec<&'r Parent> {
    if case.cause == Cause::InheritedByChild {
        return Vec::new();
    }
    let parents = owners
        .iter()
        .filter_map(|owner| case.parent(owner.holder.pid));
    let is_init =
        |parent: &Parent| parent.pid == 1 || parent.comm == SYSTEMD || parent.comm.is_empty();
    each_once(parents.filter(|parent| !is_init(parent)))
}

fn each_once<'r>(parents: impl Iterator<Item = &'r Parent>) -> Vec<&'r Parent> {
    let mut known = HashSet::new();
    parents.filter(|parent| known.insert(parent.pid)).collect()
}

/// Whether systemd itself started the process, so that stopping the unit is what ends it.
fn is_main(case: &Case<'_>, owner: &Owner<'_>) -> bool {
    let parents = case
        .sockets()
        .filter_map(|index| case.report.parent(index, owner.holder.pid));
    let mut parents = parents.peekable();
    // Where the parent is not known, the unit is.
    parents.peek().is_none() || parents.any(|parent| parent.comm == SYSTEMD)
}

/// A unit that can be stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Unit<'a> {
    name: &'a str,
    /// The user whose manager it is one of; `None` for the machine's.
    user: Option<u32>,
}

impl<'a> Unit<'a> {
    /// That of a process, where it is a service, or a container of its own.
    fn of(report: &WhyReport<'_>, owner: &Owner<'a>) -> Option<Unit<'a>> {
        let name = std::str::from_utf8(owner.process.unit.as_deref()?).ok()?;
        // What systemd takes for a name and systemctl neither for an option nor for a pattern.
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if name.starts_with('-') || !name.bytes().all(is_safe) {
            return None;
        }
        let mut managers = report.user_units.iter();
        let manager = managers.find(|(pid, _)| *pid == owner.holder.pid);
        let unit = Unit {
            name,
            user: manager.map(|(_, user)| *user),
        };
        let is_service = name.ends_with(".service") || name.ends_with(".socket");
        (is_service || unit.is_container()).then_some(unit)
    }

    /// Whether it is a whole container, as docker, podman, the runtimes of kubernetes, and systemd
    /// name theirs.
    fn is_container(self) -> bool {
        let is_of = |engines: &[&str]| engines.iter().any(|name| self.name.starts_with(name));
        let is_of_monitor = is_of(&["libpod-conmon-", "crio-conmon-"]);
        if self.name.ends_with(".scope") {
            is_of(&["docker-", "libpod-", "cri-containerd-", "crio-"]) && !is_of_monitor
        } else {
            is_of(&["systemd-nspawn@"])
        }
    }

    /// The command that stops it, for this user.
    fn stopped(self, report: &WhyReport<'_>) -> String {
        let name = shell::word(self.name.as_bytes());
        let (sudo, manager) = match self.user {
            Some(user) if user == report.reader => ("", " --user".to_owned()),
            None => (report.sudo(), String::new()),
            // `--user` alone is the manager of whoever runs it, root's own included.
            Some(user) => (report.sudo(), format!(" --user -M {user}@.host")),
        };
        format!("{sudo}systemctl{manager} stop -- {name}")
    }
}
