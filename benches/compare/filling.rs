//! The processes that fill the namespace, seen from the harness.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, PipeWriter};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, fs};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors a filler needs besides its sockets and files.
const RESERVED: u64 = 16;

/// Sockets per listening one, so that listening ones are few among many, and
/// the most listening ones of a process.
const SOCKETS_PER_LISTENER: u32 = 500;
const MOST_LISTENERS: u32 = 64;

/// How many of a process's sockets listen; the others are pairs of connected
/// ones.
#[derive(Clone, Copy)]
pub enum Listening {
    Few,
    All,
}

impl Listening {
    fn among(self, sockets: u32) -> u32 {
        match self {
            Self::All => sockets,
            Self::Few => {
                let few = (sockets / SOCKETS_PER_LISTENER).clamp(1, MOST_LISTENERS);
                few + sockets.saturating_sub(few) % 2
            }
        }
    }
}

/// Where a process makes its sockets.
#[derive(Clone, Copy)]
pub enum Room {
    /// In this network namespace, with all others.
    Shared,
    /// In a network namespace of its own.
    Apart,
}

/// Processes holding sockets, which end when this is dropped.
pub struct Filling {
    fillers: Vec<Child>,
    /// The fillers read from the other end, and never get but its end-of-file:
    /// even if the harness is killed, nothing is left behind.
    _hold: Option<PipeWriter>,
    sockets: u64,
    asked: u32,
    took: Duration,
}

impl Filling {
    /// No processes and no sockets.
    pub fn none() -> Self {
        Self {
            fillers: Vec::new(),
            _hold: None,
            sockets: count_sockets(),
            asked: 0,
            took: Duration::ZERO,
        }
    }

    /// Starts `processes` processes that hold `sockets` TCP sockets between
    /// them, all listening or few of them, and `files` other open files each,
    /// and waits until they do.
    ///
    /// There are more processes than that if one may not have as many files
    /// open as it would need.
    pub fn start(
        processes: u32,
        sockets: u32,
        listening: Listening,
        files: u32,
        room: Room,
    ) -> Result<Self, Box<dyn Error>> {
        let started = Instant::now();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let most = hard.saturating_sub(RESERVED + u64::from(files)).max(1);
        let least = u64::from(sockets).div_ceil(most);
        let count = processes.max(u32::try_from(least)?).min(sockets);

        let (stdin, hold) = io::pipe()?;
        let mut filling = Self {
            fillers: Vec::new(),
            _hold: Some(hold),
            sockets: 0,
            asked: processes,
            took: Duration::ZERO,
        };

        // For the fillers to inherit and for the pipes from them. Not for the
        // commands to be measured, though: some go through all descriptors
        // they may have.
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        let mut outputs = Vec::new();
        for index in 0..count {
            let share = sockets / count + u32::from(index < sockets % count);
            let mut filler = Command::new(env::current_exe()?)
                .arg(match room {
                    Room::Shared => crate::FILL,
                    Room::Apart => crate::FILL_APART,
                })
                .args([index, share, listening.among(share), files].map(|n| n.to_string()))
                .stdin(stdin.try_clone()?)
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| format!("cannot start process {index} of {count}: {error}"))?;
            outputs.extend(filler.stdout.take());
            filling.fillers.push(filler);
        }
        for (index, output) in outputs.into_iter().enumerate() {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            if !line.starts_with("ready ") {
                let status = filling.fillers[index].wait()?;
                return Err(format!("process {index} of {count} ended early: {status}").into());
            }
        }
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;

        filling.sockets = count_sockets();
        filling.took = started.elapsed();
        Ok(filling)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        // Those still at work don't read the pipe yet.
        for filler in &mut self.fillers {
            let _ = filler.kill();
        }
        // Their sockets are gone once they have been waited for.
        for filler in &mut self.fillers {
            let _ = filler.wait();
        }
    }
}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processes = self.fillers.len();
        write!(f, "filled: {} TCP sockets counted", self.sockets)?;
        if processes > 0 {
            write!(f, ", in {processes} processes")?;
            write!(f, ", made in {:.1} s", self.took.as_secs_f64())?;
        }
        if processes > self.asked as usize {
            let asked = self.asked;
            write!(f, " (not {asked}: the limit of open files is too low)")?;
        }
        Ok(())
    }
}

/// TCP sockets in this namespace as the kernel counts them, whoever made them.
fn count_sockets() -> u64 {
    ["/proc/net/sockstat", "/proc/net/sockstat6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .filter_map(|text| in_use(&text))
        .sum()
}

/// The number in "TCP: inuse 4 orphan 0 …" or "TCP6: inuse 2".
fn in_use(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find(|line| line.starts_with("TCP"))?;
    line.split_whitespace().nth(2)?.parse().ok()
}
