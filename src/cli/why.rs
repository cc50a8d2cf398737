//! What `portstat why` takes, and what it comes to.

use std::net::{IpAddr, Ipv6Addr};

use clap::ValueEnum;

use super::global::{FormatArg, GlobalArgs};
use super::output::Output;
use super::target::{PortName, Target, TargetError};
use super::usage::UsageError;
use crate::model::Protocol;

const EXAMPLES: &str = "\
Examples:
  portstat why 8080                         0.0.0.0:8080 and [::]:8080, as a server binds
  portstat why 127.0.0.1:http --reuseaddr   one address, with SO_REUSEADDR
  portstat why 53/udp --user systemd-resolve
  portstat why [fe80::1%eth0]:80            with an interface
  portstat why --connect 10.0.0.5:5432      whether a connection finds a local port
  portstat why 10.0.0.9 --connect 10.0.0.5:5432
  portstat why 8080 --probe                 really bind, and close at once
  portstat why 8080 --json | jq -r '.answers[].blockers[].explanation'

A bare port asks for the wildcard addresses 0.0.0.0 and [::]; [ADDRESS]:PORT, PORT/udp and names
of services do. With --connect, TARGET is the source: an address lets connect draw the port,
ADDRESS:0 has bind draw it first, ADDRESS:PORT binds that one.

Nothing is bound or sent without --probe. What could not be read is assumed, and said; root reads
the most.

Exit: 0 it would succeed, 1 it would fail, 2 bad usage, 3 that cannot be told.";

/// What `why` takes.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct WhyArgs {
    /// What to bind: PORT, ADDRESS:PORT, PORT/udp; with --connect the source
    #[arg(value_name = "TARGET", required_unless_present = "connect")]
    pub target: Option<String>,
    /// The protocol, tcp unless TARGET says otherwise
    #[arg(long, value_enum, value_name = "PROTOCOL")]
    pub proto: Option<ProtocolArg>,
    /// The new socket has SO_REUSEADDR
    #[arg(long)]
    pub reuseaddr: bool,
    /// The new socket has SO_REUSEPORT
    #[arg(long)]
    pub reuseport: bool,
    /// The new socket has IPV6_V6ONLY: it refuses IPv4
    #[arg(long)]
    pub v6only: bool,
    /// The new socket is bound to this interface
    #[arg(long, value_name = "NAME")]
    pub dev: Option<String>,
    /// Who binds, by name or uid; you unless told
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The new socket has IP_FREEBIND: it may bind addresses that are not there
    #[arg(long)]
    pub free_bind: bool,
    /// Connect to this address and port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub connect: Option<String>,
    /// Really bind and close at once, and compare; for a connect, ask the kernel for a port
    /// without sending a packet
    #[arg(long)]
    pub probe: bool,
}

/// `--proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

impl ProtocolArg {
    const fn protocol(self) -> Protocol {
        match self {
            ProtocolArg::Tcp => Protocol::Tcp,
            ProtocolArg::Udp => Protocol::Udp,
        }
    }
}

/// What is asked, names still names.
#[derive(Clone, Debug)]
pub struct WhyPlan {
    /// How to print; the format is [`format`](Self::format).
    pub output: Output,
    /// What to print.
    pub format: WhyFormat,
    /// What is to be done.
    pub asked: Asked,
    /// The protocol, where one was named.
    pub protocol: Option<Protocol>,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// IPV6_V6ONLY.
    pub v6only: bool,
    /// The interface, by name or number.
    pub device: Option<String>,
    /// Whether that is known only as the scope of the destination.
    pub device_by_destination: bool,
    /// The user, by name or number.
    pub user: Option<String>,
    /// IP_FREEBIND.
    pub free_bind: bool,
    /// Whether the kernel is asked as well.
    pub probe: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `bind`.
    Bind {
        /// The address; `None` for the wildcards of both families.
        addr: Option<IpAddr>,
        /// The name that stands for addresses, where one was given.
        host: Option<String>,
        /// The port.
        port: PortName,
    },
    /// `connect`.
    Connect {
        /// The source address, where one was named.
        addr: Option<IpAddr>,
        /// The source port, where one was named.
        port: Option<PortName>,
        /// Where to.
        destination: Destination,
        /// Which port there.
        destination_port: PortName,
    },
}

/// Where a connect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// This address; never one of IPv4 in the form of IPv6.
    Addr(IpAddr),
    /// The first address of this host, of the family of the source where one was named.
    Host(String),
}

/// A format of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyFormat {
    /// For people.
    Human,
    /// One document.
    Json,
}

impl WhyPlan {
    /// Resolves arguments.
    pub fn new(args: WhyArgs, global: &GlobalArgs, output: Output) -> Result<WhyPlan, UsageError> {
        let format = format(global)?;
        if args.probe && global.from.is_some() {
            return Err(UsageError::Conflict("--probe", "--from"));
        }
        let target = args.target.as_deref().map(str::parse::<Target>);
        let target = target.transpose()?;
        let destination = args.connect.as_deref().map(str::parse::<Target>);
        let destination = destination.transpose()?;
        let protocol = one(
            [
                args.proto.map(ProtocolArg::protocol),
                target.as_ref().and_then(|target| target.protocol),
                destination.as_ref().and_then(|target| target.protocol),
            ],
            ("--proto", "a target of the other protocol"),
        )?;
        let device = one(
            [
                args.dev.clone(),
                target.as_ref().and_then(|target| target.device.clone()),
                destination
                    .as_ref()
                    .and_then(|target| target.device.clone()),
            ],
            ("--dev", "a target with another interface"),
        )?;
        let of_target = { target.as_ref() }.and_then(|target| target.device.as_ref());
        let device_by_destination = device.is_some() && args.dev.is_none() && of_target.is_none();
        let asked = match (destination, args.connect.as_deref()) {
            (Some(destination), Some(text)) => connect(target, destination, text)?,
            _ => bind(target, args.target.as_deref().unwrap_or_default())?,
        };
        if args.v6only && asked.addr().is_some_and(|addr| addr.is_ipv4()) {
            return Err(UsageError::Conflict("--v6only", "an IPv4 address"));
        }
        Ok(WhyPlan {
            output,
            format,
            asked,
            protocol,
            reuse_address: args.reuseaddr,
            reuse_port: args.reuseport,
            v6only: args.v6only,
            device,
            device_by_destination,
            user: args.user,
            free_bind: args.free_bind,
            probe: args.probe,
        })
    }
}

impl Asked {
    /// An address that tells the family, where one was named.
    fn addr(&self) -> Option<IpAddr> {
        match self {
            Asked::Bind { addr, .. } => *addr,
            Asked::Connect { destination, .. } => match destination {
                Destination::Addr(addr) => Some(*addr),
                Destination::Host(_) => None,
            },
        }
    }
}

fn format(global: &GlobalArgs) -> Result<WhyFormat, UsageError> {
    let other = |format| Err(UsageError::Conflict("why", format));
    match global.format {
        _ if global.json => Ok(WhyFormat::Json),
        FormatArg::Json => Ok(WhyFormat::Json),
        FormatArg::Auto | FormatArg::Table | FormatArg::Plain | FormatArg::Human => {
            Ok(WhyFormat::Human)
        }
        FormatArg::Jsonl => other("jsonl"),
        FormatArg::Csv => other("csv"),
        FormatArg::Nagios => other("nagios"),
        FormatArg::Prometheus => other("prometheus"),
    }
}

/// What several places name, which must name the same.
fn one<T: PartialEq, const N: usize>(
    named: [Option<T>; N],
    conflict: (&'static str, &'static str),
) -> Result<Option<T>, UsageError> {
    let mut named = named.into_iter().flatten();
    let first = named.next();
    if named.all(|other| Some(&other) == first.as_ref()) {
        Ok(first)
    } else {
        Err(UsageError::Conflict(conflict.0, conflict.1))
    }
}

fn bind(target: Option<Target>, text: &str) -> Result<Asked, UsageError> {
    let Target {
        addr, host, port, ..
    } = target.unwrap_or_default();
    let Some(port) = port else {
        let expected = match addr {
            Some(IpAddr::V6(_)) => "a port behind the address in brackets, as in [::1]:8080",
            _ => {
                "a port behind the address, as in 127.0.0.1:8080 (alone it is a source, for \
                 --connect)"
            }
        };
        return Err(TargetError::new(text, expected, "").into());
    };
    Ok(Asked::Bind { addr, host, port })
}

fn connect(source: Option<Target>, destination: Target, text: &str) -> Result<Asked, UsageError> {
    let expected = "an address and a port from 1 to 65535, as in 10.0.0.5:5432 or [::1]:80";
    let source = source.unwrap_or_default();
    // A socket of IPv6 that speaks IPv4 is asked about as what it is, unless it is bound to every
    // address of both.
    let as_it_is = |addr: IpAddr| match source.addr {
        Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => addr,
        _ => addr.to_canonical(),
    };
    let to = match (destination.addr, destination.host) {
        (Some(addr), _) => Some(Destination::Addr(as_it_is(addr))),
        (None, host) => host.map(Destination::Host),
    };
    let (Some(to), Some(port)) = (to, destination.port) else {
        return Err(TargetError::new(text, expected, text).into());
    };
    if port == PortName::Number(0) {
        return Err(TargetError::new(text, expected, "0").into());
    }
    if let Some(host) = &source.host {
        let expected = "the source in numbers, as in 10.0.0.9 or 10.0.0.9:0";
        return Err(TargetError::new(host, expected, host).into());
    }
    if let (Some(from), Some(addr)) = (source.addr, destination.addr)
        && as_it_is(from).is_ipv4() != as_it_is(addr).is_ipv4()
    {
        return Err(UsageError::Conflict(
            "--connect",
            "a source of the other family",
        ));
    }
    Ok(Asked::Connect {
        addr: source.addr.map(as_it_is),
        port: source.port,
        destination: to,
        destination_port: port,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Args;
    use super::super::output::Environment;
    use super::super::plan::{Job, Plan};
    use super::*;
    use clap::Parser;

    fn plan(args: &str) -> Result<WhyPlan, UsageError> {
        let args = ["portstat", "why"].into_iter().chain(args.split(' '));
        let args = Args::try_parse_from(args).unwrap();
        match Plan::new(args, &Environment::default())?.job {
            Job::Why(plan) => Ok(plan),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn protocols_and_interfaces_are_named_once_or_alike() {
        let protocol = |args: &str| plan(args).unwrap().protocol;
        assert_eq!(protocol("80"), None);
        assert_eq!(protocol("80/udp"), Some(Protocol::Udp));
        assert_eq!(protocol("80/udp --proto udp"), Some(Protocol::Udp));
        assert_eq!(protocol("--connect udp:10.0.0.1:53"), Some(Protocol::Udp));
        let device = |args: &str| plan(args).unwrap().device;
        assert_eq!(device("[fe80::1%eth0]:80").as_deref(), Some("eth0"));
        assert_eq!(device("80 --dev lo").as_deref(), Some("lo"));
        assert!(device("[fe80::1%eth0]:80 --dev eth0").is_some());
    }

    #[test]
    fn sources_have_a_port_or_none() {
        let connect = |args: &str| match plan(args).unwrap().asked {
            Asked::Connect { addr, port, .. } => (
                addr.map(|addr| addr.to_string()),
                port.map(|it| it.to_string()),
            ),
            Asked::Bind { .. } => panic!("{args}"),
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(connect("--connect 10.0.0.5:80"), (None, None));
        assert_eq!(
            connect("10.0.0.9 --connect 10.0.0.5:80"),
            (some("10.0.0.9"), None)
        );
        assert_eq!(
            connect("10.0.0.9:0 --connect 10.0.0.5:80"),
            (some("10.0.0.9"), some("0"))
        );
        assert_eq!(connect("[::1] --connect [::1]:http"), (some("::1"), None));
        assert_eq!(
            connect("::ffff:10.0.0.9 --connect 10.0.0.5:80"),
            (some("10.0.0.9"), None)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "80/udp --proto tcp",
            "10.0.0.1:80 --v6only",
            "10.0.0.1",
            "::1",
            "::1:8080",
            "*",
            "80 --probe --from x",
            "80 --format csv",
            "80 --format jsonl",
            "80 --format nagios",
            "80 --format prometheus",
            "[fe80::1%eth0]:80 --dev lo",
            "--connect 10.0.0.5",
            "--connect 80",
            "--connect 10.0.0.5:0",
            "[::1] --connect 10.0.0.5:80",
            "10.0.0.1:80 --connect udp:10.0.0.5:80 --proto tcp",
            "65536",
        ] {
            assert!(plan(bad).is_err(), "{bad}");
        }
        for good in [
            "80 --v6only",
            "[::]:80 --v6only",
            "80 --json",
            "80 --format human",
            "80 --format plain",
            "80 --from x",
        ] {
            assert!(plan(good).is_ok(), "{good}");
        }
        assert!(Args::try_parse_from(["portstat", "why"]).is_err());
    }
}
