//! The namespaces that this thread is in, and the way into others.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The inode of the first pid namespace, `PROC_PID_INIT_INO`.
pub(super) const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Inode of this thread's namespace of a kind: the number in `net:[4026531840]`.
pub(super) fn namespace_inode(kind: &str) -> Option<u64> {
    let target = fs::read_link(format!("/proc/thread-self/ns/{kind}")).ok()?;
    let text = target.to_str()?;
    text.strip_prefix(kind)?
        .strip_prefix(":[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Opens the file of a namespace; of what is none, nothing is waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(openat(CWD, path, flags, Mode::empty())?.into())
}

/// Moves this thread into a network namespace.
pub(super) fn enter(namespace: &File) -> io::Result<()> {
    let kind = Some(LinkNameSpaceType::Network);
    Ok(move_into_link_name_space(namespace.as_fd(), kind)?)
}

/// Runs something on a thread of its own, which may leave its namespace: netlink sockets opened in
/// another are of that one for good.
pub(super) fn on_own_thread<T: Send>(
    stack: Option<usize>,
    run: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let builder = thread::Builder::new();
    let builder = match stack {
        Some(length) => builder.stack_size(length),
        None => builder,
    };
    thread::scope(|scope| match builder.spawn_scoped(scope, run)?.join() {
        Ok(ran) => Ok(ran),
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Device and inode of the namespace that this thread is in.
pub(super) fn own_identity() -> Option<(u64, u64)> {
    let own = fs::metadata("/proc/thread-self/ns/net").ok()?;
    Some((own.dev(), own.ino()))
}
