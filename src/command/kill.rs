//! Destroys the sockets that match a filter.

use super::context::{Context, Error, Finish};
use crate::cli::ListPlan;

pub(super) fn run(_context: &mut Context, _list: &ListPlan, _yes: bool) -> Result<Finish, Error> {
    Err(Error::Nothing("-K: not there yet".to_owned()))
}
