//! Recordings made by hand.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use portstat::wire::netlink::framed;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// Type of a message with a row.
pub const ROW: u16 = 20;
/// Type of the message that ends a dump.
pub const DONE: u16 = 3;

/// A folder to be looked at with `--from`; it is gone when this is dropped.
#[derive(Debug)]
pub struct Recording {
    folder: TempDir,
}

impl Recording {
    /// An empty folder.
    pub fn empty() -> Recording {
        Recording {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With a file.
    pub fn with(self, name: &str, contents: impl AsRef<[u8]>) -> Recording {
        fs::write(self.place(name), contents).unwrap();
        self
    }

    /// With a symbolic link.
    pub fn with_link(self, name: &str, target: &str) -> Recording {
        symlink(target, self.place(name)).unwrap();
        self
    }

    /// With an empty folder.
    pub fn with_folder(self, name: &str) -> Recording {
        fs::create_dir(self.place(name)).unwrap();
        self
    }

    /// With a pipe, which blocks whoever opens it.
    pub fn with_pipe(self, name: &str) -> Recording {
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, self.place(name), FileType::Fifo, mode, 0).unwrap();
        self
    }

    /// With a process that holds sockets by these inodes, from descriptor 3 on.
    pub fn with_process(mut self, pid: u32, comm: &[u8], inodes: &[u64]) -> Recording {
        self = self.with(&format!("proc/{pid}/comm"), [comm, b"\n"].concat());
        for (inode, fd) in inodes.iter().zip(3..) {
            self = self.with_link(&format!("proc/{pid}/fd/{fd}"), &format!("socket:[{inode}]"));
        }
        self
    }

    /// Its path.
    pub fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// The path of a file in it.
    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path())
    }

    /// The path of a file to be made, in a folder that exists.
    fn place(&self, name: &str) -> PathBuf {
        let path = Path::new(self.path()).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}

/// A line of `/proc/net/tcp`: ends and state in hex, as the kernel writes them.
pub fn proc_line(local: &str, peer: &str, state: &str, inode: u64) -> String {
    format!(
        "   0: {local} {peer} {state} 00000000:00000000 00:00000000 00000000  1000        0 \
         {inode} 1 0000000000000000 100 0 0 10 0\n"
    )
}

/// The heading of `/proc/net/tcp`.
pub const PROC_HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr \
                                tm->when retrnsmt   uid  timeout inode\n";

/// A row of an inet_diag dump.
#[derive(Clone, Debug)]
pub struct DiagRow {
    pub state: u8,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub queues: (u32, u32),
    /// Kind, milliseconds, retransmits.
    pub timer: (u8, u32, u8),
    pub interface: u32,
    pub uid: u32,
    pub inode: u32,
    pub cookie: u32,
    pub v6only: Option<bool>,
}

impl DiagRow {
    /// A socket in one of the kernel's states, of which nothing else is known.
    pub fn new(state: u8, local: &str, peer: &str) -> DiagRow {
        DiagRow {
            state,
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            queues: (0, 0),
            timer: (0, 0, 0),
            interface: 0,
            uid: 0,
            inode: 0,
            cookie: 0,
            v6only: None,
        }
    }

    /// A message with the row.
    pub fn message(&self) -> Vec<u8> {
        let mut row = vec![
            if self.local.is_ipv4() { 2 } else { 10 },
            self.state,
            self.timer.0,
            self.timer.2,
        ];
        row.extend(self.local.port().to_be_bytes());
        row.extend(self.peer.port().to_be_bytes());
        for ip in [self.local.ip(), self.peer.ip()] {
            match ip {
                IpAddr::V4(ip) => row.extend([&ip.octets()[..], &[0; 12]].concat()),
                IpAddr::V6(ip) => row.extend(ip.octets()),
            }
        }
        for word in [
            self.interface,
            self.cookie,
            0,
            self.timer.1,
            self.queues.0,
            self.queues.1,
            self.uid,
            self.inode,
        ] {
            row.extend(word.to_ne_bytes());
        }
        if let Some(v6only) = self.v6only {
            // An attribute of one byte: length, INET_DIAG_SKV6ONLY, value, padding.
            row.extend(5u16.to_ne_bytes());
            row.extend(11u16.to_ne_bytes());
            row.extend([u8::from(v6only), 0, 0, 0]);
        }
        framed(ROW, 2, 1, &row)
    }
}

/// A whole dump: the rows, and the message that ends it.
pub fn dump(rows: &[DiagRow]) -> Vec<u8> {
    let mut bytes: Vec<u8> = rows.iter().flat_map(DiagRow::message).collect();
    bytes.extend(done());
    bytes
}

/// The message that ends a dump.
pub fn done() -> Vec<u8> {
    framed(DONE, 2, 1, &0i32.to_ne_bytes())
}
