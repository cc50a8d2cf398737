//! How to end whoever has a socket: by its container, its unit, or its process.

use super::WhyReport;
use super::case::{Case, listed, mark, named};
use super::fixes::Advice;
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
                "{} keeps it for a socket unit: stop that unit; this names it",
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
    let mut advice = Vec::new();
    for unit in units {
        let name = unit.name;
        let text = if unit.is_container() {
            format!("stop the container {name}, in which it runs")
        } else {
            format!("stop {name}")
        };
        advice.push((text, Some(unit.stopped(case.report.reader))));
    }
    advice.extend(kill(case, &others));
    if case.cause != Cause::InheritedByChild {
        for unit in around {
            let text = format!("or stop all of {}, in which it runs", unit.name);
            advice.push((text, Some(unit.stopped(case.report.reader))));
        }
    }
    advice
}

/// Ends processes; those that are stopped have to go on for that.
fn kill(case: &Case<'_>, owners: &[Owner<'_>]) -> Vec<Advice> {
    let mut advice = Vec::new();
    let are = |condition| {
        let owners = owners.iter();
        let all = owners.filter(|owner| case.condition(**owner) == condition);
        all.copied().collect::<Vec<_>>()
    };
    if let stopped @ [_, ..] = &are(Condition::Stopped)[..] {
        advice.push((
            format!(
                "have {} go on (fg in its shell): until then it takes no SIGTERM",
                names(stopped)
            ),
            Some(signal("kill -CONT", stopped)),
        ));
    }
    if owners.is_empty() {
        return advice;
    }
    let mut text = format!("end {}", names(owners));
    if let waiting @ [_, ..] = &are(Condition::Uninterruptible)[..] {
        text += &format!(
            "; {} cannot be ended before what the kernel does for it is over",
            names(waiting)
        );
    }
    if let [only] = owners
        && let Some(parent) = keeper(case, *only)
    {
        text += &format!(
            "; if its parent {} starts it again, end that first",
            named(&parent.comm, parent.pid)
        );
    }
    advice.push((text, Some(signal("kill", owners))));
    advice
}

fn names(owners: &[Owner<'_>]) -> String {
    let named = owners.iter().take(MOST_NAMED);
    let names: Vec<String> = named.map(|owner| mark(*owner)).collect();
    let more = match owners.len().checked_sub(MOST_NAMED) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    };
    listed(&names) + &more
}

fn signal(command: &str, owners: &[Owner<'_>]) -> String {
    let pids = owners.iter().map(|owner| format!(" {}", owner.holder.pid));
    command.to_owned() + &pids.collect::<String>()
}

/// The parent of a process, where it may have started it and may do so again. Who has adopted it
/// has not, and of systemd and other inits units are stopped.
fn keeper<'r>(case: &Case<'r>, owner: Owner<'_>) -> Option<&'r Parent> {
    let mut sockets = case.sockets();
    let parent = sockets.find_map(|index| case.report.parent(index, owner.holder.pid))?;
    let is_init = parent.pid == 1 || parent.comm == SYSTEMD || parent.comm.is_empty();
    (!is_init && case.cause != Cause::InheritedByChild).then_some(parent)
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
    fn stopped(self, reader: u32) -> String {
        let manager = match self.user {
            None => String::new(),
            Some(user) if user == reader => " --user".to_owned(),
            // `--user` alone is the manager of whoever runs it, root's own included.
            Some(user) => format!(" --user -M {user}@.host"),
        };
        let name = shell::word(self.name.as_bytes());
        format!("systemctl{manager} stop -- {name}")
    }
}
