//! The flags of all sockets on a port, told by the kernel: a BPF program is called for every TCP
//! or UDP socket of this thread's network namespace, and writes a record for each on the port.
//!
//! So those are told too that have no process to ask for them with getsockopt: TIME-WAIT, orphans,
//! connections not yet accepted.
//!
//! Not met are TCP sockets that are bound and neither listen nor are connected: the kernel walks
//! its tables of listeners and of connections, and they are in neither. A process holds these, as
//! a rule, and can be asked. Older kernels may pass over others while sockets come and go. So the
//! flags of a socket that is not told are unknown.
//!
//! Needs a kernel of 5.9 or later. To load the program takes 1 ms, to walk 2 ms where the kernel
//! has room for 262,144 connections, and 0.5 µs for each socket of the namespace, whatever its
//! port. Each is locked while it is looked at.

use std::ffi::CStr;

use super::Unavailable;
use super::btf::{Bits, Btf, Kind, Type};
use super::instruction::{
    Instruction, PROBE_READ, add, call, copy, load8, load16, load64, set, skip_if_is,
    skip_if_is_not, store64,
};
use super::iterator::KernelIterator;
use super::types::{in_types, offset};
use crate::model::SocketFlags;

/// The functions whose arguments the program gets; it is an implementation of either.
const TCP: &CStr = c"bpf_iter_tcp";
const UDP: &CStr = c"bpf_iter_udp";
/// A record: cookie (u64) in the byte order of the machine, and the bytes with the flags.
const RECORD_LEN: usize = 8 + FLAGS_LEN;
/// There is room for this many bytes with flags, from the first to the last of them.
const FLAGS_LEN: usize = 8;
/// `TCP_NEW_SYN_RECV`: what stands for a connection whose handshake is not over.
const REQUEST: i32 = 12;

/// The cookies of the TCP sockets on a local port, in no order, and their flags.
///
/// A socket has a cookie since a dump of sock_diag told of it or its holder asked for it; without
/// one it is left out. For a connection whose handshake is not over these are the flags of its
/// listener, which it will inherit. IPV6_V6ONLY is never set where the socket is of IPv4.
pub fn tcp_flags(port: u16) -> Result<Vec<(u64, SocketFlags)>, Unavailable> {
    flags(port, TCP)
}

/// As [`tcp_flags`], of UDP. All that are on a port are met.
pub fn udp_flags(port: u16) -> Result<Vec<(u64, SocketFlags)>, Unavailable> {
    flags(port, UDP)
}

fn flags(port: u16, iterator: &'static CStr) -> Result<Vec<(u64, SocketFlags)>, Unavailable> {
    super::permitted()?;
    let layout = in_types(|btf| Layout::resolve(btf, iterator))?;
    let mut found = Vec::new();
    let take = |record: &_| found.push(layout.flags.read(record));
    layout.iterator.walk(&program(&layout, port), take)?;
    Ok(found)
}

/// Where the fields are that the program reads, in bytes from the start of `struct sock_common`,
/// which every socket begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    iterator: KernelIterator,
    /// `skc_num`, the local port.
    port: i16,
    /// `skc_state`
    state: i16,
    /// `skc_cookie`
    cookie: i16,
    /// `skc_listener`, of a request.
    listener: i16,
    flags: Flags,
}

/// Where the flags are, and in which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flags {
    /// `skc_reuse`, which is 2 while a socket is being restored (TCP_REPAIR).
    reuse_address: Bits,
    /// `skc_reuseport`
    reuse_port: Bits,
    /// `skc_ipv6only`
    v6only: Bits,
    /// The first byte that has any.
    start: i16,
    /// How many bytes have them all.
    length: u8,
}

impl Layout {
    /// Looks for what it takes with the iterator of this name.
    fn resolve(btf: Btf<'_>, name: &'static CStr) -> Result<Layout, Unavailable> {
        let [socket, meta, iterator] = btf.find([
            (Kind::Struct, c"sock_common"),
            (Kind::Struct, c"bpf_iter_meta"),
            (Kind::Function, name),
        ]);
        Ok(Layout {
            iterator: KernelIterator::new(btf, name, iterator, meta)?,
            port: offset(btf, socket, c"skc_num", "sock_common.skc_num")?,
            state: offset(btf, socket, c"skc_state", "sock_common.skc_state")?,
            cookie: offset(btf, socket, c"skc_cookie", "sock_common.skc_cookie")?,
            listener: offset(btf, socket, c"skc_listener", "sock_common.skc_listener")?,
            flags: socket
                .and_then(|socket| Flags::resolve(btf, &socket))
                .ok_or(Unavailable::Type("the flags of sock_common"))?,
        })
    }
}

impl Flags {
    fn resolve(btf: Btf<'_>, socket: &Type<'_>) -> Option<Flags> {
        let fields = [c"skc_reuse", c"skc_reuseport", c"skc_ipv6only"];
        let [reuse_address, reuse_port, v6only] = fields.map(|field| btf.bits(socket, field));
        Flags::new(reuse_address?, reuse_port?, v6only?)
    }

    /// `None` where they are too far from each other for a record.
    fn new(reuse_address: Bits, reuse_port: Bits, v6only: Bits) -> Option<Flags> {
        let bytes = [reuse_address, reuse_port, v6only].map(|bits| bits.byte);
        let start = bytes.into_iter().min()?;
        let length = bytes.into_iter().max()? - start + 1;
        (length as usize <= FLAGS_LEN).then_some(Flags {
            reuse_address,
            reuse_port,
            v6only,
            start: i16::try_from(start).ok()?,
            length: length as u8,
        })
    }

    fn read(&self, record: &[u8; RECORD_LEN]) -> (u64, SocketFlags) {
        let cookie = u64::from_ne_bytes(std::array::from_fn(|byte| record[byte]));
        let is_set = |bits: Bits| {
            let byte = record.get(8 + (bits.byte as usize).checked_sub(self.start as usize)?)?;
            Some(bits.of(*byte) != 0)
        };
        let flags = SocketFlags {
            reuse_address: is_set(self.reuse_address),
            reuse_port: is_set(self.reuse_port),
            v6only: is_set(self.v6only),
        };
        (cookie, flags)
    }
}

/// The program. The arguments are those of [`TCP`] or [`UDP`]:
/// `struct bpf_iter_meta *meta, struct sock_common *sk_common` (or `struct udp_sock *udp_sk`), …
///
/// The record is at -16 on the stack, the listener of a request at -24.
fn program(layout: &Layout, port: u16) -> Vec<Instruction> {
    let Layout { flags, .. } = layout;
    let body = [
        copy(6, 1),                             //  0 arguments
        load64(7, 6, 8),                        //  1 socket
        skip_if_is(7, 0, 29),                   //  2 none: the walk is over
        load16(1, 7, layout.port),              //  3
        skip_if_is_not(1, i32::from(port), 27), //  4 another port
        load64(1, 7, layout.cookie),            //  5
        skip_if_is(1, 0, 25),                   //  6 none: no dump told of it
        store64(10, -16, 1),                    //  7 the record: cookie
        set(1, 0),                              //  8
        store64(10, -8, 1),                     //  9 bytes of flags, those of nothing yet
        load8(1, 7, layout.state),              // 10
        skip_if_is_not(1, REQUEST, 7),          // 11 a socket
        copy(1, 10),                            // 12
        add(1, -24),                            // 13 where to
        set(2, 8),                              // 14 length of a pointer
        copy(3, 7),                             // 15
        add(3, layout.listener as i32),         // 16 where from: it shares its place with others,
        call(PROBE_READ),                       // 17 so that no pointer is seen in it
        load64(7, 10, -24),                     // 18 listener, or 0 without
        copy(1, 10),                            // 19
        add(1, -8),                             // 20 where to
        set(2, flags.length as i32),            // 21 length
        copy(3, 7),                             // 22
        add(3, flags.start as i32),             // 23 where from
        call(PROBE_READ),                       // 24
        skip_if_is_not(0, 0, 6),                // 25 no listener any more
    ];
    let ending = layout.iterator.ending(-16, RECORD_LEN);
    [&body[..], &ending].concat()
}

#[cfg(test)]
mod tests;
