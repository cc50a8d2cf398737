//! From a plan to its command.

use super::context::{Context, Error, Finish};
use super::{completions, ephemeral, list, overview, record, summary};
use crate::cli::plan::{Job, Plan};
use crate::kernel::Host;

/// Does what was planned.
pub fn run(plan: Plan) -> Result<Finish, Error> {
    let host = match &plan.from {
        None => Ok(Host::Live),
        Some(path) => Host::recorded(path),
    };
    let context = host
        .map(|host| Context::new(host, plan.method, plan.holder_method))
        .map_err(Error::from);
    match plan.job {
        Job::Overview(output) => overview::run(&mut context?, &output),
        Job::Summary(plan) => summary::run(&mut context?, &plan),
        Job::List(plan) => list::run(&mut context?, &plan),
        // Its readers are told in their own format when there is nothing to read.
        Job::Ephemeral(plan) => ephemeral::run(context, &plan),
        Job::Record(record) => record::run(&mut context?, &record),
        Job::Completions(shell) => completions::run(shell),
    }
}
