//! The filter of a listing: bytes to text, and what it makes of a plan.

use std::ffi::OsString;

use super::list::ListPlan;
use super::output::UsageError;
use crate::filter::{Query, Test};
use crate::model::{Family, Protocol, State, StateSet, Table};
use crate::render::escape::terminal;

/// The words of a filter as text.
pub(super) fn filter_text(words: &[OsString]) -> Result<String, UsageError> {
    let word = |word: &OsString| {
        let bytes = word.as_encoded_bytes();
        text_of_filter(bytes).ok_or_else(|| UsageError::BytesInQuotes(terminal(bytes)))
    };
    let words: Result<Vec<String>, UsageError> = words.iter().map(word).collect();
    Ok(words?.join(" "))
}

/// A part of a filter as text, in which bytes that are none are written as a filter writes them.
/// `None` where there are such bytes and single quotes: between these nothing stands for anything
/// else.
pub fn text_of_filter(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().is_empty() {
            continue;
        }
        if bytes.contains(&b'\'') {
            return None;
        }
        let backslashes = text.len() - text.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            // It would have left the byte as it is.
            text.pop();
        }
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
        }
    }
    Some(text)
}

impl ListPlan {
    /// The families that flags name, each once.
    pub fn named_families(&self) -> Vec<Family> {
        let tables = self.tables.iter().filter(|_| self.names_tables);
        let mut families: Vec<Family> = tables.map(|table| table.family).collect();
        families.sort_unstable();
        families.dedup();
        families
    }

    /// The plan, with the sockets that its filter speaks of where no flag says which: as in ss,
    /// `src unix:/run/x` alone lists unix sockets.
    pub fn following(mut self, query: &Query) -> ListPlan {
        let mut families = Family::BEYOND_IP.to_vec();
        families.retain(|family| query.asks(&|test| *test == Test::Family(*family)));
        if self.names_tables || families.is_empty() {
            return self;
        }
        let of_ip = |test: &Test| matches!(test, Test::Port { .. } | Test::Address { .. });
        if !query.asks(&of_ip) {
            self.tables.clear();
        }
        let protocols = Protocol::EVERY.into_iter();
        let mut tables: Vec<Table> = protocols.flat_map(Protocol::tables).collect();
        tables.retain(|table| families.contains(&table.family) || self.tables.contains(table));
        self.tables = tables;
        // Packet and netlink sockets are never connected.
        if self.states == StateSet::DEFAULT && families != [Family::Unix] {
            self.states = self.states.with(State::Close);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_written_as_text() {
        let check = |bytes: &[u8], text: Option<&str>| {
            assert_eq!(text_of_filter(bytes).as_deref(), text);
        };
        check(b"src /a\xffb", Some(r"src /a\xffb"));
        check("src 'ü'".as_bytes(), Some("src 'ü'"));
        check(b"src \\\xff", Some(r"src \xff"));
        check(b"src \\\\\xff", Some(r"src \\\xff"));
        check(b"src '\xff'", None);
    }
}
