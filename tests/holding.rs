//! What is learnt of a socket from those that hold it, and of the machine it is on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{SockType, setsockopt, sockopt};
use nix::unistd::{pause, setsid};
use portstat::collect::{
    Neighbour, may_bind_low, read_bind_settings, read_flags, read_lineages, read_local_addresses,
    read_neighbours, read_route,
};
use portstat::kernel::{self, BindAttempt, BindKind, Host, Patience, try_bind};
use portstat::model::{Errno, Ipv6, Lineage, Protocol, Route, Socket, SocketFlags, Way};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use rustix::net::{RecvFlags, accept, recv};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use support::forked::Forked;
use support::holder::{Holder, inherit};
use support::namespace::{add_loopback_address, in_namespace, sysctl};
use support::socket;
use support::waiting::wait_until;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn inode(fd: impl AsFd) -> u64 {
    fstat(fd).unwrap().st_ino
}

fn held_by(pid: u32, fd: &impl AsRawFd) -> portstat::model::Holder {
    let fd = fd.as_raw_fd().try_into().unwrap();
    portstat::model::Holder { pid, fd }
}

fn listener() -> TcpListener {
    TcpListener::bind((LOCALHOST, 0)).unwrap()
}

// Flags.

fn flags(inode: u64, holders: &[portstat::model::Holder]) -> SocketFlags {
    read_flags(&Host::Live, &mut Patience::default(), inode, holders)
}

#[track_caller]
fn check_flags(socket: &OwnedFd, expected: SocketFlags) {
    let holder = Holder::of(&[socket.as_fd()]);
    let inode = inode(socket);
    let holder = held_by(holder.pid(), socket);
    assert_eq!(flags(inode, &[holder]), expected);
    // The first who answers is heard.
    let nobody = portstat::model::Holder {
        pid: 1 << 30,
        fd: 3,
    };
    let asked = [nobody, holder];
    assert_eq!(flags(inode, &asked), expected);
    let none = SocketFlags::default();
    assert_eq!(flags(inode, &[nobody]), none);
    assert_eq!(flags(inode + 1, &[holder]), none);
}

#[test]
fn the_flags_of_another_process_are_told() {
    in_namespace(|| {
        for bits in 0..8 {
            let [address, port, v6only] = [1, 2, 4].map(|bit| bits & bit != 0);
            let socket = socket::open(SockType::Stream, Ipv6Addr::UNSPECIFIED.into());
            setsockopt(&socket, sockopt::ReuseAddr, &address).unwrap();
            setsockopt(&socket, sockopt::ReusePort, &port).unwrap();
            socket::set_v6only(&socket, v6only);
            let expected = SocketFlags {
                reuse_address: Some(address),
                reuse_port: Some(port),
                v6only: Some(v6only),
            };
            check_flags(&socket, expected);
            socket::bind(&socket, (Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
            socket::listen(&socket, 1).unwrap();
            check_flags(&socket, expected);
        }
        let v4 = socket::open(SockType::Datagram, LOCALHOST);
        let expected = SocketFlags {
            reuse_address: Some(false),
            reuse_port: Some(false),
            v6only: None,
        };
        check_flags(&v4, expected);
    });
}

#[test]
fn asking_disturbs_nobody() {
    in_namespace(|| {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let inode = inode(&listener);
        let holder = Holder::of(&[listener.as_fd()]);
        let held = held_by(holder.pid(), &listener);
        let open = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        for _ in 0..50 {
            assert_eq!(flags(inode, &[held]).reuse_address, Some(true));
        }
        assert_eq!(open(), before);
        let client = TcpStream::connect(address).unwrap();
        assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
        // When its holders close it, it is closed.
        drop(listener);
        drop(holder);
        TcpListener::bind(address).unwrap();
    });
}

#[test]
fn who_may_not_ask_is_told_nothing_and_nothing_wrong() {
    in_namespace(|| {
        let listener = listener();
        let holder = Holder::of(&[listener.as_fd()]);
        let held = [held_by(holder.pid(), &listener)];
        let flags = || flags(inode(&listener), &held);
        assert_eq!(flags().reuse_address, Some(true));
        check_serves(holder.pid(), &listener, Some(false));
        // Who can do less than a process may not trace it.
        let mut less = capabilities(None).unwrap();
        less.effective.remove(CapabilitySet::SYS_PTRACE);
        less.permitted.remove(CapabilitySet::SYS_PTRACE);
        set_capabilities(None, less).unwrap();
        assert_eq!(flags(), SocketFlags::default());
        let told = lineage(holder.pid(), &listener);
        assert_eq!(told.serves, None);
        assert_eq!(told.parent.unwrap().pid, std::process::id());
    });
}

// Who serves.

/// Insists on whether a process is said to serve a socket, once it does what it is to do.
#[track_caller]
fn check_serves(pid: u32, socket: &(impl AsRawFd + AsFd), expected: Option<bool>) {
    let told = || lineage(pid, socket).serves;
    wait_until(&format!("{expected:?}, not {:?}", told()), || {
        told() == expected
    });
}

#[track_caller]
fn lineage(pid: u32, socket: &(impl AsRawFd + AsFd)) -> Lineage {
    let holder = held_by(pid, socket);
    let mut told = read_lineages(&Host::Live, inode(socket), &[holder, holder]);
    assert_eq!(told.len(), 1, "{told:?}");
    let (whose, lineage) = told.remove(0);
    assert_eq!(whose, pid);
    lineage
}

#[test]
fn who_accepts_serves() {
    in_namespace(|| {
        let (listener, other) = (listener(), listener());
        let server = Forked::doing(|| drop(accept(&listener)));
        check_serves(server.pid(), &listener, Some(true));
        // It holds the other one too. On what it waits is a socket, so it may come back.
        check_serves(server.pid(), &other, None);
    });
}

#[test]
fn who_accepts_by_another_descriptor_serves() {
    in_namespace(|| {
        let listener = listener();
        let copy = listener.try_clone().unwrap();
        let server = Forked::doing(|| drop(accept(&copy)));
        check_serves(server.pid(), &listener, Some(true));
    });
}

#[test]
fn who_receives_datagrams_serves() {
    in_namespace(|| {
        let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        let server = Forked::doing(|| _ = recv(&socket, &mut [0; 8], RecvFlags::empty()));
        check_serves(server.pid(), &socket, Some(true));
    });
}

#[test]
fn who_polls_may_serve() {
    in_namespace(|| {
        let listener = listener();
        let server = Forked::doing(|| {
            let mut polled = [PollFd::new(&listener, PollFlags::IN)];
            let _ = poll(&mut polled, None);
        });
        check_serves(server.pid(), &listener, Some(true));
    });
}

#[test]
fn an_epoll_tells_whom_it_serves() {
    in_namespace(|| {
        let (listener, other) = (listener(), listener());
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let data = EventData::new_u64(7);
        epoll::add(&epoll, &listener, data, EventFlags::IN).unwrap();
        let wait = || {
            let mut events = [epoll::Event {
                flags: EventFlags::empty(),
                data: EventData::new_u64(0),
            }];
            let _ = epoll::wait(&epoll, &mut events[..], None);
        };
        let server = Forked::doing(wait);
        check_serves(server.pid(), &listener, Some(true));
        check_serves(server.pid(), &other, Some(false));
        // It does something else just now.
        let busy = Forked::doing(pause);
        check_serves(busy.pid(), &listener, Some(true));
        check_serves(busy.pid(), &other, Some(false));
    });
}

#[test]
fn who_is_busy_with_a_connection_may_come_back() {
    in_namespace(|| {
        let listener = listener();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        let server = Forked::doing(|| _ = recv(&connection, &mut [0; 8], RecvFlags::empty()));
        check_serves(server.pid(), &listener, None);
    });
}

#[test]
fn who_runs_is_not_judged() {
    in_namespace(|| {
        let listener = listener();
        let busy = Forked::doing(std::hint::spin_loop);
        check_serves(busy.pid(), &listener, None);
    });
}

// Where they come from.

/// A process that inherited the socket, sleeps, and is ended when this is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn with(socket: &TcpListener) -> Sleeper {
        let mut command = Command::new("sleep");
        inherit(command.arg("1000"), &[socket.as_fd()], &[]);
        Sleeper(command.spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        debug_assert!(ended.is_ok(), "{ended:?}");
    }
}

#[test]
fn who_inherited_a_socket_and_sleeps_does_not_serve() {
    in_namespace(|| {
        let listener = listener();
        let sleeper = Sleeper::with(&listener);
        check_serves(sleeper.0.id(), &listener, Some(false));
        let told = lineage(sleeper.0.id(), &listener);
        let words = told.command_line.unwrap();
        let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
        assert_eq!(words, [&b"sleep"[..], b"1000"]);
        // It came through exec; ours did not.
        assert_eq!(told.close_on_exec, Some(false));
        let ours = lineage(std::process::id(), &listener);
        assert_eq!(ours.close_on_exec, Some(true));
        let parent = told.parent.unwrap();
        assert_eq!(parent.pid, std::process::id());
        assert_eq!(parent.session, Some(told.session));
        let comm = fs::read("/proc/self/comm").unwrap();
        assert_eq!([&parent.comm[..], b"\n"].concat(), comm);
    });
}

#[test]
fn an_orphan_is_known_by_its_session() {
    in_namespace(|| {
        let listener = listener();
        let mut command = Command::new("sh");
        inherit(&mut command, &[listener.as_fd()], &[]);
        let lead = || Ok(setsid().map(drop)?);
        #[allow(unsafe_code)]
        // SAFETY: Between fork and exec `lead` makes one system call.
        unsafe {
            command.pre_exec(lead)
        };
        // The child ends when its input does, the server at once.
        let script = "exec 9<&0; cat <&9 >/dev/null & echo $!";
        let mut server = command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        server
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        let child: u32 = told.split_whitespace().next().unwrap().parse().unwrap();
        // Ended, and not yet buried.
        wait_until("the end of the server", || {
            !lineage(child, &listener).session_leader_lives
        });
        let zombie = read_lineages(
            &Host::Live,
            inode(&listener),
            &[held_by(server.id(), &listener)],
        );
        assert_eq!(zombie, []);
        let input = server.stdin.take();
        assert!(server.wait().unwrap().success());
        let orphan = lineage(child, &listener);
        assert_eq!(orphan.session, server.id());
        assert!(!orphan.session_leader_lives && !orphan.group_leader_lives);
        let parent = orphan.parent.unwrap();
        assert_ne!(parent.pid, server.id());
        assert_ne!(parent.session, Some(orphan.session));
        drop(input);
        wait_until("the end of the child", || {
            let holder = held_by(child, &listener);
            read_lineages(&Host::Live, inode(&listener), &[holder]).is_empty()
        });
    });
}

#[test]
fn who_does_not_hold_it_has_no_lineage() {
    in_namespace(|| {
        let listener = listener();
        let (pid, inode) = (std::process::id(), inode(&listener));
        let fd = listener.as_raw_fd();
        for (pid, fd, inode) in [
            (pid, fd, inode + 1),
            (pid, 9999, inode),
            (1 << 30, fd, inode),
        ] {
            assert_eq!(read_lineages(&Host::Live, inode, &[held_by(pid, &fd)]), []);
        }
        assert_eq!(lineage(pid, &listener).serves, None);
    });
}

// The machine.

#[test]
fn local_is_what_may_be_bound() {
    in_namespace(|| {
        add_loopback_address(1, Ipv4Addr::new(10, 9, 0, 1));
        let mut gaps = Vec::new();
        let read = read_local_addresses(&Host::Live, &mut gaps);
        assert_eq!(gaps, []);
        let routes = read.v4.unwrap();
        for addr in [
            "127.0.0.1",
            "127.9.9.9",
            "127.255.255.255",
            "10.9.0.1",
            "10.255.255.255",
        ] {
            let addr: Ipv4Addr = addr.parse().unwrap();
            assert!(routes.iter().any(|route| route.contains(addr)), "{addr}");
            UdpSocket::bind((addr, 0)).unwrap();
        }
        for addr in ["192.0.2.5", "11.0.0.1", "126.255.255.255"] {
            let addr: Ipv4Addr = addr.parse().unwrap();
            assert!(!routes.iter().any(|route| route.contains(addr)), "{addr}");
            UdpSocket::bind((addr, 0)).unwrap_err();
        }
        let v6 = read.v6.unwrap();
        let loopback = v6.iter().find(|one| one.addr.is_loopback());
        let bound = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(loopback.is_some(), bound);
        assert!(loopback.is_none_or(|one| one.interface == 1 && !one.tentative));
    });
}

#[test]
fn routes_answer_as_connect_does() {
    in_namespace(|| {
        let far = IpAddr::from([192, 0, 2, 5]);
        let route = |destination, source| {
            let way = Way {
                destination,
                source,
                interface: None,
                flow: None,
            };
            read_route(&Host::Live, &way)
        };
        assert_eq!(route(LOCALHOST, None), Some(Route::From(Some(LOCALHOST))));
        let refused = UdpSocket::bind(("0.0.0.0", 0)).unwrap().connect((far, 9));
        let errno = refused.unwrap_err().raw_os_error().unwrap();
        assert_eq!(route(far, None), Some(Route::None(kernel::errno(errno))));
        let far: IpAddr = "2001:db8::5".parse().unwrap();
        if let Ok(socket) = UdpSocket::bind(("::", 0)) {
            let errno = socket.connect((far, 9)).unwrap_err().raw_os_error();
            assert_eq!(
                route(far, None),
                errno.map(|errno| Route::None(kernel::errno(errno)))
            );
        }
        add_loopback_address(1, Ipv4Addr::new(10, 9, 0, 1));
        let own = IpAddr::from([10, 9, 0, 1]);
        assert_eq!(route(own, None), Some(Route::From(Some(own))));
        assert_eq!(
            route(own, Some(LOCALHOST)),
            Some(Route::From(Some(LOCALHOST)))
        );
    });
}

#[test]
fn a_namespace_that_has_nothing_yet_has_no_addresses() {
    in_namespace(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut gaps = Vec::new();
        // `/proc/net` is that of the process, whose other threads stay where they are.
        let read = read_local_addresses(&Host::Live, &mut gaps);
        assert_eq!(read.v4.as_deref(), Some(&[][..]), "{gaps:?}");
        let way = Way {
            destination: LOCALHOST,
            source: None,
            interface: None,
            flow: None,
        };
        let far = read_route(&Host::Live, &way);
        assert!(matches!(far, Some(Route::None(_))), "{far:?}");
    });
}

#[test]
fn settings_and_rights_decide_over_low_ports() {
    in_namespace(|| {
        let uid = nix::unistd::geteuid().as_raw();
        let settings = read_bind_settings(&Host::Live);
        assert_eq!(settings.unprivileged_port_start, Some(1024));
        assert_eq!(settings.nonlocal_v4, Some(false));
        assert_eq!(settings.nonlocal_v6, Some(false));
        sysctl("net.ipv4.ip_unprivileged_port_start", "80");
        sysctl("net.ipv4.ip_nonlocal_bind", "1");
        let settings = read_bind_settings(&Host::Live);
        assert_eq!(settings.unprivileged_port_start, Some(80));
        assert_eq!(settings.nonlocal_v4, Some(true));
        if settings.ipv6 == Ipv6::On {
            sysctl("net.ipv6.conf.all.disable_ipv6", "1");
            sysctl("net.ipv6.bindv6only", "1");
            let settings = read_bind_settings(&Host::Live);
            assert_eq!(
                (settings.ipv6, settings.v6only),
                (Ipv6::Disabled, Some(true))
            );
        }

        let low = || TcpListener::bind((LOCALHOST, 79)).is_ok();
        assert!(may_bind_low(&Host::Live, uid) == Some(true) && low());
        let mut less = capabilities(None).unwrap();
        less.effective.remove(CapabilitySet::NET_BIND_SERVICE);
        set_capabilities(None, less).unwrap();
        assert!(may_bind_low(&Host::Live, uid) == Some(false) && !low());
        assert_eq!(may_bind_low(&Host::Live, uid + 1), None);
    });
}

#[test]
fn an_attempt_says_what_a_bind_would() {
    in_namespace(|| {
        let attempt = |addr: IpAddr, port| BindAttempt {
            kind: BindKind::Tcp,
            addr,
            port,
            v6only: false,
            device: None,
            free_bind: false,
        };
        let dual = socket::open(SockType::Stream, Ipv6Addr::UNSPECIFIED.into());
        socket::set_v6only(&dual, false);
        socket::bind(&dual, (Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
        socket::listen(&dual, 1).unwrap();
        let port = socket::local_address(&dual).port();
        let taken = Err(Errno::AddressInUse);
        assert_eq!(try_bind(&attempt(LOCALHOST, port)).unwrap(), taken);

        let v4 = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = attempt(Ipv6Addr::UNSPECIFIED.into(), port);
        assert_eq!(try_bind(&v6).unwrap(), taken);
        let v6only = BindAttempt { v6only: true, ..v6 };
        assert_eq!(try_bind(&v6only).unwrap(), Ok(()));

        let on_loopback = BindAttempt {
            device: Some(1),
            ..attempt(LOCALHOST, port)
        };
        assert_eq!(try_bind(&on_loopback).unwrap(), taken);
        let foreign = attempt(Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 5]).into(), 0);
        assert_eq!(try_bind(&foreign).unwrap(), Err(Errno::AddressNotAvailable));
        let free_bind = BindAttempt {
            free_bind: true,
            ..foreign
        };
        assert_eq!(try_bind(&free_bind).unwrap(), Ok(()));
    });
}

// Neighbours.

#[test]
fn a_port_is_found_in_another_namespace() {
    in_namespace(|| {
        let sockets = [(SockType::Stream, 8080), (SockType::Datagram, 8080)];
        let any = SocketAddr::from(([0, 0, 0, 0], 8080));
        let mut is_there = false;
        let other = Forked::doing(|| {
            if !is_there {
                unshare(CloneFlags::CLONE_NEWNET).unwrap();
                for (kind, _) in sockets {
                    let socket = socket::open(kind, any.ip());
                    socket::bind(&socket, any).unwrap();
                    if kind == SockType::Stream {
                        socket::listen(&socket, 1).unwrap();
                    }
                    std::mem::forget(socket);
                }
                is_there = true;
            }
            pause();
        });
        // Of all that this machine may have on the port, what is that process's.
        let found = || {
            let neighbours = read_neighbours(&Host::Live, 8080).found;
            let ours = |one: &Neighbour| one.space.process() == Some(other.pid());
            neighbours.into_iter().find(ours)
        };
        wait_until("both sockets", || {
            found().is_some_and(|one| one.sockets.len() == 2)
        });
        let neighbour = found().unwrap();
        let namespace = fs::read_link(format!("/proc/{}/ns/net", other.pid())).unwrap();
        let inode = neighbour.space.inode.unwrap();
        assert_eq!(namespace.to_str().unwrap(), format!("net:[{inode}]"));
        assert!(neighbour.space.entrance().is_some());
        let protocols: Vec<_> = neighbour.sockets.iter().map(|one| one.protocol).collect();
        assert!(protocols.contains(&Protocol::Tcp) && protocols.contains(&Protocol::Udp));
        for socket in &neighbour.sockets {
            let local = socket.inet().unwrap().local;
            assert_eq!((local.addr, local.port), (any.ip(), 8080));
            let held = (0..64).any(|fd| {
                let link = fs::read_link(format!("/proc/{}/fd/{fd}", other.pid()));
                link.is_ok_and(|link| link.to_str() == Some(&format!("socket:[{}]", socket.inode)))
            });
            assert!(held, "{socket:?}");
        }
        // Whoever may not enter it reads what everybody may.
        let mut less = capabilities(None).unwrap();
        less.effective.remove(CapabilitySet::SYS_ADMIN);
        set_capabilities(None, less).unwrap();
        let inodes = |sockets: &[Socket]| -> BTreeSet<u64> {
            sockets.iter().map(|socket| socket.inode).collect()
        };
        // Of many others only those of the first second are read.
        let mut listed = None;
        wait_until("what everybody may read", || {
            listed = found();
            listed.is_some()
        });
        assert_eq!(inodes(&listed.unwrap().sockets), inodes(&neighbour.sockets));
        let elsewhere = read_neighbours(&Host::Live, 8081).found;
        assert!(
            elsewhere
                .iter()
                .all(|one| one.space.process() != Some(other.pid()))
        );
    });
}
