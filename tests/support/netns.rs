//! Network namespaces within that of a test, which may enter them as it owns them, and names of
//! `ip netns` for them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sched::{CloneFlags, setns, unshare};

use super::holder::Holder;
use super::mounts::{mount, own_mounts};
use super::namespace::{in_namespace, is_forbidden, loopback_up, skip};

/// Where `ip netns` keeps names.
const NAMED: &str = "/run/netns";

/// Runs `body` on a thread in a new network namespace. Processes that it makes live there.
pub fn in_new_netns<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        loopback_up();
        body()
    };
    thread::scope(|scope| match scope.spawn(run).join() {
        Ok(ran) => ran,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// A network namespace with a process in it that listens.
#[derive(Debug)]
pub struct Room {
    pub process: Holder,
    pub inode: u64,
}

impl Room {
    /// A process of that name, that listens on a port of `127.0.0.1`.
    pub fn listening(name: &str, port: u16) -> Room {
        in_new_netns(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            Room {
                process: Holder::named(name.as_bytes(), &[listener.as_fd()]),
                inode: own_inode(),
            }
        })
    }

    /// That of this thread, with a process in it that holds something.
    pub fn here(held: &impl AsFd) -> Room {
        Room {
            process: Holder::of(&[held.as_fd()]),
            inode: own_inode(),
        }
    }

    /// Runs `body` on a thread that has entered it.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let file = File::open(self.path()).unwrap();
        let run = || {
            setns(&file, CloneFlags::CLONE_NEWNET).unwrap();
            body()
        };
        thread::scope(|scope| match scope.spawn(run).join() {
            Ok(ran) => ran,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Its file in `/proc`.
    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.process.pid())
    }
}

/// Inode of the network namespace that this thread is in.
pub fn own_inode() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

/// Gives this thread, and all that it makes, a `/run` without a name in it.
pub fn empty_run() -> io::Result<()> {
    own_mounts()?;
    mount("none", "/run", "tmpfs", 0)?;
    fs::create_dir(NAMED)
}

/// Names a network namespace by its file, as `ip netns add` does.
pub fn name_netns(name: impl AsRef<OsStr>, file: &str) -> io::Result<()> {
    let path = Path::new(NAMED).join(name.as_ref());
    File::create(&path)?;
    mount(file, &path, "", libc::MS_BIND)
}

/// Gives a network namespace a number in that of this thread, as `ip netns set` does and a pair of
/// veth between both.
pub fn number_netns(file: &File, number: i32) {
    /// `RTM_NEWNSID`, and its attributes `NETNSA_NSID` and `NETNSA_FD`.
    const SET: u16 = 88;
    const NUMBER: u16 = 1;
    const DESCRIPTOR: u16 = 3;
    let mut body = vec![0; 4];
    for (kind, value) in [(NUMBER, number), (DESCRIPTOR, file.as_raw_fd())] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value.to_ne_bytes());
    }
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(SET.to_ne_bytes());
    // NLM_F_REQUEST and NLM_F_ACK.
    message.extend(5_u16.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    let socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.send(&message, 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    assert_eq!(answer[16..20], [0; 4], "the kernel refused it");
}

/// Runs the test in a namespace where names may be given to others.
pub fn with_names(body: impl FnOnce()) {
    in_namespace(|| match empty_run() {
        Ok(()) => body(),
        Err(error) if is_forbidden(&error) => skip(&error),
        Err(error) => panic!("{error}"),
    });
}
