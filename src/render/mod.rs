//! Writes rows and findings for people and programs. One file a format.
//!
//! Nothing is asked of the system here, and all text that came from it goes through
//! [`escape`]. Recv-Q and Send-Q, which mean two things each, exist only here.

mod address;
mod below;
mod clock;
mod columns;
mod csv;
mod ends;
mod entering;
pub mod ephemeral;
pub mod escape;
mod extended;
mod info;
mod json;
mod overview;
mod page;
mod paint;
mod plain;
mod shell;
mod socket_words;
mod summary;
mod table;
mod verdict;
pub mod why;

pub use clock::utc;
pub use columns::{Column, Detail, SortKey, UnknownColumn};
pub use csv::{Csv, CsvAsked};
pub use json::{Collection, Document, JsonFields, row as json_row};
pub use overview::overview;
pub use paint::Paint;
pub use plain::{Plain, PlainOptions};
pub use socket_words::{count_of_sockets, socket_words};
pub use summary::{NamespaceCounts, summary_csv, summary_json, summary_jsonl, summary_text};
pub use table::{TableOptions, table};
pub use verdict::{verdict_line, verdict_warning};
