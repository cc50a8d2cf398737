//! Parts of a file or dump that made no sense.

use crate::model::Gap;

/// The first one's place and reason, and how many there are.
#[derive(Default)]
pub(super) struct BadPlaces {
    first: Option<(u64, String)>,
    count: u64,
}

impl BadPlaces {
    pub(super) fn add(&mut self, place: u64, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((place, reason()));
        }
    }

    /// What is missing for it of `what`; `file` is where, counted in units such as bytes.
    pub(super) fn gap(&self, what: &'static str, file: String, unit: &str) -> Option<Gap> {
        let (place, reason) = self.first.as_ref()?;
        Some(Gap::Garbled {
            what,
            place: file,
            first: format!("{unit} {place}"),
            count: self.count,
            reason: reason.clone(),
        })
    }
}
