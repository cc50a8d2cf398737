//! One look at every network namespace: each has a range, and pools, of its own.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io;
use std::sync::{Mutex, OnceLock};
use std::thread;

use super::look::Look;
use super::{Judged, findings};
use crate::cli::EphemeralPlan;
use crate::collect::namespaces;
use crate::command::context::Context;
use crate::command::outcome::Error;
use crate::kernel::{Everywhere, Host, Space};
use crate::model::{Gap, UnseenNamespaces};
use crate::render::ephemeral::Netns;

/// A place for the context of each namespace, which is known on the thread that goes there.
pub(super) fn contexts(host: &Host) -> Vec<OnceLock<Context>> {
    match host {
        Host::Everywhere(everywhere) => everywhere
            .spaces()
            .iter()
            .map(|_| OnceLock::new())
            .collect(),
        _ => Vec::new(),
    }
}

/// What was seen of one, unless nobody came there.
type Seen<'c> = Option<Result<Look<'c>, Error>>;

/// Judges them all, the worst first; and what was not seen.
pub(super) fn judged<'c>(
    context: &Context,
    everywhere: &Everywhere,
    contexts: &'c [OnceLock<Context>],
    plan: &EphemeralPlan,
) -> Result<(Vec<Judged<'c>>, Vec<Gap>), Error> {
    let look = || looks(context, everywhere, contexts);
    let mut before = Vec::new().into_iter();
    if let Some(interval) = plan.sample {
        before = look()?.into_iter();
        thread::sleep(interval);
    }
    let mut names = namespaces(&context.host).into_iter();
    let mut judged = Vec::new();
    let mut gaps = Vec::new();
    let (mut unread, mut reason) = (Vec::new(), String::new());
    for (place, seen) in look()?.into_iter().enumerate() {
        let first = before.next().flatten().and_then(Result::ok);
        let namespace = names.next().unwrap_or_default();
        match seen {
            Some(Ok(look)) => {
                gaps.extend(look.report.gaps.iter().map(|gap| Gap::Within {
                    namespaces: vec![namespace.shown()],
                    gap: Box::new(gap.clone()),
                }));
                judged.push(Judged {
                    findings: findings(plan, first.as_ref(), &look),
                    look,
                    netns: Netns {
                        id: namespace.inode,
                        name: namespace.name().map(Cow::into_owned),
                        entrance: namespace.entrance.clone(),
                    },
                });
            }
            Some(Err(error)) => {
                if unread.is_empty() {
                    reason = error.to_string();
                }
                unread.push(place);
            }
            None => {}
        }
    }
    if judged.is_empty() {
        return Err(Error::Nothing(reason));
    }
    let mut gaps = Gap::merged(gaps);
    let at_most = everywhere.may_be_one(&unread);
    let unseen = [
        (
            unread.len() as u64,
            UnseenNamespaces::Unread { reason, at_most },
        ),
        (everywhere.hidden_processes, UnseenNamespaces::OfProcesses),
    ];
    let unseen = unseen.into_iter().filter(|(count, _)| *count > 0);
    gaps.extend(unseen.map(|(count, why)| Gap::Namespaces { count, why }));
    judged.sort_by(worst_first);
    Ok((judged, gaps))
}

fn worst_first(one: &Judged<'_>, other: &Judged<'_>) -> Ordering {
    let percent = |one: &Judged<'_>| {
        one.findings
            .pools
            .first()
            .map_or(0.0, |pool| pool.percent())
    };
    let by_severity = other.findings.severity.cmp(&one.findings.severity);
    by_severity.then(percent(other).total_cmp(&percent(one)))
}

/// Looks at each, several at once.
fn looks<'c>(
    context: &Context,
    everywhere: &Everywhere,
    contexts: &'c [OnceLock<Context>],
) -> Result<Vec<Seen<'c>>, Error> {
    let seen: Vec<Mutex<Seen<'c>>> = contexts.iter().map(|_| Mutex::new(None)).collect();
    let work = |number: usize, host: io::Result<Host>| {
        let look = match host {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
            Err(error) => Err(Error::Nothing(error.to_string())),
            Ok(host) => {
                let new = || Context::new(host, context.method, context.holder_method);
                let here = contexts.get(number).map(|place| place.get_or_init(new));
                here.map_or(Err(Error::Nothing(String::new())), look)
            }
        };
        let space = everywhere.spaces().get(number);
        if look.is_err() && space.is_some_and(Space::has_ended) {
            return true;
        }
        if let Some(Ok(mut place)) = seen.get(number).map(Mutex::lock) {
            *place = Some(look);
        }
        true
    };
    everywhere
        .visit_all(work, || ())
        .map_err(|error| Error::Nothing(error.to_string()))?;
    let looked = seen
        .into_iter()
        .map(|place| place.into_inner().ok().flatten());
    Ok(looked.collect())
}

/// One look at one. Owners are looked for later, of all at once.
fn look(context: &Context) -> Result<Look<'_>, Error> {
    let settings = context.ephemeral_settings();
    let settings = settings.map_err(|gap| Error::Nothing(gap.to_string()))?;
    Look::at(context, &settings, |_| false)
}
