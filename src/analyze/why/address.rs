//! Whether the kernel lets a socket have an address at all, whoever else is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::check::Check;
use super::{Assumption, Blocker, Cause, Errno, Fix, Ipv6, Machine, Query};
use crate::model::{LocalV6, Protocol};

/// Ports below this are privileged where nobody says otherwise.
const USUAL_PRIVILEGED: u32 = 1024;

/// The checks before that of the port, in the kernel's order: IPv4 looks at the address first,
/// IPv6 at the privilege.
pub(super) fn checks(query: &Query, addr: IpAddr, machine: &Machine) -> Vec<Check> {
    match addr {
        IpAddr::V4(v4) => vec![address_v4(query, v4, machine), privilege(query, machine)],
        IpAddr::V6(v6) => {
            let mut checks = vec![
                family(machine),
                fitness_of_protocol(query, v6),
                privilege(query, machine),
            ];
            match v6.to_ipv4_mapped() {
                Some(v4) => {
                    checks.push(fitness_of_mapped(query));
                    checks.push(address_v4(query, v4, machine));
                }
                None => {
                    checks.push(fitness_of_scope(v6, query.device_at_bind()));
                    checks.push(address_v6(query, v6, machine));
                }
            }
            checks
        }
    }
}

/// The socket itself cannot be made without its family.
pub(super) fn family(machine: &Machine) -> Check {
    match machine.ipv6 {
        Ipv6::Absent => blocked(
            Errno::FamilyNotSupported,
            Cause::Ipv6Disabled,
            &[Fix::EnableIpv6],
        ),
        Ipv6::On | Ipv6::Disabled => Check::passed(),
    }
}

fn blocked(errno: Errno, cause: Cause, fixes: &[Fix]) -> Check {
    Check::blocked(errno, Blocker::without_socket(cause, fixes))
}

/// Nobody connects to many, nor listens for many.
fn fitness_of_protocol(query: &Query, addr: Ipv6Addr) -> Check {
    if query.protocol == Protocol::Tcp && addr.is_multicast() {
        return blocked(Errno::Invalid, Cause::AddressUnfit, &[Fix::OwnAddress]);
    }
    Check::passed()
}

/// A socket that refuses IPv4 cannot have one of its addresses.
fn fitness_of_mapped(query: &Query) -> Check {
    if query.v6only {
        return blocked(Errno::Invalid, Cause::AddressUnfit, &[Fix::TakeV4]);
    }
    Check::passed()
}

/// Of addresses that every link has anew, the interface has to be told.
pub(super) fn fitness_of_scope(addr: Ipv6Addr, device: Option<u32>) -> Check {
    // Scopes 1 (interface) and 2 (link) of multicast.
    let is_of_link = addr.is_unicast_link_local()
        || (addr.is_multicast() && matches!(addr.segments()[0] & 0xf, 1 | 2));
    if is_of_link && device.is_none() {
        return blocked(Errno::Invalid, Cause::AddressUnfit, &[Fix::NameDevice]);
    }
    Check::passed()
}

/// Whether the port takes a privilege.
pub(super) fn is_privileged(query: &Query, machine: &Machine) -> bool {
    let start = machine.unprivileged_port_start;
    query.port != 0 && u32::from(query.port) < start.unwrap_or(USUAL_PRIVILEGED)
}

fn privilege(query: &Query, machine: &Machine) -> Check {
    if query.port == 0 || query.user.may_bind_low == Some(true) {
        return Check::passed();
    }
    let start = machine.unprivileged_port_start;
    let check = if !is_privileged(query, machine) {
        Check::passed()
    } else {
        let fixes = [Fix::UnprivilegedPort, Fix::AllowLowPort];
        let check = blocked(Errno::AccessDenied, Cause::PrivilegedPort, &fixes);
        match query.user.may_bind_low {
            None => check.assuming(Assumption::NoCapability),
            Some(_) => check,
        }
    };
    match start {
        None => check.assuming(Assumption::UsualPrivilegedPorts),
        Some(_) => check,
    }
}

fn address_v4(query: &Query, addr: Ipv4Addr, machine: &Machine) -> Check {
    let is_everybodys = addr.is_unspecified() || addr.is_broadcast() || addr.is_multicast();
    if is_everybodys || query.free_bind || machine.nonlocal_v4 == Some(true) {
        return Check::passed();
    }
    if machine.vrf_of(query.device_at_bind()) != 0 {
        // Its table is another, which was not read.
        return Check::passed().assuming(Assumption::AddressIsLocal);
    }
    match &machine.addresses.v4 {
        None => Check::passed().assuming(Assumption::AddressIsLocal),
        Some(routes) if routes.iter().any(|route| route.contains(addr)) => Check::passed(),
        Some(_) => is_down(machine, addr.into()).unwrap_or_else(|| not_local(machine.nonlocal_v4)),
    }
}

/// The check of an address that is nowhere here, where `nonlocal` is what the sysctl says.
fn not_local(nonlocal: Option<bool>) -> Check {
    let fixes = [Fix::OwnAddress, Fix::NonlocalBind, Fix::AddAddress];
    let check = blocked(Errno::AddressNotAvailable, Cause::AddressNotLocal, &fixes);
    match nonlocal {
        Some(_) => check,
        None => check.assuming(Assumption::NoNonlocalBind),
    }
}

/// The check of an address that is here as soon as its interface is up.
fn is_down(machine: &Machine, addr: IpAddr) -> Option<Check> {
    let link = machine.links.as_ref()?.down_with(addr)?;
    let fix = Fix::LinkUp {
        interface: link.index,
    };
    let errno = Errno::AddressNotAvailable;
    Some(blocked(errno, Cause::InterfaceDown, &[fix]))
}

fn address_v6(query: &Query, addr: Ipv6Addr, machine: &Machine) -> Check {
    let is_everybodys = addr.is_unspecified() || addr.is_multicast();
    if is_everybodys || query.free_bind || machine.nonlocal_v6 == Some(true) {
        return Check::passed();
    }
    let errno = Errno::AddressNotAvailable;
    let off = || {
        let fixes = [Fix::UseV4, Fix::EnableIpv6];
        blocked(errno, Cause::Ipv6Disabled, &fixes)
    };
    if is_off(machine) {
        return off();
    }
    let Some(addresses) = &machine.addresses.v6 else {
        return Check::passed().assuming(Assumption::AddressIsLocal);
    };
    let mut tentative = None;
    let vrf = machine.vrf_of(query.device_at_bind());
    let mut is_in_other_vrf = false;
    for local in addresses.iter().filter(|local| serves(local, addr, query)) {
        if machine.vrf_of(Some(local.interface)) != vrf {
            is_in_other_vrf = true;
            continue;
        }
        if !local.tentative {
            return Check::passed();
        }
        tentative = Some(local);
    }
    match tentative {
        // It stays so.
        Some(LocalV6 {
            duplicate: true, ..
        }) => blocked(errno, Cause::AddressTentative, &[Fix::OwnAddress]),
        // It is asked for when the interface is up.
        Some(_) => is_down(machine, addr.into())
            .unwrap_or_else(|| blocked(errno, Cause::AddressTentative, &[Fix::WaitForDad])),
        None if machine.is_ipv6_off_there => off(),
        None if is_in_other_vrf => not_local(machine.nonlocal_v6).assuming(Assumption::VrfsApart),
        None => is_down(machine, addr.into()).unwrap_or_else(|| not_local(machine.nonlocal_v6)),
    }
}

/// Whether IPv6 is off. An interface may have it all the same, and then has addresses.
pub(super) fn is_off(machine: &Machine) -> bool {
    let addresses = machine.addresses.v6.as_deref();
    match machine.ipv6 {
        Ipv6::On => machine.is_ipv6_off_there && addresses.is_some_and(<[_]>::is_empty),
        Ipv6::Disabled => addresses.is_none_or(<[_]>::is_empty),
        Ipv6::Absent => true,
    }
}

/// Whether an address leads to this machine, as is known without its routes. Of IPv4 that is so of
/// loopback only: the table of local addresses has broadcasts too, and does not tell them apart.
pub(super) fn is_own(machine: &Machine, addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(addr) => {
            let routes = machine.addresses.v4.as_deref().unwrap_or_default();
            let is_host = addr.is_loopback() && !addr.octets().ends_with(&[255, 255, 255]);
            is_host && routes.iter().any(|route| route.contains(addr))
        }
        IpAddr::V6(addr) => {
            let addresses = machine.addresses.v6.as_deref().unwrap_or_default();
            { addresses.iter() }.any(|local| local.addr == addr && !local.tentative)
        }
    }
}

/// Whether it is the address that is meant. Addresses of a link or of the host itself serve only
/// on their interface, others on any.
fn serves(local: &LocalV6, addr: Ipv6Addr, query: &Query) -> bool {
    let is_bound_to_link = addr.is_unicast_link_local() || addr.is_loopback();
    local.addr == addr
        && (!is_bound_to_link || { query.device_at_bind() }
            .is_none_or(|device| device == local.interface))
}
