//! What `portstat ephemeral --json` says, taken apart; what must hold of every report is checked
//! on the way.

use std::cmp::Reverse;

use serde_json::Value;

use crate::support::portstat::{self, Ran};

/// One pool of ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub kind: String,
    pub src: Option<String>,
    /// `ADDRESS:PORT`, with brackets around IPv6.
    pub dst: Option<String>,
    pub used: u64,
    pub time_wait: u64,
    pub reclaimable: u64,
    pub free_min: u64,
    pub free: u64,
    pub free_max: u64,
    pub percent: f64,
    pub status: String,
    pub owners: Vec<Owner>,
    pub advice: Vec<String>,
}

/// A process that holds ports of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub comm: String,
    pub pid: u64,
    pub ports: u64,
}

/// How one network namespace stands.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub first: u64,
    pub last: u64,
    pub reserved: u64,
    pub capacity: u64,
    pub pools: Vec<Pool>,
}

/// How it stands, of one network namespace: the one portstat runs in.
#[derive(Clone, Debug)]
pub struct Report {
    pub code: i32,
    pub status: String,
    pub stderr: String,
    pub warn: f64,
    pub crit: f64,
    pub netns: Namespace,
    pub document: Value,
}

/// Runs `portstat ephemeral --json` with more arguments.
#[track_caller]
pub fn report(args: &[&str]) -> Report {
    Report::of(&portstat::run(&[&["ephemeral", "--json"], args].concat()))
}

impl Report {
    /// Reads a report, and insists on what is true of all of them.
    #[track_caller]
    pub fn of(ran: &Ran) -> Report {
        // What went wrong is said there.
        assert!(!ran.stdout.is_empty(), "exit {}: {}", ran.code, ran.stderr);
        let document = ran.json();
        assert_eq!(document["schema"], "portstat.ephemeral.v1");
        let namespaces = document["netns"].as_array().unwrap();
        assert_eq!(namespaces.len(), 1, "{document}");
        let report = Report {
            code: ran.code,
            status: text(&document["status"]).unwrap(),
            stderr: ran.stderr.clone(),
            warn: number(&document["thresholds"]["warn"]),
            crit: number(&document["thresholds"]["crit"]),
            netns: namespace(&namespaces[0]),
            document: document.clone(),
        };
        report.check();
        report
    }

    #[track_caller]
    fn check(&self) {
        let code = match &self.status[..] {
            "ok" => 0,
            "warning" => 1,
            "critical" => 2,
            "unknown" => 3,
            status => panic!("{status} is no status"),
        };
        assert_eq!(self.code, code, "{}", self.document);
        let netns = &self.netns;
        assert_eq!(
            netns.capacity,
            netns.last - netns.first + 1 - netns.reserved,
            "{}",
            self.document
        );
        let mut last = f64::INFINITY;
        for pool in &netns.pools {
            self.check_pool(pool);
            assert!(
                pool.percent <= last,
                "the worst pool comes first: {:?}",
                netns.pools
            );
            last = pool.percent;
        }
    }

    #[track_caller]
    fn check_pool(&self, pool: &Pool) {
        let capacity = self.netns.capacity;
        assert!(
            pool.free_min <= pool.free
                && pool.free <= pool.free_max
                && pool.free_max <= capacity
                && pool.used <= capacity
                && pool.time_wait <= pool.used
                && pool.reclaimable <= pool.time_wait,
            "{pool:?}"
        );
        let percent = 100.0 * (capacity - pool.free) as f64 / capacity as f64;
        // It may be rounded to one place.
        assert!((pool.percent - percent).abs() < 0.11, "{pool:?}");
        // The knee at half is a notice, and no alarm.
        let statuses: &[&str] = if percent >= self.crit {
            &["critical"]
        } else if percent >= self.warn {
            &["warning"]
        } else if percent >= 50.0 {
            &["ok", "notice"]
        } else {
            &["ok"]
        };
        assert!(statuses.contains(&&pool.status[..]), "{pool:?}");
    }

    /// The only pool of that kind for that source and destination, if it is there.
    #[track_caller]
    pub fn find(&self, kind: &str, src: Option<&str>, dst: Option<&str>) -> Option<&Pool> {
        let mut found = self.netns.pools.iter().filter(|pool| {
            pool.kind == kind && pool.src.as_deref() == src && pool.dst.as_deref() == dst
        });
        let first = found.next();
        assert!(found.next().is_none(), "there are two: {}", self.document);
        first
    }

    /// The only pool of that kind for that source and destination.
    #[track_caller]
    pub fn pool(&self, kind: &str, src: Option<&str>, dst: Option<&str>) -> &Pool {
        match self.find(kind, src, dst) {
            Some(pool) => pool,
            None => panic!("no {kind} of {src:?} to {dst:?}: {}", self.document),
        }
    }
}

fn namespace(value: &Value) -> Namespace {
    Namespace {
        first: integer(&value["range"]["first"]),
        last: integer(&value["range"]["last"]),
        reserved: integer(&value["reserved"]),
        capacity: integer(&value["capacity"]),
        pools: value["pools"]
            .as_array()
            .unwrap()
            .iter()
            .map(pool)
            .collect(),
    }
}

#[track_caller]
fn pool(value: &Value) -> Pool {
    let kind = text(&value["pool"]).unwrap();
    let (src, dst) = (text(&value["src"]), text(&value["dst"]));
    let dport = value["dport"].as_u64();
    let keys = (src.is_some(), dst.is_some(), dport.is_some());
    let expected = match &kind[..] {
        // What is left to every destination that has no connection yet.
        "tcp-connect" if src.is_none() => (false, false, false),
        "tcp-connect" => (true, true, true),
        "tcp-bind" | "udp-bind" => (true, false, false),
        "udp-autobind" => (false, false, false),
        kind => panic!("{kind} is no pool"),
    };
    assert_eq!(keys, expected, "{value}");
    let mut owners: Vec<Owner> = value["owners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| Owner {
            comm: text(&owner["comm"]).unwrap(),
            pid: integer(&owner["pid"]),
            ports: integer(&owner["ports"]),
        })
        .collect();
    owners.sort_by_key(|owner| (Reverse(owner.ports), owner.pid));
    Pool {
        kind,
        src,
        dst: dst.zip(dport).map(|(addr, port)| match addr.contains(':') {
            true => format!("[{addr}]:{port}"),
            false => format!("{addr}:{port}"),
        }),
        used: integer(&value["used"]),
        time_wait: integer(&value["time_wait"]),
        reclaimable: integer(&value["reclaimable"]),
        free_min: integer(&value["free_min"]),
        free: integer(&value["free"]),
        free_max: integer(&value["free_max"]),
        percent: number(&value["percent"]),
        status: text(&value["status"]).unwrap(),
        owners,
        advice: value["advice"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| text(line).unwrap())
            .collect(),
    }
}

fn text(value: &Value) -> Option<String> {
    assert!(value.is_string() || value.is_null(), "{value}");
    value.as_str().map(str::to_owned)
}

#[track_caller]
fn integer(value: &Value) -> u64 {
    match value.as_u64() {
        Some(number) => number,
        None => panic!("{value} should be a number"),
    }
}

#[track_caller]
fn number(value: &Value) -> f64 {
    match value.as_f64() {
        Some(number) => number,
        None => panic!("{value} should be a number"),
    }
}
