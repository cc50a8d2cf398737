//! From a plan to its command.

use super::context::{Context, write_warning};
use super::outcome::{Error, Finish};
use super::{completions, ephemeral, events, kill, list, overview, record, summary, why};
use crate::cli::{Job, Netns, Plan};
use crate::collect::find_everywhere;
use crate::kernel::{Host, NetnsTarget};
use crate::model::Entrance;

/// Does what was planned.
pub fn run(plan: Plan) -> Result<Finish, Error> {
    match (&plan.netns, &plan.from) {
        (Netns::At(name), None) => {
            let target = match NetnsTarget::find(name) {
                Ok(target) => target,
                Err(error) => return run_on(&plan, Err(error.into()), None),
            };
            if let Some(pid) = target.not_process {
                write_warning(&format!(
                    "netns {pid} is the one of that name; that of process {pid} is \
                     /proc/{pid}/ns/net"
                ));
            }
            // Of the thread that goes there it would be no other.
            let entrance = target.entrance();
            let ran = target.run(|host| run_on(&plan, Ok(host), entrance));
            ran.unwrap_or_else(|error| run_on(&plan, Err(error.into()), None))
        }
        (_, Some(path)) => run_on(&plan, Host::recorded(path).map_err(Error::from), None),
        (Netns::All, None) => {
            let everywhere = find_everywhere();
            run_on(
                &plan,
                everywhere.map_err(|gap| Error::Nothing(gap.to_string())),
                None,
            )
        }
        (_, None) => run_on(&plan, Ok(Host::Live), None),
    }
}

/// Does it with this host, to whose network namespace commands get by the entrance, or tells why
/// there is none.
fn run_on(
    plan: &Plan,
    host: Result<Host, Error>,
    entrance: Option<Entrance>,
) -> Result<Finish, Error> {
    let context = host.map(|host| {
        let mut context = Context::new(host, plan.method, plan.holder_method);
        context.entrance = entrance.or(context.entrance);
        context.tells_netns = plan.netns != Netns::Unsaid;
        context
    });
    match &plan.job {
        Job::Overview(output) => overview::run(&mut context?, output),
        Job::Summary(plan) => summary::run(&mut context?, plan),
        Job::List(plan) => list::run(&mut context?, plan),
        Job::Events(plan) => events::run(&mut context?, plan),
        Job::Kill(plan) => kill::run(&mut context?, plan),
        // Its readers are told in their own format when there is nothing to read.
        Job::Ephemeral(plan) => ephemeral::run(context, plan),
        Job::Why(plan) => why::run(&mut context?, plan),
        Job::Record(record) => record::run(&mut context?, record),
        Job::Completions(shell) => completions::run(*shell),
    }
}
