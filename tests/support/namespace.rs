//! Runs tests and benchmarks in a network namespace of their own.
//!
//! A fresh user and network namespace needs no privileges where unprivileged
//! user namespaces are allowed, starts with no sockets but those the test
//! makes, and disappears with its last process. Inside, the caller is root:
//! it may bind to low ports, set `net.*` sysctls and bring up interfaces.

#![allow(dead_code)] // No one crate uses all of it.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic)]

use std::ffi::CStr;
use std::io::{self, Write as _};
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::{self, Thread};
use std::{env, fs};

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{getegid, geteuid};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};

/// Holds, in the process that runs in the namespace, the name of its test.
const TEST_VARIABLE: &str = "PORTSTAT_TEST_NAMESPACE";

/// Runs `body` in a fresh user and network namespace with loopback up.
///
/// To be called from a `#[test]` function, on the thread the test harness made
/// for it, with all that the test does in `body`: the test binary is executed
/// once more, in the namespace, to run this test alone, and only that process
/// calls `body`. Its output is printed and its failure is a panic here.
///
/// Where namespaces are not allowed the test is reported as skipped, unless
/// the environment variable `CI` is set: then that is a failure too.
pub fn in_namespace(body: impl FnOnce()) {
    in_namespace_made_by(run_in_namespace, body);
}

/// As [`in_namespace`]; but where the tests are run by root, it is a network namespace alone, in
/// which the rights of root and all the users of the machine outside are left.
pub fn in_network_namespace(body: impl FnOnce()) {
    in_namespace_made_by(run_in_network_namespace, body);
}

/// Whether there is more than one user here: a user namespace that was made without help has
/// one only.
pub fn has_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").expect("the users of this namespace");
    let lengths = map
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    let count = |length: &str| length.parse::<u64>().expect("a number of users");
    lengths.map(count).sum::<u64>() > 1
}

fn in_namespace_made_by(make: fn(&mut Command) -> io::Result<Child>, body: impl FnOnce()) {
    let thread = thread::current();
    let test = test_of(&thread);

    if env::var(TEST_VARIABLE).is_ok_and(|name| name == test) {
        loopback_up();
        return body();
    }

    let binary = env::current_exe().expect("the path of the test binary");
    let spawned = make(
        Command::new(binary)
            .args([test, "--exact", "--include-ignored"])
            .args(["--nocapture", "--test-threads=1"])
            .env(TEST_VARIABLE, test)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let child = match spawned {
        Ok(child) => child,
        Err(error) if is_forbidden(&error) => return skip(&error),
        Err(error) => panic!("{test}: cannot run in a namespace: {error}"),
    };

    let output = child.wait_with_output().expect("the output of the test");
    let stdout = String::from_utf8_lossy(&output.stdout);
    print!("{stdout}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{test} failed in its namespace: {}",
        output.status
    );
    assert!(
        stdout.contains("1 passed"),
        "{test} did not run in its namespace"
    );
}

/// The test that a thread runs: the harness names the thread after the test's
/// full path.
fn test_of(thread: &Thread) -> &str {
    thread
        .name()
        .filter(|&name| name != "main")
        .expect("this is called from the thread of a test")
}

/// Reports the calling test as skipped, past the capture of output that passing
/// tests are subject to, or fails it where continuous integration runs: there
/// nothing may be missing that a test needs.
pub fn skip(reason: &io::Error) {
    let thread = thread::current();
    let test = test_of(&thread);
    assert!(
        env::var_os("CI").is_none_or(|value| value.is_empty()),
        "{test} cannot run here, but CI is set: {reason}"
    );
    // Nothing is lost but this notice if it can't be written.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason}");
}

/// Whether `error`, from [`run_in_namespace`], says that this system or this
/// user may not have namespaces.
pub fn is_forbidden(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EPERM | libc::EACCES | libc::EROFS // Denied by a policy or a sandbox.
            | libc::ENOSPC | libc::EUSERS // At the limit of nesting or of their number.
            | libc::EINVAL | libc::ENOSYS // Not built into the kernel.
        )
    )
}

/// Spawns `command` in a fresh user and network namespace, as its root.
///
/// The process is killed when the thread that spawned it ends. Loopback is
/// down at first: see [`loopback_up`].
pub fn run_in_namespace(command: &mut Command) -> io::Result<Child> {
    spawn_in_namespace(command, false)
}

/// The same, but for whoever may it is a network namespace alone.
fn run_in_network_namespace(command: &mut Command) -> io::Result<Child> {
    spawn_in_namespace(command, true)
}

fn spawn_in_namespace(command: &mut Command, keep_rights: bool) -> io::Result<Child> {
    let uid_map = format!("0 {} 1", geteuid());
    let gid_map = format!("0 {} 1", getegid());
    let enter = move || {
        set_default_signals()?;
        if keep_rights && unshare(CloneFlags::CLONE_NEWNET).is_ok() {
            return Ok(set_pdeathsig(Signal::SIGKILL)?);
        }
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
        match write_file(c"/proc/self/setgroups", b"deny") {
            // Linux before 3.19 has no such file and needs none.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        write_file(c"/proc/self/uid_map", uid_map.as_bytes())?;
        write_file(c"/proc/self/gid_map", gid_map.as_bytes())?;
        Ok(set_pdeathsig(Signal::SIGKILL)?)
    };
    // SAFETY: Between fork and exec `enter` makes system calls only, with
    // paths and contents laid out beforehand: it neither allocates nor locks.
    unsafe { command.pre_exec(enter) }.spawn()
}

/// Has signals end a process, whatever whoever started the tests ignores.
fn set_default_signals() -> nix::Result<()> {
    for ends in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ] {
        // SAFETY: No function of ours is set to handle it.
        unsafe { signal(ends, SigHandler::SigDfl) }?;
    }
    SigSet::empty().thread_set_mask()
}

/// Writes a small file in one system call, with no allocation.
fn write_file(path: &CStr, contents: &[u8]) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write(&file, contents).map(drop)
}

/// Brings the loopback interface of this network namespace up.
pub fn loopback_up() {
    set_loopback_up().expect("loopback to be brought up");
}

fn set_loopback_up() -> io::Result<()> {
    let mut request = request_of("lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    configure(libc::SIOCSIFFLAGS as _, &request)
}

/// Gives loopback one more IPv4 address, under the name `lo:LABEL`; with it, its whole class A, B
/// or C network is local.
pub fn add_loopback_address(label: u8, address: Ipv4Addr) {
    let mut request = request_of(&format!("lo:{label}"));
    let octets = address.octets().map(|octet| octet as libc::c_char);
    request.ifr_ifru.ifru_addr.sa_family = libc::AF_INET as libc::sa_family_t;
    // A sockaddr_in has the port before the address.
    request.ifr_ifru.ifru_addr.sa_data = {
        let mut data = [0; 14];
        data[2..6].copy_from_slice(&octets);
        data
    };
    configure(libc::SIOCSIFADDR as _, &request).expect("an address on loopback");
}

fn request_of(interface: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain old data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte as libc::c_char;
    }
    request
}

/// One of the ioctl calls that set something of an interface.
fn configure(call: libc::Ioctl, request: &libc::ifreq) -> io::Result<()> {
    // SAFETY: socket takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The descriptor was just opened and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: These calls read the ifreq they are passed, which outlives them.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), call, request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets a sysctl of this network namespace: `sysctl("net.ipv4.ip_forward", "1")`.
///
/// The name may have slashes in place of the dots.
pub fn sysctl(name: &str, value: &str) {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    if let Err(error) = fs::write(&path, value) {
        panic!("{name} = {value}: {error}");
    }
}
