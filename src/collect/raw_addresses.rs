//! Addresses of a machine as they are, for a recording.

use std::io::{self, BufReader};

use netlink_packet_core::NLMSG_DONE;

use super::addresses::{RoutePiece, V6_ADDRESSES, each_local_route};
use super::proc_net::next_line;
use crate::kernel::Host;
use crate::wire::netlink::framed;
use crate::wire::redact::Redactor;
use crate::wire::rtnetlink;

/// The messages that tell of local routes, ended as a dump is, and how many others there were that
/// made no sense. Routes of other tables, which older kernels tell too, are left out.
pub fn copy_local_routes(
    host: &Host,
    mut redactor: Option<&mut Redactor>,
) -> io::Result<(Vec<u8>, u64)> {
    let (mut messages, mut bad) = (Vec::new(), 0);
    each_local_route(
        || host.local_routes(&rtnetlink::local_routes_request()),
        |piece| {
            match (piece, &mut redactor) {
                (RoutePiece::Begin, _) => (messages, bad) = (Vec::new(), 0),
                (RoutePiece::Route { message, .. }, None) => messages.extend(message),
                (RoutePiece::Route { route, .. }, Some(redactor)) => {
                    messages.extend(redactor.local_route(&route));
                }
                (RoutePiece::Bad { .. }, _) => bad += 1,
            }
            Ok(())
        },
    )??;
    messages.extend(framed(NLMSG_DONE, 0, 1, &0i32.to_ne_bytes()));
    Ok((messages, bad))
}

/// The lines of the file of IPv6 addresses, redacted, and how many there were that made no sense.
pub fn copy_v6_addresses(host: &Host, redactor: &mut Redactor) -> io::Result<(Vec<u8>, u64)> {
    let mut lines = BufReader::new(host.open(V6_ADDRESSES)?);
    let (mut redacted, mut lost) = (Vec::new(), 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        if next_line(&mut lines, &mut line)? == 0 {
            return Ok((redacted, lost));
        }
        match redactor.v6_line(&line) {
            Some(line) => redacted.extend(line),
            None => lost += 1,
        }
    }
}
