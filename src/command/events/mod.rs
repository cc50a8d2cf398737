//! Sockets, printed as the kernel destroys them, with what was known of them before.

mod arrivals;
mod ends;
mod look;
mod rows;
mod watch;

use std::time::Duration;

use self::arrivals::Arrivals;
use self::ends::refuse_empty;
use self::look::Looker;
use self::rows::{Printer, Rows};
use self::watch::{BETWEEN_LOOKS, Moved, Watch};
use super::context::{Context, Warned};
use super::outcome::{Error, Finish};
use super::request::{query, request};
use crate::cli::ListPlan;
use crate::collect::{Request, join_announcements};
use crate::filter::Query;
use crate::kernel::{Waited, wait_for_announcements};
use crate::model::StateSet;

/// How long what is announced is left in the kernel, at the longest, while nobody looked yet.
const BEFORE_FIRST_LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(context: &mut Context, plan: &ListPlan) -> Result<Finish, Error> {
    let query = query(context, plan)?;
    refuse_empty(&query, &plan.tables)?;
    let request = Request {
        states: StateSet::ALL,
        ..request(context, plan, &query)
    };
    // Before the first look, so that nothing falls between.
    let joined = join_announcements(&context.host, &request.tables, &[])
        .map_err(|error| Error::Nothing(format!("cannot hear of destroyed sockets: {error}")))?;
    let mut arrivals = Arrivals::new(joined.sources, request.details);
    let looker = Looker::new(context, plan, &request, &query);
    let watch = Watch::begin(looker.clone(), &context.host, &arrivals)?;
    let mut printer = Printer::new(context, plan, &request);
    let mut events = Events {
        plan,
        query: &query,
        request: &request,
        looker,
        watch,
        warned: Warned::default(),
    };
    events.warned.warn_of_gaps(&joined.gaps);
    loop {
        match events.follow(context, &mut arrivals, &mut printer)? {
            Next::Finished => return Ok(Finish::Done),
            Next::Renewed => {}
            Next::Moved(moved) => {
                context.host = moved.host;
                arrivals.adopt(&context.host, moved.sources);
            }
        }
    }
}

/// How following the announcements ended.
enum Next {
    /// It was found what was looked for, or nobody reads any more.
    Finished,
    /// It is to go on without what was remembered.
    Renewed,
    /// There are other namespaces now.
    Moved(Moved),
}

struct Events<'a> {
    plan: &'a ListPlan,
    query: &'a Query,
    request: &'a Request,
    looker: Looker,
    watch: Watch,
    warned: Warned,
}

impl Events<'_> {
    /// Prints what comes, until there is nothing more to do or something is to be done anew.
    ///
    /// This thread receives, decides and prints, all of which takes microseconds an event; the
    /// looks at tables and processes, which may take seconds, are another's.
    fn follow(
        &mut self,
        context: &Context,
        arrivals: &mut Arrivals,
        printer: &mut Printer,
    ) -> Result<Next, Error> {
        let mut rows = Rows::new(context, self.plan, self.request, self.query, &self.looker);
        loop {
            let is_ready = self.watch.has_looked();
            if is_ready {
                printer.begin()?;
            }
            if self.wait(arrivals, is_ready) == Waited::Unread {
                return Ok(Next::Finished);
            }
            // What ended namespaces announced is received before they are left.
            let moved = self.watch.take_moved();
            arrivals.receive()?;
            arrivals.warn_of_losses();
            self.warned.warn_of_gaps(&self.watch.take_gaps());
            if !self.watch.has_looked() {
                continue;
            }
            let found = rows.print(arrivals.take(), &self.watch.look(), printer)?;
            self.warned.warn_of_gaps(&rows.gaps());
            if found && self.plan.quiet {
                return Ok(Next::Finished);
            }
            if let Some(moved) = moved {
                return Ok(Next::Moved(moved));
            }
            if rows.are_stale() {
                return Ok(Next::Renewed);
            }
        }
    }

    /// Waits for announcements, and no longer than it may be that something else is to be done.
    fn wait(&self, arrivals: &Arrivals, is_ready: bool) -> Waited {
        let longest = match is_ready {
            false => Some(BEFORE_FIRST_LOOK),
            true if arrivals.owes_warning() || self.watch.is_going_on() => Some(BETWEEN_LOOKS),
            true => None,
        };
        // What is full is not asked: it would answer at once.
        let sources = arrivals.sources().filter(|_| !arrivals.is_full());
        wait_for_announcements(sources, !self.plan.quiet, longest)
    }
}
