//! The flags of somebody's socket, asked of a copy of the descriptor.
//!
//! The copy is the same socket: nothing is set on it, nothing is read from it, and it is closed at
//! once. It is closed on exec and belongs to nobody but this process.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, fstat};
use rustix::net::AddressFamily;
use rustix::net::sockopt::{ipv6_v6only, socket_domain, socket_reuseaddr, socket_reuseport};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::model::{Holder, SocketFlags};

/// The flags of the socket with this inode, from one that holds it.
///
/// `None` where the process may not be asked (it takes the right to trace it), has ended, or holds
/// something else there by now, and on kernels before Linux 5.6.
pub fn socket_flags(holder: Holder, inode: u64) -> Option<SocketFlags> {
    let socket = copy_of(holder)?;
    let kind = fstat(&socket).ok()?;
    // The number of the process or of the descriptor may mean another by now.
    if FileType::from_raw_mode(kind.st_mode) != FileType::Socket || kind.st_ino != inode {
        return None;
    }
    let is_v6 = socket_domain(&socket).ok()? == AddressFamily::INET6;
    Some(SocketFlags {
        reuse_address: socket_reuseaddr(&socket).ok(),
        reuse_port: socket_reuseport(&socket).ok(),
        v6only: if is_v6 {
            ipv6_v6only(&socket).ok()
        } else {
            None
        },
    })
}

/// A copy of a descriptor of another process, or of this one.
fn copy_of(holder: Holder) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(holder.pid).ok()?)?;
    let fd = i32::try_from(holder.fd).ok()?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The kernel makes it close on exec.
    pidfd_getfd(process.as_fd(), fd, PidfdGetfdFlags::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::net::UnixDatagram;

    fn holder(fd: RawFd) -> Holder {
        Holder {
            pid: std::process::id(),
            fd: fd.try_into().unwrap(),
        }
    }

    fn inode(fd: impl AsFd) -> u64 {
        fstat(fd).unwrap().st_ino
    }

    #[test]
    fn flags_are_told_as_they_are() {
        // A listener of the standard library has SO_REUSEADDR, a UDP socket of it has nothing.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let flags = socket_flags(holder(listener.as_raw_fd()), inode(&listener)).unwrap();
        assert_eq!(
            flags,
            SocketFlags {
                reuse_address: Some(true),
                reuse_port: Some(false),
                v6only: None,
            }
        );
        let Ok(udp) = UdpSocket::bind("[::1]:0") else {
            eprintln!("no IPv6 here");
            return;
        };
        let flags = socket_flags(holder(udp.as_raw_fd()), inode(&udp)).unwrap();
        // Binding a specific address set IPV6_V6ONLY.
        assert_eq!(
            (flags.reuse_address, flags.v6only),
            (Some(false), Some(true))
        );
    }

    #[test]
    fn another_socket_or_file_in_its_place_says_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = listener.as_raw_fd();
        assert_eq!(socket_flags(holder(fd), inode(&listener) + 1), None);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(socket_flags(holder(file.as_raw_fd()), inode(&file)), None);
        let (unix, _other) = UnixDatagram::pair().unwrap();
        let flags = socket_flags(holder(unix.as_raw_fd()), inode(&unix));
        assert_eq!(flags.and_then(|flags| flags.v6only), None);
    }

    #[test]
    fn nobody_and_nonsense_say_nothing() {
        for (pid, fd) in [(0, 3), (u32::MAX, 3), (1 << 30, 3), (1, u32::MAX)] {
            assert_eq!(socket_flags(Holder { pid, fd }, 7), None, "{pid} {fd}");
        }
        let own = std::process::id();
        assert_eq!(socket_flags(Holder { pid: own, fd: 9999 }, 7), None);
    }
}
