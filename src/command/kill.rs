//! `-K`: lists the sockets that match a filter, asks, and destroys them.

use std::collections::{HashMap, HashSet};

use super::context::{Context, write_warning};
use super::held::Held;
use super::list::say_remarks;
use super::outcome::{Error, Finish};
use super::request::{query, request};
use crate::cli::{Consent, Format, KillPlan, UsageError};
use crate::collect::{destroy, left_behind, namespaces};
use crate::kernel::terminal;
use crate::model::{Fate, Gap, Namespace, Obstacle, Queues, Socket};
use crate::render::{count_of_sockets, socket_words};

/// So many refusals for the same reason are told one by one.
const MOST_TOLD: usize = 20;

pub(super) fn run(context: &mut Context, plan: &KillPlan) -> Result<Finish, Error> {
    let query = query(context, &plan.list)?;
    let list = &plan.following(&query).map_err(UsageError::from)?;
    let request = request(context, list, &query);
    let held = Held::read(context, list, &request, &query)?;
    let sockets = held.sockets().to_vec();
    if !list.quiet {
        warn_of_left_behind(context, &sockets);
    }
    let tells_fates = plan.consent == Consent::Given
        && matches!(list.output.format, Format::Json | Format::Jsonl)
        && !list.quiet;
    if tells_fates {
        let fates = destroy(&context.host, &sockets);
        let held = held.with_fates(&fates);
        let printed = held.print(context, list, &request);
        let remarks = held.remarks();
        drop(held);
        say_remarks(context, list, &remarks);
        let finish = finish(context, list.quiet, &sockets, &fates, &remarks.gaps)?;
        // That nobody read it to its end changes nothing of what was done.
        return match printed {
            Err(error) if !error.is_closed_pipe() => Err(error),
            _ => Ok(finish),
        };
    }
    // A document tells that it is empty; of rows there are none.
    if !list.quiet && (!sockets.is_empty() || list.output.format == Format::Json) {
        let printed = held.print(context, list, &request);
        printed.map_err(|error| Error::Nothing(format!("nothing was destroyed: {error}")))?;
    }
    let remarks = held.remarks();
    drop(held);
    say_remarks(context, list, &remarks);
    if !sockets.is_empty() && !agrees(plan.consent, &sockets, &remarks.gaps)? {
        return Ok(Finish::Declined);
    }
    let fates = destroy(&context.host, &sockets);
    finish(context, list.quiet, &sockets, &fates, &remarks.gaps)
}

/// Warns of sockets that are bound like some of these and get nothing any more once those are
/// destroyed.
fn warn_of_left_behind(context: &Context, sockets: &[Socket]) {
    let mut told = HashSet::new();
    let mut places = Places::new(context);
    for (socket, count) in sockets.iter().zip(left_behind(&context.host, sockets)) {
        let place = socket.inet().map(|ends| ends.local);
        if count == 0 || !told.insert((socket.netns, place, socket.interface)) {
            continue;
        }
        let shared = match count {
            1 => "1 other socket that shares this port and does not match".to_owned(),
            count => format!("{count} other sockets that share this port and do not match"),
        };
        write_warning(&format!(
            "{}: {shared} may get no packets until the destroyed one is closed by its program",
            places.words(socket),
        ));
    }
}

/// Sockets in words, with their network namespaces where there are several.
struct Places<'c> {
    context: &'c Context,
    namespaces: Option<Vec<Namespace>>,
}

impl<'c> Places<'c> {
    const fn new(context: &'c Context) -> Places<'c> {
        Places {
            context,
            namespaces: None,
        }
    }

    fn words(&mut self, socket: &Socket) -> String {
        let host = &self.context.host;
        let interface = match socket.interface {
            0 => None,
            index => host.interface_name_in(socket.netns, index),
        };
        let words = socket_words(socket, interface.as_deref());
        if !self.context.is_everywhere() {
            return words;
        }
        let namespaces = self.namespaces.get_or_insert_with(|| namespaces(host));
        match namespaces.get(usize::from(socket.netns)) {
            Some(namespace) => format!("{words} netns {}", namespace.shown()),
            None => words,
        }
    }
}

/// Whether somebody says that these may be destroyed.
fn agrees(consent: Consent, sockets: &[Socket], gaps: &[Gap]) -> Result<bool, Error> {
    if sockets.iter().all(|socket| socket.cookie == 0) {
        let why = "nothing was destroyed: what matches was read from /proc/net, which does not \
                   tell which socket it is";
        return Err(Error::Nothing(why.to_owned()));
    }
    match consent {
        Consent::Given => Ok(true),
        Consent::Missing => Err(Error::Unconfirmed),
        Consent::Asked => {
            let not_all = match gaps.iter().any(Gap::loses_sockets) {
                true => ", though not all could be seen",
                false => "",
            };
            let these = these(sockets);
            let is_agreed = terminal::agrees(&format!("Destroy {these}{not_all}? [y/N] "))?;
            if !is_agreed {
                write_warning("nothing was destroyed");
            }
            Ok(is_agreed)
        }
    }
}

/// What is to be destroyed: what is listed, and what goes with its listeners.
fn these(sockets: &[Socket]) -> String {
    let (these, them) = match sockets.len() {
        1 => ("this socket".to_owned(), "it"),
        count => (format!("these {count} sockets"), "them"),
    };
    match waiting(sockets) {
        0 => these,
        1 => format!("{these}, and 1 connection that waits in {them}"),
        count => format!("{these}, and {count} connections that wait in {them}"),
    }
}

/// How many connections wait to be accepted by listeners of these, and are not among them.
fn waiting(sockets: &[Socket]) -> u64 {
    let mut waiting: HashMap<(u16, u16), u64> = HashMap::new();
    let place = |socket: &Socket| Some((socket.netns, socket.inet()?.local.port));
    for socket in sockets {
        if let (Queues::Backlog { pending, .. }, Some(place)) = (socket.queues, place(socket)) {
            *waiting.entry(place).or_default() += u64::from(pending);
        }
    }
    for socket in sockets
        .iter()
        .filter(|one| one.has_peer() && one.inode == 0)
    {
        if let Some(count) = place(socket).and_then(|place| waiting.get_mut(&place)) {
            *count = count.saturating_sub(1);
        }
    }
    waiting.into_values().sum()
}

/// Tells what became of them, and what the run comes to.
fn finish(
    context: &Context,
    quiet: bool,
    sockets: &[Socket],
    fates: &[Fate],
    gaps: &[Gap],
) -> Result<Finish, Error> {
    if sockets.is_empty() {
        return match gaps.iter().find(|gap| gap.loses_sockets()) {
            Some(gap) => Err(Error::Nothing(format!("nothing matched, but {gap}"))),
            None => {
                if !quiet {
                    write_warning("nothing matched");
                }
                Ok(Finish::NoMatch)
            }
        };
    }
    tell_refused(context, sockets, fates);
    if !quiet {
        write_warning(&summary(fates));
    }
    Ok(match fates.iter().all(|fate| fate.is_good()) {
        true => Finish::Done,
        false => Finish::Refused,
    })
}

/// Tells each socket that was not destroyed, and of many with the same error how many more.
fn tell_refused(context: &Context, sockets: &[Socket], fates: &[Fate]) {
    let mut counts: HashMap<Obstacle, usize> = HashMap::new();
    let mut places = Places::new(context);
    for (socket, fate) in sockets.iter().zip(fates) {
        let Fate::Refused(obstacle) = *fate else {
            continue;
        };
        let count = counts.entry(obstacle).or_default();
        *count += 1;
        if *count > MOST_TOLD {
            continue;
        }
        let words = places.words(socket);
        write_warning(&format!("{words}: {}", obstacle.words()));
    }
    let mut beyond: Vec<(Obstacle, usize)> = counts.into_iter().collect();
    beyond.retain(|(_, count)| *count > MOST_TOLD);
    beyond.sort_by_key(|(obstacle, _)| obstacle.words());
    for (obstacle, count) in beyond {
        let more = count_of_sockets(count - MOST_TOLD, "more ");
        write_warning(&format!("{more}: {}", obstacle.words()));
    }
}

/// How many of how many.
fn summary(fates: &[Fate]) -> String {
    let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count();
    let destroyed = count(Fate::Destroyed);
    let all = count_of_sockets(fates.len(), "");
    match count(Fate::Gone) {
        0 => format!("destroyed {destroyed} of {all}"),
        gone => format!("destroyed {destroyed} of {all} ({gone} had gone already)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_what_had_gone() {
        let refused = Fate::Refused(Obstacle::Hidden);
        let all = [Fate::Destroyed, Fate::Gone, refused, Fate::Destroyed];
        assert_eq!(
            summary(&all),
            "destroyed 2 of 4 sockets (1 had gone already)"
        );
        assert_eq!(summary(&all[..1]), "destroyed 1 of 1 socket");
    }
}
