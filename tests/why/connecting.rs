//! A connect that somebody wants: put to portstat as arguments, and to the kernel as it is.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{IpFreebind, Linger, ReuseAddr};
use nix::sys::socket::{SockType, setsockopt};

use crate::answer::{Answer, only_answer};
use crate::ask::{check_verdict, first_line, why};
use crate::setup::ELSEWHERE;
use crate::support::dial::{Connection, Server, Source, bind_source, reset, set_port_range};
use crate::support::namespace::in_namespace;
use crate::support::rights::Rights;
use crate::support::socket::{accept, bind_to_device, connect, open, set_nonblocking, set_v6only};

/// The server everybody connects to.
pub const THERE: &str = "127.0.0.1:9000";

/// Runs a test where there is a server, and a few ports for its clients.
pub fn with_ports(count: u16, body: impl FnOnce(&Server)) {
    in_namespace(|| {
        set_port_range(40_000, 40_000 + count - 1);
        body(&Server::on(&[ELSEWHERE, ELSEWHERE + 1]));
    });
}

/// A connect, and the bind that comes before it.
#[derive(Clone, Debug)]
pub struct Connecting {
    pub kind: SockType,
    /// Nothing, `ADDRESS`, `ADDRESS:0` or `ADDRESS:PORT`.
    pub source: String,
    pub to: SocketAddr,
    pub reuse_address: bool,
    pub v6only: bool,
    /// The interface it is bound to.
    pub device: Option<&'static str>,
    pub free_bind: bool,
    /// Whether portstat is to try it.
    pub probe: bool,
}

impl Connecting {
    fn new(kind: SockType, source: &str, to: &str) -> Connecting {
        Connecting {
            kind,
            source: source.to_owned(),
            to: to.parse().unwrap(),
            reuse_address: false,
            v6only: false,
            device: None,
            free_bind: false,
            probe: false,
        }
    }

    pub fn tcp(source: &str, to: &str) -> Connecting {
        Connecting::new(SockType::Stream, source, to)
    }

    pub fn udp(source: &str, to: &str) -> Connecting {
        Connecting::new(SockType::Datagram, source, to)
    }

    pub fn reuse_address(self) -> Connecting {
        Connecting {
            reuse_address: true,
            ..self
        }
    }

    pub fn v6only(self) -> Connecting {
        Connecting {
            v6only: true,
            ..self
        }
    }

    pub fn on(self, device: &'static str) -> Connecting {
        Connecting {
            device: Some(device),
            ..self
        }
    }

    pub fn free_bind(self) -> Connecting {
        Connecting {
            free_bind: true,
            ..self
        }
    }

    pub fn probe(self) -> Connecting {
        Connecting {
            probe: true,
            ..self
        }
    }

    fn source(&self) -> Source {
        if let Ok(ip) = self.source.parse() {
            return Source::NoPort(ip);
        }
        match self.source.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => Source::Held(address.ip()),
            Ok(address) => Source::Exactly(address),
            Err(_) => Source::Any,
        }
    }

    /// The arguments.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec!["why".to_owned()];
        if !self.source.is_empty() {
            args.push(self.source.clone());
        }
        args.extend(["--connect".to_owned(), self.to.to_string()]);
        if self.kind == SockType::Datagram {
            args.push("--proto=udp".to_owned());
        }
        if self.reuse_address {
            args.push("--reuseaddr".to_owned());
        }
        if self.v6only {
            args.push("--v6only".to_owned());
        }
        if let Some(device) = self.device {
            args.push(format!("--dev={device}"));
        }
        if self.free_bind {
            args.push("--free-bind".to_owned());
        }
        if self.probe {
            args.push("--probe".to_owned());
        }
        args
    }

    /// A socket as it is wanted, bound where it is to be.
    fn bound(&self) -> Result<OwnedFd, Errno> {
        let client = open(self.kind, self.to.ip());
        if self.reuse_address {
            setsockopt(&client, ReuseAddr, &true).unwrap();
        }
        if self.v6only {
            set_v6only(&client, true);
        }
        if let Some(device) = self.device {
            bind_to_device(&client, device);
        }
        if self.free_bind {
            setsockopt(&client, IpFreebind, &true).unwrap();
        }
        bind_source(&client, self.source())?;
        Ok(client)
    }

    /// The kernel's own answer where nobody is there: it sets out, or it does not.
    pub fn sets_out(&self) -> Result<(), Errno> {
        let client = self.bound()?;
        set_nonblocking(&client);
        match connect(&client, self.to) {
            Err(Errno::EINPROGRESS | Errno::ECONNREFUSED) => Ok(()),
            told => told,
        }
    }

    /// What portstat says where nobody is there. The kernel says the same.
    #[track_caller]
    pub fn asked_of_nobody(&self) -> Answer {
        let answer = only_answer(&why(&self.args(), Rights::Own));
        let truth = self.sets_out();
        println!("{:?}: {}, {truth:?}", self.args(), answer.verdict);
        check_verdict(&answer, truth);
        answer
    }

    /// The kernel's own answer; nothing of it stays behind.
    pub fn really(&self, server: &Server) -> Result<(), Errno> {
        let client = self.bound()?;
        if self.kind == SockType::Datagram {
            return connect(&client, self.to);
        }
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&client, Linger, &linger).unwrap();
        connect(&client, self.to)?;
        let server = accept(server.listener(self.to));
        reset(Connection { client, server });
        Ok(())
    }

    /// What portstat says. The kernel says the same, and what somebody without rights over the
    /// owners is told is not wrong either.
    #[track_caller]
    pub fn asked(&self, server: &Server) -> Answer {
        let args = self.args();
        let answer = only_answer(&why(&args, Rights::Own));
        let in_words = first_line(&args, &answer);
        let port = format!(":{}/", self.to.port());
        assert!(in_words.contains(&port), "{in_words}");
        let hidden = only_answer(&why(&args, Rights::None));
        check_verdict(&answer, self.really(server));
        check_verdict(&hidden, Rights::None.attempt(|| self.really(server)));
        assert_eq!(answer.with_reuse_address, None, "{}", answer.document);
        answer
    }
}
