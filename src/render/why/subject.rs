//! Who has a socket, as the subject of a sentence.

use super::case::{listed, mark};
use crate::model::{InetRow, Owner, Owners};
use crate::render::escape;

/// Names in a sentence; more would hide what it says.
const MOST_NAMES: usize = 3;

/// The subject of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) text: String,
    pub(super) plural: bool,
}

impl Subject {
    pub(super) fn one(text: impl Into<String>) -> Subject {
        Subject {
            text: text.into(),
            plural: false,
        }
    }

    /// The subject with its verb.
    pub(super) fn does(&self, one: &str, several: &str) -> String {
        let verb = if self.plural { several } else { one };
        format!("{} {verb}", self.text)
    }
}

/// Who has a socket; of its processes these are named, and the others counted but for so many who
/// merely inherited it.
pub(super) fn subject(row: &InetRow<'_>, named: &[Owner<'_>], heirs: usize) -> Subject {
    let mut all: Vec<u32> = row.owners.iter().map(|owner| owner.holder.pid).collect();
    all.dedup();
    let count = all.len().saturating_sub(heirs);
    match row.owners {
        Owners::Known { .. } if !named.is_empty() => {
            let shown = named.iter().take(MOST_NAMES);
            let mut names: Vec<String> = shown.map(|owner| mark(*owner)).collect();
            let more = count.saturating_sub(names.len());
            if more > 0 {
                let others = match (more, named.len() < count) {
                    (1, true) if named.len() == 1 => "1 child".to_owned(),
                    (_, true) if named.len() == 1 => format!("{more} children"),
                    _ => format!("{more} more"),
                };
                names.push(others);
            }
            Subject {
                plural: names.len() > 1,
                text: listed(&names),
            }
        }
        Owners::None | Owners::Unheld => Subject::one("no process"),
        Owners::Known { .. } | Owners::Hidden | Owners::Unseen | Owners::Unasked => {
            Subject::one(match (row.user, row.uid()) {
                (Some(user), _) => format!(
                    "a socket of {}, whose holder cannot be seen,",
                    escape::terminal(user.as_bytes())
                ),
                (None, Some(uid)) => {
                    format!("a socket of uid {uid}, whose holder cannot be seen,")
                }
                (None, None) => "a socket whose holder cannot be seen".to_owned(),
            })
        }
    }
}
