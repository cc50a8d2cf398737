//! What the program does: one file a command, each a recipe over the rooms below.

mod annotate;
mod beyond_ip;
mod completions;
mod context;
mod ephemeral;
mod events;
mod filter_file;
mod held;
mod hold;
mod holders;
mod kill;
mod list;
mod names;
mod outcome;
mod overview;
mod ports;
mod record;
mod request;
mod run;
mod shares;
mod sieve;
mod stream;
mod summary;
mod wants;
mod why;

pub use outcome::{Error, Finish, RecordError};
pub use run::run;
