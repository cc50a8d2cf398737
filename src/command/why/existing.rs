//! What is learnt of each socket: its flags, and where its holders come from.

use std::collections::HashMap;

use crate::analyze::why::{Existing, Holding};
use crate::collect::Lineages;
use crate::command::context::Context;
use crate::kernel::{HolderMethod, Host, tcp_flags, udp_flags};
use crate::model::{Gap, InetRow, Lineage, Owners, Protocol, SocketFlags, State};

/// Sockets whose holders are asked for flags, each through a copy of its descriptor.
const MOST_ASKED: usize = 4096;
/// Sockets of whose holders it is asked where they come from.
const MOST_TRACED: usize = 64;

/// Learns it of all sockets, in their order, and of which processes it could not be learnt. `port`
/// is theirs.
pub(super) fn learn(
    context: &Context,
    rows: &[InetRow<'_>],
    port: u16,
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
            let mut pids: Vec<u32> = holders.iter().map(|holder| holder.pid).collect();
            pids.dedup();
            let unknown = pids.into_iter().map(|pid| (pid, Lineage::default()));
            unknown.collect()
        };
        if socket.state == State::BoundInactive {
            // Nothing comes in on it, and who waits for nothing there need not be an heir.
            for (_, lineage) in &mut lineages {
                lineage.serves = None;
            }
        }
        let holding = match lineages[..] {
            [] => Holding::Unknown,
            _ => Holding::By(lineages),
        };
        Existing::new(socket, flags, holding)
    });
    let learnt = learnt.collect();
    (learnt, processes.gaps())
}

const fn holding(owners: &Owners<'_>) -> Holding {
    match owners {
        Owners::None => Holding::Nobody,
        Owners::Unheld => Holding::Unheld,
        Owners::Unasked | Owners::Hidden | Owners::Known { .. } => Holding::Unknown,
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
