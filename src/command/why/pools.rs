//! Pools in which no port is left: whose ports they are, what helps, and when the first is free.

use std::io;

use crate::analyze::why::{Answer, Fix};
use crate::analyze::{Ephemeral, FirstFree, PoolKey};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::command::context::Context;
use crate::command::request::{all_tables, whole};
use crate::command::shares::Owners;
use crate::model::{Gap, Protocol, State, StateSet};
use crate::render::ephemeral::PoolNotes;

/// Looks into the pools that are in the way of answers, and puts into these when they have a port
/// again. Returns what else is known of each, and whose owners were not seen.
pub(super) fn look<'a>(
    context: &Context,
    ports: Option<&Ephemeral>,
    answers: impl Iterator<Item = &'a mut Answer>,
) -> (Vec<(PoolKey, PoolNotes)>, Option<Gap>) {
    let mut owners = Owners::unasked();
    let mut found: Vec<(PoolKey, PoolNotes)> = Vec::new();
    for answer in answers {
        let v6only = answer.query.v6only;
        for blocker in &mut answer.blockers {
            let Some((pool, ports)) = blocker.pool.as_ref().zip(ports) else {
                continue;
            };
            blocker.frees_in = first_free(context, ports.first_free(&pool.key, v6only));
            if blocker.frees_in.is_some() {
                blocker.fixes.insert(0, Fix::Wait);
            }
            if !owners.were_asked() {
                owners = Owners::scan(context);
            }
            let sockets = ports.sockets_in_way(&pool.key, v6only);
            let inodes = sockets.iter().map(|(inode, _)| *inode);
            let (shares, status) = owners.among(inodes).of(&sockets);
            let notes = PoolNotes {
                owners: shares,
                owners_status: status,
                advice: ports.advice(pool),
            };
            found.push((pool.key, notes));
        }
    }
    (found, owners.gap())
}

/// When the first port is free. A look at TIME-WAIT that fails tells nothing, and loses nothing
/// of the verdict.
fn first_free(context: &Context, first: FirstFree<'_>) -> Option<std::time::Duration> {
    if !first.is_any() {
        return None;
    }
    let mut tables = all_tables();
    tables.retain(|table| table.protocol == Protocol::Tcp);
    let request = Request {
        states: StateSet::EMPTY.with(State::TimeWait),
        ..whole(context, tables)
    };
    let mut waiting = Waiting(first);
    collect(&context.host, &request, &mut waiting).ok()?;
    waiting.0.within()
}

/// Takes sockets in TIME-WAIT.
struct Waiting<'e>(FirstFree<'e>);

impl Receiver for Waiting<'_> {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        batch.sockets.iter().for_each(|socket| self.0.add(socket));
        Ok(Flow::More)
    }

    /// Seeing a socket twice changes nothing.
    fn take_back(&mut self) -> bool {
        true
    }
}
