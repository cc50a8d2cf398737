//! A bind that somebody wants: put to portstat as arguments, and to the kernel as it is.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{IpFreebind, ReuseAddr, ReusePort};
use nix::sys::socket::{SockType, setsockopt};

use crate::support::socket::{bind, bind_to_loopback, listen, open, set_v6only};

/// A bind, and for TCP a listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub kind: SockType,
    pub address: SocketAddr,
    pub reuse_address: bool,
    pub reuse_port: bool,
    pub v6only: bool,
    pub on_loopback: bool,
    pub free_bind: bool,
}

impl Wanted {
    pub fn new(kind: SockType, address: SocketAddr) -> Wanted {
        Wanted {
            kind,
            address,
            reuse_address: false,
            reuse_port: false,
            v6only: false,
            on_loopback: false,
            free_bind: false,
        }
    }

    /// TCP on `ADDRESS:PORT`.
    pub fn tcp(address: &str) -> Wanted {
        Wanted::new(SockType::Stream, address.parse().unwrap())
    }

    /// UDP on `ADDRESS:PORT`.
    pub fn udp(address: &str) -> Wanted {
        Wanted::new(SockType::Datagram, address.parse().unwrap())
    }

    pub fn reuse_address(self) -> Wanted {
        Wanted {
            reuse_address: true,
            ..self
        }
    }

    pub fn reuse_port(self) -> Wanted {
        Wanted {
            reuse_port: true,
            ..self
        }
    }

    pub fn v6only(self) -> Wanted {
        Wanted {
            v6only: true,
            ..self
        }
    }

    pub fn on_loopback(self) -> Wanted {
        Wanted {
            on_loopback: true,
            ..self
        }
    }

    pub fn free_bind(self) -> Wanted {
        Wanted {
            free_bind: true,
            ..self
        }
    }

    /// `tcp` or `udp`.
    pub const fn protocol(&self) -> &'static str {
        match self.kind {
            SockType::Stream => "tcp",
            _ => "udp",
        }
    }

    /// The arguments after `why`.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec![self.address.to_string()];
        if self.kind != SockType::Stream {
            args.extend(["--proto", "udp"].map(str::to_owned));
        }
        let flags = [
            (self.reuse_address, "--reuseaddr"),
            (self.reuse_port, "--reuseport"),
            (self.v6only, "--v6only"),
            (self.free_bind, "--free-bind"),
            (self.on_loopback, "--dev=lo"),
        ];
        let flags = flags.into_iter().filter(|(given, _)| *given);
        args.extend(flags.map(|(_, flag)| flag.to_owned()));
        args
    }

    /// A socket as it is wanted, not yet bound.
    pub fn opened(&self) -> OwnedFd {
        let fd = open(self.kind, self.address.ip());
        self.set_flags(&fd);
        fd
    }

    fn set_flags(&self, fd: &OwnedFd) {
        if self.address.is_ipv6() {
            set_v6only(fd, self.v6only);
        }
        if self.reuse_address {
            setsockopt(fd, ReuseAddr, &true).unwrap();
        }
        if self.reuse_port {
            setsockopt(fd, ReusePort, &true).unwrap();
        }
        if self.free_bind {
            setsockopt(fd, IpFreebind, &true).unwrap();
        }
        if self.on_loopback {
            bind_to_loopback(fd);
        }
    }

    /// The kernel's own answer: it is really done.
    pub fn really(&self) -> Result<OwnedFd, Errno> {
        let fd = self.bound()?;
        if self.kind == SockType::Stream {
            listen(&fd, 5)?;
        }
        Ok(fd)
    }

    /// Bound, and not listening.
    pub fn bound(&self) -> Result<OwnedFd, Errno> {
        let fd = self.opened();
        bind(&fd, self.address)?;
        Ok(fd)
    }
}
