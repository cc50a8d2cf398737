//! The interfaces of a network namespace, and whether they are up.

use std::io;

use crate::kernel::Host;
use crate::model::{Link, Links};
use crate::wire::links;
use crate::wire::netlink::{Message, Messages};

/// Reads the interfaces with their addresses. `None` where nobody can be asked, as of a recording.
pub fn read_links(host: &Host) -> Option<Links> {
    let mut found: Vec<Link> = Vec::new();
    dump(host, &links::links_request(), |message| {
        if let Message::Link(body) = message {
            found.extend(links::link(body));
        }
    })?;
    dump(host, &links::addresses_request(), |message| {
        // `RTM_NEWADDR` has the number of `SOCK_DIAG_BY_FAMILY`.
        let Message::Row(body) = message else {
            return;
        };
        if let Some((index, addr, bits)) = links::interface_address(body)
            && let Some(link) = found.iter_mut().find(|link| link.index == index)
        {
            link.addresses.push((addr, bits));
        }
    })?;
    Some(Links::new(found))
}

/// Hands on the messages of a dump; `None` where it fails.
pub(super) fn dump(host: &Host, request: &[u8], mut take: impl FnMut(Message<'_>)) -> Option<()> {
    let mut is_whole = false;
    let read = host.ask_routes(request).ok()?.for_each(|chunk, _| {
        for framed in Messages::new(chunk).flatten() {
            match framed.message {
                Message::Done(0) => is_whole = true,
                Message::Done(_) | Message::Error(_) | Message::Overrun => return Ok(false),
                message => take(message),
            }
        }
        Ok::<_, io::Error>(!is_whole)
    });
    read.ok()?.ok()?;
    is_whole.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_the_interfaces_that_the_c_library_names() {
        let links = read_links(&Host::Live).unwrap();
        for (index, name) in Host::Live.interface_names() {
            let link = links.get(index).unwrap();
            assert_eq!(link.name, name.as_bytes());
        }
        let up = std::net::UdpSocket::bind("127.0.0.1:0").is_ok();
        assert!(up || links.down_with([127, 0, 0, 1].into()).is_some());
    }
}
