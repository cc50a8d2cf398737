//! Looks again and again, on a thread of its own: at the sockets that live, and at the network
//! namespaces that there are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::arrivals::Arrivals;
use super::look::{Looker, Seen};
use crate::collect::{AnnouncementSource, find_everywhere, join_announcements};
use crate::command::context::write_warning;
use crate::command::outcome::Error;
use crate::join::Look;
use crate::kernel::{Everywhere, Host};
use crate::model::{Gap, Table};

/// Between two looks, at least; and how often it is asked what they brought.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// After a look, this many times as long as it took nothing is done: at most a tenth of the time
/// goes into looking.
const REST: u32 = 9;

/// What the looks bring.
pub(super) struct Watch {
    news: Arc<Mutex<News>>,
    goes_on: bool,
}

#[derive(Default)]
struct News {
    look: Look,
    has_looked: bool,
    gaps: Vec<Gap>,
    moved: Option<Moved>,
}

/// That there are other namespaces than before.
pub(super) struct Moved {
    /// With those that there are.
    pub(super) host: Host,
    /// What is announced in new ones.
    pub(super) sources: Vec<AnnouncementSource>,
}

impl Watch {
    /// Begins to look, where there is something to look for. The thread ends with the process: a
    /// look cannot be called back, and nobody waits for the last one.
    pub(super) fn begin(looker: Looker, host: &Host, arrivals: &Arrivals) -> Result<Watch, Error> {
        let spaces = match host {
            Host::Everywhere(everywhere) => Some(identities(everywhere)),
            _ => None,
        };
        let goes_on = looker.looks() || spaces.is_some();
        let news = Arc::new(Mutex::new(News {
            has_looked: !looker.looks(),
            ..News::default()
        }));
        if goes_on {
            let watcher = Watcher {
                tables: looker.tables().to_vec(),
                looker,
                news: Arc::downgrade(&news),
                spaces,
                joined: arrivals.namespaces(),
                told_without_bpf: false,
            };
            let started = thread::Builder::new().spawn(move || watcher.run());
            started.map_err(|error| Error::Nothing(format!("no thread to look with: {error}")))?;
        }
        Ok(Watch { news, goes_on })
    }

    /// Whether more looks follow.
    pub(super) const fn is_going_on(&self) -> bool {
        self.goes_on
    }

    /// Whether the first look is over, or none is needed.
    pub(super) fn has_looked(&self) -> bool {
        locked(&self.news).has_looked
    }

    /// What was seen last.
    pub(super) fn look(&self) -> Look {
        locked(&self.news).look.clone()
    }

    /// What could not be seen, as far as it was not taken yet.
    pub(super) fn take_gaps(&self) -> Vec<Gap> {
        std::mem::take(&mut locked(&self.news).gaps)
    }

    /// Whether the namespaces are others now.
    pub(super) fn take_moved(&self) -> Option<Moved> {
        locked(&self.news).moved.take()
    }
}

/// No thread leaves news half told.
fn locked(news: &Mutex<News>) -> MutexGuard<'_, News> {
    news.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By what the namespaces of a machine are told from those it had before.
type Identities = Vec<(Option<u64>, Option<u32>)>;

fn identities(everywhere: &Everywhere) -> Identities {
    let spaces = everywhere.spaces().iter();
    spaces.map(|space| (space.inode, space.process())).collect()
}

/// Who looks.
struct Watcher {
    looker: Looker,
    tables: Vec<Table>,
    news: Weak<Mutex<News>>,
    /// The namespaces as they were last, where there are several.
    spaces: Option<Identities>,
    /// Inodes of those that were joined.
    joined: Vec<u64>,
    told_without_bpf: bool,
}

impl Watcher {
    fn run(mut self) {
        let mut look = Look::default();
        loop {
            let begun = Instant::now();
            let (mut gaps, mut moved) = (Vec::new(), None);
            match self.host() {
                Ok(host) => {
                    // What was seen before is better than nothing.
                    match self.look(&host, &look) {
                        Ok(seen) => look = self.heed(seen, &mut gaps),
                        Err(gap) => gaps.push(gap),
                    }
                    // One at a time: what a namespace announced is told of the host it was on.
                    if !self.has_untaken() {
                        moved = self.moved(host, &mut gaps);
                    }
                }
                Err(gap) => gaps.push(gap),
            }
            let Some(news) = self.news.upgrade() else {
                return;
            };
            tell(&news, look.clone(), gaps, moved);
            drop(news);
            thread::sleep(BETWEEN_LOOKS.max(begun.elapsed() * REST));
        }
    }

    /// The machine as it is now.
    fn host(&self) -> Result<Host, Gap> {
        match self.spaces {
            Some(_) => find_everywhere(),
            None => Ok(Host::Live),
        }
    }

    /// Takes what was seen, and says what is to be said of how.
    fn heed(&mut self, seen: Seen, gaps: &mut Vec<Gap>) -> Look {
        gaps.extend(seen.gaps);
        if let Some(reason) = seen.without_bpf.filter(|_| !self.told_without_bpf) {
            write_warning(&format!("owners by /proc, not BPF: {reason}"));
            self.told_without_bpf = true;
        }
        seen.look
    }

    fn look(&self, host: &Host, earlier: &Look) -> Result<Seen, Gap> {
        if !self.looker.looks() {
            return Ok(Seen::default());
        }
        self.looker
            .look(host, earlier)
            .map_err(|error| Gap::Unreadable {
                what: "what lives",
                place: "tables of sockets".to_owned(),
                reason: error.to_string(),
            })
    }

    /// Whether other namespaces were found and that was not taken yet.
    fn has_untaken(&self) -> bool {
        let news = self.news.upgrade();
        news.is_some_and(|news| locked(&news).moved.is_some())
    }

    /// Joins new namespaces, where there are any; what they announce waits until it is taken.
    fn moved(&mut self, host: Host, gaps: &mut Vec<Gap>) -> Option<Moved> {
        let Host::Everywhere(everywhere) = &host else {
            return None;
        };
        let now = identities(everywhere);
        if self.spaces.as_ref() == Some(&now) {
            return None;
        }
        let mut sources = Vec::new();
        if let Ok(joined) = join_announcements(&host, &self.tables, &self.joined) {
            gaps.extend(joined.gaps);
            sources = joined.sources;
        }
        let is_there = |inode: &u64| now.iter().any(|(there, _)| there.unwrap_or(0) == *inode);
        self.joined.retain(is_there);
        self.joined
            .extend(sources.iter().map(|source| source.inode));
        self.spaces = Some(now);
        Some(Moved { host, sources })
    }
}

fn tell(news: &Mutex<News>, look: Look, gaps: Vec<Gap>, moved: Option<Moved>) {
    let mut news = locked(news);
    news.look = look;
    news.has_looked = true;
    news.gaps.extend(gaps);
    if moved.is_some() {
        news.moved = moved;
    }
}
