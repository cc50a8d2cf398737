//! By which route a connect goes.

use std::net::IpAddr;

use super::question::Question;
use crate::analyze::why::Route;
use crate::collect::{BindSettings, read_route};
use crate::kernel::Host;
use crate::model::{LocalAddresses, Way};

/// Own addresses that the routes of IPv6 are asked with, where they refuse whoever has none.
const MOST_SOURCES: usize = 64;

/// What the routes say of a connect; `None` for a bind, or where nobody could be asked.
///
/// They are asked for the source that was named, if it is one from which this machine speaks. A
/// socket that is bound to the address of many speaks from whichever the routes choose; and one
/// that nobody may bind says nothing of the way.
pub(super) fn route(
    host: &Host,
    question: &Question,
    addresses: &LocalAddresses,
    settings: &BindSettings,
) -> Option<Route> {
    let way = question.way()?;
    let Some(source) = way.source.filter(|source| !is_of_many(host, *source)) else {
        return unbound(host, way, addresses);
    };
    let may_be_foreign = question.queries.iter().any(|query| query.free_bind)
        || match source {
            IpAddr::V4(_) => settings.nonlocal_v4 == Some(true),
            IpAddr::V6(_) => settings.nonlocal_v6 == Some(true),
        };
    if may_be_foreign || is_local(addresses, source) != Some(false) {
        return read_route(host, &way);
    }
    Some(match unbound(host, way, addresses)? {
        Route::From(_) => Route::From(Some(source)),
        Route::Broadcast(_) => Route::Broadcast(Some(source)),
        Route::None(errno) => Route::None(errno),
    })
}

/// What they say to a socket without an address of its own. Rules may tell packets by their source,
/// so IPv4 asks again with the one that was chosen, and IPv6 where it was refused without any.
fn unbound(host: &Host, way: Way, addresses: &LocalAddresses) -> Option<Route> {
    let ask = |source| read_route(host, &Way { source, ..way });
    let first = ask(None)?;
    match first {
        Route::From(Some(chosen)) | Route::Broadcast(Some(chosen)) if chosen.is_ipv4() => {
            ask(Some(chosen))
        }
        Route::None(_) if way.destination.is_ipv6() => {
            let sources = own_sources(addresses);
            let leads = |source: &IpAddr| !matches!(ask(Some(*source)), Some(Route::None(_)));
            // Which of them the kernel would choose it does not tell.
            (!sources.iter().any(leads)).then_some(first)
        }
        told => Some(told),
    }
}

/// Addresses of IPv6 from which this machine speaks to others.
fn own_sources(addresses: &LocalAddresses) -> Vec<IpAddr> {
    let all = addresses.v6.as_deref().unwrap_or_default().iter();
    let speaks = all.filter(|one| {
        !one.tentative && !one.addr.is_loopback() && !one.addr.is_unicast_link_local()
    });
    speaks
        .map(|one| one.addr.into())
        .take(MOST_SOURCES)
        .collect()
}

/// Multicast and broadcast addresses, those of single networks too.
fn is_of_many(host: &Host, addr: IpAddr) -> bool {
    match addr {
        IpAddr::V6(addr) => addr.is_multicast(),
        IpAddr::V4(v4) if v4.is_multicast() || v4.is_broadcast() => true,
        IpAddr::V4(_) => {
            let way = Way {
                destination: addr,
                source: None,
                interface: None,
                flow: None,
            };
            matches!(read_route(host, &way), Some(Route::Broadcast(_)))
        }
    }
}

/// Whether an address is this machine's; `None` where its addresses could not be read.
fn is_local(addresses: &LocalAddresses, addr: IpAddr) -> Option<bool> {
    Some(match addr {
        IpAddr::V4(addr) => {
            let mut routes = addresses.v4.as_ref()?.iter();
            routes.any(|route| route.contains(addr))
        }
        IpAddr::V6(addr) => addresses.v6.as_ref()?.iter().any(|one| one.addr == addr),
    })
}
