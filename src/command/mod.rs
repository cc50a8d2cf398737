//! What the program does: one file a command, each a recipe over the rooms below.

mod annotate;
mod completions;
mod context;
mod ephemeral;
mod held;
mod hold;
mod holders;
mod list;
mod overview;
mod record;
mod request;
mod run;
mod stream;
mod summary;

pub use context::{Error, Finish, RecordError};
pub use run::run;
