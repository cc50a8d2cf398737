//! `--probe`: the kernel is asked, and what it says counts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::analyze::Ephemeral;
use crate::analyze::why::{Answer, Heard, Machine, Operation, Outcome, Query, heed};
use crate::command::context::Context;
use crate::kernel::{BindAttempt, BindKind, ConnectAttempt, Draw, own_uid, try_bind, try_connect};
use crate::model::{Call, Endpoint, Errno, Protocol};
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
            connect(query, destination)
        }
    };
    match asked {
        Ok(told) => settle(answer, told, machine, ports),
        Err(error) => Probe::Unavailable(error.to_string()),
    }
}

fn unavailable(reason: &str) -> Probe {
    Probe::Unavailable(reason.to_owned())
}

type Verdict = Result<(), Errno>;

/// What the kernel said.
struct Told {
    /// Which call the verdict is of.
    call: Call,
    said: Verdict,
    with_reuse_address: Option<Verdict>,
}

/// Binds as it was asked for, and where that is without SO_REUSEADDR, once more with it. UDP would
/// take datagrams from who shares the port with it, and never shares it.
fn bind(query: &Query) -> io::Result<Told> {
    let addr = query.addr.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
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
    let (said, with_reuse_address) = match (query.protocol, query.reuse_address) {
        (Protocol::Tcp, true) => (attempt(BindKind::TcpReuseAddress)?, None),
        (Protocol::Tcp, false) => (
            attempt(BindKind::Tcp)?,
            Some(attempt(BindKind::TcpReuseAddress)?),
        ),
        (_, true) => {
            return Err(io::Error::other(
                "a UDP socket with SO_REUSEADDR would take datagrams from the others",
            ));
        }
        (_, false) => (attempt(BindKind::Udp)?, None),
    };
    Ok(Told {
        call: Call::Bind,
        said,
        with_reuse_address,
    })
}

/// Lets connect draw a port, from the socket that was asked about, and sends nothing.
fn connect(query: &Query, to: Endpoint) -> io::Result<Told> {
    let drawn = try_connect(&ConnectAttempt {
        source: query.addr,
        destination: SocketAddr::new(to.addr, to.port),
        device: query.device_at_bind(),
        scope: query.device,
        free_bind: query.free_bind,
        port: None,
    })?;
    let (call, said) = match drawn {
        Draw::Found | Draw::NoSinglePorts => (Call::Connect, Ok(())),
        Draw::Refused(call, errno) => (call, Err(errno)),
    };
    Ok(Told {
        call,
        said,
        with_reuse_address: None,
    })
}

/// Lets the kernel have the last word.
fn settle(answer: &mut Answer, told: Told, machine: &Machine, ports: Option<&Ephemeral>) -> Probe {
    let Told {
        call,
        said,
        with_reuse_address,
    } = told;
    let foretold = answer.outcome;
    let outcome = |said: &Verdict| match said {
        Ok(()) => Outcome::Free,
        Err(_) => Outcome::Blocked,
    };
    let heard = Heard {
        call,
        said,
        with_reuse_address: with_reuse_address.as_ref().map(outcome),
    };
    Probe::Asked {
        call,
        said,
        with_reuse_address,
        foretold,
        agrees: heed(answer, heard, machine, ports),
    }
}
