//! What is learnt of each socket: its flags, and where its holders come from.

use std::collections::HashMap;

use crate::analyze::why::{Existing, Holding};
use crate::collect::Lineages;
use crate::command::context::Context;
use crate::kernel::{HolderMethod, Host, tcp_flags, udp_flags};
use crate::model::{Gap, HiddenCause, InetRow, Lineage, Owners, Protocol, SocketFlags, State};

/// Sockets whose holders are asked for flags, each through a copy of its descriptor.
const MOST_ASKED: usize = 4096;
/// Sockets of whose holders it is asked whether they serve them. Of the others it is told where
/// they come from.
const MOST_TRACED: usize = 64;

/// Learns it of all sockets, in their order, and what could not be learnt. `port` is theirs;
/// `limit` is why some processes cannot be read.
pub(super) fn learn(
    context: &Context,
    rows: &[InetRow<'_>],
    port: u16,
    limit: Option<HiddenCause>,
) -> (Vec<Existing>, Vec<Gap>) {
    let host = &context.host;
    let told = match context.holder_method {
        // Whoever wants no BPF for owners wants none for flags.
        HolderMethod::Proc => HashMap::new(),
        HolderMethod::Auto | HolderMethod::Bpf => told_by_kernel(host, rows, port),
    };
    let mut asked = 0;
    let mut traced = 0;
    let mut processes = Lineages::new(host);
    let learnt = rows.iter().filter_map(|row| {
        let socket = *row.socket;
        let mut flags = told.get(&socket.cookie).copied().unwrap_or_default();
        let Owners::Known { holders, .. } = row.owners else {
            return Existing::new(socket, flags, holding(&row.owners));
        };
        if !is_known(&flags) && asked < MOST_ASKED {
            asked += 1;
            flags = processes.flags(socket.inode, holders);
        }
        let mut lineages = if traced < MOST_TRACED {
            traced += 1;
            processes.of(socket.inode, holders)
        } else {
            // Of so many sockets the first tell who the server is.
            processes.outlines(holders)
        };
        if socket.state == State::BoundInactive {
            // Nothing comes in on it, and who waits for nothing there need not be an heir.
            for (_, lineage) in &mut lineages {
                lineage.serves = None;
            }
        }
        Existing::new(socket, flags, held_by(lineages))
    });
    let learnt: Vec<Existing> = learnt.collect();
    let mut gaps = processes.gaps();
    gaps.extend(more_owners(&learnt, limit));
    (learnt, gaps)
}

/// Learns who holds a socket that is in nobody's way.
pub(super) fn holding_of(processes: &mut Lineages<'_>, row: &InetRow<'_>) -> Holding {
    match row.owners {
        Owners::Known { holders, .. } => held_by(processes.outlines(holders)),
        _ => holding(&row.owners),
    }
}

fn held_by(lineages: Vec<(u32, Lineage)>) -> Holding {
    match lineages[..] {
        [] => Holding::Unknown,
        _ => Holding::By(lineages),
    }
}

/// Whether sockets may have more holders than were seen, as some processes cannot be read.
fn more_owners(learnt: &[Existing], limit: Option<HiddenCause>) -> Option<Gap> {
    let cause = limit?;
    let count = learnt
        .iter()
        .filter(|one| one.may_have_more_holders())
        .count();
    (count > 0).then_some(Gap::MoreOwners {
        count: count as u64,
        cause,
    })
}

const fn holding(owners: &Owners<'_>) -> Holding {
    match owners {
        Owners::None => Holding::Nobody,
        Owners::Unheld => Holding::Unheld,
        Owners::Unasked | Owners::Hidden | Owners::Unseen | Owners::Known { .. } => {
            Holding::Unknown
        }
    }
}

const fn is_known(flags: &SocketFlags) -> bool {
    flags.reuse_address.is_some() && flags.reuse_port.is_some()
}

/// The flags that the kernel tells of all sockets on the port at once, those that no process can
/// be asked for included; by cookie. Nothing where it is not permitted, which what is then assumed
/// says.
fn told_by_kernel(host: &Host, rows: &[InetRow<'_>], port: u16) -> HashMap<u64, SocketFlags> {
    let Some(first) = rows.first().filter(|_| host.is_here()) else {
        return HashMap::new();
    };
    let told = match first.socket.protocol {
        Protocol::Tcp => tcp_flags(port),
        _ => udp_flags(port),
    };
    told.unwrap_or_default()
        .into_iter()
        .filter(|(cookie, _)| *cookie != 0)
        .collect()
}
