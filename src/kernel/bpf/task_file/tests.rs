//! BPF beside the walk over `/proc`, as far as this machine and user permit it.

use super::super::instruction::jumps;
use super::super::iterator::NOTHING_TO_WRITE;
use super::super::tests::check_refusal;
use super::*;
use crate::kernel::privilege::effective_capabilities;
use crate::kernel::walk::{Scan, Sought, Task, scan_below};
use crate::kernel::{HolderMethod, Host, find_holders, scan_holders};
use nix::sys::resource::{Resource, getrlimit};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// Sockets beside a few of each kind; more than fit into one read.
const MANY: usize = 3000;

/// Holds what it inherits until its input ends.
struct Heir(Child);

impl Heir {
    #[allow(unsafe_code)]
    fn of(fds: Vec<libc::c_int>) -> Heir {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("sh");
        command.args(["-c", "read x"]).stdin(Stdio::piped());
        let inherit = move || {
            for &fd in &fds {
                // SAFETY: dup takes a number; its copy is meant to be inherited.
                if unsafe { libc::dup(fd) } < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: Between fork and exec `inherit` makes system calls only.
        Heir(unsafe { command.pre_exec(inherit) }.spawn().unwrap())
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

type Held = BTreeSet<(u64, u32, u32)>;

/// What some processes hold; nothing twice.
#[track_caller]
fn held_by(pids: &[u32], holders: &[(u64, Holder)]) -> Held {
    let ours = holders.iter().filter(|(_, one)| pids.contains(&one.pid));
    let held: Held = ours
        .clone()
        .map(|(inode, one)| (*inode, one.pid, one.fd))
        .collect();
    assert_eq!(held.len(), ours.count(), "something was told twice");
    held
}

#[test]
fn bpf_finds_the_holders_that_proc_shows() {
    let mut kept: Vec<OwnedFd> = Vec::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    for _ in 0..3 {
        kept.push(listener.as_fd().try_clone_to_owned().unwrap());
    }
    // What is no socket: a file, a pipe, the name of a socket.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let named = UnixDatagram::bind(&path).unwrap();
    let name = rustix::fs::open(&path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty());
    let pipe = io::pipe().unwrap();
    let file = File::open("/dev/null").unwrap();
    kept.extend([name.unwrap(), pipe.0.into(), pipe.1.into(), file.into()]);
    kept.extend([listener.into(), client.into(), server.into(), named.into()]);
    let limit = getrlimit(Resource::RLIMIT_NOFILE).unwrap().0;
    let many = MANY.min(limit as usize / 4);
    for _ in 0..many / 2 {
        let (one, other) = UnixStream::pair().unwrap();
        kept.extend([one.into(), other.into()]);
    }
    let fds: Vec<libc::c_int> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    let heirs = [Heir::of(fds.clone()), Heir::of(fds[..20].to_vec())];

    // A thread with files of its own, of which one is a socket that no one else holds: not
    // seen below /proc/PID/fd. Threads that share ours must not be told once more.
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let apart = std::thread::spawn(move || {
        #[allow(unsafe_code)]
        // SAFETY: This thread gets a copy of the table of files; no memory is touched.
        let result = unsafe { libc::unshare(libc::CLONE_FILES) };
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        tell.send((
            result,
            std::fs::read_link(format!("/proc/thread-self/fd/{}", own.as_raw_fd())),
        ))
        .unwrap();
        let _ = ended.recv();
    });
    let (unshared, own) = told.recv().unwrap();
    assert_eq!(unshared, 0);
    let own = own.unwrap().to_str().unwrap().to_owned();
    let own: u64 = own["socket:[".len()..own.len() - 1].parse().unwrap();

    let pids = [std::process::id(), heirs[0].0.id(), heirs[1].0.id()];
    // Other tests open and close sockets in this process meanwhile: what is kept here counts.
    let ours = |holders: &[(u64, Holder)]| -> Held {
        let held = held_by(&pids, holders);
        let of_heirs = held.iter().filter(|(_, pid, _)| *pid != pids[0]);
        let inodes: BTreeSet<u64> = of_heirs.map(|(inode, ..)| *inode).collect();
        held.into_iter()
            .filter(|(inode, ..)| inodes.contains(inode))
            .collect()
    };
    let by_proc = scan_holders(Path::new("/proc"), false).unwrap();
    let expected = ours(&by_proc.holders);
    assert!(expected.len() > 2 * many, "{} of {many}", expected.len());
    let counts = expected
        .iter()
        .fold(BTreeMap::new(), |mut counts, (_, pid, _)| {
            *counts.entry(*pid).or_insert(0) += 1;
            counts
        });
    assert_eq!(counts.len(), 3, "{counts:?}");

    match scan::<Vec<_>>(Sought::Sockets.magic()) {
        Ok(by_bpf) => {
            assert_eq!(ours(&by_bpf), expected);
            assert!(by_bpf.iter().all(|(inode, _)| *inode != own));
        }
        Err(refusal) => check_refusal(&refusal, permitted()),
    }
    for method in [HolderMethod::Auto, HolderMethod::Proc, HolderMethod::Bpf] {
        let scan = find_holders::<Vec<_>>(&Host::Live, method).unwrap();
        assert_eq!(ours(&scan.holders), expected, "{method:?}");
        assert!(
            pids.iter().all(|pid| !scan.unreadable.contains(pid)),
            "{method:?}"
        );
        assert!(scan.processes >= 3);
        // Of what may not be read, both ways know.
        assert_eq!(
            scan.unreadable.is_empty(),
            by_proc.unreadable.is_empty(),
            "{method:?}"
        );
    }
    let forced = find_holders::<Vec<_>>(&Host::Live, HolderMethod::Bpf).unwrap();
    assert_eq!(
        forced.without_bpf.is_some(),
        scan::<Vec<_>>(Sought::Sockets.magic()).is_err()
    );
    end.send(()).unwrap();
    apart.join().unwrap();
}

/// A process whose first thread ends while another goes on.
struct Headless(nix::unistd::Pid);

impl Headless {
    #[allow(unsafe_code)]
    fn holding(kept: &impl AsRawFd) -> Headless {
        let kept = kept.as_raw_fd() as libc::c_uint;
        // SAFETY: The child makes a thread that waits to be killed, and ends its first one.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Parent { child } => Headless(child),
            nix::unistd::ForkResult::Child => {
                let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
                for (first, last) in [(3, kept - 1), (kept + 1, libc::c_uint::MAX)] {
                    // SAFETY: Files of other tests, locks among them, are not to be kept here.
                    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
                }
                let _ = std::thread::Builder::new().spawn(|| {
                    loop {
                        std::thread::park();
                    }
                });
                // SAFETY: It ends this thread and nothing else.
                unsafe { libc::syscall(libc::SYS_exit, 0) };
                unreachable!()
            }
        }
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        nix::sys::signal::kill(self.0, nix::sys::signal::Signal::SIGKILL).unwrap();
        nix::sys::wait::waitpid(self.0, None).unwrap();
    }
}

#[test]
fn a_process_whose_first_thread_has_ended_keeps_its_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
    let inode: u64 = link.to_str().unwrap()["socket:[".len()..link.as_os_str().len() - 1]
        .parse()
        .unwrap();
    let headless = Headless::holding(&listener);
    let pid = u32::try_from(headless.0.as_raw()).unwrap();
    let first_has_ended = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.contains("State:\tZ")
    };
    while !first_has_ended() {
        std::thread::yield_now();
    }
    let its = |holders: &[(u64, Holder)]| -> Held {
        let ours = holders.iter().filter(|(_, one)| one.pid == pid);
        ours.map(|(inode, one)| (*inode, one.pid, one.fd)).collect()
    };
    let by_proc = scan_holders(Path::new("/proc"), false).unwrap();
    if effective_capabilities() == 0 {
        // What is left of the first thread belongs to root, and closes the way to the others.
        assert!(by_proc.unreadable.contains(&pid));
        return;
    }
    let expected = its(&by_proc.holders);
    let held = (inode, pid, u32::try_from(listener.as_raw_fd()).unwrap());
    assert!(expected.contains(&held), "{expected:?}");
    match scan::<Vec<_>>(Sought::Sockets.magic()) {
        Ok(by_bpf) => assert_eq!(its(&by_bpf), expected),
        Err(refusal) => check_refusal(&refusal, permitted()),
    }
}

#[test]
fn who_has_a_network_namespace_open_is_told_by_either_way() {
    let netns = File::open("/proc/self/ns/net").unwrap();
    let _other = File::open("/proc/self/ns/uts").unwrap();
    let holder = Holder {
        pid: std::process::id(),
        fd: u32::try_from(netns.as_raw_fd()).unwrap(),
    };
    let held = (netns.metadata().unwrap().ino(), holder);
    let by_proc: Scan = scan_below(Path::new("/proc"), Sought::Namespaces, Task::Find).unwrap();
    assert!(by_proc.holders.contains(&held), "{held:?}: {by_proc:?}");
    match scan::<Vec<_>>(Sought::Namespaces.magic()) {
        Ok(by_bpf) => {
            assert!(by_bpf.contains(&held), "{held:?}: {by_bpf:?}");
        }
        Err(refusal) => check_refusal(&refusal, permitted()),
    }
}

#[test]
fn every_jump_leads_to_the_end() {
    let offsets = Layout {
        iterator: KernelIterator {
            function: 1,
            seq: 2,
        },
        pid: 3,
        tgid: 4,
        leader: 5,
        files: 6,
        inode: 7,
        number: 8,
        superblock: 9,
        magic: 10,
    };
    let end = 20 + NOTHING_TO_WRITE;
    assert_eq!(jumps(&program(&offsets, 0)), [end, end, 11, end, end]);
}

#[test]
fn a_record_is_a_holder() {
    let mut bytes = [0; RECORD_LEN];
    bytes[..8].copy_from_slice(&7_u64.to_ne_bytes());
    bytes[8..12].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes[12..].copy_from_slice(&2_u32.to_ne_bytes());
    let expected = Holder {
        pid: u32::MAX,
        fd: 2,
    };
    assert_eq!(holder(&bytes), (7, expected));
}

proptest! {
    #[test]
    fn no_types_make_it_panic(bytes: Vec<u8>) {
        prop_assert!(Btf::new(&bytes).is_none_or(|btf| Layout::resolve(btf).is_err()));
    }
}
