//! Which addresses are this machine's.

use std::io::{self, BufReader};

use super::attempts::{End, Ending, INTERRUPTED, attempts, cut};
use super::bad::BadPlaces;
use super::proc_net::next_line;
use crate::kernel::{Dump, Host, LOCAL_ROUTES};
use crate::model::{Gap, LocalAddresses, LocalRoute, LocalV6};
use crate::wire::if_inet6::Line;
use crate::wire::netlink::{Message, Messages};
use crate::wire::rtnetlink;

/// Where the IPv6 addresses of a machine are told.
pub const V6_ADDRESSES: &str = "proc/net/if_inet6";
/// What gaps say is missing.
const ADDRESSES: &str = "addresses";

/// Reads the addresses of the network namespace. What cannot be read is `None`, and a gap.
pub fn read_local_addresses(host: &Host, gaps: &mut Vec<Gap>) -> LocalAddresses {
    let mut unreadable = |place: &str, error: io::Error| {
        gaps.push(Gap::Unreadable {
            what: ADDRESSES,
            place: place.to_owned(),
            reason: error.to_string(),
        });
    };
    let (routes, bad_routes) = match local_routes(host) {
        Ok((routes, bad)) => (Some(routes), bad),
        Err(error) => {
            unreadable(routes_place(host), error);
            (None, BadPlaces::default())
        }
    };
    let (v6, bad_lines) = match v6_addresses(host) {
        Ok((addresses, bad)) => (Some(addresses), bad),
        Err(error) => {
            unreadable(V6_ADDRESSES, error);
            (None, BadPlaces::default())
        }
    };
    gaps.extend(bad_routes.gap(ADDRESSES, routes_place(host).to_owned(), "byte"));
    gaps.extend(bad_lines.gap(ADDRESSES, V6_ADDRESSES.to_owned(), "line"));
    LocalAddresses { v4: routes, v6 }
}

fn routes_place(host: &Host) -> &'static str {
    match host {
        Host::Recorded(_) => LOCAL_ROUTES,
        _ => "rtnetlink",
    }
}

fn local_routes(host: &Host) -> io::Result<(Vec<LocalRoute>, BadPlaces)> {
    let (mut routes, mut bad) = (Vec::new(), BadPlaces::default());
    each_local_route(
        || host.local_routes(&rtnetlink::local_routes_request()),
        |piece| {
            match piece {
                RoutePiece::Begin => (routes, bad) = (Vec::new(), BadPlaces::default()),
                RoutePiece::Route { route, .. } => routes.push(route),
                RoutePiece::Bad { place, error } => bad.add(place, || error.to_string()),
            }
            Ok(())
        },
    )??;
    Ok((routes, bad))
}

/// A piece of the table of local routes.
pub(super) enum RoutePiece<'a> {
    /// It begins, or begins again: what came of it is void.
    Begin,
    /// A route that makes addresses local, and the message that says so.
    Route {
        /// The route.
        route: LocalRoute,
        /// The whole message.
        message: &'a [u8],
    },
    /// A message that makes no sense.
    Bad {
        /// Where it begins.
        place: u64,
        /// Why.
        error: rtnetlink::RouteError,
    },
}

/// Hands on the table of local routes, begun again until it is whole. The outer error is that of
/// `take`, the inner one says why it is not whole.
pub(super) fn each_local_route(
    open: impl Fn() -> io::Result<Dump>,
    mut take: impl FnMut(RoutePiece<'_>) -> io::Result<()>,
) -> io::Result<io::Result<()>> {
    let ended = attempts(Vec::new(), |_| -> io::Result<io::Result<End>> {
        take(RoutePiece::Begin)?;
        let dump = match open() {
            Ok(dump) => dump,
            Err(error) => return Ok(Err(error)),
        };
        let mut ending = Ending::default();
        let read = dump.for_each(|chunk, base| -> io::Result<bool> {
            ending.hear(chunk, |_, _| {});
            for framed in Messages::new(chunk).flatten() {
                let Message::Route(body) = framed.message else {
                    continue;
                };
                match rtnetlink::local_route(body) {
                    Ok(Some(route)) => {
                        let message = framed.bytes_of(chunk);
                        take(RoutePiece::Route { route, message })?;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let place = base + framed.offset as u64;
                        take(RoutePiece::Bad { place, error })?;
                    }
                }
            }
            Ok(!ending.is_over())
        })?;
        Ok(read.and_then(|()| ending.judge()))
    })?;
    Ok(match ended {
        Ok(End::Complete | End::Enough) => Ok(()),
        Ok(End::Interrupted) => Err(io::Error::other(INTERRUPTED)),
        Ok(End::Cut { heard }) => Err(io::Error::other(cut(heard))),
        // A namespace that never had an address has no such table.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        Err(error) => Err(error),
    })
}

fn v6_addresses(host: &Host) -> io::Result<(Vec<LocalV6>, BadPlaces)> {
    let (mut addresses, mut bad) = (Vec::new(), BadPlaces::default());
    let mut lines = match host.open(V6_ADDRESSES) {
        Ok(file) => BufReader::new(file),
        Err(_) if !has_ipv6(host) => return Ok((addresses, bad)),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if next_line(&mut lines, &mut line)? == 0 {
            break;
        }
        match Line::parse(&line) {
            Ok(line) => addresses.push(line.local()),
            Err(error) => bad.add(number, || error.to_string()),
        }
    }
    Ok((addresses, bad))
}

/// Whether the kernel has IPv6. Without it there is no file of addresses; a recording may lack
/// that for other reasons, unless it has the routes that are recorded with it.
pub(super) fn has_ipv6(host: &Host) -> bool {
    let is_absent = |name| {
        let opened = host.open(name);
        opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    !is_absent(V6_ADDRESSES) || (host.is_recorded() && is_absent(LOCAL_ROUTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::netlink::framed;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const LOOPBACK: LocalRoute = LocalRoute {
        network: Ipv4Addr::new(127, 0, 0, 0),
        prefix: 8,
        interface: 1,
    };
    const LINE: &str = "00000000000000000000000000000001 01 80 10 80       lo\n";

    fn done(errno: i32) -> Vec<u8> {
        framed(3, 0, 1, &errno.to_ne_bytes())
    }

    fn recording(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let host = Host::recorded(folder.path()).unwrap();
        (folder, host)
    }

    #[track_caller]
    fn check(files: &[(&str, &[u8])], v4: Option<&[LocalRoute]>, v6: Option<usize>, said: &[&str]) {
        let (_folder, host) = recording(files);
        let mut gaps = Vec::new();
        let read = read_local_addresses(&host, &mut gaps);
        assert_eq!(read.v4.as_deref(), v4);
        assert_eq!(read.v6.map(|addresses| addresses.len()), v6);
        let gaps: Vec<String> = gaps.iter().map(Gap::to_string).collect();
        assert_eq!(gaps, said);
    }

    #[test]
    fn a_recording_has_the_addresses_that_were_there() {
        let routes = [rtnetlink::local_route_message(&LOOPBACK), done(0)].concat();
        check(
            &[(LOCAL_ROUTES, &routes), (V6_ADDRESSES, LINE.as_bytes())],
            Some(&[LOOPBACK]),
            Some(1),
            &[],
        );
        // Without IPv6 there is no such file.
        check(&[(LOCAL_ROUTES, &routes)], Some(&[LOOPBACK]), Some(0), &[]);
    }

    #[test]
    fn what_is_not_recorded_is_not_known() {
        check(
            &[],
            None,
            None,
            &[
                "no addresses: rtnl/local.nlmsg: not in the recording",
                "no addresses: proc/net/if_inet6: not in the recording",
            ],
        );
    }

    #[test]
    fn a_table_that_breaks_off_is_not_known() {
        let routes = rtnetlink::local_route_message(&LOOPBACK);
        for (content, said) in [
            (&routes[..], "the kernel never ended the dump"),
            (&routes[..30], "truncated message: 30 of 44 bytes"),
            (
                &[routes.clone(), done(-1)].concat(),
                "Operation not permitted (os error 1)",
            ),
            (b"", "no answer"),
        ] {
            let said = format!("no addresses: rtnl/local.nlmsg: {said}");
            check(
                &[(LOCAL_ROUTES, content), (V6_ADDRESSES, b"")],
                None,
                Some(0),
                &[&said],
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_passed_over_and_said() {
        let short = framed(24, 0, 1, &[2; 5]);
        let other = framed(20, 0, 1, &[2; 72]);
        let good = rtnetlink::local_route_message(&LOOPBACK);
        let routes = [short.clone(), other, short, good, done(0)].concat();
        let lines = format!("x\n{LINE}");
        check(
            &[(LOCAL_ROUTES, &routes), (V6_ADDRESSES, lines.as_bytes())],
            Some(&[LOOPBACK]),
            Some(1),
            &[
                "rtnl/local.nlmsg: byte 0: route of 5 bytes, less than 12 (2 such places passed over)",
                "proc/net/if_inet6: line 1: unreadable column address",
            ],
        );
    }

    #[test]
    fn a_table_that_was_never_made_is_empty() {
        check(
            &[(LOCAL_ROUTES, &done(-libc::ENOENT)), (V6_ADDRESSES, b"")],
            Some(&[]),
            Some(0),
            &[],
        );
    }

    #[test]
    fn this_machine_has_loopback_where_it_has_anything() {
        let mut gaps = Vec::new();
        let read = read_local_addresses(&Host::Live, &mut gaps);
        assert_eq!(gaps, []);
        let (v4, v6) = (read.v4.unwrap(), read.v6.unwrap());
        let bound = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).is_ok();
        let local = |addr| v4.iter().any(|route| route.contains(addr));
        assert_eq!(local(Ipv4Addr::LOCALHOST), bound);
        assert!(!local(Ipv4Addr::new(192, 0, 2, 1)));
        let bound = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(v6.iter().any(|one| one.addr.is_loopback()), bound);
    }
}
