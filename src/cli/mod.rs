//! The command line: what is accepted ([`args`]), and what it comes to on this terminal and in
//! this environment ([`plan`]).

pub mod args;
pub mod ephemeral;
pub mod plan;

pub use args::{Args, Command, means_ephemeral, means_plugin};
pub use ephemeral::{EphemeralPlan, ReportFormat};
pub use plan::{Environment, Format, ListPlan, Output, Plan, UsageError};
