//! What `portstat ephemeral` takes, and what it comes to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::global::{FormatArg, GlobalArgs, Netns, Seconds};
use super::output::Output;
use super::usage::UsageError;
use crate::analyze::{Ask, Thresholds};

const EXAMPLES: &str = "\
Examples:
  portstat ephemeral                                 how the pools of ports stand
  portstat ephemeral --dst 10.0.0.5:5432             the pools towards a database
  portstat ephemeral --src 10.0.0.9 --dst 10.0.0.5:5432
  portstat ephemeral --sample 5                      time to full, from two looks
  portstat ephemeral --quiet --state-file /var/lib/portstat/state --repeat 3600
  portstat ephemeral --format nagios --warn 70 --crit 90
  portstat ephemeral --textfile /var/lib/prometheus/node-exporter/portstat.prom

Exit: 0 ok, 1 warning, 2 critical, 3 unknown, bad usage included.";

/// What `ephemeral` takes.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct EphemeralArgs {
    /// Warn from this percentage of a pool on
    #[arg(long, value_name = "PERCENT", default_value = "80")]
    pub warn: Percent,
    /// Be critical from this percentage on
    #[arg(long, value_name = "PERCENT", default_value = "95")]
    pub crit: Percent,
    /// Show this many pools, the worst first
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    /// Only pools of this local address
    #[arg(long, value_name = "ADDRESS")]
    pub src: Option<IpAddr>,
    /// Only pools towards this address, and port
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    pub dst: Option<Destination>,
    /// Look twice, SECS apart, and tell the time to full
    #[arg(long, value_name = "SECS")]
    pub sample: Option<Seconds>,
    /// Ask the kernel about each doubtful port of the worst pool, without sending a packet
    #[arg(long)]
    pub probe: bool,
    /// Print nothing at all while the status is ok
    #[arg(long)]
    pub quiet: bool,
    /// Print only when the status is another than the one kept in this file; for people and JSON
    #[arg(long, value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// With --state-file, print an alarm again after this many seconds
    #[arg(long, value_name = "SECS", requires = "state_file")]
    pub repeat: Option<u64>,
    /// Write metrics for Prometheus to this file, and print nothing unless --format is given
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,
}

/// A percentage from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        let number = text.strip_suffix('%').unwrap_or(text);
        number
            .parse()
            .ok()
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(Percent)
            .ok_or_else(|| "expected a percentage from 0 to 100".to_owned())
    }
}

/// An address, and a port where one was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination(IpAddr, Option<u16>);

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        let expected = || "expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT".to_owned();
        if let Ok(addr) = text.parse() {
            return Ok(Destination(addr, None));
        }
        if let Some(addr) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            return Ok(Destination(addr.parse().map_err(|_| expected())?, None));
        }
        let end: std::net::SocketAddr = text.parse().map_err(|_| expected())?;
        if end.port() == 0 {
            return Err("expected a port from 1 to 65535".to_owned());
        }
        Ok(Destination(end.ip(), Some(end.port())))
    }
}

/// What to look at, and how to tell.
#[derive(Clone, Debug)]
pub struct EphemeralPlan {
    /// How to print; the format counts for [`report`](Self::report) only.
    pub output: Output,
    /// What to print; `None` for nothing.
    pub report: Option<ReportFormat>,
    /// When it is an alarm.
    pub thresholds: Thresholds,
    /// How many pools to show.
    pub top: usize,
    /// Which pools.
    pub ask: Ask,
    /// How long to wait for a second look.
    pub sample: Option<Duration>,
    /// Whether the kernel is asked about single ports.
    pub probe: bool,
    /// Print nothing while all is well.
    pub quiet: bool,
    /// What was told before.
    pub state_file: Option<PathBuf>,
    /// After how many seconds to tell it again.
    pub repeat: Option<u64>,
    /// Where to write metrics.
    pub textfile: Option<PathBuf>,
}

/// A format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people.
    Human,
    /// One document.
    Json,
    /// A line and its performance data.
    Nagios,
    /// The text exposition format.
    Prometheus,
}

impl EphemeralPlan {
    /// Resolves arguments.
    pub fn new(
        args: EphemeralArgs,
        global: &GlobalArgs,
        output: Output,
    ) -> Result<EphemeralPlan, UsageError> {
        let report = match global.format {
            _ if global.json => ReportFormat::Json,
            FormatArg::Auto | FormatArg::Human | FormatArg::Table | FormatArg::Plain => {
                ReportFormat::Human
            }
            FormatArg::Json => ReportFormat::Json,
            FormatArg::Nagios => ReportFormat::Nagios,
            FormatArg::Prometheus => ReportFormat::Prometheus,
            FormatArg::Jsonl | FormatArg::Csv => {
                return Err(UsageError::Conflict("ephemeral", "jsonl and csv"));
            }
        };
        let thresholds = Thresholds::new(args.warn.0, args.crit.0).ok_or(UsageError::Conflict(
            "--warn",
            "a --crit that is not higher",
        ))?;
        if let Some((one, other)) = contradiction(&args, global) {
            return Err(UsageError::Conflict(one, other));
        }
        if args.state_file.is_some() {
            // Silence would be taken for a broken plugin, and for series that have ended.
            let always_printed = match report {
                ReportFormat::Nagios => Some("nagios, which is printed at every run"),
                ReportFormat::Prometheus => Some("prometheus, which is printed at every run"),
                ReportFormat::Human | ReportFormat::Json => None,
            };
            if let Some(format) = always_printed {
                return Err(UsageError::Conflict("--state-file", format));
            }
        }
        let destination = args.dst.map(|Destination(addr, port)| (addr, port));
        if let (Some(source), Some((destination, _))) = (args.src, destination)
            && source.to_canonical().is_ipv4() != destination.to_canonical().is_ipv4()
        {
            return Err(UsageError::Conflict("--src", "a --dst of the other family"));
        }
        let told = args.textfile.is_none() || global.json || global.format != FormatArg::Auto;
        Ok(EphemeralPlan {
            output,
            report: told.then_some(report),
            thresholds,
            top: args.top.into(),
            ask: Ask {
                source: args.src,
                destination,
            },
            sample: args.sample.map(Seconds::duration),
            probe: args.probe,
            quiet: args.quiet,
            state_file: args.state_file,
            repeat: args.repeat,
            textfile: args.textfile,
        })
    }
}

/// What cannot be asked of what is looked at.
fn contradiction(
    args: &EphemeralArgs,
    global: &GlobalArgs,
) -> Option<(&'static str, &'static str)> {
    let is_recorded = global.from.is_some();
    if is_recorded && args.sample.is_some() {
        return Some(("--sample", "--from"));
    }
    if is_recorded && args.probe {
        return Some(("--probe", "--from"));
    }
    let is_everywhere = Netns::new(global.netns.as_ref()) == Netns::All;
    (args.probe && is_everywhere).then_some(("--probe", "-N all"))
}

#[cfg(test)]
mod tests {
    use super::super::Args;
    use super::super::output::Environment;
    use super::super::plan::{Job, Plan};
    use super::*;
    use clap::Parser;

    fn plan(args: &[&str]) -> Result<EphemeralPlan, UsageError> {
        let args = ["portstat", "ephemeral"].iter().chain(args);
        let args = Args::try_parse_from(args).unwrap();
        match Plan::new(args, &Environment::default())?.job {
            Job::Ephemeral(plan) => Ok(plan),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn thresholds_and_formats_are_checked() {
        let usual = plan(&[]).unwrap();
        assert_eq!(usual.thresholds, Thresholds::DEFAULT);
        assert_eq!(usual.report, Some(ReportFormat::Human));
        assert_eq!(plan(&["--json"]).unwrap().report, Some(ReportFormat::Json));
        assert_eq!(plan(&["--textfile=x"]).unwrap().report, None);
        for bad in [
            &["--warn=95", "--crit=80"][..],
            &["--format=csv"],
            &["--sample=1", "--from=x"],
            &["--probe", "--from=x"],
            &["--probe", "-Nall"],
            &["--state-file=x", "--format=nagios"],
            &["--state-file=x", "--format=prometheus"],
            &["--src=127.0.0.1", "--dst=[::1]:80"],
            &["--src=::1", "--dst=127.0.0.1"],
        ] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
        for good in [
            &["--state-file=x", "--json"][..],
            &["--src=::ffff:127.0.0.1", "--dst=127.0.0.1:80"],
            &["--src=127.0.0.1", "--dst=[::ffff:127.0.0.1]:80"],
        ] {
            assert!(plan(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn destinations_have_a_port_or_none() {
        let parse = |text: &str| text.parse::<Destination>().ok();
        let v4 = "10.0.0.5".parse().unwrap();
        let v6 = "::1".parse().unwrap();
        assert_eq!(parse("10.0.0.5"), Some(Destination(v4, None)));
        assert_eq!(parse("10.0.0.5:5432"), Some(Destination(v4, Some(5432))));
        assert_eq!(parse("::1"), Some(Destination(v6, None)));
        assert_eq!(parse("[::1]"), Some(Destination(v6, None)));
        assert_eq!(parse("[::1]:80"), Some(Destination(v6, Some(80))));
        for bad in [
            "",
            "x",
            "10.0.0.5:",
            "10.0.0.5:0",
            "10.0.0.5:99999",
            "host:1",
            "[::1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert!("101".parse::<Percent>().is_err() && "NaN".parse::<Percent>().is_err());
        assert_eq!("75%".parse(), Ok(Percent(75.0)));
    }
}
