//! By which route a connect goes.

use std::net::IpAddr;

use super::question::Question;
use crate::analyze::why::Route;
use crate::collect::{BindSettings, read_route};
use crate::kernel::Host;
use crate::model::LocalAddresses;

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
    let (destination, source, device) = question.way()?;
    let ask = |source| read_route(host, destination, source, device);
    let Some(source) = source else {
        return ask(None);
    };
    if is_of_many(host, source) {
        return ask(None);
    }
    let may_be_foreign = question.queries.iter().any(|query| query.free_bind)
        || match source {
            IpAddr::V4(_) => settings.nonlocal_v4 == Some(true),
            IpAddr::V6(_) => settings.nonlocal_v6 == Some(true),
        };
    if may_be_foreign || is_local(addresses, source) != Some(false) {
        return ask(Some(source));
    }
    Some(match ask(None)? {
        Route::From(_) => Route::From(Some(source)),
        Route::Broadcast(_) => Route::Broadcast(Some(source)),
        Route::None(errno) => Route::None(errno),
    })
}

/// Multicast and broadcast addresses, those of single networks too.
fn is_of_many(host: &Host, addr: IpAddr) -> bool {
    match addr {
        IpAddr::V6(addr) => addr.is_multicast(),
        IpAddr::V4(v4) if v4.is_multicast() || v4.is_broadcast() => true,
        IpAddr::V4(_) => {
            let route = read_route(host, addr, None, None);
            matches!(route, Some(Route::Broadcast(_)))
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
