//! What the program does: one file a command, each a recipe over the rooms below.

mod annotate;
mod completions;
mod hold;
mod list;
mod overview;
mod record;
mod run;
mod stream;
mod summary;

pub use run::{Error, Finish, run};
