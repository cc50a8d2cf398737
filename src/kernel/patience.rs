//! Questions about a process that may never be answered.
//!
//! Some of what `/proc` tells of a process waits for locks of that process: its command line for
//! that of its memory, an epoll for that of the epoll, a copied descriptor and the system call of
//! a thread for that of an exec, the file it runs for the file's server. A process that is stuck
//! in the kernel, as behind a file server that has gone, may hold them for ever. So a thread of its
//! own asks, is waited for a moment, and is left behind where it does not come back. On a busy
//! machine it is waited for longer, as long as all that it waits for is a processor.

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::thread::{Pid, gettid};

/// Far longer than an answer takes.
const MOMENT: Duration = Duration::from_millis(500);
/// So many moments are waited for a thread that only waits for a processor.
const MOST_MOMENTS: usize = 40;
/// Threads that are left behind before nobody is asked any more.
const MOST_LATE: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// How long is waited for answers in the course of a run.
#[derive(Debug)]
pub struct Patience {
    moment: Duration,
    /// The thread that asks, where there is one that is not stuck.
    worker: Option<Worker>,
    /// Processes of which something was asked in vain.
    late: BTreeSet<u32>,
    /// Processes of which nothing was asked any more.
    unasked: BTreeSet<u32>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            moment: MOMENT,
            worker: None,
            late: BTreeSet::new(),
            unasked: BTreeSet::new(),
        }
    }
}

impl Patience {
    /// How long is waited for one answer.
    pub const fn moment(&self) -> Duration {
        self.moment
    }

    /// Asks something about a process; `None` where the answer does not come in time, where one
    /// about the same process did not, and once that happened with too many.
    pub fn ask<T: Send + 'static>(
        &mut self,
        pid: u32,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.is_late(pid) {
            return None;
        }
        if self.late.len() >= MOST_LATE {
            self.unasked.insert(pid);
            return None;
        }
        let (reply, answer) = channel();
        let asks = move || {
            // Nobody waits any more where it took too long.
            let _ = reply.send(question());
        };
        let Some(worker) = self.worker.take().or_else(worker) else {
            self.unasked.insert(pid);
            return None;
        };
        worker.jobs.send(Box::new(asks)).ok()?;
        for _ in 0..MOST_MOMENTS {
            match answer.recv_timeout(self.moment) {
                Ok(answer) => {
                    self.worker = Some(worker);
                    return Some(answer);
                }
                Err(RecvTimeoutError::Timeout) if worker.may_run() => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.late.insert(pid);
        None
    }

    /// Whether something about a process was asked in vain.
    pub fn is_late(&self, pid: u32) -> bool {
        self.late.contains(&pid)
    }

    /// The processes of which something was asked in vain.
    pub fn late(&self) -> impl Iterator<Item = u32> {
        self.late.iter().copied()
    }

    /// How many were not asked because too many others had not answered, or no thread was to be
    /// had.
    pub fn unasked(&self) -> usize {
        self.unasked.len()
    }
}

/// A thread that does what it is sent, and ends when nothing can be sent any more.
#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    /// Its id, once it runs.
    id: Arc<OnceLock<Pid>>,
}

fn worker() -> Option<Worker> {
    let (jobs, todo) = channel::<Job>();
    let id = Arc::new(OnceLock::new());
    let told = Arc::clone(&id);
    let run = move || {
        told.get_or_init(gettid);
        todo.into_iter().for_each(|job| job());
    };
    thread::Builder::new().spawn(run).ok()?;
    Some(Worker { jobs, id })
}

impl Worker {
    /// Whether it waits for nothing but a processor.
    fn may_run(&self) -> bool {
        let Some(id) = self.id.get() else {
            return true;
        };
        let stat = fs::read(format!("/proc/self/task/{}/stat", id.as_raw_nonzero()));
        stat.is_ok_and(|stat| state(&stat) == Some(b'R'))
    }
}

/// The state of a thread, which stands behind its name; the name may hold anything.
fn state(stat: &[u8]) -> Option<u8> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Instant;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    fn impatient() -> Patience {
        Patience {
            moment: Duration::from_millis(20),
            ..Patience::default()
        }
    }

    #[test]
    fn answers_come_from_one_thread() {
        let mut patience = Patience::default();
        let mut asks = |pid| patience.ask(pid, || thread::current().id());
        let first = asks(7);
        assert!(first.is_some_and(|id| id != thread::current().id()));
        assert_eq!(asks(8), first);
        assert_eq!((patience.late().count(), patience.unasked()), (0, 0));
    }

    #[test]
    fn a_file_that_never_ends_to_be_read_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("cmdline");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let mut patience = impatient();
        let path = pipe.clone();
        assert!(patience.ask(7, move || fs::read(path)).is_none());
        assert!(patience.is_late(7));
        // Nobody else has to wait for it, whatever else the machine does.
        patience.moment = Duration::from_secs(120);
        assert_eq!(patience.ask(8, || 1), Some(1));
        // And of this one nothing more is asked.
        assert_eq!(patience.ask(7, || 1), None);
        // Whoever opens the other end lets the thread go.
        drop(fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    }

    #[test]
    fn a_thread_that_works_is_waited_for() {
        let mut patience = impatient();
        let works = || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(100) {}
            1
        };
        assert_eq!(patience.ask(7, works), Some(1));
        assert!(!patience.is_late(7));
    }

    #[test]
    fn a_name_is_no_state() {
        assert_eq!(state(b"12 (x) R 1) S 1 12"), Some(b'S'));
        assert_eq!(state(b"12 (x"), None);
        assert_eq!(state(b"12 (x)"), None);
    }

    #[test]
    fn too_many_are_not_waited_for() {
        let mut patience = impatient();
        let (hold, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for pid in 0..20 {
            let held = held.clone();
            let waits = move || held.lock().map(|held| held.recv().is_ok()).ok();
            assert_eq!(patience.ask(pid, waits), None);
        }
        assert_eq!(patience.late().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(patience.unasked(), 16);
        drop(hold);
    }

    #[test]
    fn a_question_that_panics_is_not_answered() {
        let mut patience = Patience::default();
        let breaks = || -> u32 { std::panic::resume_unwind(Box::new(())) };
        assert_eq!(patience.ask(7, breaks), None);
        assert_eq!(patience.ask(7, || 1), Some(1));
    }
}
