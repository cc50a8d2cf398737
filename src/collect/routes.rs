//! By which way this machine reaches another.

use std::io;
use std::net::IpAddr;

use crate::kernel::{self, Dump, Host};
use crate::model::{Route, Way};
use crate::wire::netlink::{Message, Messages};
use crate::wire::rtnetlink;

/// What the routes say of a way. `None` where nobody can be asked, as of a recording.
pub fn read_route(host: &Host, way: &Way) -> Option<Route> {
    let told = told_of(host, way)?;
    let route = match way.interface {
        // Asked with a source, IPv6 takes the interface for a wish. Of a socket that is bound to
        // it the kernel demands it, as it does of whoever asks without a source.
        Some(own) if is_lax(way) && told.leads() && told.interface != Some(own) => {
            let strict = Way {
                source: None,
                ..*way
            };
            told_of(host, &strict)?.route
        }
        _ => told.route,
    };
    // The kernel does not repeat what it was told.
    let source = |chosen: Option<IpAddr>| match is_lax(way) {
        true => way.source,
        false => chosen.or(way.source),
    };
    Some(match route {
        Route::From(chosen) => Route::From(source(chosen)),
        Route::Broadcast(chosen) => Route::Broadcast(source(chosen)),
        Route::None(errno) => Route::None(errno),
    })
}

/// Whether the kernel answers with routes of other interfaces too.
fn is_lax(way: &Way) -> bool {
    way.destination.is_ipv6() && way.source.is_some_and(|source| source.is_ipv6())
}

/// What one answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    route: Route,
    /// The interface over which it leads to others.
    interface: Option<u32>,
}

impl Told {
    fn leads(&self) -> bool {
        !matches!(self.route, Route::None(_))
    }
}

fn told_of(host: &Host, way: &Way) -> Option<Told> {
    let request = rtnetlink::route_request(way);
    answered(host.ask_routes(&request).ok()?)
}

/// The answer to a request for one route.
fn answered(answer: Dump) -> Option<Told> {
    let mut told = None;
    let read = answer.for_each(|chunk, _| {
        for framed in Messages::new(chunk).flatten() {
            match framed.message {
                Message::Route(body) => {
                    let source = rtnetlink::preferred_source(body);
                    let route = match rtnetlink::is_broadcast(body) {
                        true => Route::Broadcast(source),
                        false => Route::From(source),
                    };
                    let interface = rtnetlink::outgoing_interface(body);
                    told = Some(Told { route, interface });
                }
                Message::Error(errno) if errno < 0 => {
                    told = Some(Told {
                        route: Route::None(kernel::errno(errno.saturating_neg())),
                        interface: None,
                    });
                }
                _ => {}
            }
        }
        Ok::<_, io::Error>(told.is_none())
    });
    read.ok()?.ok()?;
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LocalRoute;
    use crate::wire::netlink::framed;
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    #[test]
    fn the_answer_for_one_destination() {
        let errno = |errno: i32| framed(2, 0, 1, &(-errno).to_ne_bytes());
        let of = |chunk: Vec<u8>| answered(Dump::scripted(vec![Ok(chunk)])).map(|told| told.route);
        assert_eq!(of(errno(101)), Some(Route::None(kernel::errno(101))));
        assert_eq!(of(errno(0)), None);
        assert_eq!(of(vec![1, 2, 3]), None);
        let unsaid = rtnetlink::local_route_message(&LocalRoute {
            network: Ipv4Addr::new(127, 0, 0, 0),
            prefix: 8,
            interface: 1,
        });
        assert_eq!(of(unsaid), Some(Route::From(None)));
    }

    #[test]
    fn this_machine_reaches_itself() {
        let mut there: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            there.push(Ipv6Addr::LOCALHOST.into());
        }
        for destination in there {
            for source in [None, Some(destination)] {
                let way = Way {
                    destination,
                    source,
                    interface: None,
                    flow: None,
                };
                let route = read_route(&Host::Live, &way);
                assert_eq!(route, Some(Route::From(Some(destination))));
            }
        }
    }
}
