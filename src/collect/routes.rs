//! By which way this machine reaches another.

use std::io;

use crate::kernel::{self, Dump, Host};
use crate::model::{Route, Way};
use crate::wire::netlink::{Message, Messages};
use crate::wire::rtnetlink;

/// What the routes say of a way. `None` where nobody can be asked, as of a recording.
pub fn read_route(host: &Host, way: &Way) -> Option<Route> {
    let source = way.source;
    let request = rtnetlink::route_request(way);
    let route = route_of(host.ask_routes(&request).ok()?)?;
    Some(match route {
        // The kernel does not repeat what it was told.
        Route::From(None) => Route::From(source),
        Route::Broadcast(None) => Route::Broadcast(source),
        told => told,
    })
}

/// The answer to a request for one route.
fn route_of(answer: Dump) -> Option<Route> {
    let mut route = None;
    let read = answer.for_each(|chunk, _| {
        for framed in Messages::new(chunk).flatten() {
            match framed.message {
                Message::Route(body) => {
                    let source = rtnetlink::preferred_source(body);
                    route = Some(if rtnetlink::is_broadcast(body) {
                        Route::Broadcast(source)
                    } else {
                        Route::From(source)
                    });
                }
                Message::Error(errno) if errno < 0 => {
                    route = Some(Route::None(kernel::errno(errno.saturating_neg())));
                }
                _ => {}
            }
        }
        Ok::<_, io::Error>(route.is_none())
    });
    read.ok()?.ok()?;
    route
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LocalRoute;
    use crate::wire::netlink::framed;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

    #[test]
    fn the_answer_for_one_destination() {
        let errno = |errno: i32| framed(2, 0, 1, &(-errno).to_ne_bytes());
        let of = |chunk: Vec<u8>| route_of(Dump::scripted(vec![Ok(chunk)]));
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
