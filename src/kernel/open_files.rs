//! Who has sockets or namespaces open: by the walk over `/proc/PID/fd`, and when to leave it to
//! BPF.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::bpf::{Unavailable, task_file};
use super::holdings::Holdings;
use super::walk::{Scan, Sought, Task, scan_below};
use crate::model::Holder;

/// A walk that takes longer than this is given up for BPF, where that is permitted.
///
/// Before its first file BPF costs 1 ms, or 5 where the kernel's types must be copied; then it is
/// ten times as fast as a thread of the walk. How many files there are is not known beforehand:
/// so most machines, which are small, never pay for BPF, and no other pays much for the try.
/// Measured as `portstat -tlnp` with `PORTSTAT_OWNERS` set either way.
const PATIENCE: Duration = Duration::from_millis(2);

/// By which way holders are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HolderMethod {
    /// `/proc`, and BPF where that takes long.
    #[default]
    Auto,
    /// `/proc` only.
    Proc,
    /// BPF first.
    Bpf,
}

/// Finds who has network namespaces open, or other namespaces: what BPF tells does not tell these
/// apart. Processes that may not be read are not named.
pub(super) fn find_namespaces() -> io::Result<Vec<(u64, Holder)>> {
    Ok(find(Sought::Namespaces, HolderMethod::Auto)?.holders)
}

/// Finds who has files of a kind open.
pub(super) fn find<H: Holdings>(sought: Sought, method: HolderMethod) -> io::Result<Scan<H>> {
    let root = Path::new("/proc");
    let turn = Turn::default();
    match method {
        HolderMethod::Proc => return scan_below(root, sought, Task::Find),
        HolderMethod::Auto => {
            let mut scan = scan_below(root, sought, Task::FindUntil(&|| turn.has_passed()))?;
            if !turn.passed.into_inner() {
                scan.without_bpf = turn.refusal.into_inner().flatten();
                return Ok(scan);
            }
        }
        HolderMethod::Bpf => {}
    }
    thread::scope(|scope| {
        let probe = || match sought {
            Sought::Sockets => scan_below(root, sought, Task::Probe),
            // Nobody asks whose namespaces were not seen.
            Sought::Namespaces => Ok(Scan::default()),
        };
        let probing = thread::Builder::new().spawn_scoped(scope, probe);
        match task_file::scan(sought.magic()) {
            Ok(holders) => {
                let probed = match probing.map(ScopedJoinHandle::join) {
                    Ok(Ok(probed)) => probed,
                    Ok(Err(panic)) => std::panic::resume_unwind(panic),
                    Err(_) => probe(),
                };
                Ok(Scan { holders, ..probed? })
            }
            Err(refusal) => Ok(Scan {
                without_bpf: Some(refusal),
                ..scan_below(root, sought, Task::Find)?
            }),
        }
    })
}

/// Whose turn it is: that of the walk, until it has taken long and BPF is permitted.
#[derive(Debug)]
struct Turn {
    began: Instant,
    /// Why BPF is not permitted; nobody looks before the walk has taken long.
    refusal: OnceLock<Option<Unavailable>>,
    /// Whether it is BPF's turn.
    passed: AtomicBool,
}

impl Default for Turn {
    fn default() -> Turn {
        Turn {
            began: Instant::now(),
            refusal: OnceLock::new(),
            passed: AtomicBool::new(false),
        }
    }
}

impl Turn {
    /// Whether the walk is to be given up.
    fn has_passed(&self) -> bool {
        let passes = || {
            self.began.elapsed() > PATIENCE
                && self
                    .refusal
                    .get_or_init(|| task_file::permitted().err())
                    .is_none()
        };
        if !self.passed.load(Ordering::Relaxed) && passes() {
            self.passed.store(true, Ordering::Relaxed);
        }
        self.passed.load(Ordering::Relaxed)
    }
}
