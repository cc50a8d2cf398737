//! `--probe`: the kernel is asked, and what it says counts.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::analyze::Ephemeral;
use crate::analyze::why::{Answer, Heard, Machine, Operation, Outcome, Query, Route, heed};
use crate::command::context::Context;
use crate::kernel::{self, BindAttempt, BindKind, ask_for_port, own_uid, try_bind};
use crate::model::{Errno, Protocol};
use crate::render::why::Probe;

/// Asks for what was foretold, and puts right what the kernel says otherwise.
pub(super) fn probe(
    context: &Context,
    machine: &Machine,
    ports: Option<&Ephemeral>,
    answer: &mut Answer,
) -> Probe {
    let query = &answer.query;
    if !context.host.is_here() {
        return unavailable("only in a network namespace that may be entered");
    }
    if query.user.uid != own_uid() {
        return unavailable("only for the user who runs it");
    }
    if query.reuse_port {
        // The kernel keeps of a port that it was bound so.
        return unavailable("a bind with SO_REUSEPORT would leave traces on the port");
    }
    let asked = match query.operation {
        Operation::Bind => bind(query),
        Operation::Connect {
            destination,
            binds_first,
        } => {
            if query.protocol != Protocol::Tcp || binds_first || query.port != 0 {
                return unavailable("only for TCP, and where connect draws the port");
            }
            if let Some(reason) = context.without_fast_open() {
                return unavailable(reason);
            }
            let chosen = machine.route.and_then(Route::source);
            let Some(source) = query.addr.or(chosen) else {
                return unavailable("the source address is not known");
            };
            let to = SocketAddr::new(destination.addr, destination.port);
            connect(source, to).map(|said| (said, None))
        }
    };
    match asked {
        Ok((said, reusing)) => settle(answer, said, reusing, machine, ports),
        Err(error) => Probe::Unavailable(error.to_string()),
    }
}

fn unavailable(reason: &str) -> Probe {
    Probe::Unavailable(reason.to_owned())
}

type Verdict = Result<(), Errno>;

/// Binds as it was asked for, and where that is without SO_REUSEADDR, once more with it. UDP would
/// take datagrams from who shares the port with it, and never shares it.
fn bind(query: &Query) -> io::Result<(Verdict, Option<Verdict>)> {
    let Some(addr) = query.addr else {
        return Err(io::Error::other("no address was named"));
    };
    let attempt = |kind| {
        try_bind(&BindAttempt {
            kind,
            addr,
            port: query.port,
            v6only: query.v6only,
            device: query.device,
            free_bind: query.free_bind,
        })
    };
    match (query.protocol, query.reuse_address) {
        (Protocol::Tcp, true) => Ok((attempt(BindKind::TcpReuseAddress)?, None)),
        (Protocol::Tcp, false) => Ok((
            attempt(BindKind::Tcp)?,
            Some(attempt(BindKind::TcpReuseAddress)?),
        )),
        (_, true) => Err(io::Error::other(
            "a UDP socket with SO_REUSEADDR would take datagrams from the others",
        )),
        (_, false) => Ok((attempt(BindKind::Udp)?, None)),
    }
}

/// Lets connect draw a port, and sends nothing.
fn connect(source: IpAddr, destination: SocketAddr) -> io::Result<Verdict> {
    match ask_for_port(source, destination, None) {
        Ok(kernel::Answer::Free | kernel::Answer::NoSinglePorts) => Ok(Ok(())),
        Ok(kernel::Answer::Taken) => Ok(Err(Errno::AddressNotAvailable)),
        Err(error) => match error.raw_os_error().map(kernel::errno) {
            Some(Errno::Other(_)) | None => Err(error),
            Some(errno) => Ok(Err(errno)),
        },
    }
}

/// Lets the kernel have the last word.
fn settle(
    answer: &mut Answer,
    said: Verdict,
    reusing: Option<Verdict>,
    machine: &Machine,
    ports: Option<&Ephemeral>,
) -> Probe {
    let foretold = answer.outcome;
    let outcome = |said: &Verdict| match said {
        Ok(()) => Outcome::Free,
        Err(_) => Outcome::Blocked,
    };
    let heard = Heard {
        said,
        with_reuse_address: reusing.as_ref().map(outcome),
    };
    Probe::Asked {
        said,
        with_reuse_address: reusing,
        foretold,
        agrees: heed(answer, heard, machine, ports),
    }
}
