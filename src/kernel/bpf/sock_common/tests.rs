//! BPF beside getsockopt, as far as this machine and user permit it.

use super::super::instruction::jumps;
use super::super::iterator::NOTHING_TO_WRITE;
use super::super::permitted;
use super::super::tests::check_refusal;
use super::*;
use crate::kernel::{AdminDetails, Host};
use crate::model::Protocol;
use crate::wire::netlink;
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY.
type Wanted = [bool; 3];
type Told = BTreeMap<u64, SocketFlags>;

const ESTABLISHED: u8 = 1;
const SYN_RECV: u8 = 3;
const FIN_WAIT_1: u8 = 4;
const TIME_WAIT: u8 = 6;

/// An option that is a number; 0 where there is none of this level.
#[allow(unsafe_code)]
fn option<T: Default>(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int) -> T {
    let mut value = T::default();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: The kernel writes no more than `length` bytes to `value`.
    unsafe {
        let value = (&raw mut value).cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, value, &raw mut length);
    }
    value
}

/// Lets no handshake be over before the client has sent something.
#[allow(unsafe_code)]
fn wait_for_data(listener: &TcpListener) {
    let (fd, seconds) = (listener.as_raw_fd(), 60_i32);
    let length = size_of_val(&seconds) as libc::socklen_t;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT);
    // SAFETY: The kernel reads `length` bytes of `seconds`.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const seconds).cast(), length) };
    assert_eq!(result, 0);
}

/// Its cookie; it has one from now on.
fn cookie(socket: &impl AsRawFd) -> u64 {
    let cookie = option(socket, libc::SOL_SOCKET, libc::SO_COOKIE);
    assert_ne!(cookie, 0);
    cookie
}

/// What a holder is told of its own socket.
fn told_to_holder(socket: &impl AsRawFd) -> (u64, SocketFlags) {
    let is_set = |level, name| Some(option::<i32>(socket, level, name) != 0);
    let flags = SocketFlags {
        reuse_address: is_set(libc::SOL_SOCKET, libc::SO_REUSEADDR),
        reuse_port: is_set(libc::SOL_SOCKET, libc::SO_REUSEPORT),
        v6only: is_set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
    };
    (cookie(socket), flags)
}

/// A socket with these flags, bound to a port of the kernel's choice; `None` where there is no
/// such address.
fn bound(kind: SockType, address: SocketAddr, wanted: Wanted) -> Option<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let new = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).ok()?;
    setsockopt(&new, ReuseAddr, &wanted[0]).unwrap();
    setsockopt(&new, ReusePort, &wanted[1]).unwrap();
    if address.is_ipv6() {
        setsockopt(&new, Ipv6V6Only, &wanted[2]).unwrap();
    }
    match bind(new.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) => Some(new),
        Err(error) if address.is_ipv6() => {
            assert_eq!(error, nix::Error::EADDRNOTAVAIL);
            None
        }
        Err(error) => panic!("{address}: {error}"),
    }
}

fn listening(address: SocketAddr, wanted: Wanted) -> Option<TcpListener> {
    let new = bound(SockType::Stream, address, wanted)?;
    listen(&new, Backlog::new(16).unwrap()).unwrap();
    Some(new.into())
}

/// A connection to a listener: the client's end, and the server's.
fn connected(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// All combinations of flags, with an address on which each is possible.
fn combinations() -> impl Iterator<Item = (SocketAddr, Wanted)> {
    let addresses = [
        (Ipv4Addr::LOCALHOST.into(), false),
        // Binding to such an address sets IPV6_V6ONLY, and needs it not to be set.
        (Ipv6Addr::LOCALHOST.into(), true),
        (Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), false),
    ];
    addresses.into_iter().flat_map(|(address, v6only)| {
        [(false, false), (true, false), (false, true), (true, true)]
            .map(|(ra, rp)| (SocketAddr::new(address, 0), [ra, rp, v6only]))
    })
}

/// The sockets on a port that a dump shows: state and port of the peer to cookie.
fn dump(port: u16) -> BTreeMap<(u8, u16), u64> {
    let mut sockets = BTreeMap::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut request = vec![0; 56];
        request[..2].copy_from_slice(&[family as u8, libc::IPPROTO_TCP as u8]);
        request[4..8].fill(0xFF);
        let request = netlink::framed(20, 0x301, 1, &request);
        let dump = Host::Live.dump(Protocol::Tcp, &request, AdminDetails::Unwanted);
        let take = |chunk: &[u8], _| -> Result<bool, ()> {
            for message in netlink::Messages::new(chunk) {
                let netlink::Message::Row(row) = message.unwrap().message else {
                    continue;
                };
                let port_at = |at: usize| u16::from_be_bytes([row[at], row[at + 1]]);
                if port_at(4) == port {
                    let cookie = std::array::from_fn(|byte| row[44 + byte]);
                    sockets.insert((row[1], port_at(6)), u64::from_ne_bytes(cookie));
                }
            }
            Ok(true)
        };
        dump.unwrap().for_each(take).unwrap().unwrap();
    }
    sockets
}

/// What BPF tells of a port, or `None` where it is unavailable, which has to be for a reason.
fn told(found: Result<Vec<(u64, SocketFlags)>, Unavailable>) -> Option<Told> {
    match found {
        Ok(found) => Some(found.into_iter().collect()),
        Err(refusal) => {
            check_refusal(&refusal, permitted());
            None
        }
    }
}

#[track_caller]
fn check(told: &Told, expected: &[(u64, SocketFlags)]) {
    for (cookie, flags) in expected {
        assert_eq!(told.get(cookie), Some(flags), "{cookie} in {told:?}");
    }
}

/// Waits until the socket with this peer is in this state, and returns its cookie.
fn cookie_in_state(port: u16, state: u8, peer: u16) -> u64 {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        if let Some(cookie) = dump(port).get(&(state, peer)) {
            return *cookie;
        }
        std::thread::yield_now();
    }
    panic!(
        "no socket of {port} with {peer} in state {state}: {:?}",
        dump(port)
    );
}

/// What is left of a connection whose server closed first: its cookie and flags, in TIME-WAIT.
fn closed(listener: &TcpListener, change: impl Fn(&TcpStream)) -> (u64, SocketFlags) {
    let (mut client, server) = connected(listener);
    change(&server);
    let before = told_to_holder(&server);
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    let port = client.peer_addr().unwrap().port();
    let peer = client.local_addr().unwrap().port();
    drop(client);
    assert_eq!(cookie_in_state(port, TIME_WAIT, peer), before.0);
    before
}

/// A connection whose server is gone before the client took what it sent, and the client's end.
fn orphaned(listener: &TcpListener) -> ((u64, SocketFlags), TcpStream) {
    let (client, mut server) = connected(listener);
    server.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(error) = server.write(&[0; 64 << 10]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    let before = told_to_holder(&server);
    drop(server);
    let port = client.peer_addr().unwrap().port();
    let peer = client.local_addr().unwrap().port();
    assert_eq!(cookie_in_state(port, FIN_WAIT_1, peer), before.0);
    (before, client)
}

#[test]
fn the_flags_of_tcp_sockets_are_those_that_their_holders_see() {
    for (address, wanted) in combinations() {
        let Some(listener) = listening(address, wanted) else {
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let (client, server) = connected(&listener);
        // What a connection inherits can be changed.
        let change = |server: &TcpStream| setsockopt(server, ReuseAddr, &!wanted[0]).unwrap();
        let remains = [closed(&listener, |_| ()), closed(&listener, change)];
        let (orphan, _peer) = orphaned(&listener);
        let waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let not_accepted = cookie_in_state(port, ESTABLISHED, waiting.local_addr().unwrap().port());

        let Some(of_port) = told(tcp_flags(port)) else {
            return;
        };
        let all = [told_to_holder(&listener), told_to_holder(&server), orphan];
        check(&of_port, &[&all[..], &remains].concat());
        let [ra, rp, v6only] = wanted.map(Some);
        assert_eq!(
            of_port[&cookie(&listener)],
            SocketFlags {
                reuse_address: ra,
                reuse_port: rp,
                v6only,
            }
        );
        let accepted = listener.accept().unwrap().0;
        assert_eq!(cookie(&accepted), not_accepted);
        check(&of_port, &[told_to_holder(&accepted)]);

        let of_client = told(tcp_flags(client.local_addr().unwrap().port())).unwrap();
        check(&of_client, &[told_to_holder(&client)]);
    }
}

#[test]
fn a_socket_that_is_only_bound_is_not_met() {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let only_bound = bound(SockType::Stream, address, [true, false, false]).unwrap();
    let its = cookie(&only_bound);
    let socket = TcpListener::from(only_bound);
    let port = socket.local_addr().unwrap().port();
    let Some(before) = told(tcp_flags(port)) else {
        return;
    };
    assert!(!before.contains_key(&its));
    listen(&socket, Backlog::new(1).unwrap()).unwrap();
    check(&told(tcp_flags(port)).unwrap(), &[told_to_holder(&socket)]);
}

#[test]
fn an_unfinished_handshake_has_the_flags_of_its_listener() {
    for flags in [[true, false], [false, true]] {
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = listening(address, [flags[0], flags[1], false]).unwrap();
        wait_for_data(&listener);
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.peer_addr().unwrap().port();
        let peer = client.local_addr().unwrap().port();
        let request = cookie_in_state(port, SYN_RECV, peer);
        let Some(of_port) = told(tcp_flags(port)) else {
            return;
        };
        let (its, expected) = told_to_holder(&listener);
        check(&of_port, &[(its, expected), (request, expected)]);
    }
}

#[test]
fn the_flags_of_udp_sockets_are_those_that_their_holders_see() {
    for (address, wanted) in combinations() {
        let Some(socket) = bound(SockType::Datagram, address, wanted) else {
            continue;
        };
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr().unwrap();
        let expected = [told_to_holder(&socket)];
        let Some(unconnected) = told(udp_flags(address.port())) else {
            return;
        };
        check(&unconnected, &expected);
        socket.connect(address).unwrap();
        check(&told(udp_flags(address.port())).unwrap(), &expected);
        let of_tcp = told(tcp_flags(address.port())).unwrap();
        assert!(!of_tcp.contains_key(&cookie(&socket)));
    }
}

#[test]
fn only_sockets_of_the_own_namespace_are_met_and_only_with_a_cookie() {
    let outer = listening((Ipv4Addr::LOCALHOST, 0).into(), [true; 3]).unwrap();
    let port = outer.local_addr().unwrap().port();
    let its = cookie(&outer);
    let Some(outside) = told(tcp_flags(port)) else {
        return;
    };
    assert!(outside.contains_key(&its));
    let inside = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
        // A namespace that was made just now has no address but this.
        let address = (Ipv4Addr::UNSPECIFIED, port).into();
        let inner = listening(address, [false, true, false]).unwrap();
        assert_eq!(told(tcp_flags(port)), Some(Told::new()));
        let expected = told_to_holder(&inner);
        assert_eq!(told(tcp_flags(port)), Some(Told::from([expected])));
        Some(())
    });
    // Who may load programs may not always make namespaces.
    let _ = inside.join().unwrap();
}

fn layout() -> Layout {
    let bits = |byte| Bits::whole(byte);
    Layout {
        iterator: KernelIterator {
            function: 1,
            seq: 2,
        },
        port: 3,
        state: 4,
        cookie: 5,
        listener: 6,
        flags: Flags::new(bits(20), bits(19), bits(26)).unwrap(),
    }
}

#[test]
fn every_jump_leads_to_the_end_or_past_the_listener() {
    let end = 26 + NOTHING_TO_WRITE;
    let program = program(&layout(), 8080);
    assert_eq!(jumps(&program), [end, end, end, 19, end]);
}

#[test]
fn flags_are_taken_from_their_bytes() {
    let flags = layout().flags;
    assert_eq!((flags.start, flags.length), (19, 8));
    let mut record = [0; RECORD_LEN];
    record[..8].copy_from_slice(&7_u64.to_ne_bytes());
    let read = |at: usize| {
        let mut record = record;
        record[at] = 2;
        let (cookie, flags) = flags.read(&record);
        assert_eq!(cookie, 7);
        [flags.reuse_address, flags.reuse_port, flags.v6only].map(Option::unwrap)
    };
    assert_eq!(read(8), [false, true, false]);
    assert_eq!(read(9), [true, false, false]);
    assert_eq!(read(15), [false, false, true]);
    let too_far = Flags::new(Bits::whole(19), Bits::whole(20), Bits::whole(27));
    assert_eq!(too_far, None);
}

proptest! {
    #[test]
    fn no_types_make_it_panic(bytes: Vec<u8>) {
        let resolve = |btf| Layout::resolve(btf, TCP);
        prop_assert!(Btf::new(&bytes).is_none_or(|btf| resolve(btf).is_err()));
    }
}
