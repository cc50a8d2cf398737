//! The command line: what is accepted ([`args`], and a file for each command), and what it comes
//! to on this terminal and in this environment ([`plan`]).
//!
//! Imports go one way: [`global`] and [`output`] know nothing of commands, a command's file knows
//! those two, [`args`] and [`plan`] know all.

pub mod args;
pub mod ephemeral;
mod events;
mod filter;
mod filter_text;
pub mod global;
pub mod kill;
pub mod list;
mod meant;
mod needs;
pub mod output;
pub mod plan;
pub mod query;
mod refused;
pub mod target;
pub mod usage;
pub mod why;

pub use args::{Args, Command, means_ephemeral, means_plugin};
pub use ephemeral::{EphemeralPlan, ReportFormat};
pub use filter_text::text_of_filter;
pub use global::Netns;
pub use kill::{Consent, KillPlan};
pub use list::ListPlan;
pub use meant::meant;
pub use output::{Environment, Format, Output};
pub use plan::{Job, Plan};
pub use query::{FAMILIES, TABLES};
pub use target::{PortName, Target, TargetError};
pub use usage::{KillError, UsageError};
pub use why::{Asked, Destination, WhyFormat, WhyPlan};
