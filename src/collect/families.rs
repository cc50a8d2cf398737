//! Which families' dumps a recording of messages holds, and whether each of them came to its end.

use crate::model::Family;

/// Something that went wrong, and at which byte.
pub(super) type Flaw = (u64, String);

/// How the dump of a family ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With an end of its own.
    Complete,
    /// Not at all: it breaks off with the file.
    Cut,
    /// With an error, or with a row of the other family.
    Failed(Flaw),
    /// There is none.
    Absent,
}

/// The dumps of a file, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Families {
    under_way: Option<UnderWay>,
    v4: Told,
    v6: Told,
    /// The ends of dumps without rows, of which only their order tells the family.
    empty: Vec<Result<(), Flaw>>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    family: Family,
    covers_both: bool,
}

/// What the file tells of a family.
#[derive(Debug, Default)]
struct Told {
    rows: bool,
    ended: bool,
    failed: Option<Flaw>,
}

impl Families {
    fn told(&self, family: Family) -> &Told {
        match family {
            Family::V6 => &self.v6,
            // The one family of a protocol that has no more.
            _ => &self.v4,
        }
    }

    fn told_mut(&mut self, family: Family) -> &mut Told {
        match family {
            Family::V6 => &mut self.v6,
            _ => &mut self.v4,
        }
    }

    /// A row came. A dump covers one family, but for those of before Linux 3.3.
    pub(super) fn row(&mut self, family: Family, covers_both: bool, place: u64) {
        let goes_on = self.under_way.is_none_or(|before| {
            before.covers_both == covers_both && (covers_both || before.family == family)
        });
        if !goes_on {
            let reason = format!("goes on with {} before its end", family.name());
            self.end(Err((place, reason)));
        }
        self.told_mut(family).rows = true;
        self.under_way = Some(UnderWay {
            family,
            covers_both,
        });
    }

    /// The dump under way ended.
    pub(super) fn end(&mut self, how: Result<(), Flaw>) {
        let Some(before) = self.under_way.take() else {
            // More than one a family belong to none.
            if self.empty.len() <= Family::IP.len() {
                self.empty.push(how);
            }
            return;
        };
        let ended = match before.covers_both {
            true => &Family::IP[..],
            false => &[before.family],
        };
        for &family in ended {
            let told = self.told_mut(family);
            match &how {
                Ok(()) => told.ended = true,
                Err(flaw) => _ = told.failed.get_or_insert_with(|| flaw.clone()),
            }
        }
    }

    /// Whether the dump under way, if any, may be that of a family.
    pub(super) fn may_be_under_way(&self, family: Family) -> bool {
        self.under_way
            .is_none_or(|now| now.covers_both || now.family == family)
    }

    /// Whether a row of the family came.
    pub(super) fn has_rows(&self, family: Family) -> bool {
        self.told(family).rows
    }

    /// How the dump of a family ended, in a file that is to hold those of `expected`.
    pub(super) fn verdict(&self, family: Family, expected: &[Family]) -> Verdict {
        let told = self.told(family);
        if let Some(flaw) = &told.failed {
            return Verdict::Failed(flaw.clone());
        }
        if told.ended {
            return Verdict::Complete;
        }
        if told.rows {
            return Verdict::Cut;
        }
        let place = self
            .without_rows(expected)
            .position(|other| other == family);
        match place.and_then(|place| self.empty.get(place)) {
            Some(Ok(())) => Verdict::Complete,
            Some(Err(flaw)) => Verdict::Failed(flaw.clone()),
            None => Verdict::Absent,
        }
    }

    /// An error that is no family's.
    pub(super) fn stray(&self, expected: &[Family]) -> Option<&Flaw> {
        self.empty
            .get(self.without_rows(expected).count())?
            .as_ref()
            .err()
    }

    fn without_rows(&self, expected: &[Family]) -> impl Iterator<Item = Family> {
        expected
            .iter()
            .copied()
            .filter(|family| !self.told(*family).rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in short: `4` and `6` are rows, `a` and `b` such of a dump over both families, `.` an
    /// end, `!` an error.
    fn families(file: &str) -> Families {
        let mut families = Families::default();
        for (place, what) in (0..).zip(file.chars()) {
            match what {
                '4' => families.row(Family::V4, false, place),
                '6' => families.row(Family::V6, false, place),
                'a' => families.row(Family::V4, true, place),
                'b' => families.row(Family::V6, true, place),
                '.' => families.end(Ok(())),
                _ => families.end(Err((place, "error".to_owned()))),
            }
        }
        families
    }

    #[track_caller]
    fn check(file: &str, expected: &[Family], verdicts: &str) {
        let families = families(file);
        let found: String = Family::IP
            .iter()
            .map(|family| match families.verdict(*family, expected) {
                Verdict::Complete => 'c',
                Verdict::Cut => 'x',
                Verdict::Failed(_) => 'f',
                Verdict::Absent => '-',
            })
            .collect();
        assert_eq!(found, verdicts, "{file}");
    }

    #[test]
    fn each_family_has_an_end_of_its_own() {
        for (file, verdicts) in [
            ("", "--"),
            (".", "c-"),
            ("..", "cc"),
            ("44.66.", "cc"),
            ("44.", "c-"),
            ("66.", "-c"),
            ("66..", "cc"),
            (".66.", "cc"),
            ("44..", "cc"),
            ("44", "x-"),
            ("44.66", "cx"),
            ("4466.", "fc"),
            ("66", "-x"),
            ("64.", "cf"),
            ("4.64.", "cf"),
            ("4.6.4", "cc"),
            ("44!66.", "fc"),
            ("!66.", "fc"),
            ("!.", "fc"),
            ("44.!", "cf"),
            ("44.6!", "cf"),
            ("abab.", "cc"),
            ("a.", "cc"),
            ("ab", "xx"),
            ("ab!", "ff"),
            ("ab4.", "ff"),
        ] {
            check(file, &Family::IP, verdicts);
        }
    }

    #[test]
    fn the_only_end_is_that_of_the_family_that_was_not_left_out() {
        check(".", &[Family::V6], "-c");
        check(".", &[Family::V4], "c-");
    }

    #[test]
    fn an_error_behind_both_families_is_nobodys() {
        assert!(families("44.66.!").stray(&Family::IP).is_some());
        assert!(families("44.!").stray(&Family::IP).is_none());
        assert!(families("44.66..").stray(&Family::IP).is_none());
    }
}
